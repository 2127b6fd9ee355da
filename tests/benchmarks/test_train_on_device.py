"""Training for a stated time on the device that there is: what is left, and that it goes on elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import train_on_device
import yaml

from prml.errors import PrmlError
from prml.training.config import load_config
from prml.weights.record import load_record

SCRIPT = Path(train_on_device.__file__)
TINY = {
    "network": {"name": "prml-xs", "arguments": {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1}},
    "data": {"sets": ["ui_prmd"], "windows": {"frames": 9, "batch": 4}, "workers": 0, "validation_windows": 8},
    "optimiser": {"kind": "muon", "learning_rate": 1.0e-3, "schedule": "cosine", "warmup_steps": 3, "ema": 0.9},
    "run": {"validate_every": 10, "log_every": 2, "threads": 1, "precision": "bf16-mixed"},
}


def _config(folder: Path) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


def _dry_run(folder: Path, out: Path, seconds: float) -> dict:
    command = [sys.executable, str(SCRIPT), str(_config(folder)), "--minutes", str(seconds / 60), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((out / "device.json").read_text())


@pytest.mark.slow
def test_a_dry_run_of_a_minute_on_a_cpu_leaves_what_it_says(tmp_path):
    out = tmp_path / "out"
    record = _dry_run(tmp_path, out, 60)
    assert record["device"]["kind"] == "cpu"
    assert record["minutes"] >= 1
    assert record["frames"] == record["steps"] * 4 * 9 > 0
    names = {p.name for p in out.iterdir()}
    assert names == {"run", "tiny.safetensors", "tiny.yaml", "log.csv", "run.yaml", "device.json", "state.000"}
    assert all(p.stat().st_size <= 15e6 for p in out.iterdir() if p.is_file())
    weights = load_record(out / "tiny.safetensors")
    assert weights.card.scores == record["best"]
    assert weights.card.training["device"] == record["device"]["name"]
    assert "train/loss" in (out / "log.csv").read_text().splitlines()[0]


@pytest.mark.slow
def test_a_run_goes_on_in_another_folder_from_its_pieces(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train_on_device, "MAX_BYTES", 200_000)
    words = [str(_config(tmp_path)), "--minutes", "0.1", "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert train_on_device.main([*words, "--optimiser.warmup_steps=0"]) == 0  # ends whatever a step takes
    assert len(list((tmp_path / "out").glob("state.*"))) > 1
    assert train_on_device.main(["--join", str(tmp_path / "out"), str(tmp_path / "next")]) == 0
    whole = (tmp_path / "out" / "run" / "last.ckpt").read_bytes()
    assert (tmp_path / "next" / "last.ckpt").read_bytes() == whole
    steps = torch.load(tmp_path / "next" / "last.ckpt", weights_only=True)["global_step"]
    config = load_config(tmp_path / "next" / "run.yaml")
    config.run.max_steps, config.run.minutes = steps + 2, 10.0
    train_on_device.fit(config, tmp_path / "next", resume=True)
    assert load_record(tmp_path / "next" / "last.safetensors").card.training["steps"] == steps + 2
    assert train_on_device.main(["--join", str(tmp_path / "out"), str(tmp_path / "next")]) == 2
    assert "exists" in capsys.readouterr().err


def test_pieces_are_the_file_and_damage_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(train_on_device, "MAX_BYTES", 10)
    out, whole = tmp_path / "out", bytes(range(35))
    out.mkdir()
    (tmp_path / "last.ckpt").write_bytes(whole)
    pieces = train_on_device.split(tmp_path / "last.ckpt", out)
    assert [p.name for p in pieces] == [f"state.{i:03d}" for i in range(4)]
    assert [p.stat().st_size for p in pieces] == [10, 10, 10, 5]
    hashes = {p.name: train_on_device.hashlib.sha256(p.read_bytes()).hexdigest() for p in pieces}
    (out / "device.json").write_text(json.dumps({"sha256": {"run.yaml": "", **hashes}}))
    (out / "run.yaml").write_text("a: 1\n")
    joined = train_on_device.join(out, tmp_path / "one")
    assert joined.read_bytes() == whole
    for damage in (lambda: pieces[1].write_bytes(b"?"), pieces[1].unlink):
        damage()
        with pytest.raises(PrmlError, match=r"state\.001 is damaged or missing; copy it again"):
            train_on_device.join(out, tmp_path / "two")


def test_the_device_is_looked_at_first(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert train_on_device.look_at_device("auto")["kind"] == "cpu"
    with pytest.raises(PrmlError, match="no CUDA device is available"):
        train_on_device.look_at_device("cuda")
    assert train_on_device.main(["tiny.yaml", "--out", "nowhere", "--device", "cuda"]) == 2
    assert "no CUDA device" in capsys.readouterr().err


def test_options_of_the_device_are_those_of_the_configuration(tmp_path):
    for kind in ("cpu", "cuda"):
        config = train_on_device.read_config(str(_config(tmp_path)), train_on_device.device_options(kind))
        assert config.run.accelerator == {"cpu": "cpu", "cuda": "gpu"}[kind]
    mine = [*train_on_device.device_options("cuda"), "--data.workers=3"]
    assert train_on_device.read_config(str(_config(tmp_path)), mine).data.workers == 3
