"""Shared bottom (paper 4.2): linear embedding of the 2D pose sequence, then K DSTFormer blocks; gives the feature F."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.networks.blocks import DSTFormerBlock


class SharedBottom(nn.Module):
    """Embed a 2D pose sequence and extract the general feature F.

    Args:
        in_channels: C_in, 3 (x, y, confidence) for detected and 2 for ground-truth 2D.
        width: C.
        joints, frames: J and the longest T; shorter sequences use the first rows of the frame embedding.
        blocks: K, number of DSTFormer blocks.
        heads, mlp_ratio: of every encoder.
    """

    def __init__(
        self, *, in_channels: int, width: int, joints: int, frames: int, blocks: int, heads: int, mlp_ratio: float = 4.0
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(in_channels, width)
        self.joint_embedding = nn.Parameter(torch.empty(joints, width))
        self.frame_embedding = nn.Parameter(torch.empty(frames, width))
        self.blocks = nn.ModuleList(
            DSTFormerBlock(width=width, heads=heads, mlp_ratio=mlp_ratio) for _ in range(blocks)
        )

    def reset(self) -> None:
        """Redraw the embeddings."""
        nn.init.trunc_normal_(self.joint_embedding, std=0.02)
        nn.init.trunc_normal_(self.frame_embedding, std=0.02)

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B T J C"]:
        """The shared feature F."""
        feature = self.embed(x) + self.joint_embedding + self.frame_embedding[: x.shape[1], None]
        for block in self.blocks:
            feature = block(feature)
        return feature
