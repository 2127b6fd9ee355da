"""Training speed against another checkout: frames a second of the same configuration, in turns.

    python benchmarks/train_speed.py --base CHECKOUT --pairs 7 --json results/train_speed.json

Each run is ``prml fit`` of one of the two checkouts, from its own folder with its own data, for --steps optimiser steps
without validation; the first --warmup of them are not counted. A pair is one run of each, in alternating order; the
ratio is the median over pairs. Two cases: the configuration as it is (two processes on two cores), and one process.
Run it on an idle machine, with the allocator's variables of docs/training.md and OMP_NUM_THREADS=1.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
CONFIG = Path("configs/mocap/prml-s.yaml")
CASES = {"as configured": [], "one process": ["--run.devices=1"]}
TIMES = "PRML_TRAIN_SPEED_TIMES"  # where a run of the child writes the moments of its steps


# ---------------------------------------------------------------------- the child: one run of one checkout
def child(arguments: list[str]) -> int:
    """Run ``prml fit`` of whatever checkout is on the path, noting when every step ends."""
    import lightning.pytorch as pl

    from prml.cli import main as prml

    class Moments(pl.Callback):
        def __init__(self) -> None:
            self.moments: list[float] = []

        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            self.moments.append(time.perf_counter())

        def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            if trainer.is_global_zero:
                seen = {"moments": self.moments, "world": trainer.world_size}
                Path(os.environ[TIMES]).write_text(json.dumps(seen), encoding="utf-8")

    original = pl.Trainer.__init__

    def with_moments(self: pl.Trainer, *args: Any, **options: Any) -> None:
        original(self, *args, **{**options, "callbacks": [*options["callbacks"], Moments()]})

    pl.Trainer.__init__ = with_moments  # type: ignore[method-assign]
    return prml(arguments)


# ---------------------------------------------------------------------- the parent
def frames_per_second(checkout: Path, config: Path, more: list[str], steps: int, warmup: int) -> float:
    """Of one run, over all processes."""
    with tempfile.TemporaryDirectory() as folder:
        moments = Path(folder) / "moments.json"
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), TIMES: str(moments)}
        options = [f"--run.max_steps={steps}", "--run.validate_every=1000000", "--run.checkpoint_minutes=1000"]
        words = ["fit", str(config), "--out", f"{folder}/run", *options, *more]
        command = [sys.executable, str(Path(__file__).resolve()), "--child", *words]
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
        if done.returncode or not moments.is_file():
            raise SystemExit(f"the run of {checkout} failed:\n{done.stderr[-3000:]}")
        seen = json.loads(moments.read_text(encoding="utf-8"))
    at = seen["moments"]
    return (len(at) - 1 - warmup) * seen["world"] * windows_and_frames(config) / (at[-1] - at[warmup])


def windows_and_frames(config: Path) -> int:
    """Frames in the batch of a process."""
    from prml.commands.fit import read_config

    windows = read_config(str(config)).data.windows
    return windows.batch * windows.frames


def measure(base: Path, config: Path, options: argparse.Namespace, more: list[str]) -> dict[str, Any]:
    """All pairs of one case."""
    pairs = []
    for number in range(options.pairs):
        order = ("base", "this") if number % 2 == 0 else ("this", "base")
        trees = {"base": base, "this": ROOT}
        pair = {n: frames_per_second(trees[n], config, more, options.steps, options.warmup) for n in order}
        pairs.append({"base": round(pair["base"], 1), "this": round(pair["this"], 1)})
        print(f"{more or ['as configured']}: {pairs[-1]}", flush=True)
    ratios = [p["this"] / p["base"] for p in pairs]
    return {
        "pairs": pairs,
        "frames_per_second": {n: round(median(p[n] for p in pairs), 1) for n in ("base", "this")},
        "ratio": round(median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
    }


def commit_of(checkout: Path) -> str:
    words = ["git", "-C", str(checkout), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    """Parse, measure in turns, print, write."""
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2:])
    from prml.provenance import processor, versions

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="checkout to compare with")
    parser.add_argument("--config", type=Path, help="default: prml-s.yaml of the base")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    base = options.base.resolve()
    config = (options.config or base / CONFIG).resolve()
    record = {
        "config": config.name,
        "base": commit_of(base),
        "commit": commit_of(ROOT),
        "versions": versions(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "steps": options.steps,
        "warmup": options.warmup,
        "load_at_start": [round(v, 2) for v in os.getloadavg()],
        "cases": {name: measure(base, config, options, CASES[name]) for name in options.cases},
        "load_at_end": [round(v, 2) for v in os.getloadavg()],
    }
    print(json.dumps(record, indent=1))
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
