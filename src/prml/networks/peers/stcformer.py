"""STCFormer (Tang et al., CVPR 2023): half of the channels attends over joints, half over time, in parallel."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks import fused
from prml.networks.published.layout import Fixed, PublishedNetwork, Shapes, Slot, affine, count, slots

# torso and head, right leg, left leg, left arm, right arm
PARTS = (0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 3, 3, 3, 4, 4, 4)
PART_SCALE = (1e-4, 1e-9)  # of the part embedding in the spatial and the temporal half: the authors' constants
HEADS = 8


def _interleaved(own: Tensor) -> Tensor:
    """Spatial q, k, v, then temporal q, k, v, as the authors' order q0 k0 v0 q1 k1 v1 ..."""
    return own.unflatten(0, (2, 3, -1)).transpose(1, 2)


class CrissCrossAttention(nn.Module):
    """Spatial and temporal attention on half of the channels each, beside a depthwise convolution of the values.

    Args:
        width: C, a multiple of 16.
        joints: J.
    """

    part: Tensor

    def __init__(self, *, width: int, joints: int) -> None:
        super().__init__()
        half = width // 2
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.part_embedding = nn.Embedding(5, half // HEADS)
        self.local_temporal, self.local_spatial = (
            nn.Conv2d(half, half, kernel_size=3, padding=1, groups=half) for _ in range(2)
        )
        self.register_buffer("part", torch.tensor(PARTS)[:joints], persistent=False)
        self.scale = half**-0.5

    def _drop_part(self, part: Tensor, scale: float) -> Tensor:
        """The part embedding, left out half of the time in training."""
        return part * scale * (torch.randint(2, (), device=part.device) * 2 if self.training else 1)

    @staticmethod
    def _local(convolution: nn.Conv2d, value: Float[Tensor, "B T J c"]) -> Float[Tensor, "B T J H d"]:
        # channels stay last in memory: the permuted tensor is what torch calls channels_last
        out = convolution(value.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return out.unflatten(-1, (HEADS, -1))

    def _spatial(self, q: Tensor, k: Tensor, v: Tensor) -> Float[Tensor, "B T J H d"]:
        q_, k_, v_ = (p.unflatten(-1, (HEADS, -1)).flatten(0, 1).transpose(1, 2) for p in (q, k, v))
        out = F.scaled_dot_product_attention(q_, k_, v_, scale=self.scale)
        return out.transpose(1, 2).unflatten(0, q.shape[:2])

    def _temporal(self, q: Tensor, k: Tensor, v: Tensor) -> Float[Tensor, "B T J H d"]:
        J = q.shape[2]
        q_, k_, v_ = (p.unflatten(-1, (HEADS, -1)).flatten(2, 3).transpose(1, 2) for p in (q, k, v))
        out = F.scaled_dot_product_attention(q_, k_, v_, scale=self.scale)
        return out.transpose(1, 2).unflatten(2, (J, HEADS))

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """Same shape out as in."""
        normed = self.norm(x)
        # usable: see fused.py; both give six contiguous parts
        fast = fused.usable(normed, self.qkv)
        parts = fused.project(normed, self.qkv, 6) if fast else [p.contiguous() for p in self.qkv(normed).chunk(6, -1)]
        part = self.part_embedding(self.part)[:, None]  # (J, 1, d): the same for every head
        spatial = self._spatial(*parts[:3]) + self._local(self.local_spatial, parts[2])
        temporal = self._temporal(*parts[3:]) + self._local(self.local_temporal, parts[5])
        halves = [h + self._drop_part(part, scale) for h, scale in zip((spatial, temporal), PART_SCALE, strict=True)]
        return x + self.out(torch.cat(halves, -1).flatten(3))


class Block(nn.Module):
    """Criss-cross attention, then an MLP without biases."""

    def __init__(self, *, width: int, joints: int, dropout: float) -> None:
        super().__init__()
        self.attention = CrissCrossAttention(width=width, joints=joints)
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width, bias=False)
        self.fc2 = nn.Linear(4 * width, width, bias=False)
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """Same shape out as in."""
        x = self.attention(x)
        hidden = F.dropout(F.gelu(self.fc1(self.norm(x))), self.dropout, self.training)
        return x + F.dropout(self.fc2(hidden), self.dropout, self.training)


class STCFormer(PublishedNetwork):
    """Sequence to sequence at any length.

    Args:
        frames, joints, in_channels: T, J, C_in.
        width: C.
        depth: blocks.
        dropout: in the MLPs, in training.
    """

    ARGUMENTS: ClassVar = {
        "layers": "depth",
        "d_hid": "width",
        "n_joints": "joints",
        "out_joints": "joints",
        "channel": Fixed((256, 512)),
    }
    any_length = True

    def __init__(
        self,
        *,
        frames: int = 243,
        joints: int = 17,
        in_channels: int = 2,
        width: int = 256,
        depth: int = 6,
        dropout: float = 0.1,
    ) -> None:
        if joints > len(PARTS) or width % (2 * HEADS):
            raise PrmlError(
                f"joints must be at most {len(PARTS)} and width a multiple of {2 * HEADS}, got {joints} and {width}"
            )
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        self.width = width
        self.embed = nn.Sequential(nn.Linear(in_channels, width, bias=False), nn.GELU())
        self.blocks = nn.Sequential(*(Block(width=width, joints=joints, dropout=dropout) for _ in range(depth)))
        self.head = nn.Linear(width, 3, bias=False)

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B T J 3"]:
        """Root-relative metres, camera frame, one pose per frame."""
        self.check(x)
        return self.head(self.blocks(self.embed(x)))

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""
        width = self.width

        def block(i: int) -> Iterator[Slot]:
            theirs, ours = f"stcformer.stc_block.{i}", f"blocks.{i}"
            yield from affine(f"{theirs}.layer_norm", f"{ours}.norm")
            yield from slots(f"{theirs}.mlp", ours, "fc1.weight", "fc2.weight")
            theirs, ours = f"{theirs}.stc_att", f"{ours}.attention"
            for name, shape in (("weight", (3 * width, width)), ("bias", (3 * width,))):
                yield Slot(f"{theirs}.qkv.{name}", f"{ours}.qkv.{name}", _interleaved, shape)
            yield from affine(f"{theirs}.layer_norm", f"{ours}.norm")
            yield from affine(f"{theirs}.proj", f"{ours}.out")
            yield from slots(f"{theirs}.emb", f"{ours}.part_embedding", "weight")
            yield from affine(f"{theirs}.sep2_t", f"{ours}.local_temporal")
            yield from affine(f"{theirs}.sep2_s", f"{ours}.local_spatial")

        return chain(
            slots("pose_emb", "embed.0", "weight"),
            *(block(i) for i in range(len(self.blocks))),
            slots("regress_head", "head", "weight"),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Width, depth and C_in; the number of frames leaves no trace."""
        width, in_channels = shapes["pose_emb.weight"]
        return {"width": width, "in_channels": in_channels, "depth": count(shapes, "stcformer.stc_block")}
