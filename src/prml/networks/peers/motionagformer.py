"""MotionAGFormer (Mehraban et al., WACV 2024): attention and graph convolutions side by side, fused per layer."""

from collections.abc import Callable, Iterator
from itertools import chain
from math import sqrt
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks import fused
from prml.networks.blocks import parameter
from prml.networks.layers import Attention, Axis, Fusion, Mlp
from prml.networks.published.layout import (
    Fixed,
    PublishedNetwork,
    Shapes,
    Slot,
    affine,
    batch_norm,
    count,
    mlp,
    slots,
    with_leading_axis,
)
from prml.skeleton import H36M17

# directed edges of the skeleton that the authors' table of neighbours leaves out (their reverse is in it)
ABSENT_EDGES = ((0, 4), (8, 11), (8, 14))


def skeleton_graph() -> Float[Tensor, "J J"]:
    """Row i: the neighbours of joint i; normalised by the degrees on both sides."""
    graph = torch.zeros(len(H36M17), len(H36M17))
    for joint, parent in enumerate(H36M17.parents):
        if parent >= 0:
            graph[joint, parent] = graph[parent, joint] = 1.0
    for a, b in ABSENT_EDGES:
        graph[a, b] = 0.0
    scale = graph.sum(1).rsqrt()
    return scale[:, None] * graph * scale


def nearest(similarity: Float[Tensor, "*n T T"], k: int) -> Bool[Tensor, "*n T T"]:
    """In every row the ``k`` largest entries, and whatever equals the least of them."""
    return similarity >= similarity.topk(k, -1).values[..., -1:]


