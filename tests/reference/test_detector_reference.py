"""Requests to MediaPipe and the interpretation of its results: thresholds, pixels, confidence, milliseconds."""

from types import SimpleNamespace

import numpy as np
import pytest

from prml.detect.mediapipe import MediaPipeDetector


class FakeLandmarker:
    """Returns one person and records the given times."""

    def __init__(self, options):
        self.options, self.times_ms = options, []

    def _answer(self):
        landmarks = [SimpleNamespace(x=0.5, y=0.25, visibility=0.8, presence=0.5) for _ in range(33)]
        landmarks[1] = SimpleNamespace(x=-0.1, y=1.2, visibility=1.5, presence=1.0)
        landmarks[2] = SimpleNamespace(x=0.0, y=0.0, visibility=-0.5, presence=1.0)
        return SimpleNamespace(pose_landmarks=[landmarks])

    def detect_for_video(self, frame, timestamp_ms):
        self.times_ms.append(timestamp_ms)
        return self._answer()

    def detect(self, frame):
        return self._answer()

    def close(self):
        pass


@pytest.fixture
def made(monkeypatch):
    vision = pytest.importorskip("mediapipe.tasks.python.vision")
    created = []

    def create(options):
        created.append(FakeLandmarker(options))
        return created[-1]

    monkeypatch.setattr(vision.PoseLandmarker, "create_from_options", create)
    return created


IMAGE = np.zeros((200, 400, 3), np.uint8)


def test_landmarks_become_pixels_and_visibility_times_presence(made):
    """(0.5, 0.25) of 400 x 200 is (200, 50); 0.8 visible and 0.5 present are 0.4; never below 0 or above 1."""
    with MediaPipeDetector("lite") as detector:
        for people in (detector(IMAGE, 0.0), detector.search(IMAGE)):
            np.testing.assert_allclose(people[0].keypoints_px[:3], [(200, 50), (-40, 240), (0, 0)])
            np.testing.assert_allclose(people[0].confidence[:3], [0.4, 1, 0])


def test_thresholds_are_one_half(made):
    with MediaPipeDetector("lite") as detector:
        detector.search(IMAGE)
    followed, searched = (landmarker.options for landmarker in made)
    for options in (followed, searched):
        assert options.min_pose_detection_confidence == 0.5
        assert options.min_pose_presence_confidence == 0.5
        assert options.min_tracking_confidence == 0.5
    assert (followed.num_poses, searched.num_poses) == (1, 4)
    assert (followed.running_mode.name, searched.running_mode.name) == ("VIDEO", "IMAGE")


def test_a_threshold_is_handed_on(made):
    MediaPipeDetector("lite", people=2, min_confidence=0.3).close()
    options = made[0].options
    assert options.num_poses == 2
    found = (
        options.min_pose_detection_confidence,
        options.min_pose_presence_confidence,
        options.min_tracking_confidence,
    )
    assert found == (0.3, 0.3, 0.3)


def test_times_are_whole_increasing_milliseconds(made):
    with MediaPipeDetector("lite") as detector:
        for time_s in (0.0, 0.0334, 0.0335, 1.0):
            detector(IMAGE, time_s)
    assert made[0].times_ms == [0, 33, 34, 1000]
