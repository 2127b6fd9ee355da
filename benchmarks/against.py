"""Lifting, scoring and training against another checkout, in turns: time and peak memory.

    git worktree add ../base 61e0e92
    python benchmarks/against.py --base ../base --json results/against.json
    python benchmarks/against.py --base ../base --pairs 5 --only evaluate-prml-s --json results/against_evaluate.json

Each task is a process of its own. The two checkouts take turns, and the median of the pairs' ratios counts, because a
disturbance of the machine then affects both. A ratio below 1 is faster, or smaller, than the base. Both read the base's
clip, configuration and weights. The time to the first detected frame is measured by ``first_frame.py``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from prml.io.files import write_file
from prml.provenance import processor, versions

HERE = Path(__file__).resolve().parents[1]
WEIGHTS = "{base}/src/prml/weights/prml-s.yaml"
LIFT = ["lift", "{base}/examples/jump.mp4", "--weights", WEIGHTS, "--out", "{out}/lift"]
_SCORED = ["--protocol", "mocap-noisy", "--json", "{out}/scores.json", "--limit"]
EVALUATE = ["evaluate", "--weights", "{base}/src/prml/weights/prml-xs.yaml", *_SCORED, "20"]
EVALUATE_S = ["evaluate", "--weights", WEIGHTS, *_SCORED, "10"]
FIT = [
    "fit",
    "{base}/configs/mocap/prml-xs-start.yaml",
    "--out",
    "{out}/run",
    "--run.max_steps",
    "50",
    "--run.validate_every",
    "50",
    "--run.devices",
    "1",
    "--run.threads",
    "2",
    "--data.validation_windows",
    "16",
]
TASKS = {"lift the example": LIFT, "evaluate 20 clips": EVALUATE, "train 50 steps": FIT, "evaluate-prml-s": EVALUATE_S}


def run(root: Path, words: list[str]) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a command of the checkout ``root``."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    started = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "prml.cli", *words],
        env=environment,
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    errors = process.stderr.read().decode() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} failed in {root}: {errors.strip().splitlines()[-1:]}")
    return seconds, usage.ru_maxrss / 1000


def compare(base: Path, pairs: int, names: Sequence[str]) -> dict[str, Any]:
    """The named tasks, ``pairs`` times in each checkout, in turns."""
    found: dict[str, Any] = {}
    for name in names:
        words = TASKS[name]
        seconds, memory = {"base": [], "this": []}, {"base": [], "this": []}
        for number in range(pairs):
            for which, root in (("base", base), ("this", HERE)):
                with tempfile.TemporaryDirectory() as folder:
                    took, peak = run(root, [word.format(base=base, out=folder) for word in words])
                seconds[which].append(round(took, 2))
                memory[which].append(round(peak))
            print(f"{name}, pair {number + 1}: {seconds['base'][-1]} s, {seconds['this'][-1]} s", flush=True)
        found[name] = {
            "seconds": seconds,
            "peak_mb": memory,
            "time_ratio": round(median(t / b for t, b in zip(seconds["this"], seconds["base"], strict=True)), 3),
            "memory_ratio": round(median(t / b for t, b in zip(memory["this"], memory["base"], strict=True)), 3),
        }
    return found


def _commit(root: Path) -> str:
    words = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    return subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, required=True, help="checkout to compare with")
    parser.add_argument("--pairs", type=int, default=7, help="runs of each task in each checkout")
    parser.add_argument("--only", nargs="+", choices=TASKS, default=[*TASKS], help="some of the tasks")
    parser.add_argument("--json", type=Path, help="file for the record")
    given = parser.parse_args()
    record = {
        "base": _commit(given.base),
        "this": _commit(HERE),
        "processor": processor(),
        "versions": versions(),
        "pairs": given.pairs,
        "tasks": compare(given.base.resolve(), given.pairs, given.only),
    }
    for name, row in record["tasks"].items():
        print(f"{name}: {row['time_ratio']} of the time, {row['memory_ratio']} of the memory")
    if given.json:
        write_file(given.json, json.dumps(record, indent=1) + "\n", overwrite=True)


if __name__ == "__main__":
    main()
