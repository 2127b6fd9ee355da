"""Convert the named points of a motion file to people with 17 joints in metres, z up."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.axes import Axis
from prml.io.joint_map import JointMap, choose_map
from prml.io.motion import Motion, z_up
from prml.io.registry import Format
from prml.io.units import UNITS_M, human, leg_bone, likely_unit
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

Joints = Float[np.ndarray, "frames 17 3"]
_ADULT_LEG_M = (0.25, 0.60)


@dataclass(frozen=True)
class Person:
    """One person of a motion file.

    Attributes:
        name: prefix of the person's points in the file, without the separator; "" if there is none.
        joints_m: (F, 17, 3) metres, z up; NaN where a marker was not seen.
        unit_m: metres per file unit.
        up, right: the file's axes that became +z and +x.
        up_is_stated: whether the file or the user gave the up axis; otherwise it is the usual one for such files.
        notes: what was estimated rather than read, one sentence each.
    """

    name: str
    joints_m: Joints
    unit_m: float
    up: Axis
    right: Axis | None
    up_is_stated: bool
    notes: tuple[str, ...] = ()


def people_of(
    motion: Motion, skeleton: JointMap, unit_m: float | None = None, up: Axis | None = None
) -> tuple[list[Person], list[str]]:
    """Return the people of a file, and a sentence for each person who was left out.

    Args:
        motion: content of the file.
        skeleton: the joint map.
        unit_m: metres per file unit, overriding the file, the map and the estimate from the size of the people.
        up: the axis that points up, overriding the map and the file.

    Raises:
        PrmlError: no person has all points of the map, a point is ambiguous, or the unit or up axis is unknown.
    """
    axis = up or skeleton.up or motion.up or skeleton.usual_up or motion.usual_up
    if not axis:
        raise PrmlError("does not state which axis is up; pass up='z' (or another axis), or copy the map and set it")
    stated = bool(up or skeleton.up or motion.up)
    right = motion.right if axis == motion.up else None
    found, left_out = skeleton.people(motion)
    people = []
    for name, points in found.items():
        joints, unit, notes = _in_metres(points, skeleton, unit_m)
        people.append(Person(name, z_up(joints, axis, right), unit, axis, right, stated, notes))
    return people, left_out


def _in_metres(motion: Motion, skeleton: JointMap, given: float | None) -> tuple[Joints, float, tuple[str, ...]]:
    """Return the joints in metres, the unit, and notes; an unknown unit is estimated from the file's own numbers."""
    if given:
        return skeleton.apply(motion, given), given, ()
    stated = skeleton.unit_m or motion.unit_m
    if stated:
        joints = skeleton.apply(motion, stated)
        leg_m = leg_bone(joints, H36M17)
        sure = human(leg_m) if motion.unit_m else _ADULT_LEG_M[0] <= leg_m <= _ADULT_LEG_M[1]
        if sure or math.isnan(leg_m):
            return joints, stated, ()
    guess = _judged(motion, skeleton)
    if guess is None:
        if not stated:
            raise PrmlError("does not state its unit; pass unit_m= (0.01 for centimetres)")
        return joints, stated, ()
    unit, raw = guess
    if stated and math.isclose(stated, UNITS_M[unit]):
        return joints, stated, ()
    instead = f" instead of {stated:g} m" if stated else ""
    note = f"thighs and shins are {raw:.3g} long in the file: read as {unit}{instead}; if that is wrong, pass unit_m="
    return skeleton.apply(motion, UNITS_M[unit]), UNITS_M[unit], (note,)


def _judged(motion: Motion, skeleton: JointMap) -> tuple[str, float] | None:
    """Return the unit that makes the legs most like an adult's, and their length in it.

    Each unit is tried separately, because the rules for joint centres contain lengths in metres.
    """
    lengths: Sequence[tuple[str, float]] = [
        (unit, leg_bone(skeleton.apply(motion, metres), H36M17) / metres) for unit, metres in UNITS_M.items()
    ]
    fits = [(unit, raw) for unit, raw in lengths if likely_unit(raw) == unit]
    return fits[0] if fits else None


def read_motion(
    path: Path, format_: Format, skeleton: JointMap | None = None, given: Sequence[Path] = ()
) -> tuple[Motion, JointMap]:
    """Read a motion file; also return its joint map: ``skeleton``, or the only bundled map that fits its names.

    Raises:
        PrmlError: the file cannot be read, or no single map fits.
    """

    def read(lost_offsets: Mapping[str, str] | None) -> Motion:
        motion = format_.read_with(path, given=given, lost_offsets=lost_offsets)
        if not isinstance(motion, Motion):
            raise PrmlError(f"the format {format_.name} returned {type(motion).__name__}, expected a Motion")
        return motion

    if skeleton is not None:
        return read(skeleton.lost_offsets), skeleton
    motion = read(None)
    try:
        skeleton = choose_map(motion, format_.name)
    except PrmlError as error:
        raise PrmlError(f"{path.name}: {error}") from None
    return read(skeleton.lost_offsets) if skeleton.lost_offsets else motion, skeleton


def scene_of_motion(
    path: Path,
    format_: Format,
    skeleton: JointMap | None = None,
    unit_m: float | None = None,
    up: Axis | None = None,
    fps: float | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> Scene:
    """Read the people of a motion file on H36M17 in world metres, z up; raise PrmlError as :func:`load_file`."""
    motion, skeleton = read_motion(path, format_, skeleton)
    rate = fps or motion.fps or skeleton.fps
    if not rate:
        raise PrmlError(f"{path.name}: does not state its frame rate; pass fps=")
    try:
        people, left_out = people_of(motion, skeleton, unit_m, up)
    except PrmlError as error:
        raise PrmlError(f"{path.name}: {error}") from None
    for note in (*motion.notes, *left_out, *(note for person in people for note in person.notes)):
        warn(f"{path.name}: {note}")
    return Scene(
        tuple(
            PoseSequence.regular(
                len(person.joints_m),
                rate,
                H36M17,
                joints_m=person.joints_m.astype(np.float32),
                frame="world",
                has_person=np.isfinite(person.joints_m).any((1, 2)),
                track_id=number,
                name=person.name or path.stem,
                source=path.name,
                labels={"map": skeleton.name},
            )
            for number, person in enumerate(people)
        )
    )
