"""Laws of the camera: inverses, round trips, rotations."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prml.camera import Camera, look_at, rotation_towards
from prml.errors import PrmlError

# Human3.6M's lenses distort about as much as this.
LENS = {"radial": (-0.21, 0.24, -0.002), "tangential": (-0.0009, -0.0016)}


def _posed(**changes):
    position, target = np.array([3.0, -2.0, 1.5]), np.array([0.2, 0.1, 0.9])
    R, t = look_at(position, target, 0.1)
    fields = {"width": 1000, "height": 1002, "fx": 1145.0, "fy": 1143.8, "cx": 512.5, "cy": 515.5}
    return Camera(**{**fields, "R_world_to_camera": R, "t_m": t, **changes})


def _points_in_view(rng, camera, n=200):
    """Camera-frame points whose image-plane position lies inside the picture."""
    plane = rng.uniform(-0.4, 0.4, size=(n, 2))
    depth = rng.uniform(0.5, 20, size=(n, 1))
    return np.concatenate([plane, np.ones((n, 1))], 1) * depth


def assert_rotations(R):
    np.testing.assert_allclose(R @ np.swapaxes(R, -1, -2), np.broadcast_to(np.eye(3), R.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(R), 1, atol=1e-12)


@pytest.mark.parametrize("lens", [{}, LENS], ids=["pinhole", "distorted"])
def test_unproject_inverts_project_up_to_depth(lens):
    camera = _posed(**lens)
    points = _points_in_view(np.random.default_rng(3), camera)
    plane = camera.unproject(camera.project(points))
    np.testing.assert_allclose(plane, points[:, :2] / points[:, 2:], atol=1e-7)


def test_distortion_moves_points_and_the_centre_stays():
    camera = _posed(**LENS)
    np.testing.assert_allclose(camera.project(np.array([0.0, 0, 2])), (camera.cx, camera.cy))
    corner = np.array([0.4, 0.4, 1.0])
    assert np.linalg.norm(camera.project(corner) - _posed().project(corner)) > 5


def test_to_world_inverts_to_camera():
    camera = _posed()
    points = np.random.default_rng(4).normal(size=(7, 17, 3))
    np.testing.assert_allclose(camera.to_world(camera.to_camera(points)), points, atol=1e-12)
    np.testing.assert_allclose(camera.to_camera(camera.to_world(points)), points, atol=1e-12)


def test_moving_to_the_camera_keeps_distances():
    points = np.random.default_rng(5).normal(size=(17, 3))
    moved = _posed().to_camera(points)
    np.testing.assert_allclose(
        np.linalg.norm(moved[:, None] - moved, axis=-1), np.linalg.norm(points[:, None] - points, axis=-1), atol=1e-12
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6), st.floats(-np.pi, np.pi))
def test_look_at_puts_the_target_on_the_optical_axis(numbers, roll):
    position, target = np.array(numbers[:3]), np.array(numbers[3:])
    across = np.linalg.norm((target - position)[:2])
    if across < 0.1:  # straight down or up leaves no horizon
        return
    R, t = look_at(position, target, roll)
    assert_rotations(R)
    seen = R @ target + t
    np.testing.assert_allclose(seen[:2], 0, atol=1e-9)
    np.testing.assert_allclose(seen[2], np.linalg.norm(target - position))
    np.testing.assert_allclose(R @ position + t, 0, atol=1e-9)


def test_without_roll_world_up_is_up_in_the_picture():
    position, target = np.array([4.0, 1.0, 1.2]), np.array([0.0, 0.0, 1.0])
    R, _ = look_at(position, target)
    up = R @ np.array([0.0, 0.0, 1.0])
    assert up[1] < -0.9  # y points down
    np.testing.assert_allclose(up[0], 0, atol=1e-12)


def test_roll_turns_the_horizon_by_its_angle():
    position, target = np.array([4.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0])
    level, _ = look_at(position, target)
    rolled, _ = look_at(position, target, 0.3)
    turn = rolled @ level.T
    np.testing.assert_allclose(turn[2], (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(np.arccos(turn[0, 0]), 0.3)


def test_look_at_takes_many_cameras_at_once():
    rng = np.random.default_rng(6)
    positions, targets, rolls = rng.normal(size=(5, 3)) * 4, rng.normal(size=(5, 3)), rng.normal(size=5)
    R, t = look_at(positions, targets, rolls)
    for i in range(5):
        one_R, one_t = look_at(positions[i], targets[i], rolls[i])
        np.testing.assert_allclose(R[i], one_R, atol=1e-12)
        np.testing.assert_allclose(t[i], one_t, atol=1e-12)


def test_rotation_towards_maps_the_ray_to_z():
    rays = np.random.default_rng(9).normal(size=(50, 3)) * [1, 1, 0.2] + [0, 0, 2]
    R = rotation_towards(rays)
    assert_rotations(R)
    turned = np.einsum("nij,nj->ni", R, rays)
    np.testing.assert_allclose(turned[:, :2], 0, atol=1e-12)
    np.testing.assert_allclose(turned[:, 2], np.linalg.norm(rays, axis=-1))
    np.testing.assert_allclose(R[:, 0, 1], 0, atol=1e-12)  # the x axis has no part along the image's down


def test_rotation_towards_the_axis_is_the_identity():
    np.testing.assert_allclose(rotation_towards(np.array([0.0, 0, 3])), np.eye(3), atol=1e-15)


def test_a_pan_of_the_camera_does_not_change_the_persons_frame():
    """Two cameras at one place, one panned: the rotated frame sees the person alike."""
    pan = 0.4
    c, s = np.cos(pan), np.sin(pan)
    turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    person = np.random.default_rng(2).normal(size=(17, 3)) * 0.4 + [0.5, 0.1, 4]
    ray = person.mean(0)
    first = person @ rotation_towards(ray).T
    second = (person @ turn.T) @ rotation_towards(turn @ ray).T
    np.testing.assert_allclose(first, second, atol=1e-12)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920)])
def test_fov_spans_the_longer_side(width, height):
    camera = Camera.from_fov(width, height, 60)
    assert camera.fov_deg == pytest.approx(60)
    edge = camera.unproject(np.array([[0.0, 0.0], [width, height]]))
    longer = np.argmax([width, height])
    assert np.degrees(np.arctan(edge[1, longer]) - np.arctan(edge[0, longer])) == pytest.approx(60)
    assert "60" in camera.source


def test_what_lies_behind_the_camera_is_not_drawn():
    camera = _posed()
    assert np.isnan(camera.project(np.array([[0.1, 0.1, -1.0], [0.0, 0.0, 0.0]]))).all()


def test_a_camera_survives_json():
    camera = _posed(**LENS, source="file")
    again = Camera.from_dict(json.loads(json.dumps(camera.to_dict())))
    points = _points_in_view(np.random.default_rng(0), camera)
    np.testing.assert_array_equal(again.project(points), camera.project(points))
    np.testing.assert_array_equal(again.to_camera(points), camera.to_camera(points))
    assert again.to_dict() == camera.to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": 0}, "positive image size and focal length"),
        ({"width": -5}, "whole number of pixels from 1 to 100000 in 'width', got -5"),
        ({"height": 480.5}, "whole number of pixels from 1 to 100000 in 'height', got 480.5"),
        ({"fy": float("nan")}, "one finite number in 'fy', got nan"),
        ({"cx": float("nan")}, "one finite number in 'cx', got nan"),
        ({"cx": [5.0]}, r"one finite number in 'cx', got \[5.0\]"),
        ({"fx": "9"}, "one finite number in 'fx', got '9'"),
        ({"fx": True}, "one finite number in 'fx', got True"),
        ({"radial": [0.1]}, r"3 finite numbers in 'radial', got \[0.1\]"),
        ({"tangential": [0.1, "b"]}, "2 finite numbers in 'tangential'"),
        ({"R_world_to_camera": [[1, 0, 0], [0, 1]]}, "3 x 3 finite numbers in 'R_world_to_camera'"),
        ({"t_m": [0, 0, 10**400]}, "3 finite numbers in 't_m'"),
        ({"source": 3}, "a text in 'source', got 3"),
        ({"focal": 3}, r"unknown entries \['focal'\]; known are"),
        ({"cx": None}, r"lacks \['cx'\]; it needs"),
    ],
)
def test_a_bad_camera_is_refused(change, message):
    record = {"width": 10, "height": 10, "fx": 9.0, "fy": 9.0, "cx": 5.0, "cy": 5.0, **change}
    with pytest.raises(PrmlError, match=message):
        Camera.from_dict({name: value for name, value in record.items() if value is not None})


@pytest.mark.parametrize("fov", [0, 4.9, 171, -30, float("nan")])
def test_an_absurd_field_of_view_is_refused(fov):
    with pytest.raises(PrmlError, match="field of view must lie between 5 and 170 degrees"):
        Camera.from_fov(640, 480, fov)


# Strong barrels, a pincushion and a moustache.
LENSES = {
    "barrel": {"radial": (-0.2, 0.0, 0.0)},
    "strong barrel": {"radial": (-0.35, 0.05, 0.0), "tangential": (1e-3, -5e-4)},
    "pincushion": {"radial": (0.3, 0.05, 0.0), "tangential": (0.0, 1e-3)},
    "moustache": {"radial": (-0.4, 0.2, -0.04)},
}


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_undistort_inverts_distort_up_to_the_edge_of_the_image(lens):
    """Along every direction, up to just before the radius at which the image folds back, or far out."""
    camera = _posed(**lens)
    radius, turn = np.linspace(0, min(0.98 * camera._reach(), 3.0), 60)[:, None], np.linspace(0, 2 * np.pi, 24)
    plane = np.stack([radius * np.cos(turn), radius * np.sin(turn)], -1)
    np.testing.assert_allclose(camera.undistort(camera.distort(plane)), plane, atol=1e-5)


def test_a_pixel_that_no_ray_reaches_is_not_found():
    """k1 = -0.2 folds at r = sqrt(1 / 0.6), where the image ends: 0.861 focal lengths from its middle."""
    camera = Camera(640, 480, 350.0, 350.0, 320.0, 240.0, radial=(-0.2, 0.0, 0.0))
    edge_px = 350.0 * np.sqrt(1 / 0.6) * (1 - 0.2 / 0.6)
    pixels = np.array([[320.0, 240.0], [320 + 0.999 * edge_px, 240.0], [320 + 1.001 * edge_px, 240.0], [700.0, 240.0]])
    plane = camera.unproject(pixels)
    assert np.isfinite(plane).all(-1).tolist() == [True, True, False, False]
    np.testing.assert_allclose(camera.distort(plane[:2]) * 350 + [320, 240], pixels[:2], atol=1e-4)


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(*[st.floats(-1, 1)] * 3),
    st.tuples(*[st.floats(-0.02, 0.02)] * 2),
    st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 2), min_size=1, max_size=8),
)
def test_undistort_gives_the_inverse_or_nothing(radial, tangential, plane):
    camera, plane = _posed(radial=radial, tangential=tangential), np.array(plane)
    assert camera._reach() > 0
    found = camera.undistort(plane)
    there = np.isfinite(found).all(-1)
    np.testing.assert_allclose(camera.distort(found[there]), plane[there], atol=1e-7)


@pytest.mark.parametrize(("name", "value"), [("cx", 1.1e9), ("fy", 9e-4), ("fx", 1e308), ("t_m", [0, 0, -2e9])])
def test_a_camera_whose_rays_would_overflow_is_refused(name, value):
    record = Camera.from_fov(640, 480).to_dict()
    with pytest.raises(PrmlError, match=rf"camera needs numbers (up to 1e\+09|between 0.001 and 1e\+09) in '{name}'"):
        Camera.from_dict({**record, name: value})
    assert Camera.from_dict({**record, "cx": 9e8, "fx": 1.1e-3}).cx == 9e8
