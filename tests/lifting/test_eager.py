"""Lifting while the detector works changes when the work is done, not what comes out."""

from threading import Event

import numpy as np
import pytest

from prml.camera import Camera
from prml.detect.base import Detection
from prml.filters.repair import fill_gaps, mend_exchanges
from prml.lifting.eager import Ahead, Remembered, can_work_ahead, lifting_ahead
from prml.lifting.lifter import load
from prml.sequence import PoseSequence
from prml.skeleton import BLAZEPOSE33

CAMERA = Camera.from_fov(640, 480)


@pytest.fixture(scope="module")
def lifter():
    return load("prml-xs", flip=False)


def finds(frames, fps=30.0, missing=()):
    """What a detector sees of somebody who sways: (time, person or None) of every frame."""
    rng = np.random.default_rng(0)
    body = rng.uniform((250, 100), (390, 400), (33, 2))
    for index in range(frames):
        sway = 20 * np.sin(index / 15 + np.arange(33)[:, None] / 9)
        person = Detection(body + sway + rng.normal(size=(33, 2)), rng.uniform(0.5, 1, 33))
        yield index / fps, None if index in missing else person


def as_detected(found):
    """The sequence that ``detect`` makes of it."""
    times = np.array([time_s for time_s, _ in found])
    seen = np.array([person is not None for _, person in found])
    points = np.stack([np.full((33, 2), np.nan) if p is None else p.keypoints_px for _, p in found])
    confidence = np.stack([np.zeros(33) if p is None else p.confidence for _, p in found])
    points, confidence, filled = fill_gaps(points, confidence, seen, times)
    points, confidence, _ = mend_exchanges(points, confidence, seen | filled, BLAZEPOSE33)
    return PoseSequence(BLAZEPOSE33, times, keypoints_px=points, confidence=confidence, camera=CAMERA)


def lift_remembering(lifter, ahead, found):
    """The clip lifted with what was computed ahead."""
    lifter.remembered = ahead.remembered
    try:
        return lifter.lift(as_detected(found))
    finally:
        lifter.remembered = None


@pytest.mark.parametrize("missing", [(), (50, 51), range(90, 120)], ids=["seen throughout", "short gap", "long gap"])
def test_the_result_is_the_same_and_most_of_it_was_ready(lifter, missing):
    found = list(finds(270, missing=set(missing)))
    plain = lifter.lift(as_detected(found))
    ahead = Ahead(lifter, BLAZEPOSE33, CAMERA)
    for index, (time_s, person) in enumerate(found):
        ahead.add(time_s, person)
        if index % 20 == 0:
            ahead.work()
    again = lift_remembering(lifter, ahead, found)
    assert np.allclose(again.joints_m, plain.joints_m, atol=1e-5, equal_nan=True)
    assert np.allclose(again.std_m, plain.std_m, atol=1e-5, equal_nan=True)
    assert ahead.remembered.hits > (0 if len(missing) > 7 else ahead.remembered.misses)


def test_wrong_guesses_are_not_used(lifter):
    found = list(finds(200))
    ahead = Ahead(lifter, BLAZEPOSE33, CAMERA)
    for time_s, person in found:
        ahead.add(time_s, Detection(person.keypoints_px + 5.0 * np.sin(time_s), person.confidence))
    ahead.work()
    again = lift_remembering(lifter, ahead, found)
    assert ahead.remembered.hits == 0
    assert np.allclose(again.joints_m, lifter.lift(as_detected(found)).joints_m, atol=1e-5)


def test_answers_are_given_once_and_their_number_is_bounded():
    calls = []

    def predict(windows):
        calls.append(len(windows))
        return windows * 2

    remembered = Remembered(predict, most=2)
    windows = np.arange(12.0).reshape(3, 2, 2, 1)
    remembered.learn(windows[:2])
    assert remembered.full
    assert np.array_equal(remembered(windows), windows * 2)
    assert np.array_equal(remembered(windows), windows * 2)
    assert calls == [2, 1, 3]
    assert (remembered.hits, remembered.misses) == (2, 4)


def test_the_thread_ends_and_tells_what_went_wrong(lifter, monkeypatch):
    with lifting_ahead(lifter, BLAZEPOSE33, CAMERA) as tell:
        for time_s, person in finds(120):
            tell(time_s, person)
    assert lifter.remembered is not None
    lifter.remembered = None
    tried = Event()

    def fail(ahead):
        tried.set()
        raise ZeroDivisionError

    monkeypatch.setattr(Ahead, "work", fail)
    with pytest.raises(ZeroDivisionError), lifting_ahead(lifter, BLAZEPOSE33, CAMERA):
        tried.wait(10)
    assert lifter.remembered is None


def test_only_networks_of_whole_windows_that_look_near_work_ahead(lifter):
    assert can_work_ahead(lifter)
    other = load("prml-xs", flip=False)
    other.output = "last"
    assert not can_work_ahead(other)
