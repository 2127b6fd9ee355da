"""From a file's named points to people of 17 joints in metres, z up: who is in it, in which unit, which axis is up."""

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
        name: prefix of the person's points in the file, without its mark; "" if there is none.
        joints_m: (F, 17, 3) metres, z up; NaN where a marker was not seen.
        unit_m: metres per file unit.
        up, right: the file's axes that became +z and +x.
        up_is_stated: whether the file or the user says which axis is up; else it is what is usual in such files.
        notes: what was judged rather than read, one sentence each.
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
    """The people of a file, and a sentence for each person who was left out.

    Args:
        motion: what the file holds.
        skeleton: the joint map.
        unit_m: metres per file unit, in place of the file's, the map's and what the size of the people says.
        up: the axis that points up, in place of the map's and the file's.

    Raises:
        PrmlError: no person has all points of the map; a point is ambiguous; unit or up axis cannot be found.
    """
    axis = up or skeleton.up or motion.up or skeleton.usual_up
    if not axis:
        raise PrmlError("does not say which axis is up; pass up='z' (or another axis), or give it in a copy of the map")
    stated = bool(up or skeleton.up or motion.up)
    right = motion.right if axis == motion.up else None
    found, left_out = skeleton.people(motion)
    people = []
    for name, points in found.items():
        joints, unit, notes = _in_metres(points, skeleton, unit_m)
        people.append(Person(name, z_up(joints, axis, right), unit, axis, right, stated, notes))
    return people, left_out


def _in_metres(motion: Motion, skeleton: JointMap, given: float | None) -> tuple[Joints, float, tuple[str, ...]]:
    """The joints in metres, the unit, and notes on it. Units are judged on the file's own numbers."""
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
            raise PrmlError("does not say its unit; pass unit_m= (0.01 for centimetres)")
        return joints, stated, ()
    unit, raw = guess
    if stated and math.isclose(stated, UNITS_M[unit]):
        return joints, stated, ()
    instead = f" instead of {stated:g} m" if stated else ""
    note = f"thighs and shins are {raw:.3g} long in the file: read as {unit}{instead}; if that is wrong, pass unit_m="
    return skeleton.apply(motion, UNITS_M[unit]), UNITS_M[unit], (note,)


def _judged(motion: Motion, skeleton: JointMap) -> tuple[str, float] | None:
    """The unit in which the legs come nearest to an adult's, and their length in it.

    Every unit is tried on its own, because joint centres from markers hold lengths in metres.
    """
    lengths: Sequence[tuple[str, float]] = [
        (unit, leg_bone(skeleton.apply(motion, metres), H36M17) / metres) for unit, metres in UNITS_M.items()
    ]
    fits = [(unit, raw) for unit, raw in lengths if likely_unit(raw) == unit]
    return fits[0] if fits else None


def read_motion(
    path: Path, format_: Format, skeleton: JointMap | None = None, given: Sequence[Path] = ()
) -> tuple[Motion, JointMap]:
    """A motion file and the joint map for it: ``skeleton``, or the one shipped map that fits its names.

    Raises:
        PrmlError: the file cannot be read, or not exactly one map fits.
    """

    def read(lost_offsets: Mapping[str, str] | None) -> Motion:
        motion = format_.read_with(path, given=given, lost_offsets=lost_offsets)
        if not isinstance(motion, Motion):
            raise PrmlError(f"the format {format_.name} gave {type(motion).__name__}, expected a Motion")
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
    """The people of a motion file on H36M17, world metres, z up; raises PrmlError as :func:`load_file` does."""
    motion, skeleton = read_motion(path, format_, skeleton)
    rate = fps or motion.fps or skeleton.fps
    if not rate:
        raise PrmlError(f"{path.name}: does not say its frame rate; pass fps=")
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
