"""`prml bench --engines`: the report, from made-up figures, and one small run."""

import pytest

from prml.bench import engines as bench


def test_bars_and_words():
    rows = [
        {"engine": "torch", "frames_per_second": 100.0, "mpjpe_mm": 60.0, "moved_mm": 0.0, "most_moved_mm": 0.0},
        {"engine": "torch-bf16", "frames_per_second": 200.0, "mpjpe_mm": 60.6, "moved_mm": 2.0, "most_moved_mm": 30.0},
    ]
    for row in rows:
        row["change_mm"] = row["mpjpe_mm"] - 60.0
    networks = [
        {"network": "motionbert", "engine": "torch", "frames_per_second": 100.0},
        {"network": "prml", "engine": "torch", "frames_per_second": 240.0},
        {"network": "prml", "engine": "torch-bf16", "frames_per_second": 360.0},
    ]
    bars = bench.bars(rows, networks)
    assert [bar["met"] for bar in bars] == [False, True]
    assert bars[1]["measured"] == pytest.approx(3.6)
    made = {"weights": "tiny", "protocol": "mocap-noisy", "clips": 2, "left_out": {"openvino": "needs its package"}}
    said = "\n".join(bench.summary(made | {"engines": rows, "networks": networks, "bars": bars}))
    assert "torch-bf16: 200 frames/s; MPJPE 60.60 mm (+0.60); joints move 2.00 mm, at most 30.0" in said
    assert "openvino left out: needs its package" in said
    assert "prml with torch-bf16: frames/s relative to motionbert in float32, at least 3.50; measured 3.60: met" in said


def test_windows_of_the_protocol_are_those_that_the_network_reads():
    from prml.lifting.lifter import load

    lifter = load("prml-xs", flip=False)
    windows = bench._windows(lifter, 1)
    assert windows.shape[1:] == (lifter.card.window, 17, 3)
    assert 0 < len(windows) <= bench.WINDOWS
