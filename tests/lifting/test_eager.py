"""Lifting while the detector runs changes when the work is done, not the result."""

from threading import Event

import numpy as np
import pytest

from prml.camera import Camera
from prml.detect.base import Detection
from prml.errors import PrmlError
from prml.filters.repair import fill_gaps, repair_swaps
from prml.lifting.eager import EagerLifter, can_lift_eagerly, lifting_eagerly
from prml.lifting.lifter import load
from prml.lifting.prediction_cache import PredictionCache
from prml.sequence import PoseSequence
from prml.skeleton import BLAZEPOSE33

CAMERA = Camera.from_fov(640, 480)


@pytest.fixture(scope="module")
def lifter():
    return load("prml-xs", flip=False)


def finds(frames, fps=30.0, missing=()):
    """Detections of somebody who sways: (time, person or None) per frame."""
    rng = np.random.default_rng(0)
    body = rng.uniform((250, 100), (390, 400), (33, 2))
    for index in range(frames):
        sway = 20 * np.sin(index / 15 + np.arange(33)[:, None] / 9)
        person = Detection(body + sway + rng.normal(size=(33, 2)), rng.uniform(0.5, 1, 33))
        yield index / fps, None if index in missing else person


def as_detected(found):
    """The sequence that ``detect`` makes from it."""
    times = np.array([time_s for time_s, _ in found])
    seen = np.array([person is not None for _, person in found])
    points = np.stack([np.full((33, 2), np.nan) if p is None else p.keypoints_px for _, p in found])
    confidence = np.stack([np.zeros(33) if p is None else p.confidence for _, p in found])
    points, confidence, filled = fill_gaps(points, confidence, seen, times)
    points, confidence, _ = repair_swaps(points, confidence, seen | filled, BLAZEPOSE33, times)
    return PoseSequence(BLAZEPOSE33, times, keypoints_px=points, confidence=confidence, camera=CAMERA)


@pytest.mark.parametrize("missing", [(), (50, 51), range(90, 120)], ids=["seen throughout", "short gap", "long gap"])
def test_the_result_is_the_same_and_most_of_it_was_ready(lifter, missing):
    found, cache = list(finds(270, missing=set(missing))), PredictionCache()
    plain = lifter.lift(as_detected(found))
    eager = EagerLifter(lifter, BLAZEPOSE33, CAMERA, cache)
    for index, (time_s, person) in enumerate(found):
        eager.add(time_s, person)
        if index % 20 == 0:
            eager.work()
    again = lifter.lift(as_detected(found), cache=cache)
    assert np.allclose(again.joints_m, plain.joints_m, atol=1e-5, equal_nan=True)
    assert np.allclose(again.std_m, plain.std_m, atol=1e-5, equal_nan=True)
    assert cache.hits > (0 if len(missing) > 7 else cache.misses)


def test_a_jump_of_the_times_begins_again(lifter):
    found = [(time_s + 580.0 * (index >= 150), person) for index, (time_s, person) in enumerate(finds(300))]
    cache = PredictionCache()
    eager = EagerLifter(lifter, BLAZEPOSE33, CAMERA, cache)
    for index, (time_s, person) in enumerate(found):
        eager.add(time_s, person)
        if index % 20 == 0:
            eager.work()
    again = lifter.lift(as_detected(found), cache=cache)
    assert np.allclose(again.joints_m, lifter.lift(as_detected(found)).joints_m, atol=1e-5)
    assert cache.hits > 0
    assert cache.hits + cache.misses < 2 * 300, "580 s of nothing are not lifted"


def test_people_of_the_past_are_forgotten(lifter):
    eager = EagerLifter(lifter, BLAZEPOSE33, CAMERA, PredictionCache())
    for index, (time_s, person) in enumerate(finds(600)):
        eager.add(time_s, person)
        if index % 20 == 0:
            eager.work()
    assert sum(person is not None for person in eager._people) < 300


def test_wrong_guesses_are_not_used(lifter):
    found, cache = list(finds(200)), PredictionCache()
    eager = EagerLifter(lifter, BLAZEPOSE33, CAMERA, cache)
    for time_s, person in found:
        eager.add(time_s, Detection(person.keypoints_px + 5.0 * np.sin(time_s), person.confidence))
    eager.work()
    again = lifter.lift(as_detected(found), cache=cache)
    assert cache.hits == 0
    assert np.allclose(again.joints_m, lifter.lift(as_detected(found)).joints_m, atol=1e-5)


def test_the_thread_ends_and_tells_what_went_wrong(lifter, monkeypatch):
    found, cache = list(finds(120)), PredictionCache()
    with lifting_eagerly(lambda: lifter, BLAZEPOSE33, CAMERA, cache) as tell:
        for time_s, person in found:
            tell(time_s, person)
    assert np.isfinite(lifter.lift(as_detected(found), cache=cache).joints_m).all()
    tried = Event()

    def fail(eager):
        tried.set()
        raise ZeroDivisionError

    monkeypatch.setattr(EagerLifter, "work", fail)

    def lift():
        with lifting_eagerly(lambda: lifter, BLAZEPOSE33, CAMERA, PredictionCache()) as tell:
            tell(*found[0])
            tried.wait(10)

    with pytest.raises(ZeroDivisionError):
        lift()


def test_the_lifter_is_opened_beside_the_detector_after_its_first_frame(lifter):
    opened = Event()

    def open_lifter():
        opened.set()
        return lifter

    with lifting_eagerly(open_lifter, BLAZEPOSE33, CAMERA, PredictionCache()) as tell:
        assert not opened.wait(0.2)
        tell(*next(iter(finds(1))))
        assert opened.wait(10)


def test_a_lifter_that_cannot_be_opened_stops_the_detector(lifter):
    def open_lifter():
        raise PrmlError("no such weights")

    def lift():
        with lifting_eagerly(open_lifter, BLAZEPOSE33, CAMERA, PredictionCache()) as tell:
            for time_s, person in finds(10_000):
                tell(time_s, person)
                Event().wait(0.01)
            raise AssertionError("it was told too late")

    with pytest.raises(PrmlError, match="no such weights"):
        lift()


def test_only_networks_of_whole_windows_that_look_near_lift_eagerly(lifter):
    assert can_lift_eagerly(lifter)
    other = load("prml-xs", flip=False)
    other.output = "last"
    assert not can_lift_eagerly(other)
