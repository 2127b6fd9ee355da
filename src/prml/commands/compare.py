"""``prml compare``: show result files side by side."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from prml.options import option

if TYPE_CHECKING:
    from rich.console import Console

    from prml.evaluation.result import Result


@dataclass
class Options:
    """Show result files of one protocol side by side.

    Attributes:
        files: result files written by 'prml evaluate --json'.
        mix: also show results of different protocols or data.
        spaces: results of different protocols side by side, the rule over each column; nothing is compared across them.
        figure: file for the paper's Figure 3 (.png, .pdf or .svg): errors along x, y, z, of all and of hard actions.
        overwrite: replace an existing figure.
        metric: metric of the paired comparison (default: the protocol's first).
        format: of the tables: text for the terminal, markdown, csv or latex.
    """

    files: list[Path] = option(positional=True)
    _: KW_ONLY
    mix: bool = False
    spaces: bool = False
    figure: Path | None = None
    overwrite: bool = False
    metric: str | None = None
    format: Literal["text", "markdown", "csv", "latex"] = "text"


def run(options: Options) -> int:
    """Print a table of result files; raise PrmlError if they were not measured under the same rules."""
    from prml.commands._console import plain_console, print_tables
    from prml.errors import PrmlError
    from prml.evaluation import protocols
    from prml.evaluation.result import differences
    from prml.report.tables import action_table, score_table, written

    results = [_read(path) for path in options.files]
    found = differences(results)
    if found and not options.mix and not options.spaces:
        raise PrmlError(
            f"these results are not comparable: {'; '.join(found)}; pass spaces=True to show protocols side by side, "
            "or mix=True to show them anyway"
        )
    console, digits = plain_console(), 3 if options.format == "csv" else 1
    if options.figure is not None:
        _draw(console, options.figure, results, options.overwrite)
    if found and options.spaces:
        return _side_by_side(console, results, options, digits)
    title = results[0].protocol["id"] if not found else "MIXED: not comparable"
    shown = [score_table(results, title, digits)]
    name = results[0].protocol["name"]
    if not found and name in protocols.names() and (rules := protocols.get(name)).actions is not None:
        shown.append(action_table(results, rules, rules.metrics[0], digits))
    if options.format != "text":
        console.print("\n".join(written(table, options.format) for table in shown), soft_wrap=True, end="")
        return 0
    print_tables(console, shown)
    if not found:
        _print_paired(console, results, options.metric)
    for problem in found:
        console.print(f"warning: {problem}")
    for path, result in zip(options.files, results, strict=True):
        sha, code = str(result.weights.get("sha256", ""))[:12], result.commit or "unknown"
        console.print(f"{path.name}: {result.protocol['id']}, weights {sha or '?'}, commit {code}")
    return 0


def _side_by_side(console: "Console", results: "list[Result]", options: Options, digits: int) -> int:
    """Print results of several protocols; compare those that share one."""
    from prml.commands._console import print_tables
    from prml.evaluation.result import differences
    from prml.report.tables import spaces_table, written

    table = spaces_table(results, options.metric, digits)
    if options.format != "text":
        console.print(written(table, options.format), soft_wrap=True, end="")
        return 0
    print_tables(console, [table])
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(str(result.protocol["id"]), []).append(result)
    for name, group in groups.items():
        console.print(f"{name}: {group[0].protocol['rules'].get('output space', '?')}", soft_wrap=True)
        problems = differences(group)
        if not problems:
            _print_paired(console, group, options.metric)
        for problem in problems:
            console.print(f"warning: {problem}")
    return 0


def _draw(console: "Console", path: Path, results: "list[Result]", overwrite: bool) -> None:
    from prml.io.files import check_writable, write_file
    from prml.report.axis_figure import axis_figure
    from prml.report.figures import check_figure, to_bytes

    check_writable(path, overwrite)
    check_figure(path)
    write_file(path, to_bytes(axis_figure(results), path.suffix[1:]), overwrite)
    console.print(f"wrote {path}")


def _print_paired(console: "Console", results: "list[Result]", metric: str | None) -> None:
    """Print how each result differs from the first."""
    from prml.errors import PrmlError
    from prml.evaluation.paired import compare_paired

    for other in results[1:]:
        try:
            told = compare_paired(results[0], other, metric).description
        except PrmlError as error:
            if metric is not None:
                raise
            told = f"not compared sequence by sequence: {error}"
        console.print(f"{other.label} - {results[0].label}: {told}", soft_wrap=True)


def _read(path: Path) -> "Result":
    from prml.errors import PrmlError
    from prml.evaluation.result import read_result

    try:
        return read_result(path)
    except PrmlError as error:
        raise PrmlError(f"{error}; 'prml evaluate --json FILE' writes one") from None
