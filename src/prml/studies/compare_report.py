"""A comparison of networks as a JSON record, a table, a page's table, and a figure of error against cost."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from prml.bench.training import Speed
from prml.errors import PrmlError
from prml.evaluation.scoring import METRICS
from prml.provenance import commit, versions
from prml.studies.compare import CompareConfig, Entrant, Run, full_per_frame, linear_per_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

SCHEMA = "prml.comparison/1"
_COLOURS = ("#1b6ca8", "#d1495b", "#3d8b5f", "#8a5fa8", "#c98a2b", "#4a4a4a")
_METRIC = "mpjpe"
Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Row:
    """A network with one kind of regression heads.

    Attributes:
        label, name, heads, arguments: which.
        parameters, linear_macs_per_frame, full_macs_per_frame: counted.
        training_frames_per_s, inference_frames_per_s: measured when the record was made, all networks in turns.
        mean: protocol -> metric -> mean over the seeds.
        deviation: protocol -> metric -> standard deviation over the seeds (n - 1); empty with one seed.
        runs: every run.
    """

    label: str
    name: str
    heads: str
    arguments: dict[str, Any]
    parameters: int
    linear_macs_per_frame: float
    full_macs_per_frame: float
    training_frames_per_s: float
    inference_frames_per_s: float
    mean: Scores
    deviation: Scores
    runs: list[dict[str, Any]]

    @property
    def title(self) -> str:
        """Label and heads."""
        return f"{self.label} ({self.heads})"


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        rows: in the order of the configuration.
        config: the resolved configuration.
        limit: clips that were scored at most; None for a true comparison.
        machine: processor and threads that the speeds are of.
        commit, versions: of the code that wrote the record; each run has its own commit.
    """

    rows: list[Row]
    config: dict[str, Any]
    limit: int | None
    machine: dict[str, Any]
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    schema: str = SCHEMA

    @property
    def protocols(self) -> list[str]:
        """Names, in the order of the configuration."""
        return list(self.config["protocols"])

    def to_json(self) -> str:
        """The record as text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def _over_seeds(runs: Sequence[Run]) -> tuple[Scores, Scores]:
    means: Scores = {}
    deviations: Scores = {}
    for protocol, scores in runs[0].scores.items():
        values = {metric: [run.scores[protocol][metric] for run in runs] for metric in scores}
        means[protocol] = {metric: mean(v) for metric, v in values.items()}
        deviations[protocol] = {metric: stdev(v) for metric, v in values.items() if len(v) > 1}
    return means, deviations


def _row(entrant: Entrant, runs: Sequence[Run], speed: Speed) -> Row:
    cost = entrant.cost
    means, deviations = _over_seeds(runs)
    return Row(
        entrant.label,
        entrant.name,
        entrant.heads,
        entrant.arguments,
        cost.parameters,
        linear_per_frame(cost),
        full_per_frame(cost),
        round(speed.training_frames_per_s, 1),
        round(speed.inference_frames_per_s, 1),
        means,
        deviations,
        [asdict(run) for run in runs],
    )


def make_comparison(
    config: CompareConfig,
    runs: dict[str, list[Run]],
    speeds: Sequence[Speed],
    *,
    limit: int | None,
    machine: dict[str, Any],
) -> Comparison:
    """The record of a comparison.

    Args:
        config: what was run.
        runs: what :func:`prml.studies.compare.run_all` returns.
        speeds: in the order of ``config.entrants()``.
        limit: of the scoring.
        machine: what the speeds were measured on.
    """
    rows = [_row(e, runs[e.title], speed) for e, speed in zip(config.entrants(), speeds, strict=True)]
    return Comparison(rows, asdict(config), limit, machine, commit(), versions())


def read_comparison(path: Path) -> Comparison:
    """Read a record; raises PrmlError that says what is wrong with the file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PrmlError(f"{path} is not a readable JSON file: {error}") from error
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise PrmlError(f"{path} is not a comparison of schema {SCHEMA}; see 'prml compare-networks --json'")
    try:
        return Comparison(**{**values, "rows": [Row(**row) for row in values["rows"]]})
    except (KeyError, TypeError) as error:
        raise PrmlError(f"{path} does not fit schema {SCHEMA}: {error}") from error


# ---------------------------------------------------------------------- tables
def _score(row: Row, protocol: str, metric: str) -> str:
    deviation = row.deviation[protocol].get(metric)
    return f"{row.mean[protocol][metric]:.1f}" + ("" if deviation is None else f" ± {deviation:.1f}")


