"""Rotate and mirror stored frames for display, as their display matrix says."""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    import av

Array = np.ndarray


@dataclass(frozen=True)
class Orientation:
    """One of eight orientations of a rectangle: a rotation, then optionally a mirror.

    Attributes:
        turns: counter-clockwise quarter turns, 0 to 3.
        mirrored: whether left and right are then swapped.
    """

    turns: int = 0
    mirrored: bool = False

    def __call__(self, image: UInt8[Array, "h w 3"]) -> UInt8[Array, "H W 3"]:
        """Return the image as displayed."""
        if not self.turns and not self.mirrored:
            return image
        turned = np.rot90(image, self.turns)
        return np.ascontiguousarray(turned[:, ::-1] if self.mirrored else turned)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Convert width and height from stored to displayed, or back."""
        return (height, width) if self.turns % 2 else (width, height)


def from_matrix(a: float, b: float, c: float, d: float) -> Orientation:
    """Return the orientation nearest to a display matrix.

    A stored pixel (x, y), y down, is displayed at (a x + c y, b x + d y), as in FFmpeg's ``libavutil/display.h`` and
    the mp4 track header (ISO 14496-12). Angles are rounded to the nearest quarter turn.
    """
    if abs(b) + abs(c) > abs(a) + abs(d):  # x and y are swapped: a quarter turn, with or without a mirror
        # a counter-clockwise quarter turn maps (x, y) to (y, -x)
        turns, mirrored = (1 if b < 0 else 3), (b < 0) == (c < 0)
    else:
        turns, mirrored = (2 if d < 0 else 0), (a < 0) != (d < 0)
    return Orientation(turns, mirrored)


def orientation_of(frame: "av.VideoFrame") -> Orientation:
    """Return the display orientation of a decoded frame; upright if it has no display matrix."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
    return from_matrix(a, b, c, d)
