"""Losses computed by hand, and closed forms of entropy, mutual information and deviations."""

import math

import numpy as np
import pytest
import torch

from prml.objectives.mutual_information import GaussianMarginal, JsdMI, VariationalMI, infonce
from prml.objectives.pose import loss_2d, loss_depth, mpjpe
from prml.objectives.temporal import HOSSAIN_LITTLE, MIXSTE, temporal_consistency
from prml.objectives.uncertainty import PoseUncertainty
from prml.skeleton import H36M17

J = H36M17.index
EULER = math.e


def test_pose_losses_by_hand():
    """(3, 4, 12) off at one of two joints: 5 in the plane, 12 in depth, 13 in all; halved by the mean."""
    target = torch.zeros(1, 1, 2, 3)
    pose = target.clone()
    pose[0, 0, 1] = torch.tensor([3.0, 4, -12])
    assert (loss_2d(pose, target).item(), loss_depth(pose, target).item(), mpjpe(pose, target).item()) == (2.5, 6, 6.5)


def test_temporal_weights_by_hand():
    """One joint moves by 2 between two frames: 4 times its weight over 17 joints."""
    for name, weight in (("Hip", 1), ("LKnee", 2.5), ("RAnkle", 4), ("RElbow", 2.5), ("LWrist", 4), ("Head", 1)):
        pose = torch.zeros(1, 2, 17, 3)
        pose[0, 1, J(name), 1] = 2
        assert temporal_consistency(pose).item() == pytest.approx(4 * weight / 17)
    assert (HOSSAIN_LITTLE[J("LShoulder")], MIXSTE[J("LShoulder")], MIXSTE[J("LWrist")]) == (1, 1.5, 4)


@pytest.mark.parametrize("rho", [0.0, 0.6, -0.9])
def test_entropy_of_a_standardised_pair(rho):
    """Nats: ln(2 pi e) + ln(1 - rho^2) / 2, whatever the unit of the label; of one channel ln(2 pi e) / 2 = 1.4189."""
    marginal = GaussianMarginal(joints=1, c=2)
    marginal.covariance.copy_(torch.tensor([[[4.0, 0.2 * rho], [0.2 * rho, 0.01]]]))
    expected = math.log(2 * math.pi * EULER) + 0.5 * math.log(1 - rho**2)
    assert marginal.entropy().item() == pytest.approx(expected, abs=1e-5)
    assert GaussianMarginal(joints=1, c=1).entropy().item() == pytest.approx(1.4189385, abs=1e-6)


def test_information_of_a_gaussian_pair_is_that_of_its_correlation():
    """The head told the truth, mean rho s and variance 1 - rho^2: I = -ln(1 - rho^2) / 2 nats."""
    rho = 0.8
    estimator = VariationalMI(c=1, support_width=2, joints=1, hidden=0)
    with torch.no_grad():
        estimator.head[-1].weight.copy_(torch.tensor([[rho, 0.0], [0.0, 0.0]]))
        estimator.head[-1].bias.copy_(torch.tensor([0.0, math.log(1 - rho**2)]))
    rng = np.random.default_rng(0)
    s = rng.normal(size=200_000)
    y = 0.05 * (rho * s + math.sqrt(1 - rho**2) * rng.normal(size=len(s)))  # a label in metres
    estimator.marginal.covariance.fill_(0.05**2)
    support = torch.from_numpy(np.stack([s, np.zeros_like(s)], -1)).float()[None, :, None]
    found = estimator.eval()(torch.from_numpy(y).float()[None, :, None, None], support)
    assert found.estimate_nats.item() == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.01)
    np.testing.assert_allclose(estimator.std(support[:, :1]).detach(), [[[[0.05 * 0.6]]]], rtol=1e-3)
    np.testing.assert_allclose(estimator.mean(support[:, :1]).detach()[0, 0, 0, 0], 0.05 * rho * s[0], rtol=1e-4)


def test_infonce_by_hand():
    """Scores a on the diagonal of n tokens, zero elsewhere: ln n + a - ln(e^a + n - 1); ln n at best."""
    for n, a in ((2, 1.0), (5, 3.0), (4, 0.0)):
        expected = math.log(n) + a - math.log(math.exp(a) + n - 1)
        assert infonce(a * torch.eye(n)[None]).item() == pytest.approx(expected, abs=1e-6)
    scores = torch.tensor([[[1.0, 2], [0, 3]]])  # rows and columns differ
    rows = math.log(EULER + EULER**2), math.log(1 + EULER**3)
    columns = math.log(EULER + 1), math.log(EULER**2 + EULER**3)
    assert infonce(scores).item() == pytest.approx(math.log(2) + 2 - (sum(rows) + sum(columns)) / 4, abs=1e-6)


@pytest.mark.parametrize(("a", "expected"), [(0.0, 0.0), (50.0, math.log(2)), (1.0, None)])
def test_jensen_shannon_by_hand(monkeypatch, a, expected):
    """Scores a matched and -a not: ln 2 - ln(1 + e^-a), between 0 and ln 2."""
    estimator = JsdMI(c=1, support_width=2, joints=1, tokens=4).eval()
    monkeypatch.setattr(estimator, "_scores", lambda z, s, known: (a * (2 * torch.eye(4) - 1)[None], None))
    found = estimator(torch.zeros(1, 4, 1, 1), torch.zeros(1, 4, 1, 2)).estimate_nats.item()
    assert found == pytest.approx(math.log(2) - math.log(1 + math.exp(-a)), abs=1e-6)
    assert expected is None or found == pytest.approx(expected, abs=1e-6)


def test_deviations_stand_in_the_order_x_y_z():
    head = PoseUncertainty(width_2d=4, width_depth=4, joints=1)
    head.pose_2d.marginal.covariance.copy_(torch.tensor([[[0.0001, 0], [0, 0.0004]]]))
    head.depth.marginal.covariance.fill_(0.01)
    found = head(torch.zeros(1, 1, 1, 4), torch.zeros(1, 1, 1, 4))[0, 0, 0].detach()
    np.testing.assert_allclose(found, [0.01, 0.02, 0.1], rtol=1e-4)


def test_the_marginal_by_hand():
    """Batches 1, 3 and then 5, 7: mean 4, variance 5; the least weight is a hundredth."""
    marginal = GaussianMarginal(joints=1, c=1)
    marginal.update(torch.tensor([[[1.0]], [[3.0]]]))
    marginal.update(torch.tensor([[[5.0]], [[7.0]]]))
    assert (marginal.mean.item(), marginal.covariance.item()) == pytest.approx((4, 5))
    marginal.updates.fill_(10_000)
    marginal.update(torch.full((2, 1, 1), 104.0))
    assert marginal.mean.item() == pytest.approx(5)
