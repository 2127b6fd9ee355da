"""A transformer encoder's training step on CPUs under bfloat16 autocast, with its backward pass written out.

Autocast leaves half of such a step to casts, copies and the fused attention kernel, whose backward pass takes longer in
float32 than all matrix products of an encoder. Here every intermediate is bfloat16 as autocast has it, the residual
stream and the norms stay float32, tensors are cast once, and attention is batched products and an exponential:

    s = (scale q) k^T,  e = exp(s),  (u, n) = e (v, 1),  o = u / n

which is the softmax without its search for the greatest entry; where a score is so large that the exponential might
overflow, the softmax itself is taken. Results equal the modules' under autocast up to bfloat16's rounding; tests
compare both. ``usable`` decides, and the modules of ``layers.py`` stay the definition.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from prml.networks import fused

if TYPE_CHECKING:
    from prml.networks.layers import Encoder

BF16 = torch.bfloat16
_LARGEST_SCORE = 60.0  # e^60 times a gradient is far from the limits of bfloat16, and so is e^-60
_ORDER = {"spatial": (3, 0, 1, 4, 2, 5), "temporal": (3, 0, 2, 4, 1, 5)}  # of (B, T, J, P, heads, d)


def usable(x: Tensor, encoder: "Encoder") -> bool:
    """Whether this path may stand in for an encoder that trains on ``x``."""
    return (
        type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == BF16
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch._C._get_tracing_state()
        and bool(torch.backends.mkldnn.enabled)
        and all(_plain(module) for module in encoder.modules())
    )


def _plain(module: nn.Module) -> bool:
    """A module without hooks; linear layers with a bias, and they and norms ordinary and in float32."""
    if module._forward_hooks or module._forward_pre_hooks:
        return False
    if isinstance(module, nn.Linear):
        return type(module) is nn.Linear and module.bias is not None and module.weight.dtype == torch.float32
    if isinstance(module, nn.LayerNorm):
        return type(module) is nn.LayerNorm and module.weight is not None and module.weight.dtype == torch.float32
    return True


def encode(x: Float[Tensor, "B T J C"], context: Tensor | None, encoder: "Encoder") -> Float[Tensor, "B T J C"]:
    """What ``encoder(x, context)`` returns."""
    attention, mlp = encoder.attention, encoder.mlp
    inputs: tuple[Any, ...]
    norm = encoder.norm_context
    if context is None or norm is None:
        inputs = (None, None, None, 0.0, attention.qkv.weight, attention.qkv.bias, None, None)
    else:
        query, pair = attention.query, attention.key_value
        inputs = (context, norm.weight, norm.bias, norm.eps, query.weight, query.bias, pair.weight, pair.bias)
    norm1, norm2, out = encoder.norm1, encoder.norm2, attention.out
    x = _Attention.apply(  # type: ignore[no-untyped-call]
        x, norm1.weight, norm1.bias, norm1.eps, *inputs, out.weight, out.bias, attention.heads, attention.axis
    )
    fc1, fc2 = mlp.fc1, mlp.fc2
    moments = (norm2.weight, norm2.bias, norm2.eps)
    y: Tensor = _Mlp.apply(x, *moments, fc1.weight, fc1.bias, fc2.weight, fc2.bias)  # type: ignore[no-untyped-call]
    return y


# ---------------------------------------------------------------------- pieces
def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Of bfloat16 operands."""
    return F.linear(x, weight, bias) if fused._LINEAR is None else fused._linear(x, weight, bias)


def _d_linear(g: Float[Tensor, "n b"], x: Float[Tensor, "n a"]) -> tuple[Tensor, Tensor]:
    """Gradients of weight and bias; the product whose transposed operand is the smaller one is the faster."""
    weight = g.t() @ x if g.shape[1] <= x.shape[1] else (x.t() @ g).t()
    return weight.float(), g.sum(0).float()