def _cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings and rows, the best mean error under the first protocol on top."""
    shown = [(p, m) for p in comparison.protocols for m in (_METRIC, "p_mpjpe") if m in comparison.rows[0].mean[p]]
    scores = [f"{p} {METRICS[m].label} ({METRICS[m].unit})" for p, m in shown]
    costs, speeds = ("parameters", "multiply-adds per frame"), ("training frames/s", "inference frames/s")
    head = ["network", "heads", *costs, *scores, *speeds]
    order = sorted(comparison.rows, key=lambda row: row.mean[comparison.protocols[0]][_METRIC])
    rows = [
        [
            row.label,
            row.heads,
            f"{row.parameters / 1e3:.0f} k",
            f"{row.linear_macs_per_frame / 1e6:.2f} M",
            *(_score(row, p, m) for p, m in shown),
            f"{row.training_frames_per_s:,.0f}",
            f"{row.inference_frames_per_s:,.0f}",
        ]
        for row in order
    ]
    return head, rows


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def caption(comparison: Comparison) -> str:
    """What the numbers are, in a sentence or two."""
    config, seeds = comparison.config, len(comparison.config["seeds"])
    run = config["run"]
    text = f"Mean and standard deviation of {seeds} seeds" if seeds > 1 else "One seed, hence no deviation"
    text += (
        f"; {run['max_steps']:,} steps of {config['data']['windows']['batch']} windows of "
        f"{config['data']['windows']['frames']} frames each; multiply-adds of linear layers; speeds at that batch on "
        f"{comparison.machine.get('processor') or 'an unnamed processor'}, {comparison.machine.get('threads')} threads"
    )
    commits = sorted({str(r["commit"]) for row in comparison.rows for r in row.runs} - {""})
    text += f"; trained by code at commit {', '.join(commits)}." if commits else "."
    if config["every"] > 1:
        text += f" Scored on every {_ordinal(config['every'])} clip of each protocol, the same for all."
    if comparison.limit is not None:
        text += f" Scored over the first {comparison.limit} clips only: no result."
    return text


def table(comparison: Comparison) -> "Table":
    """One row per network and kind of heads, the lowest error under the first protocol on top."""
    from rich import box
    from rich.table import Table

    head, rows = _cells(comparison)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption(comparison), caption_justify="left")
    for number, title in enumerate(head):
        words, cells = title.split(" "), [row[number] for row in rows]
        width = max(map(len, (*words, *cells)))
        shown.add_column("\n".join(words), justify="left" if number < 2 else "right", no_wrap=True, min_width=width)
    for row in rows:
        shown.add_row(*row)
    return shown


def markdown(comparison: Comparison) -> str:
    """The table for a page; raises PrmlError for a comparison over some clips only."""
    if comparison.limit is not None:
        raise PrmlError("a comparison over some clips only is no result; run it without --limit")
    head, rows = _cells(comparison)
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *rows]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", caption(comparison)])


# ---------------------------------------------------------------------- figure
def _panel(axes: "Axes", comparison: Comparison, protocol: str, cost: str, title: str) -> None:
    labels = list(dict.fromkeys(row.label for row in comparison.rows))
    for row in comparison.rows:
        x = row.linear_macs_per_frame / 1e6 if cost == "macs" else 1e6 / row.inference_frames_per_s
        axes.errorbar(
            x,
            row.mean[protocol][_METRIC],
            yerr=row.deviation[protocol].get(_METRIC, 0.0),
            capsize=2.5,
            elinewidth=1,
            fmt="s" if row.heads == "dual" else "o",
            markersize=6,
            color=_COLOURS[labels.index(row.label) % 6],
            markerfacecolor=None if row.heads == "dual" else "white",
            label=row.title,
        )
    axes.set_title(protocol, fontsize=9, loc="left")
    axes.set_xlabel(title, fontsize=8)
    axes.set_ylabel("MPJPE (mm)", fontsize=8)
    axes.margins(0.15)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def figure(comparison: Comparison, kind: str = "png") -> bytes:
    """Error against cost, counted (multiply-adds) and measured (time), a row of panels per protocol.

    Hollow circles are single heads, squares dual ones; bars are one standard deviation over the seeds.
    Raises PrmlError without matplotlib (``pip install prml-pose[figures]``).
    """
    figures = need_matplotlib()
    costs = (("macs", "multiply-adds per frame (M)"), ("time", "inference time per frame (µs)"))
    rows = len(comparison.protocols)
    drawn = figures.Figure(figsize=(8.4, 3.0 * rows + 0.8), layout="constrained")
    panels = drawn.subplots(rows, 2, squeeze=False)
    for line, protocol in zip(panels, comparison.protocols, strict=True):
        for axes, (cost, title) in zip(line, costs, strict=True):
            _panel(axes, comparison, protocol, cost, title)
    handles, labels = panels[0][0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    out = io.BytesIO()
    drawn.savefig(out, format=kind, dpi=150)
    return out.getvalue()


def need_matplotlib() -> Any:
    """``matplotlib.figure``; raises PrmlError, in one line, if it is not installed."""
    try:
        from matplotlib import figure as figures
    except ImportError as error:
        raise PrmlError("a figure needs matplotlib: pip install 'prml-pose[figures]', or leave --figure out") from error
    return figures
