"""Training: a killed run that is resumed ends where an undisturbed one ends; configurations are checked at the door."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors.torch import load_file

from fixtures.mocap_npz import write_mocap
from prml.batches.options import MocapWindowOptions, MotionOptions
from prml.cli import main
from prml.commands.fit import read_config
from prml.errors import PrmlError
from prml.training import clock as clock_module
from prml.training.callbacks import SafeCheckpoint
from prml.training.clock import RunClock
from prml.training.config import DATA_KINDS, FitConfig, MocapData, NetworkConfig, OptimiserConfig, RunConfig
from prml.training.data import open_source
from prml.training.engine import fit
from prml.training.folder import check_same_run, describe
from prml.training.schedule import rate_factor
from prml.weights.record import read_card

# compare.yaml is a comparison of runs; tests/training/test_compare.py reads it
CONFIGS = [p for p in sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml")) if p.stem != "compare"]
TINY = {
    "network": {"name": "prml-xs", "arguments": {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1}},
    "data": {"sets": ["ui_prmd"], "windows": {"frames": 9, "batch": 4}, "workers": 0, "validation_windows": 16},
    "optimiser": {"learning_rate": 1.0e-3, "schedule": "cosine", "warmup_steps": 5, "ema": 0.9},
    "run": {"epochs": 3, "max_steps": 60, "validate_every": 25, "log_every": 5, "progress": False, "threads": 1},
}


def _start(config: Path, out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "prml.cli", "fit", str(config), "--out", str(out), *more]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def _finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()[-2000:]


def test_killed_and_resumed_ends_where_an_undisturbed_run_ends(tmp_path):
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(TINY))
    undisturbed = _start(config, tmp_path / "a")
    # every step is slowed by a checkpoint, so that the kill falls between the first and the last of them
    killed = _start(config, tmp_path / "b", "--run.checkpoint_minutes", "0.0")
    last = tmp_path / "b" / "last.ckpt"
    deadline = time.monotonic() + 300
    while not last.is_file() and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.01)
    time.sleep(0.3)
    assert killed.poll() is None, "the run ended before it could be killed"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    step = torch.load(last, weights_only=True)["global_step"]
    assert 0 < step < 60
    _finish(undisturbed)
    _finish(_start(config, tmp_path / "b", "--resume"))
    a, b = (load_file(tmp_path / run / "last.safetensors") for run in "ab")
    assert a.keys() == b.keys()
    for key, value in a.items():
        torch.testing.assert_close(value, b[key], rtol=1e-5, atol=1e-6, msg=key)
    record = yaml.safe_load((tmp_path / "b" / "run.yaml").read_text())
    assert record["config"]["network"]["arguments"]["width"] == 16
    assert len(record["data"]["ui_prmd.npz"]) == 64


def _short(steps: int, **run) -> FitConfig:
    """A run of few steps with five in an epoch; the schedule knows nothing of its end."""
    config = FitConfig(
        network=NetworkConfig("prml-xs", TINY["network"]["arguments"]),
        data=MocapData(
            sets=["ui_prmd"], windows=MocapWindowOptions(frames=9, stride=10**6), workers=0, validation_windows=4
        ),
        optimiser=OptimiserConfig(learning_rate=1e-3, ema=0.9),
        run=RunConfig(**{"max_steps": steps, "progress": False, "accelerator": "cpu", "log_every": 5, **run}),
    )
    batch = len(open_source(config).train.index) // 5
    config.data.windows = replace(config.data.windows, batch=batch)
    return config


class KilledError(Exception):
    """The end of a run, unannounced."""


def _same_weights(a: Path, b: Path) -> None:
    first, second = load_file(a), load_file(b)
    assert first.keys() == second.keys()
    for key, value in first.items():
        torch.testing.assert_close(value, second[key], rtol=1e-5, atol=1e-6, msg=key)


def _killed_after(step):
    """A callback that saves a checkpoint after a step and dies."""
    save = SafeCheckpoint.on_train_batch_end

    def die(self, trainer, *rest):
        save(self, trainer, *rest)
        if trainer.global_step == step:
            self.save(trainer)
            raise KilledError

    return die


@pytest.mark.parametrize("step", [2, 4, 6])
def test_a_run_limited_by_epochs_has_all_its_steps_wherever_it_was_killed(tmp_path, monkeypatch, step):
    config = _short(-1, epochs=3)
    fit(config, tmp_path / "a")
    monkeypatch.setattr(SafeCheckpoint, "on_train_batch_end", _killed_after(step))
    with pytest.raises(KilledError):
        fit(config, tmp_path / "b")
    monkeypatch.undo()
    fit(config, tmp_path / "b", resume=True)
    for name in ("last", "best"):
        _same_weights(tmp_path / "a" / f"{name}.safetensors", tmp_path / "b" / f"{name}.safetensors")
        a, b = (read_card(tmp_path / run / f"{name}.yaml") for run in "ab")
        assert (a.training["steps"], a.scores) == (b.training["steps"], b.scores)
    assert a.training["steps"] <= read_card(tmp_path / "a" / "last.yaml").training["steps"] == 15


@pytest.fixture
def second_a_step(monkeypatch):
    """Every step takes a second of the run's clock, nothing else takes time."""
    hand = SimpleNamespace(now=0.0)
    hand.monotonic = lambda: hand.now
    look = RunClock.on_train_batch_end

    def step(self, *args):
        hand.now += 1
        look(self, *args)

    monkeypatch.setattr(clock_module, "time", hand)
    monkeypatch.setattr(RunClock, "on_train_batch_end", step)


