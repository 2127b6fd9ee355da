"""Measure ``import prml`` and the help of every command: best of several fresh processes, in seconds.

    python benchmarks/startup.py [--runs 9]

Limits: 0.3 s for ``import prml`` beyond the bare interpreter, 0.3 s in total for the help of every command.
"""

import argparse
import json
import subprocess
import sys
from time import perf_counter

from prml import cli
from prml.commands import data

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import prml": [sys.executable, "-c", "import prml"],
    "prml --help": [sys.executable, "-m", "prml.cli", "--help"],
    **{
        f"prml {command} --help": [sys.executable, "-m", "prml.cli", *command.split(), "--help"]
        for command in [c for c in cli.COMMANDS if c != "data"] + [f"data {c}" for c in data.COMMANDS]
    },
}


def best_of(command: list[str], runs: int) -> float:
    """Return the shortest wall time of ``runs`` fresh processes, in seconds."""
    times = []
    for _ in range(runs):
        start = perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    print(json.dumps({name: round(best_of(command, runs), 3) for name, command in COMMANDS.items()}, indent=2))


if __name__ == "__main__":
    main()
