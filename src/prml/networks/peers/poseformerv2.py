"""PoseFormerV2 (Zhao et al., CVPR 2023): a few frames as they are, the whole window as a few cosine coefficients."""

from collections.abc import Iterator
from itertools import chain
from math import pi
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.blocks import Block, depth_rates, parameter, stochastic_depth
from prml.networks.heads import PoseHead
from prml.networks.layers import Mlp
from prml.networks.published.layout import (
    Fixed,
    PublishedNetwork,
    Shapes,
    Slot,
    affine,
    attention,
    count,
    encoder,
    mlp,
    with_leading_axis,
)


def cosine_basis(frames: int, coefficients: int) -> Float[Tensor, "coefficients frames"]:
    """Type II cosine transform as a matrix, not normalised: row k is 2 cos(pi k (2 t + 1) / (2 T))."""
    time, order = torch.arange(frames, dtype=torch.float64), torch.arange(coefficients, dtype=torch.float64)
    return (2 * torch.cos(pi * order[:, None] * (2 * time + 1) / (2 * frames))).float()


def inverse_cosine_basis(frames: int) -> Float[Tensor, "frames frames"]:
    """Inverse of ``cosine_basis(frames, frames)`` (type III, scaled)."""
    weights = torch.full((frames,), 1 / (2 * frames))
    weights[0] = 1 / (4 * frames)
    return cosine_basis(frames, frames).T * weights