@pytest.mark.parametrize("step", [3, 8])
def test_a_run_by_the_clock_that_is_killed_and_resumed_ends_where_an_undisturbed_one_ends(
    tmp_path, monkeypatch, second_a_step, step
):
    config = _short(-1, epochs=1, minutes=0.2)
    config.optimiser.schedule, config.optimiser.warmup_steps = "cosine", 4
    fit(config, tmp_path / "a")
    with monkeypatch.context() as patch:
        patch.setattr(SafeCheckpoint, "on_train_batch_end", _killed_after(step))
        with pytest.raises(KilledError):
            fit(config, tmp_path / "b")
    fit(config, tmp_path / "b", resume=True)
    for name in ("last", "best"):
        _same_weights(tmp_path / "a" / f"{name}.safetensors", tmp_path / "b" / f"{name}.safetensors")
    a, b = (read_card(tmp_path / run / "last.yaml") for run in "ab")
    assert a.training["steps"] == b.training["steps"] == 12
    assert a.training["minutes"] == b.training["minutes"] == 0.2
    assert a.training["frames"] == 12 * config.data.windows.batch * 9
    assert a.scores == b.scores
    fit(config, tmp_path / "b", resume=True)  # its time is over: nothing is trained
    _same_weights(tmp_path / "a" / "last.safetensors", tmp_path / "b" / "last.safetensors")
    config.run.minutes = 0.3
    fit(config, tmp_path / "b", resume=True)
    assert read_card(tmp_path / "b" / "last.yaml").training["steps"] == 18


def test_the_earlier_of_minutes_and_steps_ends_a_run(tmp_path, second_a_step):
    fit(_short(4, minutes=0.2), tmp_path / "steps")
    fit(_short(40, minutes=0.1), tmp_path / "minutes")
    steps = [read_card(tmp_path / n / "last.yaml").training["steps"] for n in ("steps", "minutes")]
    assert steps == [4, 6]


def test_an_extended_run_is_a_longer_run(tmp_path):
    fit(_short(6), tmp_path / "a")
    fit(_short(4), tmp_path / "b")
    fit(_short(6), tmp_path / "b", resume=True)
    _same_weights(tmp_path / "a" / "last.safetensors", tmp_path / "b" / "last.safetensors")


def test_the_end_is_validated_and_scored_as_what_it_is(tmp_path):
    fit(_short(7, validate_every=1000), tmp_path)
    last, best = (read_card(tmp_path / f"{name}.yaml") for name in ("last", "best"))
    assert last.training["steps"] == best.training["steps"] == 7
    assert last.scores == best.scores
    (tmp_path / "last.safetensors").unlink()  # as if it had been killed after its last step
    fit(_short(7, validate_every=1000), tmp_path, resume=True)
    _same_weights(tmp_path / "last.safetensors", tmp_path / "best.safetensors")
    assert read_card(tmp_path / "last.yaml").scores == last.scores
    assert len(list((tmp_path / "logs").glob("csv*/metrics.csv"))) == 2, (
        "a resumed run keeps the logs of the first part"
    )


