"""CA-PF (Zhao et al., NeurIPS 2023): one frame, lifted with image features sampled around every 2D joint."""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import pi
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.base import MAX_MAPS
from prml.networks.blocks import Block, depth_rates, parameter, stochastic_depth
from prml.networks.heads import RegressionHead
from prml.networks.layers import Mlp
from prml.networks.published.layout import (
    Fixed,
    PublishedNetwork,
    Shapes,
    Slot,
    affine,
    count,
    encoder,
    mlp,
    with_leading_axis,
)

CROP_PX = (192, 256)  # width and height of the image crop that the authors' backbones see
CONTEXT_HEADS, SAMPLES, BLOCKS = 4, 4, 4
LEVELS = 4  # of the authors' backbones
SIZES = ((64, 48), (32, 24), (16, 12), (8, 6))  # height and width of their maps of a crop, strides 4 to 32
# channels of the four feature maps, finest first
FEATURES = {"hrnet_32": (32, 64, 128, 256), "hrnet_48": (48, 96, 192, 384), "cpn": (256, 256, 256, 256)}


def crop_coordinates(keypoints_px: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
    """Pixels of the 192 x 256 crop to [-1, 1], the coordinates that features are sampled at."""
    return keypoints_px / (keypoints_px.new_tensor(CROP_PX) / 2) - 1


class DeformableContext(nn.Module):
    """Every joint gathers image features at learned offsets from itself, at every level of the feature pyramid.

    Args:
        width: C.
        features: channels of each feature map.
        drop_path: stochastic depth, in training.
    """

    def __init__(self, *, width: int, features: Sequence[int], drop_path: float) -> None:
        super().__init__()
        points = CONTEXT_HEADS * SAMPLES
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.weights, self.offsets = nn.Linear(width, points), nn.Linear(width, 2 * points)
        self.projections = nn.ModuleList(nn.Linear(c, width // CONTEXT_HEADS) for c in features)
        self.mlp = Mlp(width=width, ratio=2.0)
        self.drop_path = drop_path
        self.reset()

    def reset(self) -> None:
        """Equal weights; the heads look in four directions, each sample 0.01 farther."""
        for layer in (self.weights, self.offsets):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.weights.bias)
        angle = torch.arange(CONTEXT_HEADS) * (2 * pi / CONTEXT_HEADS)
        direction = torch.stack([angle.cos(), angle.sin()], -1)
        direction = direction / direction.abs().amax(-1, keepdim=True)
        steps = 0.01 * torch.arange(1, SAMPLES + 1)
        with torch.no_grad():
            self.offsets.bias.copy_((direction[:, None] * steps[:, None]).flatten())

    def _gather(
        self, query: Float[Tensor, "B L J C"], reference: Float[Tensor, "B J 2"], features: Sequence[Tensor]
    ) -> Float[Tensor, "B L J C"]:
        weights = self.weights(query).unflatten(-1, (CONTEXT_HEADS, SAMPLES)).softmax(-1)
        places = self.offsets(query).unflatten(-1, (-1, 2)).tanh() + reference[:, None, :, None]
        gathered = []
        for level, (feature, project) in enumerate(zip(features, self.projections, strict=True)):
            sampled = F.grid_sample(feature, places[:, level], padding_mode="border", align_corners=True)
            values = project(sampled.permute(0, 2, 3, 1)).unflatten(2, (CONTEXT_HEADS, SAMPLES))
            gathered.append((weights[:, level, ..., None] * values).sum(-2).flatten(2))
        return torch.stack(gathered, 1)

    def _branch(self, x: Tensor) -> Tensor:
        # one decision per sample: the joints and levels of an image are dropped together
        flat = x.flatten(1, 2)[:, None]
        return stochastic_depth(flat, self.drop_path, "spatial", training=self.training).view(x.shape)

    def forward(
        self, x: Float[Tensor, "B K J C"], reference: Float[Tensor, "B J 2"], features: Sequence[Tensor]
    ) -> Float[Tensor, "B K J C"]:
        """Same shape out as in; K is the coordinates' own feature, then one per level."""
        coordinates, context = x[:, :1], x[:, 1:]
        query = self.norm1(context + coordinates)
        context = context + self._branch(self._gather(query, reference, features))
        context = context + self._branch(self.mlp(self.norm2(context)))
        return torch.cat([coordinates, context], 1)

    def layout(self, published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        yield from affine(f"{published}.norm1", f"{own}.norm1")
        yield from affine(f"{published}.attention_weights", f"{own}.weights")
        yield from affine(f"{published}.sampling_offsets", f"{own}.offsets")
        for i in range(len(self.projections)):
            yield from affine(f"{published}.embed_proj.{i}", f"{own}.projections.{i}")
        yield from affine(f"{published}.norm2", f"{own}.norm2")
        yield from mlp(f"{published}.mlp", f"{own}.mlp")


class CAPF(PublishedNetwork):
    """Frame by frame: 2D joints and the feature maps of a 2D pose backbone to the pose (the trained part of CA-PF).

    Args:
        frames: T; frames are independent, any number is accepted.
        joints, in_channels: J, C_in.
        features: channels of the feature maps, finest first (a map of depth features may follow them, Table 14); or the
            name of one of the authors' backbones, or the channels of its finest map.
        width: C.
        heads, mlp_ratio: of the transformer blocks.
        drop_path: stochastic depth of the last blocks, in training.
    """

    ARGUMENTS: ClassVar = {
        "embed_dim_ratio": "width",
        "num_joints": "joints",
        "in_chans": "in_channels",
        "num_heads": "heads",
        "drop_path_rate": "drop_path",
        "backbone": "features",
        "levels": Fixed((4,)),
        "qkv_bias": Fixed((True,)),
        "qk_scale": Fixed((None,)),
        "base_dim": "features",
        "drop_rate": Fixed((0,)),
        "attn_drop_rate": Fixed((0,)),
    }
    any_length = True
    single_frames = True

    def __init__(
        self,
        *,
        frames: int = 1,
        joints: int = 17,
        in_channels: int = 2,
        features: str | int | Sequence[int] = "hrnet_32",
        width: int = 128,
        heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.2,
    ) -> None:
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        given: str | Sequence[int]
        if isinstance(features, int):
            known = {f[0]: f for f in FEATURES.values()}
            given = known.get(features, tuple(features * 2**i for i in range(LEVELS)))
        else:
            given = features
        if isinstance(given, str) and given not in FEATURES:
            raise PrmlError(f"features are numbers of channels or one of {', '.join(FEATURES)}, not {given!r}")
        self.image_channels = FEATURES[given] if isinstance(given, str) else tuple(given)
        levels = len(self.image_channels)
        if levels > MAX_MAPS:
            raise PrmlError(f"features are at most {MAX_MAPS} numbers of channels or one of {', '.join(FEATURES)}")
        self.image_sizes = (*SIZES[:levels], *(SIZES[0] for _ in range(levels - LEVELS)))
        if width % CONTEXT_HEADS:
            raise PrmlError(f"width must be a multiple of {CONTEXT_HEADS}, got {width}")
        rates, joined = depth_rates(drop_path, BLOCKS), width * (levels + 1)
        if joined % heads:
            raise PrmlError(f"heads must divide the width times {levels + 1}, {heads} does not divide {joined}")

        def blocks(size: int, axis: Any) -> nn.Sequential:
            return nn.Sequential(
                *(Block(width=size, heads=heads, axis=axis, mlp_ratio=mlp_ratio, drop_path=rate) for rate in rates)
            )

        self.embed = nn.Linear(in_channels, width)
        self.feature_embeds = nn.ModuleList(nn.Linear(c, width) for c in self.image_channels)
        self.token_embedding = parameter(levels + 1, joints, width)
        self.context = nn.ModuleList(
            DeformableContext(width=width, features=self.image_channels, drop_path=rate) for rate in rates
        )
        self.levels = blocks(width, "temporal")  # among the levels of one joint
        self.spatial = blocks(joined, "spatial")  # among the joints
        self.head = RegressionHead(width=joined, channels=3)

    def forward(
        self,
        x: Float[Tensor, "B T J C_in"],
        reference: Float[Tensor, "B T J 2"] | None = None,
        features: Sequence[Float[Tensor, "N _ _ _"]] | None = None,
    ) -> Float[Tensor, "B T J 3"]:
        """Root-relative metres, camera frame, of each frame.

        Args:
            x: normalised 2D.
            reference: the same joints in the crop, in [-1, 1] (``crop_coordinates``).
            features: maps of the crops of all N = B T frames, in order.
        """
        self.check(x)
        self.check_images(x, reference, features)
        (B, T), x = x.shape[:2], x.flatten(0, 1)
        places = reference.reshape(B * T, self.joints, 2)  # type: ignore[union-attr]
        tokens = [self.embed(x)]
        for feature, embed in zip(features, self.feature_embeds, strict=True):  # type: ignore[arg-type]
            sampled = F.grid_sample(feature, places[:, :, None], align_corners=True).squeeze(-1)
            tokens.append(embed(sampled.transpose(1, 2)))
        stacked = torch.stack(tokens, 1) + self.token_embedding
        for block in self.context:
            stacked = block(stacked, places, features)
        joined = self.levels(stacked).transpose(1, 2).flatten(2)
        return self.head(self.spatial(joined[:, None])).unflatten(0, (B, T)).squeeze(2)

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict (what follows ``volume_net.`` in their checkpoints)."""
        levels = range(len(self.image_channels))
        return chain(
            (Slot("Spatial_pos_embed", "token_embedding", with_leading_axis),),
            affine("coord_embed", "embed"),
            *(affine(f"feat_embed.{i}", f"feature_embeds.{i}") for i in levels),
            *(encoder(f"joint_blocks.{i}", f"spatial.{i}") for i in range(BLOCKS)),
            *(encoder(f"res_blocks.{i}", f"levels.{i}") for i in range(BLOCKS)),
            *(block.layout(f"context_blocks.{i}", f"context.{i}") for i, block in enumerate(self.context)),  # type: ignore[operator]
            affine("head.0", "head.norm"),
            affine("head.1", "head.fc"),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Everything but the number of heads."""
        width, in_channels = shapes["coord_embed.weight"]
        return {
            "width": width,
            "in_channels": in_channels,
            "joints": shapes["Spatial_pos_embed"][2],
            "features": tuple(shapes[f"feat_embed.{i}.weight"][1] for i in range(count(shapes, "feat_embed"))),
            "mlp_ratio": shapes["joint_blocks.0.mlp.fc1.weight"][0] / shapes["joint_blocks.0.mlp.fc1.weight"][1],
        }
