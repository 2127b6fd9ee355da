"""Regression heads (paper 4.5): one for the 2D pose, one for the per-joint depth."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RegressionHead(nn.Module):
    """LayerNorm and a linear layer.

    The paper calls its heads MLPs; its multiply-add count (49.3 G) leaves room for one layer each.
    """

    def __init__(self, *, width: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, channels)

    def forward(self, feature: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J c"]:
        """Coordinates of every joint."""
        return self.fc(self.norm(feature))


class DualHead(nn.Module):
    """A head for (x, y) and a head for depth; their outputs concatenated are the 3D pose."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.pose_2d = RegressionHead(width=width, channels=2)
        self.depth = RegressionHead(width=width, channels=1)

    def forward(self, f_2d: Float[Tensor, "B T J C"], f_d: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J 3"]:
        """Root-relative metres, camera frame."""
        return torch.cat([self.pose_2d(f_2d), self.depth(f_d)], -1)
