"""Data of one's own: scored, trained on, and with a network of one's own."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from fixtures.made_up import Wrong, moving
from fixtures.mocap_files import write_bvh
from fixtures.own_network import NET
from prml.cli import main
from prml.commands.fit import read_config
from prml.datasets.custom import CUSTOM
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.protocols.choice import chosen
from prml.evaluation.result import read_result
from prml.evaluation.run import evaluate
from prml.io.sequences import write_sequences
from prml.networks import registry
from prml.training.data import open_source
from prml.training.smoke import smallest
from prml.weights.record import Card, save_record

ROOT = Path(__file__).parents[2]
TINY = {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1, "in_channels": 3}


@pytest.fixture
def clips():
    return [moving(i, 20 + 5 * i, subject=f"P{i // 2}", name=f"clip{i}") for i in range(6)]


@pytest.fixture
def file(clips, tmp_path):
    write_sequences(tmp_path / "own.npz", clips)
    return tmp_path / "own.npz"


def test_the_scores_are_those_of_the_sequences_given(file, clips):
    predictor = Wrong(*clips)
    result = evaluate(predictor, protocols.get("own"), data=file)
    assert result.tally.frames == sum(map(len, clips))
    errors = []
    for clip in clips:
        prediction, target = predictor.answers[clip.name][1].copy(), clip.joints_m - clip.joints_m[:, :1]
        prediction[:, 0] = 0
        errors.append(np.linalg.norm(prediction - target, axis=-1).mean(1))
    assert result.scores.overall["mpjpe"] == pytest.approx(1000 * np.concatenate(errors).mean(), rel=1e-4)
    assert sorted(result.scores.per_subject) == ["P0", "P1", "P2"]


def test_subjects_and_joints_can_be_chosen_and_show(file, clips):
    some = chosen(protocols.get("own"), subjects=["P1"], joints=["RWrist", "LWrist"])
    result = evaluate(Wrong(*clips), some, data=file)
    assert result.tally.sequences == 2
    assert "subjects P1" in some.describe()["sequences"]
    assert some.id == "own/1+joints"
    per_joint = result.scores.per_joint
    assert result.scores.overall["mpjpe"] == pytest.approx((per_joint["LWrist"] + per_joint["RWrist"]) / 2)
    with pytest.raises(PrmlError, match="no sequence of the subjects X; the data have P0, P1, P2"):
        evaluate(Wrong(*clips), chosen(protocols.get("own"), subjects=["X"]), data=file)
    with pytest.raises(PrmlError, match="unknown joint 'LWrits'; did you mean LWrist"):
        chosen(protocols.get("own"), joints=["LWrits"])
    with pytest.raises(PrmlError, match="3dhp-gt fixes its sequences"):
        chosen(protocols.get("3dhp-gt"), split="test")
    with pytest.raises(PrmlError, match="give data=PATH, a file of prml-sequences"):
        evaluate(Wrong(*clips), protocols.get("own"))


def test_training_and_test_are_other_subjects(file, clips, tmp_path):
    train, test = ({s.subject for s in CUSTOM.sequences(file, split)} for split in ("train", "test"))
    assert (train, test) == ({"P0", "P1"}, {"P2"})
    marked = [c.with_(labels={"split": "val" if c.subject == "P0" else "train"}) for c in clips]
    write_sequences(tmp_path / "marked.npz", marked)
    assert {s.subject for s in CUSTOM.sequences(tmp_path / "marked.npz", "test")} == {"P0"}
    write_sequences(tmp_path / "one.npz", clips[:2])
    with pytest.raises(PrmlError, match="nobody to test on"):
        CUSTOM.sequences(tmp_path / "one.npz", "train")


def test_a_network_of_one_s_own_on_data_of_one_s_own(file, tmp_path, monkeypatch, capsys):
    (tmp_path / "my_nets.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    (tmp_path / "fit.yaml").write_text(
        f"data: {{kind: custom, directory: {file}, workers: 0,\n"
        "       windows: {frames: 9, stride: 9, batch: 4, in_channels: 2}}\n"
        "objective: {pose: mpjpe, mutual_information: none}\n"
        "run: {epochs: 1, max_steps: 3, progress: false, threads: 1}\n"
    )
    own = ["fit", "fit.yaml", "--network.name", "my_nets:Net"]
    assert main([*own, "--smoke"]) == 0
    assert "smoke test passed: 2 steps of my_nets:Net" in capsys.readouterr().out
    assert main([*own, "--out", "run"]) == 0
    sys.modules.pop("my_nets", None)
    score = ["evaluate", "--weights", "run", "--protocol", "own", "--data", str(file)]
    assert main(score) == 2
    assert "my_nets" in capsys.readouterr().err
    assert main([*score, "--code", "my_nets", "--subjects", "P2", "--json", "own.json"]) == 0
    result = json.loads(Path("own.json").read_text())
    assert result["sequences"] == 2
    assert result["device"].startswith("cpu")
    assert main([*score, "--code", "nothing.here"]) == 2
    assert "cannot import nothing.here" in capsys.readouterr().err


def test_the_smallest_run_of_every_kind_of_configuration():
    for path in sorted((Path(__file__).parents[2] / "configs" / "paper").glob("*.yaml")):
        small = smallest(read_config(str(path)))
        assert small.run.max_steps == 2
        assert small.data.windows.frames <= 9
        assert registry.build(small.network.name, **small.network.arguments).frames == small.data.windows.frames


def test_a_device_that_is_not_there_is_one_line(file, tmp_path, capsys):
    card = Card("metres", "prml-xs", TINY, window=9)
    weights = save_record(tmp_path, card, registry.build("prml-xs", **TINY))
    words = ["evaluate", "--weights", str(weights), "--protocol", "own", "--data", str(file)]
    assert main([*words, "--device", "abacus"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# ------------------------------------------------------------------------------------------------ as a newcomer
NEWCOMER = ROOT / "docs" / "getting_started.md"


def newcomer_s_commands() -> list[list[str]]:
    """The commands of the section on a network and motion of one's own, in its order."""
    section = NEWCOMER.read_text(encoding="utf-8").split("## A network of your own")[1]
    block = section.split("```text\n")[1].split("```")[0]
    return [line.split()[1:] for line in block.strip().splitlines()]


