"""Write the tables of README.md and of docs/ from the result files, so that no number there is typed by hand.

    python docs/quote_results.py            # rewrite the tables
    python docs/quote_results.py --check    # exit code 1 if a table and the result files differ

The files are what ``prml evaluate --json results/NAME.json``, ``prml compare-networks --json results/comparison.json
--figure docs/images/comparison.png``, ``prml bench --networks --json results/bench_networks.json``, ``prml bench
--video examples/jump.mp4 --json results/bench.json`` and ``benchmarks/scale.py`` write; ``tests/test_readme.py`` runs
the check. A page holds what is quoted between ``<!-- NAME: ... -->`` and ``<!-- end of NAME -->``.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prml.evaluation.result import SCHEMA, Result, read_result

ROOT = Path(__file__).parents[1]
COMPARISON, FIGURE = Path("results/comparison.json"), Path("docs/images/comparison.png")
NETWORK_SPEEDS, LIFT_SPEED = Path("results/bench_networks.json"), Path("results/bench.json")
JOBS, QUALITY, ENGINES = Path("results/jobs.json"), Path("results/quality.json"), Path("results/engines.json")
DEPTH_CHANNEL = Path("results/depth_channel.json")
NOT_YET = "Not measured yet: there is no result file, so there are no numbers."
SCALE = Path("results/scale.json")
COLUMNS = {
    "mpjpe": "MPJPE",
    "p_mpjpe": "P-MPJPE",
    "velocity": "MPJVE (velocity)",
    "x": "x",
    "y": "y",
    "z": "z",
}


def _order(result: Result) -> tuple[int, str, str]:
    """Larger windows first, then weights and protocols by name."""
    return -int(result.weights["window"]), str(result.weights["name"]), str(result.protocol["name"])


def table(results: list[Result]) -> str:
    """One row per weights and protocol, in mm (MPJVE: mm per frame)."""
    head = ["weights", "protocol", *COLUMNS.values(), "frames"]
    rows = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for result in sorted(results, key=_order):
        values = [f"{result.scores[name]:.1f}" if name in result.scores else "" for name in COLUMNS]
        name, protocol = result.weights["name"], result.protocol["name"]
        rows.append([f"`{name}` (T = {result.weights['window']})", f"`{protocol}`", *values, f"{result.frames:,}"])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    commits = ", ".join(sorted({r.commit for r in results}))
    return "\n".join([*lines, "", f"Errors in mm, MPJVE in mm/frame; code at commit {commits}."])


def results(root: Path) -> str:
    """The bundled weights under every protocol; raises SystemExit for a result that is no score."""
    found = [read_result(path) for path in sorted((root / "results").glob("*.json")) if SCHEMA in path.read_text()]
    if short := [r.label for r in found if r.protocol["limit"] is not None]:
        sys.exit(f"{', '.join(short)}: a result over some clips only is no score; run it without --limit")
    return table(found) if found else "No result files yet."


def comparison(root: Path) -> str:
    """The comparison of networks and its figure, or that it has not been run."""
    if not (root / COMPARISON).is_file():
        return "**The comparison has not been run yet: there is no result file yet, so there are no numbers.**"
    from prml.studies.compare_report import markdown, read_comparison

    text = markdown(read_comparison(root / COMPARISON))
    if (root / FIGURE).is_file():
        text += f"\n\n![error and cost of every network]({FIGURE.relative_to('docs')})"
    return text


def _machine(record: dict[str, Any]) -> str:
    return (
        f"{record['processor']}, {record['threads']} threads, torch {record['torch']}, float32 matrix products at "
        f"{record['matrix_gflops']:.0f} GFLOP/s before and {record['matrix_gflops_after']:.0f} after; commit "
        f"{record['commit']}"
    )


def network_speeds(root: Path) -> str:
    """Every network at its published size, and the bars."""
    record = json.loads((root / NETWORK_SPEEDS).read_text())
    lines = ["| network | T | s per forward | frames/s | share of the matrix rate |", "| --- |" + " ---: |" * 4]
    for row in record["networks"]:
        speed, share = f"{row['poses_per_second']:.1f}", f"{row['share_of_matrix_rate']:.0%}"
        lines.append(f"| `{row['name']}` | {row['frames']} | {row['seconds']:.3f} | {speed} | {share} |")
    bars = [
        f"- {bar['bar']} = {bar['limit']:.2f}: measured {bar['measured']:.2f}, {'met' if bar['met'] else '**not met**'}"
        for bar in record["bars"]
    ]
    return "\n".join([*lines, "", f"{_machine(record)}.", "", *bars])


def lift_speed(root: Path) -> str:
    """What ``prml bench --video`` printed of ``prml lift``."""
    from prml.bench.lift import summary

    record = json.loads((root / LIFT_SPEED).read_text())
    if "runs" not in record["lift"]:
        return NOT_YET  # the file is of an earlier benchmark
    return "\n".join(["```text", *summary(record["lift"]), "```", "", f"{_machine(record)}."])


def jobs(root: Path) -> str:
    """What the number of jobs changes, beside one grey level."""
    if not (root / JOBS).is_file():
        return NOT_YET
    record = json.loads((root / JOBS).read_text())
    head = "| | 2D, mean (px) | 2D, median (px) | MPJPE (mm) | P-MPJPE (mm) |"
    lines = [head, "| --- |" + " ---: |" * 4]
    for name, row in record["difference_from_one_process"].items():
        values = (row[key] for key in ("px_mean", "px_median", "mpjpe_mm", "p_mpjpe_mm"))
        lines.append(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    about = f"{record['frames']} frames, compared from {record['compared_from_frame']} on; "
    about += f"a person of {record['person_px']} pixels"
    return "\n".join([*lines, "", f"{about}; {record['processor']}; commit {record['commit']}."])


def quality(root: Path) -> str:
    """What the presets cost and change."""
    if not (root / QUALITY).is_file():
        return NOT_YET
    record = json.loads((root / QUALITY).read_text())
    head = f"| quality | detected frames/s | lifted frames/s | MPJPE to {record['reference']} (mm) | P-MPJPE (mm) |"
    lines = [head, "| --- |" + " ---: |" * 4]
    for name, row in record["presets"].items():
        speeds = (row[f"{what}_frames_per_cpu_second"] for what in ("detected", "lifted"))
        errors = (row[f"{kind}_to_reference_mm"] for kind in ("mpjpe", "p_mpjpe"))
        lines.append(f"| {name} | " + " | ".join(f"{value:.1f}" for value in (*speeds, *errors)) + " |")
    about = f"{record['frames']} frames; frames/s per second of processor time"
    return "\n".join([*lines, "", f"{about}; {record['processor']}; commit {record['commit']}."])


def engines(root: Path) -> str:
    """What ``prml bench --engines`` printed."""
    from prml.bench.engines import summary

    if not (root / ENGINES).is_file():
        return NOT_YET
    record = json.loads((root / ENGINES).read_text())
    return "\n".join(["```text", *summary(record["engines"]), "```", "", f"{_machine(record)}."])


def scale(root: Path) -> str:
    """One and two workers, and what as many machines as you like would do if they went on like this."""
    if not (root / SCALE).is_file():
        return NOT_YET
    record = json.loads((root / SCALE).read_text())
    measured = record["measured"]
    lines = ["| workers | cores | s for the batch | range | s per lift | frames/s | hours of video per hour |"]
    lines.append("|" + " ---: |" * 7)
    for row in measured["rows"]:
        low, high = row["range"]
        lines.append(
            f"| {row['workers']} | {row['cores']} | {row['seconds']:.1f} | {low:.1f} to {high:.1f} | "
            f"{row['seconds_per_lift']:.2f} | {row['frames_per_s']:.1f} | {row['video_hours_per_hour']:.2f} |"
        )
    told = (
        f"Two workers on two cores are {measured['ratio']:.2f} times as fast as one on one: "
        f"{measured['efficiency']:.0%} of what two could be. {record['input']['videos']} copies of the example clip "
        f"({record['input']['frames']:.0f} frames), medians of {record['rounds']} turns, {record['processor']}, commit "
        f"{record['commit']}."
    )
    third = "The third row is one worker that looks for the person in two processes: what one long video gains."
    return "\n".join([*lines, "", f"{told} {third}", "", *_beyond(measured)])


def _beyond(measured: dict[str, Any]) -> list[str]:
    one = measured["rows"][0]["video_hours_per_hour"]
    per_core = one * measured["efficiency"]
    lines = [
        "| machines | cores each | hours of video per hour | days for 10,000 hours of video |",
        "|" + " ---: |" * 4,
    ]
    for machines, each in ((1, 16), (10, 16), (100, 16), (100, 64)):
        rate = machines * each * per_core
        lines.append(f"| {machines} | {each} | {rate:,.0f} | {10_000 / rate / 24:,.2f} |")
    told = f"machines x cores x {one:.2f} hours of video per hour of one core x {measured['efficiency']:.2f}"
    return [*lines, "", f"Arithmetic, not measured: {told}."]


def depth_channel(root: Path) -> str:
    """One row per input, means over the seeds in mm."""
    if not (root / DEPTH_CHANNEL).is_file():
        return NOT_YET
    record = json.loads((root / DEPTH_CHANNEL).read_text())
    names = ("mpjpe", "p_mpjpe", "x", "y", "z")
    lines = ["| input | seeds | MPJPE | P-MPJPE | x | y | z |", "| --- |" + " ---: |" * 6]
    for arm in dict.fromkeys(row["arm"] for row in record["rows"]):
        rows = [row for row in record["rows"] if row["arm"] == arm]
        means = [f"{sum(row[name] for row in rows) / len(rows):.1f}" for name in names]
        lines.append(f"| {arm} | {len(rows)} | {' | '.join(means)} |")
    steps = record["rows"][0]["steps"]
    told = f"{steps} steps of {record['windows']['batch']} windows, width {record['network']['width']}"
    return "\n".join(lines) + f"\n\n{told}; commit `{record['commit']}`."


# page, name of the place in it, what stands there
QUOTES: tuple[tuple[str, str, Callable[[Path], str]], ...] = (
    ("README.md", "results", results),
    ("docs/results.md", "comparison", comparison),
    ("docs/results.md", "network speeds", network_speeds),
    ("docs/results.md", "lift speed", lift_speed),
    ("docs/results.md", "jobs", jobs),
    ("docs/results.md", "quality", quality),
    ("docs/results.md", "engines", engines),
    ("docs/results.md", "depth channel", depth_channel),
    ("docs/scale.md", "scale", scale),
)


def quoted(text: str, name: str, body: str) -> str:
    """A page with one of its places rewritten; raises SystemExit if it has no such place."""
    before, start, rest = text.partition(f"<!-- {name}:")
    marker, _, rest = rest.partition("-->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not end:
        sys.exit(f"no '<!-- {name}: ... -->' with '<!-- end of {name} -->' in the page")
    return f"{before}{start}{marker}-->\n\n{body}\n\n{end}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, tell whether something would change")
    check, differs = parser.parse_args().check, False
    for page, name, body in QUOTES:
        text = (ROOT / page).read_text()
        wanted = quoted(text, name, body(ROOT))
        differs |= text != wanted
        if not check:
            (ROOT / page).write_text(wanted)
    return int(check and differs)


if __name__ == "__main__":
    sys.exit(main())
