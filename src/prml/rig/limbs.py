"""How a limb turns about its own length: the axis of its hinge, elbow or knee, from the plane in which it bends."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.linalg import solveh_banded

from prml.rotations import about, to_quaternion, unit
from prml.spans import runs

Array = np.ndarray
BENT = np.sin(np.radians(20))  # sine of the bend from which the plane of a limb is believed
STRAIGHT = np.sin(np.radians(10))  # and down to which it stays believed
WEAK = np.sin(np.radians(45))  # a limb that never bends further may be bent backwards by noise
SMOOTH_S = 0.08  # times (1 - s) / s, s the sine of the bend: over how long the axis is smoothed
RIGID_M = 0.001  # spread of a distance within a hand or head up to which it counts as rigid
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

    The less a limb is bent, the more an error of its joints turns its plane, so the angle is smoothed over a time that
    is 0 at a right angle, 0.08 s at 30 degrees and 0.4 s at 10. No joint moves by that: the axis is only a twist.

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
    nowhere = ~np.isfinite(angle)  # a segment without length
    sine[nowhere] = angle[nowhere] = 0
    bent = bent_stretches(sine)
    for run in bent:
        if sine[run].max() < WEAK and (sine[run] * np.cos(angle[run])).sum() < 0:
            angle[run] += np.pi
    turn = about(upper, _smooth(_across_straight(angle, bent, times_s), sine, times_s))
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


def _smooth(angle: Float[Array, " T"], sine: Float[Array, " T"], times_s: Float[Array, " T"]) -> Float[Array, " T"]:
    """Return the angle that is least far from the given one where the limb is bent, and changes least in between."""
    return _over(angle, np.clip(SMOOTH_S * (1 - sine) / np.maximum(sine, 1e-3), 1e-3, MEMORY_S), times_s)


def loose_s(*distances_m: Float[Array, " T"]) -> float:
    """Return over how many seconds the twist of a hand or head is smoothed, given distances within it.

    0 if they are the same in all frames, as in a rigid body; 0.15 if they spread by 10 mm or more.
    """
    spread = max(float(np.nanstd(distance)) for distance in distances_m)
    return 0.0 if spread < RIGID_M else min(15 * spread, 0.15)


def with_smooth_twist(
    turn: Float[Array, "T 3 3"],
    parent: Float[Array, "T 3 3"],
    along: Float[Array, "3"],
    times_s: Float[Array, " T"],
    seconds: float,
) -> Float[Array, "T 3 3"]:
    """Return rotations whose twist against a parent, about a direction of the rest pose, is smoothed; NaN stays."""
    known = np.isfinite(turn).all((-1, -2))
    if not seconds or known.sum() < 2:
        return turn
    out = turn.copy()
    angle = np.unwrap(twist_angle(to_quaternion(np.swapaxes(parent[known], -1, -2) @ turn[known]), along))
    more = _over(angle, np.full(len(angle), seconds), times_s[known]) - angle
    out[known] = turn[known] @ about(np.broadcast_to(along, (len(angle), 3)), more)
    return out


def twist_angle(q: Float[Array, "T 4"], along: Float[Array, "3"]) -> Float[Array, " T"]:
    """Return the part of rotations that is about a unit direction, in radians from -pi to pi."""
    twist = 2 * np.arctan2(q[:, 1:] @ along, q[:, 0])
    return np.asarray((twist + np.pi) % (2 * np.pi) - np.pi)


def _over(angle: Float[Array, " T"], seconds: Float[Array, " T"], times_s: Float[Array, " T"]) -> Float[Array, " T"]:
    """Return an angle smoothed forwards and backwards over a time that may differ from frame to frame."""
    if len(angle) < 2:
        return angle
    path = np.unwrap(angle)
    step = np.diff(times_s)
    each = np.diff(np.concatenate([times_s[:1], (times_s[1:] + times_s[:-1]) / 2, times_s[-1:]]))  # seconds of a frame
    weight = each / seconds**2
    bands = np.zeros((2, len(path)))
    bands[1] = weight
    bands[1, 1:] += 1 / step
    bands[1, :-1] += 1 / step
    bands[0, 1:] = -1 / step
    return np.asarray(solveh_banded(bands, weight * path))


def _fading(near: Float[Array, " n"], far: Float[Array, " n"]) -> Float[Array, " n"]:
    """Return the weight of an end that is ``near`` away when the other is ``far`` away: 1 at it, 0 at the other."""
    with np.errstate(invalid="ignore", over="ignore"):
        a, b = np.minimum(near, 1e6) / MEMORY_S, np.minimum(far, 1e6) / MEMORY_S
        return np.asarray(np.exp(-a) * np.expm1(-2 * b) / np.expm1(-2 * (a + b)))  # sinh(b) / sinh(a + b)


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
