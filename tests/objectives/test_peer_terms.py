"""The peers' terms: closed forms, invariances, and joints without a truth that count in none."""

import math

import pytest
import torch

from prml.objectives import peers
from prml.objectives.pose import mpjpe
from prml.skeleton import H36M17

TERMS = (peers.velocity, peers.scaled_mpjpe, peers.limb_length, peers.angle, peers.angle_velocity, peers.weighted_mpjpe)


def poses(seed=0, frames=5):
    return torch.randn((2, frames, 17, 3), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("term", TERMS, ids=lambda t: t.__name__)
def test_a_perfect_prediction_costs_nothing_and_its_gradient_is_finite(term):
    y = poses().requires_grad_()
    loss = term(y, y.detach())
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert torch.isfinite(y.grad).all()


def test_a_shift_is_no_motion_no_length_and_no_angle():
    y, shift = poses(), torch.tensor([0.3, -0.2, 0.5])
    for term in (peers.velocity, peers.limb_length, peers.angle, peers.angle_velocity):
        assert term(y + shift, y).item() == pytest.approx(0, abs=1e-4)


def test_a_scaled_prediction_is_free_after_its_best_scale():
    y = poses()
    assert peers.scaled_mpjpe(0.4 * y, y).item() == pytest.approx(0, abs=1e-5)
    assert peers.scaled_mpjpe(y + 0.1, y) <= mpjpe(y + 0.1, y) + 1e-3


def test_velocity_of_a_drift_is_its_speed():
    y = poses(frames=6)
    drift = torch.arange(6.0)[None, :, None, None] * torch.tensor([0.3, 0.0, 0.4])
    assert peers.velocity(y + drift, y).item() == pytest.approx(0.5, rel=1e-5)


def test_limbs_twice_as_long_are_off_by_their_length_and_vary_by_nothing():
    y = poses(frames=1).expand(-1, 5, -1, -1)
    lengths = torch.stack([(y[..., a, :] - y[..., b, :]).norm(dim=-1) for a, b in H36M17.bones])
    assert peers.limb_length(2 * y, y).item() == pytest.approx(lengths.mean().item(), rel=1e-5)
    assert peers.limb_variation(y).item() == pytest.approx(0, abs=1e-6)


def test_the_angle_of_a_bent_knee_by_hand():
    """One knee bent from straight to a right angle changes one of 18 angles by pi / 2."""
    straight = torch.zeros(1, 1, 17, 3)
    straight[..., 0] = torch.arange(17.0) ** 1.1  # all in one line, but in no special order
    at = {joint: i for i, joint in enumerate(H36M17.joints)}
    bent = straight.clone()
    knee, ankle = at["RKnee"], at["RAnkle"]
    length = (straight[0, 0, ankle] - straight[0, 0, knee]).norm()
    bent[0, 0, ankle] = bent[0, 0, knee] + torch.tensor([0.0, 1.0, 0.0]) * length
    assert peers.angle(bent, straight).item() == pytest.approx(math.pi / 2 / 18, rel=1e-2)


def test_terms_of_motion_of_one_frame_are_zero():
    y = poses(frames=1)
    for term in (peers.velocity, peers.angle_velocity):
        assert term(y + 1, y).item() == 0
    assert peers.limb_variation(y).item() == peers.mean_consistency(y).item() == 0


def test_mixste_s_consistency_is_a_third_of_the_squared_speed_times_the_mean_weight():
    drift = torch.arange(4.0)[None, :, None, None] * torch.tensor([0.3, 0.0, 0.4]).expand(1, 1, 17, 3)
    expected = 0.25 / 3 * sum(peers.MIXSTE) / 17
    assert peers.mean_consistency(drift).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("term", TERMS, ids=lambda t: t.__name__)
def test_joints_without_a_truth_do_not_count(term):
    known = torch.ones(2, 17, dtype=torch.bool)
    known[:, [3, 13]] = False
    target = poses(1)
    prediction, other = poses(2).requires_grad_(), target.clone()
    other[:, :, [3, 13]] += 5.0
    assert term(prediction, target, known).item() == pytest.approx(term(prediction, other, known).item(), rel=1e-5)
    term(prediction, target, known).backward()
    assert prediction.grad[:, :, [3, 13]].abs().max() == 0
    everything = torch.ones(2, 17, dtype=torch.bool)
    assert term(poses(2), target, everything).item() == pytest.approx(term(poses(2), target).item(), rel=1e-5)
