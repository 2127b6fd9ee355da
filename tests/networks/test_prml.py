"""PrML: every ablation is a configuration, any length and batch, shapes, batch independence, precision, compile."""

import pytest
import torch

from prml.networks.cost import cost_of
from prml.networks.prml import PrML
from prml.networks.prml.task_aware_decoder import TaskBias

SMALL = {"frames": 6, "width": 16, "heads": 4, "branch_blocks": 1}


def _network(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PrML(**{**SMALL, **options})


def _input(batch=2, frames=6, channels=3, seed=0):
    return torch.randn(batch, frames, 17, channels, generator=torch.Generator().manual_seed(seed))


def _size(network):
    return sum(p.numel() for p in network.parameters())


ABLATIONS = [
    *({"branches": b} for b in ("none", "2d", "depth", "both")),
    {"decoder": False},
    {"branches": "none", "decoder": False},
    {"coarse_alignment": False},
    *({"task_bias": t} for t in ("none", "2d", "depth", "both")),
    {"bias_learnable": False},
    *(
        {"bias_start_2d": a, "bias_start_depth": b}
        for a in ("gaussian", "laplacian")
        for b in ("gaussian", "laplacian")
    ),
    *({"order": o} for o in ("S", "T", "S-T", "S->T", "T->S")),
    {"width": 8, "heads": 2},
    {"shared_blocks": 2, "branch_blocks": 2},
    {"in_channels": 2},
]


@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_every_ablation_trains_all_its_parameters(options):
    network = _network(**options)
    # without branches both tasks share one feature, and a mixture of it with itself does not depend on theta
    idle = ("decoder.alignment.fusion.",) if options == {"branches": "none"} else ()
    pose, features = network(_input(channels=network.in_channels), features=True)
    assert pose.shape == (2, 6, 17, 3)
    assert features.s_2d.shape[-1] == network.support_widths[0]
    assert features.s_d.shape[-1] == network.support_widths[1]
    (pose * torch.randn(pose.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert (parameter.grad.abs().sum() > 0) != name.startswith(idle), name
        else:
            assert parameter.grad is None, name
    frozen = [n for n, p in network.named_parameters() if not p.requires_grad]
    assert len(frozen) == (2 if options.get("bias_learnable") is False else 0)


def test_options_have_the_sizes_they_should():
    full, C, bias = _size(_network()), SMALL["width"], 6 * 17 * SMALL["width"]
    branch = full - _size(_network(branches="2d"))
    assert branch == full - _size(_network(branches="depth"))
    assert full - _size(_network(branches="none")) == 2 * branch
    assert full - _size(_network(coarse_alignment=False)) == 2 * 2 * C + 2
    one_bias = full - _size(_network(task_bias="2d"))
    assert one_bias > bias  # the bias, and the keys and values that read it
    assert full - _size(_network(task_bias="none")) == 2 * one_bias
    assert _size(_network(bias_learnable=False)) == full
    assert _size(_network(order="S->T")) == full
    assert _size(_network(order="S")) == _size(_network(order="T")) < full
    blocks = 2  # S-T: the same two encoders, side by side, and what mixes them
    assert _size(_network(order="S-T")) == full + blocks * (2 * 2 * C + 2)
    assert full - _size(_network(in_channels=2)) == C


def test_two_streams_see_the_same_input_and_start_as_the_mean_of_both():
    (block,) = _network(order="S-T").branch_2d.blocks
    x = torch.randn(2, 6, 17, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(x), (block.spatial(x) + block.temporal(x)) / 2)
    assert (block.spatial.attention.axis, block.temporal.attention.axis) == ("spatial", "temporal")


def test_the_paper_s_network_at_243_frames():
    cost = cost_of("prml")
    assert cost.parameters == pytest.approx(13.1e6, rel=0.005)
    assert cost.linear_macs == pytest.approx(49.28e9, rel=0.005)


@pytest.mark.parametrize("frames", [1, 2, 5, 6])
@pytest.mark.parametrize("batch", [1, 3])
def test_any_length_up_to_the_configured_and_any_batch(frames, batch):
    assert _network()(_input(batch, frames)).shape == (batch, frames, 17, 3)


def test_a_row_does_not_depend_on_the_others():
    network, x = _network().eval(), _input(4)
    with torch.no_grad():
        together = network(x)
        apart = torch.cat([network(row[None]) for row in x])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-4)


def test_features_have_the_documented_shapes_and_theta_starts_at_one_half():
    _, features = _network()(_input(), features=True)
    assert features.f_2d.shape == features.f_d.shape == (2, 6, 17, 16)
    assert features.s_2d.shape == features.s_d.shape == (2, 6, 17, 32)
    torch.testing.assert_close(features.theta, torch.full((2, 6, 17, 2), 0.5))
    pose, without = _network(decoder=False)(_input(), features=True)
    assert without.theta is None
    assert without.s_2d.shape == (2, 6, 17, 16)
    assert pose.shape == (2, 6, 17, 3)


def test_the_result_does_not_depend_on_asking_for_features():
    network = _network()
    torch.testing.assert_close(network(_input()), network(_input(), features=True)[0])


def test_bfloat16_autocast_stays_close_and_trains():
    network, x = _network(), _input()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pose = network(x)
    torch.testing.assert_close(pose.float(), network(x), atol=0.05, rtol=0.1)
    pose.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_laplacian_start_has_heavier_tails_at_the_same_spread():
    values = {}
    for start in ("gaussian", "laplacian"):
        bias = TaskBias(frames=50, joints=17, width=64, start=start)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            bias.reset()
        values[start] = bias.value.detach().flatten()
        assert values[start].std().item() == pytest.approx(0.02, rel=0.03)
    kurtosis = {k: (v / v.std()).pow(4).mean().item() for k, v in values.items()}
    assert kurtosis["gaussian"] == pytest.approx(3, abs=0.3)
    assert kurtosis["laplacian"] == pytest.approx(6, abs=0.8)


@pytest.mark.slow
def test_torch_compile_takes_the_network_whole():
    """As one graph; the kernels that torch then makes of it are torch's own matter, and take half a minute."""
    network, x = _network().eval(), _input()
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), network(x), atol=1e-5, rtol=1e-4)
