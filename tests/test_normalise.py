"""Laws of the input normalisation: what it must not depend on."""

import numpy as np
import pytest

from prml import normalise
from prml.camera import Camera, rotation_towards
from prml.datasets.mocap import load_sets
from prml.errors import PrmlError
from prml.normalise import virtual_camera
from prml.skeleton import H36M17


@pytest.fixture(scope="module")
def motion_cam_m():
    """Three seconds of a person four metres before the camera, camera frame."""
    clip = load_sets(("cmu",))[0].clip_m(3)[:150].astype(np.float64)
    clip = clip[..., [1, 2, 0]] * np.array([1, -1, 1])
    return clip - clip.mean((0, 1)) + np.array([0, 0, 4.0])


def _rotation(pan: float, tilt: float) -> np.ndarray:
    return rotation_towards(np.array([np.tan(pan), np.tan(tilt) / np.cos(pan), 1.0]))


@pytest.mark.parametrize("pan", [-0.5, 0.3, 0.6])
def test_a_panned_camera_sees_the_same_person(motion_cam_m, pan):
    turn = _rotation(pan, 0.0)
    a = normalise.virtual_camera(motion_cam_m[..., :2] / motion_cam_m[..., 2:], 50)
    moved = motion_cam_m @ turn.T
    b = normalise.virtual_camera(moved[..., :2] / moved[..., 2:], 50)
    np.testing.assert_allclose(a.xy, b.xy, atol=1e-9)
    np.testing.assert_allclose(a.scale, b.scale, rtol=1e-9)
    np.testing.assert_allclose(b.R_camera_to_input @ turn, a.R_camera_to_input, atol=1e-9)


def test_image_format_does_not_matter(motion_cam_m):
    results = []
    for width, height in ((1920, 1080), (1080, 1920), (640, 640)):
        camera = Camera.from_fov(width, height, 60)
        results.append(normalise.virtual_camera(camera.unproject(camera.project(motion_cam_m)), 50).xy)
    np.testing.assert_allclose(results[0], results[1], atol=1e-9)
    np.testing.assert_allclose(results[0], results[2], atol=1e-9)


def test_resolution_does_not_matter_for_any_strategy(motion_cam_m):
    small, large = (Camera.from_fov(500 * k, 400 * k, 60) for k in (1, 3))
    for strategy in (
        lambda c: normalise.screen(c.project(motion_cam_m), c.width, c.height),
        lambda c: normalise.crop(c.project(motion_cam_m)),
    ):
        np.testing.assert_allclose(strategy(small).xy, strategy(large).xy, atol=1e-9)


def test_a_person_twice_as_far_looks_nearly_the_same(motion_cam_m):
    far = motion_cam_m + np.array([0, 0, 4.0])
    a, b = (normalise.virtual_camera(m[..., :2] / m[..., 2:], 50) for m in (motion_cam_m, far))
    assert np.abs(a.xy - b.xy).max() < 0.15
    assert np.median(a.scale / b.scale) == pytest.approx(2, rel=0.1)


def test_the_torso_is_in_the_middle(motion_cam_m):
    seen = normalise.virtual_camera(motion_cam_m[..., :2] / motion_cam_m[..., 2:], 50)
    assert np.abs(seen.xy[:, [1, 4, 11, 14]].mean((0, 1))).max() < 0.05


def test_there_and_back(motion_cam_m):
    seen = normalise.virtual_camera(motion_cam_m[..., :2] / motion_cam_m[..., 2:], 50)
    relative = motion_cam_m - motion_cam_m[:, :1]
    np.testing.assert_allclose(seen.to_camera(seen.from_camera(relative)), relative, atol=1e-12)


def test_a_frame_does_not_depend_on_frames_far_away(motion_cam_m):
    plane = motion_cam_m[..., :2] / motion_cam_m[..., 2:]
    whole = normalise.virtual_camera(plane, 50)
    margin = round(normalise.MARGIN_S * 50)
    part = normalise.virtual_camera(plane[20:], 50)
    # the size is smoothed after the direction: two margins
    np.testing.assert_allclose(whole.xy[20 + 2 * margin :], part.xy[2 * margin :], atol=1e-9)


def test_smoothing_keeps_constants_and_means():
    assert np.allclose(normalise.smooth(np.full((7, 3), 2.5), 0.2, 50), 2.5)


def test_unknown_strategy_is_named():
    with pytest.raises(PrmlError, match="virtual_camera, screen, crop"):
        normalise.check_strategy("vitrual_camera")


def _body(seed=0, frames=60):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(1, 17, 2)) * 0.1 + rng.normal(size=(frames, 17, 2)).cumsum(0) * 0.002


def test_a_mask_of_all_joints_changes_nothing_but_rounding():
    plane = _body()
    plain, masked = virtual_camera(plane, 50.0), virtual_camera(plane, 50.0, np.ones((1, 17), bool))
    np.testing.assert_allclose(masked.xy, plain.xy, atol=1e-12)
    np.testing.assert_allclose(masked.scale, plain.scale, rtol=1e-12)
    np.testing.assert_allclose(masked.R_camera_to_input, plain.R_camera_to_input, atol=1e-12)


@pytest.mark.parametrize(
    "gone", [["RAnkle"], ["LWrist", "LElbow"], ["LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle"]]
)
def test_unseen_joints_are_zero_and_tell_nothing(gone):
    plane, seen = _body(1), np.ones(17, bool)
    columns = [H36M17.index(name) for name in gone]
    seen[columns] = False
    first = virtual_camera(plane, 50.0, seen[None])
    plane[:, columns] = 7.0
    second = virtual_camera(plane, 50.0, seen[None])
    np.testing.assert_allclose(second.xy, first.xy, atol=1e-12)
    np.testing.assert_allclose(second.scale, first.scale, rtol=1e-12)
    assert (first.xy[:, columns] == 0).all()


def test_the_size_without_legs_is_that_of_the_whole_of_usual_proportions():
    """Bones in the usual proportion, side by side in the picture: what is not seen is inferred exactly."""
    plane = np.zeros((40, 17, 2))
    lengths = {"Knee": 0.40, "Ankle": 0.44, "Elbow": 0.29, "Wrist": 0.28, "Hip": 0.50}
    for side, x in (("L", 0.02), ("R", -0.02)):
        place = {"Shoulder": 0.0, "Elbow": 0.29, "Wrist": 0.57, "Hip": 0.50, "Knee": 0.90, "Ankle": 1.34}
        for name, y in place.items():
            plane[:, H36M17.index(side + name)] = (0.001 * x, 0.001 * y)
    seen = np.ones(17, bool)
    seen[[H36M17.index(s + n) for s in "LR" for n in ("Knee", "Ankle")]] = False
    whole, half = virtual_camera(plane, 50.0), virtual_camera(plane, 50.0, seen[None])
    np.testing.assert_allclose(half.scale, whole.scale, rtol=1e-3)
    np.testing.assert_allclose(whole.scale, 0.002 * sum(lengths.values()) / 3.0, rtol=1e-3)
