"""Compare lifting, scoring and training with another checkout: time, peak memory, start-up.

    git worktree add ../base 61e0e92
    python benchmarks/against.py --base ../base --json results/against.json

Each task is a separate process. The two checkouts alternate, so that disturbances of the machine affect both, and the
median of the pairs' ratios is reported. A ratio below 1 means faster, or less memory, than the base.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

HERE = Path(__file__).resolve().parents[1]
LIFT = ["lift", "{root}/examples/jump.mp4", "--out", "{out}/lift"]
EVALUATE = [
    "evaluate",
    "--weights",
    "prml-s",
    "--protocol",
    "mocap-noisy",
    "--limit",
    "20",
    "--json",
    "{out}/scores.json",
]
FIT = [
    "fit",
    "{root}/configs/mocap/prml-xs-start.yaml",
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
TASKS = {"lift the example": LIFT, "evaluate 20 clips": EVALUATE, "train 50 steps": FIT}
FIRST_FRAME = """
import sys, time
started = time.perf_counter()
from prml.cli import main
import prml.detect.follow as follow
call = follow.Follower.__call__
def first(self, image, time_s):
    found = call(self, image, time_s)
    print("first", time.perf_counter() - started, file=sys.stderr, flush=True)
    import os
    os._exit(0)
follow.Follower.__call__ = first
main(["lift", sys.argv[1], "--out", sys.argv[2], "--overlay", "false", "--viewer", "false"])
"""


def run(root: Path, words: list[str], out: Path) -> tuple[float, float]:
    """Return seconds and peak memory (MB) of a command in the checkout ``root``."""
    filled = [word.format(root=HERE, out=out) for word in words]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    started = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "prml.cli", *filled],
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
        raise SystemExit(f"{' '.join(filled)} failed in {root}: {errors.strip().splitlines()[-1:]}")
    return seconds, usage.ru_maxrss / 1000


def start_up(root: Path, out: Path) -> float:
    """Return the seconds from the start of ``prml lift`` to its first frame with a detection."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    words = [sys.executable, "-c", FIRST_FRAME, str(HERE / "examples/jump.mp4"), str(out)]
    started = perf_counter()
    done = subprocess.run(words, env=environment, cwd=root, capture_output=True, text=True, check=False)
    if "first" not in done.stderr:
        raise SystemExit(f"no frame was detected in {root}: {done.stderr.strip().splitlines()[-1:]}")
    return perf_counter() - started


def compare(base: Path, pairs: int) -> dict[str, Any]:
    """Run every task ``pairs`` times in each checkout, alternating."""
    found: dict[str, Any] = {}
    for name, words in TASKS.items():
        seconds, memory = {"base": [], "this": []}, {"base": [], "this": []}
        for number in range(pairs):
            for which, root in (("base", base), ("this", HERE)):
                with tempfile.TemporaryDirectory() as folder:
                    took, peak = run(root, words, Path(folder))
                seconds[which].append(round(took, 2))
                memory[which].append(round(peak))
            print(f"{name}, pair {number + 1}: {seconds['base'][-1]} s, {seconds['this'][-1]} s", flush=True)
        found[name] = {
            "seconds": seconds,
            "peak_mb": memory,
            "time_ratio": round(median(t / b for t, b in zip(seconds["this"], seconds["base"], strict=True)), 3),
            "memory_ratio": round(median(t / b for t, b in zip(memory["this"], memory["base"], strict=True)), 3),
        }
    starts: dict[str, list[float]] = {"base": [], "this": []}
    for _ in range(pairs):
        for which, root in (("base", base), ("this", HERE)):
            with tempfile.TemporaryDirectory() as folder:
                starts[which].append(round(start_up(root, Path(folder) / "out"), 2))
    ratio = median(t / b for t, b in zip(starts["this"], starts["base"], strict=True))
    found["start of prml lift to its first detected frame"] = {"seconds": starts, "time_ratio": round(ratio, 3)}
    return found


def _commit(root: Path) -> str:
    words = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    return subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, required=True, help="checkout to compare with")
    parser.add_argument("--pairs", type=int, default=7, help="runs of each task in each checkout")
    parser.add_argument("--json", type=Path, help="file for the record")
    given = parser.parse_args()
    from prml.provenance import processor, versions

    record = {
        "base": _commit(given.base),
        "this": _commit(HERE),
        "processor": processor(),
        "versions": versions(),
        "pairs": given.pairs,
        "tasks": compare(given.base.resolve(), given.pairs),
    }
    for name, row in record["tasks"].items():
        print(f"{name}: {row['time_ratio']} of the time, {row.get('memory_ratio', '-')} of the memory")
    if given.json:
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
