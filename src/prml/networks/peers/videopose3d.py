"""VideoPose3D (Pavllo et al., CVPR 2019): dilated temporal convolutions; the classic, and causal for live use."""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import prod
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.blocks import LastAxisBatchNorm, powers_of_3
from prml.networks.published.layout import Fixed, PublishedNetwork, Shapes, Slot, View, as_kernel_1, batch_norm, count


def as_kernel(width: int) -> View:
    """A linear layer on ``width`` frames side by side as a convolution in time: (out, in, width)."""
    return lambda own: own.unflatten(1, (width, -1)).transpose(1, 2)


class VideoPose3D(PublishedNetwork):
    """A window to the pose of its middle (causal: last) frame; a longer one to one pose for each full window in it.

    Args:
        frames: T, the receptive field; if ``kernels`` is not given, a power of 3.
        joints, in_channels: J, C_in.
        width: C.
        kernels: odd kernel width of every stage; their product is T.
        causal: see only the past.
        strided: compute windows of exactly T frames by strided convolutions; the same result at a fraction of the cost,
            but then no longer input is accepted.
        dropout: in training.
    """

    ARGUMENTS: ClassVar = {
        "num_joints_in": "joints",
        "num_joints_out": "joints",
        "in_features": "in_channels",
        "filter_widths": "kernels",
        "channels": "width",
        "dense": Fixed((False,)),
    }

    def __init__(
        self,
        *,
        frames: int | None = None,
        joints: int = 17,
        in_channels: int = 2,
        width: int = 1024,
        kernels: Sequence[int] | None = None,
        causal: bool = False,
        strided: bool = False,
        dropout: float = 0.25,
    ) -> None:
        kernels = powers_of_3(frames or 243) if kernels is None else tuple(kernels)
        if not kernels or any(k % 2 == 0 for k in kernels) or frames not in (None, prod(kernels)):
            raise PrmlError(f"kernels must be odd and their product the window: {kernels} and {frames} frames")
        super().__init__(frames=prod(kernels), joints=joints, in_channels=in_channels)
        self.any_length, self.output = not strided, "last" if causal else "middle"
        self.kernels, self.causal, self.strided, self.dropout = kernels, causal, strided, dropout
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        self._add(joints * in_channels, width, kernels[0])
        for kernel in kernels[1:]:
            self._add(width, width, kernel)
            self._add(width, width, 1)
        self.head = nn.Linear(width, 3 * joints)

    def _add(self, in_channels: int, width: int, kernel: int) -> None:
        self.convolutions.append(nn.Linear(kernel * in_channels, width, bias=False))
        self.norms.append(LastAxisBatchNorm(width))

    def check(self, x: Float[Tensor, "B T J C"]) -> None:
        """Refuse an input that does not fit."""
        super().check(x)
        if x.shape[1] < self.frames:
            raise PrmlError(f"VideoPose3D needs {self.frames} frames or more, got {x.shape[1]}; pad the sequence")

    def _unfold(self, x: Float[Tensor, "B T C"], i: int) -> Float[Tensor, "B U K"]:
        """The frames under stage i's kernel side by side: its convolution is then one matrix product."""
        kernel = self.kernels[i]
        if self.strided:
            return x.unflatten(1, (-1, kernel)).flatten(2)
        step = prod(self.kernels[:i])
        last = x.shape[1] - (kernel - 1) * step
        return torch.cat([x[:, k * step : k * step + last] for k in range(kernel)], -1)

    def _layer(self, x: Float[Tensor, "B T K"], layer: int) -> Float[Tensor, "B T C"]:
        return F.dropout(F.relu(self.norms[layer](self.convolutions[layer](x))), self.dropout, self.training)

    def _shortcut(self, x: Float[Tensor, "B T C"], i: int) -> Float[Tensor, "B U C"]:
        """The frames of a stage's input that its outputs stand for: the middle of each kernel, or (causal) its end."""
        kernel = self.kernels[i]
        if self.strided:
            return x[:, kernel - 1 if self.causal else kernel // 2 :: kernel]
        reach = (kernel - 1) * prod(self.kernels[:i])
        return x[:, reach:] if self.causal else x[:, reach // 2 : x.shape[1] - reach // 2]

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B U J 3"]:
        """Root-relative metres, camera frame, of U = T - frames + 1 frames."""
        self.check(x)
        x = self._layer(self._unfold(x.flatten(2), 0), 0)
        for i in range(1, len(self.kernels)):
            x = self._shortcut(x, i) + self._layer(self._layer(self._unfold(x, i), 2 * i - 1), 2 * i)
        return self.head(x).unflatten(-1, (self.joints, 3))

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""

        def convolution(published: str, layer: int, kernel: int) -> Slot:
            return Slot(f"{published}.weight", f"convolutions.{layer}.weight", as_kernel(kernel))

        later = range(1, len(self.convolutions))
        return chain(
            batch_norm("expand_bn", "norms.0"),
            (Slot(f"shrink.{name}", f"head.{name}", as_kernel_1) for name in ("weight", "bias")),
            (convolution("expand_conv", 0, self.kernels[0]),),
            (convolution(f"layers_conv.{i - 1}", i, self.kernels[(i + 1) // 2] if i % 2 else 1) for i in later),
            *(batch_norm(f"layers_bn.{i - 1}", f"norms.{i}") for i in later),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Everything."""
        joints = shapes["shrink.bias"][0] // 3
        width, channels, first = shapes["expand_conv.weight"]
        stages = range(0, count(shapes, "layers_conv"), 2)
        return {
            "joints": joints,
            "in_channels": channels // joints,
            "width": width,
            "kernels": (first, *(shapes[f"layers_conv.{i}.weight"][2] for i in stages)),
        }
