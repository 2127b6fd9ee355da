"""Speed of the lift relative to its detector: the report, from made-up runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prml.bench import lift as bench
from prml.bench import memory
from prml.errors import PrmlError
from prml.media.write import VideoWriter


@pytest.fixture
def video(tmp_path):
    with VideoWriter(tmp_path / "short.mp4", 64, 48, 25.0) as writer:
        for level in (0, 80, 160):
            writer.write(np.full((48, 64, 3), level, np.uint8))
    return tmp_path / "short.mp4"


def made_up(monkeypatch, **seconds):
    """Replace runs by given times, with a slightly slower second round and a much slower third."""
    asked, times = [], {name.replace("_", " "): value for name, value in seconds.items()}

    def run(kind, clip, out, weights):
        asked.append(kind)
        whole = times[kind] + (0.0, 0.1, 5.0)[asked.count(kind) - 1]
        stages = {} if kind == "mediapipe" else {"start": 1.0, "detect": whole - 1}
        peak = {"one job": 500, "poses": 900}.get(kind, 100)
        return {"seconds": whole, "cpu_seconds": whole, "stages": stages, "peak_mib": peak}

    monkeypatch.setattr(bench, "_run", run)
    return asked


def test_ratios_bars_and_words(monkeypatch, video):
    monkeypatch.setattr(bench, "physical_cores", lambda: 2)
    asked = made_up(monkeypatch, mediapipe=7.9, one_job=9.0, poses=4.4, everything=9.9, fast=1.9)
    record = bench.bench_lift(video, seconds=4.0, rounds=3)
    assert asked == list(bench._RUNS) * 3
    assert record["frames"] == 100
    assert record["runs"]["mediapipe"]["frames_per_second"] == pytest.approx(100 / 8)
    assert record["runs"]["poses"]["of_mediapipe"] == pytest.approx(8 / 4.5)
    assert record["runs"]["poses"]["all_seconds"] == [4.4, 4.5, 9.4]
    assert [bar["met"] for bar in record["bars"]] == [True, False, True, True]
    assert record["bars"][-1]["measured"] == pytest.approx(0.9)
    said = "\n".join(bench.summary(record))
    assert "back and forth for 4 s" in said
    assert "measured 1.78: met" in said
    assert "measured 0.80: not met" in said


def test_a_bar_that_is_just_reached_is_met():
    runs = {kind: {"of_mediapipe": limit, "peak_mib": 0} for kind, limit in bench.BARS.items()} | {
        "one job": {"peak_mib": 0}
    }
    assert [bar["met"] for bar in bench.bars(runs, 2)] == [True] * 3  # and no bar on memory, which is not known
    runs["poses"]["of_mediapipe"] -= 1e-9
    assert [bar["met"] for bar in bench.bars(runs, 2)] == [False, True, True]


def test_what_fails_is_told_in_one_line(monkeypatch, video):
    monkeypatch.setitem(bench._RUNS, "mediapipe", "raise ValueError('no such thing')")
    with pytest.raises(PrmlError, match=r"lifting clip.mp4 failed: ValueError: no such thing"):
        bench.bench_lift(video, seconds=1.0, rounds=1)


def test_a_real_process_reports_its_stages(monkeypatch, video):
    for kind in bench._RUNS:
        monkeypatch.setitem(bench._RUNS, kind, "seconds = {'detect': 0.001}")
    record = bench.bench_lift(video, seconds=1.0, rounds=1)
    assert set(record["runs"]["poses"]["stages"]) == {"start", "detect"}
    assert sum(record["runs"]["poses"]["stages"].values()) == pytest.approx(record["runs"]["poses"]["seconds"])


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this system tells no memory")
def test_memory_counts_what_a_process_starts():
    hold = "import sys, time; x = bytearray({}); {}; print('there', flush=True); time.sleep(20)"
    child = hold.format("60 << 20", "pass")
    parent = hold.format("60 << 20", f"import subprocess; c = subprocess.Popen([sys.executable, '-c', {child!r}])")
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["there\n"] * 2
        family = memory._family(process.pid)
        held = sum(map(memory._bytes, family))
        for pid in family:
            os.kill(pid, signal.SIGKILL)
    assert len(family) == 2
    assert 120 < held >> 20 < 220
    peak = memory.PeakMemory(process.pid)  # which has ended
    assert peak.stop() == 0


def test_no_rounds(video):
    with pytest.raises(PrmlError, match="at least one round"):
        bench.bench_lift(video, rounds=0)