def _normalise(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Layer norm as bfloat16 tokens (n, C), with mean and reciprocal deviation for the backward pass."""
    y, mean, rstd = torch.native_layer_norm(x, (x.shape[-1],), weight, bias, eps)
    return y.to(BF16).view(-1, x.shape[-1]), mean, rstd


def _d_normalise(
    g: Float[Tensor, "n C"], x: Tensor, weight: Tensor, bias: Tensor, moments: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of what was normalised, the weight and the bias."""
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_layer_norm_backward(
        g.float().view(x.shape), x, (x.shape[-1],), *moments, weight, bias, [True, True, True]
    )
    return found


class _Mlp(torch.autograd.Function):
    """x + fc2(gelu(fc1(norm(x))))."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, nw: Tensor, nb: Tensor, eps: float, *weights: Tensor) -> Tensor:
        w1, b1, w2, b2 = (w.to(BF16) for w in weights)
        with torch.autocast("cpu", enabled=False):
            y, *moments = _normalise(x, nw, nb, eps)
            hidden = _linear(y, w1, b1)
            active = F.gelu(hidden)
            ctx.save_for_backward(x, nw, nb, *moments, y, hidden, active, w1, w2)
            return x + _linear(active, w2, b2).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, nw, nb, mean, rstd, y, hidden, active, w1, w2 = ctx.saved_tensors
        g = gradients[0]
        gb = g.to(BF16).view(-1, g.shape[-1])
        d_hidden = torch.ops.aten.gelu_backward(gb @ w2, hidden)
        dx, dnw, dnb = _d_normalise(d_hidden @ w1, x, nw, nb, (mean, rstd))
        return dx.add_(g), dnw, dnb, None, *_d_linear(d_hidden, y), *_d_linear(gb, active)


# ---------------------------------------------------------------------- attention
def _view(tokens: Tensor, shape: torch.Size, heads: int, axis: str) -> Float[Tensor, "P b1 b2 b3 L d"]:
    """P projections (n, P C) of B x T x J tokens as a view in which what attends to each other is L."""
    B, T, J, C = shape
    strides = (*(n * tokens.stride(0) for n in (T * J, J, 1)), C, C // heads, 1)
    return tokens.as_strided((B, T, J, tokens.shape[-1] // C, heads, C // heads), strides).permute(*_ORDER[axis])


def _split(tokens: Tensor, shape: torch.Size, heads: int, axis: str) -> Float[Tensor, "P N L d"]:
    """The same, contiguous."""
    parts = _view(tokens, shape, heads, axis).contiguous()
    return parts.view(len(parts), -1, *parts.shape[-2:])


def _with_ones(tokens: Tensor, shape: torch.Size, heads: int, axis: str) -> Float[Tensor, "N L d2"]:
    """One projection, with two more channels of 1."""
    value = _view(tokens, shape, heads, axis)[0]
    wide = value.new_empty((*value.shape[:-1], value.shape[-1] + 2)).fill_(1.0)
    wide[..., :-2] = value
    return wide.flatten(0, 2)


def _join(parts: list[Float[Tensor, "N L d"]], shape: torch.Size, heads: int, axis: str) -> Float[Tensor, "n PC"]:
    """Tokens with all projections, the inverse of :func:`_split`."""
    B, T, J, C = shape
    tokens = parts[0].new_empty((B * T * J, len(parts) * C))
    for to, part in zip(_view(tokens, shape, heads, axis), parts, strict=True):
        to.copy_(part.view(to.shape))
    return tokens


def _attend(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs (N, L, d), and what the backward pass needs: e (N, L, S) and r (N, L, 1); the weights are r e.

    ``v`` has two more channels of 1, the first of which sums e.
    """
    scores = torch.bmm(q, k.transpose(1, 2))
    low, high = torch.aminmax(scores)
    if max(-float(low), float(high)) < _LARGEST_SCORE:
        e = scores.exp_()
        summed = torch.bmm(e, v)
        r = summed[..., -1:].float().reciprocal_()
    else:
        e = torch.bmm(q.float(), k.float().transpose(1, 2)).softmax(-1)
        return torch.bmm(e, v[..., :-2].float()).to(BF16), e, e.new_ones((*e.shape[:2], 1))
    return (summed[..., :-2] * r).to(BF16), e, r


def _d_attend(
    g: Tensor, out: Tensor, parts: tuple[Tensor, Tensor, Tensor], e: Tensor, r: Tensor
) -> list[Float[Tensor, "N L d"]]:
    """Gradients of q, k and v.

    The softmax's gradient e (r g v^T - r D), D = sum of g o, takes one product: r D is subtracted inside it, as two
    more channels (its leading bits and the rest) against the ones of ``v``.
    """
    q, k, v = parts
    scale = q.shape[-1] ** -0.5
    if e.dtype == torch.float32:
        return _d_attend_exactly(g, parts, e, scale)
    left = v.new_empty((*g.shape[:2], v.shape[-1]))
    gr = g * r  # float32
    left[..., :-2] = gr
    minus = gr.mul_(out).sum(-1, keepdim=True).neg_()
    left[..., -2:-1] = minus
    left[..., -1:] = minus - left[..., -2:-1]
    ds = torch.bmm(left, v.transpose(1, 2)).mul_(e)
    dq = torch.bmm(ds, k).mul_(scale)
    return [dq, torch.bmm(ds.transpose(1, 2), q), torch.bmm(e.transpose(1, 2), left[..., :-2])]


def _d_attend_exactly(
    g: Tensor, parts: tuple[Tensor, Tensor, Tensor], weights: Tensor, scale: float
) -> list[Float[Tensor, "N L d"]]:
    """The same in float32, for weights of the softmax itself."""
    q, k, v = (p.float() for p in parts)
    g = g.float()
    d_weights = torch.bmm(g, v[..., :-2].transpose(1, 2))
    ds = torch.ops.aten._softmax_backward_data(d_weights, weights, -1, torch.float32)
    found = torch.bmm(ds, k).mul_(scale), torch.bmm(ds.transpose(1, 2), q), torch.bmm(weights.transpose(1, 2), g)
    return [d.to(BF16) for d in found]


class _Attention(torch.autograd.Function):
    """x + out(attend(norm(x), context)): keys and values of a normalised context, or of the same tokens."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        nw: Tensor,
        nb: Tensor,
        eps: float,
        context: Tensor | None,
        cw: Tensor | None,
        cb: Tensor | None,
        c_eps: float,
        wq: Tensor,
        bq: Tensor,
        wkv: Tensor | None,
        bkv: Tensor | None,
        wo: Tensor,
        bo: Tensor,
        heads: int,
        axis: str,
    ) -> Tensor:
        ctx.heads, ctx.axis, width = heads, axis, x.shape[-1]
        place = (x.shape, heads, axis)
        wq, bq, wo, bo = (w.to(BF16) for w in (wq, bq, wo, bo))
        with torch.autocast("cpu", enabled=False):
            y, *moments = _normalise(x, nw, nb, eps)
            query = _linear(y, wq, bq)
            saved: tuple[Tensor | None, ...] = (None,) * 6
            if context is not None and cw is not None and cb is not None and wkv is not None and bkv is not None:
                wkv = wkv.to(BF16)
                z, *c_moments = _normalise(context, cw, cb, c_eps)
                pair = _linear(z, wkv, bkv.to(BF16))
                saved = (context, cw, cb, *c_moments, z)
            else:
                query, pair = query[:, :width], query[:, width:]
            q, k = _split(query, *place)[0], _split(pair[:, :width], *place)[0]
            v = _with_ones(pair[:, width:], *place)
            out, e, r = _attend(q.mul_(q.shape[-1] ** -0.5), k, v)
            merged = _join([out], *place)
            ctx.save_for_backward(x, nw, nb, *moments, y, q, k, v, out, e, r, merged, wq, wkv, wo, *saved)
            return x + _linear(merged, wo, bo).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, nw, nb, mean, rstd, y, q, k, v, out, e, r, merged, wq, wkv, wo, *saved = ctx.saved_tensors
        g, place = gradients[0], (x.shape, ctx.heads, ctx.axis)
        gb = g.to(BF16).view(-1, g.shape[-1])
        dq, *d_pair = _d_attend(_split(gb @ wo, *place)[0], out, (q, k, v), e, r)
        d_context: tuple[Tensor | None, ...] = (None,) * 5
        if wkv is None:
            d_query = _join([dq, *d_pair], *place)
        else:
            d_query, d_tokens = _join([dq], *place), _join(d_pair, *place)
            context, cw, cb, *c_moments, z = saved
            d_context = (*_d_normalise(d_tokens @ wkv, context, cw, cb, c_moments), *_d_linear(d_tokens, z))
        dx, dnw, dnb = _d_normalise(d_query @ wq, x, nw, nb, (mean, rstd))
        d_weights = (*_d_linear(d_query, y), *d_context[3:], *_d_linear(gb, merged))
        return (dx.add_(g), dnw, dnb, None, *d_context[:3], None, *d_weights, None, None)
