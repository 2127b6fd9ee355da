"""Write the results table of README.md from ``results/*.json``, so that no number there is typed by hand.

    python docs/quote_results.py            # rewrite the table
    python docs/quote_results.py --check    # exit code 1 if the table and the result files differ

The files are what ``prml evaluate --json results/NAME.json`` writes; ``tests/test_readme.py`` runs the check.
"""

import argparse
import sys
from pathlib import Path

from prml.evaluation.report import SCHEMA, Result, read_result

ROOT = Path(__file__).parents[1]
START, END = "<!-- results:", "<!-- end of results -->"
COLUMNS = {
    "mpjpe": "MPJPE",
    "p_mpjpe": "P-MPJPE",
    "velocity": "velocity",
    "x": "x",
    "y": "y",
    "z": "z",
}


def _order(result: Result) -> tuple[int, str]:
    """Larger windows first, then the protocols by name."""
    return -int(result.weights["window"]), str(result.protocol["name"])


def table(results: list[Result]) -> str:
    """One row per weights and protocol, in mm (velocity: mm per frame)."""
    head = ["weights", "protocol", *COLUMNS.values(), "frames"]
    rows = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for result in sorted(results, key=_order):
        values = [f"{result.scores[name]:.1f}" for name in COLUMNS]
        name, protocol = result.weights["name"], result.protocol["name"]
        rows.append([f"`{name}` (T = {result.weights['window']})", f"`{protocol}`", *values, f"{result.frames:,}"])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    commits = ", ".join(sorted({r.commit for r in results}))
    return "\n".join([*lines, "", f"Errors in mm, velocity in mm/frame; code at commit {commits}."])


def quoted(text: str, folder: Path) -> str:
    """The page with its results section written anew; raises SystemExit for a result that is no score."""
    results = [read_result(path) for path in sorted(folder.glob("*.json")) if SCHEMA in path.read_text()]
    if short := [r.label for r in results if r.protocol["limit"] is not None]:
        sys.exit(f"{', '.join(short)}: a result over some clips only is no score; run it without --limit")
    before, _, rest = text.partition(START)
    marker, _, rest = rest.partition("-->\n")
    _, _, after = rest.partition(END)
    body = f"\n{table(results)}\n\n" if results else "\nNo result files yet.\n\n"
    return f"{before}{START}{marker}-->\n{body}{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, tell whether something would change")
    page = ROOT / "README.md"
    text = page.read_text()
    wanted = quoted(text, ROOT / "results")
    if parser.parse_args().check:
        return int(text != wanted)
    page.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
