"""Clouds of points in a plane whose axes have no meaning, such as those of t-SNE."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill, shorten
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from prml.report.figures import headline, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = {"2D": "#2e9e5b", "depth": "#7b4fa0", "entangled": "#e2851c"}  # the paper's colours
_SIDE_IN = 3.3


@dataclass(frozen=True)
class Cloud:
    """Points of one colour.

    Attributes:
        label: in the legend.
        kind: key of :data:`INK`.
        points: in the plane.
    """

    label: str
    kind: str
    points: Float[np.ndarray, "N 2"]


@dataclass(frozen=True)
class Panel:
    """Clouds in one plane.

    Attributes:
        title: over it.
        clouds: drawn over each other, point by point in mixed order, so that none hides another.
        below: a line under it.
    """

    title: str
    clouds: Sequence[Cloud]
    below: str = ""


def scatter_figure(panels: Sequence[Panel], title: str = "") -> "Figure":
    """Draw panels side by side, at most three in a row (four as two by two); raise PrmlError without matplotlib."""
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = -(-len(panels) // columns)
    side = _SIDE_IN if len(panels) > 1 else 5.4
    height = side + (0.85 if rows > 1 else 0.3)  # a title and two lines under each
    figure = new_figure(side * columns, height * rows + 1.0)  # legend and headline
    axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    labels: dict[str, str] = {}
    for one, panel in zip(axes, panels, strict=False):
        points = np.concatenate([cloud.points for cloud in panel.clouds])
        ink = np.repeat([INK[cloud.kind] for cloud in panel.clouds], [len(cloud.points) for cloud in panel.clouds])
        order = np.random.default_rng(0).permutation(len(points))
        size = float(np.clip(12000 / len(points), 2.0, 14.0))
        one.scatter(*points[order].T, s=size, c=ink[order], alpha=0.65, linewidths=0, rasterized=True)
        middle, half = (points.max(0) + points.min(0)) / 2, 0.53 * float(np.ptp(points, axis=0).max())
        one.set_xlim(middle[0] - half, middle[0] + half)
        one.set_ylim(middle[1] - half, middle[1] + half)
        one.set_aspect("equal")
        one.set_xticks([])
        one.set_yticks([])
        one.spines[:].set_color("#bbbbbb")
        one.set_title(shorten(panel.title, 44, placeholder=" ..."), fontsize=9, loc="left")
        one.set_xlabel(fill(panel.below, 52 if len(panels) > 1 else 90), fontsize=8, color="#444444")
        labels |= {cloud.label: INK[cloud.kind] for cloud in panel.clouds}
    for one in axes[len(panels) :]:
        one.set_axis_off()
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], marker="o", linestyle="", color=ink, markersize=5) for ink in labels.values()]
    headline(figure, title)
    figure.legend(marks, list(labels), loc="outside lower center", ncols=min(3, len(labels)), fontsize=8, frameon=False)
    return figure
