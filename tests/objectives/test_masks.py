"""Losses with joints that have no truth: what they ignore, and what they are equal to."""

import pytest
import torch

from prml.errors import PrmlError
from prml.objectives.masks import check_mask
from prml.objectives.mutual_information import build_mi
from prml.objectives.pose import loss_2d, loss_depth, mpjpe
from prml.objectives.temporal import BODY28_WEIGHTS, HOSSAIN_LITTLE, temporal_consistency
from prml.skeleton import BODY28

KINDS = ("variational", "infonce", "jsd", "conditional")
LOSSES = {
    "2d": loss_2d,
    "depth": loss_depth,
    "mpjpe": mpjpe,
    "temporal": lambda p, t, known=None: temporal_consistency(p, BODY28_WEIGHTS, known),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
every_kind = pytest.mark.parametrize("kind", KINDS)


def _poses(seed, windows=4):
    return torch.randn((windows, 5, 28, 3), generator=torch.Generator().manual_seed(seed))


def _mask(windows=4, seed=9):
    return torch.rand((windows, 28), generator=torch.Generator().manual_seed(seed)) < 0.7


@every_loss
def test_a_mask_of_all_joints_changes_nothing(loss):
    a, b = _poses(0), _poses(1)
    torch.testing.assert_close(loss(a, b, torch.ones(4, 28, dtype=torch.bool)), loss(a, b))


@every_loss
def test_unknown_joints_do_not_matter_and_get_no_gradient(loss):
    prediction, target, known = _poses(0).requires_grad_(), _poses(1), _mask()
    value = loss(prediction, target, known)
    value.backward()
    gone = ~known[:, None].expand(-1, 5, -1)
    assert (prediction.grad[gone] == 0).all()
    assert (prediction.grad[~gone] != 0).any()
    other = torch.where(gone[..., None], 1e3, prediction.detach())
    torch.testing.assert_close(loss(other, target * known[:, None, :, None], known), value.detach())


@every_loss
def test_a_masked_loss_is_the_mean_over_what_is_known(loss):
    """Windows of one joint each, by hand."""
    a, b, known = _poses(0), _poses(1), _mask()
    alone = torch.zeros(4, 28)
    for window in range(4):
        for joint in range(28):
            only = torch.zeros(1, 28, dtype=torch.bool)
            only[0, joint] = True
            alone[window, joint] = loss(a[window : window + 1], b[window : window + 1], only)
    torch.testing.assert_close(loss(a, b, known), alone[known].mean())


@every_loss
def test_nothing_known_is_a_loss_of_zero(loss):
    prediction = _poses(0).requires_grad_()
    value = loss(prediction, _poses(1), torch.zeros(4, 28, dtype=torch.bool))
    value.backward()
    assert value == 0
    assert torch.isfinite(prediction.grad).all()


def test_temporal_weights_of_28_joints_begin_with_those_of_17():
    assert BODY28_WEIGHTS[:17] == HOSSAIN_LITTLE
    ends = {name for name, weight in zip(BODY28.joints, BODY28_WEIGHTS, strict=True) if weight == 4.0}
    assert ends == {s + n for s in "LR" for n in ("Ankle", "Wrist", "Heel", "Toe", "Hand", "Thumb")}


@pytest.mark.misfit
@pytest.mark.parametrize(
    "mask", [torch.ones(4, 17, dtype=torch.bool), torch.ones(4, 28), torch.ones(4, 5, 28, dtype=torch.bool)]
)
def test_another_mask_is_named(mask):
    with pytest.raises(PrmlError, match=r"joint_known must be bool \(4, 28\), one value for each"):
        check_mask("joint_known", mask, 4, 28)


# ------------------------------------------------------------------------------------------ mutual information
def _estimator(kind):
    torch.manual_seed(0)
    made = build_mi(kind, c=2, support_width=8, joints=28, tokens=16)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.train()


def _tokens(seed, windows=4):
    g = torch.Generator().manual_seed(seed)
    y, s = torch.randn((windows, 5, 28, 2), generator=g), torch.randn((windows, 5, 28, 8), generator=g)
    return y, s, torch.randn((5, 28, 4), generator=g)


@every_kind
def test_a_mask_of_all_tokens_changes_no_estimate(kind):
    y, s, bias = _tokens(0)
    a, b = _estimator(kind), _estimator(kind)
    for _ in range(2):
        plain, masked = a(y, s, bias), b(y, s, bias, torch.ones(4, 28, dtype=torch.bool))
        torch.testing.assert_close(masked.estimate_nats, plain.estimate_nats, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(masked.loss, plain.loss, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(b.marginal.covariance, a.marginal.covariance)
    torch.testing.assert_close(b.marginal.mean, a.marginal.mean)


@every_kind
def test_labels_that_are_not_known_do_not_matter(kind):
    y, s, bias = _tokens(1)
    known = _mask()
    known[:, 3] = False  # a joint that no window of the batch knows
    a, b = _estimator(kind), _estimator(kind)
    other = torch.where(known[:, None, :, None], y, 50.0)
    for _ in range(2):
        one, two = a(y, s, bias, known), b(other, s, bias, known)
        torch.testing.assert_close(two.estimate_nats, one.estimate_nats)
        torch.testing.assert_close(two.loss, one.loss)
    assert torch.isfinite(one.loss)
    one.loss.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in a.parameters())
    torch.testing.assert_close(b.marginal.mean, a.marginal.mean)
    torch.testing.assert_close(a.marginal.mean[3], torch.zeros(2))
    torch.testing.assert_close(a.marginal.covariance[3], torch.eye(2))


def test_the_marginal_of_known_labels_is_that_of_a_batch_of_them_alone():
    y, s, _ = _tokens(2, windows=6)
    a, b = _estimator("variational"), _estimator("variational")
    known = torch.zeros(6, 28, dtype=torch.bool)
    known[:4] = True
    masked, alone = a(y, s, None, known), b(y[:4], s[:4])
    torch.testing.assert_close(a.marginal.covariance, b.marginal.covariance)
    torch.testing.assert_close(a.marginal.mean, b.marginal.mean)
    torch.testing.assert_close(masked.loss, alone.loss)
    torch.testing.assert_close(masked.estimate_nats, alone.estimate_nats)
