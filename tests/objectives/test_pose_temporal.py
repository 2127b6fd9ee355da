"""Pose and temporal losses: closed forms."""

import pytest
import torch

from prml.objectives.pose import loss_2d, loss_depth, mpjpe
from prml.objectives.temporal import HOSSAIN_LITTLE, temporal_consistency


def _poses(seed=0, shape=(2, 5, 17, 3)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_loss_2d_is_the_length_of_a_shift_and_ignores_depth():
    y = _poses()
    shift = torch.tensor([0.3, 0.4, 9.0])
    assert loss_2d(y + shift, y).item() == pytest.approx(0.5, rel=1e-5)
    assert loss_2d((y + shift)[..., :2], y[..., :2]).item() == pytest.approx(0.5, rel=1e-5)


def test_loss_depth_is_the_absolute_shift_and_ignores_x_y():
    y = _poses()
    assert loss_depth(y + torch.tensor([7.0, -3.0, -0.25]), y).item() == pytest.approx(0.25, rel=1e-5)


def test_mpjpe_is_between_its_parts_and_their_sum():
    a, b = _poses(0), _poses(1)
    assert max(loss_2d(a, b), loss_depth(a, b)) <= mpjpe(a, b) <= loss_2d(a, b) + loss_depth(a, b)


def test_losses_have_finite_gradients_at_a_perfect_prediction():
    y = _poses().requires_grad_()
    (loss_2d(y, y.detach()) + loss_depth(y, y.detach()) + mpjpe(y, y.detach())).backward()
    assert torch.isfinite(y.grad).all()


def test_temporal_loss_of_uniform_motion_is_weighted_squared_speed():
    times = torch.arange(6.0)[None, :, None, None]
    y = _poses(shape=(1, 1, 17, 3)) + times * torch.tensor([0.3, 0.0, 0.4])
    expected = 0.25 * sum(HOSSAIN_LITTLE) / 17
    assert temporal_consistency(y).item() == pytest.approx(expected, rel=1e-4)
    assert temporal_consistency(y, None).item() == pytest.approx(0.25, rel=1e-4)


def test_temporal_loss_is_zero_for_a_still_pose_and_for_one_frame():
    still = _poses(shape=(2, 1, 17, 3)).expand(-1, 4, -1, -1)
    assert temporal_consistency(still).item() == 0
    single = _poses(shape=(2, 1, 17, 3)).requires_grad_()
    loss = temporal_consistency(single)
    loss.backward()
    assert loss.item() == 0


def test_temporal_weights_are_left_right_symmetric_and_grow_outwards():
    w = HOSSAIN_LITTLE
    assert w[1:4] == w[4:7] == (1.0, 2.5, 4.0)
    assert w[11:14] == w[14:17] == (1.0, 2.5, 4.0)


def test_temporal_weights_must_fit_the_joints():
    with pytest.raises(ValueError, match="16 joints, got 17"):
        temporal_consistency(_poses(shape=(1, 3, 16, 3)))
