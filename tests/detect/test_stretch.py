"""Stretches of a video that are followed at the same time: the joined track is that of one process."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fixtures.boxes import BOXES, POINTS
from fixtures.outside import outside_package
from fixtures.videos import encode
from prml.detect import pool as pools
from prml.detect import run as runs
from prml.detect import stretch as stretches
from prml.detect.between import interpolated
from prml.detect.quality import every_of, model_of
from prml.detect.registry import get_detector
from prml.detect.run import detect
from prml.detect.stretch import MAX_FRAMES, MIN_FRAMES, plan
from prml.errors import PrmlError
from prml.media.write import VideoWriter
from prml.pipeline.checkpoint import TrackFile

SHORT = 40  # frames of the shortest stretch here
FRAMES = 3 * SHORT + 10


@pytest.fixture
def boxes(tmp_path, monkeypatch):
    monkeypatch.setattr(stretches, "MIN_FRAMES", SHORT)
    outside_package(monkeypatch, tmp_path, BOXES, POINTS)


@pytest.fixture
def started(monkeypatch):
    """The processes that were started."""
    processes = []
    start = pools.Pool._start

    def noted(self):
        start(self)
        processes.append(self._processes[-1].process)

    monkeypatch.setattr(pools.Pool, "_start", noted)
    return processes


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "box.mp4"
    return _drawn(path, lambda index: [(10 + index // 3, 30, 16, 60, (220, 220, 220))])


def _drawn(path, boxes_of, frames=FRAMES):
    """A video of bright boxes: ``boxes_of(frame)`` gives (left, top, width, height, colour) of each."""
    with VideoWriter(path, 160, 120, 25.0) as writer:
        for index in range(frames):
            picture = np.full((120, 160, 3), 20, np.uint8)
            for left, top, width, height, colour in boxes_of(index):
                picture[top : top + height, left : left + width] = colour
            writer.write(picture, index / 25)
    return path


@pytest.mark.parametrize("frames", [0, 1, 239, 240, 600, 3601, 100_000])
@pytest.mark.parametrize(("jobs", "every"), [(1, 1), (2, 1), (7, 1), (3, 4)])
def test_a_plan_covers_every_frame_once(frames, jobs, every):
    parts = plan(frames, 30.0, jobs, every=every)
    assert parts[0].first == parts[0].warm == 0
    assert [one.number for one in parts] == list(range(len(parts)))
    assert parts[-1].stop is None
    for one, after in pairwise(parts):
        assert one.stop == after.first
        assert one.warm <= one.first <= after.warm < after.first
        assert after.warm % every == (after.first - 1) % every == 0
    if len(parts) > 1:
        lengths = np.diff([*(one.first for one in parts), frames])
        assert MIN_FRAMES - every < lengths.min() <= lengths.max() < MAX_FRAMES + every
        assert lengths.max() - lengths.min() <= 2 * every - 1
        assert jobs > 1
    assert len(parts) >= min(jobs, frames // MIN_FRAMES)
    assert [one.first for one in plan(None, 30.0, jobs, 50)] == [50]


def test_three_processes_give_what_one_gives(boxes, clip, started):
    progress, people = [], []
    alone = detect(clip, "boxes")
    joined = detect(
        clip,
        "boxes",
        jobs=3,
        progress=lambda done, total: progress.append((done, total)),
        on_person=lambda time_s, person: people.append(time_s),
    )
    assert len(started) == 2
    np.testing.assert_array_equal(joined.times_s, alone.times_s)
    np.testing.assert_allclose(joined.keypoints_px, alone.keypoints_px, atol=1e-9)
    np.testing.assert_array_equal(joined.confidence, alone.confidence)
    assert joined.detection.events == alone.detection.events
    assert people == alone.times_s.tolist()
    assert progress[-1] == (FRAMES, FRAMES)
    assert progress == sorted(progress)
    assert all(process.poll() is not None for process in started)


def test_uneven_times_and_a_cut_are_those_of_one_process(boxes, tmp_path, started):
    """The box jumps to another place in the middle of the second stretch, as after a cut."""
    ticks = np.cumsum([20 + 30 * (n % 3) for n in range(FRAMES)]).tolist()
    images = np.full((FRAMES, 96, 128, 3), 20, np.uint8)
    for number, image in enumerate(images):
        left = 10 + number // 4 if number < 95 else 90
        image[20:80, left : left + 16] = 220
    path = encode(tmp_path / "uneven.mp4", "libx264", images, ticks=ticks, g=50, bf=2)
    alone, joined = detect(path, "boxes"), detect(path, "boxes", jobs=2)
    assert len(started) == 1
    np.testing.assert_array_equal(joined.times_s, alone.times_s)
    np.testing.assert_allclose(joined.keypoints_px, alone.keypoints_px, atol=1e-9)
    assert joined.detection.events == alone.detection.events


def test_what_begins_with_somebody_else_is_followed_again(boxes, tmp_path, started, monkeypatch):
    """Where the second stretch begins, only somebody in other colours is in the picture, who is not followed."""
    taken = []
    joins = runs.joins
    monkeypatch.setattr(runs, "joins", lambda *args: taken.append(joins(*args)) or taken[-1])

    def boxes_of(index):
        one, other = (10 + index // 3, 30, 16, 60, (250, 150, 150)), (100, 20, 25, 95, (150, 150, 250))
        return [other] if 55 < index < 85 else [one]

    path = _drawn(tmp_path / "two.mp4", boxes_of)
    alone, joined = detect(path, "boxes"), detect(path, "boxes", jobs=2)
    assert taken == [False]
    assert 0 < alone.has_person.sum() < FRAMES
    np.testing.assert_array_equal(joined.has_person, alone.has_person)
    np.testing.assert_allclose(joined.keypoints_px, alone.keypoints_px, atol=1e-9)
    assert joined.detection.events == alone.detection.events


def test_a_person_who_is_away_where_a_stretch_begins_is_found_as_by_one_process(boxes, tmp_path, started):
    def boxes_of(index):
        return [] if 50 < index < 95 else [(10 + index // 3, 30, 16, 60, (250, 180, 180))]

    path = _drawn(tmp_path / "away.mp4", boxes_of)
    alone, joined = detect(path, "boxes"), detect(path, "boxes", jobs=2)
    assert [event.kind for event in alone.detection.events] == ["lost", "found again"]
    np.testing.assert_array_equal(joined.times_s, alone.times_s)
    apart = joined.has_person != alone.has_person
    assert apart.sum() <= 13  # a search every half second
    both = joined.has_person & alone.has_person
    np.testing.assert_allclose(joined.keypoints_px[both], alone.keypoints_px[both], atol=1e-9)
    assert [event.kind for event in joined.detection.events] == ["lost", "found again"]


def test_the_stretch_of_a_killed_process_is_done_again(boxes, clip, started, monkeypatch):
    seek = pools.Pool.seek

    def killed(self, sought):
        seek(self, sought)
        if started[0].poll() is None:
            started[0].kill()
            started[0].wait()

    monkeypatch.setattr(pools.Pool, "seek", killed)
    joined = detect(clip, "boxes", jobs=3)
    np.testing.assert_allclose(joined.keypoints_px, detect(clip, "boxes").keypoints_px, atol=1e-9)


def test_every_third_frame_and_what_lies_between(boxes, tmp_path, started):
    """A box that moves evenly is where it would be in every frame; three processes agree with one."""
    path = _drawn(tmp_path / "even.mp4", lambda index: [(10 + index, 30, 16, 60, (220, 220, 220))], 130)
    alone, joined = detect(path, "boxes", every=3), detect(path, "boxes", every=3, jobs=3)
    assert len(started) == 2
    whole = detect(path, "boxes")
    assert len(alone) == 130
    np.testing.assert_array_equal(alone.times_s, whole.times_s)
    np.testing.assert_allclose(alone.keypoints_px, whole.keypoints_px, atol=0.75)  # the box lies on whole pixels
    np.testing.assert_allclose(joined.keypoints_px, alone.keypoints_px, atol=1e-9)
    assert joined.has_person.all()
    assert not joined.filled.any()


def test_nobody_stands_between_somebody_and_nobody():
    points, there = np.arange(4.0).reshape(4, 1, 1) * np.ones((4, 1, 2)), np.array([True, True, False, True])
    times = np.array([0, 1, 2, 4, 5, 6, 7, 8]) / 25
    mixed, sure, present = interpolated(points, np.ones((4, 1)), there, times, 2)
    assert present.tolist() == [True, True, True, False, False, False, True, True]
    np.testing.assert_allclose(mixed[present, 0, 0], [0, 0.5, 1, 3, 3])
    assert np.isnan(mixed[~present]).all()
    assert sure[:, 0].tolist() == present.tolist()
    assert not interpolated(points, np.ones((4, 1)), there, 100 * times, 2)[2][1]  # too long apart


def test_a_quality_says_which_model_looks_how_often():
    kind = get_detector()
    assert [every_of("fast", fps) for fps in (10, 15, 25, 30, 50, 60, 240)] == [1, 1, 2, 2, 3, 4, 16]
    assert every_of("balanced", 60) == every_of("best", 60) == 1
    assert model_of("fast", kind, "x.task") == "x.task"
    assert model_of("fast", kind, None) is model_of("balanced", kind, None) is None
    assert model_of("best", kind, "x.task") == "x.task"
    with pytest.raises(PrmlError, match=r"quality=best needs .*: give model=\.\.\. \(PATH/pose_landmarker_heavy"):
        model_of("best", kind, None)


@pytest.mark.parametrize("late", [False, True])
def test_after_an_interruption_no_process_is_left_and_the_next_run_goes_on(boxes, clip, started, tmp_path, late):
    def stop(time_s, person):
        if time_s > (2 * SHORT + 5 if late else 10) / 25:
            raise KeyboardInterrupt

    keeper = TrackFile(tmp_path / "track.npz", {"any": "thing"})
    with pytest.raises(KeyboardInterrupt):
        detect(clip, "boxes", jobs=3, on_person=stop, keeper=keeper)
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
    kept = len(keeper.load().track)
    assert kept > 2 * SHORT if late else kept < SHORT
    joined = detect(clip, "boxes", jobs=3, keeper=keeper)
    np.testing.assert_allclose(joined.keypoints_px, detect(clip, "boxes").keypoints_px, atol=1e-9)
    assert keeper.load().complete


def test_processes_end_with_a_parent_that_is_killed(boxes, clip, tmp_path):
    code = f"""
