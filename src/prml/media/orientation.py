"""How a stored picture is turned and mirrored to be shown: display matrices."""

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
    """One of the eight ways to lay a rectangle: a turn, then perhaps a mirror.

    Attributes:
        turns: counter-clockwise quarter turns, 0 to 3.
        mirrored: whether left and right are then swapped.
    """

    turns: int = 0
    mirrored: bool = False

    def __call__(self, image: UInt8[Array, "h w 3"]) -> UInt8[Array, "H W 3"]:
        """The picture as it is shown."""
        if not self.turns and not self.mirrored:
            return image
        turned = np.rot90(image, self.turns)
        return np.ascontiguousarray(turned[:, ::-1] if self.mirrored else turned)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as shown of a stored picture, and the other way round."""
        return (height, width) if self.turns % 2 else (width, height)


def from_matrix(a: float, b: float, c: float, d: float) -> Orientation:
    """The orientation nearest to a display matrix.

    A stored pixel (x, y), y down, is shown at (a x + c y, b x + d y), as in FFmpeg's ``libavutil/display.h`` and in the
    track header of mp4 (ISO 14496-12). Angles between quarter turns, as 89.99 degrees, are rounded.
    """
    if abs(b) + abs(c) > abs(a) + abs(d):  # x and y change places: the transposed picture, perhaps mirrored
        # a quarter turn counter-clockwise takes (x, y) to (y, -x)
        turns, mirrored = (1 if b < 0 else 3), (b < 0) == (c < 0)
    else:
        turns, mirrored = (2 if d < 0 else 0), (a < 0) != (d < 0)
    return Orientation(turns, mirrored)


def orientation_of(frame: "av.VideoFrame") -> Orientation:
    """How a decoded frame is to be shown; upright where it does not say."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
    return from_matrix(a, b, c, d)
