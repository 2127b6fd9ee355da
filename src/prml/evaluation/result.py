"""Result records: everything that a number needs to be believed, as JSON, and as the paper's tables."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prml.errors import PrmlError
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.run import Evaluation
from prml.evaluation.scoring import METRICS, plain
from prml.io.files import write_file
from prml.provenance import commit, versions

if TYPE_CHECKING:
    from rich.table import Table

    from prml.lifting.lifter import Lifter

SCHEMA = "prml.result/1"


@dataclass(frozen=True)
class Result:
    """One evaluation, as it is kept.

    Attributes:
        protocol: name, version, id, rules in words, data stamp, clip limit.
        weights: name, sha256, network and its arguments, window, output space, normalisation.
        options: flip, overlap, kinds of the root and window rules, and whatever else the caller chose.
        scores: metric -> value under the protocol's averaging.
        per_action, per_source, per_subject: group -> metric -> value.
        per_joint: joint -> MPJPE in mm.
        per_axis: "all" and hard actions -> x, y, z in mm.
        units: metric -> unit.
        frames, sequences: what was scored.
        seconds: data, network, metrics.
        frames_per_s: scored frames per second of the whole.
        commit, versions: of the code that made it.
    """

    protocol: dict[str, Any]
    weights: dict[str, Any]
    options: dict[str, Any]
    scores: dict[str, float]
    per_action: dict[str, dict[str, float]]
    per_source: dict[str, dict[str, float]]
    per_subject: dict[str, dict[str, float]]
    per_joint: dict[str, float]
    per_axis: dict[str, dict[str, float]]
    units: dict[str, str]
    frames: int
    sequences: int
    seconds: dict[str, float]
    frames_per_s: float
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    schema: str = SCHEMA

    @property
    def every(self) -> int:
        """Every so many-th sequence was scored."""
        every: int = self.options.get("every", 1)
        return every

    @property
    def label(self) -> str:
        """Name of the weights, and what makes this run special."""
        special = [] if self.options.get("flip", True) else ["no flip"]
        changed = str(self.protocol.get("id", "")).split("+")[1:]
        special += [f"{rule} {self.options.get(rule, 'changed')}" for rule in changed if rule != "flip"]
        if self.protocol.get("limit") is not None:
            special.append(f"first {self.protocol['limit']} clips only")
        if self.every != 1:
            special.append(f"one sequence of {self.every}")
        return " ".join([weights_label(self.weights), *(f"({s})" for s in special)])

    def to_json(self) -> str:
        """The record as text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def write(self, path: Path, overwrite: bool = False) -> None:
        """Write the record; raises PrmlError if the file exists and may not be replaced."""
        write_file(path, self.to_json(), overwrite)


def weights_label(weights: dict[str, Any]) -> str:
    """Name for tables: the record's own, and the network's where the record is merely a run's best or last."""
    name = str(weights.get("name", "?"))
    return f"{weights.get('network', '?')}/{name}" if name in ("best", "last") else name


