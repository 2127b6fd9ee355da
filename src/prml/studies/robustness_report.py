"""A robustness sweep as a table, a JSON record and the paper's Figure 5."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from prml.errors import PrmlError
from prml.provenance import commit, versions
from prml.studies.robustness import FAMILIES, Contestant, Outcome, Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

SCHEMA = "prml.robustness/1"
_COLOURS = ("#1b6ca8", "#d1495b", "#3d8b5f", "#8a5fa8", "#c98a2b", "#4a4a4a")
_MARKER_AREA = (40.0, 400.0)  # points squared, of the cheapest and the dearest network


def record(sweep: Sweep, weights: Sequence[dict[str, Any]], every: int, data: dict[str, str]) -> str:
    """The sweep as JSON: protocol, changes in words, outcomes, weights, code."""
    protocol = sweep.protocol
    words = {family: make(0.0).words for family, (make, _) in FAMILIES.items()}
    content = {
        "schema": SCHEMA,
        "protocol": {"id": protocol.id, "rules": protocol.describe(), "data": data, "every": every},
        "changes": {f: words[f] for f in dict.fromkeys(o.family for o in sweep.outcomes) if f in words},
        "skipped": sweep.skipped,
        "weights": [
            {**w, "label": c.name, "macs_per_frame": c.macs_per_frame}
            for w, c in zip(weights, sweep.contestants, strict=True)
        ],
        "outcomes": [asdict(o) for o in sweep.outcomes],
        "commit": commit(),
        "versions": versions(),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


# level at which a family leaves the input as it is; another lens or crop has none
_UNTOUCHED = {"frame-rate": 1.0, **dict.fromkeys(("noise", "noise-of-height", "missing-joints", "dropped-frames"), 0.0)}


def _find(sweep: Sweep, name: str, family: str, level: float) -> Outcome:
    return next(o for o in sweep.outcomes if (o.name, o.family, o.level) == (name, family, level))


def table(sweep: Sweep) -> "Table":
    """One row per change, per contestant its MPJPE and the growth over the untouched input, in mm."""
    from rich import box
    from rich.table import Table

    shown = Table(title=f"{sweep.protocol.id}: MPJPE in mm (growth)", box=box.SIMPLE_HEAD, title_justify="left")
    shown.add_column("input")
    shown.add_column("level", justify="right", no_wrap=True)
    shown.add_column("unit")
    for contestant in sweep.contestants:
        shown.add_column(contestant.name, justify="right", no_wrap=True)
    rows = dict.fromkeys((o.family, o.level, o.unit) for o in sweep.outcomes)
    for family, level, unit in rows:
        found = [_find(sweep, c.name, family, level) for c in sweep.contestants]
        cells = [f"{o.scores['mpjpe']:.1f}" + (f" (+{o.delta_mpjpe:.1f})" if o.unit else "") for o in found]
        cells = [c.replace("(+-", "(-") for c in cells]
        shown.add_row(family if unit else "untouched", f"{level:g}" if unit else "", unit, *cells)
    return shown


def _area(contestant: Contestant, everyone: Sequence[Contestant]) -> float:
    """Marker area in proportion to the cost, as in the paper; the largest is ``_MARKER_AREA[1]``."""
    known = [c.macs_per_frame for c in everyone if c.macs_per_frame]
    if not known or not contestant.macs_per_frame:
        return _MARKER_AREA[0]
    return max(_MARKER_AREA[0], _MARKER_AREA[1] * contestant.macs_per_frame / max(known))


def _panel(axes: "Axes", sweep: Sweep, family: str) -> None:
    for number, contestant in enumerate(sweep.contestants):
        found = sorted((o for o in sweep.outcomes if o.name == contestant.name and o.family == family), key=_level)
        start = _UNTOUCHED.get(family)
        levels = ([] if start is None else [start]) + [o.level for o in found]
        deltas = ([] if start is None else [0.0]) + [o.delta_mpjpe for o in found]
        colour, cost = _COLOURS[number % len(_COLOURS)], contestant.macs_per_frame
        label = contestant.name + (f" ({cost / 1e6:.1f} M multiply-adds/frame)" if cost else "")
        axes.plot(levels, deltas, color=colour, linewidth=1.2)
        area = _area(contestant, sweep.contestants)
        axes.scatter(levels, deltas, s=area, color=colour, alpha=0.75, label=label, clip_on=False, zorder=3)
    axes.margins(0.08, 0.12)
    axes.set_title(family, fontsize=9, loc="left")
    axes.set_xlabel(FAMILIES[family][0](0.0).unit, fontsize=8)
    axes.set_ylabel("growth of MPJPE (mm)", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def _level(outcome: Outcome) -> float:
    return outcome.level


def figure(sweep: Sweep, kind: str = "png") -> bytes:
    """The growth of MPJPE over the level of each change, the size of a marker being the network's cost (Figure 5).

    Raises PrmlError without matplotlib (``pip install prml-pose[figures]``) or if nothing was changed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PrmlError("a figure needs matplotlib: pip install 'prml-pose[figures]', or leave --figure out") from error
    families = [f for f in FAMILIES if any(o.family == f for o in sweep.outcomes)]
    if not families:
        raise PrmlError("nothing to draw: no change was applied")
    columns = min(3, len(families))
    rows = -(-len(families) // columns)
    drawn = Figure(figsize=(4.2 * columns, 3.0 * rows + 0.5), layout="constrained")
    panels = drawn.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes, family in zip(panels, families, strict=False):
        _panel(axes, sweep, family)
    for axes in panels[len(families) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    across = min(len(panels), len(labels))
    drawn.legend(handles, labels, loc="outside upper center", ncols=across, fontsize=8, frameon=False)
    out = io.BytesIO()
    drawn.savefig(out, format=kind, dpi=150)
    return out.getvalue()
