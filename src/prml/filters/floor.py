"""The floor: one level plane under the feet, and the heights of places that are not on it."""

import numpy as np
from jaxtyping import Bool, Float

from prml.spans import runs

Array = np.ndarray
ON_FLOOR_M = 0.08  # feet that stand within this of the floor stand on it; others on a step, a box or a beam
_WINDOW_M = 0.06


def floor_level(heights_m: Float[Array, "T P"], contacts: Bool[Array, "T P"]) -> float | None:
    """Height at which feet stand most of the time; None if none stands.

    The middle of the densest ``_WINDOW_M`` of heights of standing points, so that a flight of stairs or a jump onto a
    box does not lift the floor.
    """
    standing = np.sort(heights_m[contacts & np.isfinite(heights_m)])
    if not len(standing):
        return None
    inside = np.searchsorted(standing, standing + _WINDOW_M, side="right") - np.arange(len(standing))
    first = int(inside.argmax())  # the lowest of equals
    return float(np.median(standing[first : first + inside[first]]))


def standing_heights(
    heights_m: Float[Array, "T P"], contacts: Bool[Array, "T P"], level_m: float
) -> Float[Array, "T P"]:
    """Height of the ground under every standing point: the floor's, or its own mean where it stands elsewhere.

    NaN where a point does not stand.
    """
    out = np.full(heights_m.shape, np.nan)
    for column in range(heights_m.shape[1]):
        for run in runs(contacts[:, column]):
            own = float(np.nanmedian(heights_m[run, column]))
            out[run, column] = level_m if abs(own - level_m) <= ON_FLOOR_M else own
    return out


def lowest_level(heights_m: Float[Array, "T J"]) -> float:
    """Height under nearly all joints of a clip in which no foot stands: the second percentile of the lowest joint."""
    return float(np.nanpercentile(np.nanmin(heights_m, axis=1), 2))
