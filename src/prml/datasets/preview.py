"""A few frames of a dataset as one PNG, drawn so that swapped sides, flipped axes and wrong units are easy to see."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from prml.io.files import write_file
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton

LEFT, RIGHT, MIDDLE, INK, PAPER = "#1f6fd6", "#d1491f", "#5a5a5a", "#222222", "#ffffff"
_CELL, _TITLE, _COLUMNS = (220, 260), 34, 3


def draw_frames(picks: Sequence[tuple[PoseSequence, int]], path: Path, overwrite: bool = False) -> None:
    """Draw frames: for each the 2D in its image, and the 3D from the front and from the side.

    The axes are those of the data: in the camera frame x right and y down, seen along z and along x; in the world frame
    z up, seen along y and along x. The person's left is blue, the right is red.

    Args:
        picks: (sequence, frame index); six fill the sheet.
        path: PNG to write.
        overwrite: replace an existing file.

    Raises:
        PrmlError: the file exists or cannot be written.
    """
    views = [_views(sequence, frame) for sequence, frame in picks]
    panels = max(map(len, views), default=1)
    width, height = _CELL[0] * panels + 12, _CELL[1] + _TITLE + 12
    columns = min(_COLUMNS, max(len(picks), 1)) if panels < 3 else 2
    rows = -(-len(picks) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height + 24), PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for n, ((sequence, frame), panel) in enumerate(zip(picks, views, strict=True)):
        x, y = (n % columns) * width, (n // columns) * height
        pen.text((x + 8, y + 6), f"{sequence.name[:46]}  frame {frame}", fill=INK, font=font)
        pen.text((x + 8, y + 20), f"{sequence.action[:46]}", fill=MIDDLE, font=font)
        for k, (label, points, box) in enumerate(panel):
            _panel(pen, (x + 6 + k * _CELL[0], y + _TITLE), label, points, box, sequence.skeleton, font)
    foot = rows * height + 4
    pen.text((8, foot), "the person's left", fill=LEFT, font=font)
    pen.text((116, foot), "the person's right", fill=RIGHT, font=font)
    write_file(path, partial(sheet.save, format="PNG"), overwrite)


Box = tuple[float, float, float, float]


def _views(sequence: PoseSequence, frame: int) -> list[tuple[str, Float[np.ndarray, "J 2"], Box]]:
    """(label, points with y down, (left, top, right, bottom)) of every panel of a frame."""
    panels: list[tuple[str, np.ndarray, Box]] = []
    if sequence.keypoints_px is not None:
        px = sequence.keypoints_px[frame]
        camera = sequence.camera
        box = (0.0, 0.0, float(camera.width), float(camera.height)) if camera else _around(px)
        panels.append(("2D, pixels", px, box))
    if sequence.joints_m is not None:
        joints = sequence.joints_m[frame]
        sides = (("x right, y down (m)", 0, 1, 1), ("z right, y down (m)", 2, 1, 1))
        if sequence.frame == "world":
            sides = (("x right, z up (m)", 0, 2, -1), ("y right, z up (m)", 1, 2, -1))
        for label, across, down, sign in sides:
            points = np.stack([joints[:, across], sign * joints[:, down]], -1)
            panels.append((label, points, _around(points, min_size=2.2)))
    return panels


def _around(points: Float[np.ndarray, "J 2"], min_size: float = 1.0) -> Box:
    """A square around the points, at least ``min_size`` wide."""
    seen = points[np.isfinite(points).all(-1)]
    if not len(seen):
        return (0.0, 0.0, min_size, min_size)
    low, high = seen.min(0), seen.max(0)
    half = max(float((high - low).max()) * 0.55, min_size / 2)
    cx, cy = map(float, (low + high) / 2)
    return (cx - half, cy - half, cx + half, cy + half)


def _panel(
    pen: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    label: str,
    points: np.ndarray,
    box: Box,
    skeleton: Skeleton,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    left, top, right, bottom = box
    w, h = _CELL[0] - 12, _CELL[1] - 22
    scale = min(w / (right - left), h / (bottom - top))
    frame = (corner[0], corner[1], corner[0] + scale * (right - left), corner[1] + scale * (bottom - top))
    pen.rectangle(frame, outline="#c8c8c8")
    pen.text((corner[0] + 2, corner[1] + h + 4), label, fill=MIDDLE, font=font)
    at = (points - [left, top]) * scale + corner
    sides = dict.fromkeys(skeleton.left, LEFT) | dict.fromkeys(skeleton.right, RIGHT)
    for parent, child in skeleton.bones:
        if np.isfinite(at[[parent, child]]).all():
            colour = sides.get(child, sides.get(parent, MIDDLE))
            pen.line([*map(float, at[parent]), *map(float, at[child])], fill=colour, width=3)
    for joint, (x, y) in enumerate(at):
        if np.isfinite([x, y]).all():
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=sides.get(joint, MIDDLE))