def newcomer_s_network() -> str:
    """The source that the section asks for."""
    return (
        NEWCOMER.read_text(encoding="utf-8")
        .split("## A network of your own")[1]
        .split("```python\n")[1]
        .split("```")[0]
    )


def test_the_commands_of_a_newcomer_work_as_they_are_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "bvh").mkdir()
    for i in range(2):
        write_bvh(tmp_path / "bvh" / f"p{i}_walk.bvh", frames=90)
    (tmp_path / "my_nets.py").write_text(newcomer_s_network())
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    short = ["--run.minutes", "0", "--run.max_steps", "2", "--run.progress=false"]
    commands = newcomer_s_commands()
    assert [c[0] for c in commands] == ["data", "fit", "fit", "evaluate"]
    for command in commands:
        assert main([*command, *(short if command[0] == "fit" else [])]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "smoke test passed" in out
    assert re.search(r"my_nets:Net/best - prml-s: MPJPE [+-]\d.*paired bootstrap over 2 takes", out)
    assert read_result(tmp_path / "mine.json").per_sequence


def test_imported_motion_is_told_how_to_train(tmp_path):
    (tmp_path / "bvh").mkdir()
    write_bvh(tmp_path / "bvh" / "a_walk.bvh", frames=60)
    assert main(["data", "import", str(tmp_path / "bvh"), "--out", str(tmp_path / "mine.npz")]) == 0
    (tmp_path / "custom.yaml").write_text(f"data: {{kind: custom, directory: {tmp_path / 'mine.npz'}}}\n")
    config = read_config(str(tmp_path / "custom.yaml"))
    with pytest.raises(PrmlError, match=r"mine\.npz is motion capture; train on it with data\.kind mocap"):
        open_source(config)