def read_result(path: Path) -> Result:
    """Read a record; raises PrmlError that says what is wrong with the file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PrmlError(f"no result file {path}; write one with 'prml evaluate --json {path.name}'") from None
    except (OSError, ValueError) as error:
        raise PrmlError(f"{path} is not a readable JSON file: {error}") from error
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise PrmlError(f"{path} is not a result of schema {SCHEMA}; expected what 'prml evaluate --json' writes")
    fields = set(Result.__dataclass_fields__)
    if fields != set(values):
        raise PrmlError(f"{path} does not fit schema {SCHEMA}: wrong entries {', '.join(sorted(fields ^ set(values)))}")
    return Result(**values)


def describe_weights(lifter: "Lifter") -> dict[str, Any]:
    """What a result says of the weights it was made with."""
    card = lifter.card
    names = ("name", "sha256", "network", "arguments", "window", "fps", "output", "normalisation", "training")
    return {name: getattr(card, name) for name in names}


def describe_protocol(protocol: EvaluationProtocol, data: Path | None, limit: int | None) -> dict[str, Any]:
    """What a result says of the rules and the data that it was made under."""
    return {
        "name": protocol.name,
        "version": protocol.version,
        "id": protocol.id,
        "rules": protocol.describe(),
        "data": protocol.source.stamp(data),
        "limit": limit,
    }


def make_result(
    evaluation: Evaluation, weights: dict[str, Any], options: dict[str, Any], data: Path | None = None
) -> Result:
    """The record of an evaluation; raises PrmlError if nothing was scored."""
    scored = evaluation.scores
    total = sum(evaluation.seconds.values())
    return Result(
        protocol=describe_protocol(evaluation.protocol, data, evaluation.limit),
        weights=weights,
        options=options,
        scores=scored.overall,
        units={name: METRICS[name].unit for name in scored.overall},
        seconds={k: round(v, 3) for k, v in evaluation.seconds.items()},
        frames_per_s=round(evaluation.tally.frames / total, 2) if total else 0.0,
        commit=commit(),
        versions=versions(),
        **{k: v for k, v in plain(scored).items() if k != "overall"},
    )


# ---------------------------------------------------------------------- tables
def _table(title: str, columns: Sequence[str], first: str = "") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, collapse_padding=True)
    table.add_column(first, min_width=12, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True, min_width=max(4, *map(len, column.split("\n"))))
    return table


def _heading(metric: str) -> str:
    shown = METRICS[metric]
    return f"{shown.label}\n{shown.unit} {'↑' if shown.higher_is_better else '↓'}"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def action_table(results: Sequence[Result], protocol: EvaluationProtocol, metric: str) -> "Table":
    """The paper's Table 1: one row per result, one column per action in the paper's order, the average last."""
    columns = protocol.actions.columns if protocol.actions else ()
    table = _table(f"{METRICS[metric].label} ({METRICS[metric].unit})", ["T", *(c for _, c in columns), "Avg"])
    for result in results:
        cells = [_cell(result.per_action.get(action, {}).get(metric)) for action, _ in columns]
        table.add_row(result.label, str(result.weights.get("window", "")), *cells, _cell(result.scores.get(metric)))
    return table


def score_table(results: Sequence[Result], title: str = "") -> "Table":
    """One row per result, one column per metric (the paper's Tables 3 and 12)."""
    metrics = list(dict.fromkeys(m for r in results for m in r.scores))
    table = _table(title, ["T", *(_heading(m) for m in metrics)])
    for result in results:
        cells = [_cell(result.scores.get(m)) for m in metrics]
        table.add_row(result.label, str(result.weights.get("window", "")), *cells)
    return table


def group_table(result: Result, kind: str, limit: int | None = None) -> "Table":
    """One row per source or action, the hardest first; at most ``limit`` rows."""
    rows: dict[str, dict[str, float]] = getattr(result, f"per_{kind}")
    metrics = list(result.scores)
    order = sorted(rows, key=lambda g: -rows[g].get(metrics[0], 0.0))
    title = f"per {kind}" + (f" (the {limit} hardest of {len(order)})" if limit and limit < len(order) else "")
    table = _table(title, [_heading(m) for m in metrics])
    for group in order[:limit]:
        table.add_row(group, *(_cell(rows[group].get(m)) for m in metrics))
    return table


def axis_table(result: Result) -> "Table":
    """Figure 3 of the paper as a table: error along x, y, z over all frames and in the hard actions."""
    table = _table("mean absolute error along the camera's axes (mm)", ["X", "Y", "Z"])
    for group, row in result.per_axis.items():
        table.add_row("all" if group == "all" else f"{group} (hard)", *(_cell(row[a]) for a in "xyz"))
    return table


def tables(result: Result, protocol: EvaluationProtocol) -> list["Table"]:
    """What ``prml evaluate`` prints: the paper's layout where it has one."""
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


# ---------------------------------------------------------------------- comparison
def differences(results: Sequence[Result]) -> list[str]:
    """Why results may not stand in one table; empty if they may."""
    found: list[str] = []
    for what, key in (("protocol", "id"), ("clips read", "limit"), ("data", "data"), ("rules", "rules")):
        values = {json.dumps(r.protocol.get(key), sort_keys=True) for r in results}
        if len(values) > 1 and not (what == "rules" and found):
            shown = ", ".join(sorted(values)) if what != "rules" else "the wording of a rule changed"
            found.append(f"{what} differ: {shown}")
    if len(shares := {str(r.every) for r in results}) > 1:
        found.append(f"sequences scored differ: one of {', one of '.join(sorted(shares))}")
    return found
