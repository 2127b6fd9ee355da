"""Laws of PoseSequence, the currency of the system."""

import numpy as np
import pytest

from prml.camera import Camera, look_at
from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import BLAZEPOSE33, COCO17, H36M17, conversion


def _walk(frames=12, joints=17, seed=0):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(size=(frames, joints, 3)) * 0.02, 0) + rng.normal(size=(1, joints, 3)) * 0.4 + [0, 0, 1]


def _camera():
    R, t = look_at(np.array([4.0, 1.0, 1.5]), np.array([0.0, 0.0, 1.0]))
    return Camera(640, 480, 600.0, 600.0, 320.0, 240.0, R_world_to_camera=R, t_m=t)


def test_regular_times_are_evenly_spaced_from_zero():
    sequence = PoseSequence.regular(10, 25.0)
    np.testing.assert_allclose(sequence.times_s, np.arange(10) / 25)
    assert (len(sequence), sequence.fps, sequence.skeleton) == (10, 25.0, H36M17)


def test_relative_to_root_is_idempotent_and_forgets_the_place():
    joints = _walk()
    here = PoseSequence.regular(12, 50, joints_m=joints).relative_to_root()
    there = PoseSequence.regular(12, 50, joints_m=joints + [3, -2, 1]).relative_to_root()
    np.testing.assert_allclose(here.joints_m, there.joints_m, atol=1e-12)
    np.testing.assert_array_equal(here.joints_m[:, 0], 0)
    assert here.root_relative
    assert here.relative_to_root() is here


def test_in_camera_sees_what_the_camera_sees():
    camera, joints = _camera(), _walk()
    seen = PoseSequence.regular(12, 50, joints_m=joints, frame="world").in_camera(camera)
    assert (seen.frame, seen.camera) == ("camera", camera)
    np.testing.assert_allclose(camera.to_world(seen.joints_m), joints, atol=1e-12)
    np.testing.assert_allclose(seen.keypoints_px, camera.project(seen.joints_m))
    np.testing.assert_array_equal(seen.confidence, 1)


def test_a_change_makes_a_copy_and_leaves_the_original():
    first = PoseSequence.regular(3, 30, name="a")
    second = first.with_(name="b")
    assert (first.name, second.name) == ("a", "b")


def test_another_skeleton_converts_every_array_alike():
    rng = np.random.default_rng(1)
    pixels, confidence = rng.uniform(0, 500, (6, 33, 2)), rng.uniform(0, 1, (6, 33))
    sequence = PoseSequence.regular(6, 30, BLAZEPOSE33, keypoints_px=pixels, confidence=confidence).to_skeleton(H36M17)
    table = conversion(BLAZEPOSE33, H36M17)
    np.testing.assert_allclose(sequence.keypoints_px, table.apply(pixels))
    np.testing.assert_allclose(sequence.confidence, table.apply_confidence(confidence))
    assert sequence.skeleton is H36M17


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"keypoints_px": np.zeros((4, 17, 2))},
            r"keypoints_px of h36m17 over 5 frames must be \(5, 17, 2\), got \(4,",
        ),
        ({"joints_m": np.zeros((5, 16, 3))}, r"joints_m .* must be \(5, 17, 3\), got \(5, 16, 3\)"),
        ({"confidence": np.zeros((5, 17, 1))}, r"confidence .* must be \(5, 17\)"),
        ({"has_person": np.ones(6, bool)}, r"has_person .* must be \(5,\), got \(6,\)"),
    ],
)
@pytest.mark.misfit
def test_arrays_that_do_not_fit_are_named(fields, message):
    with pytest.raises(PrmlError, match=message):
        PoseSequence.regular(5, 50, **fields)


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "NaN where keypoints_px is not"), (50.0, "between 0 and 1, got 50; divide percent")]
)
def test_confidence_is_checked(value, message):
    points, confidence = np.zeros((5, 17, 2)), np.full((5, 17), 0.5)
    confidence[2, 3] = value
    with pytest.raises(PrmlError, match=message):
        PoseSequence.regular(5, 50, keypoints_px=points, confidence=confidence)
    points[2, 3], confidence[2, 3] = np.nan, np.nan
    PoseSequence.regular(5, 50, keypoints_px=points, confidence=confidence)


@pytest.mark.parametrize("fps", [0.0, -25.0, float("nan"), float("inf")])
def test_an_absurd_frame_rate_is_refused(fps):
    with pytest.raises(PrmlError, match="frame rate must be positive"):
        PoseSequence.regular(5, fps)
    with pytest.raises(PrmlError, match="frame rate must be positive"):
        PoseSequence(H36M17, np.arange(5.0), fps=fps)


@pytest.mark.parametrize("times", [[0, 1, 1], [0, 2, 1], [0, float("nan"), 1]])
def test_time_must_go_on(times):
    with pytest.raises(PrmlError, match="times_s must increase"):
        PoseSequence(H36M17, np.array(times, dtype=float))


def test_in_camera_wants_absolute_world_joints():
    for sequence in (
        PoseSequence.regular(2, 50),
        PoseSequence.regular(2, 50, joints_m=np.zeros((2, 17, 3)), frame="camera"),
        PoseSequence.regular(2, 50, joints_m=np.zeros((2, 17, 3)), frame="world").relative_to_root(),
    ):
        with pytest.raises(PrmlError, match="absolute joints in the world frame"):
            sequence.in_camera(_camera())


def test_no_conversion_is_said_so():
    with pytest.raises(PrmlError, match="no conversion from h36m17 to coco17"):
        PoseSequence.regular(2, 50).to_skeleton(COCO17)