import os, signal, sys
sys.path[:] = {sys.path!r}
from prml.detect import pool, stretch
stretch.MIN_FRAMES = {SHORT}
from prml.detect.run import detect
pids = []
start = pool.Pool._start
pool.Pool._start = lambda self: (start(self), pids.append(self._processes[-1].process.pid))
def stop(done, total):
    if done > 10:
        print(*pids, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
detect({str(clip)!r}, "boxes", jobs=3, progress=stop)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids, deadline = [int(pid) for pid in done.stdout.split()], time.monotonic() + 20
    assert len(pids) == 2
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "zombie" in status.read_text())


def test_a_detector_object_a_short_video_and_a_raw_stream_take_one_process(boxes, clip, tmp_path, started):
    still = lambda index: [(50, 30, 16, 60, (220, 220, 220))]  # noqa: E731
    assert len(detect(clip, get_detector("boxes").open(None), jobs=4)) == FRAMES
    assert len(detect(_drawn(tmp_path / "short.mp4", still, 2 * SHORT - 1), "boxes", jobs=4)) == 2 * SHORT - 1
    images = np.full((2 * SHORT, 120, 160, 3), 20, np.uint8)
    images[:, 20:100, 50:80] = 220
    raw = encode(tmp_path / "raw.h264", "libx264", images)
    assert len(detect(raw, "boxes", jobs=4)) == len(images)
    assert started == []
