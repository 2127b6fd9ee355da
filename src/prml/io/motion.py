"""What every mocap file becomes first: named points through time, in the file's own unit and axes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError

Up = Literal["y", "z"]


@dataclass(frozen=True)
class Motion:
    """Named points of one take.

    Attributes:
        points: name -> (F, 3) positions in the file's unit and axes; NaN where a marker was not seen.
        fps: frames a second; None if the file does not say.
        unit_m: metres per file unit; None if the file does not say.
        up: the axis that points up; None if the file does not say.
    """

    points: Mapping[str, Float[np.ndarray, "frames 3"]]
    fps: float | None
    unit_m: float | None = None
    up: Up | None = None

    def __len__(self) -> int:
        return len(next(iter(self.points.values()))) if self.points else 0


def axis_rotation(axis: str, radians: Float[np.ndarray, " frames"]) -> Float[np.ndarray, "frames 3 3"]:
    """Rotation matrices about one coordinate axis ("X", "Y" or "Z"), for column vectors."""
    i, j = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
    c, s = np.cos(radians), np.sin(radians)
    R = np.zeros((*radians.shape, 3, 3))
    R[..., [0, 1, 2], [0, 1, 2]] = 1
    R[..., i, i], R[..., j, j], R[..., i, j], R[..., j, i] = c, c, -s, s
    return R


def z_up(points: Float[np.ndarray, "*n 3"], up: Up) -> Float[np.ndarray, "*n 3"]:
    """Turn (x, y, z) with ``up`` = "y" into z up: (x, -z, y), a rotation; nothing is mirrored."""
    if up == "z":
        return points
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def floats(words: list[str], what: str) -> list[float]:
    """Numbers from words; raises PrmlError that names ``what``."""
    try:
        return [float(w) for w in words]
    except ValueError:
        raise PrmlError(f"{what}: expected numbers, got {' '.join(words)[:60]!r}") from None
