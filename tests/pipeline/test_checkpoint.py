"""An interrupted lift keeps its 2D track, and the next lift of the same input resumes from there."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.boxes import BOXES, POINTS, box_video
from fixtures.outside import outside_package
from prml.detect.base import Detection
from prml.detect.mediapipe import MediaPipeDetector
from prml.detect.run import detect
from prml.io.poses import read_poses
from prml.media.loop import loop_video
from prml.pipeline.checkpoint import TRACK, TrackFile, identity
from prml.pipeline.lift import lift
from prml.pipeline.settings import LiftSettings

CLIP = Path(__file__).parents[2] / "examples" / "jump.mp4"
# Detects as ever, and says when it has seen so many frames.
CODE = """
import sys
from prml.cli import entry
from prml.detect.run import _Run

tell, last = _Run._tell, int(sys.argv[2])

def said(self, frame):
    tell(self, frame)
    if frame == last:
        print("seen", flush=True)
        import time
        time.sleep(60)

_Run._tell = said
sys.argv = ["prml", "lift", sys.argv[1], "--out", *sys.argv[3:], "--weights", "prml-xs", "--no-overlay", "--no-viewer"]
entry()
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    loop_video(CLIP, path, 6.0)
    return path


@pytest.fixture(scope="module")
def undisturbed(clip):
    return lift(clip, model="lite", weights="prml-xs").sequence


class Stop(KeyboardInterrupt):
    pass


def _stopped_at(frames):
    def progress(stage, done, total):
        if stage == "detect" and done == frames:
            raise Stop

    return progress


