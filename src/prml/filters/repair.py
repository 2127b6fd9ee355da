"""Repair of detector faults: left and right swapped for a few frames, short gaps, missing joints."""

from itertools import product

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError
from prml.filters.resample import stretches
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton, conversion
from prml.spans import runs

Array = np.ndarray
LONGEST_FILL_S = 0.25
# Costs in units of person size: per swapped frame, so that limbs that really cross are left alone; per change of state,
# so that a swap must pay off at both ends; and the weight of the trunk's twist.
_COST_PER_FRAME, _COST_PER_CHANGE, _TWIST = 0.004, 0.06, 0.3
_NEIGHBOURS = 1  # frames next to a swap, where the detector's smoothing drags limbs through each other
_DOUBT = 0.3
_SETS = (
    ("Hip", "Knee", "Ankle", "Heel", "FootIndex", "Toe", "BigToe", "SmallToe"),
    ("Shoulder", "Elbow", "Wrist", "Pinky", "Index", "Thumb", "Hand"),
)


def limb_pairs(skeleton: Skeleton) -> list[tuple[list[int], list[int]]]:
    """Left and right joint indices of legs and arms, where the skeleton has them."""
    have = set(skeleton.joints)
    names = [[j for j in joints if "L" + j in have] for joints in _SETS]
    return [
        ([skeleton.index("L" + j) for j in joints], [skeleton.index("R" + j) for j in joints])
        for joints in names
        if joints
    ]


def swaps(points: Float[Array, "T J 2"], skeleton: Skeleton) -> Bool[Array, "T pairs"]:
    """Find the swaps of legs and arms that minimise joint movement and trunk twist.

    Dynamic programming over four states per frame (legs swapped or not, arms swapped or not).

    Args:
        points: an unbroken stretch of one person, in pixels (T, J, 2).
        skeleton: the joint set.

    Returns:
        (T, pairs) in the order of :func:`limb_pairs`.
    """
    pairs = limb_pairs(skeleton)
    frames = len(points)
    if frames < 3 or not pairs:
        return np.zeros((frames, len(pairs)), dtype=bool)
    size = float(np.median(np.ptp(points, axis=1).max(axis=-1)))
    states = np.array(list(product((0, 1), repeat=len(pairs))))  # (S, pairs)
    alone = states.sum(axis=1) * _COST_PER_FRAME + _twist(points, skeleton, states) / size  # (T, S)
    changes = states[:, None] != states[None]  # (S, S, pairs)
    steps = np.array([_steps(points[:, left], points[:, right]) for left, right in pairs]) / size  # (pairs, 2, T - 1)
    cost, came = alone[0], np.zeros((frames, len(states)), dtype=int)
    for t in range(1, frames):
        move = np.where(changes, steps[:, 1, t - 1] + _COST_PER_CHANGE, steps[:, 0, t - 1]).sum(axis=-1)
        total = cost[None] + move
        came[t] = total.argmin(axis=1)
        cost = total.min(axis=1) + alone[t]
    path = np.zeros(frames, dtype=int)
    path[-1] = cost.argmin()
    for t in range(frames - 1, 0, -1):
        path[t - 1] = came[t, path[t]]
    return states[path].astype(bool)


def _twist(points: Float[Array, "T J 2"], skeleton: Skeleton, states: Array) -> Float[Array, "T S"]:
    """Pixels by which shoulders and hips face opposite ways in each state; 0 where they agree."""
    if states.shape[1] < 2:
        return np.zeros((len(points), len(states)))
    hips, shoulders = (
        points[:, skeleton.index("L" + j), None, 0] - points[:, skeleton.index("R" + j), None, 0]
        for j in ("Hip", "Shoulder")
    )
    hips, shoulders = hips * (1 - 2 * states[:, 0]), shoulders * (1 - 2 * states[:, 1])
    opposite = hips * shoulders < 0
    return np.where(opposite, _TWIST * np.minimum(np.abs(hips), np.abs(shoulders)), 0.0)


def _steps(left: Float[Array, "T K 2"], right: Float[Array, "T K 2"]) -> Float[Array, "2 steps"]:
    """Mean movement between frames, summed over both limbs, with sides kept and with sides swapped."""
    sides = np.stack([left, right])
    kept, swapped = sides[:, 1:] - sides[:, :-1], sides[::-1, 1:] - sides[:, :-1]
    return np.stack([np.linalg.norm(d, axis=-1).mean(axis=-1).sum(axis=0) for d in (kept, swapped)])


