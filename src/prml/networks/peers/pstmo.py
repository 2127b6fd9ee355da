"""P-STMO (Shan et al., ECCV 2022): an MLP per frame, a transformer, and one that shrinks the window to its middle."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.blocks import LastAxisBatchNorm, parameter
from prml.networks.heads import PoseHead
from prml.networks.layers import Attention
from prml.networks.published.layout import (
    PublishedNetwork,
    Shapes,
    Slot,
    affine,
    as_kernel_1,
    batch_norm,
    count,
    rows,
    share,
    with_leading_axis,
)

DROPOUT = 0.1
STRIDES = {9: (1, 3, 3), 27: (3, 3, 3), 81: (3, 3, 3, 3), 243: (3, 3, 3, 3, 3), 351: (3, 9, 13)}


class DeviationNorm(nn.Module):
    """Layer norm by the sample deviation (n - 1), its epsilon added to the deviation rather than to the variance."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Float[Tensor, "*n C"]) -> Float[Tensor, "*n C"]:
        """Same shape out as in."""
        deviation, mean = torch.std_mean(x, -1, keepdim=True)
        return torch.addcmul(self.bias, x - mean, self.weight / (deviation + 1e-6))

    @staticmethod
    def layout(published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        return iter((Slot(f"{published}.a_2", f"{own}.weight"), Slot(f"{published}.b_2", f"{own}.bias")))


class Layer(nn.Module):
    """Pre-norm attention over the frames and ReLU feed-forward; the latter may shrink the window.

    Args:
        width, hidden, heads: C, inner width of the feed-forward, heads.
        stride: None for a feed-forward of each frame, else its second layer is a convolution of that stride in time.
    """

    def __init__(self, *, width: int, hidden: int, heads: int, stride: int | None = None) -> None:
        super().__init__()
        self.norm1, self.norm2 = DeviationNorm(width), DeviationNorm(width)
        self.attention = Attention(width=width, heads=heads, axis="spatial")
        self.fc1 = nn.Linear(width, hidden)
        self.stride = stride
        self.fc2 = nn.Linear(hidden, width) if stride is None else nn.Conv1d(hidden, width, 3, stride, padding=1)

    def forward(self, x: Float[Tensor, "B T C"]) -> Float[Tensor, "B U C"]:
        """U = T / stride frames."""
        attended = self.attention(self.norm1(x)[:, None])[:, 0]
        x = x + F.dropout(attended, DROPOUT, self.training)
        hidden = F.dropout(F.relu(self.fc1(self.norm2(x))), DROPOUT, self.training)
        if self.stride is None:
            return x + F.dropout(self.fc2(hidden), DROPOUT, self.training)
        out = self.fc2(hidden.transpose(1, 2)).transpose(1, 2)
        return x[:, :: self.stride] + F.dropout(out, DROPOUT, self.training)

    def layout(self, published: str, own: str) -> Iterator[Slot]:
        """The authors' entries; our one layer for queries, keys and values holds three of theirs."""
        for i in range(3):
            for name in ("weight", "bias"):
                yield Slot(f"{published}.self_attn.linears.{i}.{name}", f"{own}.attention.qkv.{name}", share(i, 3))
        yield from affine(f"{published}.self_attn.linears.3", f"{own}.attention.out")
        yield from affine(f"{published}.feed_forward.w_1", f"{own}.fc1", view=as_kernel_1 if self.stride else None)
        yield from affine(f"{published}.feed_forward.w_2", f"{own}.fc2")
        for i in (0, 1):
            yield from DeviationNorm.layout(f"{published}.sublayer.{i}.norm", f"{own}.norm{i + 1}")


class FrameEncoder(nn.Module):
    """The coordinates of a frame to a feature: linear layers with batch norm and leaky ReLU, one of them residual."""

    def __init__(self, *, in_channels: int, width: int) -> None:
        super().__init__()
        inner = 2 * width
        self.fc1, self.norm1 = nn.Linear(in_channels, inner), LastAxisBatchNorm(inner)
        self.residual = nn.ModuleList(nn.Linear(inner, inner) for _ in range(2))
        self.residual_norms = nn.ModuleList(LastAxisBatchNorm(inner) for _ in range(2))
        self.fc2 = nn.Linear(inner, width)

    def _act(self, x: Tensor) -> Tensor:
        return F.dropout(F.leaky_relu(x, 0.2), DROPOUT, self.training)

    def forward(self, x: Float[Tensor, "B T K"]) -> Float[Tensor, "B T C"]:
        """One feature per frame."""
        x = y = self._act(self.norm1(self.fc1(x)))
        for fc, norm in zip(self.residual, self.residual_norms, strict=True):
            y = self._act(norm(fc(y)))
        return self.fc2(x + y)

    @staticmethod
    def layout() -> Iterator[Slot]:
        """The authors' entries."""
        yield from affine("encoder.fc_1", "encoder.fc1", view=as_kernel_1)
        yield from batch_norm("encoder.bn_1", "encoder.norm1")
        yield from affine("encoder.fc_2", "encoder.fc2", view=as_kernel_1)
        for i in range(2):
            yield from affine(f"encoder.layers.0.w{i + 1}", f"encoder.residual.{i}", view=as_kernel_1)
            yield from batch_norm(f"encoder.layers.0.batch_norm{i + 1}", f"encoder.residual_norms.{i}")


class PSTMO(PublishedNetwork):
    """A window to the pose of its middle frame, at a fixed length.

    Args:
        frames, joints, in_channels: T, J, C_in.
        width: C.
        depth: layers of the first transformer (4 is P-STMO, 3 P-STMO-S).
        hidden: inner width of the feed-forwards.
        heads: of every attention.
        strides: reduction of every layer of the second transformer; by default the authors' (T = 9, 27, 81, 243, 351).
    """

    output = "middle"
    HEADS: ClassVar = ("head", "sequence_head")
    ARGUMENTS: ClassVar = {
        "layers": "depth",
        "channel": "width",
        "d_hid": "hidden",
        "n_joints": "joints",
        "out_joints": "joints",
        "stride_num": "strides",
    }

    def __init__(
        self,
        *,
        frames: int = 243,
        joints: int = 17,
        in_channels: int = 2,
        width: int = 256,
        depth: int = 4,
        hidden: int = 512,
        heads: int = 8,
        strides: Sequence[int] | None = None,
    ) -> None:
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        if strides is None and frames not in STRIDES:
            raise PrmlError(f"the authors' windows are {', '.join(map(str, STRIDES))}; for {frames} give the strides")
        strides = STRIDES[frames] if strides is None else tuple(strides)
        self.encoder = FrameEncoder(in_channels=joints * in_channels, width=width)
        self.frame_embedding = nn.Parameter(torch.randn(frames, width))
        size = {"width": width, "hidden": hidden, "heads": heads}
        self.layers = nn.Sequential(*(Layer(**size) for _ in range(depth)))
        self.shrinking_embedding = nn.Parameter(torch.randn(3, frames, width))  # for the first three layers only
        self.shrinking = nn.ModuleList(Layer(**size, stride=stride) for stride in strides)
        # the authors' two last norms are in their checkpoints but never used
        self.unused = nn.ParameterList(parameter(2, width).requires_grad_(False) for _ in range(2))
        self.head = PoseHead(norm=LastAxisBatchNorm(width), width=width, joints=joints)
        # of the authors' loss over all frames, which is not an objective here; DDP would wait for its gradient
        self.sequence_head = PoseHead(norm=LastAxisBatchNorm(width), width=width, joints=joints).requires_grad_(False)

    def forward_with_sequence(
        self, x: Float[Tensor, "B T J C_in"]
    ) -> tuple[Float[Tensor, "B 1 J 3"], Float[Tensor, "B T J 3"]]:
        """The middle frame, and every frame by a head of its own, which is frozen (the authors' loss is over both)."""
        self.check(x)
        sequence = self.layers(self.encoder(x.flatten(2)) + self.frame_embedding)
        feature = sequence
        for i, layer in enumerate(self.shrinking):
            if i < len(self.shrinking_embedding):
                feature = feature + self.shrinking_embedding[i, : feature.shape[1]]
            feature = layer(feature)
        poses = (self.head(feature), self.sequence_head(sequence))
        centre, every = (p.unflatten(-1, (self.joints, 3)) for p in poses)
        return centre, every

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B 1 J 3"]:
        """Root-relative metres, camera frame, of the middle frame."""
        return self.forward_with_sequence(x)[0]

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""

        def unused(published: str, i: int) -> Iterator[Slot]:
            for row, name in enumerate(("a_2", "b_2")):
                yield Slot(f"{published}.model.norm.{name}", f"unused.{i}", share(row, 2), self.unused[i].shape[1:])

        first, second = "Transformer", "Transformer_reduce"
        return chain(
            FrameEncoder.layout(),
            (Slot(f"{first}.pos_embedding", "frame_embedding", with_leading_axis),),
            *(m.layout(f"{first}.model.layers.{i}", f"layers.{i}") for i, m in enumerate(self.layers)),  # type: ignore[operator]
            unused(first, 0),
            (Slot(f"{second}.model.pos_embedding_{i + 1}", "shrinking_embedding", rows(i, i + 1)) for i in range(3)),
            *(m.layout(f"{second}.model.layers.{i}", f"shrinking.{i}") for i, m in enumerate(self.shrinking)),  # type: ignore[operator]
            unused(second, 1),
            *(
                chain(batch_norm(f"{theirs}.0", f"{ours}.norm"), affine(f"{theirs}.1", f"{ours}.fc", view=as_kernel_1))
                for theirs, ours in (("fcn", "head"), ("fcn_1", "sequence_head"))
            ),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Everything but the heads; the strides are the authors' for T."""
        _, frames, width = shapes["Transformer.pos_embedding"]
        joints = shapes["fcn.1.bias"][0] // 3
        return {
            "frames": frames,
            "width": width,
            "depth": count(shapes, "Transformer.model.layers"),
            "joints": joints,
            "hidden": shapes["Transformer.model.layers.0.feed_forward.w_1.bias"][0],
            "in_channels": shapes["encoder.fc_1.weight"][1] // joints,
        }
