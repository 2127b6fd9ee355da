"""Paired comparisons of results: what they say of made-up errors whose answer is known."""

import csv
import io
import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import binomtest

from fixtures.made_up import Wrong, given, moving
from prml.cli import main
from prml.errors import PrmlError
from prml.evaluation import paired
from prml.evaluation.paired import compare_paired, take_of
from prml.evaluation.protocols.rules import Averaging
from prml.evaluation.result import Result, make_result, read_result
from prml.evaluation.run import evaluate


def result(name: str, errors: np.ndarray, frames: np.ndarray | None = None, actions: list[str] | None = None) -> Result:
    """A record with one error per sequence; two cameras a take."""
    frames = np.full(len(errors), 10) if frames is None else frames
    rows = {
        f"take{i // 2}/c{i % 2}": {"frames": int(f), "mpjpe": float(e), **({"action": actions[i]} if actions else {})}
        for i, (e, f) in enumerate(zip(errors, frames, strict=True))
    }
    averaging = Averaging("actions" if actions else "frames").description
    protocol = {"name": "own", "id": "own/1", "rules": {"averaging": averaging}, "data": {}, "limit": None}
    weights = {"name": name, "sha256": "0" * 64, "network": "prml", "window": 81}
    return Result(
        protocol=protocol,
        weights=weights,
        options={"flip": True},
        scores={"mpjpe": float(np.average(errors, weights=frames))},
        per_action={},
        per_source={},
        per_subject={},
        per_joint={},
        per_axis={},
        units={"mpjpe": "mm"},
        frames=int(frames.sum()),
        sequences=len(errors),
        seconds={},
        frames_per_s=1.0,
        per_sequence=rows,
    )


def test_a_constant_difference_has_an_interval_of_no_width():
    errors = np.random.default_rng(0).uniform(20, 80, 40)
    found = compare_paired(result("a", errors), result("b", errors - 1.5))
    assert (found.difference, found.low, found.high) == pytest.approx((-1.5, -1.5, -1.5))
    assert (found.takes, found.sequences, found.better, found.worse) == (20, 40, 20, 0)
    assert found.p_sign == pytest.approx(2 * 0.5**20)


def test_the_interval_is_the_one_of_means_over_takes():
    """Views of one take move together: the interval's width is that of 200 takes, not of 400 sequences."""
    rng = np.random.default_rng(1)
    errors, shift = rng.uniform(20, 80, 400), np.repeat(rng.normal(0.4, 3.0, 200), 2)
    found = compare_paired(result("a", errors), result("b", errors + shift))
    half = 1.96 * shift[::2].std() / np.sqrt(200)
    assert found.difference == pytest.approx(shift.mean())
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)
    assert (found.better, found.worse) == ((shift[::2] < 0).sum(), (shift[::2] > 0).sum())


def test_frames_and_actions_weigh_as_the_protocol_s_mean():
    rng = np.random.default_rng(2)
    a, b, frames = rng.uniform(20, 80, 12), rng.uniform(20, 80, 12), rng.integers(5, 50, 12)
    found = compare_paired(result("a", a, frames), result("b", b, frames))
    assert found.difference == pytest.approx(np.average(b - a, weights=frames))
    actions = ["walk"] * 4 + ["sit"] * 8
    means = [np.average((b - a)[part], weights=frames[part]) for part in (slice(0, 4), slice(4, 12))]
    found = compare_paired(result("a", a, frames, actions), result("b", b, frames, actions))
    assert found.difference == pytest.approx(np.mean(means))


def test_results_that_cannot_be_paired_are_refused():
    errors = np.arange(8.0)
    whole, part = result("a", errors), result("b", errors[:6])
    with pytest.raises(PrmlError, match="2 are in one of them only, such as 'take3/c0'"):
        compare_paired(whole, part)
    with pytest.raises(PrmlError, match="at least two takes"):
        compare_paired(result("a", errors[:2]), result("b", errors[:2]))
    with pytest.raises(PrmlError, match="has no pck per sequence; it has mpjpe"):
        compare_paired(whole, whole, "pck")


def test_views_of_a_take_are_one():
    assert take_of("S9/Walking 1/54138969") == "S9/Walking 1"
    assert take_of("s_09_act_02_subact_01_ca_01") == take_of("s_09_act_02_subact_01_ca_02")
    assert take_of("TS1") == "TS1"


