"""`prml bench`: measurements and output, independent of the speed of the machine."""

import json
from functools import partial

import pytest

from prml.bench import networks as bench
from prml.cli import main
from prml.networks import registry


def _row(name, seconds, macs=100e9, frames=243, poses=243):
    rate = poses / seconds
    return {"name": name, "frames": frames, "seconds": seconds, "linear_macs": macs, "poses_per_second": rate}


def test_the_bars_scale_with_the_matrix_rate():
    rows = [_row("motionbert", 1.9), _row("mixste", 2.1), _row("prml", 0.7), _row("glagcn", 9.0, poses=1)]
    bert, mixste, prml = bench.bars(rows, 260.0)
    assert (bert["limit"], bert["met"], mixste["met"]) == (2.0, True, False)
    assert bert["needs_share_of_matrix_rate"] == pytest.approx(100 / 260)
    assert prml["measured"] == pytest.approx(1.9 / 0.7)
    assert prml["met"]
    bert, mixste, prml = bench.bars(rows, 130.0)
    assert (bert["limit"], bert["met"], mixste["met"]) == (4.0, True, True)
    assert not bench.bars(rows, 520.0)[0]["met"]
    assert [bar["bar"].split(":")[0] for bar in bench.bars(rows[1:], 130.0)] == ["mixste"]
    assert bench.bars([], 130.0) == []


def test_all_networks_means_all_of_them_without_training(monkeypatch, tmp_path, capsys):
    measured = []

    def quick(name, rate, *, repeats, training):
        measured.append((name, training))
        return {
            **_row(name, 1.0),
            "share_of_matrix_rate": 0.5,
            "training_batch": None,
            "training_poses_per_second": None,
            "training_share_of_matrix_rate": None,
        }

    monkeypatch.setattr(bench, "bench_network", quick)
    monkeypatch.setattr(bench, "matrix_rate", lambda: 260.0)
    out = tmp_path / "bench.json"
    assert main(["bench", "--networks", "--json", str(out)]) == 0
    assert measured == [(name, False) for name in registry.names()]
    record, printed = json.loads(out.read_text()), " ".join(capsys.readouterr().out.split())
    assert [bar["met"] for bar in record["bars"]] == [True, True, False]
    assert "prml: at least 2.5 times the frames/s of motionbert = 2.50; measured 1.00: not met" in printed
    assert "training" not in printed
    assert all(name in printed for name in registry.names())


def test_one_network_is_really_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "matrix_rate", partial(bench.matrix_rate, (128,), 1))
    monkeypatch.setattr(bench, "TRAINING_BATCH", 2)
    out = tmp_path / "bench.json"
    assert main(["bench", "poseformerv2-81", "--repeats", "1", "--threads", "1", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    (row,) = record["networks"]
    assert row["poses_per_second"] == pytest.approx(1 / row["seconds"])
    assert row["linear_gflops"] == pytest.approx(2 * row["linear_macs"] / row["seconds"] / 1e9)
    assert row["training_poses_per_second"] > 0
    assert record["matrix_gflops"] > 0
    assert record["bars"] == []
    assert "s per forward" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--networks", "prml"], "leave it out"),
        (["prmll"], "did you mean"),
        (["--repeats", "0"], "at least 1"),
        (["--video", "absent.mp4"], "no video"),
    ],
)
def test_mistakes_are_answered_in_one_line(words, message, capsys):
    assert main(["bench", *words]) == 2
    assert message in capsys.readouterr().err


def test_an_existing_result_is_kept(tmp_path, capsys):
    (tmp_path / "b.json").write_text("kept")
    assert main(["bench", "prml-xs", "--json", str(tmp_path / "b.json")]) == 2
    assert "--overwrite" in capsys.readouterr().err