def repair_swaps(
    points: Float[Array, "T J 2"],
    confidence: Float[Array, "T J"],
    has_person: Bool[Array, " T"],
    skeleton: Skeleton,
    times_s: Float[Array, " T"] | None = None,
) -> tuple[Float[Array, "T J 2"], Float[Array, "T J"], Bool[Array, "T pairs"]]:
    """Undo swaps and interpolate the frames next to them, with lowered confidence.

    Args:
        points: the track in pixels (T, J, 2); NaN where there is nobody.
        confidence: (T, J).
        has_person: which frames count; each unbroken stretch is treated separately.
        skeleton: the joint set.
        times_s: frame times; where they jump a stretch ends. Left out, frames are evenly spaced.

    Returns:
        New points and confidence, and per limb pair (legs, arms) the frames that were changed.
    """
    points, confidence = points.copy(), confidence.copy()
    pairs = limb_pairs(skeleton)
    changed = np.zeros((len(points), len(pairs)), dtype=bool)
    for run in runs(has_person) if times_s is None else stretches(has_person, times_s):
        part = points[run]
        states = swaps(part, skeleton)
        for k, (left, right) in enumerate(pairs):
            state = states[:, k]
            if state.mean() > 0.5:  # movement cannot tell which side is which, so most of a stretch is taken as right
                state = ~state
            swapped = np.flatnonzero(state)[:, None]
            for array in (points[run], confidence[run]):
                array[swapped, left + right] = array[swapped, right + left]
            edge = _edges(state)
            _bridge(points[run], confidence[run], edge, left + right)
            changed[run, k] = state | edge
    return points, confidence, changed


def _edges(state: Bool[Array, " T"]) -> Bool[Array, " T"]:
    change = np.zeros(len(state) + 1, dtype=bool)
    change[1:-1] = state[1:] != state[:-1]
    near = np.convolve(change, np.ones(2 * _NEIGHBOURS), mode="full")
    return np.asarray(near[_NEIGHBOURS : _NEIGHBOURS + len(state)] > 0)


def _bridge(points: Array, confidence: Array, gap: Bool[Array, " T"], joints: list[int]) -> None:
    known = np.flatnonzero(~gap)
    if not gap.any() or len(known) < 2:
        return
    at = np.flatnonzero(gap)
    for joint in joints:
        for axis in range(2):
            points[at, joint, axis] = np.interp(at, known, points[known, joint, axis])
        confidence[at, joint] = np.minimum(confidence[at, joint], _DOUBT)


def fill_gaps(
    points: Float[Array, "T J 2"],
    confidence: Float[Array, "T J"],
    has_person: Bool[Array, " T"],
    times_s: Float[Array, " T"],
    longest_s: float = LONGEST_FILL_S,
) -> tuple[Float[Array, "T J 2"], Float[Array, "T J"], Bool[Array, " T"]]:
    """Bridge gaps between two sights that are at most ``longest_s`` apart, in true time; longer ones stay.

    Returns:
        New points and confidence (half of the lower of the two ends), and which frames were filled.
    """
    points, confidence, filled = points.copy(), confidence.copy(), np.zeros(len(points), dtype=bool)
    for gap in runs(~has_person):
        start, stop = gap.start, gap.stop
        if start == 0 or stop == len(points) or times_s[stop] - times_s[start - 1] > longest_s + 1e-9:
            continue
        before, after = start - 1, stop
        share = ((times_s[start:stop] - times_s[before]) / (times_s[after] - times_s[before]))[:, None, None]
        points[start:stop] = (1 - share) * points[before] + share * points[after]
        confidence[start:stop] = 0.5 * np.minimum(confidence[before], confidence[after])
        filled[start:stop] = True
    return points, confidence, filled


def seen_joints(points: Float[Array, "T J 2"], confidence: Float[Array, "T J"] | None) -> Bool[Array, "T J"]:
    """Joints that the detector found: finite and with non-zero confidence."""
    seen: Array = ~np.isnan(points).any(-1)
    return seen if confidence is None else seen & (confidence != 0)


