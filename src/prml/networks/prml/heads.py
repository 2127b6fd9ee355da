"""Regression heads (paper 4.5): one for the 2D pose, one for the per-joint depth."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.networks.heads import RegressionHead


class TaskHeads(nn.Module):
    """A head for (x, y) and a head for depth, each on the feature of its task; together the 3D pose."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.pose_2d = RegressionHead(width=width, channels=2)
        self.depth = RegressionHead(width=width, channels=1)

    def forward(self, f_2d: Float[Tensor, "B T J C"], f_d: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J 3"]:
        """Root-relative metres, camera frame."""
        return torch.cat([self.pose_2d(f_2d), self.depth(f_d)], -1)
