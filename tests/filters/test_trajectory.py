"""The root path from exact and from wrong data."""

import numpy as np
import pytest

from fixtures.standing import standing
from prml.filters.trajectory import Support, solve_path
from prml.skeleton import BODY28

FEET = [BODY28.index(name) for name in ("LHeel", "LToe", "RHeel", "RToe")]
UP = np.array([0.0, -1.0, 0.0])


def _body(frames):
    camera = standing()[:, [1, 2, 0]] * [-1, -1, -1]  # faces the camera: x right, y down, z forward
    camera = camera - camera[:1]
    return np.repeat(camera[None], frames, 0)


def _plane(joints, root):
    whole = joints + root[:, None]
    return whole[..., :2] / whole[..., 2:]


def _path(times):
    return np.stack([np.sin(times), 0.1 * np.cos(2 * times), 5 + 1.2 * times], 1)


def test_a_path_is_found_from_exact_data():
    times = np.arange(90) / 30
    joints, true = _body(90), _path(np.arange(90) / 30)
    found = solve_path(joints, _plane(joints, true), np.ones(joints.shape[:2]), times)
    np.testing.assert_allclose(found, true, atol=0.005)


def test_a_path_is_steadier_than_frames_on_their_own():
    times, rng = np.arange(150) / 30, np.random.default_rng(0)
    joints, true = _body(150), _path(np.arange(150) / 30)
    plane = _plane(joints, true) + rng.normal(size=(150, 28, 2)) * 0.01
    found = solve_path(joints, plane, np.ones((150, 28)), times)
    alone = np.concatenate(
        [solve_path(joints[k : k + 1], plane[k : k + 1], np.ones((1, 28)), times[k : k + 1]) for k in range(150)]
    )
    assert (found - true)[:, 2].std() < 0.5 * (alone - true)[:, 2].std()


def test_points_with_a_gross_error_lose_their_weight():
    times = np.arange(60) / 30
    joints, true = _body(60), _path(np.arange(60) / 30)
    plane = _plane(joints, true)
    plane[20:30, 4:8] += 0.3
    found = solve_path(joints, plane, np.ones((60, 28)), times)
    np.testing.assert_allclose(found, true, atol=0.05)


def test_standing_feet_hold_the_path():
    times, rng = np.arange(90) / 30, np.random.default_rng(1)
    joints = _body(90)
    true = np.repeat([[0.2, 0.0, 5.0]], 90, 0)
    plane = _plane(joints * (1 + 0.03 * np.sin(times * 3))[:, None, None], true) + rng.normal(size=(90, 28, 2)) * 0.004
    feet = joints[:, FEET]
    stands = np.ones((90, 4), bool)
    heights = np.repeat((feet[0] + true[0])[None] @ UP, 90, 0)
    held = solve_path(joints, plane, np.ones((90, 28)), times, Support(feet, stands, UP, heights))
    free = solve_path(joints, plane, np.ones((90, 28)), times)
    assert held[:, 2].std() < free[:, 2].std()


def test_frames_far_apart_in_time_do_not_pull_each_other():
    joints = _body(40)
    true = np.repeat([[0.0, 0.0, 4.0], [2.0, 0.0, 8.0]], 20, 0)
    times = np.concatenate([np.arange(20) / 30, 10 + np.arange(20) / 30])
    found = solve_path(joints, _plane(joints, true), np.ones((40, 28)), times)
    np.testing.assert_allclose(found, true, atol=0.01)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_few_frames_have_a_path(frames):
    joints, times = _body(frames), np.arange(frames) / 30
    true = _path(times)
    np.testing.assert_allclose(solve_path(joints, _plane(joints, true), np.ones((frames, 28)), times), true, atol=1e-3)


@pytest.mark.parametrize("distance", [3.0, 10.0])
def test_noise_does_not_draw_people_nearer(distance):
    times, rng = np.arange(200) / 30, np.random.default_rng(2)
    joints, true = _body(200), np.repeat([[0.0, 0.0, distance]], 200, 0)
    plane = _plane(joints, true) + rng.normal(size=(200, 28, 2)) * 0.01
    found = solve_path(joints, plane, np.ones((200, 28)), times)
    assert found[:, 2].mean() == pytest.approx(distance, rel=0.015)
