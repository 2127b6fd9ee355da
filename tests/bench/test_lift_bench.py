"""Speed of the lift relative to its detector: the report, from made-up runs."""

import numpy as np
import pytest

from prml.bench import lift as bench
from prml.errors import PrmlError
from prml.media.write import VideoWriter


@pytest.fixture
def video(tmp_path):
    with VideoWriter(tmp_path / "short.mp4", 64, 48, 25.0) as writer:
        for level in (0, 80, 160):
            writer.write(np.full((48, 64, 3), level, np.uint8))
    return tmp_path / "short.mp4"


def made_up(monkeypatch, **seconds):
    """Replace runs by given times, with a slightly slower second round."""
    asked = []

    def run(kind, clip, out, weights):
        asked.append(kind)
        whole = seconds[kind] + 0.1 * (len(asked) > 3)
        stages = {} if kind == "detector" else {"start": 1.0, "detect": whole - 1}
        return {"seconds": whole, "cpu_seconds": whole, "stages": stages}

    monkeypatch.setattr(bench, "_run", run)
    return asked


def test_ratios_bars_and_words(monkeypatch, video):
    asked = made_up(monkeypatch, detector=8.0, poses=9.0, everything=20.0)
    record = bench.bench_lift(video, seconds=4.0)
    assert asked == ["detector", "poses", "everything"] * 2
    assert record["frames"] == 100
    assert record["detector"]["frames_per_second"] == pytest.approx(100 / 8)
    assert record["poses"]["of_detector"] == pytest.approx(8 / 9)
    assert [bar["met"] for bar in record["bars"]] == [True, False]
    said = "\n".join(bench.summary(record))
    assert "back and forth for 4 s" in said
    assert "measured 0.89: met" in said
    assert "measured 0.40: not met" in said


def test_a_bar_that_is_just_reached_is_met():
    runs = {"poses": {"of_detector": 0.85}, "everything": {"of_detector": 0.4999}}
    assert [bar["met"] for bar in bench.bars(runs)] == [True, False]


def test_what_fails_is_told_in_one_line(monkeypatch, video):
    monkeypatch.setitem(bench._RUNS, "detector", "raise ValueError('no such thing')")
    with pytest.raises(PrmlError, match=r"lifting clip.mp4 failed: ValueError: no such thing"):
        bench.bench_lift(video, seconds=1.0, rounds=1)


def test_a_real_process_reports_its_stages(monkeypatch, video):
    for kind in bench._RUNS:
        monkeypatch.setitem(bench._RUNS, kind, "seconds = {'detect': 0.001}")
    record = bench.bench_lift(video, seconds=1.0, rounds=1)
    assert set(record["poses"]["stages"]) == {"start", "detect"}
    assert sum(record["poses"]["stages"].values()) == pytest.approx(record["poses"]["seconds"])


def test_no_rounds(video):
    with pytest.raises(PrmlError, match="at least one round"):
        bench.bench_lift(video, rounds=0)