def test_two_processes_train_one_network(tmp_path):
    """DDP on two CPU processes: one folder, checkpoints by the clock, resumed; Muon and bfloat16 on the way."""
    config = tmp_path / "tiny.yaml"
    two = {**TINY["run"], "devices": 2, "accelerator": "cpu", "precision": "bf16-mixed", "max_steps": 8}
    run = {**two, "validate_every": 3, "checkpoint_minutes": 0.0}
    config.write_text(yaml.safe_dump({**TINY, "run": run, "optimiser": {**TINY["optimiser"], "kind": "muon"}}))
    _finish(_start(config, tmp_path / "run"))
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"] == 8
    first = load_file(tmp_path / "run" / "last.safetensors")
    _finish(_start(config, tmp_path / "run", "--resume", "--run.max_steps", "10"))
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"] == 10
    assert any(not torch.equal(v, first[k]) for k, v in load_file(tmp_path / "run" / "last.safetensors").items())
    assert {p.name for p in tmp_path.iterdir()} == {"tiny.yaml", "run"}


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_mixed_precision_trains_with_clipped_gradients(tmp_path, kind):
    config = tmp_path / "tiny.yaml"
    run = {**TINY["run"], "accelerator": "cpu", "precision": "bf16-mixed", "max_steps": 2, "validate_every": 2}
    config.write_text(yaml.safe_dump({**TINY, "run": run, "optimiser": {**TINY["optimiser"], "kind": kind, "clip": 1}}))
    fit(read_config(str(config), []), tmp_path / "run")
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"] == 2


def _tiny(folder: Path, *more: str) -> FitConfig:
    return read_config(str(_good(folder)), ["--run.max_steps=2", "--run.validate_every=1", *more])


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_starts_again_leaves_nothing_of_the_last_one(tmp_path, capsys):
    out = fit(_tiny(tmp_path), tmp_path / "run")
    log = out / "logs" / "csv" / "metrics.csv"
    (log.parent / "old.txt").touch()
    (out / "mine.txt").touch()
    mine = [out / "logs" / "csv_mine" / "kept.txt", log.parent / "folder" / "kept.txt"]
    for path in mine:
        path.parent.mkdir()
        path.touch()
    assert (out / "best.yaml").is_file()
    words = ["fit", str(_good(tmp_path)), "--out", str(out), "--run.max_steps=2", "--run.validate_every=0"]
    assert main(words) == 2
    assert (out / "best.yaml").is_file()
    assert main([*words, "--overwrite"]) == 0
    assert {p.name for p in out.iterdir()} == {
        "best.safetensors",
        "best.yaml",
        "last.ckpt",
        "last.safetensors",
        "last.yaml",
        "logs",
        "mine.txt",
        "run.yaml",
    }
    assert read_card(out / "best.yaml").training["steps"] == 2
    assert not (log.parent / "old.txt").exists()
    assert all(path.exists() for path in mine)
    said = "".join(capsys.readouterr().out.split())
    assert "last.safetensors(theend)" in said


