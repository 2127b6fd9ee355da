"""The same arithmetic as ``nn.Linear`` and GELU, arranged for CPUs: float32 linear layers through oneDNN.

Two things cost nearly as much as the matrix products themselves on a CPU: ``addmm`` first copies the bias into its
output, and a fused query-key-value product must be copied apart for attention. Here oneDNN adds bias, GELU and residual
as it writes, and each projection is a separate product. Results equal the plain modules up to the order of summation;
tests compare both, gradients included.

``usable`` decides; where it says no (other devices and types, autocast, ``torch.compile``, export, hooked modules)
callers take the plain modules, which stay the definition.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def _onednn() -> Any:
    """The fused linear operator of this torch build, or None."""
    available = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return torch.ops.mkldnn._linear_pointwise if available else None


_LINEAR = _onednn()


def plain_cpu(x: Tensor) -> bool:
    """Whether ``x`` is float32 on a CPU and being computed, not counted, compiled, exported or cast."""
    # a meta tensor or a subclass is being counted or transformed, not computed
    return (
        type(x) is Tensor
        and not torch.compiler.is_compiling()
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._get_tracing_state()
        and not torch.compiler.is_exporting()
    )


def usable(x: Tensor, *layers: nn.Linear) -> bool:
    """Whether the fast path may stand in for these layers on this input."""
    return (
        _LINEAR is not None
        and plain_cpu(x)
        and bool(torch.backends.mkldnn.enabled)
        and all(_plain(layer) for layer in layers)
    )


def _plain(layer: nn.Linear) -> bool:
    """An ordinary float32 linear layer with a bias and without hooks."""
    return (
        type(layer) is nn.Linear
        and layer.bias is not None
        and layer.weight.dtype == torch.float32
        and not layer._forward_hooks
        and not layer._forward_pre_hooks
    )


def _linear(x: Tensor, weight: Tensor, bias: Tensor, gelu: bool = False) -> Tensor:
    y: Tensor = _LINEAR(x, weight, bias, "gelu", [], "none") if gelu else _LINEAR(x, weight, bias, "none", [], "")
    return y


def _linear_add(x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor) -> Tensor:
    y: Tensor = _LINEAR.binary(x, residual, weight, bias, "add")
    return y


class _Project(torch.autograd.Function):
    """Several outputs of one linear layer, each contiguous: rows of the weight, part by part."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, parts: int) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x, weight)
        return tuple(_linear(x, w, b) for w, b in zip(weight.chunk(parts), bias.chunk(parts), strict=True))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradients = tuple(g.reshape(x.shape[0], -1) for g in gradients)
        d_weight, pieces = torch.empty_like(weight), weight.chunk(len(gradients))
        for g, out in zip(gradients, d_weight.chunk(len(gradients)), strict=True):
            torch.mm(g.t(), x, out=out)
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = gradients[0] @ pieces[0]
            for g, w in zip(gradients[1:], pieces[1:], strict=True):
                d_x.addmm_(g, w)
        return d_x, d_weight, torch.cat([g.sum(0) for g in gradients]), None


class _LinearAdd(torch.autograd.Function):
    """residual + x W^T + b."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _linear_add(x, weight, bias, residual)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        x, weight = ctx.saved_tensors
        g = gradients[0]
        return g @ weight, g.t() @ x, g.sum(0), g


def project(x: Float[Tensor, "*n C"], layer: nn.Linear, parts: int) -> tuple[Float[Tensor, "*n D"], ...]:
    """``layer(x).chunk(parts, -1)``, each part contiguous."""
    flat = x.reshape(-1, x.shape[-1])
    out: tuple[Tensor, ...] = _Project.apply(flat, layer.weight, layer.bias, parts)  # type: ignore[no-untyped-call]
    return tuple(part.view(*x.shape[:-1], -1) for part in out)


class Affine(NamedTuple):
    """The weight and bias of a linear layer that is computed, not kept."""

    weight: Tensor
    bias: Tensor


def linear_add(
    x: Float[Tensor, "*n C"], layer: nn.Linear | Affine, residual: Float[Tensor, "*m D"]
) -> Float[Tensor, "*m D"]:
    """``residual + layer(x)``; the leading axes may be split in other ways."""
    flat, r = x.reshape(-1, x.shape[-1]), residual.reshape(-1, residual.shape[-1])
    y: Tensor = _LinearAdd.apply(flat, layer.weight, layer.bias, r)  # type: ignore[no-untyped-call]
    return y.view(residual.shape)


def mlp_add(
    x: Float[Tensor, "*n C"], fc1: nn.Linear, fc2: nn.Linear | Affine, residual: Float[Tensor, "*n C"]
) -> Float[Tensor, "*n C"]:
    """``residual + fc2(gelu(fc1(x)))``."""
    if torch.is_grad_enabled():  # the backward pass needs what GELU was applied to
        hidden = nn.functional.gelu(project(x, fc1, 1)[0])
    else:
        hidden = _linear(x.reshape(-1, x.shape[-1]), fc1.weight, fc1.bias, gelu=True)
    return linear_add(hidden, fc2, residual)
