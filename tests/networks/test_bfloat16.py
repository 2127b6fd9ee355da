"""A CPU's training step in bfloat16: the same loss and gradients as the modules under autocast, as near to float32."""

import pytest
import torch
from torch import nn

from prml.networks import bfloat16, registry
from prml.networks.layers import Encoder

WIDTH, HEADS = 32, 2
CASES = [(axis, context) for axis in ("spatial", "temporal") for context in (None, 48)]


def _encoder(axis: str, context: int | None, scale: float = 1.5) -> tuple[Encoder, tuple[torch.Tensor, ...]]:
    torch.manual_seed(1)
    encoder = Encoder(width=WIDTH, heads=HEADS, axis=axis, context_width=context)
    with torch.no_grad():
        for p in encoder.parameters():
            p.add_(0.1 * torch.randn_like(p)).mul_(scale)
    tensors = [torch.randn(3, 7, 5, WIDTH)] + ([] if context is None else [torch.randn(3, 7, 5, context)])
    return encoder, tuple(t.requires_grad_() for t in tensors)


def _gradients(module: nn.Module, inputs: tuple[torch.Tensor, ...], fast: bool, autocast: bool = True):
    """Output and all gradients of a loss that weighs every output differently."""
    with pytest.MonkeyPatch.context() as patch:
        if not fast:
            patch.setattr(bfloat16, "usable", lambda *_: False)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            y = module(*inputs)
    weights = torch.linspace(-1, 1, y.numel()).view(y.shape)
    wanted = [t for t in (*inputs, *module.parameters()) if t.requires_grad]
    return y.detach(), torch.autograd.grad((y.float() * weights).sum(), wanted)


def _distance(a, b) -> float:
    """Relative to the size of ``b``, over all tensors together."""
    flat_a, flat_b = (torch.cat([t.float().flatten() for t in ts]) for ts in (a, b))
    return float((flat_a - flat_b).norm() / flat_b.norm())


@pytest.mark.parametrize(("axis", "context"), CASES)
def test_an_encoder_is_as_near_to_float32_as_under_autocast(axis, context):
    encoder, inputs = _encoder(axis, context)
    with torch.autocast("cpu", torch.bfloat16):
        assert bfloat16.usable(inputs[0], encoder)
    exact_y, exact = _gradients(encoder, inputs, fast=False, autocast=False)
    plain_y, plain = _gradients(encoder, inputs, fast=False)
    fast_y, fast = _gradients(encoder, inputs, fast=True)
    assert fast_y.dtype == plain_y.dtype
    assert [g.dtype for g in fast] == [g.dtype for g in plain]
    assert _distance([fast_y], [exact_y]) < 1.5 * _distance([plain_y], [exact_y])
    assert _distance(fast, exact) < 1.5 * _distance(plain, exact)
    for mine, theirs in zip(fast, exact, strict=True):
        assert _distance([mine], [theirs]) < 0.15


@pytest.mark.parametrize(("axis", "context"), CASES)
def test_scores_that_an_exponential_could_not_hold_go_through_the_softmax(axis, context):
    encoder, inputs = _encoder(axis, context, scale=9.0)
    exact_y, exact = _gradients(encoder, inputs, fast=False, autocast=False)
    plain_y, plain = _gradients(encoder, inputs, fast=False)
    fast_y, fast = _gradients(encoder, inputs, fast=True)
    assert all(g.isfinite().all() for g in fast)
    assert _distance([fast_y], [exact_y]) < 1.5 * _distance([plain_y], [exact_y])
    assert _distance(fast, exact) < 1.5 * _distance(plain, exact)


def test_attention_is_the_softmax_on_both_sides_of_the_limit():
    torch.manual_seed(0)
    for size, kind in ((0.5, torch.bfloat16), (8.0, torch.float32)):
        q, k, v = (size * torch.randn(4, 6, 8) for _ in range(3))
        low = [t.bfloat16() for t in (q, k, v)]
        wide = torch.cat([low[2], torch.ones(4, 6, 2).bfloat16()], -1)
        out, e, r = bfloat16._attend(low[0], low[1], wide)
        assert e.dtype == kind
        weights = (low[0].float() @ low[1].float().mT).softmax(-1)
        torch.testing.assert_close(e.float() * r, weights, rtol=0.05, atol=0.01 * size)
        torch.testing.assert_close(out.float(), weights @ low[2].float(), rtol=0.05, atol=0.05 * size)


@pytest.mark.parametrize("order", ["T->S", "S-T"])
def test_a_step_of_the_network_is_that_of_the_plain_path(order):
    torch.manual_seed(2)
    network = registry.build("prml-xs", frames=9, width=WIDTH, heads=HEADS, order=order)
    x = torch.randn(2, 9, 17, 3)
    _, exact = _gradients(network, (x,), fast=False, autocast=False)
    plain_y, plain = _gradients(network, (x,), fast=False)
    fast_y, fast = _gradients(network, (x,), fast=True)
    torch.testing.assert_close(fast_y, plain_y, rtol=0.02, atol=0.005)
    assert _distance(fast, exact) < 1.3 * _distance(plain, exact) < 0.1


def test_where_the_fast_path_may_not_stand_in():
    encoder, (x,) = _encoder("spatial", None)
    assert not bfloat16.usable(x, encoder), "without autocast"
    with torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            assert not bfloat16.usable(x, encoder)
        assert not bfloat16.usable(x.bfloat16(), encoder)
        assert not bfloat16.usable(x.to("meta"), encoder)
        handle = encoder.mlp.fc1.register_forward_hook(lambda *_: None)
        assert not bfloat16.usable(x, encoder)
        handle.remove()
        assert bfloat16.usable(x, encoder)
        encoder.attention.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        assert not bfloat16.usable(x, encoder)
    with torch.autocast("cpu", torch.float16):
        assert not bfloat16.usable(x, _encoder("spatial", None)[0])
