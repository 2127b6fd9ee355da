"""``prml live`` as a user runs it, with a detector that needs no model."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest

from fixtures.boxes import BOXES, POINTS, box_video
from fixtures.outside import outside_package
from prml.cli import main
from prml.media.write import VideoWriter

QUICK = ["--weights", "prml-xs", "--detector", "boxes", "--no-window"]


@pytest.fixture
def boxes(monkeypatch, tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    outside_package(monkeypatch, folder, BOXES, POINTS)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return box_video(tmp_path_factory.mktemp("live") / "box.mp4", 16)


@pytest.fixture(scope="module")
def nobody(tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "dark.mp4"
    with VideoWriter(path, 320, 240, 25) as writer:
        for index in range(6):
            writer.write(np.full((240, 320, 3), 20, np.uint8), index / 25)
    return path


def frames_of(text):
    return [json.loads(line) for line in text.splitlines()[1:]]


def test_a_file_at_its_own_pace_loses_no_frame(boxes, clip, tmp_path, capsys):
    out = tmp_path / "x.jsonl"
    assert main(["live", str(clip), *QUICK, "--json", str(out), "--latency", "3", "--vmc", "127.0.0.1:9"]) == 0
    frames = frames_of(out.read_text())
    assert [frame["frame"] for frame in frames] == list(range(16))
    np.testing.assert_allclose([frame["time_s"] for frame in frames], np.arange(16) / 25, atol=1e-3)
    assert all(frame["person"] and len(frame["joints_m"]) == 17 for frame in frames)
    out_text, told = capsys.readouterr()
    assert out_text == ""
    assert "16 frames" in told
    assert f"wrote 16 frames to {out}" in told
    assert "as VMC to 127.0.0.1:9" in told


def test_smoothing_calms_and_can_be_left_out(boxes, clip, tmp_path):
    shaken = {}
    for name, options in {"smooth": ["--cutoff", "0.2", "--slope", "0"], "raw": ["--no-smooth"]}.items():
        assert main(["live", str(clip), *QUICK, "--json", str(tmp_path / name), *options]) == 0
        joints = np.array([frame["joints_m"] for frame in frames_of((tmp_path / name).read_text())])
        shaken[name] = np.abs(np.diff(joints, axis=0)).mean()
    assert shaken["smooth"] < 0.5 * shaken["raw"]


def test_a_file_in_real_time_goes_to_standard_output(boxes, clip, capsys):
    started = time.perf_counter()
    assert main(["live", str(clip), *QUICK, "--json", "-", "--realtime"]) == 0
    assert time.perf_counter() - started >= 15 / 25
    out, told = capsys.readouterr()
    frames = frames_of(out)
    assert json.loads(out.splitlines()[0])["schema"] == "prml.live/1"
    assert [f["frame"] for f in frames] == list(range(len(frames)))
    assert all(a["time_s"] < b["time_s"] for a, b in pairwise(frames))
    assert all(frame["delay_ms"] > 0 for frame in frames)
    assert "behind the picture (99 %:" in told


def test_it_ends_after_the_stated_seconds(boxes, clip, tmp_path):
    assert main(["live", str(clip), *QUICK, "--json", str(tmp_path / "x"), "--seconds", "0.2"]) == 0
    assert len(frames_of((tmp_path / "x").read_text())) == pytest.approx(6, abs=1)


def test_a_video_without_people_is_one_line_and_keeps_what_was_written(boxes, nobody, tmp_path, capsys):
    assert main(["live", str(nobody), *QUICK, "--json", str(tmp_path / "x.jsonl")]) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1] == "prml live: no person was found in the 6 frames of dark.mp4"
    assert [frame["person"] for frame in frames_of((tmp_path / "x.jsonl").read_text())] == [False] * 6


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none.mp4"], "none.mp4"),
        (["--camera", "63"], "camera 63 is not there"),
        (["http://127.0.0.1:9/x"], "http://127.0.0.1:9/x gives no video"),
        (["http://me:secret@127.0.0.1:9/x?key=k"], "http://127.0.0.1:9/x gives no video"),
        (["rtsp://127.0.0.1:9/x"], "rtsp://127.0.0.1:9/x gives no video"),
        (["file:///etc/passwd"], "expected a URL that begins with"),
        (["concat://a"], "expected a URL that begins with"),
        (["box.mp4", "--camera", "1"], "not two of them"),
        (["--realtime"], "--realtime plays a file"),
        (["http://127.0.0.1:9/x", "--realtime"], "leave --realtime out"),
        (["box.mp4", "--vmc", "nowhere"], "--vmc must be HOST:PORT"),
        (["box.mp4", "--detector", "none"], "unknown detector"),
        (["box.mp4", "--weights", "none"], "none"),
        (["box.mp4", "--latency", "99"], "latency"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(boxes, clip, monkeypatch, capfd, arguments, reason):
    monkeypatch.chdir(clip.parent)
    given = [*arguments, *(QUICK if "--detector" not in arguments and "--weights" not in arguments else QUICK[-1:])]
    assert main(["live", *given, "--json", "-"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert reason in err
    assert "secret" not in err
    assert "key=k" not in err


def test_nothing_to_write_is_refused(boxes, clip, capsys):
    assert main(["live", str(clip), *QUICK]) == 2
    assert "nothing would be written" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)])
@pytest.mark.slow
def test_a_signal_ends_it_cleanly(boxes, tmp_path, number, code):
    long, out = box_video(tmp_path / "long.mp4", 1500), tmp_path / "x.jsonl"
    path = os.pathsep.join([str(boxes), *sys.path])
    command = [sys.executable, "-m", "prml", "live", str(long), *QUICK, "--realtime", "--json", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}) as run:
        part = tmp_path / "x.jsonl.part"
        end = time.monotonic() + 120
        while not (part.exists() and part.read_text().count("\n") > 5):
            assert time.monotonic() < end
            assert run.poll() is None
            time.sleep(0.1)
        run.send_signal(number)
        _, told = run.communicate(timeout=30)
    assert run.returncode == code
    frames = frames_of(out.read_text())
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    assert not part.exists()
    if number == signal.SIGINT:
        assert f"wrote {len(frames)} frames to {out}" in told
    assert "Traceback" not in told
