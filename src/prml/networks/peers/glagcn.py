"""GLA-GCN (Yu et al., ICCV 2023): adaptive graph convolutions among joints, strided convolutions in time."""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import prod, sqrt
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.blocks import LastAxisBatchNorm, parameter, powers_of_3
from prml.networks.published.layout import (
    Fixed,
    PublishedNetwork,
    Shapes,
    Slot,
    View,
    affine,
    as_kernel_1x1,
    batch_norm,
    count,
    row,
    slots,
)
from prml.skeleton import H36M17

SUBSETS = 3  # a joint itself, towards the root, away from it


def _graphs() -> Float[Tensor, "3 J J"]:
    """The joint itself; each joint to its parent; each to its children. Every column sums to one (or zero)."""
    J = len(H36M17)
    towards = torch.zeros(J, J)
    for joint, parent in enumerate(H36M17.parents):
        if parent >= 0:
            towards[parent, joint] = 1.0
    graphs = (torch.eye(J), towards, towards.T)
    return torch.stack([g / g.sum(0).clamp(min=1.0) for g in graphs])


class TemporalConvolution(nn.Module):
    """Convolution along time and batch norm."""

    def __init__(self, in_channels: int, width: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, width, (kernel, 1), stride=(stride, 1), padding=(kernel // 2, 0))
        self.norm = nn.BatchNorm2d(width)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out")
        if self.convolution.bias is not None:
            nn.init.zeros_(self.convolution.bias)

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B U J D"]:
        """U = T / stride frames."""
        # channels stay last in memory: the permuted tensor is what torch calls channels_last
        return self.norm(self.convolution(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)

    @staticmethod
    def layout(published: str, own: str, names: tuple[str, str] = ("conv", "bn")) -> Iterator[Slot]:
        """The authors' entries."""
        theirs, bn = (f"{published}.{name}" for name in names)
        return chain(affine(theirs, f"{own}.convolution"), batch_norm(bn, f"{own}.norm"))


class AdaptiveGraph(nn.Module):
    """Graph convolution; adjacency: the skeleton, a learned offset, and the similarity of the joints in the window."""

    graphs: Tensor

    def __init__(self, in_channels: int, width: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.register_buffer("graphs", _graphs(), persistent=False)
        self.offset = nn.Parameter(torch.full((SUBSETS, len(H36M17), len(H36M17)), 1e-6))
        similar = width // 4
        self.first, self.second = (nn.Linear(in_channels, SUBSETS * similar) for _ in range(2))
        self.values = nn.Linear(in_channels, SUBSETS * width, bias=False)
        self.value_bias = parameter(SUBSETS, width)
        self.norm = LastAxisBatchNorm(width)
        self.shortcut: TemporalConvolution | None = None
        if in_channels != width:
            self.shortcut = TemporalConvolution(in_channels, width, kernel=1, stride=1)
        for layer in (self.first, self.second):
            nn.init.normal_(layer.weight, std=sqrt(2 / similar))
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.values.weight, std=sqrt(2 / (width * in_channels * SUBSETS)))
        nn.init.constant_(self.norm.weight, 1e-6)

    def _adjacency(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B 3 J J"]:
        """Column-wise softmax of the similarity of every two joints' motion, plus the fixed and learned graphs."""
        a, b = (
            layer(x).unflatten(-1, (SUBSETS, -1)).permute(0, 3, 2, 1, 4).flatten(3)
            for layer in (self.first, self.second)
        )
        return (a @ b.transpose(-2, -1) / a.shape[-1]).softmax(-2) + self.graphs + self.offset

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J D"]:
        """Width ``D`` out."""
        # joints are mixed after the channels: the two commute, and the three subsets become one matrix product each
        values = self.values(x).unflatten(-1, (SUBSETS, -1)).flatten(2, 3)
        graph = self._adjacency(x).permute(0, 3, 2, 1).flatten(2)
        y = self.norm(graph[:, None] @ values + self.value_bias.sum(0))
        return F.relu(F.dropout(y, self.dropout, self.training) + (x if self.shortcut is None else self.shortcut(x)))

    def layout(self, published: str, own: str) -> Iterator[Slot]:
        """The authors' entries; each of our layers holds three of theirs."""

        def third(i: int) -> View:
            return lambda layer: as_kernel_1x1(layer.chunk(SUBSETS)[i])

        yield Slot(f"{published}.PA", f"{own}.offset")
        for theirs, ours in (("conv_a", "first"), ("conv_b", "second")):
            for i in range(SUBSETS):
                yield from affine(f"{published}.{theirs}.{i}", f"{own}.{ours}", view=third(i))
        for i in range(SUBSETS):
            yield Slot(f"{published}.conv_d.{i}.weight", f"{own}.values.weight", third(i))
            yield Slot(f"{published}.conv_d.{i}.bias", f"{own}.value_bias", row(i))
        if self.shortcut is not None:
            yield from TemporalConvolution.layout(f"{published}.down", f"{own}.shortcut", ("0", "1"))
        yield from batch_norm(f"{published}.bn", f"{own}.norm")


class GraphTemporal(nn.Module):
    """Graph convolution, then temporal convolution, around an optional residual path."""

    def __init__(
        self, in_channels: int, width: int, *, stride: int = 1, residual: bool = True, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.graph = AdaptiveGraph(in_channels, width, dropout=dropout)
        self.time = TemporalConvolution(width, width, kernel=9, stride=stride)
        self.residual: nn.Module | None = nn.Identity() if residual else None
        if residual and in_channels != width:
            self.residual = TemporalConvolution(in_channels, width, kernel=1, stride=stride)

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B U J D"]:
        """U = T / stride frames."""
        y = self.time(self.graph(x))
        return F.relu(y if self.residual is None else y + self.residual(x))

    def layout(self, published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        yield from self.graph.layout(f"{published}.gcn1", f"{own}.graph")
        yield from TemporalConvolution.layout(f"{published}.tcn1", f"{own}.time")
        if isinstance(self.residual, TemporalConvolution):
            yield from TemporalConvolution.layout(f"{published}.residual", f"{own}.residual")


class GLAGCN(PublishedNetwork):
    """A window to the pose of its middle frame.

    Args:
        frames: T; if ``strides`` is not given, a power of 3.
        in_channels: C_in (17 joints: the skeleton is part of the network).
        width: C.
        strides: reduction in time of every stage; their product is T.
        dropout: in training.
    """

    output = "middle"
    ARGUMENTS: ClassVar = {
        "in_features": "in_channels",
        "channels": "width",
        "filter_widths": "strides",
        "num_joints_in": Fixed((17,)),
        "num_joints_out": Fixed((17,)),
        "joints": Fixed((17,)),
        "causal": Fixed((False,)),
        "dataset": Fixed(("h36m",)),
    }

    def __init__(
        self,
        *,
        frames: int | None = None,
        in_channels: int = 2,
        width: int = 96,
        strides: Sequence[int] | None = None,
        dropout: float = 0.1,
    ) -> None:
        strides = powers_of_3(frames or 243) if strides is None else tuple(strides)
        if frames not in (None, prod(strides)):
            raise PrmlError(f"the strides {strides} make windows of {prod(strides)} frames, not {frames}")
        if width < 4:
            raise PrmlError(f"width must be at least 4, got {width}")
        super().__init__(frames=prod(strides), joints=len(H36M17), in_channels=in_channels)
        self.strides, self.dropout = strides, dropout
        self.input_norm = LastAxisBatchNorm(in_channels * self.joints)
        self.expand = GraphTemporal(in_channels, width, dropout=dropout)
        self.stages = nn.ModuleList()
        for stride in strides:
            self.stages.append(GraphTemporal(width, width, dropout=dropout))
            self.stages.append(GraphTemporal(width, width, stride=stride, residual=False, dropout=dropout))
        self.head = nn.Linear(width, 3)

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B 1 J 3"]:
        """Root-relative metres, camera frame, of the middle frame."""
        self.check(x)
        B, T, J, C = x.shape
        x = self.expand(self.input_norm(x.flatten(2)).view(B, T, J, C))
        for i, stride in enumerate(self.strides):
            shortcut = x[:, stride // 2 :: stride]
            for stage in self.stages[2 * i : 2 * i + 2]:
                x = F.dropout(stage(x), self.dropout, self.training)
            x = x + shortcut
        return self.head(x.mean(1))[:, None]

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""
        stages = (s.layout(f"layers_tcngcn.{i}", f"stages.{i}") for i, s in enumerate(self.stages))  # type: ignore[operator]
        head = (
            Slot("fc.weight", "head.weight", lambda own: own[..., None]),
            *slots("fc", "head", "bias"),
        )
        return chain(batch_norm("data_bn", "input_norm"), self.expand.layout("expand_gcn", "expand"), *stages, head)

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Width, C_in and the number of stages; their strides leave no trace and are taken as 3."""
        width, in_channels = shapes["expand_gcn.residual.conv.weight"][:2]
        return {"width": width, "in_channels": in_channels, "strides": (3,) * (count(shapes, "layers_tcngcn") // 2)}
