"""MixSTE (Zhang et al., CVPR 2022): spatial and temporal encoders in turn, each joint's motion on its own."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from prml.networks.blocks import Block, depth_rates, parameter
from prml.networks.heads import RegressionHead
from prml.networks.layers import Axis
from prml.networks.published.layout import (
    Fixed,
    PublishedNetwork,
    Shapes,
    Slot,
    affine,
    count,
    encoder,
    with_leading_axis,
)


class AlternatingEncoders(nn.Module):
    """Pairs of a spatial and a temporal encoder; ONE spatial and ONE temporal layer norm serve after all of them.

    Args:
        width, heads, mlp_ratio: of every encoder.
        rates: stochastic depth of each pair.
    """

    def __init__(self, *, width: int, heads: int, mlp_ratio: float, rates: list[float]) -> None:
        super().__init__()

        def encoders(axis: Axis) -> nn.ModuleList:
            return nn.ModuleList(
                Block(width=width, heads=heads, axis=axis, mlp_ratio=mlp_ratio, drop_path=rate) for rate in rates
            )

        self.spatial, self.temporal = encoders("spatial"), encoders("temporal")
        self.spatial_norm = nn.LayerNorm(width, eps=1e-6)
        self.temporal_norm = nn.LayerNorm(width, eps=1e-6)

    def forward(
        self, x: Float[Tensor, "B T J C"], frame_embedding: Float[Tensor, "T C"] | None = None
    ) -> Float[Tensor, "B T J C"]:
        """Same shape out as in; the embedding is added once, before the first temporal encoder."""
        for spatial, temporal in zip(self.spatial, self.temporal, strict=True):
            x = self.spatial_norm(spatial(x))
            if frame_embedding is not None:
                x, frame_embedding = x + frame_embedding[:, None], None
            x = self.temporal_norm(temporal(x))
        return x

    def layout(self, own: str) -> Iterator[Slot]:
        """The authors' entries for the pairs."""
        for theirs, ours in (("STEblocks", "spatial"), ("TTEblocks", "temporal")):
            for i in range(len(self.spatial)):
                yield from encoder(f"{theirs}.{i}", f"{own}.{ours}.{i}")
        yield from affine("Spatial_norm", f"{own}.spatial_norm")
        yield from affine("Temporal_norm", f"{own}.temporal_norm")


class MixSTE(PublishedNetwork):
    """Sequence to sequence at a fixed length.

    Args:
        frames, joints, in_channels: T, J, C_in.
        width: C.
        depth: pairs of a spatial and a temporal encoder.
        heads, mlp_ratio: of every encoder.
        drop_path: stochastic depth of the last pair, in training.
    """

    ARGUMENTS: ClassVar = {
        "num_frame": "frames",
        "num_joints": "joints",
        "in_chans": "in_channels",
        "embed_dim_ratio": "width",
        "num_heads": "heads",
        "drop_path_rate": "drop_path",
        "qkv_bias": Fixed((True,)),
        "qk_scale": Fixed((None,)),
        "drop_rate": Fixed((0, None)),
        "attn_drop_rate": Fixed((0, None)),
    }

    def __init__(
        self,
        *,
        frames: int = 243,
        joints: int = 17,
        in_channels: int = 2,
        width: int = 512,
        depth: int = 8,
        heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        self.embed = nn.Linear(in_channels, width)
        self.joint_embedding, self.frame_embedding = parameter(joints, width), parameter(frames, width)
        self.pairs = AlternatingEncoders(
            width=width, heads=heads, mlp_ratio=mlp_ratio, rates=depth_rates(drop_path, depth)
        )
        self.head = RegressionHead(width=width, channels=3)

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B T J 3"]:
        """Root-relative metres, camera frame, one pose per frame."""
        self.check(x)
        return self.head(self.pairs(self.embed(x) + self.joint_embedding, self.frame_embedding))

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""
        return chain(
            (
                Slot("Spatial_pos_embed", "joint_embedding", with_leading_axis),
                Slot("Temporal_pos_embed", "frame_embedding", with_leading_axis),
            ),
            affine("Spatial_patch_to_embedding", "embed"),
            self.pairs.layout("pairs"),
            affine("head.0", "head.norm"),
            affine("head.1", "head.fc"),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """T, J, C_in, C, depth and MLP ratio; the number of heads leaves no trace."""
        width, in_channels = shapes["Spatial_patch_to_embedding.weight"]
        return {
            "frames": shapes["Temporal_pos_embed"][1],
            "joints": shapes["Spatial_pos_embed"][1],
            "in_channels": in_channels,
            "width": width,
            "depth": count(shapes, "STEblocks"),
            "mlp_ratio": shapes["STEblocks.0.mlp.fc1.weight"][0] / width,
        }
