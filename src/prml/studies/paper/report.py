"""A table of the paper with our figures beside the paper's: text, Markdown, LaTeX, CSV and a JSON record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from prml.errors import PrmlError
from prml.evaluation.paired import Paired, compare_paired
from prml.evaluation.result import Result
from prml.evaluation.scoring import metric as metric_of
from prml.networks.cost import cost_of
from prml.provenance import commit, processor, versions
from prml.studies.paper.catalogue import ACTIONS, Row, Table
from prml.studies.paper.runs import Ran, Setting, lacking

if TYPE_CHECKING:
    from rich.table import Table as RichTable

SCHEMA = "prml.paper-table/1"
COSTS = {"parameters": "parameters (M)", "gmacs": "MACs (G)", "mmacs_per_frame": "MACs/frame (M)"}
_SHOWN = {True: "✓", False: "-"}


@dataclass(frozen=True)
class RowReport:
    """A row beside the paper's.

    Attributes:
        label: as printed, with the window.
        mark: column -> what describes the row.
        paper: the paper's figures.
        ours: metric -> mean over the seeds; kind of cost -> counted at the paper's size. Empty if the row was not run.
        deviation: metric -> standard deviation over the seeds (n - 1); empty with one seed.
        against: the row that it is compared with; empty for the reference.
        difference: the first metric, minus that of ``against``, with the paired test; None if one of both was not run.
        paper_difference: the same of the paper's figures.
        missing: why it was not run.
        runs: folders of its runs.
    """

    label: str
    mark: Mapping[str, Any]
    paper: Mapping[str, float]
    ours: dict[str, float] = field(default_factory=dict)
    deviation: dict[str, float] = field(default_factory=dict)
    against: str = ""
    difference: Paired | None = None
    paper_difference: float | None = None
    missing: str = ""
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableReport:
    """A table of the paper, run.

    Attributes:
        table, title: which.
        protocol: the rules that our figures were scored under.
        setting: in words, what our figures are.
        metrics, columns: of the table.
        rows: in the paper's order.
        commit, versions, processor: of the code and the machine that wrote this.
    """

    table: str
    title: str
    protocol: str
    setting: str
    metrics: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[RowReport]
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    processor: str = ""
    schema: str = SCHEMA

    def to_json(self) -> str:
        """Return the record as text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def make_report(table: Table, ran: Sequence[Ran], setting: Setting) -> TableReport:
    """Put our figures beside the paper's."""
    by_key = {one.row.key: one for one in ran}
    rows = [_row(table, row, by_key, setting) for row in table.rows]
    named = (table.name, table.title, setting.protocol(table), setting.description)
    return TableReport(*named, table.metrics, table.columns, rows, commit(), versions(), processor())


def _row(table: Table, row: Row, ran: Mapping[str, Ran], setting: Setting) -> RowReport:
    other, first = table.compared_with(row), table.metrics[0]
    paper_difference = None
    if other is not None and first in row.paper and first in other.paper:
        paper_difference = round(row.paper[first] - other.paper[first], 4)
    made = RowReport(row.key, row.mark, row.paper, costs(row), paper_difference=paper_difference)
    made = replace(made, against="" if other is None else other.key)
    if row.key not in ran:
        return replace(made, missing=row.missing or lacking(row, setting))
    results = ran[row.key].results
    values = {m: [r.scores[m] for r in results] for m in table.metrics if m in results[0].scores}
    means = {m: mean(v) for m, v in values.items()}
    deviation = {m: stdev(v) for m, v in values.items() if len(v) > 1}
    difference = None
    if other is not None and other.key in ran and first in means:
        difference = paired(ran[other.key].results, results, first)
    folders = tuple(folder.name for folder in ran[row.key].folders)
    return replace(made, ours=made.ours | means, deviation=deviation, difference=difference, runs=folders)


def costs(row: Row) -> dict[str, float]:
    """Return the costs of a row's network at the published size, if the paper prints them: M, G and M per frame."""
    if not set(COSTS) & set(row.paper) or row.frames is None:
        return {}
    try:
        cost = cost_of(row.network, frames=row.frames)
    except PrmlError:  # a size that the network does not have
        return {}
    per_frame = cost.linear_macs_per_frame / 1e6
    return {"parameters": cost.parameters / 1e6, "gmacs": cost.linear_macs / 1e9, "mmacs_per_frame": per_frame}


