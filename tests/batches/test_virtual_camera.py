"""Virtual cameras: they look at the person, stay away from it, and those of the benchmark never change."""

import numpy as np
import pytest

from prml.batches.options import CameraRanges, VideoOptions, WideRanges
from prml.batches.virtual_camera import (
    MIN_DEPTH_M,
    benchmark_cameras,
    floor_m,
    sample_cameras,
    sample_wide_cameras,
    training_cameras,
)
from prml.datasets.mocap import load_sets
from prml.pipeline.camera import DEFAULT_FOV_DEG


@pytest.fixture(scope="module")
def clips():
    ui = load_sets(("ui_prmd",))[0]
    return [ui.clip_m(i)[:60] for i in range(8)]


def test_sampled_cameras_are_rotations_and_keep_their_distance(clips):
    hips = np.stack([c[:, 0] for c in clips])
    cameras = sample_cameras(np.random.default_rng(0), hips)
    R = cameras.R_world_to_camera
    np.testing.assert_allclose(R @ np.swapaxes(R, 1, 2), np.broadcast_to(np.eye(3), R.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(R), 1)
    cam = cameras.to_camera(np.stack(clips))
    assert np.linalg.norm(cam[:, :, 0], axis=-1).min() > 1.1
    assert cam[..., 2].min() > 0.3


def test_people_stand_upright_in_the_image(clips):
    cameras = sample_cameras(np.random.default_rng(1), np.stack([c[:, 0] for c in clips]), CameraRanges(roll_deg=0))
    cam = cameras.to_camera(np.stack(clips))
    head, ankles = cam[:, :, 10, 1], cam[:, :, [3, 6], 1].mean(-1)
    assert (head < ankles).all()  # y points down


def test_exact_lens_projects_exactly(clips):
    ranges = CameraRanges(misjudged_focal=0, distortion_k1=0)
    cameras = sample_cameras(np.random.default_rng(2), np.stack([c[:, 0] for c in clips]), ranges)
    cam = cameras.to_camera(np.stack(clips))
    np.testing.assert_allclose(cameras.plane(cam), cam[..., :2] / cam[..., 2:], rtol=1e-6)


def test_same_generator_same_cameras(clips):
    hips = np.stack([c[:, 0] for c in clips])
    a, b = (sample_cameras(np.random.default_rng(5), hips) for _ in range(2))
    np.testing.assert_array_equal(a.R_world_to_camera, b.R_world_to_camera)


def test_benchmark_cameras_see_the_whole_clip_from_four_sides(clips):
    cameras = benchmark_cameras("ui_prmd/x", clips[0])
    assert len(cameras) == 4
    for camera in cameras:
        px = camera.project(camera.to_camera(clips[0].astype(float)))
        assert (px >= 0).all()
        assert (px <= [camera.width, camera.height]).all()
    forward = np.stack([c.R_world_to_camera[2, :2] for c in cameras])
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    assert (forward @ forward.T)[0, 2] < -0.5  # the third camera stands opposite the first


def test_benchmark_cameras_are_pinned(clips):
    """A change here changes every published score: raise BENCHMARK_CAMERAS_VERSION with it."""
    camera = benchmark_cameras("pinned", np.zeros((2, 17, 3)) + np.linspace(0, 1.7, 17)[:, None])[0]
    again = benchmark_cameras("pinned", np.zeros((2, 17, 3)) + np.linspace(0, 1.7, 17)[:, None])[0]
    np.testing.assert_array_equal(camera.R_world_to_camera, again.R_world_to_camera)
    assert (camera.width, camera.height) == (1080, 1920)
    assert camera.fx == pytest.approx(PINNED_FX, rel=1e-9)


PINNED_FX = 1290.3463325503155


def positions(cameras):
    return -np.einsum("bji,bj->bi", cameras.R_world_to_camera, cameras.t_m)


def people(count=4000):
    """Small people on the floor at z = 0.3 whose hip is 0.9 m over it: four joints within 0.2 m and two ankles."""
    pose = np.zeros((17, 3)) + [0.5, -0.3, 1.2]
    pose[[3, 6], 2] = 0.38
    return np.tile(pose, (count, 2, 1, 1))


def test_wide_cameras_reach_their_ranges_and_stay_in_them():
    """1.2 to 15 m away, -1.5 to 6 m over the floor, at most 60 degrees steep, 20 degrees of roll."""
    cameras = sample_wide_cameras(np.random.default_rng(0), people(20000))
    at = positions(cameras) - [0.5, -0.3, 0.3]
    sight = at - [0, 0, 0.9]
    distance = np.linalg.norm(sight, axis=-1)
    pitch = np.degrees(np.arcsin(sight[:, 2] / distance))
    axis = np.degrees(np.arcsin(np.clip(cameras.R_world_to_camera[:, 2, 2], -1, 1)))
    up = cameras.R_world_to_camera[:, :, 2]
    roll = np.degrees(np.arctan2(up[:, 0], -up[:, 1]))
    for values, low, high, near in (
        (distance, 1.2, 15, 0.05),
        (at[:, 2], -1.5, 6, 0.05),
        (roll, -20, 20, 1),
    ):
        assert low - 1e-6 <= values.min() < low + near
        assert high - near < values.max() <= high + 1e-6
    assert np.abs(pitch).max() <= 60 + 1e-6
    assert pitch.max() > 59
    assert np.abs(axis).max() <= 60 + 1e-6
    assert 6 < np.abs(roll).mean() < 7.3  # a triangular distribution: a third of the largest


def test_wide_cameras_have_every_joint_before_them(clips):
    """Nearest depth 0.5 m: also of people of arm's length who pass close by."""
    walk = np.repeat(np.stack(clips), 40, 0) + np.linspace(-1.5, 1.5, 60)[:, None, None] * [1, 0, 0]
    cameras = sample_wide_cameras(np.random.default_rng(1), walk)
    depth = cameras.to_camera(walk)[..., 2].min((1, 2))
    assert depth.min() > MIN_DEPTH_M - 1e-3
    height = positions(cameras)[:, 2] - floor_m(walk)
    assert height.min() >= -1.5 - 1e-6
    assert height.max() <= 6 + 1e-6


def test_wide_cameras_put_people_off_centre_as_far_as_stated():
    straight = WideRanges(off_centre=0, roll_deg=0)
    cam = sample_wide_cameras(np.random.default_rng(2), people(), straight).to_camera(people())[:, 0, 0]
    np.testing.assert_allclose(cam[:, :2], 0, atol=1e-6)
    level = WideRanges(off_centre=0.8, roll_deg=0, height_m=(0.9, 0.9), fov_deg=(90, 90))
    cam = sample_wide_cameras(np.random.default_rng(2), people(), level).to_camera(people())[:, 0, 0]
    across = np.abs(cam[:, 0] / np.hypot(cam[:, 2], cam[:, 1]))
    assert 0.75 < across.max() <= 0.8 + 1e-6


def test_a_lens_that_is_not_known_is_taken_for_one_of_55_degrees():
    """True field of view 20 to 100 degrees, assumed 55: the focal length is off by tan(half true) / tan(27.5)."""
    never = sample_wide_cameras(np.random.default_rng(3), people(), WideRanges(assumed_lens=0))
    assert np.log(never.focal_ratio).std() == pytest.approx(0.1, rel=0.1)
    always = sample_wide_cameras(np.random.default_rng(3), people(), WideRanges(assumed_lens=1))
    half = np.degrees(np.arctan(always.focal_ratio * np.tan(np.radians(DEFAULT_FOV_DEG) / 2)))
    assert 10 <= half.min() < 10.1
    assert 49.9 < half.max() <= 50
    some = sample_wide_cameras(np.random.default_rng(3), people(), WideRanges(assumed_lens=0.25))
    assert (some.focal_ratio == always.focal_ratio).mean() == pytest.approx(0.25, abs=0.03)


def test_without_wide_cameras_the_usual_ones_are_drawn_as_before(clips):
    world = np.stack(clips)
    a = sample_cameras(np.random.default_rng(5), world[:, :, 0])
    b = training_cameras(np.random.default_rng(5), world, CameraRanges(), VideoOptions())
    np.testing.assert_array_equal(a.R_world_to_camera, b.R_world_to_camera)
    some = training_cameras(np.random.default_rng(5), people(), CameraRanges(), VideoOptions(wide=0.4))
    usual = sample_cameras(np.random.default_rng(5), people()[:, :, 0])
    same = (some.R_world_to_camera == usual.R_world_to_camera).all((1, 2))
    assert same.mean() == pytest.approx(0.6, abs=0.03)
    assert ((some.t_m == usual.t_m).all(1) == same).all()  # a window has one camera, not parts of two
