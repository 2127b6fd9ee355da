"""``prml compare``: result files side by side."""

from collections.abc import Sequence
from pathlib import Path


def _parse(argv: Sequence[str]) -> tuple[list[Path], bool]:
    from prml.commands._arguments import Arguments

    parser = Arguments("compare", "Put result files of one protocol side by side.")
    parser.add_argument("files", nargs="+", type=Path, metavar="RESULT.json", help="what 'prml evaluate --json' wrote")
    parser.add_argument("--mix", action="store_true", help="show results of different protocols or data all the same")
    given = parser.parse_args(list(argv))
    return given.files, given.mix


def main(argv: Sequence[str]) -> int:
    """Print a table of result files; raises PrmlError if they were not measured under the same rules."""
    from prml.commands._console import plain_console, print_tables
    from prml.errors import PrmlError
    from prml.evaluation import protocols
    from prml.evaluation.result import differences, read_result
    from prml.report.tables import action_table, score_table

    files, mix = _parse(argv)
    results = [read_result(path) for path in files]
    found = differences(results)
    if found and not mix:
        raise PrmlError(f"these results cannot be compared: {'; '.join(found)}; add --mix to see them all the same")
    console = plain_console()
    shown = [score_table(results, results[0].protocol["id"] if not found else "MIXED: not comparable")]
    name = results[0].protocol["name"]
    if not found and name in protocols.names() and (rules := protocols.get(name)).actions is not None:
        shown.append(action_table(results, rules, rules.metrics[0]))
    print_tables(console, shown)
    for problem in found:
        console.print(f"warning: {problem}")
    for path, result in zip(files, results, strict=True):
        sha, code = str(result.weights.get("sha256", ""))[:12], result.commit or "unknown"
        console.print(f"{path.name}: {result.protocol['id']}, weights {sha or '?'}, commit {code}")
    return 0
