"""Resample from a video's frame times to a network's frame rate and back.

Nothing is known of the motion between frames more than ``JUMP_S`` apart, so a sequence is cut there into stretches that
are lifted separately. The work therefore grows with the number of frames, not with the time between them.
"""

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError
from prml.sequence import FPS_RANGE
from prml.spans import blocks, runs

Array = np.ndarray
JUMP_S = 1.0
MAX_FRAMES = 10_000_000  # per stretch at the network's rate: 55 hours at 50 fps
_SLACK_S = 1e-3  # so that rounded times at one frame per second are not jumps
# Frames per spline block and margin on either side: the influence of an end falls fourfold per knot.
_BLOCK, _REACH = 2048, 40


def jumps(times_s: Float[Array, " T"]) -> Bool[Array, " T"]:
    """Frames more than ``JUMP_S`` after their predecessor; never the first."""
    late = np.zeros(len(times_s), bool)
    late[1:] = np.diff(times_s) > JUMP_S + _SLACK_S
    return late


def stretches(present: Bool[Array, " T"], times_s: Float[Array, " T"]) -> list[slice]:
    """Runs of present frames, cut where the times jump."""
    cuts = np.flatnonzero(jumps(times_s))
    parts = []
    for run in runs(present):
        inner = cuts[(cuts > run.start) & (cuts < run.stop)].tolist()
        parts += [slice(a, b) for a, b in zip([run.start, *inner], [*inner, run.stop], strict=True)]
    return parts


def frame_rate(times_s: Float[Array, " T"], stated: float) -> float:
    """The mean frame rate, ignoring jumps; the stated rate if it is within 2 % of the mean."""
    steps = np.diff(times_s)[~jumps(times_s)[1:]]
    if not len(steps):
        return stated
    mean = round(float(np.clip(1 / steps.mean(), *FPS_RANGE)), 3)
    return stated if abs(mean - stated) <= 0.02 * mean else mean


def network_times(times_s: Float[Array, " T"], fps: float) -> Float[Array, " L"]:
    """Evenly spaced times at ``fps`` from first to last frame; the given array itself if it already is evenly spaced.

    Raises:
        PrmlError: more than ``MAX_FRAMES``.
    """
    if len(times_s) < 2:
        return times_s
    span = times_s[-1] - times_s[0]
    if span * fps > MAX_FRAMES:
        raise PrmlError(
            f"expected at most {MAX_FRAMES / fps:.0f} s in one stretch at {fps:g} frames per second, got {span:.6g} s; "
            "check the times (times_s in seconds), or cut the sequence"
        )
    steps = max(1, round(span * fps))
    even: Array = times_s[0] + np.arange(steps + 1) / fps
    if len(even) == len(times_s) and np.abs(even - times_s).max() < 0.1 / fps:
        return times_s
    return even


def interpolate(
    values: Float[Array, "T *c"], times_s: Float[Array, " T"], wanted_s: Float[Array, " L"]
) -> Float[Array, "L *c"]:
    """Interpolate linearly in time; hold the end values outside."""
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
    """Interpolate by cubic splines in time (linearly below four frames), which keeps curved motion curved."""
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
