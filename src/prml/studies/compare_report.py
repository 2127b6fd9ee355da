"""A comparison of networks as a JSON record, a table, a Markdown table and a figure."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, get_type_hints

from prml.bench.training import Speed
from prml.errors import PrmlError
from prml.evaluation.scoring import metric
from prml.io.guard import guarded
from prml.io.typed import check_values
from prml.provenance import commit, versions
from prml.report.figures import COLOURS, new_figure, style, to_bytes
from prml.studies.compare import Run
from prml.studies.compare_config import CompareConfig, Entrant, full_per_frame, linear_per_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

SCHEMA = "prml.comparison/1"
_METRIC = "mpjpe"
Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Row:
    """The row of one entrant.

    Attributes:
        label, name, heads, arguments: identify the network.
        parameters, linear_macs_per_frame, full_macs_per_frame: counted.
        training_frames_per_s, inference_frames_per_s: measured when the record was written, all networks in turns.
        mean: protocol -> metric -> mean over the seeds.
        deviation: protocol -> metric -> standard deviation over the seeds (n - 1); empty with one seed.
        runs: all runs.
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
    """The result of a comparison.

    Attributes:
        rows: rows in the order of the configuration.
        config: the resolved configuration.
        limit: maximum number of clips scored; None for a full comparison.
        machine: processor and threads used to measure speeds.
        commit, versions: those of the code that wrote the record; each run has its own commit.
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
        """Names of the protocols, in the order of the configuration."""
        return list(self.config["protocols"])

    def to_json(self) -> str:
        """Return the record as text."""
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
    """Make the record of a comparison.

    Args:
        config: the configuration.
        runs: from :func:`prml.studies.compare.run_all`.
        speeds: in the order of ``config.entrants()``.
        limit: maximum number of clips scored.
        machine: the machine that the speeds were measured on.
    """
    rows = [_row(e, runs[e.title], speed) for e, speed in zip(config.entrants(), speeds, strict=True)]
    return Comparison(rows, asdict(config), limit, machine, commit(), versions())


def read_comparison(path: Path) -> Comparison:
    """Read a record; raise PrmlError if the file is invalid."""
    values = guarded(path, lambda: json.loads(path.read_text(encoding="utf-8")), "it is not JSON")
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise PrmlError(f"{path} is not a comparison of schema {SCHEMA}; 'prml compare-networks' writes one")
    check_values(values, {**get_type_hints(Comparison), "rows": list[dict[str, Any]]}, str(path))
    try:
        for row in values["rows"]:
            check_values(row, get_type_hints(Row), f"{path}: rows")
        made = Comparison(**{**values, "rows": [Row(**row) for row in values["rows"]]})
        _cells(made), caption(made)  # all that a table needs is there
    except PrmlError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise PrmlError(f"{path} does not fit schema {SCHEMA}: {error!r}") from error
    return made


# ---------------------------------------------------------------------- tables
def _score(row: Row, protocol: str, metric: str) -> str:
    deviation = row.deviation[protocol].get(metric)
    return f"{row.mean[protocol][metric]:.1f}" + ("" if deviation is None else f" ± {deviation:.1f}")


def _cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows, sorted by mean error under the first protocol, best first."""
    shown = [(p, m) for p in comparison.protocols for m in (_METRIC, "p_mpjpe") if m in comparison.rows[0].mean[p]]
    scores = [f"{p} {metric(m).label} ({metric(m).unit})" for p, m in shown]
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
    """Explain the numbers in a sentence or two."""
    config, seeds = comparison.config, len(comparison.config["seeds"])
    run = config["run"]
    text = f"Mean and standard deviation of {seeds} seeds" if seeds > 1 else "One seed, so no deviation"
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
        text += f" Scored over the first {comparison.limit} clips only: not a result."
    return text


def table(comparison: Comparison) -> "Table":
    """Return a table with one row per network and kind of heads, lowest error under the first protocol first."""
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
    """Return the table as Markdown; raise PrmlError for a comparison over some clips only."""
    if comparison.limit is not None:
        raise PrmlError("a comparison over some clips only is not a result; run it with limit=None")
    head, rows = _cells(comparison)
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *rows]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", caption(comparison)])


# ---------------------------------------------------------------------- figure
_COSTS: dict[str, Callable[[Row], float]] = {
    "multiply-adds per frame (M)": lambda row: row.linear_macs_per_frame / 1e6,
    "inference time per frame (µs)": lambda row: 1e6 / row.inference_frames_per_s,
}


def _bars(
    axes: "Axes", rows: Sequence[Row], values: Sequence[float], deviations: Sequence[float] | None = None
) -> None:
    """Draw one bar per row from zero (dual heads filled, single ones hollow), with whiskers of one std. deviation."""
    for at, (row, value) in enumerate(zip(rows, values, strict=True)):
        dual = row.heads == "dual"
        axes.barh(
            at,
            value,
            height=0.7,
            xerr=deviations[at] if deviations else None,
            color=COLOURS[0] if dual else "white",
            edgecolor=COLOURS[0],
            error_kw={"elinewidth": 1, "capsize": 2.5, "ecolor": "#222222"},
        )
        reach = value + (deviations[at] if deviations else 0.0)
        axes.annotate(f"{value:.1f}", (reach, at), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_xlim(0, 1.14 * max(values))
    axes.set_ylim(len(rows) - 0.5, -0.5)


def figure(comparison: Comparison, kind: str = "png") -> bytes:
    """Draw error and cost of every entrant as bars from zero, lowest error under the first protocol on top.

    Filled bars are dual heads, hollow ones single; whiskers are one standard deviation over the seeds. Costs are within
    the comparison's tolerance of each other by design, which bars from zero show without distortion.

    Raises PrmlError without matplotlib (``pip install prml-pose[figures]``).
    """
    rows = sorted(comparison.rows, key=lambda row: row.mean[comparison.protocols[0]][_METRIC])
    panels = len(comparison.protocols) + len(_COSTS)
    drawn = new_figure(2.3 * panels + 1.6, 0.3 * len(rows) + 1.5)
    axes = drawn.subplots(1, panels, sharey=True, squeeze=False)[0]
    for one, protocol in zip(axes, comparison.protocols, strict=False):
        deviations = [row.deviation[protocol].get(_METRIC, 0.0) for row in rows]
        _bars(one, rows, [row.mean[protocol][_METRIC] for row in rows], deviations)
        style(one, f"{protocol}: MPJPE", "mm", grid="x")
    for one, (title, cost) in zip(axes[len(comparison.protocols) :], _COSTS.items(), strict=True):
        _bars(one, rows, [cost(row) for row in rows])
        style(one, title.rsplit(" (", 1)[0], title.rsplit("(", 1)[1].rstrip(")"), grid="x")
    axes[0].set_yticks(range(len(rows)), [row.title for row in rows])
    seeds = len(comparison.config["seeds"])
    drawn.suptitle(
        f"Networks of equal cost on equal data: mean of {seeds} seed{'s' * (seeds > 1)} after "
        f"{comparison.config['run']['max_steps']:,} steps (filled: dual heads, hollow: single head)",
        fontsize=10,
    )
    return to_bytes(drawn, kind)