def bridge_joints(sequence: PoseSequence, target: Skeleton) -> PoseSequence:
    """Interpolate short gaps of single joints, as :func:`fill_gaps` does for whole frames.

    Args:
        sequence: with keypoints; a joint that was not found is NaN or has confidence 0.
        target: the joint set it will be converted to; joints that it does not use may be missing.

    Returns:
        The same object if nothing is missing. Interpolated joints have confidence 0. Gaps of at most
        ``LONGEST_FILL_S`` are interpolated in true time; at the ends the nearest position is held for as long. An ear
        missing for longer takes the other ear's position, which is nearly right in a side view. Frames that still
        lack a joint, or in which no joint was found, are NaN with ``has_person`` False.

    Raises:
        PrmlError: no frame is left.
    """
    points = np.asarray(sequence.keypoints_px)
    seen = seen_joints(points, sequence.confidence)
    needed = np.flatnonzero(conversion(sequence.skeleton, target).matrix.any(axis=0))
    if seen[:, needed].all():
        return sequence
    points, known = _interpolated(points, seen, needed, sequence.times_s)
    _lend_ears(points, known, sequence.skeleton)
    person = np.asarray(seen.any(axis=1) & known[:, needed].all(axis=1))
    if seen.any() and not person.any():
        rarest = int(needed[known[:, needed].mean(axis=0).argmin()])
        raise PrmlError(
            f"no frame has all joints that lifting needs: {sequence.skeleton.joints[rarest]} was seen in "
            f"{int(seen[:, rarest].sum())} of {len(seen)} frames (NaN or confidence 0 means that it was not)"
        )
    confidence = np.ones(seen.shape) if sequence.confidence is None else sequence.confidence
    return sequence.with_(
        keypoints_px=np.where(person[:, None, None], points, np.nan),
        confidence=np.where(seen, confidence, 0.0),
        has_person=person if sequence.has_person is None else sequence.has_person & person,
        filled=None if sequence.filled is None else sequence.filled & person,
    )


def bridge_gaps(sequence: PoseSequence) -> PoseSequence:
    """Interpolate short gaps of single joints, as :func:`bridge_joints`; joints missing for longer are NaN.

    Returns the same object if nothing is missing. Interpolated joints have confidence 0.
    """
    points = np.asarray(sequence.keypoints_px)
    seen = seen_joints(points, sequence.confidence)
    if seen.all():
        return sequence
    points, known = _interpolated(points, seen, np.arange(points.shape[1]), sequence.times_s)
    confidence = np.ones(seen.shape) if sequence.confidence is None else sequence.confidence
    return sequence.with_(
        keypoints_px=np.where(known[..., None], points, np.nan), confidence=np.where(seen, confidence, 0.0)
    )


def _interpolated(
    points: Float[Array, "T J 2"], seen: Bool[Array, "T J"], joints: Array, times_s: Float[Array, " T"]
) -> tuple[Float[Array, "T J 2"], Bool[Array, "T J"]]:
    """Points with the short gaps of some joints interpolated, and which are known then."""
    known, points = seen.copy(), points.astype(points.dtype if points.dtype.kind == "f" else np.float64)
    for joint in joints:
        near = _near(seen[:, joint], times_s)
        at, sights = np.flatnonzero(near & ~seen[:, joint]), np.flatnonzero(seen[:, joint])
        for axis in range(2 if len(at) else 0):
            points[at, joint, axis] = np.interp(times_s[at], times_s[sights], points[sights, joint, axis])
        known[:, joint] = near
    return points, known


def _lend_ears(points: Float[Array, "T J 2"], known: Bool[Array, "T J"], skeleton: Skeleton) -> None:
    """Give a missing ear the other's position: only their middle is used, and a side view hides one for whole clips."""
    if not {"LEar", "REar"} <= set(skeleton.joints):
        return
    ears = [skeleton.index("LEar"), skeleton.index("REar")]
    for ear, other in (ears, ears[::-1]):
        rows = ~known[:, ear] & known[:, other]
        points[rows, ear], known[rows, ear] = points[rows, other], True


def _near(seen: Bool[Array, " T"], times_s: Float[Array, " T"]) -> Bool[Array, " T"]:
    """Frames that are seen, in a gap of at most ``LONGEST_FILL_S``, or that close to the first or last seen frame."""
    sights = np.flatnonzero(seen)
    if not len(sights):
        return seen
    after = np.searchsorted(sights, np.arange(len(seen)))
    before_s = times_s[sights[np.maximum(after - 1, 0)]]
    after_s = times_s[sights[np.minimum(after, len(sights) - 1)]]
    gap_s = np.maximum(after_s, times_s) - np.minimum(before_s, times_s)
    return np.asarray(seen | (gap_s <= LONGEST_FILL_S + 1e-9))


def filled_in(sequence: PoseSequence) -> PoseSequence:
    """Fill and flag the short gaps of a sequence from :func:`read_keypoints`, as for a video."""
    if sequence.keypoints_px is None or sequence.confidence is None or sequence.has_person is None:
        raise PrmlError("filling gaps needs keypoints, confidence and has_person; read_keypoints gives all of them")
    points, confidence, filled = fill_gaps(
        sequence.keypoints_px, sequence.confidence, sequence.has_person, sequence.times_s
    )
    return sequence.with_(
        keypoints_px=points, confidence=confidence, has_person=sequence.has_person | filled, filled=filled
    )
