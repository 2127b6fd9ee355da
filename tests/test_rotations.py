"""Rotations against scipy's, and what is ours alone: continuity."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prml.errors import PrmlError
from prml.rotations import about, continuous, euler_degrees, filled, swing, to_matrix, to_quaternion, turn_between

MANY = Rotation.random(300, random_state=0)
HALF = Rotation.from_rotvec(np.pi * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0]]))


@pytest.mark.parametrize("turns", [MANY, HALF], ids=["random", "half turns"])
def test_quaternions_and_matrices(turns):
    q = to_quaternion(turns.as_matrix())
    np.testing.assert_allclose(np.abs((q * turns.as_quat(scalar_first=True)).sum(-1)), 1, atol=1e-12)
    np.testing.assert_allclose(to_matrix(q), turns.as_matrix(), atol=1e-12)
    assert (q[:, 0] >= 0).all()


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_euler_angles_give_the_rotation_back(order):
    for turns in (MANY, Rotation.from_euler(order, [[20, 90, 0], [0, -90, 50]], degrees=True)):  # gimbal lock too
        angles = euler_degrees(turns.as_matrix(), order)
        again = Rotation.from_euler(order, angles, degrees=True)  # upper case: intrinsic, the first acts last
        np.testing.assert_allclose((again * turns.inv()).magnitude(), 0, atol=1e-6)


def test_euler_angles_run_on_past_half_a_turn():
    degrees = np.linspace(0, 1000, 300)
    for k, axis in enumerate("XYZ"):
        turns = Rotation.from_euler("XYZ"[k], degrees[:, None], degrees=True)
        order = "ZXY" if axis != "X" else "XYZ"  # not in the middle, where 90 degrees is a lock
        if order[1] != axis:
            np.testing.assert_allclose(
                euler_degrees(turns.as_matrix(), order)[:, order.index(axis)], degrees, atol=1e-6
            )


def test_an_unknown_order_is_refused():
    with pytest.raises(PrmlError, match="'ZXZ'"):
        euler_degrees(np.eye(3)[None], "ZXZ")


def test_about_and_swing():
    axis = np.array([0.0, 0.6, 0.8])
    np.testing.assert_allclose(about(axis, np.array(1.1)), Rotation.from_rotvec(1.1 * axis).as_matrix(), atol=1e-12)
    a, b = np.array([1.0, 0, 0]), np.array([0, 0.6, 0.8])
    R = swing(a, b)
    np.testing.assert_allclose(R @ a, b, atol=1e-12)
    np.testing.assert_allclose(R @ np.cross(a, b), np.cross(a, b), atol=1e-12)  # the axis stays
    assert np.isnan(swing(a, -a)).all()


def test_turn_between_takes_the_first_exactly_and_the_second_into_its_plane():
    now = MANY.apply([1.0, 0, 0]), MANY.apply([0.3, 1.0, 0])
    R = turn_between((np.array([1.0, 0, 0]), np.array([0.0, 1, 0])), now)
    np.testing.assert_allclose(R, MANY.as_matrix(), atol=1e-12)
    parallel = turn_between((np.array([1.0, 0, 0]), np.array([0.0, 1, 0])), (now[0], now[0]))
    assert np.isnan(parallel).all()


def test_continuous_only_changes_signs():
    q = MANY.as_quat(scalar_first=True)
    c = continuous(q)
    np.testing.assert_array_equal(np.abs(c), np.abs(q))
    assert ((c[1:] * c[:-1]).sum(-1) >= 0).all()
    np.testing.assert_array_equal(c[0], q[0])


def test_filled_meets_both_neighbours():
    times = np.arange(5) / 10
    q = Rotation.from_euler("X", [[0], [0], [0], [0], [40]], degrees=True).as_quat(scalar_first=True)
    q[4] *= -1
    known = np.array([False, True, False, False, True])
    out = Rotation.from_quat(filled(q, known, times), scalar_first=True)
    angles = out.as_euler("XYZ", degrees=True)[:, 0]
    np.testing.assert_allclose(angles, [0, 0, 13.3, 26.7, 40], atol=0.2)
    np.testing.assert_array_equal(filled(q, np.zeros(5, bool), times), np.tile([1, 0, 0, 0], (5, 1)))
