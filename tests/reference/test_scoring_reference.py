"""Scores and protocols in absolute numbers: what is left out, what is averaged over what, units, joints and cuts."""

import numpy as np
import pytest
import torch

from prml.camera import Camera
from prml.evaluation.predictor import image_to_metres
from prml.evaluation.protocols.catalogue import get
from prml.evaluation.protocols.rules import (
    CameraSpace,
    CutWindows,
    FrameRule,
    ImageSpace,
    KeypointsFilled,
    RootRule,
    WholeVideo,
)
from prml.evaluation.scoring import JOINTS_3DHP, METRICS, Scored, Tally, scores, values_of
from prml.sequence import GroundTruth, PoseSequence
from prml.skeleton import H36M17
from prml.studies.robustness import (
    DroppedFrames,
    FieldOfView,
    FrameRate,
    GaussianNoise,
    MissingJoints,
    NoiseOfHeight,
    PortraitCrop,
)

NAN = float("nan")
CAMERA = Camera(2000, 1000, 1000.0, 1000.0, 1000.0, 500.0)


def test_frames_that_cannot_be_judged_are_left_out():
    """Of 10, NaN and 40 mm the mean is 25 mm over two frames; a frame with one NaN joint is none for the joints."""
    tally = Tally()
    joints = torch.tensor([[1.0, 3], [NAN, 100], [3, 5]])
    tally.add(["all"], {"reprojection": torch.tensor([10.0, NAN, 40]), "joints": joints})
    tally.add(["all"], {"reprojection": torch.tensor([NAN])})
    assert tally.mean("all", "reprojection") == pytest.approx(25)
    assert tally.counts["all"] == {"reprojection": 2, "joints": 2}
    np.testing.assert_allclose(tally.mean("all", "joints"), [2, 4])
    assert tally.mean("nobody", "reprojection") is None


def test_an_unseen_frame_does_not_spoil_the_score():
    """The second frame has no pixel: the error in the image is that of the first, 5 px, and no NaN."""
    zero = torch.zeros(2, 17, 3)
    px = torch.zeros(2, 17, 2)
    px[1] = NAN
    found = values_of(Scored(zero, zero, px + torch.tensor([3.0, 4]), px), ["reprojection"])
    tally = Tally(frames=2)
    tally.add(["all"], found)
    assert tally.mean("all", "reprojection") == pytest.approx(5)


@pytest.mark.parametrize(("over", "expected"), [("frames", 20.0), ("actions", 25.0)])
def test_averages_over_frames_and_over_actions(over, expected):
    """Walking: three frames of 10, 15 and 20 mm; Sitting: one of 35 mm. 80 / 4 or (15 + 35) / 2."""
    protocol = get("h36m-cpn" if over == "actions" else "mocap-gt")
    assert protocol.averaging.over == over
    tally = Tally(frames=4)
    for action, errors in (("Walking", [10.0, 15, 20]), ("Sitting", [35.0])):
        values = {name: torch.tensor(errors) for name in ("mpjpe", "x", "y", "z")}
        joints = torch.tensor(errors)[:, None].expand(-1, 17)
        tally.add(["all", f"action:{action}"], values | {"joints": joints})
    found = scores(tally, protocol)
    assert found.overall["mpjpe"] == pytest.approx(expected)
    assert found.per_joint["Hip"] == pytest.approx(expected)
    assert found.per_action["Walking"]["mpjpe"] == pytest.approx(15)


def test_the_joints_of_the_official_scripts():
    """3DHP: no pelvis (0), spine (7) and head (9); 3DPW: no Hip, Spine and Nose either."""
    assert JOINTS_3DHP == (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)
    assert get("3dpw").joints == JOINTS_3DHP
    assert get("h36m-cpn").joints == tuple(range(17))