@pytest.mark.filterwarnings("ignore")
def test_a_small_set_without_clips_for_validation_trains(tmp_path):
    write_mocap(tmp_path / "own.npz", (60, 40))
    config = _tiny(tmp_path, f"--data.directory={tmp_path}", "--data.sets=[own]", "--data.windows.batch=64")
    out = fit(config, tmp_path / "run")
    assert read_card(out / "last.yaml").training["steps"] == 2
    assert read_card(out / "best.yaml").weights_licence == "non-commercial, as the data"
    config.run.devices = 2
    with pytest.raises(PrmlError, match="1 batches in an epoch, fewer than the 2 processes"):
        fit(config, tmp_path / "two")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_goes_on(tmp_path):
    """Every checkpoint leaves the one before it, whole."""
    fit(_short(4, checkpoint_minutes=0.0), tmp_path)
    last, previous = tmp_path / "last.ckpt", tmp_path / "last.previous.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 4
    assert torch.load(previous, weights_only=True)["global_step"] == 3
    whole = last.read_bytes()
    other = torch.load(previous, weights_only=True)
    other["state_dict"] = {k: v[:1] if v.ndim else v for k, v in other["state_dict"].items()}
    for damage, said in (
        (lambda: last.write_bytes(b""), "it is empty"),
        (lambda: last.write_bytes(whole[: len(whole) // 2]), "is damaged"),
        (lambda: torch.save({"state_dict": {}}, last), "it lacks global_step"),
        (lambda: torch.save([1], last), "is damaged"),
        (lambda: torch.save(other, last), "is of another network"),
    ):
        damage()
        with pytest.raises(PrmlError) as caught:
            fit(_short(6), tmp_path, resume=True)
        text = str(caught.value)
        assert said in text
        assert "last.ckpt" in text
        assert "\n" not in text
        assert "another network" in text or "rename last.previous.ckpt, the one before it, to last.ckpt" in text
    previous.replace(last)
    fit(_short(6), tmp_path, resume=True)
    assert torch.load(last, weights_only=True)["global_step"] == 6
    last.write_bytes(b"")
    (tmp_path / "last.previous.ckpt").unlink(missing_ok=True)
    with pytest.raises(PrmlError, match="start the run again with overwrite=True"):
        fit(_short(8), tmp_path, resume=True)


@pytest.mark.parametrize("validate_every", [1, 1000])
def test_a_run_that_goes_astray_ends_with_one_line(tmp_path, validate_every):
    config = _short(40, validate_every=validate_every, checkpoint_minutes=0.0)
    config.optimiser.learning_rate, config.optimiser.clip = 1e12, 0.0
    with pytest.raises(PrmlError, match=r"the loss is not a number since step \d+; lower optimiser\.learning_rate"):
        fit(config, tmp_path)
    if (tmp_path / "last.ckpt").is_file():
        kept = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
        assert all(torch.isfinite(value).all() for value in kept.values() if value.is_floating_point())


def test_another_run_is_not_resumed(tmp_path):
    config, out = _tiny(tmp_path), tmp_path / "run"
    describe(out, config, {})
    (out / "last.ckpt").touch()
    before = (out / "run.yaml").read_bytes()
    with pytest.raises(PrmlError, match=r"seed was 0, now 5.*start over with overwrite=True"):
        fit(_tiny(tmp_path, "--seed=5"), out, resume=True)
    assert (out / "run.yaml").read_bytes() == before
    for more, words in (
        (["--objective.pose=mpjpe", "--seed=5"], "objective.pose was tasks, now mpjpe; seed was 0, now 5"),
        (["--network.arguments.width=32"], "network.arguments.width was 16, now 32"),
        (["--data.windows.speed=[1,1]"], r"data.windows.speed was \[0.75, 1.3\], now \[1.0, 1.0\]"),
    ):
        with pytest.raises(PrmlError, match=words):
            check_same_run(out, _tiny(tmp_path, *more), {})
    with pytest.raises(PrmlError, match=r"own\.npz has changed"):
        check_same_run(out, config, {"own.npz": "1"})


def test_the_same_run_is_resumed_longer_elsewhere_and_by_a_later_version(tmp_path):
    out = tmp_path / "run"
    describe(out, _tiny(tmp_path), {"own.npz": "1"})
    more = ["--run.max_steps=9", "--run.epochs=7", "--run.threads=2", "--data.workers=1", "--data.directory=elsewhere"]
    record = yaml.safe_load((out / "run.yaml").read_text())
    del record["config"]["optimiser"]["muon_rate"]  # as if it were newer than the run
    (out / "run.yaml").write_text(yaml.safe_dump(record))
    check_same_run(out, _tiny(tmp_path, *more), {"own.npz": "1"})
    for text in ("", "config: 3", "{"):
        (out / "run.yaml").write_text(text)
        with pytest.raises(PrmlError, match="does not say what run this is"):
            check_same_run(out, _tiny(tmp_path), {"own.npz": "1"})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: "/".join(p.parts[-2:]))
def test_every_shipped_configuration_is_accepted(path):
    config = read_config(str(path))
    config.check()


def test_overrides_reach_nested_fields(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(TINY))
    config = read_config(str(path), ["--data.windows.batch", "2", "--optimiser.learning_rate", "0.5"])
    assert (config.data.windows.batch, config.optimiser.learning_rate) == (2, 0.5)
    assert config.network.arguments["width"] == 16


@pytest.mark.parametrize(
    ("key", "near"), [("optimiser.lerning_rate", "optimiser.learning_rate"), ("network.nme", "network.name")]
)
def test_unknown_keys_name_the_nearest(tmp_path, key, near):
    path = tmp_path / "c.yaml"
    section, field = key.split(".")
    path.write_text(yaml.safe_dump({section: {field: 1}}))
    for arguments in ([str(path)], [str(_good(tmp_path)), f"--{key}", "1"]):
        with pytest.raises(PrmlError, match=near):
            read_config(arguments[0], arguments[1:])


def _good(folder: Path) -> Path:
    path = folder / "good.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


def test_rules_across_fields():
    config = FitConfig()
    config.network.name = "prml-xs"
    with pytest.raises(PrmlError, match=r"data\.windows\.frames is 81"):
        config.check()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        *[(f"data.windows.{name}", "0", "be at least 1, got 0") for name in ("frames", "stride", "step", "batch")],
        ("data.windows.speed", "[1.2,0.8]", "lie between 0.1 and 10, low before high"),
        ("data.windows.clean", ".nan", "lie between 0 and 1"),
        ("data.windows.in_channels", "5", "lie between 2 and 4"),
        ("data.windows.cameras.fov_deg", "[30,200]", "lie between 1 and 179"),
        ("data.workers", "-1", "be at least 0"),
        ("data.sets", "[]", "name at least one"),
        ("data.validation_windows", "0", "be at least 1"),
        ("objective.lambda_t", "-1", "be at least 0"),
        ("optimiser.learning_rate", "-0.1", "be at least 0"),
        ("optimiser.learning_rate", ".inf", "be at least 0"),
        ("optimiser.clip", "-1", "be at least 0"),
        ("optimiser.ema", "2", "lie between 0 and 0.999999"),
        ("run.precision", "half", "expected one of 32-true, "),
        ("run.accelerator", "abacus", "expected one of auto, cpu"),
        ("run.devices", "0", "be at least 1"),
        ("run.threads", "-2", "be at least 0"),
        ("run.checkpoint_minutes", "-1", "be at least 0"),
        ("run.max_steps", "0", "be at least 1, or -1"),
        ("run.epochs", "0", "be at least 1"),
        ("run.minutes", "-1", "be at least 0"),
        ("seed", "-1", "lie between 0 and"),
    ],
)
def test_values_that_cannot_be_are_refused(tmp_path, field, value, words):
    with pytest.raises(PrmlError, match=rf"{field}(: | must ){words}"):
        read_config(str(_good(tmp_path)), [f"--{field}={value}"]).check()


