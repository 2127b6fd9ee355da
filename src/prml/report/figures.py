"""Helpers shared by all figures; matplotlib is imported when needed."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prml.errors import PrmlError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1b6ca8", "#d1495b", "#3d8b5f", "#8a5fa8", "#c98a2b", "#4a4a4a")
MARKERS = ("o", "s", "^", "D", "v", "P")
KINDS = (".png", ".pdf", ".svg")
_DPI = 150


def check_figure(name: str | Path) -> None:
    """Raise PrmlError unless a figure can be written to a file of this name; call it before long work."""
    if Path(name).suffix not in KINDS:
        raise PrmlError(f"a figure must end with {', '.join(KINDS)}, got {name}")
    new_figure(1.0, 1.0)


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Create an empty figure with constrained layout.

    Raises:
        PrmlError: matplotlib is not installed.
    """
    try:
        from matplotlib import figure as figures
    except ImportError as error:
        raise PrmlError("a figure needs matplotlib: pip install 'prml-pose[figures]', or leave it out") from error
    return figures.Figure(figsize=(width_in, height_in), layout="constrained")


def style(axes: "Axes", title: str, x: str, y: str = "", *, grid: str = "both") -> None:
    """Set a left-aligned title, labels, a faint grid ("x", "y" or "both"), and only the left and bottom spines."""
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    chosen: Any = grid
    axes.grid(alpha=0.25, axis=chosen)
    axes.set_axisbelow(True)


def headline(figure: "Figure", text: str) -> None:
    """Write lines over all panels from the left, broken where the figure ends."""
    from textwrap import fill

    width = int(figure.get_figwidth() * 13)  # letters in a line
    figure.suptitle("\n".join(fill(line, width) for line in text.splitlines()), fontsize=9.5, x=0.01, ha="left")


def to_bytes(figure: "Figure", kind: str = "png") -> bytes:
    """Render a figure as a file in a format of matplotlib ("png", "svg", "pdf")."""
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=_DPI)
    return out.getvalue()
