"""Two results of one motion on common joints and one clock, and how far apart they are."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from prml.errors import PrmlError
from prml.filters.resample import interpolate, stretches
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton, conversion

Array = np.ndarray
SAME_S = 1e-3  # clocks that differ by less are one clock


@dataclass(frozen=True)
class Pair:
    """Two results in step.

    Attributes:
        a: the first, on the common joints, relative to the root.
        b: the second, on the same joints at the times of ``a``; NaN where it has no pose.
        distance_m: (T, J) metres between the two; NaN where one of them has no pose.
        notes: what was converted or resampled for it, one line each.
    """

    a: PoseSequence
    b: PoseSequence
    distance_m: Float[Array, "T J"]
    notes: tuple[str, ...] = ()

    @property
    def mean_m(self) -> Float[Array, " T"]:
        """Mean distance of a frame over its joints (as MPJPE, the root included); NaN without two poses."""
        return np.asarray(self.distance_m.mean(1))

    def largest(self, count: int = 6, apart_s: float = 0.5) -> Int[Array, " n"]:
        """Return the frames that differ most, the worst first, at least ``apart_s`` from each other."""
        left, times = self.mean_m.copy(), self.a.times_s
        found: list[int] = []
        while len(found) < count and np.isfinite(left).any():
            frame = int(np.nanargmax(left))
            found.append(frame)
            left[np.abs(times - times[frame]) < apart_s] = np.nan
        return np.array(found, int)


def paired(a: PoseSequence, b: PoseSequence) -> Pair:
    """Put two results on common joints and on the clock of ``a``.

    Args:
        a: lifted, in the camera's frame.
        b: the same motion in another result. On other joints, the result with more of them is converted to those of
            the other; on another clock, ``b`` is interpolated linearly, but not over gaps.

    Raises:
        PrmlError: one has no 3D joints, the joints have nothing in common, their axes differ, or there is no time at
            which both have a pose.
    """
    for one in (a, b):
        if one.joints_m is None:
            raise PrmlError("a comparison needs 3D joints, got a sequence with 2D keypoints only; lift it first")
    if a.frame != b.frame:
        raise PrmlError(f"one result is in the {a.frame}'s frame, the other in the {b.frame}'s; lift one of them again")
    a, b, notes = _on_common_joints(a.relative_to_root(), b.relative_to_root())
    if len(a) != len(b) or np.abs(a.times_s - b.times_s).max(initial=0) >= SAME_S:
        clocks = f"{len(b)} frames at {b.fps:g} frames/s, A has {len(a)} at {a.fps:g}"
        b = resampled(b, a.times_s)
        notes.append(f"B has another clock ({clocks}): it is interpolated at the times of A")
    else:
        b = b.with_(times_s=a.times_s, fps=a.fps)
    distance = np.linalg.norm(np.asarray(a.joints_m, np.float64) - np.asarray(b.joints_m, np.float64), axis=-1)
    if not np.isfinite(distance).all(1).any():
        raise PrmlError("the two results have no moment in common in which both have a person; give two of one clip")
    return Pair(a, b, distance, tuple(notes))


def _on_common_joints(a: PoseSequence, b: PoseSequence) -> tuple[PoseSequence, PoseSequence, list[str]]:
    if a.skeleton == b.skeleton:
        return a, b, []
    common = _common(a.skeleton, b.skeleton)
    told = ", ".join(f"{name} has {one.skeleton.name}" for name, one in (("A", a), ("B", b)))
    return (
        a.to_skeleton(common),
        b.to_skeleton(common),
        [f"{told}: the {len(common)} joints of {common.name} are shown"],
    )


def _common(a: Skeleton, b: Skeleton) -> Skeleton:
    """The smaller skeleton, if the larger one has all its joints."""
    small, large = sorted((a, b), key=len)
    try:
        if not conversion(large, small).absent.any():
            return small
    except PrmlError:
        pass
    raise PrmlError(f"results on {a.name} and {b.name} have no joint set in common; give two results of prml lift")


def resampled(sequence: PoseSequence, times_s: Float[Array, " L"]) -> PoseSequence:
    """Interpolate a sequence at other times, within its stretches of frames with a pose; NaN elsewhere."""
    joints = np.asarray(sequence.joints_m)
    present = np.isfinite(joints).all((1, 2))
    given = {"joints_m": joints, **{name: getattr(sequence, name) for name in ("keypoints_px", "confidence", "std_m")}}
    fields = {name: np.full((len(times_s), *v.shape[1:]), np.nan) for name, v in given.items() if v is not None}
    for run in stretches(present, sequence.times_s):
        own = sequence.times_s[run]
        at = (times_s >= own[0] - SAME_S) & (times_s <= own[-1] + SAME_S)
        for name, values in fields.items():
            values[at] = interpolate(np.asarray(given[name], np.float64)[run], own, times_s[at])
    middles = (sequence.times_s[1:] + sequence.times_s[:-1]) / 2
    nearest = np.searchsorted(middles, times_s)
    flags = {name: v[nearest] for name in ("filled", "inferred") if (v := getattr(sequence, name)) is not None}
    return sequence.with_(
        times_s=times_s,
        fps=float(1 / np.median(np.diff(times_s))) if len(times_s) > 1 else sequence.fps,
        **fields,
        **flags,
        has_person=np.isfinite(fields["joints_m"]).all((1, 2)),
        **dict.fromkeys(("valid", "mm_per_px", "contacts", "truth", "detection")),
    )
