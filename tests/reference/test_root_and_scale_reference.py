"""Positions and sizes in metres: the root against scipy and by hand, the size of an adult."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from prml.errors import PrmlError
from prml.filters.root import solve_root
from prml.filters.scale import bone_sum, to_metres
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

J = H36M17.index


def _weighted_case():
    rng = np.random.default_rng(2)
    joints = rng.normal(0, 0.4, (3, 17, 3))
    root = np.array([[0.3, -0.2, 4.0], [-1, 0.5, 6.0], [0, 0, 2.5]])
    placed = joints + root[:, None]
    plane = placed[..., :2] / placed[..., 2:] + rng.normal(0, 0.02, (3, 17, 2))
    plane[:, 5] += 0.3  # a wild joint
    confidence = rng.uniform(0.2, 1, (3, 17))
    confidence[:, 5] = 0.05
    return joints, plane, confidence


def test_the_root_minimises_the_weighted_squares():
    """Residuals (X + tx) - u (Z + tz) and (Y + ty) - v (Z + tz), times the confidence; scipy finds the least sum."""
    joints, plane, confidence = _weighted_case()
    root = solve_root(joints, plane, confidence)
    for t in range(3):

        def residuals(at, t=t):
            placed = joints[t] + at
            return (confidence[t][:, None] * (placed[:, :2] - plane[t] * placed[:, 2:])).ravel()

        np.testing.assert_allclose(root[t], least_squares(residuals, np.array([0, 0, 3.0])).x, atol=1e-5)
    assert np.abs(root - solve_root(joints, plane, np.ones_like(confidence))).max() > 0.05


def test_the_root_of_two_joints_by_hand():
    """Two joints at the hip, seen at u = 0.1 (weight 1) and 0.2 (weight 0.5), and one 1 m above, seen at v = -0.25.

    With the depth held by a heavy pair above and below, tx is (1 x 0.1 + 0.25 x 0.2) / 1.25 of the depth.
    """
    joints = np.zeros((1, 4, 3))
    joints[0, 2:, 1] = 1, -1
    plane = np.array([[[0.1, 0], [0.2, 0], [0.12, 0.25], [0.12, -0.25]]])
    root = solve_root(joints, plane, np.array([[1, 0.5, 1000, 1000]]))
    np.testing.assert_allclose(root, [[0.48, 0, 4.0]], atol=1e-4)
    # the pair agrees with what the two say together: 0.15 / 1.25 = 0.12. Unweighted they would say 0.15.
    alone = solve_root(joints[:, :, :], plane, np.array([[1, 0.5, 1e-3, 1e-3]]))
    assert alone[0, 0] / alone[0, 2] == pytest.approx(0.12, abs=1e-3)


def test_a_joint_without_a_place_does_not_count():
    """Whatever its confidence: the root is that of the others. Half a place is none."""
    joints, plane, confidence = _weighted_case()
    plane[0, 3], plane[1, 4, 0], plane[2, 6, 1] = np.nan, np.nan, np.nan
    root = solve_root(joints, plane, confidence)
    for t, lost in enumerate((3, 4, 6)):
        rest = np.delete(np.arange(17), lost)
        alone = solve_root(joints[t : t + 1, rest], plane[t : t + 1, rest], confidence[t : t + 1, rest])
        np.testing.assert_allclose(root[t], alone[0], atol=1e-9)


def test_a_joint_of_no_confidence_counts_by_a_thousandth():
    """At the hip: confidence 1 at u = 0, confidence 0 at u = 1. The latter weighs 1e-6, and so do the two beside it."""
    joints = np.zeros((1, 4, 3))
    joints[0, 2:, 1] = 1, -1
    plane = np.array([[[0.0, 0], [1, 0], [0, 0.25], [0, -0.25]]])
    root = solve_root(joints, plane, np.array([[1, 0, 1e-3, 1e-3]]))
    assert root[0, 0] / root[0, 2] == pytest.approx(1e-6 / (1 + 3e-6), rel=1e-3)


def test_metres_for_an_adult_of_long_bones_of_three_metres_eighty():
    """Sizes 1, 2, ..., 11: the 90th percentile is 10, so that all is multiplied by 0.38."""
    joints = np.zeros((11, 17, 3))
    joints[:, J("LAnkle"), 1] = joints[:, J("RAnkle"), 1] = np.arange(1, 12) / 2  # two shins of half the size each
    sequence = PoseSequence.regular(11, 50, H36M17, joints_m=joints, std_m=np.ones((11, 17, 3)))
    scaled, factor = to_metres(sequence)
    assert factor == pytest.approx(0.38)
    assert scaled.joints_m[9, J("LAnkle"), 1] == pytest.approx(1.9)
    np.testing.assert_allclose(scaled.std_m, 0.38)


def test_a_small_person_is_made_an_adult_and_without_deviations_there_are_none():
    joints = np.zeros((2, 17, 3)) + [5, 6, 7]
    joints[:, J("LAnkle"), 1] += 0.5  # the only long bone that has a length
    scaled, factor = to_metres(PoseSequence.regular(2, 50, H36M17, joints_m=joints))
    assert factor == pytest.approx(7.6)
    np.testing.assert_allclose(scaled.joints_m, joints * 7.6)
    assert scaled.std_m is None


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_point_has_no_size(value):
    sequence = PoseSequence.regular(2, 50, H36M17, joints_m=np.full((2, 17, 3), value))
    with pytest.raises(PrmlError, match="no extent"):
        to_metres(sequence)
    with pytest.raises(PrmlError, match="expected joints_m to scale"):
        to_metres(PoseSequence.regular(2, 50, H36M17, keypoints_px=np.zeros((2, 17, 2))))


def test_ten_long_bones_of_every_frame():
    """All joints at powers of two along x: the differences of both ends of every bone."""
    joints = np.zeros((17, 3))
    joints[:, 0] = 2.0 ** np.arange(17)
    limbs = [("Hip", "Knee"), ("Knee", "Ankle"), ("Shoulder", "Elbow"), ("Elbow", "Wrist"), ("Shoulder", "Hip")]
    expected = sum(abs(2.0 ** J(side + a) - 2.0 ** J(side + b)) for side in "LR" for a, b in limbs)
    assert bone_sum(joints) == expected
    np.testing.assert_array_equal(bone_sum(np.stack([[joints, 2 * joints]] * 3)), [[expected, 2 * expected]] * 3)
