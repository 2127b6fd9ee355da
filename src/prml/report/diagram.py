"""Networks as boxes and arrows, with the number of parameters in every box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prml.report.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# face and edge; the 2D pose is green, depth purple and entangled features orange, as in the paper
PAINT = {
    "plain": ("#ffffff", "#4a4a4a"),
    "shared": ("#e6eef5", "#1b6ca8"),
    "pose": ("#e3f0e8", "#2e7d4f"),
    "depth": ("#ede4f3", "#7b4fa0"),
    "entangled": ("#fbeedd", "#c06f14"),
}
_WIDTH, _HEIGHT = 0.98, 0.66  # of a box, where columns and rows are 1 apart
_INCH = (1.42, 1.18)  # a column and a row


@dataclass(frozen=True)
class Box:
    """A part of a network.

    Attributes:
        text: its lines.
        at: column and row of its centre; rows are counted upwards.
        colour: key of :data:`PAINT`.
        parameters: how many it has; None for inputs and outputs, which have none to show.
    """

    text: str
    at: tuple[float, float]
    colour: str = "plain"
    parameters: int | None = None


@dataclass(frozen=True)
class Arrow:
    """What passes from one box to another.

    Attributes:
        source, target: names of the boxes.
        text: what passes.
        side: side of the target at which it arrives: left, top or bottom.
    """

    source: str
    target: str
    text: str = ""
    side: str = "left"


@dataclass(frozen=True)
class Diagram:
    """A network, drawn.

    Attributes:
        title: over it.
        boxes: by name.
        arrows: between them.
        groups: title -> names of the boxes in a frame of their own.
    """

    title: str
    boxes: Mapping[str, Box]
    arrows: Sequence[Arrow] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """The sum over the boxes."""
        return sum(box.parameters or 0 for box in self.boxes.values())

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of everything that is drawn, in columns and rows."""
        columns, rows = zip(*(box.at for box in self.boxes.values()), strict=True)
        beside = 0.35 if self.groups else 0.08
        return min(columns) - 0.6, max(columns) + 0.6, min(rows) - 0.4 - beside, max(rows) + 0.4 + beside


def shown(parameters: int) -> str:
    """Return a number of parameters with its unit: 387, 45.3 k, 12.97 M."""
    if parameters >= 999_995:
        return f"{parameters / 1e6:.2f} M"
    return f"{parameters / 1e3:.1f} k" if parameters >= 10_000 else f"{parameters:,}"


