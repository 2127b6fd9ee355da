"""How a limb turns about its own length: the axis of its hinge, elbow or knee, from the plane in which it bends."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from prml.rotations import about, unit
from prml.spans import runs

Array = np.ndarray
BENT = np.sin(np.radians(20))  # sine of the bend from which the plane of a limb is believed
STRAIGHT = np.sin(np.radians(10))  # and down to which it stays believed
WEAK = np.sin(np.radians(45))  # a limb that never bends further may be bent backwards by noise
MEMORY_S = 1.0  # how long a straight limb remembers the axis that it had


def hinge_axis(
    upper: Float[Array, "T 3"], lower: Float[Array, "T 3"], hint: Float[Array, "T 3"], times_s: Float[Array, " T"]
) -> Float[Array, "T 3"]:
    """Return the axis about which the lower segment of a limb turns against the upper one, a unit vector across both.

    Where the limb is bent, that is the normal of its plane. Two thresholds decide: a stretch counts as bent if it bends
    past 20 degrees, and lasts until less than 10 are left. Where the limb is straight its plane means nothing: the axis
    keeps its angle to the ``hint`` from the last bend and takes on that of the next; in a long stretch it comes
    to rest at the hint between the two. A stretch bent by less than 45 degrees against the hint is taken
    to be bent backwards, and the axis stays on the hint's side.

    Args:
        upper: unit direction of the upper segment, away from the trunk.
        lower: that of the lower one.
        hint: a direction near the axis, that moves with the body.
        times_s: seconds.
    """
    hint = unit(hint - (hint * upper).sum(-1, keepdims=True) * upper)
    normal = np.cross(upper, lower)
    angle = np.arctan2((np.cross(hint, normal) * upper).sum(-1), (hint * normal).sum(-1))
    sine = np.linalg.norm(normal, axis=-1)
    bent = bent_stretches(sine)
    for run in bent:
        if sine[run].max() < WEAK and (sine[run] * np.cos(angle[run])).sum() < 0:
            angle[run] += np.pi
    turn = about(upper, _across_straight(angle, bent, times_s))
    return unit((turn @ hint[..., None])[..., 0])


def bent_stretches(sine: Float[Array, " T"]) -> list[slice]:
    """Return the stretches in which a limb counts as bent, by the sine of its bend."""
    return [run for run in runs(sine > STRAIGHT) if sine[run].max() > BENT]


def _across_straight(angle: Float[Array, " T"], bent: list[slice], times_s: Float[Array, " T"]) -> Float[Array, " T"]:
    """Replace the angle between the bent stretches by the path of a spring that rests at 0 and meets both ends."""
    out = np.zeros(len(angle))
    edges = [None, *bent, None]
    for run in bent:
        out[run] = angle[run]
    for before, after in pairwise(edges):
        gap = slice(before.stop if before else 0, after.start if after else len(angle))
        if gap.stop <= gap.start:
            continue
        start = _wrapped(angle[gap.start - 1]) if before else 0.0
        end = _wrapped(angle[gap.stop]) if after else 0.0
        if before and after:
            end += 2 * np.pi * np.round((start - end) / (2 * np.pi))  # the shorter way
        since = times_s[gap] - times_s[gap.start - 1] if before else np.full(gap.stop - gap.start, np.inf)
        until = times_s[gap.stop] - times_s[gap] if after else np.full(gap.stop - gap.start, np.inf)
        out[gap] = start * _fading(since, until) + end * _fading(until, since)
    return out


def _fading(near: Float[Array, " n"], far: Float[Array, " n"]) -> Float[Array, " n"]:
    """Return the weight of an end that is ``near`` away when the other is ``far`` away: 1 at it, 0 at the other."""
    with np.errstate(invalid="ignore", over="ignore"):
        a, b = np.minimum(near, 1e6) / MEMORY_S, np.minimum(far, 1e6) / MEMORY_S
        return np.asarray(np.exp(-a) * np.expm1(-2 * b) / np.expm1(-2 * (a + b)))  # sinh(b) / sinh(a + b)


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