class MixedBlock(Block):
    """One attention over time tokens and frequency tokens; the latter half then has its MLP in the frequency domain.

    Args:
        width, heads, mlp_ratio, drop_path: as in ``Block``.
        tokens: number of tokens in both halves together.
    """

    transform: Tensor
    inverse: Tensor

    def __init__(self, *, width: int, heads: int, tokens: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__(width=width, heads=heads, axis="spatial", mlp_ratio=mlp_ratio, drop_path=drop_path)
        self.norm3 = nn.LayerNorm(width, eps=1e-6)
        self.frequency_mlp = Mlp(width=width, ratio=mlp_ratio)
        self.low = tokens // 2
        self.register_buffer("transform", cosine_basis(tokens - self.low, tokens - self.low), persistent=False)
        self.register_buffer("inverse", inverse_cosine_basis(tokens - self.low), persistent=False)

    def _add(self, x: Tensor, branch: Tensor) -> Tensor:
        return x + stochastic_depth(branch, self.drop_path, "spatial", training=self.training)

    def forward(
        self, x: Float[Tensor, "B 1 N C"], context: Float[Tensor, "B 1 M D"] | None = None
    ) -> Float[Tensor, "B 1 N C"]:
        """Same shape out as in."""
        x = self._add(x, self.attention(self.norm1(x), context))
        first, second = x[:, :, : self.low], x[:, :, self.low :]
        first = self._add(first, self.mlp(self.norm2(first)))
        second = self._add(second, self.inverse @ self.frequency_mlp(self.transform @ self.norm3(second)))
        return torch.cat([first, second], 2)


class TokenMean(nn.Module):
    """Learned weighted sum of the tokens, with one bias."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.fc = nn.Linear(tokens, 1)

    def forward(self, x: Float[Tensor, "B N C"]) -> Float[Tensor, "B C"]:
        """One feature."""
        return self.fc(x.transpose(1, 2)).squeeze(-1)


class PoseFormerV2(PublishedNetwork):
    """A window to the pose of its middle frame.

    Args:
        frames, joints, in_channels: T, J, C_in.
        kept_frames: frames around the middle that are seen as they are (odd).
        kept_coefficients: cosine coefficients of the whole window; as many as ``kept_frames`` if not given.
        width: channels per joint (a frame has J times as many).
        depth: blocks in each of the two encoders.
        heads, mlp_ratio: of every block.
        drop_path: stochastic depth of the last block, in training.
    """

    transform: Tensor
    output = "middle"
    ARGUMENTS: ClassVar = {
        "num_frame": "frames",
        "num_joints": "joints",
        "in_chans": "in_channels",
        "embed_dim_ratio": "width",
        "num_heads": "heads",
        "drop_path_rate": "drop_path",
        "number_of_kept_frames": "kept_frames",
        "number_of_kept_coeffs": "kept_coefficients",
        "qkv_bias": Fixed((True,)),
        "qk_scale": Fixed((None,)),
        "drop_rate": Fixed((0,)),
        "attn_drop_rate": Fixed((0,)),
    }

    def __init__(
        self,
        *,
        frames: int = 243,
        joints: int = 17,
        in_channels: int = 2,
        kept_frames: int = 27,
        kept_coefficients: int | None = None,
        width: int = 32,
        depth: int = 4,
        heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        coefficients = kept_coefficients or kept_frames
        if kept_frames % 2 == 0 or max(kept_frames, coefficients) > frames:
            raise PrmlError(f"kept_frames must be odd, at most frames: {kept_frames}, {coefficients} of {frames}")
        self.kept_frames, self.kept_coefficients = kept_frames, coefficients
        rates, frame_width = depth_rates(drop_path, depth), joints * width
        self.joint_embed = nn.Linear(in_channels, width)
        self.frequency_embed = nn.Linear(in_channels * joints, frame_width)
        self.joint_embedding = parameter(joints, width)
        self.frame_embedding = parameter(kept_frames, frame_width)
        self.coefficient_embedding = parameter(coefficients, frame_width)
        size = {"heads": heads, "mlp_ratio": mlp_ratio}
        self.spatial = nn.Sequential(
            *(Block(width=width, axis="spatial", drop_path=rate, **size) for rate in rates)  # type: ignore[arg-type]
        )
        tokens = kept_frames + coefficients
        self.mixed = nn.Sequential(
            *(MixedBlock(width=frame_width, tokens=tokens, drop_path=rate, **size) for rate in rates)  # type: ignore[arg-type]
        )
        self.spatial_norm = nn.LayerNorm(width, eps=1e-6)
        self.norm = nn.LayerNorm(frame_width, eps=1e-6)
        self.coefficient_mean, self.frame_mean = TokenMean(coefficients), TokenMean(kept_frames)
        self.head = PoseHead(norm=nn.LayerNorm(2 * frame_width), width=2 * frame_width, joints=joints)
        self.register_buffer("transform", cosine_basis(frames, coefficients), persistent=False)

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B 1 J 3"]:
        """Root-relative metres, camera frame, of the middle frame."""
        self.check(x)
        start = (self.frames - 1) // 2 - self.kept_frames // 2
        near = self.joint_embed(x[:, start : start + self.kept_frames]) + self.joint_embedding
        near = self.spatial_norm(self.spatial(near)).flatten(2) + self.frame_embedding
        wide = self.frequency_embed(self.transform @ x.flatten(2)) + self.coefficient_embedding
        tokens = self.norm(self.mixed(torch.cat([wide, near], 1)[:, None])[:, 0])
        n = self.kept_coefficients
        feature = torch.cat([self.coefficient_mean(tokens[:, :n]), self.frame_mean(tokens[:, n:])], -1)
        return self.head(feature).unflatten(-1, (1, self.joints, 3))

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""

        def mixed(i: int) -> Iterator[Slot]:
            theirs, ours = f"blocks.{i}", f"mixed.{i}"
            yield from affine(f"{theirs}.norm1", f"{ours}.norm1")
            yield from attention(f"{theirs}.attn", f"{ours}.attention")
            yield from affine(f"{theirs}.norm2", f"{ours}.norm2")
            yield from mlp(f"{theirs}.mlp1", f"{ours}.mlp")
            yield from affine(f"{theirs}.norm3", f"{ours}.norm3")
            yield from mlp(f"{theirs}.mlp2", f"{ours}.frequency_mlp")

        def mean(published: str, own: str) -> tuple[Slot, ...]:
            return (
                Slot(f"{published}.weight", f"{own}.fc.weight", lambda w: w[..., None]),
                Slot(f"{published}.bias", f"{own}.fc.bias"),
            )

        depth = range(len(self.mixed))
        return chain(
            (
                Slot("Spatial_pos_embed", "joint_embedding", with_leading_axis),
                Slot("Temporal_pos_embed", "frame_embedding", with_leading_axis),
                Slot("Temporal_pos_embed_", "coefficient_embedding", with_leading_axis),
            ),
            affine("Joint_embedding", "joint_embed"),
            affine("Freq_embedding", "frequency_embed"),
            *(encoder(f"Spatial_blocks.{i}", f"spatial.{i}") for i in depth),
            *(mixed(i) for i in depth),
            affine("Spatial_norm", "spatial_norm"),
            affine("Temporal_norm", "norm"),
            mean("weighted_mean", "coefficient_mean"),
            mean("weighted_mean_", "frame_mean"),
            affine("head.0", "head.norm"),
            affine("head.1", "head.fc"),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Everything but T and the number of heads."""
        width, in_channels = shapes["Joint_embedding.weight"]
        return {
            "kept_frames": shapes["Temporal_pos_embed"][1],
            "kept_coefficients": shapes["Temporal_pos_embed_"][1],
            "joints": shapes["Spatial_pos_embed"][1],
            "in_channels": in_channels,
            "width": width,
            "depth": count(shapes, "blocks"),
            "mlp_ratio": shapes["blocks.0.mlp1.fc1.bias"][0] / shapes["Freq_embedding.bias"][0],
        }
