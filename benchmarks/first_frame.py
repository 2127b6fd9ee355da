"""Measure when ``prml lift`` has detected its first frame, and its total time; optionally against another checkout.

    python benchmarks/first_frame.py [--pairs 7] [--against OTHER/src] [--json results/first_frame.json]

Every run is a separate process that lifts the example clip with all defaults; times are from its start to the first
frame in the progress bar, and to its end. With ``--against``, each pair runs that source and this one directly after
each other; the medians and the median of the pairs' ratios are printed. Limit: half of the other's time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from prml.io.files import write_file
from prml.provenance import commit, processor, versions

ROOT = Path(__file__).parents[1]
BAR = 0.5
CODE = """
import sys, time
source, started, clip, out = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4]
sys.path.insert(0, source)
import rich.progress
update = rich.progress.Progress.update

def told(bar, task, **changes):
    if changes.get("completed") == 1:
        print("first", time.time() - started, flush=True)
    return update(bar, task, **changes)

rich.progress.Progress.update = told
from prml.cli import main
assert main(["lift", clip, "--out", out]) == 0
print("whole", time.time() - started, flush=True)
import os
os._exit(0)
"""


def measure(source: Path) -> dict[str, float]:
    """Return the seconds from the start of a process to its first detected frame, and to its end."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-c", CODE, str(source), repr(time.time()), str(ROOT / "examples/jump.mp4")]
        done = subprocess.run([*words, f"{folder}/out"], env=kept, capture_output=True, text=True, check=True)
    told = [line.split() for line in done.stdout.splitlines() if line.startswith(("first ", "whole "))]
    return {name: float(seconds) for name, seconds in reversed(told)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--against", type=Path, help="the src folder of another checkout")
    parser.add_argument("--json", type=Path, help="file for the results; overwritten")
    given = parser.parse_args()
    sources = {"this": ROOT / "src", **({"other": given.against.resolve()} if given.against else {})}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in sources}
    for _ in range(given.pairs):
        for name in reversed(sources):
            runs[name].append(measure(sources[name]))
            print(name, {k: round(v, 2) for k, v in runs[name][-1].items()}, flush=True)
    record: dict[str, object] = {
        f"{name} {part}_s": round(statistics.median(run[part] for run in taken), 3)
        for name, taken in runs.items()
        for part in ("first", "whole")
    }
    if given.against:
        for part in ("first", "whole"):
            ratios = [mine[part] / theirs[part] for mine, theirs in zip(runs["this"], runs["other"], strict=True)]
            record[f"{part}_ratio"] = round(statistics.median(ratios), 3)
        record |= {"bar": BAR, "met": float(str(record["first_ratio"])) <= BAR}
    record |= {"pairs": given.pairs, "commit": commit(), "versions": versions(), "processor": processor()}
    print(json.dumps(record, indent=1))
    if given.json:
        write_file(given.json, json.dumps(record, indent=1) + "\n", overwrite=True)


if __name__ == "__main__":
    main()
