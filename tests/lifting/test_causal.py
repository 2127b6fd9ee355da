"""Lifting frame by frame: what comes later than the latency changes nothing."""

import numpy as np
import pytest

from fixtures.detections import FPS, HEIGHT, WIDTH, seen
from prml.camera import Camera
from prml.detect.base import Detection
from prml.errors import PrmlError
from prml.lifting.causal import CausalLifter
from prml.lifting.lifter import load
from prml.skeleton import BLAZEPOSE33

CAMERA = Camera.from_fov(WIDTH, HEIGHT)
FRAMES = 24


@pytest.fixture(scope="module")
def lifter():
    return load("prml-xs", flip=False)


@pytest.fixture(scope="module")
def people():
    given = seen("blazepose33", FRAMES, gap=False)
    points, sure = np.asarray(given.keypoints_px), np.asarray(given.confidence)
    return [(k / FPS, Detection(points[k], sure[k])) for k in range(FRAMES)]


def run(lifter, people, latency):
    """Frames that come out, with the number of frames that had gone in by then."""
    causal, out = CausalLifter(lifter, BLAZEPOSE33, CAMERA, latency), []
    for count, (time_s, person) in enumerate(people, 1):
        causal.add(time_s, person)
        out += [(frame, count) for frame in causal.ready()]
    return out + [(frame, len(people)) for frame in causal.ready(latency=0)]


@pytest.mark.parametrize("latency", [0, 3])
def test_every_frame_comes_once_in_order_and_waits_for_so_many(lifter, people, latency):
    short = people[:8]
    out = run(lifter, short, latency)
    assert [frame.index for frame, _ in out] == list(range(8))
    assert [count for _, count in out] == [min(k + 1 + latency, 8) for k in range(8)]
    assert all(frame.joints_m.shape == frame.std_m.shape == (17, 3) for frame, _ in out)
    assert all(frame.keypoints_px.shape == (17, 2) for frame, _ in out)


def test_a_later_future_changes_nothing(lifter, people):
    other = [(t, p if k < 8 else Detection(p.keypoints_px + 30, p.confidence)) for k, (t, p) in enumerate(people)]
    one, two = run(lifter, people[:10], 2), run(lifter, other[:10], 2)
    for k in range(6):
        np.testing.assert_array_equal(one[k][0].joints_m, two[k][0].joints_m)
    assert np.abs(one[6][0].joints_m - two[6][0].joints_m).max() > 1e-4  # frame 8 is two later


def test_waiting_brings_a_pose_nearer_to_that_of_the_whole_clip(lifter, people):
    whole = lifter.lift(seen("blazepose33", FRAMES, gap=False).with_(camera=CAMERA)).joints_m
    errors = []
    for latency in (0, 10):
        found = np.stack([frame.joints_m for frame, _ in run(lifter, people, latency)])
        errors.append(np.linalg.norm(found - whole, axis=-1)[4 : FRAMES - 10].mean())
    assert errors[1] < 0.8 * errors[0]


def test_several_frames_share_one_window(lifter, people, monkeypatch):
    calls = []
    predict = lifter.predict
    monkeypatch.setattr(lifter, "predict", lambda windows: calls.append(len(windows)) or predict(windows))
    causal = CausalLifter(lifter, BLAZEPOSE33, CAMERA, 1)
    for time_s, person in people[:5]:
        causal.add(time_s, person)
    out = causal.ready()
    assert [frame.index for frame in out] == [0, 1, 2, 3]
    assert all(frame.joints_m is not None for frame in out)
    assert calls == [1]
    assert causal.ready() == []


def test_after_a_gap_it_starts_afresh(lifter, people):
    gap = [(t, None if 4 <= k < 16 else p) for k, (t, p) in enumerate(people)]
    out = [frame for frame, _ in run(lifter, gap, 0)]
    assert [frame.joints_m is None for frame in out] == [4 <= k < 16 for k in range(FRAMES)]
    fresh = [frame for frame, _ in run(lifter, people[16:], 0)]
    for one, other in zip(out[16:], fresh, strict=True):
        np.testing.assert_allclose(one.joints_m, other.joints_m, atol=1e-5)


def test_a_frame_without_enough_of_a_body_has_no_pose(lifter, people):
    time_s, person = people[0]
    causal = CausalLifter(lifter, BLAZEPOSE33, CAMERA)
    causal.add(time_s, Detection(np.full((33, 2), np.nan), np.zeros(33)))
    causal.add(people[1][0], person)
    lost, found = causal.ready()
    assert found.joints_m is not None
    assert (lost.index, found.index) == (0, 1)


@pytest.mark.parametrize("latency", [-1, 61])
def test_an_absurd_latency_is_refused(lifter, latency):
    with pytest.raises(PrmlError, match="latency must be between 0 and 60"):
        CausalLifter(lifter, BLAZEPOSE33, CAMERA, latency)
