"""Errors of poses worked by hand, in millimetres and per cent."""

import numpy as np
import pytest
import torch

from prml.evaluation import metrics as m
from prml.skeleton import H36M17

J = H36M17.index
SQUARE = torch.tensor([[1.0, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]])
FOLDED = SQUARE + torch.tensor([[0, 0, 1.0], [0, 0, -1], [0, 0, -1], [0, 0, 1]])


def test_mpjpe_is_a_mean_of_distances_in_millimetres():
    """3 - 4 - 5 and 0: 5 mm and 0 mm."""
    prediction = torch.tensor([[[0.003, 0, 0.004], [1, 1, 1]]])
    target = torch.tensor([[[0, 0, 0], [1.0, 1, 1]]])
    np.testing.assert_allclose(m.joint_errors(prediction, target), [[5, 0]], atol=1e-5)
    np.testing.assert_allclose(m.mpjpe(prediction, target), [2.5], atol=1e-5)
    np.testing.assert_allclose(m.axis_errors(prediction, target), [[1.5, 0, 2]], atol=1e-5)


def test_p_mpjpe_by_hand():
    """A square of metres folded by one metre: the best scale is <g, p> / <p, p> = 8 / 12, no turn helps.

    Every corner is then (1/3, 1/3, 2/3) away: sqrt(6) / 3 m. A turn, a scale and a shift of the prediction add nothing.
    """
    assert m.p_mpjpe(FOLDED, SQUARE).item() == pytest.approx(816.4966, abs=1e-3)
    turned = 2.5 * FOLDED[:, [1, 0, 2]] * torch.tensor([-1.0, 1, 1]) + torch.tensor([3.0, -2, 7])
    assert m.p_mpjpe(turned, SQUARE).item() == pytest.approx(816.4966, abs=1e-3)
    np.testing.assert_allclose(m.procrustes(turned, SQUARE), FOLDED * 2 / 3, atol=1e-6)


def test_n_mpjpe_by_hand():
    """Folded and moved a metre along z: the scale is 8 / 16, two corners stay 1 m off in z, all 0.5 m in x and y."""
    moved = FOLDED + torch.tensor([0, 0, 1.0])
    assert m.mpjpe(moved, SQUARE).item() == pytest.approx(1000)
    for size in (1.0, 0.25, 3.0):
        assert m.n_mpjpe(size * moved, SQUARE).item() == pytest.approx(1000 * (1.5**0.5 + 0.5**0.5) / 2)
    assert m.p_mpjpe(moved, SQUARE).item() == pytest.approx(816.4966, abs=1e-3)


def test_motion_errors_by_hand():
    """One of two joints is 0, 1, 4, 9 mm off along x: steps of 1, 3, 5 and their changes of 2, each over two joints."""
    target = torch.zeros(4, 2, 3)
    prediction = target.clone()
    prediction[:, 0, 0] = torch.tensor([0, 1, 4, 9]) / 1000
    np.testing.assert_allclose(m.velocity_error(prediction, target), [0.5, 1.5, 2.5], atol=1e-5)
    np.testing.assert_allclose(m.acceleration_error(prediction, target), [1, 1], atol=1e-5)


def test_pck_counts_below_150_millimetres():
    errors = torch.tensor([[0.0, 149.999, 150.0, 151.0, 1000.0]], dtype=torch.float64)
    np.testing.assert_allclose(m.pck(errors), [40])
    np.testing.assert_allclose(m.pck(errors, 151.5), [80])


def test_auc_is_over_31_thresholds_up_to_150_millimetres():
    """72 mm is below 75, 80, ..., 150: 16 of 31. Nothing is below 0."""
    assert m.auc(torch.tensor([[72.0]], dtype=torch.float64)).item() == pytest.approx(100 * 16 / 31)
    assert m.auc(torch.tensor([[0.0]], dtype=torch.float64)).item() == pytest.approx(100 * 30 / 31)
    assert m.auc(torch.tensor([[72.0, 0, 151, 12.5]], dtype=torch.float64)).item() == pytest.approx(
        100 * (16 + 30 + 0 + 28) / 31 / 4
    )


def test_pckh_counts_within_half_a_head():
    """Thorax to Head is 60 - 80 - 100 pixels: 50 counts, 50.1 does not."""
    target = torch.zeros(1, 17, 2, dtype=torch.float64)
    target[0, J("Head")] = torch.tensor([60.0, 80])
    prediction = target.clone()
    prediction[0, 0, 0], prediction[0, 1, 1], prediction[0, 2, 0] = 50, 50.1, 80
    assert m.pckh(prediction, target).item() == pytest.approx(100 * 15 / 17)
    assert m.pckh(prediction, target, share=0.9).item() == pytest.approx(100)


def test_bones_by_hand():
    """A shin of 3 and 5 m in two frames: the spread is 1 m in one of sixteen bones, the target's shin is 4 m."""
    joints = torch.zeros(2, 17, 3)
    joints[:, J("LAnkle"), 2] = torch.tensor([3.0, 5.0])
    bones = m.bone_lengths(joints)
    assert bones.shape == (2, 16)
    assert bones[1, list(H36M17.bones).index((J("LKnee"), J("LAnkle")))] == 5000
    assert m.bone_length_variation(joints).item() == pytest.approx(1000 / 16)
    target = torch.zeros(2, 17, 3)
    target[:, J("LAnkle"), 0] = 4
    np.testing.assert_allclose(m.bone_length_error(joints, target), [1000 / 16, 1000 / 16])


def test_reprojection_is_a_mean_of_what_is_seen():
    projected = torch.tensor([[[3.0, 4], [0, 0], [7, 7]]])
    seen = torch.tensor([[[0.0, 0], [0, 1], [float("nan"), 0]]])
    np.testing.assert_allclose(m.reprojection_error(projected, seen), [3])


def test_constants_of_the_official_script():
    assert (m.MM, m.PCK_THRESHOLD_MM) == (1000, 150)
    assert tuple(range(0, 151, 5)) == m.AUC_THRESHOLDS_MM
