"""A robustness sweep as a table, a JSON record and the paper's Figure 5."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from prml.errors import PrmlError
from prml.provenance import commit, versions
from prml.report.figures import COLOURS, MARKERS, headline, new_figure, style
from prml.studies.robustness import FAMILIES, Entrant, Outcome, Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.table import Table

SCHEMA = "prml.robustness/1"
_MARKER_PT = (4.5, 9.0)  # marker diameters for a network of unknown cost and for the most expensive one


def record(sweep: Sweep, weights: Sequence[dict[str, Any]], every: int, data: dict[str, str], device: str = "") -> str:
    """Return the sweep as JSON: protocol, descriptions of perturbations, outcomes, weights, code versions."""
    protocol = sweep.protocol
    descriptions = {family: make(0.0).description for family, (make, _) in FAMILIES.items()}
    content = {
        "schema": SCHEMA,
        "protocol": {"id": protocol.id, "rules": protocol.describe(), "data": data, "every": every},
        "changes": {f: descriptions[f] for f in dict.fromkeys(o.family for o in sweep.outcomes) if f in descriptions},
        "skipped": sweep.skipped,
        "weights": [
            {**w, "label": c.name, "macs_per_frame": c.macs_per_frame}
            for w, c in zip(weights, sweep.entrants, strict=True)
        ],
        "outcomes": [asdict(o) for o in sweep.outcomes],
        "device": device,
        "commit": commit(),
        "versions": versions(),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


# the level at which a family leaves the input unchanged; lenses and crops have none
_UNTOUCHED = {"frame-rate": 1.0, **dict.fromkeys(("noise", "noise-of-height", "missing-joints", "dropped-frames"), 0.0)}


def _find(sweep: Sweep, name: str, family: str, level: float) -> Outcome:
    return next(o for o in sweep.outcomes if (o.name, o.family, o.level) == (name, family, level))


def table(sweep: Sweep) -> "Table":
    """Return a table with one row per perturbation: MPJPE of each entrant and its increase, in mm."""
    from rich import box
    from rich.table import Table

    shown = Table(title=f"{sweep.protocol.id}: MPJPE in mm (growth)", box=box.SIMPLE_HEAD, title_justify="left")
    shown.add_column("input")
    shown.add_column("level", justify="right", no_wrap=True)
    shown.add_column("unit")
    for entrant in sweep.entrants:
        shown.add_column(entrant.name, justify="right", no_wrap=True)
    rows = dict.fromkeys((o.family, o.level, o.unit) for o in sweep.outcomes)
    for family, level, unit in rows:
        found = [_find(sweep, c.name, family, level) for c in sweep.entrants]
        cells = [f"{o.scores['mpjpe']:.1f}" + (f" (+{o.delta_mpjpe:.1f})" if o.unit else "") for o in found]
        cells = [c.replace("(+-", "(-") for c in cells]
        shown.add_row(family if unit else "untouched", f"{level:g}" if unit else "", unit, *cells)
    return shown


def _marker_size(entrant: Entrant, everyone: Sequence[Entrant]) -> float:
    """Return the marker diameter in points; its area is proportional to the cost, as in the paper, within limits."""
    known = [e.macs_per_frame for e in everyone if e.macs_per_frame]
    if not known or not entrant.macs_per_frame:
        return _MARKER_PT[0]
    low, high = _MARKER_PT
    return max(low, high * float(np.sqrt(entrant.macs_per_frame / max(known))))


def _curve(sweep: Sweep, name: str, family: str) -> tuple[list[float], list[float]]:
    """Return levels and MPJPE increase in mm of one entrant, starting at the untouched level if there is one."""
    found = sorted((o for o in sweep.outcomes if o.name == name and o.family == family), key=lambda o: o.level)
    start = _UNTOUCHED.get(family)
    levels, growth = [o.level for o in found], [o.delta_mpjpe for o in found]
    return (levels, growth) if start is None else ([start, *levels], [0.0, *growth])


def _panel(axes: "Axes", sweep: Sweep, family: str) -> None:
    for number, entrant in enumerate(sweep.entrants):
        cost = entrant.macs_per_frame
        axes.plot(
            *_curve(sweep, entrant.name, family),
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=_marker_size(entrant, sweep.entrants),
            markeredgecolor="white",
            markeredgewidth=0.6,
            linewidth=1.4,
            label=entrant.name + (f" ({cost / 1e6:.1f} M multiply-adds/frame)" if cost else ""),
        )
    axes.margins(0.05, 0.1)
    axes.axhline(0.0, color="#999999", linewidth=0.8, zorder=1)
    style(axes, family.replace("-", " "), FAMILIES[family][0](0.0).unit, "growth of MPJPE (mm)")


def figure(sweep: Sweep, note: str = "") -> "Figure":
    """Draw the increase of MPJPE over the level of each perturbation, with cost as marker size (Figure 5).

    ``note`` follows the protocol's name in the title.

    Raises PrmlError without matplotlib (``pip install prml-pose[figures]``) or if nothing was perturbed.
    """
    families = [f for f in FAMILIES if any(o.family == f for o in sweep.outcomes)]
    if not families:
        raise PrmlError("nothing to draw: no change was applied")
    columns = min(3, len(families))
    rows = -(-len(families) // columns)
    drawn = new_figure(max(4.6 * columns, 6.4), 3.1 * rows + 1.0)
    panels = drawn.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes, family in zip(panels, families, strict=False):
        _panel(axes, sweep, family)
    for axes in panels[len(families) :]:
        axes.set_axis_off()
    untouched = ", ".join(
        f"{e.name} {_find(sweep, e.name, 'none', 0.0).scores['mpjpe']:.1f} mm" for e in sweep.entrants
    )
    title = (
        f"How the error grows when the 2D input gets worse ({sweep.protocol.name}{note}; untouched MPJPE: {untouched})"
    )
    headline(drawn, title)
    handles, labels = panels[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=min(2, len(labels)), fontsize=8, frameon=False)
    return drawn
