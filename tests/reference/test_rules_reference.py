"""Rules of protocols in absolute numbers: spaces, roots, cuts, missing frames and keypoints."""

import numpy as np

from prml.camera import Camera
from prml.evaluation.predictor import image_to_metres
from prml.evaluation.protocols.rules import (
    CameraSpace,
    CutWindows,
    FrameRule,
    ImageSpace,
    KeypointsFilled,
    RootRule,
    WholeVideo,
)
from prml.sequence import GroundTruth, PoseSequence
from prml.skeleton import H36M17

NAN = float("nan")
CAMERA = Camera(2000, 1000, 1000.0, 1000.0, 1000.0, 500.0)


def test_camera_space_is_metres_from_the_root_and_pixels_at_the_true_root():
    joints = np.zeros((1, 17, 3))
    joints[0, 0], joints[0, 1] = (1, 0, 4), (1, 1, 5)
    sequence = PoseSequence.regular(1, 50, H36M17, joints_m=joints, camera=CAMERA)
    target = CameraSpace().target(sequence)
    np.testing.assert_allclose(target[0, :2], [(0, 0, 0), (0, 1, 1)])
    np.testing.assert_allclose(CameraSpace().image(target, sequence)[0, :2], [(1250, 500), (1200, 700)])


def _image_space():
    label = np.zeros((1, 17, 3))
    label[0, 0], label[0, 1] = (100, 200, 0), (350, 100, 50)
    return PoseSequence.regular(
        1,
        50,
        H36M17,
        camera=CAMERA,
        keypoints_px=label[..., :2] + [10, 0] * np.eye(17)[None, :, 1:2],
        truth=GroundTruth(joints_25d_mm=label * 4, joints_image_px=label),
        mm_per_px=np.array([4.0]),
    )


def test_image_space_is_four_millimetres_a_pixel():
    """250 right, 100 up and 50 deep in pixels, 4 mm each: (1, -0.4, 0.2) m; and back to the pixels of the label."""
    sequence = _image_space()
    target = ImageSpace().target(sequence)
    np.testing.assert_allclose(target[0, 1], (1.0, -0.4, 0.2))
    np.testing.assert_allclose(ImageSpace().image(target, sequence)[0, 1], (350, 100))
    np.testing.assert_allclose(ImageSpace().prediction(target + 1, sequence)[0, 1], (2, 0.6, 1.2))
    np.testing.assert_allclose(ImageSpace(True).prediction(target + 1, sequence)[0, 1], (1.04, -0.4, 1.2))


def test_image_units_become_metres():
    """A unit is half of 2000 pixels; at 4 mm each that is 4 m."""
    joints = np.full((1, 17, 3), 0.5)
    np.testing.assert_allclose(image_to_metres(joints, _image_space()), 2.0)


def test_roots_by_hand():
    joints = np.zeros((1, 17, 3))
    joints[0, 0], joints[0, 1] = (0.1, 0, 0), (0.5, 0, 0)
    left = {kind: RootRule(kind).apply(joints, 0)[0, :2, 0].tolist() for kind in ("zero", "own", "subtract")}
    assert left == {"zero": [0, 0.5], "own": [0.1, 0.5], "subtract": [0, 0.4]}


def test_cuts_by_hand():
    def cuts(rule, frames, window=10):
        return [(c.start, c.stop) for c in rule.cuts(frames, window)]

    assert cuts(WholeVideo(), 25) == [(0, 25)]
    assert cuts(CutWindows("drop"), 25) == [(0, 10), (10, 20)]
    assert cuts(CutWindows("last"), 25) == [(0, 10), (10, 20), (15, 25)]
    assert cuts(CutWindows("last"), 20) == [(0, 10), (10, 20)]
    assert cuts(CutWindows("last", 16), 25) == [(0, 16), (9, 25)]
    assert cuts(CutWindows("drop"), 7) == [(0, 7)]


def test_frames_by_hand():
    valid = np.array([True, False, True, True])
    sequence = PoseSequence.regular(
        4,
        50,
        H36M17,
        joints_m=np.arange(204.0).reshape(4, 17, 3),
        valid=valid,
        has_person=np.array([True, True, False, True]),
    )
    kept = FrameRule("valid").select(sequence)
    np.testing.assert_allclose(kept.times_s, [0, 0.02, 0.04])
    np.testing.assert_array_equal(kept.joints_m, sequence.joints_m[[0, 2, 3]])
    assert FrameRule("score-valid").scored(sequence).tolist() == [0, 3]
    assert FrameRule("all").scored(sequence) is None


def test_missing_keypoints_are_interpolated_with_no_confidence():
    px = np.zeros((4, 17, 2))
    px[:, 5, 0] = (0, NAN, NAN, 30)
    filled = KeypointsFilled("2D").apply(PoseSequence.regular(4, 50, H36M17, keypoints_px=px))
    np.testing.assert_allclose(filled.keypoints_px[:, 5, 0], (0, 10, 20, 30))
    np.testing.assert_array_equal(filled.confidence[:, 5], (1, 0, 0, 1))
