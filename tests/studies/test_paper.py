"""``prml paper``: the numbers fit together, every row has a configuration that builds, and a table is made once."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from prml.cli import main
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.scoring import metric
from prml.networks import registry
from prml.studies.paper import processes, report, runs
from prml.studies.paper.catalogue import ACTIONS, CONFIGS, config_path, figures, table, tables
from prml.studies.paper.runs import Setting, row_config, run_table, runnable
from prml.training.config import load_config

ROWS = [pytest.param(t, row, id=f"{t.name}-{row.key}") for t in tables().values() for row in t.rows]
TRAINED = [pytest.param(t, row, id=f"{t.name}-{row.key}") for t in tables().values() for row in t.trained]


# ---------------------------------------------------------------------- the numbers
def test_the_paper_has_sixteen_tables_and_sixteen_figures():
    assert list(tables()) == [f"table{n}" for n in range(1, 17)]
    assert list(figures()) == [f"figure{n}" for n in range(1, 17)]


@pytest.mark.parametrize(("one", "row"), ROWS)
def test_a_row_names_what_exists(one, row):
    registry.entry(row.network)
    assert set(row.mark) <= set(one.columns)
    assert set(row.paper) <= {*one.metrics, *report.COSTS}
    assert not row.config or config_path(row).is_file()
    assert row.missing or row.config


@pytest.mark.parametrize("one", [pytest.param(t, id=name) for name, t in tables().items()])
def test_a_table_names_rules_and_metrics_that_exist(one):
    for name in (one.protocol, one.mocap):
        protocols.get(name)
    for name in one.metrics:
        metric(name)
    keys = [row.key for row in one.rows]
    assert len(set(keys)) == len(keys)
    assert sum(row.reference for row in one.rows) <= 1
    assert all(any(other.label == row.against for other in one.rows) for row in one.rows if row.against)


def test_the_mean_over_the_actions_is_the_average_that_is_printed():
    rows = [row for row in table("1").rows if row.actions]
    assert len(rows) == 15
    for row in rows:
        assert len(row.actions) == len(ACTIONS) == 15
        assert sum(row.actions) / 15 == pytest.approx(row.paper["mpjpe"], abs=0.11)  # theirs, of rounded figures


def test_tables_that_print_the_same_thing_print_the_same_figure():
    full = {
        t.name: r.paper["mpjpe"]
        for t in tables().values()
        for r in t.rows
        if r.config == "paper/h36m-sh-2.5d.yaml" and "mpjpe" in r.paper
    }
    assert set(full.values()) == {38.2}
    assert [r.paper for r in table("7").rows] == [r.paper for r in table("8").rows]
    by_label = {r.label: r.paper for r in table("12").rows}
    for row in table("2").rows:
        assert all(row.paper[cost] == by_label[row.label][cost] for cost in report.COSTS)
        if row.mark["Seq2Seq"]:
            assert row.paper["gmacs"] * 1e3 / row.frames == pytest.approx(row.paper["mmacs_per_frame"], rel=0.01)


@pytest.mark.parametrize(
    "row", [pytest.param(r, id=r.network) for r in table("2").rows if r.network in ("prml", "motionbert", "mixste")]
)
def test_costs_that_we_count_are_those_that_the_paper_prints(row):
    found = report.costs(row)
    for name, value in found.items():
        assert value == pytest.approx(row.paper[name], rel=0.03)
    assert set(found) == set(report.COSTS)


def test_every_configuration_of_a_numbered_table_is_a_row():
    named = {row.config for one in tables().values() for row in one.rows}
    for path in (CONFIGS / "paper").glob("table*.yaml"):
        assert f"paper/{path.name}" in named


# ---------------------------------------------------------------------- runs
@pytest.mark.parametrize(("one", "row"), TRAINED)
def test_a_row_builds_on_motion_capture_and_keeps_what_distinguishes_it(one, row):
    if row not in runnable(one, Setting()):
        pytest.skip(f"{row.network} is not trained on motion capture")
    config, paper = row_config(row, one, Setting(), 3), load_config(config_path(row))
    config.check()
    assert config.seed == 3
    assert config.objective == paper.objective
    small = {**runs.SMALL[row.network], "width": None, "frames": None}
    kept = {k: v for k, v in paper.network.arguments.items() if k not in small}
    assert kept.items() <= config.network.arguments.items()
    registry.build(config.network.name, **config.network.arguments, in_channels=3)


def test_rows_of_a_table_differ_and_shared_rows_share_their_run():
    setting, shared = Setting(quick=True), set()
    for one in tables().values():
        rows = runnable(one, setting)
        folders = [runs.folder_of(row, row_config(row, one, setting, 0), setting) for row in rows]
        assert len(set(folders)) == len(rows)
        shared |= {
            f for f, row in zip(folders, rows, strict=True) if row.reference and one.name in ("table4", "table9")
        }
    assert len(shared) == 1


def test_seed_steps_and_speed_make_other_runs(tmp_path):
    one = table("5")
    settings = [Setting(runs=tmp_path), Setting(quick=True, runs=tmp_path), Setting(steps=77, runs=tmp_path)]
    folders = {runs.folder_of(one.rows[0], row_config(one.rows[0], one, s, 0), s) for s in settings}
    assert len(folders) == 3
    assert row_config(one.rows[0], one, replace(settings[0], data=tmp_path), 0).data.directory == str(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder, patch = tmp_path_factory.mktemp("paper"), pytest.MonkeyPatch()
    patch.setattr(runs, "QUICK_CLIPS", 2)
    words = ["paper", "table7", "--mocap", "--quick", "--steps", "4", "--jobs", "1", "--runs", str(folder / "runs")]
    assert main([*words, "--out", str(folder / "out")]) == 0
    yield folder, words
    patch.undo()


def test_a_table_is_written_in_every_form_beside_the_papers_figures(made):
    out = made[0] / "out"
    record = json.loads((out / "table7.json").read_text())
    rows = {row["label"]: row for row in record["rows"]}
    assert record["protocol"] == "mocap-noisy"
    assert "QUICK" in record["setting"]
    single, dual = rows["MixSTE"], rows["MixSTE + two heads"]
    assert dual["against"] == "MixSTE"
    assert dual["paper_difference"] == -0.9
    assert dual["difference"]["difference"] == pytest.approx(dual["ours"]["mpjpe"] - single["ours"]["mpjpe"], abs=1e-6)
    assert "image features" in rows["CA-PF"]["missing"]
    for suffix, holds in {"txt": "40.9", "md": "| MixSTE + two heads", "tex": r"\bottomrule", "csv": "MixSTE"}.items():
        text = (out / f"table7.{suffix}").read_text()
        assert holds in text
        assert suffix == "csv" or "QUICK" in text


def test_a_second_call_trains_nothing_and_an_existing_table_is_kept(made, capsys):
    folder, words = made
    assert main([*words, "--out", str(folder / "out")]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(words) == 0
    assert capsys.readouterr().out.count("already trained") == 4


def test_what_cannot_be_run_says_why(tmp_path, capsys):
    with pytest.raises(PrmlError, match="motion capture has no images"):
        run_table(table("14"), Setting(quick=True, runs=tmp_path))
    for words, told in (
        (["paper", "table99", "--mocap"], "table1 to table16"),
        (["paper", "all"], "--mocap"),
        (["paper", "table4", "--mocap", "--data", str(tmp_path)], "--mocap"),
    ):
        assert main(words) == 2
        assert told in capsys.readouterr().err


def test_rows_with_image_features_read_the_cache_of_their_backbone(tmp_path):
    data = Setting(data=tmp_path / "h36m", features=tmp_path / "caches")
    for name in ("13", "14"):
        for row in table(name).trained:
            wanted = data.features / row.features if row.features else data.data
            assert row_config(row, table(name), data, 0).data.directory == str(wanted)
    without = replace(data, features=None)
    assert [row.label for row in runnable(table("13"), without)] == ["PrML"]
    with pytest.raises(PrmlError, match=r"a cache of sdxl-vae: 'prml data features', then features=FOLDER"):
        row_config(table("13").rows[1], table("13"), without, 0)


def test_the_list_names_every_table_and_figure(capsys):
    assert main(["paper"]) == 0
    shown = capsys.readouterr().out
    for name in (*tables(), *figures()):
        assert re.search(rf"\b{name}\b", shown)


@pytest.mark.parametrize("name", list(tables()))
def test_a_table_without_data_tells_its_rows(name, capsys, tmp_path):
    assert main(["paper", name, "--runs", str(tmp_path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"prml paper {name} --mocap" in shown
    assert "seeds" not in shown
    for row in tables()[name].rows:
        assert not row.config or Path(row.config).name in shown


def test_rows_that_were_trained_are_told(made):
    setting = Setting(None, True, (0, 1), 4, runs=made[0] / "runs")
    assert [runs.trained_seeds(row, table("7"), setting) for row in table("7").rows] == [[0]] * 4 + [None] * 2


def test_a_table_has_its_own_metrics_where_the_protocol_lacks_them(made):
    setting = Setting(None, True, (0,), 4, runs=made[0] / "runs")
    one = replace(table("7"), metrics=("pckh", "pck"), rows=table("7").rows[:1])
    result = run_table(one, setting)[0].results[0]
    assert {"pckh", "pck", "mpjpe"} <= set(result.scores)
    assert run_table(table("7"), setting)[0].results[0].scores["mpjpe"] == result.scores["mpjpe"]


def test_what_runs_together_is_every_row_once_and_a_folder_in_one_process():
    setting, chosen = Setting(quick=True, seeds=(0, 1)), list(tables().values())
    jobs = processes.jobs_of(chosen, setting)
    folders = [{_folder(job, setting) for job in some} for some in jobs]
    assert all(len(found) == 1 for found in folders)
    assert len(set.union(*folders)) == len(jobs)
    wanted = {_folder((t.name, row.key, s), setting) for t in chosen for row in runnable(t, setting) for s in (0, 1)}
    assert set.union(*folders) == wanted
    assert [some[0][2] for some in jobs] == sorted(some[0][2] for some in jobs)


def _folder(job, setting):
    one = tables()[job[0]]
    row = next(row for row in one.rows if row.key == job[1])
    return runs.folder_of(row, row_config(row, one, setting, job[2]), setting)


def test_finished_runs_are_told_by_a_process_as_by_the_table(made):
    setting = Setting(None, True, (0,), 4, runs=made[0] / "runs")
    lines = processes.run_jobs([("table7", "MixSTE", 0)], setting)
    assert len(lines) == 1
    assert lines[0].startswith("table7, MixSTE, seed 0: already trained, MPJPE ")


@pytest.mark.slow
def test_rows_are_trained_in_two_processes(tmp_path, capsys):
    words = ["paper", "table1", "--mocap", "--quick", "--steps", "4", "--jobs", "2", "--runs", str(tmp_path)]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"^\d of 2: .*: trained, MPJPE", shown, re.M)) == 2
    assert shown.count("already trained") == 2
