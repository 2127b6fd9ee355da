"""Layers that the networks share: attention, MLP, spatial and temporal transformer encoders.

Tensors are (batch, frames, joints, channels). No layer knows about files, devices or numpy.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.networks import bfloat16, fused

Axis = Literal["spatial", "temporal"]


_SHORT = 32  # keys: below it a CPU spends most of the fused kernel's time on starting it


def attend(
    query: Float[Tensor, "N heads L d"], key: Float[Tensor, "N heads S d"], value: Float[Tensor, "N heads S d"]
) -> Float[Tensor, "N heads L d"]:
    """Scaled dot product attention by the fastest way that gives the same.

    Torch's fused kernel, but on CPUs among few keys (the joints of a frame) two batched products and a softmax, which
    start faster; the matrix of weights in between is about as large as the queries. And in float32 where a CPU trains
    in bfloat16, for which the fused kernel's backward pass takes ten times as long (``benchmarks/fast_path.py``).
    """
    if fused.plain_cpu(query) and key.shape[-2] <= _SHORT:
        return _attend_among_few(query, key, value)
    if query.device.type != "cpu" or query.dtype != torch.bfloat16 or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(query, key, value)
    with torch.autocast("cpu", enabled=False):
        return attend(query.float(), key.float(), value.float())


def _attend_among_few(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The definition; softmax runs over the first axis of (keys, queries), which vector units do in half the time."""
    shape, scale = query.shape, query.shape[-1] ** -0.5
    query, key, value = (query * scale).flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1)
    weights = torch.bmm(key, query.transpose(1, 2)).softmax(1)
    return torch.bmm(weights.transpose(1, 2), value).view(shape)


class Attention(nn.Module):
    """Multi-head attention over one axis: among the joints of a frame (spatial), or along one joint's time (temporal).

    With a ``context`` keys and values come from there (cross attention, the paper's TF_C), else it is self attention.
    Along the axis of attention a context may have another length.

    Args:
        width: channels of the queries and of the output.
        heads: number of heads; must divide ``width``.
        axis: "spatial" or "temporal".
        context_width: channels of the context; None for self attention.
    """

    def __init__(self, *, width: int, heads: int, axis: Axis, context_width: int | None = None) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide the width: {heads} does not divide {width}")
        self.heads, self.axis = heads, axis
        self.cross = context_width is not None
        if context_width is None:
            self.qkv = nn.Linear(width, 3 * width)
        else:
            self.query = nn.Linear(width, width)
            self.key_value = nn.Linear(context_width, 2 * width)
        self.out = nn.Linear(width, width)

    def _split(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "N heads L d"]:
        B, T, J, C = x.shape
        x = x.view(B, T, J, self.heads, C // self.heads)
        if self.axis == "spatial":
            return x.flatten(0, 1).transpose(1, 2)
        # joints and heads are both batch axes of temporal attention: merging them keeps this a view
        return x.flatten(2, 3).transpose(1, 2)

    def _merge(self, x: Float[Tensor, "N heads L d"], shape: torch.Size) -> Float[Tensor, "B T J C"]:
        return x.transpose(1, 2).reshape(shape)

    def forward(
        self,
        x: Float[Tensor, "B T J C"],
        context: Float[Tensor, "B t j D"] | None = None,
        residual: Float[Tensor, "B T J C"] | None = None,
    ) -> Float[Tensor, "B T J C"]:
        """Attend, and add to ``residual`` if given; ``context`` is given exactly when there is a ``context_width``."""
        query, key, value = (self._split(part) for part in self._project(x, context))
        y = self._merge(attend(query, key, value), x.shape)
        if residual is None:
            return self.out(y)
        return fused.linear_add(y, self.out, residual) if fused.usable(y, self.out) else residual + self.out(y)

    def _project(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, ...]:
        """Queries, keys and values, each contiguous."""
        if context is None:
            if fused.usable(x, self.qkv):
                return fused.project(x, self.qkv, 3)
            return tuple(part.contiguous() for part in self.qkv(x).chunk(3, -1))
        if fused.usable(x, self.query, self.key_value):
            return fused.project(x, self.query, 1) + fused.project(context, self.key_value, 2)
        return (self.query(x), *(part.contiguous() for part in self.key_value(context).chunk(2, -1)))


class Mlp(nn.Module):
    """Linear, GELU, Linear."""

    def __init__(self, *, width: int, ratio: float = 4.0) -> None:
        super().__init__()
        hidden = max(1, int(width * ratio))
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "*n C"], residual: Float[Tensor, "*n C"] | None = None) -> Float[Tensor, "*n C"]:
        """Same shape out as in; added to ``residual`` if given."""
        if residual is not None and fused.usable(x, self.fc1, self.fc2):
            return fused.mlp_add(x, self.fc1, self.fc2, residual)
        y = self.fc2(F.gelu(self.fc1(x)))
        return y if residual is None else residual + y


class Encoder(nn.Module):
    """Pre-norm transformer encoder (attention, MLP, both residual) over one axis: TF_S, TF_T, with a context TF_C."""

    def __init__(
        self, *, width: int, heads: int, axis: Axis, mlp_ratio: float = 4.0, context_width: int | None = None
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(context_width) if context_width is not None else None
        self.attention = Attention(width=width, heads=heads, axis=axis, context_width=context_width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width=width, ratio=mlp_ratio)

    def forward(
        self, x: Float[Tensor, "B T J C"], context: Float[Tensor, "B t j D"] | None = None
    ) -> Float[Tensor, "B T J C"]:
        """Same shape out as in."""
        alike = context is None or (context.dtype == torch.float32 and context.shape[:3] == x.shape[:3])
        if alike and bfloat16.usable(x, self):
            return bfloat16.encode(x, context, self)
        if self.norm_context is not None:
            context = self.norm_context(context)
        x = self.attention(self.norm1(x), context, residual=x)
        return self.mlp(self.norm2(x), residual=x)


class Fusion(nn.Module):
    """Per-token weights softmax(Linear(a ++ b)) that mix two features; they start at one half each."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(2 * width, 2)

    def reset(self) -> None:
        """Start at equal weights; called after the general initialisation."""
        nn.init.zeros_(self.fc.weight)
        nn.init.constant_(self.fc.bias, 0.5)

    def forward(
        self, a: Float[Tensor, "B T J C"], b: Float[Tensor, "B T J C"]
    ) -> tuple[Float[Tensor, "B T J C"], Float[Tensor, "B T J 2"]]:
        """The mixture and its weights theta."""
        theta = self.fc(torch.cat([a, b], -1)).softmax(-1)
        return theta[..., :1] * a + theta[..., 1:] * b, theta


def init_weights(module: nn.Module) -> None:
    """Truncated normal of 0.02 for linear layers, zeros for their biases (as MotionBERT, whose block this is)."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
