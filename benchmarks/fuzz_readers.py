"""Read 2,000 damaged files with every reader of other programs' files; say what came of it.

    python benchmarks/fuzz_readers.py [--json results/fuzz.json] [--inputs 2000] [--only bvh,trc]

Half are mutations (an entry of the tree changed, a line or a word dropped, bytes damaged), half are made up by
hypothesis (pieces replaced, words of the file in another order, values in its tree); see ``tests/fixtures/fuzz.py``.
Each reader runs in a process of its own. What counts as right: a result or a PrmlError of one line, and nothing else,
in less than 10 s of the processor and 2 GB. Readers with native parsers fork instead of starting a process for every
file, and get truncated files only. A pose file that is drawn or lifted afterwards gets a quarter.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from prml.io.files import write_file
from prml.provenance import commit, processor, versions

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fixtures.fuzz import fast_native, read_damaged
from fixtures.targets.base import NATIVE
from fixtures.targets.files import FILES

MAX_SECONDS, MAX_MB = 10.0, 2048.0


def measure(name: str, inputs: int) -> dict[str, float | int | dict[str, int]]:
    """Read damaged files of one reader in this process."""
    target = FILES[name]()
    count = inputs if target.cases in (200, NATIVE) else inputs // 4
    with tempfile.TemporaryDirectory() as folder, fast_native():
        found = read_damaged(name, Path(folder), count // 2, count - count // 2)
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    peak = max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024
    return {**asdict(found), "longest_s": round(found.longest_s, 3), "peak_mb": round(peak)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000, help="damaged files per reader")
    parser.add_argument("--only", default="", help="readers, separated by semicolons")
    parser.add_argument("--json", type=Path, help="file for the results; rows of readers that are not run are kept")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure(given.here, given.inputs)))
        return 0
    readers = {}
    for name in given.only.split(";") if given.only else FILES:
        words = [sys.executable, __file__, "--here", name, "--inputs", str(given.inputs)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            row = {"faults": {(done.stderr.strip().splitlines() or ["it ended"])[-1][:300]: 0}}
        else:
            row = json.loads(done.stdout.splitlines()[-1])
        right = not row["faults"] and row["longest_s"] < MAX_SECONDS and row["peak_mb"] < MAX_MB
        readers[name] = row | {"right": right, "commit": commit()}
        print(f"{name:<28}{'right' if right else 'WRONG'}  {row}", flush=True)
    if given.json:
        earlier = json.loads(given.json.read_text())["readers"] if given.only and given.json.is_file() else {}
        readers = earlier | readers
        record = {
            "limits": {"seconds": MAX_SECONDS, "mb": MAX_MB},
            "all_right": all(row["right"] for row in readers.values()),
            "commit": commit(),
            "versions": versions(),
            "processor": processor(),
            "readers": readers,
        }
        write_file(given.json, json.dumps(record, indent=1) + "\n", overwrite=True)
    return 0 if all(row["right"] for row in readers.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