def paired(first: Sequence[Result], second: Sequence[Result], metric: str) -> Paired | None:
    """Compare two rows over clips, errors averaged over the seeds; None if there are fewer than two takes."""
    try:
        return compare_paired(_over_seeds(first, metric), _over_seeds(second, metric), metric)
    except PrmlError:
        return None


def _over_seeds(results: Sequence[Result], metric: str) -> Result:
    rows = {
        name: {**row, metric: mean(r.per_sequence[name][metric] for r in results)}
        for name, row in results[0].per_sequence.items()
        if row.get(metric) is not None
    }
    return replace(results[0], per_sequence=rows)


# ---------------------------------------------------------------------- tables
def heading(name: str) -> str:
    """Return the heading of a metric or a kind of cost."""
    return COSTS.get(name) or f"{metric_of(name).label} ({metric_of(name).unit})"


def rich_table(report: TableReport) -> "RichTable":
    """Return the table: what describes a row, the paper's figures, ours, and the difference from the row's reference.

    ``*`` marks the best of a column and ``+`` the second, as the paper's bold and underline do.
    """
    from rich import box
    from rich.table import Table as Shown

    figures = list(dict.fromkeys(name for row in report.rows for name in row.paper))
    shown = Shown(title=f"{report.table}: {report.title} ({report.protocol})", box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("", overflow="fold")
    for column in report.columns:
        shown.add_column(column, justify="center")
    for name in figures:
        shown.add_column(f"{heading(name)}, paper", justify="right")
        shown.add_column(f"{heading(name)}, ours", justify="right")
    for head in ("difference, paper", "difference, ours", "95 % interval, p"):
        shown.add_column(head, justify="right")
    best = {(name, ours): _ranks(report, name, ours) for name in figures for ours in (False, True)}
    for number, row in enumerate(report.rows):
        cells = [cell for name in figures for cell in _figures(row, name, best, number)]
        shown.add_row(row.label, *(_marked(row.mark.get(c)) for c in report.columns), *cells, *_difference(row))
    shown.caption = report.setting
    return shown


def _marked(value: Any) -> str:
    return "" if value is None else _SHOWN.get(value, str(value)) if isinstance(value, bool) else str(value)


def _ranks(report: TableReport, name: str, ours: bool) -> dict[int, str]:
    """Return the marks of the best and the second best row of a column; costs are not ranked."""
    if name in COSTS:
        return {}
    values = {i: (row.ours if ours else row.paper).get(name) for i, row in enumerate(report.rows)}
    known = {i: v for i, v in values.items() if v is not None}
    order = sorted(known, key=lambda i: known[i] * (-1 if metric_of(name).higher_is_better else 1))
    return dict(zip(order, "*+", strict=False)) if len(order) > 2 else {}


def _figures(row: RowReport, name: str, best: Mapping[tuple[str, bool], Mapping[int, str]], number: int) -> list[str]:
    paper, ours, deviation = row.paper.get(name), row.ours.get(name), row.deviation.get(name)
    told = "" if ours is None else f"{ours:.1f}" + ("" if deviation is None else f" ± {deviation:.1f}")
    shown = ["" if paper is None else f"{paper:g}", told]
    return [
        text + best[name, mine].get(number, "") if text else "" for text, mine in zip(shown, (False, True), strict=True)
    ]


def _difference(row: RowReport) -> list[str]:
    paper = "" if row.paper_difference is None else f"{row.paper_difference:+.1f}"
    if row.difference is None:
        return [paper, "", ""]
    d = row.difference
    return [paper, f"{d.difference:+.2f}", f"{d.low:+.2f} to {d.high:+.2f}, p = {d.p_sign:.2g}"]


def actions_table(table: Table) -> "RichTable | None":
    """Return the paper's errors per action (Table 1); None for tables without."""
    from rich import box
    from rich.table import Table as Shown

    rows = [row for row in table.rows if row.actions]
    if not rows:
        return None
    shown = Shown(title=f"{table.name}: the paper's errors per action (mm)", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", *ACTIONS, "Avg"):
        shown.add_column(column, justify="right" if column else "left")
    for row in rows:
        shown.add_row(row.key, *(f"{v:g}" for v in row.actions), f"{row.paper['mpjpe']:g}")
    return shown