def diagram_figure(diagrams: Sequence[Diagram], columns: int = 1) -> "Figure":
    """Draw diagrams under one another, or in so many columns; raise PrmlError without matplotlib."""
    rows = -(-len(diagrams) // columns)
    spans = [(d.corners[1] - d.corners[0], d.corners[3] - d.corners[2]) for d in diagrams]
    widths = [max(w for w, _ in spans[c::columns]) for c in range(columns)]
    heights = [max(h for _, h in spans[r * columns : (r + 1) * columns]) for r in range(rows)]
    size = (sum(widths) * _INCH[0], sum(heights) * _INCH[1] + 0.32 * rows)
    figure = new_figure(*size)
    grid = figure.add_gridspec(rows, columns, width_ratios=widths, height_ratios=heights)
    for number, diagram in enumerate(diagrams):
        row, column = divmod(number, columns)
        _draw(figure.add_subplot(grid[row, column]), diagram, widths[column], heights[row])
    return figure


def _draw(axes: "Axes", diagram: Diagram, width: float, height: float) -> None:
    """Draw a diagram into so many columns and rows, from the left and half way up."""
    left, _, bottom, top = diagram.corners
    middle = (bottom + top) / 2
    axes.set_xlim(left, left + width)
    axes.set_ylim(middle - height / 2, middle + height / 2)
    axes.set_axis_off()
    axes.set_title(f"{diagram.title}, {shown(diagram.parameters)} parameters", fontsize=10, loc="left")
    for title, names in diagram.groups.items():
        _frame(axes, title, [diagram.boxes[name] for name in names])
    for arrow in diagram.arrows:
        others = {other.text for other in diagram.arrows if other.source == arrow.source}
        _arrow(axes, diagram.boxes[arrow.source].at, diagram.boxes[arrow.target].at, arrow, len(others) == 1)
    for box in diagram.boxes.values():
        _box(axes, box)


def _box(axes: "Axes", box: Box) -> None:
    from matplotlib.patches import FancyBboxPatch

    absent = box.parameters == 0
    face, edge = ("#ffffff", "#aaaaaa") if absent else PAINT[box.colour]
    corner = (box.at[0] - _WIDTH / 2, box.at[1] - _HEIGHT / 2)
    style, line = "round,pad=0,rounding_size=0.08", "--" if absent else "-"
    axes.add_patch(FancyBboxPatch(corner, _WIDTH, _HEIGHT, style, fc=face, ec=edge, ls=line, lw=1.1, zorder=3))
    ink = "#999999" if absent else "#222222"
    above = 0.0 if box.parameters is None else 0.1
    axes.text(box.at[0], box.at[1] + above, box.text, ha="center", va="center", fontsize=8, color=ink, zorder=4)
    if box.parameters is not None:
        told = "not in this network" if absent else shown(box.parameters)
        place = (box.at[0], box.at[1] - _HEIGHT / 2 + 0.05)
        axes.text(*place, told, ha="center", va="bottom", fontsize=7.5, color=edge, zorder=4, weight="bold")


def _frame(axes: "Axes", title: str, boxes: Sequence[Box]) -> None:
    from matplotlib.patches import FancyBboxPatch

    columns, rows = zip(*(box.at for box in boxes), strict=True)
    left, bottom = min(columns) - _WIDTH / 2 - 0.09, min(rows) - _HEIGHT / 2 - 0.09
    size = (max(columns) - min(columns) + _WIDTH + 0.18, max(rows) - min(rows) + _HEIGHT + 0.18)
    style = "round,pad=0,rounding_size=0.1"
    axes.add_patch(FancyBboxPatch((left, bottom), *size, style, fc="#f6f6f6", ec="#c4c4c4", lw=0.9, zorder=1))
    count = shown(sum(box.parameters or 0 for box in boxes))
    place = (left + size[0] / 2, bottom + size[1] + 0.05)
    axes.text(*place, f"{title}, {count}", ha="center", va="bottom", fontsize=8.5, color="#444444", zorder=4)


def _arrow(axes: "Axes", source: tuple[float, float], target: tuple[float, float], arrow: Arrow, alike: bool) -> None:
    """Draw an arrow from the right side of a box, with right angles where the two are not in one row.

    Its text is where it begins if all that leave there are ``alike``, or it does not turn; else where it ends.
    """
    start = (source[0] + _WIDTH / 2, source[1])
    if arrow.side == "left":
        end = (target[0] - _WIDTH / 2, target[1])
        turn = end[0] - 0.14 if abs(source[1] - target[1]) > 1e-6 else start[0]
        path = [start, (turn, start[1]), (turn, end[1]), end]
    else:
        end = (target[0], target[1] + (1 if arrow.side == "top" else -1) * _HEIGHT / 2)
        path = [start, (end[0], start[1]), end]
    corners = [p for i, p in enumerate(path) if i == 0 or p != path[i - 1]]
    ink: dict[str, Any] = {"color": "#555555", "linewidth": 1.0, "zorder": 2}
    axes.plot(*zip(*corners[:-1], strict=True), solid_capstyle="butt", solid_joinstyle="miter", **ink)
    tip = {
        "arrowstyle": "-|>,head_width=0.16,head_length=0.32",
        "color": "#555555",
        "lw": 1.0,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", corners[-1], corners[-2], arrowprops=tip, zorder=2)
    if arrow.text:
        name = arrow.text if "_" not in arrow.text else "${}_{{{}}}$".format(*arrow.text.split("_"))
        late = not alike and len(corners) > 3
        place = (corners[-2][0] - 0.03, corners[-2][1]) if late else (start[0] + 0.04, start[1] + 0.04)
        side: Any = ("right", "center") if late else ("left", "bottom")
        axes.text(*place, name, ha=side[0], va=side[1], fontsize=7.5, color="#333333", zorder=4)