def test_errors_per_sequence_give_the_score_and_survive_the_file(tmp_path):
    clips = [moving(i, 12 + i) for i in range(4)] + [moving(9, 15, name="clip0")]
    evaluation = evaluate(Wrong(*clips[:4]), given(*clips[:4], clips[0]))
    made = make_result(evaluation, {"name": "a", "sha256": "1"}, {"flip": True})
    rows = made.per_sequence
    assert list(rows) == ["clip0", "clip0 #2", "clip1", "clip2", "clip3"]
    assert rows["clip0"] == rows["clip0 #2"]
    assert [r["frames"] for r in rows.values()] == [12, 12, 13, 14, 15]
    mean = np.average([r["mpjpe"] for r in rows.values()], weights=[r["frames"] for r in rows.values()])
    assert mean == pytest.approx(made.scores["mpjpe"], abs=1e-6)
    made.write(tmp_path / "a.json")
    assert read_result(tmp_path / "a.json").per_sequence == rows
    old = {k: v for k, v in asdict(made).items() if k not in ("per_sequence", "device")}
    (tmp_path / "old.json").write_text(json.dumps(old))
    assert read_result(tmp_path / "old.json").per_sequence == {}


def test_compare_prints_the_difference_and_tables_to_paste(tmp_path, capsys):
    errors = np.random.default_rng(0).uniform(20, 80, 40)
    for name, values in (("a_1", errors), ("b|2", errors + 1)):
        result(name, values).write(tmp_path / f"{name[0]}.json")
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert main(["compare", *files]) == 0
    assert "b|2 - a_1: MPJPE +1.00 mm (95 % between +1.00 and +1.00" in capsys.readouterr().out
    assert main(["compare", *files, "--format", "csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[1] == ["a_1", "81", f"{errors.mean():.3f}"]
    assert main(["compare", *files, "--format", "markdown"]) == 0
    assert f"| b\\|2 | 81 | {errors.mean() + 1:.1f} |" in capsys.readouterr().out
    assert main(["compare", *files, "--format", "latex"]) == 0
    latex = capsys.readouterr().out
    assert rf"a\_1 & 81 & {errors.mean():.1f} \\" in latex
    assert "\\toprule" in latex
    assert "$\\downarrow$" in latex
    assert main(["compare", *files, "--metric", "pck"]) == 2
    assert "has no pck per sequence" in capsys.readouterr().err


def test_two_spaces_stand_side_by_side_with_the_rule_over_each_column(tmp_path, capsys):
    errors = np.random.default_rng(0).uniform(20, 80, 40)
    spaces = {"cpn": "camera-frame metres, root-relative", "sh": "2.5D: x, y in pixels"}
    for (name, space), shift in zip(spaces.items(), (0, 5), strict=True):
        for weights in ("a", "b"):
            made = result(weights, errors + shift + (weights == "b"))
            rules = {**made.protocol.get("rules", {}), "output space": space}
            made = replace(made, protocol={**made.protocol, "id": f"{name}/1", "rules": rules})
            made.write(tmp_path / f"{name}-{weights}.json")
    files = [str(path) for path in sorted(tmp_path.glob("*.json"))]
    assert main(["compare", *files]) == 2
    assert "pass --spaces to show protocols side by side" in capsys.readouterr().err
    assert main(["compare", *files, "--spaces", "--metric", "mpjpe"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"cpn/1 +sh/1\n", out)
    assert re.search(r"camera-frame metres +2\.5D\n", out)
    assert re.search(rf"a +{errors.mean():.1f} +{errors.mean() + 5:.1f}", out)
    assert out.count("b - a: MPJPE +1.00 mm") == 2  # compared within a rule, never across
    assert main(["compare", *files, "--spaces", "--metric", "pck"]) == 2
    assert "not every result has the metric 'pck'" in capsys.readouterr().err


def test_figure_3_is_drawn_from_results(tmp_path, capsys):
    made = replace(result("a", np.arange(1.0, 9)), per_axis={"all": {"x": 1.0, "y": 2.0, "z": 3.0}})
    made.write(tmp_path / "a.json")
    (replace(made, per_axis={})).write(tmp_path / "none.json")
    figure = tmp_path / "axes.svg"
    assert main(["compare", str(tmp_path / "a.json"), "--figure", str(figure)]) == 0
    assert figure.read_text().count("<!-- along ") == 3
    assert main(["compare", str(tmp_path / "a.json"), "--figure", str(figure)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "none.json"), "--figure", str(tmp_path / "b.svg")]) == 2
    assert "has no errors per axis" in capsys.readouterr().err


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (3, 3), (5, 2), (120, 90), (2500, 2600)])
def test_the_sign_test_is_the_exact_one(better, worse):
    expected = binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert paired._sign_test(better, worse) == pytest.approx(expected, rel=1e-9)
    assert paired._sign_test(worse, better) == paired._sign_test(better, worse)