def test_metrics_are_of_those_joints():
    """Hip, Spine and Nose are a metre off and one wrist 100 mm: PCK 100 %, AUC of 14 joints, MPJPE of all 17."""
    prediction, target = torch.zeros(1, 17, 3), torch.zeros(1, 17, 3)
    prediction[0, [0, 7, 9], 0], prediction[0, 16, 2] = 1.0, -0.1
    found = values_of(Scored(prediction, target), METRICS)
    assert found["pck"].item() == 100
    assert found["auc"].item() == pytest.approx(100 * (13 * 30 + 10) / 14 / 31)
    assert found["mpjpe"].item() == pytest.approx(3100 / 17)
    assert [found[a].item() for a in "xyz"] == pytest.approx([3000 / 17, 0, 100 / 17], abs=1e-4)
    chosen = values_of(Scored(prediction, target, joints=JOINTS_3DHP), ["mpjpe"])
    assert chosen["mpjpe"].item() == pytest.approx(100 / 14)


@pytest.mark.parametrize(
    ("metric", "unit"),
    [("mpjpe", "mm"), ("velocity", "mm/frame"), ("acceleration", "mm/frame²"), ("pck", "%"), ("reprojection", "px")],
)
def test_units_of_the_tables(metric, unit):
    assert METRICS[metric].unit == unit
    assert METRICS[metric].higher_is_better == (unit == "%")


# ----------------------------------------------------------------------------------------------- spaces
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


# ------------------------------------------------------------------------------------------- robustness
def _tall(frames=2000):
    px = np.zeros((frames, 17, 2)) + [1000, 300]
    px[:, 3, 1] = 800  # 500 pixels tall
    return PoseSequence.regular(frames, 50, H36M17, keypoints_px=px, confidence=np.ones((frames, 17)), camera=CAMERA)


def test_noise_of_the_paper_is_in_thousandths_of_the_width():
    """5 px of a 1000 px wide image are 10 of 2000; 2 % of a person 500 px tall are 10 px."""
    for change in (GaussianNoise(5), NoiseOfHeight(2)):
        moved = change.apply(_tall()).keypoints_px - _tall().keypoints_px
        assert moved.std() == pytest.approx(10, rel=0.02)
        assert abs(moved.mean()) < 0.1


@pytest.mark.parametrize(("change", "share"), [(MissingJoints(20), 0.2), (DroppedFrames(30), 0.3)])
def test_the_stated_share_is_lost_in_gaps_of_five_frames(change, share):
    lost = change.apply(_tall(6000)).confidence == 0
    assert lost.mean() == pytest.approx(share, rel=0.12)
    tracks = lost if isinstance(change, MissingJoints) else lost[:, :1]
    gaps = (np.diff(tracks.astype(int), axis=0, prepend=0) > 0).sum()
    assert tracks.sum() / gaps == pytest.approx(5, rel=0.12)


def test_a_quarter_of_the_frames():
    kept = FrameRate(4).apply(_tall(10))
    assert (len(kept), kept.fps) == (3, 12.5)
    np.testing.assert_allclose(kept.times_s, [0, 0.08, 0.16])


def test_another_lens_by_hand():
    """From 90 to 53.13 degrees over 2000 pixels the focal length doubles to 2000, and so does the distance."""
    joints = np.zeros((1, 17, 3)) + [0.5, 0, 4]
    joints[0, 1] = (0.5, 0, 5)
    sequence = PoseSequence.regular(
        1, 50, H36M17, joints_m=joints, camera=CAMERA, keypoints_px=CAMERA.project(joints) + 3
    )
    moved = FieldOfView(2 * np.degrees(np.arctan(0.5))).apply(sequence)
    assert moved.camera.fx == pytest.approx(2000)
    np.testing.assert_allclose(moved.joints_m[0, :2], [(0.5, 0, 8), (0.5, 0, 9)])
    np.testing.assert_allclose(moved.keypoints_px[0, :2, 0], [1128, 1000 + 1000 / 9 + 3])


def test_a_portrait_stripe_by_hand():
    """Full height of 1000, 562 or so wide, around the median keypoint at 1000: from 719 on."""
    cut = PortraitCrop(0.5625).apply(_tall(3))
    assert (cut.camera.width, cut.camera.height, cut.camera.cx) == (562, 1000, 1000 - 719)
    np.testing.assert_allclose(cut.keypoints_px[0, 0], (281, 300))
