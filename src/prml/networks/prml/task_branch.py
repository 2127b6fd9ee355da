"""Task branch (paper 4.2, eq. 1): N times TF_T then TF_S on the shared feature plus the task's position embedding."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.networks.layers import Axis, Encoder, Fusion

BlockOrder = Literal["S", "T", "S-T", "S->T", "T->S"]


class TwoStreamBlock(nn.Module):
    """S-T of Table 10: a spatial and a temporal encoder on the same input (paper C.3).

    The paper does not say how the two are mixed; here as in the DSTFormer's block, per token, from one half each.
    """

    def __init__(self, *, spatial: Encoder, temporal: Encoder, width: int) -> None:
        super().__init__()
        self.spatial, self.temporal = spatial, temporal
        self.fusion = Fusion(width=width)

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """Same shape out as in."""
        return self.fusion(self.spatial(x), self.temporal(x))[0]


def branch_block(order: BlockOrder, *, width: int, heads: int, mlp_ratio: float) -> nn.Module:
    """One of the N blocks of a branch, in one of the orders of Table 10."""

    def encoder(axis: Axis) -> Encoder:
        return Encoder(width=width, heads=heads, axis=axis, mlp_ratio=mlp_ratio)

    if order == "S-T":
        return TwoStreamBlock(spatial=encoder("spatial"), temporal=encoder("temporal"), width=width)
    axes: dict[str, Axis] = {"S": "spatial", "T": "temporal"}
    return nn.Sequential(*(encoder(axes[letter]) for letter in order.split("->")))


class TaskBranch(nn.Module):
    """Refine the shared feature for one task; no weights are shared between tasks.

    Args:
        width, joints, heads, mlp_ratio: as in the shared bottom.
        blocks: N.
        order: order of the spatial and temporal encoders in a block (Table 10).
    """

    def __init__(
        self, *, width: int, joints: int, blocks: int, heads: int, mlp_ratio: float = 4.0, order: BlockOrder = "T->S"
    ) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.empty(joints, width))
        self.blocks = nn.ModuleList(
            branch_block(order, width=width, heads=heads, mlp_ratio=mlp_ratio) for _ in range(blocks)
        )

    def reset(self) -> None:
        """Redraw the position embedding."""
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, shared: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """F_2D^N or F_D^N."""
        feature = shared + self.position
        for block in self.blocks:
            feature = block(feature)
        return feature
