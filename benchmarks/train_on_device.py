"""Train a configuration for a stated time on whatever device there is, and leave everything in files of at most 15 MB.

    python benchmarks/train_on_device.py configs/mocap/prml-s.yaml --minutes 10 --out OUT [--data.windows.batch 64 ...]
    python benchmarks/train_on_device.py --join OUT RUN     # then: prml fit ... --out RUN --resume, on any machine

The device is looked at first: CUDA if a small product on it is right, else the CPU. The schedule ends when the time
does (run.minutes), and the weights of the lowest validation error are stored. On CUDA training is in bfloat16 with
compiled networks and enough workers; every option of the configuration may be given after the others.

OUT then holds NAME.safetensors and NAME.yaml (float16 weights and their card, a record that prml loads), log.csv,
run.yaml, device.json (device, minutes, frames, frames/s, commit, versions, scores, SHA-256 of every file) and the state
of the optimiser in pieces, state.000, state.001, ... Started again with the same OUT after it was cut off, it goes on.
"""

import argparse
import csv
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from prml.commands.fit import read_config
from prml.errors import PrmlError
from prml.provenance import commit, processor, versions
from prml.training.callbacks import CHECKPOINT
from prml.training.engine import fit
from prml.weights.record import Card, load_record, save_record

MAX_BYTES = 15_000_000  # of a file
RUN = "run"  # folder of the run within OUT
PIECE = "state."


# ---------------------------------------------------------------------- device
def look_at_device(wanted: str) -> dict[str, Any]:
    """What there is to train on; on CUDA a product is compared with the CPU's."""
    if wanted != "cpu" and torch.cuda.is_available():
        x = torch.randn(256, 256, generator=torch.Generator().manual_seed(0))
        found, right = (x.cuda().bfloat16() @ x.cuda().bfloat16()).float().cpu(), x @ x
        if not torch.allclose(found, right, rtol=0.05, atol=1.0):
            raise PrmlError("the CUDA device multiplies matrices wrongly; train on the CPU with --device cpu")
        about = torch.cuda.get_device_properties(0)
        return {"kind": "cuda", "name": about.name, "memory_gb": round(about.total_memory / 2**30, 1)}
    if wanted == "cuda":
        raise PrmlError("no CUDA device is available; leave --device out to train on the CPU")
    return {"kind": "cpu", "name": processor(), "cores": os.cpu_count() or 1}


def device_options(kind: str) -> list[str]:
    """Options of the configuration that suit the device; those of the user come after them and win."""
    if kind == "cpu":
        return ["--run.accelerator=cpu"]
    workers = max(1, min(12, (os.cpu_count() or 2) - 2))
    return [
        "--run.accelerator=gpu",
        "--run.devices=1",
        "--run.threads=0",
        "--run.precision=bf16-mixed",
        f"--data.workers={workers}",
    ]


# ---------------------------------------------------------------------- what is left
def split(path: Path, folder: Path) -> list[Path]:
    """Cut a file into pieces of at most MAX_BYTES."""
    pieces = []
    with path.open("rb") as stream:
        while data := stream.read(MAX_BYTES):
            pieces.append(folder / f"{PIECE}{len(pieces):03d}")
            pieces[-1].write_bytes(data)
    return pieces


def join(out: Path, run: Path) -> Path:
    """Make a folder that ``prml fit --resume`` goes on in; raises PrmlError for a piece that is damaged or missing."""
    record = json.loads((out / "device.json").read_text(encoding="utf-8"))
    run.mkdir(parents=True, exist_ok=True)
    target = run / CHECKPOINT
    if target.exists():
        raise PrmlError(f"{target} exists; name a folder without a checkpoint")
    names = sorted(name for name in record["sha256"] if name.startswith(PIECE))
    parts = []
    for name in names:
        data = (out / name).read_bytes() if (out / name).is_file() else b""
        if hashlib.sha256(data).hexdigest() != record["sha256"][name]:
            raise PrmlError(f"{out / name} is damaged or missing; copy it again")
        parts.append(data)
    draft = target.with_suffix(".tmp")
    draft.write_bytes(b"".join(parts))
    draft.replace(target)
    (run / "run.yaml").write_bytes((out / "run.yaml").read_bytes())
    return target


def join_logs(run: Path, target: Path) -> None:
    """One CSV file of the logs of all starts of a run."""
    rows: list[dict[str, str]] = []
    for path in sorted(run.glob("logs/csv*/metrics.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            rows += csv.DictReader(stream)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)


def store_weights(run: Path, out: Path, name: str, device: dict[str, Any]) -> Card:
    """The weights of the lowest validation error as a float16 record, read back to see that they load."""
    record = load_record(run / "best.safetensors")
    training = {**record.card.training, "device": device["name"]}
    card = replace(record.card, name=name, training=training)
    path = save_record(out, card, record.network, record.uncertainty, half=True)
    weights = path.with_suffix(".safetensors")
    if (size := weights.stat().st_size) > MAX_BYTES:
        raise PrmlError(f"{weights} has {size} bytes, more than {MAX_BYTES}; train a smaller network")
    return load_record(path).card


def leave(out: Path, name: str, device: dict[str, Any]) -> dict[str, Any]:
    """Lay down everything that a finished run is, and say what it was."""
    run = out / RUN
    for old in out.glob(f"{PIECE}[0-9]*"):
        old.unlink()
    card = store_weights(run, out, name, device)
    join_logs(run, out / "log.csv")
    (out / "run.yaml").write_bytes((run / "run.yaml").read_bytes())
    split(run / CHECKPOINT, out)
    last = load_record(run / "last.safetensors").card
    minutes, frames = last.training["minutes"], last.training["frames"]
    files = sorted(p for p in out.iterdir() if p.is_file() and p.name != "device.json")
    record = {
        "device": device,
        "commit": commit(),
        "versions": versions(),
        "minutes": minutes,
        "steps": last.training["steps"],
        "frames": frames,
        "frames_per_second": round(frames / (60 * minutes)) if minutes else None,
        "best": card.scores,
        "last": last.scores,
        "sha256": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
    }
    (out / "device.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


# ---------------------------------------------------------------------- entry
def train(config_path: str, out: Path, minutes: float, wanted: str, more: Sequence[str]) -> dict[str, Any]:
    """Look at the device, train, validate, lay down."""
    device = look_at_device(wanted)
    print(f"device: {json.dumps(device)}", flush=True)
    ending = [f"--run.minutes={minutes}", "--run.max_steps=-1", "--run.progress=false"]
    config = read_config(config_path, [*device_options(device["kind"]), *ending, *more])
    run = out / RUN
    resume = (run / CHECKPOINT).is_file()
    fit(config, run, resume=resume, overwrite=not resume)
    if int(os.environ.get("LOCAL_RANK", "0")):  # another process lays down
        return {}
    record = leave(out, Path(config_path).stem, device)
    print(json.dumps({k: v for k, v in record.items() if k != "sha256"}, indent=1))
    return record


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, then train or join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", help="YAML file")
    parser.add_argument("--minutes", type=float, default=10.0, help="of wall time")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--join", nargs=2, type=Path, metavar=("OUT", "RUN"))
    given, more = parser.parse_known_args(arguments)
    try:
        if given.join:
            print(f"prml fit ... --out {join(*given.join).parent} --resume goes on from here")
        elif given.config and given.out:
            train(given.config, given.out, given.minutes, given.device, more)
        else:
            parser.error("give a configuration and --out, or --join")
    except PrmlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
