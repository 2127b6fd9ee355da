"""The comparison: runs are kept by configuration hash, resume after a kill, and end in one table."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from prml.cli import main
from prml.commands._parser import parse
from prml.commands.compare_networks import Options
from prml.errors import PrmlError
from prml.evaluation.result import read_result
from prml.studies import compare, compare_report
from prml.studies.compare import config_hash, run_folder
from prml.studies.compare_config import CompareConfig, full_per_frame, linear_per_frame
from prml.training import engine as fit

SHIPPED = Path(__file__).parents[2] / "configs/mocap/compare.yaml"
NARROW = {"width": 16, "heads": 2, "depth": 1}
TINY = {
    "networks": [
        {"label": "Bert", "name": "motionbert", "heads": ["dual"], "arguments": {**NARROW, "representation": 16}},
        {"name": "mixste", "heads": ["single"], "arguments": NARROW},
    ],
    "data": {"sets": ["ui_prmd"], "windows": {"frames": 9, "batch": 2}, "workers": 0, "validation_windows": 4},
    "optimiser": {"ema": 0.9},
    "run": {"epochs": 9, "max_steps": 2, "validate_every": 2, "threads": 1, "progress": False},
    "seeds": [3],
    "protocols": ["mocap-gt"],
    "tolerance": 2.0,
    "speed_rounds": 1,
}


def _file(folder: Path, **changes) -> Path:
    path = folder / "compare.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}))
    return path


def _read(path: Path) -> CompareConfig:
    return parse(Options, "compare-networks", [str(path)]).settings


def _config(folder: Path, **changes) -> CompareConfig:
    return _read(_file(folder, **changes))


def _network(**changes):
    return [{"name": "mixste", "heads": ["single"], "arguments": NARROW, **changes}]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A tiny comparison for the command: its configuration file and folder."""
    folder = tmp_path_factory.mktemp("compared")
    words = ["compare-networks", str(_file(folder)), "--out", str(folder / "runs"), "--limit", "1"]
    assert main([*words, "--json", str(folder / "c.json"), "--figure", str(folder / "c.svg")]) == 0
    return folder


# ------------------------------------------------------------------------------------------------ the shipped file
def test_the_shipped_networks_cost_the_same():
    config = _read(SHIPPED)
    for entrant in config.entrants():
        config.fit_config(entrant, 0).check()
    costs = [entrant.cost for entrant in config.entrants()]  # 'check' of the file would count them once more
    for per_frame in (linear_per_frame, full_per_frame):
        assert max(map(per_frame, costs)) <= 1.1 * min(map(per_frame, costs))


def test_the_shipped_comparison_is_the_one_that_was_asked_for():
    config = _read(SHIPPED)
    found = {(e.name, e.heads) for e in config.entrants()}
    peers = {"motionbert", "mixste", "motionagformer", "stcformer", "ktpformer"}
    assert found == {("prml", "dual")} | {(p, h) for p in peers for h in ("single", "dual")}
    assert (config.data.noise, config.start, len(config.seeds)) == (True, "distinct", 3)
    assert config.protocols == ["mocap-noisy", "mocap-gt"]


# ------------------------------------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks": _network(name="mixst")}, "unknown network 'mixst'; did you mean 'mixste'"),
        ({"networks": _network(nme="mixste")}, r"unknown option 'networks\.nme'; did you mean 'networks\.name'"),
        ({"networks": _network(heads=["double"])}, "double"),
        ({"networks": _network(arguments={"widht": 16})}, "no argument 'widht'; did you mean 'width'"),
        ({"networks": _network(arguments={"frames": 9})}, r"see data\.windows"),
        ({"networks": _network(name="prml")}, "always has two regression heads"),
        ({"networks": _network() + _network(arguments=dict(NARROW))}, "distinct labels"),
        ({"networks": _network(name="capf")}, "image features"),
        ({"networks": []}, "needs networks"),
        ({"seds": [1]}, "unknown option 'seds'; did you mean 'seeds'"),
        ({"seeds": [1, 1]}, "different numbers"),
        ({"run": {"max_steps": -1}}, r"run\.max_steps must be at least 1"),
        ({"protocols": ["mocap-nosy"]}, "did you mean 'mocap-noisy'"),
        ({"tolerance": 0.1}, r"within 10% of each other: .* has [\d.]+ M"),
    ],
)
def test_a_comparison_that_cannot_be_or_is_not_fair_is_refused_in_one_line(tmp_path, changes, message):
    with pytest.raises(PrmlError, match=message) as caught:
        _config(tmp_path, **changes).check()
    assert "\n" not in str(caught.value)


def test_a_figure_without_matplotlib_is_refused_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    words = ["compare-networks", str(_file(tmp_path)), "--out", str(tmp_path / "runs")]
    assert main([*words, "--figure", str(tmp_path / "c.png")]) == 2
    assert "needs matplotlib" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


# ------------------------------------------------------------------------------------------------ caching
def test_the_hash_is_of_what_changes_the_result(tmp_path):
    config = _config(tmp_path)
    run = config.fit_config(config.entrants()[0], 3)
    assert config_hash(run) == config_hash(deepcopy(run))
    same, other = deepcopy(run), deepcopy(run)
    same.run.threads, same.data.workers, same.run.progress = 2, 1, True
    other.optimiser.learning_rate *= 2
    assert config_hash(same) == config_hash(run)
    assert config_hash(other) != config_hash(run)
    hashes = {config_hash(config.fit_config(e, s)) for e in config.entrants() for s in (0, 1)}
    assert len(hashes) == 4


