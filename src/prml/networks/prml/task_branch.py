"""Task branch (paper 4.2, eq. 1): N times TF_T then TF_S on the shared feature plus the task's position embedding."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.networks.dstformer import DSTFormerBlock
from prml.networks.layers import Encoder

BlockOrder = Literal["S", "T", "S-T", "S->T", "T->S"]


def branch_block(order: BlockOrder, *, width: int, heads: int, mlp_ratio: float) -> nn.Module:
    """One of the N blocks of a branch, in one of the orders of Table 10 ("S-T" is the two-stream layer)."""
    if order == "S-T":
        return DSTFormerBlock(width=width, heads=heads, mlp_ratio=mlp_ratio)
    spatial = Encoder(width=width, heads=heads, axis="spatial", mlp_ratio=mlp_ratio) if "S" in order else None
    temporal = Encoder(width=width, heads=heads, axis="temporal", mlp_ratio=mlp_ratio) if "T" in order else None
    parts = (spatial, temporal) if order in ("S", "S->T") else (temporal, spatial)
    return nn.Sequential(*(p for p in parts if p is not None))


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
        """Draw the position embedding anew."""
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, shared: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """F_2D^N or F_D^N."""
        feature = shared + self.position
        for block in self.blocks:
            feature = block(feature)
        return feature
