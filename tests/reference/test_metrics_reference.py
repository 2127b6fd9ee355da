"""Errors of poses computed by hand, in millimetres and per cent."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from prml.errors import PrmlError
from prml.evaluation import metrics as m
from prml.skeleton import COCO17, H36M17

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


def test_a_mirrored_pose_is_turned_as_well_as_it_can_be():
    """Against scipy: centre both, find the turn, scale by <g, R p> / <p, p>, put at the target's centre."""
    rng = np.random.default_rng(0)
    target = rng.normal(size=(6, 9, 3)) * [3.0, 2.0, 1.0] + 5
    prediction = target * [-1, 1, 1] + rng.normal(0, 0.1, (6, 9, 3))
    found = m.procrustes(torch.from_numpy(prediction), torch.from_numpy(target)).numpy()
    for p, g, aligned in zip(prediction, target, found, strict=True):
        p0, g0 = p - p.mean(0), g - g.mean(0)
        turned = Rotation.align_vectors(g0, p0)[0].apply(p0)
        np.testing.assert_allclose(aligned, turned * (g0 * turned).sum() / (p0**2).sum() + g.mean(0), atol=1e-6)


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


def test_a_bone_goes_from_its_parent_to_its_child():
    """Knee at (1, 2, 3), ankle at (1, 5, 7): 5 m, wherever the two are."""
    joints = torch.zeros(1, 17, 3)
    joints[0, J("LKnee")], joints[0, J("LAnkle")] = torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 5, 7])
    lengths = dict(zip(H36M17.bones, m.bone_lengths(joints)[0].tolist(), strict=True))
    assert lengths[J("LKnee"), J("LAnkle")] == pytest.approx(5000)
    assert lengths[J("LHip"), J("LKnee")] == pytest.approx(1000 * 14**0.5)


def test_bones_are_those_of_the_skeleton():
    """COCO's right shin is the joints 14 and 16, one of 16 bones; in Human3.6M these are no bone."""
    joints = torch.zeros(2, 17, 3)
    joints[1, 16, 0] = 4
    still = torch.zeros(2, 17, 3)
    assert (14, 16) in COCO17.bones
    assert m.bone_length_variation(joints, COCO17).item() == pytest.approx(2000 / len(COCO17.bones))
    np.testing.assert_allclose(m.bone_length_error(joints, still, COCO17), [0, 4000 / len(COCO17.bones)])
    np.testing.assert_allclose(m.bone_length_error(joints, still), [0, 4000 / len(H36M17.bones)])


POSES = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3, 4, 5, 17, 3)) + 0.3)  # (pair, clips, T...) batches


@pytest.mark.parametrize("metric", [m.mpjpe, m.axis_errors, m.n_mpjpe, m.p_mpjpe, m.bone_length_error])
def test_each_frame_of_a_batch_is_judged_for_itself(metric):
    together = metric(*POSES)
    for at in np.ndindex(3, 4, 5):
        np.testing.assert_allclose(together[at], metric(POSES[0][at], POSES[1][at]), rtol=1e-9)


@pytest.mark.parametrize("metric", [m.velocity_error, m.acceleration_error])
def test_each_clip_of_a_batch_moves_for_itself(metric):
    together = metric(*POSES)
    for at in np.ndindex(3, 4):
        np.testing.assert_allclose(together[at], metric(POSES[0][at], POSES[1][at]), rtol=1e-9)
    variation = m.bone_length_variation(POSES[0])
    assert variation.shape == (3, 4)
    assert variation[2, 1] == pytest.approx(m.bone_length_variation(POSES[0][2, 1]).item())


@pytest.mark.parametrize("metric", [m.pckh, m.reprojection_error])
def test_each_picture_of_a_batch_is_judged_for_itself(metric):
    px = POSES[..., :2]
    together = metric(*px)
    for at in np.ndindex(3, 4, 5):
        np.testing.assert_allclose(together[at], metric(px[0][at], px[1][at]), rtol=1e-9)


@pytest.mark.parametrize("metric", [m.pck, m.auc])
def test_each_row_of_errors_is_judged_for_itself(metric):
    errors = torch.from_numpy(np.random.default_rng(2).uniform(0, 300, (3, 4, 14)))
    together = metric(errors)
    for at in np.ndindex(3, 4):
        np.testing.assert_allclose(together[at], metric(errors[at]), rtol=1e-9)


def test_what_cannot_be_compared_is_refused():
    for shapes in (((3,), (3,)), ((17, 2), (17, 2)), ((4, 17, 3), (17, 3)), ((17, 3), (16, 3))):
        with pytest.raises(PrmlError, match="a metric compares two arrays"):
            m.mpjpe(*(torch.zeros(shape) for shape in shapes))
    with pytest.raises(PrmlError, match="a metric compares two arrays"):
        m.reprojection_error(torch.zeros(17, 3), torch.zeros(17, 3))
    with pytest.raises(PrmlError, match="a motion metric needs"):
        m.velocity_error(torch.zeros(17, 3), torch.zeros(17, 3))
    for shape in ((16, 3), (17, 2)):
        with pytest.raises(PrmlError, match=r"expected \(..., 17, 3\) joints of h36m17"):
            m.bone_lengths(torch.zeros(shape))


def test_a_point_has_no_size_and_goes_to_the_targets_centre():
    """No scale makes a point a pose: N-MPJPE is the pose's own size, P-MPJPE its distance from its centre."""
    point = torch.full((1, 4, 3), 1e-14)
    assert m.n_mpjpe(0 * point, SQUARE[None]).item() == pytest.approx(1000 * 2**0.5)
    np.testing.assert_allclose(
        m.procrustes(0 * point, SQUARE[None] + 2), torch.full((1, 4, 3), 2.0) * torch.tensor([1, 1, 1.0])
    )
