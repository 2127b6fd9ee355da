"""A network with its uncertainty head as one module, which an engine computes and files for other programs hold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.skeleton import Skeleton, joint_groups

Array = np.ndarray


class Whole(nn.Module):
    """Windows in, poses out, with variances if there is an uncertainty head.

    Args:
        network: returns a pose for every frame of a window.
        uncertainty: its uncertainty head.
        temperature: factors on standard deviations.

    Raises:
        PrmlError: the network needs image features, or returns one pose per window.
    """

    def __init__(self, network: Any, uncertainty: nn.Module | None, temperature: Float[Tensor, "J 3"]) -> None:
        super().__init__()
        if network.image_channels or network.output != "sequence":
            raise PrmlError(
                "only networks that return all poses of a window, and need no image features, run on another engine "
                "or are exported; leave engine=... out"
            )
        self.network = network
        self.uncertainty = uncertainty if network.support_widths is not None else None
        self.register_buffer("temperature", temperature)

    def forward(self, windows: Float[Tensor, "B T J c"]) -> Float[Tensor, "B T J d"]:
        """Return x, y, z of every joint, then their variances if known."""
        if self.uncertainty is None:
            return torch.as_tensor(self.network(windows)).float()
        pose, features = self.network(windows, features=True)
        std = self.uncertainty(features.s_2d.float(), features.s_d.float()) * self.temperature
        return torch.cat([pose.float(), std.square()], -1)


def temperature(groups: Mapping[str, Sequence[float]], joints: Skeleton) -> Float[Array, "J 3"]:
    """Return the factor on every joint's predicted standard deviations from those of the joint groups of a card."""
    factors = np.ones((len(joints), 3), np.float32)
    for group, columns in joint_groups(joints).items():
        if group in groups:
            factors[list(columns)] = groups[group]
    return factors