def test_a_finished_run_is_not_repeated_and_its_score_is_read(compared, monkeypatch):
    config = _read(compared / "compare.yaml")

    def never(*_, **__):
        raise AssertionError("a finished run was repeated")

    monkeypatch.setattr(fit, "fit", never)
    monkeypatch.setattr("prml.evaluation.score.evaluate", never)
    lines = []
    runs = compare.run_all(config, compared / "runs", limit=1, progress=lines.append)
    record = compare_report.read_comparison(compared / "c.json")
    assert {t: r[0].scores for t, r in runs.items()} == {row.title: row.runs[0]["scores"] for row in record.rows}
    assert sum("already trained" in line for line in lines) == 2


def _kept(compared: Path) -> Path:
    return next((compared / "runs").glob("mixste*/mocap-gt-first1.json"))


def test_a_run_is_scored_as_evaluate_scores_it(compared, tmp_path):
    kept, out = _kept(compared), tmp_path / "e.json"
    words = ["--weights", str(kept.parent / "last.safetensors"), "--protocol", "mocap-gt", "--limit", "1"]
    assert main(["evaluate", *words, "--overlap", "1", "--json", str(out)]) == 0
    a, b = read_result(kept), read_result(out)
    assert (a.scores, a.options, a.protocol) == (b.scores, b.options, b.protocol)


@pytest.mark.parametrize("change", [{"root": None}, {"noise": "another model"}])
def test_a_score_under_another_rule_or_on_other_data_is_not_reused(compared, change):
    path = _kept(compared)
    result = read_result(path)
    for name, value in change.items():
        (result.options if name in result.options else result.protocol["data"])[name] = value
    result.scores["mpjpe"] = -1.0
    result.write(path, overwrite=True)
    again = compare.score(path.parent, "mocap-gt", overlap=1, limit=1)
    assert again.scores["mpjpe"] > 0
    assert read_result(path) == again


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    config = _config(tmp_path, run={**TINY["run"], "max_steps": 3, "checkpoint_minutes": 0.0})
    entrant = config.entrants()[1]
    run = config.fit_config(entrant, 3)
    folder = run_folder(tmp_path / "runs", entrant, run)
    steps, whole = [], fit.LiftingModule.training_step

    def step(module, batch, number):
        if len(steps) == 2:
            raise KeyboardInterrupt
        steps.append(module.global_step)
        return whole(module, batch, number)

    monkeypatch.setattr(fit.LiftingModule, "training_step", step)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        compare.train(run, folder)
    assert not compare.finished(folder, 3)
    monkeypatch.setattr(fit.LiftingModule, "training_step", whole)
    assert compare.train(run, folder) == "resumed"
    assert compare.finished(folder, 3)
    assert compare.train(run, folder) == "kept"
    assert steps == [0, 1]


# ------------------------------------------------------------------------------------------------ what comes out
def test_the_record_holds_every_run_and_what_they_cost(compared):
    record = compare_report.read_comparison(compared / "c.json")
    assert record.limit == 1
    assert [row.title for row in record.rows] == ["Bert (dual)", "mixste (single)"]
    for row in record.rows:
        assert row.mean["mocap-gt"] == row.runs[0]["scores"]["mocap-gt"]
        assert row.deviation["mocap-gt"] == {}  # one seed
        assert min(row.parameters, row.linear_macs_per_frame, row.training_frames_per_s) > 0
        assert row.full_macs_per_frame > row.linear_macs_per_frame
        assert row.inference_frames_per_s > 0  # no order of speeds: one round on a busy machine proves none
    assert "<svg" in (compared / "c.svg").read_text()


def test_existing_results_are_not_overwritten(compared, capsys):
    words = ["compare-networks", str(compared / "compare.yaml"), "--json", str(compared / "c.json")]
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err


def _runs(*errors):
    return [
        compare.Run(seed, f"f{seed}", {"mocap-gt": {"mpjpe": error, "p_mpjpe": error / 2}}, {"mocap-gt": 1}, "abc")
        for seed, error in enumerate(errors)
    ]


def test_the_table_shows_mean_and_deviation_the_best_first(tmp_path):
    config = _config(tmp_path, seeds=[0, 1, 2])
    runs = {"Bert (dual)": _runs(50.0, 60.0, 70.0), "mixste (single)": _runs(40.0, 40.0, 40.0)}
    speeds = [compare_report.Speed(1000.0, 4000.0), compare_report.Speed(2000.0, 5000.0)]
    made = compare_report.make_comparison(config, runs, speeds, limit=None, machine={"processor": "P", "threads": 2})
    page = compare_report.markdown(made)
    rows = [line for line in page.splitlines() if line.startswith("|")][2:]
    assert rows[0].startswith("| mixste | single |")
    assert "40.0 ± 0.0" in rows[0]
    assert "60.0 ± 10.0" in rows[1]
    assert "1,000 | 4,000" in rows[1]
    assert "commit abc" in page
    assert compare_report.table(made).row_count == 2
    (tmp_path / "c.json").write_text(made.to_json())
    assert compare_report.markdown(compare_report.read_comparison(tmp_path / "c.json")) == page


def test_a_comparison_over_some_clips_is_not_quoted(compared):
    with pytest.raises(PrmlError, match="limit=None"):
        compare_report.markdown(compare_report.read_comparison(compared / "c.json"))
