"""Virtual cameras: they look at the person, stay away from it, and those of the benchmark never change."""

import numpy as np
import pytest

from prml.batches.options import CameraRanges
from prml.batches.virtual_camera import benchmark_cameras, sample_cameras
from prml.datasets.mocap import load_sets


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