class GraphConvolution(nn.Module):
    """Graph convolution with batch norm over the nodes and a residual, among joints or along time.

    Along time the neighbours of a frame are the frames whose features are most similar.

    Args:
        width: C.
        axis: "spatial" or "temporal".
        nodes: J or T.
        neighbours: k of the temporal graph.
    """

    graph: Tensor

    def __init__(self, *, width: int, axis: Axis, nodes: int, neighbours: int) -> None:
        super().__init__()
        self.axis, self.neighbours = axis, neighbours
        self.own, self.others = nn.Linear(width, width), nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(nodes)
        self.register_buffer("graph", skeleton_graph() if axis == "spatial" else None, persistent=False)

    def reset(self) -> None:
        """The authors' start."""
        for layer in (self.own, self.others):
            nn.init.normal_(layer.weight, std=sqrt(2 / layer.in_features))

    def _spread(self, x: Float[Tensor, "N L C"]) -> Float[Tensor, "N L C"]:
        features = self.others(x)
        if self.axis == "spatial":
            return self.graph @ features
        near = nearest(x @ x.transpose(1, 2), self.neighbours).to(x.dtype)
        scale = near.sum(-1, keepdim=True).rsqrt()
        return scale * (near @ (scale * features))

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """Same shape out as in."""
        ordered = x if self.axis == "spatial" else x.transpose(1, 2)
        nodes = ordered.flatten(0, 1)
        y = F.relu(nodes + self.norm(self._spread(nodes) + self.own(nodes))).view(ordered.shape)
        return y if self.axis == "spatial" else y.transpose(1, 2)

    @staticmethod
    def layout(published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        yield from affine(f"{published}.U", f"{own}.own")
        yield from affine(f"{published}.V", f"{own}.others")
        yield from batch_norm(f"{published}.batch_norm", f"{own}.norm")


class ScaledBlock(nn.Module):
    """Pre-norm mixer and MLP, both residual, each scaled per channel.

    Args:
        width, mlp_ratio: C, hidden width of the MLP over C.
        mixer: attention or graph convolution.
        scale: that the per-channel factors start from; None for no factors.
    """

    def __init__(self, *, width: int, mlp_ratio: float, mixer: nn.Module, scale: float | None) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixer, self.mlp = mixer, Mlp(width=width, ratio=mlp_ratio)
        self.scale1, self.scale2 = (
            None if scale is None else nn.Parameter(torch.full((width,), float(scale))) for _ in range(2)
        )

    @staticmethod
    def _add(x: Tensor, scale: Tensor | None, branch: Tensor) -> Tensor:
        return x + branch if scale is None else torch.addcmul(x, scale, branch)

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """Same shape out as in."""
        return self.finish(x, self.mixer(self.norm1(x)))

    def finish(self, x: Float[Tensor, "B T J C"], mixed: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """Everything after the mixer, whose output is ``mixed``."""
        x = self._add(x, self.scale1, mixed)
        normed, layers = self.norm2(x), (self.mlp.fc1, self.mlp.fc2)
        if self.scale2 is None or not fused.usable(normed, *layers):
            return self._add(x, self.scale2, self.mlp(normed))
        # scaling the rows of the last layer is scaling its outputs: see fused.py for what is gained
        scaled = fused.Affine(self.scale2[:, None] * self.mlp.fc2.weight, self.scale2 * self.mlp.fc2.bias)
        return fused.mlp_add(normed, self.mlp.fc1, scaled, x)

    def layout(self, published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        if self.scale1 is not None:
            yield from (Slot(f"{published}.layer_scale_{i}", f"{own}.scale{i}") for i in (1, 2))
        yield from affine(f"{published}.norm1", f"{own}.norm1")
        theirs, ours = f"{published}.mixer", f"{own}.mixer"
        if isinstance(self.mixer, Attention):
            yield from affine(f"{theirs}.proj", f"{ours}.out")
            names = ("weight",) if self.mixer.qkv.bias is None else ("weight", "bias")
            yield from slots(f"{theirs}.qkv", f"{ours}.qkv", *names)
        else:
            yield from GraphConvolution.layout(theirs, ours)
        yield from affine(f"{published}.norm2", f"{own}.norm2")
        yield from mlp(f"{published}.mlp", f"{own}.mlp")


class AttentionGraphLayer(nn.Module):
    """Two streams, each spatial then temporal: one of attention, one of graph convolutions; fused per token.

    Args:
        block: builds the block of a kind ("attention" or "graph") and an axis.
        width: C.
    """

    def __init__(self, block: Callable[[str, Axis], ScaledBlock], *, width: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(block("attention", "spatial"), block("attention", "temporal"))
        self.graph = nn.Sequential(block("graph", "spatial"), block("graph", "temporal"))
        self.fusion = Fusion(width=width)

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """Same shape out as in."""
        return self.fusion(self.attention(x), self.graph(x))[0]

    def layout(self, published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        for theirs, ours in (("att", "attention"), ("graph", "graph")):
            for i, axis in enumerate(("spatial", "temporal")):
                block = getattr(self, ours)[i]
                yield from block.layout(f"{published}.{theirs}_{axis}", f"{own}.{ours}.{i}")
        yield from affine(f"{published}.fusion", f"{own}.fusion.fc")


class MotionAGFormer(PublishedNetwork):
    """Sequence to sequence at a fixed length (batch norm over the frames).

    Args:
        frames, in_channels: T, C_in (17 joints: the skeleton is part of the network).
        width: C.
        depth: layers.
        heads, mlp_ratio: of every block.
        representation: width of the tanh layer before the head.
        neighbours: k of the temporal graph.
        layer_scale: start of the per-channel factors; None for none.
        qkv_bias: whether queries, keys and values have a bias.
    """

    ARGUMENTS: ClassVar = {
        "n_frames": "frames",
        "dim_in": "in_channels",
        "n_layers": "depth",
        "dim_feat": "width",
        "num_heads": "heads",
        "dim_rep": "representation",
        "neighbour_num": "neighbours",
        "layer_scale_init_value": "layer_scale",
        "num_joints": Fixed((17,)),
        "joints": Fixed((17,)),
        "dim_out": Fixed((3,)),
        "attn_drop": Fixed((0,)),
        "drop": Fixed((0,)),
        "drop_path": Fixed((0,)),
        "use_layer_scale": Fixed((True,)),
        "use_adaptive_fusion": Fixed((True,)),
        "qkv_scale": Fixed((None,)),
        "hierarchical": Fixed((False,)),
        "use_temporal_similarity": Fixed((True,)),
        "temporal_connection_len": Fixed((1,)),
        "use_tcn": Fixed((False,)),
        "graph_only": Fixed((False,)),
    }

    def __init__(
        self,
        *,
        frames: int = 243,
        in_channels: int = 3,
        width: int = 128,
        depth: int = 26,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        representation: int = 512,
        neighbours: int = 2,
        layer_scale: float | None = 1e-5,
        qkv_bias: bool = False,
    ) -> None:
        super().__init__(frames=frames, joints=len(H36M17), in_channels=in_channels)
        if neighbours > frames:
            raise PrmlError(f"neighbours must be at most the {frames} frames, got {neighbours}")

        def block(kind: str, axis: Axis) -> ScaledBlock:
            mixer: nn.Module = Attention(width=width, heads=heads, axis=axis)
            if kind == "graph":
                nodes = self.joints if axis == "spatial" else frames
                mixer = GraphConvolution(width=width, axis=axis, nodes=nodes, neighbours=neighbours)
            elif not qkv_bias:
                mixer.qkv = nn.Linear(width, 3 * width, bias=False)
            return ScaledBlock(width=width, mlp_ratio=mlp_ratio, mixer=mixer, scale=layer_scale)

        self.embed = nn.Linear(in_channels, width)
        self.joint_embedding = parameter(self.joints, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(*(AttentionGraphLayer(block, width=width) for _ in range(depth)))
        self.representation = nn.Sequential(nn.Linear(width, representation), nn.Tanh())
        self.head = nn.Linear(representation, 3)
        for module in self.modules():
            if isinstance(module, Fusion | GraphConvolution):
                module.reset()

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B T J 3"]:
        """Root-relative pose in the space of the labels (the authors': normalised image space), one per frame."""
        self.check(x)
        feature = self.layers(self.embed(x) + self.joint_embedding)
        return self.head(self.representation(self.norm(feature)))

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""
        return chain(
            (Slot("pos_embed", "joint_embedding", with_leading_axis),),
            affine("joints_embed", "embed"),
            affine("norm", "norm"),
            *(layer.layout(f"layers.{i}", f"layers.{i}") for i, layer in enumerate(self.layers)),  # type: ignore[operator]
            affine("rep_logit.fc", "representation.0"),
            affine("head", "head"),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Everything but the number of heads and of neighbours."""
        width, in_channels = shapes["joints_embed.weight"]
        return {
            "frames": shapes["layers.0.graph_temporal.mixer.batch_norm.weight"][0],
            "in_channels": in_channels,
            "width": width,
            "depth": count(shapes, "layers"),
            "representation": shapes["rep_logit.fc.weight"][0],
            "mlp_ratio": shapes["layers.0.att_spatial.mlp.fc1.weight"][0] / width,
            "qkv_bias": "layers.0.att_spatial.mixer.qkv.bias" in shapes,
        }
