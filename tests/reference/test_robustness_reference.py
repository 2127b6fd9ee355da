"""Perturbations of the robustness study in absolute numbers: noise, gaps, frame rates, lenses, crops."""

import numpy as np
import pytest

from prml.camera import Camera
from prml.sequence import PoseSequence
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

CAMERA = Camera(2000, 1000, 1000.0, 1000.0, 1000.0, 500.0)


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
