"""Layers: attention mixes only its axis, the fast paths equal the plain modules and SDPA."""

import pytest
import torch
import torch.nn.functional as F

from prml.networks import fused
from prml.networks.layers import Attention, Encoder, Fusion, Mlp, attend

B, T, J, C = 2, 5, 4, 16


def _rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _layer(build, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def _changed(layer, x, where, *context):
    """Which (frame, joint) of the output move when one token of the input moves."""
    other = x.clone()
    other[(0, *where)] += 1.0
    with torch.no_grad():
        return (layer(x, *context) - layer(other, *context)).abs().amax(-1) > 1e-6


@pytest.mark.parametrize("axis", ["spatial", "temporal"])
def test_attention_mixes_its_axis_and_nothing_else(axis):
    layer = _layer(lambda: Attention(width=C, heads=4, axis=axis))
    moved = _changed(layer, _rand(B, T, J, C), (2, 1))
    expected = torch.zeros(B, T, J, dtype=torch.bool)
    if axis == "spatial":
        expected[0, 2] = True
    else:
        expected[0, :, 1] = True
    assert torch.equal(moved, expected)


@pytest.mark.parametrize("axis", ["spatial", "temporal"])
def test_cross_attention_sees_the_context_of_its_axis_only(axis):
    layer = _layer(lambda: Encoder(width=C, heads=4, axis=axis, context_width=2 * C))
    x, context = _rand(B, T, J, C), _rand(B, T, J, 2 * C, seed=1)
    other = context.clone()
    other[0, 2, 1, :3] += 1.0  # not all channels alike: the layer norm would take that away
    with torch.no_grad():
        moved = (layer(x, context) - layer(x, other)).abs().amax(-1) > 1e-6
    assert moved[1].sum() == 0
    assert moved[0].sum() == (J if axis == "spatial" else T)
    assert (moved[0, 2] if axis == "spatial" else moved[0, :, 1]).all()


@pytest.mark.parametrize("axis", ["spatial", "temporal"])
def test_attention_equals_its_definition(axis):
    layer = _layer(lambda: Attention(width=C, heads=4, axis=axis))
    x = _rand(B, T, J, C)
    q, k, v = (p.unflatten(-1, (4, C // 4)) for p in layer.qkv(x).chunk(3, -1))
    names = "btihd,btjhd->bthij" if axis == "spatial" else "bijhd,bkjhd->bjhik"
    weights = (torch.einsum(names, q, k) / (C // 4) ** 0.5).softmax(-1)
    names = "bthij,btjhd->btihd" if axis == "spatial" else "bjhik,bkjhd->bijhd"
    expected = layer.out(torch.einsum(names, weights, v).flatten(-2))
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-4)


def _results(build, inputs, monkeypatch, fast):
    """Output and all gradients, with or without the fast path."""
    with monkeypatch.context() as patch:
        if not fast:
            patch.setattr(fused, "usable", lambda *_: False)
        module = _layer(build)
        inputs = [x.clone().requires_grad_() for x in inputs]
        y = module(*inputs)
        (y * _rand(*y.shape, seed=5)).sum().backward()
        with torch.no_grad():
            y_inference = module(*inputs)
        return [y.detach(), y_inference, *(x.grad for x in inputs), *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("axis", ["spatial", "temporal"])
@pytest.mark.parametrize("context", [None, 2 * C])
def test_the_fast_path_gives_the_same_results_and_gradients(axis, context, monkeypatch):
    assert fused.usable(_rand(2, C), torch.nn.Linear(C, C)), "this torch has no oneDNN: nothing is tested here"

    def build():
        return Encoder(width=C, heads=4, axis=axis, context_width=context)

    inputs = [_rand(B, T, J, C)] + ([_rand(B, T, J, context, seed=1)] if context else [])
    fast, plain = (_results(build, inputs, monkeypatch, f) for f in (True, False))
    for a, b in zip(fast, plain, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_the_fast_path_steps_aside():
    x, layer = _rand(3, C), torch.nn.Linear(C, C)
    assert not fused.usable(x.double(), layer)
    assert not fused.usable(x.to("meta"), layer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not fused.usable(x, layer)
    layer.register_forward_hook(lambda *_: None)
    assert not fused.usable(x, layer), "a hook must be called"


def test_attention_calls_sdpa_once_and_makes_no_matrix_of_weights(monkeypatch):
    calls, sizes, real = [], [], F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or real(*a, **k))
    length = 300
    layer = _layer(lambda: Attention(width=8, heads=2, axis="temporal"))
    x = _rand(1, length, 1, 8).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        layer(x)
    assert calls == [1]
    assert max(sizes) < length * length


def test_fusion_starts_at_one_half_and_stays_a_mixture():
    fusion = Fusion(width=C)
    fusion.reset()
    a, b = _rand(B, T, J, C), _rand(B, T, J, C, seed=1)
    mixed, theta = fusion(a, b)
    torch.testing.assert_close(theta, torch.full((B, T, J, 2), 0.5))
    torch.testing.assert_close(mixed, (a + b) / 2)
    torch.nn.init.normal_(fusion.fc.weight)
    torch.testing.assert_close(fusion(a, b)[1].sum(-1), torch.ones(B, T, J))


def test_mlp_adds_to_its_residual():
    mlp, x, r = _layer(lambda: Mlp(width=C)), _rand(3, C), _rand(3, C, seed=1)
    torch.testing.assert_close(mlp(x, residual=r), r + mlp(x), atol=1e-6, rtol=1e-5)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="3 does not divide 16"):
        Attention(width=16, heads=3, axis="spatial")


@pytest.mark.parametrize("keys", [1, 17, 32, 33])
@pytest.mark.parametrize("laid_out", ["tokens first", "heads first"])
def test_attention_among_few_keys_is_the_fused_kernel_s(keys, laid_out):
    """Values and gradients; inputs are views as the layers make them, and queries may outnumber keys."""

    def heads(length, seed):
        x = _rand(5, length, 3, 4, seed=seed).requires_grad_()
        return (x.transpose(1, 2) if laid_out == "tokens first" else x.transpose(1, 2).contiguous()), x

    parts = [heads(length, seed) for seed, length in enumerate((21, keys, keys))]
    views, leaves = [v for v, _ in parts], [leaf for _, leaf in parts]
    results = [
        (y, *torch.autograd.grad(y.square().sum(), leaves, retain_graph=True))
        for y in (attend(*views), F.scaled_dot_product_attention(*views))
    ]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_attention_among_few_keys_bears_large_products():
    q, k, v = (1e3 * _rand(2, 2, 9, 4, seed=s) for s in range(3))
    torch.testing.assert_close(attend(q, k, v), F.scaled_dot_product_attention(q, k, v), atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize("keys", [17, 81])
def test_bfloat16_training_on_a_cpu_attends_in_float32(keys):
    layer = _layer(lambda: Attention(width=8, heads=2, axis="temporal"))
    x = _rand(2, keys, 3, 8)
    exact = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x.requires_grad_())
        y.float().square().sum().backward()
    torch.testing.assert_close(y.float(), exact, atol=2e-2, rtol=2e-2)
    assert torch.isfinite(x.grad).all()
