"""Root path: where a person is before the camera, solved over the whole clip at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from prml.camera import normalise
from prml.filters.bones import POINT_STD_M
from prml.filters.resample import jumps
from prml.filters.root import point_equations, projected, refine_root, solve_root
from prml.spans import blocks

Array = np.ndarray
# Standard deviations of what is taken for granted, tuned on the validation clips of data/mocap.
# Across and along the line of sight: pictures tell much of the first and little of the second.
ACCELERATION_M_S2 = (250.0, 5.0)  # of a pelvis
FOOT_STD_M = (0.12, 0.04)  # of a foot against the pelvis, as networks predict it
FLOOR_STD_M = 0.03  # of a standing foot's height
_MEMORY_S = 0.2  # how long errors of detectors and networks last
_FAR = 3.0
_PASSES = 4
_BLOCK = 1024


@dataclass(frozen=True)
class Support:
    """What holds the feet, in the camera's frame.

    Attributes:
        points_m: (T, P, 3) points of the feet relative to the root.
        contacts: (T, P) which of them stand still on the ground.
        up: (3,) unit vector away from the ground; None if unknown.
        heights_m: (T, P) height ``up @ position`` of standing points; NaN where it is not known.
    """

    points_m: Float[Array, "T P 3"]
    contacts: Bool[Array, "T P"]
    up: Float[Array, "3"] | None = None
    heights_m: Float[Array, "T P"] | None = None


@dataclass
class _Banded:
    """Normal equations of unknowns (T, 3) that couple a frame with the next two."""

    same: Float[Array, "T 3 3"]
    next: Float[Array, "T 3 3"]
    second: Float[Array, "T 3 3"]
    right: Float[Array, "T 3"]

    @classmethod
    def empty(cls, frames: int) -> "_Banded":
        a, b, c = np.zeros((3, frames, 3, 3))
        return cls(a, b, c, np.zeros((frames, 3)))

    def solve(self) -> Float[Array, "T 3"]:
        from scipy.linalg import solveh_banded

        frames = len(self.same)
        bands = np.zeros((9, frames, 3))
        for offset, block in enumerate((self.same, self.next, self.second)):
            for row in range(3):  # of the later frame
                for column in range(3):
                    below = 3 * offset + row - column
                    if below >= 0:
                        bands[below, :, column] = block[:, column, row]
        return np.asarray(solveh_banded(bands.reshape(9, -1), self.right.reshape(-1), lower=True)).reshape(-1, 3)


def solve_path(
    joints_m: Float[Array, "T J 3"],
    plane: Float[Array, "T J 2"],
    weight: Float[Array, "T J"],
    times_s: Float[Array, " T"],
    support: Support | None = None,
    std_m: Float[Array, " J"] | None = None,
) -> Float[Array, "T 3"]:
    """Solve for the root of all frames together, camera frame, metres.

    Least squares of: distances to the detector's points at the person's depth, accelerations in units of
    ``ACCELERATION_M_S2`` (large ones lose their weight, so that impacts stay), steps of feet that stand, and their
    heights. One banded system, solved again while weights settle: time and memory are linear in the number of frames.

    Args:
        joints_m: root-relative, camera frame; all finite.
        plane: (T, J, 2) undistorted points at z = 1; NaN where there are none.
        weight: (T, J) confidence, 0 to 1.
        times_s: increasing; frames more than a second apart are independent of each other.
        support: the feet; None while they are not known.
        std_m: deviation of every joint's points; None for ``POINT_STD_M``.
    """
    spread = np.full(joints_m.shape[1], POINT_STD_M) if std_m is None else std_m
    frames = len(times_s)
    known = np.isfinite(plane).all(-1)
    seen = np.where(known, np.clip(weight, 0, 1), 0.0)
    points = np.where(known[..., None], plane, 0.0)
    root = np.zeros((frames, 3))
    for b, _, _ in blocks(frames, _BLOCK):
        root[b] = refine_root(joints_m[b], points[b], seen[b] ** 2, solve_root(joints_m[b], plane[b], seen[b]))
    rate = 1 / float(np.median(np.diff(times_s))) if frames > 1 else 1.0
    repeated = 1 / max(1.0, rate * _MEMORY_S)  # a frame tells this share of something new
    for _ in range(_PASSES):
        system = _Banded.empty(frames)
        for block, _, _ in blocks(frames, _BLOCK):
            _add_points(system, block, joints_m[block], points[block], seen[block], root[block], repeated, spread)
        _add_acceleration(system, root, times_s)
        if support is not None:
            _add_support(system, root, support, times_s, repeated)
        root = system.solve()
    return np.asarray(root)


def _add_points(
    system: _Banded,
    block: slice,
    joints: Array,
    points: Array,
    seen: Array,
    root: Array,
    repeated: float,
    std_m: Float[Array, " J"],
) -> None:
    _, away = projected(joints, points, root)
    share = (seen / std_m) ** 2
    share = repeated * share / (1 + share * (away**2).sum(-1) / _FAR**2)
    normal, right = point_equations(joints, points, share, root)
    system.same[block] += normal + 1e-6 * np.eye(3)
    system.right[block] += right + 1e-6 * root


def _directed(across: float, along: float, sight: Float[Array, "T 3"]) -> Float[Array, "T 3 3"]:
    """Inverse covariances of errors with these deviations across and along the line of sight."""
    line = sight[:, :, None] * sight[:, None]
    return np.asarray((np.eye(3) - line) / across**2 + line / along**2)


def _add_acceleration(system: _Banded, root: Float[Array, "T 3"], times_s: Float[Array, " T"]) -> None:
    if len(root) < 3:
        return
    steps = np.diff(times_s)
    before, after = steps[:-1], steps[1:]
    factors = np.stack([2 / (before * (before + after)), -2 / (before * after), 2 / (after * (before + after))])
    whole = ~(jumps(times_s)[1:-1] | jumps(times_s)[2:])
    bend = factors[0][:, None] * root[:-2] + factors[1][:, None] * root[1:-1] + factors[2][:, None] * root[2:]
    weight = _directed(*ACCELERATION_M_S2, normalise(root[1:-1])) * whole[:, None, None]
    weight /= (1 + np.einsum("ta,tab,tb->t", bend, weight, bend) / _FAR**2)[:, None, None]

    def term(i: int, j: int) -> Array:
        return np.asarray((factors[i] * factors[j])[:, None, None] * weight)

    for i in range(3):
        system.same[i : len(root) - 2 + i] += term(i, i)
    system.next[:-2] += term(0, 1)
    system.next[1:-1] += term(1, 2)
    system.second[:-2] += term(0, 2)


def _add_support(
    system: _Banded, root: Float[Array, "T 3"], support: Support, times_s: Float[Array, " T"], repeated: float
) -> None:
    steps = np.minimum(np.diff(times_s) / _MEMORY_S, 1.0)
    both = support.contacts[1:] & support.contacts[:-1] & ~jumps(times_s)[1:, None]
    weight = _directed(*FOOT_STD_M, normalise(root[1:])) / (2 * steps)[:, None, None]
    moved = support.points_m[1:] - support.points_m[:-1]
    slid = moved + (root[1:] - root[:-1])[:, None]
    share = both / (1 + np.einsum("tpa,tab,tpb->tp", slid, weight, slid) / _FAR**2)
    total = share.sum(1)[:, None, None] * weight
    pull = np.einsum("tab,tp,tpb->ta", weight, share, moved)
    system.same[1:] += total
    system.same[:-1] += total
    system.next[:-1] -= total
    system.right[1:] -= pull
    system.right[:-1] += pull
    if support.up is None or support.heights_m is None:
        return
    known = support.contacts & np.isfinite(support.heights_m)
    wanted = np.where(known, support.heights_m, 0.0) - support.points_m @ support.up
    off = wanted - (root @ support.up)[:, None]
    held = repeated * known / FLOOR_STD_M**2
    held = held / (1 + held / repeated * off**2 / _FAR**2)
    system.same += held.sum(1)[:, None, None] * np.outer(support.up, support.up)
    system.right += (held * wanted).sum(1)[:, None] * support.up
