"""TCPFormer (Liu et al., AAAI 2025): attention among joints and along time, and pose proxies that frames talk through.

A third as many proxies as frames read the frames and are read by them. The product of both attentions, frames over
proxies over frames, joins the frames' own attention in a learned share. It is applied one after the other here, and is
never formed.

The released code keeps the factors of its attention within thirds of the window in a plain list: they are neither
trained nor stored and stay at ``layer_scale``. With the released 1e-5 those layers leave no trace in the output, and as
nothing else depends on the order of the frames, the network hardly sees it. It is the same here, to be exact.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.blocks import parameter
from prml.networks.layers import Attention, Axis, Fusion, attend
from prml.networks.peers.motionagformer import AttentionGraphLayer, ScaledBlock
from prml.networks.published.layout import (
    Fixed,
    PublishedNetwork,
    Shapes,
    Slot,
    affine,
    count,
    mlp,
    share,
    slots,
    with_leading_axis,
)

THIRDS = 3
Route = tuple[Tensor, Tensor]  # queries and keys of an attention whose weights are used again


class Reading(Attention):
    """Cross attention along time that also tells its queries and keys."""

    def read(
        self, x: Float[Tensor, "B T J C"], context: Float[Tensor, "B S J C"]
    ) -> tuple[Float[Tensor, "B T J C"], Route]:
        """What ``x`` reads from the context, and the route it takes."""
        query, key, value = (self._split(part) for part in self._project(x, context))
        return self.out(self._merge(attend(query, key, value), x.shape)), (query, key)

    @staticmethod
    def layout(published: str, own: str, *names: str) -> Iterator[Slot]:
        """The authors' entries."""
        yield from slots(f"{published}.wq", f"{own}.query", *names)
        for i, part in enumerate(("wk", "wv")):
            yield from slots(f"{published}.{part}", f"{own}.key_value", *names, view=share(i, 2))
        yield from affine(f"{published}.proj", f"{own}.out")


class MixedAttention(Attention):
    """Self attention along time whose weights are mixed with those of a route through other tokens."""

    def mix(
        self, x: Float[Tensor, "B T J C"], route: tuple[Route, Route], own_share: Float[Tensor, " 1"]
    ) -> Float[Tensor, "B T J C"]:
        """Same shape out as in; the route's attentions are applied in order, with ``1 - own_share``."""
        query, key, value = (self._split(part) for part in self._project(x, None))
        through = value
        for step in route:
            through = attend(*step, through)
        mixed = own_share * attend(query, key, value) + (1 - own_share) * through
        return self.out(self._merge(mixed, x.shape))


