"""What the writers of motion share: absolute joints in the world, stretches without gaps, an even clock, Y up.

The world is in metres, z up, the floor at z = 0. Files with Y up hold (x, z, -y), a rotation about x: nothing is
mirrored, and the person faces the same way in all of them.
"""

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError
from prml.filters.resample import interpolate
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.spans import runs

Array = np.ndarray
_UNEVEN = 0.1  # of a frame: times that stray further are no even clock


def world_joints(person: PoseSequence, what: str) -> Float[Array, "T J 3"]:
    """Return absolute joints in world metres, NaN in frames without the person.

    Args:
        person: the motion.
        what: the subject of messages, such as "a TRC file".

    Raises:
        PrmlError: the joints are not absolute world joints, or nobody is in any frame.
    """
    if person.joints_m is None or person.frame != "world" or person.root_relative:
        raise PrmlError(f"{what} needs a motion in the world (absolute joints); prml.lift(...).motion.scene is one")
    joints = np.asarray(person.joints_m, np.float64)
    if person.has_person is not None:
        joints = np.where(np.asarray(person.has_person)[:, None, None], joints, np.nan)
    if not np.isfinite(joints).all(-1).any():
        raise PrmlError(f"{what} needs somebody in at least one frame; the motion has nobody")
    return np.where(np.isfinite(joints).all(-1, keepdims=True), joints, np.nan)


def present(person: PoseSequence) -> Bool[Array, " T"]:
    """Return the frames in which at least one joint is known."""
    if person.joints_m is None:
        return np.zeros(len(person), bool)
    seen = np.isfinite(person.joints_m).all(-1).any(-1)
    return np.asarray(seen if person.has_person is None else seen & person.has_person)


def unbroken(person: PoseSequence, what: str) -> None:
    """Raise PrmlError if the person is absent in a frame, for a file that cannot say so."""
    gone = ~present(person)
    if gone.any() and not gone.all():
        first = next(iter(runs(gone)))
        raise PrmlError(
            f"{what} holds no gaps, and the person is absent in {int(gone.sum())} of {len(gone)} frames (from frame "
            f"{first.start}); save one stretch: sequence.take(slice(start, stop)), or 'prml export' for a file of each"
        )


def y_up(points: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    """Turn points from z up to y up: (x, z, -y)."""
    return np.stack([points[..., 0], points[..., 2], 0.0 - points[..., 1]], axis=-1)


def is_even(times_s: Float[Array, " T"], fps: float) -> bool:
    """Whether times are evenly spaced at the rate, within a tenth of a frame."""
    return bool(np.abs(times_s - times_s[0] - np.arange(len(times_s)) / fps).max(initial=0.0) <= _UNEVEN / fps)


def file_times(person: PoseSequence) -> Float[Array, " T"]:
    """Return the times for a file: frame / rate where the clock is even, which is exact, else those of the motion."""
    times = np.asarray(person.times_s, np.float64)
    first = times[0] * person.fps
    if not is_even(times, person.fps) or abs(first - round(first)) > _UNEVEN:
        return times
    return np.asarray((np.arange(len(times)) + round(first)) / person.fps)


def evenly(person: PoseSequence) -> PoseSequence:
    """Return the motion on an even clock at its rate, for files without times; itself if its clock is even.

    Joints are interpolated linearly within stretches with the person; a frame in a gap stays a gap.
    """
    if is_even(person.times_s, person.fps) or person.joints_m is None:
        return person
    times = np.asarray(person.times_s, np.float64)
    wanted = times[0] + np.arange(int(np.floor((times[-1] - times[0]) * person.fps + 1e-6)) + 1) / person.fps
    joints = np.full((len(wanted), *np.shape(person.joints_m)[1:]), np.nan)
    for run in runs(present(person)):
        inside = (wanted >= times[run][0] - 1e-9) & (wanted <= times[run][-1] + 1e-9)
        joints[inside] = interpolate(np.asarray(person.joints_m, np.float64)[run], times[run], wanted[inside])
    return PoseSequence(
        person.skeleton,
        wanted,
        joints_m=joints,
        frame="world",
        fps=person.fps,
        has_person=np.asarray(np.isfinite(joints).all(-1).any(-1)),
        contacts=None if person.contacts is None else person.contacts[_nearest(times, wanted)],
        detected=person.detected,
        name=person.name,
        source=person.source,
        track_id=person.track_id,
        labels=person.labels,
    )


def _nearest(times: Float[Array, " T"], wanted: Float[Array, " L"]) -> Array:
    right = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    return np.asarray(right - (wanted - times[right - 1] < times[right] - wanted))


def person_names(scene: Scene) -> tuple[str, ...]:
    """Return a plain name of every person, unique in the scene: Person0, Person1 and so on by track."""
    return tuple(f"Person{track}" for track in scene.track_ids)
