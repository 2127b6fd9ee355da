"""MotionBERT (Zhu et al., ICCV 2023): the DSTFormer, two streams of encoders fused after every block."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.blocks import DSTFormerBlock, parameter
from prml.networks.layers import Fusion, init_weights
from prml.networks.published.layout import Fixed, PublishedNetwork, Shapes, Slot, affine, count, mlp, with_leading_axis


def _embedding_of_frames(own: Tensor) -> Tensor:
    return own[None, :, None]


def _encoder_of_stream(published: str, own: str, stream: tuple[str, str]) -> Iterator[Slot]:
    """One two-encoder stream; the authors group its entries by kind, spatial (s) before temporal (t)."""
    places = {letter: f"{own}.{stream.index(letter)}" for letter in "st"}
    for letter, place in places.items():
        yield from affine(f"{published}.norm1_{letter}", f"{place}.norm1")
    for letter, place in places.items():
        yield from affine(f"{published}.attn_{letter}.proj", f"{place}.attention.out")
        yield from affine(f"{published}.attn_{letter}.qkv", f"{place}.attention.qkv")
    for letter, place in places.items():
        yield from affine(f"{published}.norm2_{letter}", f"{place}.norm2")
    for letter, place in places.items():
        yield from mlp(f"{published}.mlp_{letter}", f"{place}.mlp")


class MotionBERT(PublishedNetwork):
    """Sequence to sequence at any length up to ``longest``.

    Args:
        frames, joints, in_channels: T, J, C_in.
        width: C.
        depth: two-stream blocks.
        heads, mlp_ratio: of every encoder.
        representation: width of the tanh layer before the head.
        longest: rows of the frame embedding; 243 as in the paper if not given, and never fewer than ``frames``.
    """

    ARGUMENTS: ClassVar = {
        "dim_in": "in_channels",
        "dim_feat": "width",
        "dim_rep": "representation",
        "num_heads": "heads",
        "maxlen": "longest",
        "num_joints": "joints",
        "dim_out": Fixed((3,)),
        "att_fuse": Fixed((True,)),
        "qkv_bias": Fixed((True,)),
        "qk_scale": Fixed((None,)),
        "drop_rate": Fixed((0,)),
        "attn_drop_rate": Fixed((0,)),
        "drop_path_rate": Fixed((0,)),
    }
    any_length = True

    def __init__(
        self,
        *,
        frames: int = 243,
        joints: int = 17,
        in_channels: int = 3,
        width: int = 512,
        depth: int = 5,
        heads: int = 8,
        mlp_ratio: float = 2.0,
        representation: int = 512,
        longest: int | None = None,
    ) -> None:
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        self.max_frames = max(frames, 243) if longest is None else longest
        if self.max_frames < frames:
            raise PrmlError(f"longest must be at least frames, got {longest} and {frames}")
        self.embed = nn.Linear(in_channels, width)
        self.joint_embedding, self.frame_embedding = parameter(joints, width), parameter(self.max_frames, width)
        self.blocks = nn.ModuleList(DSTFormerBlock(width=width, heads=heads, mlp_ratio=mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.representation = nn.Sequential(nn.Linear(width, representation), nn.Tanh())
        self.head = nn.Linear(representation, 3)
        self.reset()

    def reset(self) -> None:
        """Initialise every weight as the authors do."""
        self.apply(init_weights)
        nn.init.trunc_normal_(self.joint_embedding, std=0.02)
        nn.init.trunc_normal_(self.frame_embedding, std=0.02)
        for module in self.modules():
            if isinstance(module, Fusion):
                module.reset()
            elif isinstance(module, nn.LayerNorm):
                module.eps = 1e-6

    def features(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B T J R"]:
        """The motion representation."""
        self.check(x)
        feature = self.embed(x) + self.joint_embedding + self.frame_embedding[: x.shape[1], None]
        for block in self.blocks:
            feature = block(feature)
        return self.representation(self.norm(feature))

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B T J 3"]:
        """Root-relative pose in the space of the labels (the authors': normalised image space), one per frame."""
        return self.head(self.features(x))

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""
        depth = range(len(self.blocks))
        streams = (("blocks_st", "spatial_temporal", ("s", "t")), ("blocks_ts", "temporal_spatial", ("t", "s")))
        return chain(
            (
                Slot("temp_embed", "frame_embedding", _embedding_of_frames),
                Slot("pos_embed", "joint_embedding", with_leading_axis),
            ),
            affine("joints_embed", "embed"),
            *(_encoder_of_stream(f"{a}.{i}", f"blocks.{i}.{b}", order) for a, b, order in streams for i in depth),
            affine("norm", "norm"),
            affine("pre_logits.fc", "representation.0"),
            affine("head", "head"),
            *(affine(f"ts_attn.{i}", f"blocks.{i}.fusion.fc") for i in depth),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Everything but the number of heads."""
        width, in_channels = shapes["joints_embed.weight"]
        return {
            "longest": shapes["temp_embed"][1],
            "frames": shapes["temp_embed"][1],
            "joints": shapes["pos_embed"][1],
            "in_channels": in_channels,
            "width": width,
            "depth": count(shapes, "blocks_st"),
            "mlp_ratio": shapes["blocks_st.0.mlp_s.fc1.weight"][0] / width,
            "representation": shapes["pre_logits.fc.weight"][0],
        }