class ProxyBlock(nn.Module):
    """Attention within thirds of the window, proxies that read and are read, attention along time, mixed attention.

    Args:
        width, heads, mlp_ratio: C, of every attention, of every MLP.
        scale: that the per-channel factors start from, and at which those of the thirds stay.
        qkv_bias: whether queries, keys and values have a bias.
    """

    def __init__(self, *, width: int, heads: int, mlp_ratio: float, scale: float, qkv_bias: bool) -> None:
        super().__init__()

        def block(kind: type[Attention], context: int | None = None) -> ScaledBlock:
            mixer = kind(width=width, heads=heads, axis="temporal", context_width=context)
            return ScaledBlock(width=width, mlp_ratio=mlp_ratio, scale=scale, mixer=_with_bias(mixer, qkv_bias))

        self.thirds = nn.ModuleList(_held(block(Attention)) for _ in range(THIRDS))
        self.gather, self.spread = block(Reading, width), block(Reading, width)
        self.own, self.mixed = block(Attention), block(MixedAttention)
        self.share = nn.Parameter(torch.rand(1))

    def forward(
        self, x: Float[Tensor, "B T J C"], proxies: Float[Tensor, "B P J C"]
    ) -> tuple[Float[Tensor, "B T J C"], Float[Tensor, "B P J C"]]:
        """Same shapes out as in."""
        x = torch.cat([block(part) for block, part in zip(self.thirds, x.chunk(THIRDS, 1), strict=True)], 1)
        frames = self.spread.norm1(x)
        read, there = self.gather.mixer.read(self.gather.norm1(proxies), frames)  # type: ignore[operator]
        proxies = self.gather.finish(proxies, read)
        read, back = self.spread.mixer.read(frames, self.gather.norm1(proxies))  # type: ignore[operator]
        x = self.own(self.spread.finish(x, read))
        mixed = self.mixed.mixer.mix(self.mixed.norm1(x), (there, back), self.share.sigmoid())  # type: ignore[operator]
        return self.mixed.finish(x, mixed), proxies

    def layout(self, published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        names = ("weight",) if self.own.mixer.qkv.bias is None else ("weight", "bias")  # type: ignore[union-attr]
        thirds = [f"{own}.thirds.{i}" for i in range(THIRDS)]
        for i, third in enumerate(thirds):
            yield from _self_attention(f"{published}.local_attention_list.{i}", f"{third}.mixer", *names)
        for i, third in enumerate(thirds):
            yield from mlp(f"{published}.loacl_mlps.{i}", f"{third}.mlp")
        for i, norm in enumerate(f"{third}.norm{n}" for n in (1, 2) for third in thirds):
            yield from affine(f"{published}.local_norms.{i}", norm)
        yield from self._proxy_layout(f"{published}.cross_temporal", own, *names)

    @staticmethod
    def _proxy_layout(theirs: str, own: str, *names: str) -> Iterator[Slot]:
        gather, spread, plain, mixed = (f"{own}.{name}" for name in ("gather", "spread", "own", "mixed"))
        scales = [f"{block}.scale{i}" for block in (gather, spread, mixed, plain) for i in (1, 2)]
        yield from (Slot(f"{theirs}.layer_scale_{i}", scale) for i, scale in enumerate(scales, 1))
        yield Slot(f"{theirs}.att_weight", f"{own}.share")
        yield from affine(f"{theirs}.norm_full", f"{spread}.norm1")
        yield from affine(f"{theirs}.norm_center", f"{gather}.norm1")
        yield from Reading.layout(f"{theirs}.full_center", f"{spread}.mixer", *names)
        yield from Reading.layout(f"{theirs}.center_full", f"{gather}.mixer", *names)
        for i, block in enumerate((gather, spread), 1):
            yield from mlp(f"{theirs}.mlp_{i}", f"{block}.mlp")
        for i, block in enumerate((gather, spread), 1):
            yield from affine(f"{theirs}.norm_{i}", f"{block}.norm2")
        for block, names_of in (
            (plain, ("norm_sa_self", "map_sa_self", "norm_mlp_self", "mlp_sa_self")),
            (mixed, ("norm_sa_1", "map_sum", "norm_sa_2", "mlp_sa")),
        ):
            norm1, mixer, norm2, layers = (f"{theirs}.{name}" for name in names_of)
            yield from affine(norm1, f"{block}.norm1")
            yield from _self_attention(mixer, f"{block}.mixer", *names)
            yield from affine(norm2, f"{block}.norm2")
            yield from mlp(layers, f"{block}.mlp")


def _with_bias(attention: Attention, bias: bool) -> Attention:
    """The attention with or without a bias of queries, keys and values."""
    if not bias:
        for name in ("query", "key_value") if attention.cross else ("qkv",):
            old = getattr(attention, name)
            setattr(attention, name, nn.Linear(old.in_features, old.out_features, bias=False))
    return attention


def _held(block: ScaledBlock) -> ScaledBlock:
    """The block with factors that are neither trained nor stored."""
    for name in ("scale1", "scale2"):
        value = getattr(block, name).detach()
        delattr(block, name)
        block.register_buffer(name, value, persistent=False)
    return block


def _self_attention(published: str, own: str, *names: str) -> Iterator[Slot]:
    return chain(affine(f"{published}.proj", f"{own}.out"), slots(f"{published}.qkv", f"{own}.qkv", *names))


class TCPFormer(PublishedNetwork):
    """Sequence to sequence at a fixed length (the proxies are a third of it).

    Args:
        frames, joints, in_channels: T, a multiple of 3, J, C_in.
        width: C.
        depth: layers, each of two streams of attention and a :class:`ProxyBlock`.
        heads, mlp_ratio: of every block.
        representation: width of the tanh layer before the head.
        layer_scale: start of the per-channel factors.
        qkv_bias: whether queries, keys and values have a bias.
    """

    ARGUMENTS: ClassVar = {
        "n_frames": "frames",
        "num_joints": "joints",
        "dim_in": "in_channels",
        "n_layers": "depth",
        "dim_feat": "width",
        "num_heads": "heads",
        "dim_rep": "representation",
        "layer_scale_init_value": "layer_scale",
        "dim_out": Fixed((3,)),
        "attn_drop": Fixed((0,)),
        "drop": Fixed((0,)),
        "drop_path": Fixed((0,)),
        "use_layer_scale": Fixed((True,)),
        "use_adaptive_fusion": Fixed((True,)),
        "qkv_scale": Fixed((None,)),
        "hierarchical": Fixed((False,)),
        "graph_only": Fixed((False,)),
        # arguments of MotionAGFormer that the network accepts and does not use
        "use_temporal_similarity": Fixed((True,)),
        "temporal_connection_len": Fixed((1,)),
        "use_tcn": Fixed((False,)),
        "neighbour_num": Fixed((2, 4)),
    }

    def __init__(
        self,
        *,
        frames: int = 243,
        joints: int = 17,
        in_channels: int = 3,
        width: int = 128,
        depth: int = 16,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        representation: int = 512,
        layer_scale: float = 1e-5,
        qkv_bias: bool = False,
    ) -> None:
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        if frames % THIRDS:
            raise PrmlError(f"TCPFormer: frames must be a multiple of {THIRDS}, got {frames}")

        def block(kind: str, axis: Axis) -> ScaledBlock:
            # the second stream has the axes of the first in the other order
            axis = axis if kind == "attention" else "temporal" if axis == "spatial" else "spatial"
            mixer = _with_bias(Attention(width=width, heads=heads, axis=axis), qkv_bias)
            return ScaledBlock(width=width, mlp_ratio=mlp_ratio, mixer=mixer, scale=layer_scale)

        def proxy_block() -> ProxyBlock:
            return ProxyBlock(width=width, heads=heads, mlp_ratio=mlp_ratio, scale=layer_scale, qkv_bias=qkv_bias)

        self.embed = nn.Linear(in_channels, width)
        self.joint_embedding, self.proxy_embedding = parameter(joints, width), parameter(joints, width)
        self.proxies = nn.Parameter(torch.randn(frames // THIRDS, joints, width))
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(AttentionGraphLayer(block, width=width) for _ in range(depth))
        self.proxy_layers = nn.ModuleList(proxy_block() for _ in range(depth))
        self.representation = nn.Sequential(nn.Linear(width, representation), nn.Tanh())
        self.head = nn.Linear(representation, 3)
        for module in self.modules():
            if isinstance(module, Fusion):
                module.reset()

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B T J 3"]:
        """Root-relative pose in the space of the labels (the authors': normalised image space), one per frame."""
        self.check(x)
        feature = self.embed(x) + self.joint_embedding
        proxies = (self.proxies + self.proxy_embedding).expand(len(x), -1, -1, -1)
        for layer, proxy_layer in zip(self.layers, self.proxy_layers, strict=True):
            feature, proxies = proxy_layer(layer(feature), proxies)
        return self.head(self.representation(self.norm(feature)))

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""
        return chain(
            (
                Slot("pos_embed", "joint_embedding", with_leading_axis),
                Slot("center_pose", "proxies"),
                Slot("center_pos_embed", "proxy_embedding", with_leading_axis),
            ),
            affine("joints_embed", "embed"),
            affine("norm", "norm"),
            *(layer.layout(f"layers.{i}", f"layers.{i}") for i, layer in enumerate(self.layers)),  # type: ignore[operator]
            affine("rep_logit.fc", "representation.0"),
            affine("head", "head"),
            *(
                layer.layout(f"temporal_layers.{i}", f"proxy_layers.{i}")  # type: ignore[operator]
                for i, layer in enumerate(self.proxy_layers)
            ),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Everything but the number of heads."""
        width, in_channels = shapes["joints_embed.weight"]
        proxies, joints, _ = shapes["center_pose"]
        return {
            "frames": THIRDS * proxies,
            "joints": joints,
            "in_channels": in_channels,
            "width": width,
            "depth": count(shapes, "layers"),
            "representation": shapes["rep_logit.fc.weight"][0],
            "mlp_ratio": shapes["layers.0.att_spatial.mlp.fc1.weight"][0] / width,
            "qkv_bias": "layers.0.att_spatial.mixer.qkv.bias" in shapes,
        }
