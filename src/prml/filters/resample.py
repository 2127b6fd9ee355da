"""From a video's own frame times to a network's frame rate and back."""

import numpy as np
from jaxtyping import Float

from prml.spans import blocks

Array = np.ndarray
# Frames of a spline solved at a time, and frames beside them: an end's influence falls fourfold from knot to knot.
_BLOCK, _REACH = 2048, 40


def network_times(times_s: Float[Array, " T"], fps: float) -> Float[Array, " L"]:
    """Even times at ``fps`` from the first to the last frame; the given times themselves if they are already that."""
    if len(times_s) < 2:
        return times_s
    span = times_s[-1] - times_s[0]
    steps = max(1, round(span * fps))
    even: Array = times_s[0] + np.arange(steps + 1) / fps
    if len(even) == len(times_s) and np.abs(even - times_s).max() < 0.1 / fps:
        return times_s
    return even


def interpolate(
    values: Float[Array, "T *c"], times_s: Float[Array, " T"], wanted_s: Float[Array, " L"]
) -> Float[Array, "L *c"]:
    """Linear interpolation in time; beyond the ends the end values."""
    if wanted_s is times_s or len(times_s) == 1:
        return values if wanted_s is times_s else np.repeat(values, len(wanted_s), 0)
    right = np.clip(np.searchsorted(times_s, wanted_s, side="right"), 1, len(times_s) - 1)
    left = right - 1
    share = np.clip((wanted_s - times_s[left]) / (times_s[right] - times_s[left]), 0.0, 1.0)
    share = share.reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
    return np.asarray(values[left] * (1 - share) + values[right] * share)


def interpolate_smooth(
    values: Float[Array, "T *c"], times_s: Float[Array, " T"], wanted_s: Float[Array, " L"]
) -> Float[Array, "L *c"]:
    """Cubic splines in time (linear below four frames): motion between a slow network's frames keeps its curve."""
    if wanted_s is times_s or len(times_s) < 4:
        return interpolate(values, times_s, wanted_s)
    from scipy.interpolate import CubicSpline

    wanted_s = np.clip(wanted_s, times_s[0], times_s[-1])
    curve = np.empty((len(wanted_s), *values.shape[1:]), values.dtype)
    for block, near, _ in blocks(len(times_s), _BLOCK, _REACH):
        last = block.stop == len(times_s)
        end_s = np.inf if last else times_s[block.stop]
        wanted = slice(*np.searchsorted(wanted_s, (times_s[block.start], end_s)))
        spline = CubicSpline(times_s[near], values[near], axis=0, bc_type="natural")
        curve[wanted] = spline(wanted_s[wanted])
    return curve
