"""Skeletons in the panels of a figure: over a picture, coloured by the error of each joint, or seen from the side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8

from prml.skeleton import Skeleton

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = np.ndarray
SIDES = {1: "#1b6ca8", -1: "#d1495b", 0: "#4a4a4a"}  # left, right, trunk
ERRORS = "YlOrRd"
MARK = "#18a558"  # of what is to be looked at
_MARGIN = 0.14  # around a person, of its extent


def frame_of(points: Sequence[Float[Array, "*n 2"]], shape: float = 1.0) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top of a window around points; y grows downwards.

    Args:
        points: in pixels; those that are not finite are ignored.
        shape: width over height of the window.
    """
    every = np.concatenate([np.reshape(p, (-1, 2)) for p in points])
    every = every[np.isfinite(every).all(1)]
    low, high = every.min(0), every.max(0)
    height = max(high[1] - low[1], (high[0] - low[0]) / shape, 1.0) * (1 + 2 * _MARGIN)
    (x, y), half = (low + high) / 2, height / 2
    return float(x - half * shape), float(x + half * shape), float(y + half), float(y - half)


def show_frame(
    axes: "Axes", window: tuple[float, float, float, float], image: UInt8[Array, "H W 3"] | None = None
) -> None:
    """Prepare a panel for pixels: a window of a picture, or of an empty canvas."""
    axes.set_xlim(window[:2])
    axes.set_ylim(window[2:])
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cccccc")
    if image is not None:
        axes.imshow(image, extent=(-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5), alpha=0.85)
        axes.set_xlim(window[:2])
        axes.set_ylim(window[2:])
    else:
        axes.set_facecolor("#fafafa")


def draw_bones(axes: "Axes", points: Float[Array, "J 2"], skeleton: Skeleton, colour: str = "", **how: Any) -> None:
    """Draw the bones of a skeleton; in the colours of the body's sides unless another is given."""
    side = {**dict.fromkeys(skeleton.left, 1), **dict.fromkeys(skeleton.right, -1)}
    how = {"linewidth": 1.6, "solid_capstyle": "round", "zorder": 3, **how}
    for parent, child in skeleton.bones:
        ends = points[[parent, child]]
        if np.isfinite(ends).all():
            axes.plot(ends[:, 0], ends[:, 1], color=colour or SIDES[side.get(child, 0)], **how)


def draw_errors(
    axes: "Axes", points: Float[Array, "J 2"], errors: Float[Array, " J"], highest: float, size: float = 20.0
) -> Any:
    """Draw the joints in colours of their errors, up to ``highest``; return what a colour bar takes."""
    ink: dict[str, Any] = {
        "c": errors,
        "cmap": ERRORS,
        "vmin": 0.0,
        "vmax": highest,
        "edgecolors": "#222222",
        "linewidths": 0.5,
    }
    return axes.scatter(points[:, 0], points[:, 1], s=size, zorder=4, **ink)


def from_the_side(joints_m: Float[Array, "J 3"], turn_deg: float) -> Float[Array, "J 2"]:
    """Return joints of the camera's frame seen by another, turned about the vertical: right and down, metres.

    At 0 degrees it looks as the camera does; at 90 the depth runs to the right.
    """
    turn = np.radians(turn_deg)
    right = joints_m[:, 0] * np.cos(turn) + joints_m[:, 2] * np.sin(turn)
    return np.stack([right, joints_m[:, 1]], -1)


def circle(axes: "Axes", centre: Float[Array, "2"], radius: float) -> None:
    """Draw a ring around what is to be looked at."""
    from matplotlib.patches import Circle

    if np.isfinite(centre).all():
        axes.add_patch(Circle((float(centre[0]), float(centre[1])), radius, fill=False, ec=MARK, lw=1.6, zorder=5))