def _stopped_by(number, clip, out, last, *words, code=CODE):
    """The output of a lift that receives a signal after the frame ``last``."""
    command = [sys.executable, "-c", code, str(clip), str(last), str(out), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout.readline() == "seen\n"
        process.send_signal(number)
        said = process.stdout.read()
    assert process.returncode in (128 + number, 130, -number)
    return " ".join(said.split())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_with_a_detector_without_memory_the_result_is_that_of_an_undisturbed_run(tmp_path, monkeypatch, number):
    """Our whole state is restored: the track, the followed person and their position, the events."""
    outside_package(monkeypatch, tmp_path, BOXES, POINTS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    clip, out, code = box_video(tmp_path / "box.mp4", 150), tmp_path / "out", CODE
    if number == signal.SIGKILL:
        often = "import prml.pipeline.checkpoint as c; c.EVERY_S = 0.0; c._SHARE = 1e9"
        code = CODE.replace("from prml.cli", f"{often}\nfrom prml.cli")
    said = _stopped_by(number, clip, out, 120, "--detector", "boxes", code=code)
    assert number == signal.SIGKILL or "the 2D of 121 frames is kept in" in said
    left = {p.name for p in out.iterdir()}
    assert TRACK in left
    assert number == signal.SIGKILL or left == {TRACK}
    shown, settings = [], {"detector": "boxes", "weights": "prml-xs", "overlay": False, "viewer": False}
    seen = lift(clip, out, warn=shown.append, **settings).sequence
    assert any(re.search(r"resuming box.mp4 after the 12\d frames", note) for note in shown)
    assert sorted(p.name for p in out.iterdir()) == [
        *("motion.bvh", "motion.glb", "motion.npz", "poses.json", "poses.npz")
    ]
    undisturbed = lift(clip, **settings).sequence
    for name in ("times_s", "keypoints_px", "confidence", "joints_m", "std_m", "has_person", "filled", "inferred"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(undisturbed, name), err_msg=name)


def test_mediapipe_starts_anew_and_is_as_good_afterwards(clip, tmp_path):
    """MediaPipe's state cannot be saved, so it restarts two seconds before the end of the saved track.

    Before the interruption all is the same; after it most joints are within a pixel or two of the undisturbed run's.
    """
    raw, again = [], []
    detect(clip, model="lite", on_person=lambda time_s, person: raw.append(person.keypoints_px))
    with pytest.raises(Stop):
        lift(clip, tmp_path / "out", model="lite", weights="prml-xs", progress=_stopped_at(120))
    track = _track(clip, tmp_path / "out")
    assert 0 < 120 - track.load().frame <= 2.5 * 30 + 1
    seen = detect(clip, model="lite", keeper=track, on_person=lambda time_s, person: again.append(person.keypoints_px))
    assert seen.has_person.all()
    apart = np.linalg.norm(np.array(raw) - np.array(again), axis=-1)
    assert apart[:120].max() == 0
    assert np.median(apart[120:]) < 3


def test_a_track_that_is_whole_is_not_detected_again(clip, undisturbed, tmp_path, monkeypatch):
    """Writing results failed, for example on a full disk; the next run only writes."""

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("prml.pipeline.lift.write_outputs", full)
        notes = []
        with pytest.raises(Exception, match="No space left"):
            lift(clip, tmp_path / "out", model="lite", weights="prml-xs", warn=notes.append)
    assert any("frames is kept in" in note for note in notes)
    monkeypatch.setattr(MediaPipeDetector, "landmarks", full)
    again = lift(clip, tmp_path / "out", model="lite", weights="prml-xs", overlay=False, viewer=False)
    np.testing.assert_array_equal(again.sequence.joints_m, undisturbed.joints_m)
    assert read_poses(tmp_path / "out/poses.npz").provenance["detector"].startswith("mediapipe")


def _track(clip, tmp_path, settings=None):
    settings = settings or LiftSettings(model="lite")
    return TrackFile(tmp_path / TRACK, identity(clip, settings))


@pytest.fixture
def left(clip, tmp_path):
    with pytest.raises(Stop):
        lift(clip, tmp_path, model="lite", weights="prml-xs", progress=_stopped_at(20))
    return tmp_path


def test_a_track_of_something_else_is_not_taken(clip, left, tmp_path_factory):
    assert len(_track(clip, left).load().track) == 20
    for other in (LiftSettings(model="full"), LiftSettings(model="lite", fps=50.0), LiftSettings(model=None)):
        assert _track(clip, left, other).load() is None
    moved = tmp_path_factory.mktemp("moved") / clip.name
    moved.write_bytes(clip.read_bytes())
    assert _track(moved, left).load() is None, "another time of change"
    os.utime(moved, ns=(clip.stat().st_atime_ns, clip.stat().st_mtime_ns))
    assert _track(moved, left).load() is not None, "the same file in another place"
    assert _track(clip, left, LiftSettings(model="lite", weights="prml-s", fov=70.0)).load() is not None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_damaged_track_is_as_good_as_none(clip, left, share):
    data = (left / TRACK).read_bytes()
    (left / TRACK).write_bytes(data[: int(share * len(data))])
    assert _track(clip, left).load() is None


def test_a_track_comes_back_as_it_was_kept(clip, left):
    kept = _track(clip, left).load()
    assert not kept.complete
    again = TrackFile(left / "again.npz", {"any": "thing"})
    again.save(replace(kept, complete=True))
    found = again.load()
    assert found.complete
    assert (found.frame, found.scale, found.events) == (kept.frame, kept.scale, kept.events)
    np.testing.assert_array_equal(found.track.rows, kept.track.rows)
    np.testing.assert_array_equal(found.track.times_s, kept.track.times_s)
    assert found.state.keys() == kept.state.keys()
    found.track.append(1e3, None)
    found.track.append(2e3, Detection(np.ones((33, 2)), np.full(33, 0.5)))
    assert len(found.track) == 22
    assert found.track.seen[-2:].tolist() == [False, True]


def test_without_a_folder_nothing_is_kept(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Stop):
        lift(clip, model="lite", weights="prml-xs", progress=_stopped_at(5))
    assert list(tmp_path.iterdir()) == []
    assert len(detect(clip, model="lite", progress=None)) > 100
