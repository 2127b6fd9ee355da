"""Results in the layout of the paper's tables."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from prml.errors import PrmlError
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.result import Result, weights_label
from prml.evaluation.scoring import metric as metric_of

if TYPE_CHECKING:
    from rich.table import Table


def _table(title: str, columns: Sequence[str], first: str = "") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, collapse_padding=True)
    table.add_column(first, min_width=12, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True, min_width=max(4, *map(len, column.split("\n"))))
    return table


def _heading(metric: str) -> str:
    shown = metric_of(metric)
    return f"{shown.label}\n{shown.unit} {'↑' if shown.higher_is_better else '↓'}"


def _cell(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


Form = Literal["markdown", "csv", "latex"]
_LATEX = {"\\": r"\textbackslash{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "²": "$^2$", "°": r"$^\circ$"} | {
    c: f"\\{c}" for c in "&%$#_{}"
}


def written(table: "Table", form: Form) -> str:
    """Return a table as text to paste: Markdown, CSV (for spreadsheets and pandas), or LaTeX (booktabs)."""
    heads = [" ".join(str(c.header).split()) for c in table.columns]
    rows = [list(row) for row in zip(*([str(cell) for cell in c.cells] for c in table.columns), strict=True)]
    title = " ".join(str(table.title or "").split())
    if form == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([heads, *rows])
        return out.getvalue()
    if form == "markdown":
        body = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
        shown = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in body]
        return "\n".join([*([f"**{title}**", ""] if title else []), *shown, ""])
    lines = [" & ".join(_escaped(cell) for cell in line) + r" \\" for line in (heads, *rows)]
    frame = [rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule", lines[0], r"\midrule", *lines[1:]]
    return "\n".join([*([f"% {title}"] if title else []), *frame, r"\bottomrule", r"\end{tabular}", ""])


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)


def action_table(results: Sequence[Result], protocol: EvaluationProtocol, metric: str, digits: int = 1) -> "Table":
    """Return the paper's Table 1: one row per result, one column per action in the paper's order, average last."""
    columns = protocol.actions.columns if protocol.actions else ()
    table = _table(f"{metric_of(metric).label} ({metric_of(metric).unit})", ["T", *(c for _, c in columns), "Avg"])
    for result in results:
        values = [*(result.per_action.get(a, {}).get(metric) for a, _ in columns), result.scores.get(metric)]
        table.add_row(result.label, str(result.weights.get("window", "")), *(_cell(v, digits) for v in values))
    return table


def score_table(results: Sequence[Result], title: str = "", digits: int = 1) -> "Table":
    """Return a table with one row per result and one column per metric (the paper's Tables 3 and 12)."""
    metrics = list(dict.fromkeys(m for r in results for m in r.scores))
    table = _table(title, ["T", *(_heading(m) for m in metrics)])
    for result in results:
        cells = [_cell(result.scores.get(m), digits) for m in metrics]
        table.add_row(result.label, str(result.weights.get("window", "")), *cells)
    return table


def space_of(result: Result) -> str:
    """Return the first words of the rule for the scored space: "2.5D", "camera-frame metres"."""
    return str(result.protocol.get("rules", {}).get("output space", "")).partition(":")[0].partition(",")[0] or "?"


def spaces_table(results: Sequence[Result], metric: str | None = None, digits: int = 1) -> "Table":
    """Return a table of results under several rules: one row per weights, the rule over each column.

    Args:
        results: of any protocols and data; weights without a result under a rule have an empty cell.
        metric: its name; None for the first two that all results have.
        digits: after the decimal point.

    Raises:
        PrmlError: a metric that a result does not have.
    """
    rules = {str(r.protocol["id"]): r for r in results}
    common = [m for m in results[0].scores if all(m in r.scores for r in results)]
    if metric is not None and metric not in common:
        raise PrmlError(f"not every result has the metric {metric!r}; all have {', '.join(common) or 'none'}")
    metrics = common[:2] if metric is None else [metric]
    heads = [f"{name}\n{space_of(r)}\n{_heading(m)}" for name, r in rules.items() for m in metrics]
    table = _table("side by side: compare within a rule only", heads)
    rows: dict[tuple[str, str], dict[str, Result]] = {}
    for result in results:
        weights = weights_label(result.weights), str(result.weights.get("sha256", ""))
        rows.setdefault(weights, {}).setdefault(str(result.protocol["id"]), result)
    for (label, _), found in rows.items():
        cells = [_cell(found[name].scores[m] if name in found else None, digits) for name in rules for m in metrics]
        table.add_row(label, *cells)
    return table


def group_table(result: Result, kind: str, limit: int | None = None) -> "Table":
    """Return a table with one row per source or action, hardest first, up to ``limit`` rows."""
    rows: dict[str, dict[str, float]] = getattr(result, f"per_{kind}")
    metrics = list(result.scores)
    order = sorted(rows, key=lambda g: -rows[g].get(metrics[0], 0.0))
    title = f"per {kind}" + (f" (the {limit} hardest of {len(order)})" if limit and limit < len(order) else "")
    table = _table(title, [_heading(m) for m in metrics])
    for group in order[:limit]:
        table.add_row(group, *(_cell(rows[group].get(m)) for m in metrics))
    return table


def axis_table(result: Result) -> "Table":
    """Return the paper's Figure 3 as a table: error along x, y, z over all frames and in the hard actions."""
    table = _table("mean absolute error along the camera's axes (mm)", ["X", "Y", "Z"])
    for group, row in result.per_axis.items():
        table.add_row("all" if group == "all" else f"{group} (hard)", *(_cell(row[a]) for a in "xyz"))
    return table


def tables(result: Result, protocol: EvaluationProtocol) -> list["Table"]:
    """Return the tables that ``prml evaluate`` prints, in the paper's layout where there is one."""
    title = f"{protocol.name} (version {protocol.version}): {protocol.title}"
    shown = [score_table([result], title)]
    if protocol.actions is not None:
        shown += [action_table([result], protocol, m) for m in ("mpjpe", "p_mpjpe") if m in result.scores]
        shown.append(axis_table(result))
    else:
        shown += [group_table(result, "source")] if len(result.per_source) > 1 else []
        shown += [group_table(result, "action", limit=5)] if len(result.per_action) > 1 else []
        shown += [group_table(result, "subject")] if not result.per_action and len(result.per_subject) > 1 else []
    return shown
