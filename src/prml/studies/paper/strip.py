"""Two networks side by side on videos (the paper's Figures 7 and 12): 2D above, 3D below, what differs most circled."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8

from prml.errors import PrmlError
from prml.report.figures import headline, new_figure
from prml.report.poses import circle, draw_bones, frame_of, from_the_side, show_frame
from prml.skeleton import H36M17
from prml.studies.paper.catalogue import Figure
from prml.studies.paper.figure_setting import Drawn, FigureSetting, Numbers, hashes
from prml.studies.paper.filmed import Filmed, example, film

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Array = np.ndarray
TURN_DEG = 60.0  # from where the 3D is seen: what the camera cannot see, the depth, runs to the right
CIRCLES, RADIUS_M = 2, 0.1
QUICK_COLUMNS = 2


@dataclass(frozen=True)
class Column:
    """A frame of a strip.

    Attributes:
        frame, time_s: which.
        image: its picture; None for an empty canvas.
        keypoints_px: the input.
        joints_m: of both networks.
        circled: joints that differ most.
    """

    frame: int
    time_s: float
    image: UInt8[Array, "H W 3"] | None
    keypoints_px: Float[Array, "17 2"]
    joints_m: tuple[Float[Array, "17 3"], Float[Array, "17 3"]]
    circled: tuple[int, ...]

    @property
    def apart_mm(self) -> Float[Array, " 17"]:
        """How far both networks are apart at every joint."""
        apart: Float[Array, " 17"] = np.linalg.norm(self.joints_m[0] - self.joints_m[1], axis=-1) * 1000
        return apart


def draw(figure: Figure, setting: FigureSetting) -> Drawn:
    """Draw a strip for each video.

    Raises:
        PrmlError: not two networks, or a video without a person.
    """
    paths = setting.videos or (example(),)
    lifters = setting.lifters(figure)
    if len(lifters) != 2:
        raise PrmlError(f"{figure.name} compares two networks; got {len(lifters)}: {', '.join(lifters)}")
    wanted = setting.frames or (QUICK_COLUMNS if setting.quick else int(figure.options["frames"]))
    strips: dict[str, list[Column]] = {}
    for path in paths:
        setting.say(f"{figure.name}: detecting and lifting {path.name}")
        strips[path.name if path.name not in strips else str(path)] = columns_of(film(path, lifters), wanted)
    rows = [
        (name, column.frame, column.time_s, joint, float(column.apart_mm[j]), j in column.circled)
        for name, columns in strips.items()
        for column in columns
        for j, joint in enumerate(H36M17.joints)
    ]
    names = ("video", "frame", "time_s", "joint", "apart_mm", "circled")
    told = tuple(
        f"{name}: the networks are {np.mean([c.apart_mm.mean() for c in columns]):.0f} mm apart in the frames drawn, "
        f"at most {max(c.apart_mm.max() for c in columns):.0f} mm at one joint"
        for name, columns in strips.items()
    )
    first, second = lifters
    drawing = _figure(strips, (first, second), figure.title)
    return Drawn(drawing, {"": Numbers(names, rows)}, told, hashes(lifters))


def columns_of(filmed: Filmed, count: int) -> list[Column]:
    """Choose frames: of every one of ``count`` equal parts of the video that in which the networks differ most.

    Raises:
        PrmlError: fewer frames with a person than that.
    """
    usable = np.flatnonzero(filmed.usable)
    if len(usable) < count:
        raise PrmlError(f"{filmed.path}: {count} frames are to be drawn, {len(usable)} have a person; give frames=...")
    one, other = (np.asarray(lifted.joints_m) for lifted in filmed.lifted.values())
    apart = np.linalg.norm(one - other, axis=-1)
    chosen = [int(part[np.argmax(apart[part].mean(1))]) for part in np.array_split(usable, count)]
    images, keypoints = filmed.images(chosen), np.asarray(filmed.seen.keypoints_px)
    return [
        Column(
            frame,
            float(filmed.seen.times_s[frame]),
            images.get(frame),
            keypoints[frame],
            (one[frame], other[frame]),
            tuple(int(j) for j in np.argsort(apart[frame])[::-1][:CIRCLES]),
        )
        for frame in chosen
    ]


def _figure(strips: dict[str, list[Column]], labels: tuple[str, str], title: str) -> "Drawing":
    count = max(len(columns) for columns in strips.values())
    figure = new_figure(1.75 * count + 0.5, 6.1 * len(strips) + 0.9)
    axes = figure.subplots(3 * len(strips), count, squeeze=False)
    for number, (name, columns) in enumerate(strips.items()):
        rows = axes[3 * number : 3 * number + 3]
        window = frame_of([np.concatenate([_side(column, k) for column in columns for k in (0, 1)])], 0.85)
        for place, column in enumerate(columns):
            _column(rows[:, place], column, window)
        for row, label in zip(rows[:, 0], (f"{name}, input 2D", *labels), strict=True):
            row.set_ylabel(label, fontsize=8)
    told = f"3D seen {TURN_DEG:g} degrees from the side; left is blue, right red; circles: what differs most"
    headline(figure, f"{title}\n{told}")
    return figure


def _side(column: Column, network: int) -> Float[Array, "17 2"]:
    return from_the_side(column.joints_m[network], TURN_DEG)


def _column(axes: Any, column: Column, window: tuple[float, float, float, float]) -> None:
    points = column.keypoints_px
    around = frame_of([points], 0.85)
    show_frame(axes[0], around, column.image)
    draw_bones(axes[0], points, H36M17, linewidth=1.8)
    axes[0].set_title(f"{column.time_s:.2f} s", fontsize=8)
    for joint in column.circled:
        circle(axes[0], points[joint], 0.05 * (around[2] - around[3]))
    for network in (0, 1):
        show_frame(axes[1 + network], window)
        side = _side(column, network)
        draw_bones(axes[1 + network], side, H36M17, linewidth=1.8)
        for joint in column.circled:
            circle(axes[1 + network], side[joint], RADIUS_M)
    worst = column.circled[0]
    told = f"{column.apart_mm.mean():.0f} mm apart,\n{H36M17.joints[worst]} {column.apart_mm[worst]:.0f} mm"
    axes[2].set_xlabel(told, fontsize=7.5)
