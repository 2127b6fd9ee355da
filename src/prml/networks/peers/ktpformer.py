"""KTPFormer (Peng et al., CVPR 2024): MixSTE whose first pair attends to features spread over skeleton and time."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.networks.blocks import Block, LastAxisBatchNorm, depth_rates, parameter
from prml.networks.heads import RegressionHead
from prml.networks.layers import Axis
from prml.networks.peers.mixste import AlternatingEncoders
from prml.networks.published.layout import (
    Fixed,
    PublishedNetwork,
    Shapes,
    Slot,
    affine,
    attention,
    batch_norm,
    count,
    mlp,
    with_leading_axis,
)
from prml.skeleton import H36M17


def adjacency(edges: Sequence[tuple[int, int]], nodes: int) -> Float[Tensor, "N N"]:
    """Undirected graph with ones on the diagonal; the other entries of a row share 1 equally."""
    graph = torch.zeros(nodes, nodes)
    for a, b in edges:
        graph[a, b] = graph[b, a] = 1.0
    return graph / graph.sum(1, keepdim=True).clamp(min=1.0) + torch.eye(nodes)


class PriorGraph(nn.Module):
    """A graph convolution with a learnable part of the adjacency and a learnable modulation, batch norm, ReLU.

    Args:
        graph: (N, N) prior adjacency.
        in_channels, width: in and out.
    """

    graph: Tensor

    def __init__(self, *, graph: Float[Tensor, "N N"], in_channels: int, width: int) -> None:
        super().__init__()
        self.register_buffer("graph", graph, persistent=False)
        self.weight = parameter(2, in_channels, width)
        self.modulation = nn.Parameter(torch.ones(len(graph), width))
        self.graph_offset = nn.Parameter(torch.full(graph.shape, 1e-6))
        self.bias = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))
        self.norm = LastAxisBatchNorm(width)
        nn.init.xavier_uniform_(self.weight, gain=1.414)

    def forward(self, x: Float[Tensor, "B L N c"]) -> Float[Tensor, "B L N C"]:
        """Spread the features of the N nodes."""
        graph = self.graph + self.graph_offset
        graph = (graph + graph.T) / 2
        own, neighbours = x @ self.weight[0], (x @ self.weight[1]) * self.modulation
        spread = (graph - torch.diag(graph.diagonal())) @ neighbours
        return F.relu(self.norm(torch.addcmul(spread, own, graph.diagonal()[:, None] * self.modulation) + self.bias))

    @staticmethod
    def layout(published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        names = {"W": "weight", "M": "modulation", "adj2": "graph_offset", "bias": "bias"}
        entries = (Slot(f"{published}.gconv.{theirs}", f"{own}.{ours}") for theirs, ours in names.items())
        return chain(entries, batch_norm(f"{published}.bn", f"{own}.norm"))


def _prior_block(axis: Axis, width: int, heads: int, mlp_ratio: float) -> Block:
    block = Block(width=width, heads=heads, axis=axis, mlp_ratio=mlp_ratio)
    block.norm1.eps = 1e-5  # the authors' default in these two places, where all their other encoders have 1e-6
    return block


class KTPFormer(PublishedNetwork):
    """Sequence to sequence at a fixed length.

    Args:
        frames, in_channels: T, C_in (17 joints: the skeleton is part of the network).
        width: C.
        depth: pairs after the first, prior-guided one.
        heads, mlp_ratio: of every encoder.
        drop_path: stochastic depth of the last pair, in training.
    """

    ARGUMENTS: ClassVar = {
        "num_frame": "frames",
        "num_joints": Fixed((17,)),
        "joints": Fixed((17,)),
        "in_chans": "in_channels",
        "embed_dim_ratio": "width",
        "num_heads": "heads",
        "drop_path_rate": "drop_path",
        "qkv_bias": Fixed((True,)),
        "qk_scale": Fixed((None,)),
        "drop_rate": Fixed((0,)),
        "attn_drop_rate": Fixed((0,)),
    }

    def __init__(
        self,
        *,
        frames: int = 243,
        in_channels: int = 2,
        width: int = 512,
        depth: int = 7,
        heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
    ) -> None:
        joints = len(H36M17)
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        bones = [(j, parent) for j, parent in enumerate(H36M17.parents) if parent >= 0]
        time = adjacency([(t, t - 1) for t in range(1, frames)], frames)
        self.kinematic = PriorGraph(graph=adjacency(bones, joints), in_channels=in_channels, width=width)
        self.joint_embedding, self.frame_embedding = parameter(joints, width), parameter(frames, width)
        self.spatial = _prior_block("spatial", width, heads, mlp_ratio)
        self.trajectory = nn.Sequential(*(PriorGraph(graph=time, in_channels=width, width=width) for _ in range(2)))
        self.temporal = _prior_block("temporal", width, heads, mlp_ratio)
        self.pairs = AlternatingEncoders(
            width=width, heads=heads, mlp_ratio=mlp_ratio, rates=depth_rates(drop_path, depth + 1)[1:]
        )
        self.head = RegressionHead(width=width, channels=3)

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B T J 3"]:
        """Root-relative metres, camera frame, one pose per frame."""
        self.check(x)
        x = self.pairs.spatial_norm(self.spatial(self.kinematic(x) + self.joint_embedding))
        x = x + self.trajectory(x.transpose(1, 2)).transpose(1, 2) + self.frame_embedding[:, None]
        x = self.pairs.temporal_norm(self.temporal(x))
        return self.head(self.pairs(x))

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""

        def prior(published: str, own: str, embedding: tuple[str, str], graphs: dict[str, str]) -> Iterator[Slot]:
            yield Slot(f"{published}.attn.{embedding[0]}", embedding[1], with_leading_axis)
            qkv_weight, qkv_bias, *out = attention(f"{published}.attn", f"{own}.attention")
            yield from (qkv_weight, qkv_bias)
            for theirs, ours in graphs.items():
                yield from PriorGraph.layout(f"{published}.attn.{theirs}", ours)
            yield from out
            yield from affine(f"{published}.attn.norm1", f"{own}.norm1")
            yield from affine(f"{published}.norm2", f"{own}.norm2")
            yield from mlp(f"{published}.mlp", f"{own}.mlp")

        return chain(
            self.pairs.layout("pairs"),
            prior("kpattention", "spatial", ("Spatial_pos_embed", "joint_embedding"), {"kpa": "kinematic"}),
            prior(
                "tpattention",
                "temporal",
                ("Temporal_pos_embed", "frame_embedding"),
                {"tpa.gconv1": "trajectory.0", "tpa.gconv2": "trajectory.1"},
            ),
            affine("head.0", "head.norm"),
            affine("head.1", "head.fc"),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Everything but the number of heads."""
        _, in_channels, width = shapes["kpattention.attn.kpa.gconv.W"]
        return {
            "frames": shapes["tpattention.attn.Temporal_pos_embed"][1],
            "in_channels": in_channels,
            "width": width,
            "depth": count(shapes, "STEblocks"),
            "mlp_ratio": shapes["kpattention.mlp.fc1.weight"][0] / width,
        }