@pytest.mark.skipif(torch.cuda.is_available(), reason="has the accelerator")
@pytest.mark.filterwarnings("ignore")
def test_an_accelerator_that_is_not_there_is_named_before_anything_is_removed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.yaml").touch()
    with pytest.raises(PrmlError, match=r'accelerator "cuda" is not available'):
        fit(_tiny(tmp_path, "--run.accelerator=cuda"), tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "best.yaml").exists()


@pytest.mark.parametrize(("field", "value"), [("arms", 1.5), ("tilt", -0.1), ("bones", float("nan"))])
def test_absurd_motion_is_refused(field, value):
    config = FitConfig(data=MocapData(windows=MocapWindowOptions(motion=MotionOptions(**{field: value}))))
    with pytest.raises(PrmlError, match=rf"data\.windows\.motion\.{field} must lie between 0"):
        config.check()


@pytest.mark.parametrize("kind", ["human36m", "human36m-sh", "3dhp", "features"])
@pytest.mark.parametrize(
    ("option", "value", "usual"),
    [
        ("windows.motion.arms", "0.3", "0"),
        ("windows.speed", "[1,1]", "[0.75,1.3]"),
        ("windows.scale", "[1,1]", "[0.92,1.08]"),
        ("windows.clean", "0", "0.1"),
        ("sets", "[cmu]", "[cmu,ui_prmd]"),
        ("noise", "false", "true"),
        ("split", "val", "train"),
    ],
)
def test_options_unused_by_a_kind_of_data_are_refused(tmp_path, kind, option, value, usual):
    path, kinds = tmp_path / "c.yaml", [f"--data.kind={kind}", f"--data.{option}={value}"]
    path.write_text("")
    with pytest.raises(PrmlError, match=rf"data\.{option} is for data\.kind mocap, not {kind}"):
        read_config(str(path), kinds)
    read_config(str(path), [f"--data.{option}={value}"]).check()
    assert read_config(str(path), [kinds[0], f"--data.{option}={usual}"]).data == DATA_KINDS[kind]()


@pytest.mark.parametrize("kind", ["human36m", "3dhp"])
def test_windows_of_another_kind_of_data_are_refused(kind):
    with pytest.raises(PrmlError, match=r"data\.windows must be SequenceWindowOptions, got MocapWindowOptions"):
        FitConfig(data=DATA_KINDS[kind](windows=MocapWindowOptions())).check()


def test_paper_schedule_and_cosine():
    paper = OptimiserConfig()
    assert [rate_factor(s, paper, 10, 100) for s in (0, 9, 10, 25)] == pytest.approx([1, 1, 0.99, 0.99**2])
    cosine = OptimiserConfig(schedule="cosine", warmup_steps=4)
    factors = [rate_factor(s, cosine, 10, 100) for s in range(101)]
    assert factors[0] == pytest.approx(0.25)
    assert max(factors) == pytest.approx(1.0)
    assert all(a >= b for a, b in pairwise(factors[4:]))
    assert factors[-1] == pytest.approx(0.01)
