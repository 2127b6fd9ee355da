"""Mutual information against correlated Gaussians, whose I is known: -log(1 - rho^2) / 2 per coordinate."""

import itertools
import math

import pytest
import torch

from prml.errors import PrmlError
from prml.networks import build
from prml.objectives.mutual_information import GaussianMarginal, build_mi, spread
from prml.training.config import ObjectiveConfig
from prml.training.module import mutual_information

JOINTS, FRAMES = 2, 4


def _batch(generator, rho, c=1, n=512):
    """y with unit of its own (scale 0.2, offset 3) and s = rho-correlated copy; (n / FRAMES, FRAMES, JOINTS, c)."""
    s = torch.randn(n // FRAMES, FRAMES, JOINTS, c, generator=generator)
    noise = torch.randn(s.shape, generator=generator)
    return 3 + 0.2 * (rho * s + math.sqrt(1 - rho**2) * noise), s


def _known(rho, c=1):
    return -0.5 * c * math.log(1 - rho**2)


def _trained(kind, rho, c=1, steps=300, **options):
    """Train an estimator on fresh batches; returns it and its mean estimate over batches it has not seen."""
    generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mi = build_mi(kind, c=c, support_width=c, joints=JOINTS, **options)
    optimiser = torch.optim.Adam(mi.parameters(), lr=5e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        mi(*_batch(generator, rho, c)).loss.backward()
        optimiser.step()
    mi.eval()
    with torch.no_grad():
        return mi, sum(mi(*_batch(generator, rho, c)).estimate_nats.item() for _ in range(20)) / 20


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
@pytest.mark.parametrize("c", [1, 2])
def test_variational_is_a_tight_lower_bound(rho, c):
    _, estimate = _trained("variational", rho, c, hidden=8)
    assert _known(rho, c) - 0.05 < estimate < _known(rho, c) + 0.03


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
def test_infonce_is_a_lower_bound_within_a_fifth(rho):
    _, estimate = _trained("infonce", rho)
    assert _known(rho) * 0.8 - 0.05 < estimate < _known(rho) + 0.03


def test_infonce_never_exceeds_the_log_of_its_tokens():
    _, estimate = _trained("infonce", 0.999, tokens=4, steps=200)
    assert estimate < math.log(4) < _known(0.999)


def test_jsd_is_zero_at_independence_grows_with_correlation_and_stays_below_log_two():
    values = [_trained("jsd", rho)[1] for rho in (0.0, 0.5, 0.8, 0.99)]
    assert abs(values[0]) < 0.02
    assert all(b > a + 0.03 for a, b in itertools.pairwise(values))
    assert values[-1] < math.log(2)


def test_jsd_matches_the_divergence_computed_by_sampling():
    """JS(p(y,s), p(y)p(s)) from the known densities, by Monte Carlo: the bound stays below it, close."""
    rho, n = 0.8, 200_000
    generator = torch.Generator().manual_seed(2)
    s, e, other = (torch.randn(n, generator=generator) for _ in range(3))

    def log_ratio(y):
        return -0.5 * math.log(1 - rho**2) - ((y**2 + s**2) * rho**2 - 2 * rho * y * s) / (2 * (1 - rho**2))

    matched, apart = log_ratio(rho * s + math.sqrt(1 - rho**2) * e), log_ratio(other)
    softplus = torch.nn.functional.softplus
    exact = math.log(2) - 0.5 * (softplus(-matched).mean() + softplus(apart).mean()).item()
    estimate = _trained("jsd", rho)[1]
    assert exact - 0.03 < estimate < exact + 0.015


def test_conditional_subtracts_what_the_support_tells_of_the_bias():
    """S = (F, B) of which only F tells about Y: minus a positive term, so the value lies below the first term alone."""
    generator = torch.Generator().manual_seed(0)
    bias = torch.randn(8, JOINTS, 1, generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mi = build_mi("conditional", c=1, support_width=2, joints=JOINTS)
    optimiser = torch.optim.Adam(mi.parameters(), lr=5e-3)

    def batch():
        y, f = _batch(generator, 0.8)
        return y, torch.cat([f, bias[:FRAMES].expand(f.shape[0], -1, -1, -1)], -1)

    for _ in range(200):
        optimiser.zero_grad()
        mi(*batch(), bias).loss.backward()
        optimiser.step()
    mi.eval()
    result = mi(*batch(), bias)
    # the bias takes FRAMES values: S tells all of it, log FRAMES nats
    assert result.estimate_nats.item() == pytest.approx(_known(0.8) - math.log(FRAMES), abs=0.15)
    assert result.loss.item() == pytest.approx(-result.estimate_nats.item(), abs=1e-5)


def test_conditional_pushes_support_and_critic_in_opposite_directions():
    generator = torch.Generator().manual_seed(0)
    y, f = _batch(generator, 0.8)
    bias = torch.randn(FRAMES, JOINTS, 1, generator=generator)
    torch.manual_seed(0)  # the critic's start: the step below is small but not infinitesimal
    mi = build_mi("conditional", c=1, support_width=2, joints=JOINTS)
    mi.head.requires_grad_(False)  # zero at the start: no gradient reaches the support through q
    s = torch.cat([f, bias.expand(f.shape[0], -1, -1, -1)], -1).requires_grad_()
    second = mi(y, s, bias).loss - mi(y, s.detach(), bias).loss.detach()
    second.backward()
    with torch.no_grad():
        before = mi(y, s, bias).loss.item()
        for parameter in mi.critic.parameters():
            parameter -= 0.01 * parameter.grad  # descent on the loss makes the critic find more: the value rises
        assert mi(y, s, bias).loss.item() > before


def test_conditional_says_that_it_needs_the_bias():
    y, s = _batch(torch.Generator().manual_seed(0), 0.5)
    with pytest.raises(ValueError, match="needs the task bias"):
        build_mi("conditional", c=1, support_width=1, joints=JOINTS, bias_width=1)(y, s)


@pytest.mark.parametrize("arguments", [{"task_bias": "2d"}, {"task_bias": "none"}, {"decoder": False}], ids=str)
def test_conditional_is_refused_where_the_network_lacks_a_bias(arguments):
    options = ObjectiveConfig(mutual_information="conditional")
    small = {"frames": 3, "width": 8, "heads": 2, "branch_blocks": 1}
    assert mutual_information(build("prml", **small), options) is not None
    with pytest.raises(PrmlError, match=r"conditional needs .* both task biases; set .*task_bias both, or choose"):
        mutual_information(build("prml", **small, **arguments), options)


def test_std_is_calibrated_on_a_heteroscedastic_gaussian():
    """y = s1 + sigma(s2) e: the predicted std follows sigma, and 68 % of labels lie within one of the mean."""
    generator = torch.Generator().manual_seed(0)

    def batch(n=1024):
        s = torch.randn(n, 1, JOINTS, 2, generator=generator)
        sigma = 0.1 * torch.exp(0.7 * s[..., 1:])
        return s[..., :1] + sigma * torch.randn(sigma.shape, generator=generator), s, sigma

    with torch.random.fork_rng():
        torch.manual_seed(0)
        mi = build_mi("variational", c=1, support_width=2, joints=JOINTS, hidden=16)
    optimiser = torch.optim.Adam(mi.parameters(), lr=5e-3)
    for _ in range(600):
        optimiser.zero_grad()
        y, s, _ = batch()
        mi(y, s).loss.backward()
        optimiser.step()
    y, s, sigma = batch(8192)
    with torch.no_grad():
        ratio = mi.std(s) / sigma
        inside = ((y - mi.mean(s)).abs() < mi.std(s)).float().mean().item()
    assert 0.85 < ratio.median().item() < 1.2
    assert inside == pytest.approx(0.683, abs=0.04)
    assert torch.corrcoef(torch.stack([mi.std(s).log().flatten(), sigma.log().flatten()]))[0, 1] > 0.95


def test_estimate_does_not_depend_on_the_unit_of_the_label():
    """The same data in metres and in millimetres: the same estimate, and a std a thousand times as large."""
    y, s = _batch(torch.Generator().manual_seed(0), 0.9)
    results = []
    for scale in (1.0, 1000.0):
        mi = build_mi("variational", c=1, support_width=1, joints=JOINTS, hidden=0)
        with torch.no_grad():
            mi.head[-1].weight.fill_(0.3)
        results.append((mi(scale * y, s), mi.std(s)))
    torch.testing.assert_close(results[0][0].estimate_nats, results[1][0].estimate_nats, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(results[0][1] * 1000, results[1][1], rtol=1e-3, atol=0)


def test_the_untrained_variational_head_claims_nothing():
    y, s = _batch(torch.Generator().manual_seed(0), 0.9, n=4096)
    assert build_mi("variational", c=1, support_width=1, joints=JOINTS)(y, s).estimate_nats.abs() < 1e-3


def test_running_marginal_equals_the_statistics_of_all_batches():
    y = 2 + torch.randn(10, 100, JOINTS, 2, generator=torch.Generator().manual_seed(0)) @ torch.tensor(
        [[1.0, 0.5], [0, 2]]
    )
    marginal = GaussianMarginal(joints=JOINTS, c=2)
    for part in y:
        marginal.update(part)
    flat = y.flatten(0, 1)
    torch.testing.assert_close(marginal.mean, flat.mean(0), rtol=1e-4, atol=1e-4)
    for j in range(JOINTS):
        torch.testing.assert_close(marginal.covariance[j], flat[:, j].T.cov(correction=0), rtol=1e-3, atol=1e-3)


def test_a_joint_that_never_moves_gives_finite_numbers_and_gradients():
    """The root is always zero in root-relative labels."""
    y, s = _batch(torch.Generator().manual_seed(0), 0.5, c=2)
    y[:, :, 0] = 0
    for kind in ("variational", "infonce", "jsd"):
        mi, support = build_mi(kind, c=2, support_width=2, joints=JOINTS), s.clone().requires_grad_()
        for _ in range(3):
            result = mi(y, support)
            result.loss.backward()
        assert result.loss.isfinite()
        assert support.grad.isfinite().all()


def test_the_joint_s_index_alone_is_no_information_though_one_joint_never_moves():
    """S tells which joint it is of and nothing else: I(Y_j; S_j) = 0 for each, and the estimate no more than that."""
    generator = torch.Generator().manual_seed(0)
    index = torch.eye(3)

    def batch():
        y = torch.randn(32, FRAMES, 3, 1, generator=generator)
        y[:, :, 0] = 0
        return y, index + 0.1 * torch.randn(32, FRAMES, 3, 3, generator=generator)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        mi = build_mi("variational", c=1, support_width=3, joints=3, hidden=8)
    optimiser = torch.optim.Adam(mi.parameters(), lr=1e-2)
    for _ in range(300):
        optimiser.zero_grad()
        mi(*batch()).loss.backward()
        optimiser.step()
    with torch.no_grad():
        assert abs(sum(mi(*batch()).estimate_nats.item() for _ in range(20)) / 20) < 0.02


@pytest.mark.parametrize("kind", ["variational", "infonce", "jsd", "conditional"])
def test_a_joint_that_never_moves_changes_neither_the_estimate_nor_the_others_weight(kind):
    y, s = _batch(torch.Generator().manual_seed(0), 0.8)
    bias = torch.randn(FRAMES, JOINTS, 1, generator=torch.Generator().manual_seed(1))
    estimates, gradients = [], []
    for still in (0, 1):
        torch.manual_seed(0)
        joints = JOINTS + still
        mi = build_mi(kind, c=1, support_width=1, joints=joints, bias_width=1)
        if hasattr(mi, "head"):
            torch.nn.init.normal_(mi.head[-1].weight, std=0.3)  # zero at the start: the support would get no gradient
        more, support, b = (torch.nn.functional.pad(v, (0, 0, 0, still)) for v in (y, s, bias))
        result = mi(more, support.requires_grad_(), b)
        (joints * result.loss).backward()
        estimates.append(result.estimate_nats)
        gradients.append(support.grad)
    torch.testing.assert_close(*estimates)
    torch.testing.assert_close(gradients[0], gradients[1][:, :, :JOINTS])
    assert not gradients[1][:, :, JOINTS:].any()


@pytest.mark.parametrize("kind", ["variational", "infonce", "jsd", "conditional"])
def test_bfloat16_supports_are_estimated_in_float32(kind):
    y, s = _batch(torch.Generator().manual_seed(0), 0.5)
    mi = build_mi(kind, c=1, support_width=1, joints=JOINTS, bias_width=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = mi(y, s.bfloat16(), torch.zeros(FRAMES, JOINTS, 1))
    assert result.loss.dtype == torch.float32
    assert not result.estimate_nats.requires_grad


def test_evaluation_does_not_move_the_marginal():
    y, s = _batch(torch.Generator().manual_seed(0), 0.5)
    mi = build_mi("variational", c=1, support_width=1, joints=JOINTS).eval()
    mi(y, s)
    assert mi.marginal.updates == 0


@pytest.mark.parametrize(("total", "frames"), [(1000, 4), (128 * 27, 27), (16 * 81, 81), (96, 3)])
def test_spread_takes_distinct_entries_from_all_frames_and_clips(total, frames):
    chosen = spread(total, 64, torch.tensor(7))
    assert len(chosen.unique()) == 64
    assert len((chosen % frames).unique()) == min(64, frames)
    assert len((chosen * 8 // total).unique()) == 8


def test_spread_takes_all_there_is_when_that_is_less():
    assert len(spread(10, 64, torch.tensor(3)).unique()) == 10


@pytest.mark.misfit
def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="unknown mutual information estimator 'mine'"):
        build_mi("mine", c=1, support_width=1)
