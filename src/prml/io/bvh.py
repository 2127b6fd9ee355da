"""BVH: a tree of offsets and, per frame, Euler angles in the listed order of the channels.

A joint is at the start of its bone; the end of the last bone of a chain is called ``<joint>_end``. A rotation is the
product of the channel rotations from left to right (the last acts first); a position channel replaces the offset.
Keywords are read as in Blender: in any case, with CHANNELS on one line or several.

Written are centimetres, Y up, a T pose at rest (facing +Z, left at +X) with the bones of :mod:`prml.rig`, one person, a
frame every 1 / rate seconds. A person who is absent stays in the last pose seen. Names consist of letters, digits and
underscores: a colon stops all motion in three.js, which also takes a name to end at a space.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.axes import Axis
from prml.io.files import write_file
from prml.io.guard import guarded
from prml.io.motion import Motion, axis_rotation, floats, prefixes
from prml.io.registry import Format, only_person
from prml.rig import RigMotion, to_rig
from prml.rotations import euler_degrees, to_matrix
from prml.scene import Scene

_CHANNEL = re.compile(r"[xyz](position|rotation)", re.IGNORECASE)
_MOTION = re.compile(r"^[ \t]*MOTION[ \t]*(?=$|Frames)", re.IGNORECASE | re.MULTILINE)
_HIERARCHY = re.compile(r"^[ \t]*HIERARCHY\b", re.IGNORECASE | re.MULTILINE)
_FRAMES = re.compile(r"Frames[ \t]*:\s*(\d+)\s*Frame[ \t]*Time[ \t]*:\s*([-+\d.eE]+)", re.IGNORECASE)


@dataclass
class _Joint:
    name: str
    parent: int
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    channels: list[str] = field(default_factory=list)


def read_bvh(path: Path | str, lost_offsets: Mapping[str, str] | None = None) -> Motion:
    """Read global joint positions from a BVH file.

    Args:
        path: the file.
        lost_offsets: maps joints with an offset that a converter set to zero to the joint with the length to restore,
            along +y of the parent's frame (BVH conversions of the CMU database lost the length of the ASF bone
            "thorax"). Names in the file may have a prefix.

    Returns:
        Joints in the unit of the file. If a joint of a second ROOT has the name of one in an earlier tree, it is called
        ``2:<name>``. ``notes`` report a stated frame count that is too low.

    Raises:
        PrmlError: the file is missing, not BVH, or its frame count does not fit the channels.
    """
    path = Path(path)
    return guarded(path.name, lambda: _parse(path.read_text(encoding="utf-8", errors="replace"), lost_offsets or {}))


def _parse(text: str, lost_offsets: Mapping[str, str]) -> Motion:
    start, end = _HIERARCHY.search(text), _MOTION.search(text)
    if not start or not end:
        raise PrmlError("not a BVH file: expected the words HIERARCHY and MOTION")
    joints = _Hierarchy(text[start.end() : end.start()]).read()
    _put_back(joints, lost_offsets)
    data, fps, notes = _frames(text[end.end() :], sum(len(j.channels) for j in joints))
    names, duplicates = _names(joints)
    positions = dict(zip(names, _positions(joints, data), strict=True))
    up: Axis | None = "z" if _stands_along_z(joints) else None
    if up:
        notes += ("the rest pose stands along z, as in files that Blender writes: read as z up",)
    return Motion(positions, fps, up=up, duplicates=duplicates, notes=notes, usual_up="y")


def _stands_along_z(joints: list[_Joint]) -> bool:
    """Whether the rest pose is a figure in T or A pose whose height is along z; by the format it would be along y.

    A figure whose bones all lie along x, as that of LAFAN1, shows no height.
    """
    places: list[np.ndarray] = []
    for joint in joints:
        places.append(joint.offset + places[joint.parent] if joint.parent >= 0 else np.zeros(3))
    wide, high, deep = np.ptp(places, axis=0)
    return bool(deep > 2 * high and deep > 0.6 * wide)


class _Hierarchy:
    """Parser of a hierarchy's words; it keeps the line of each, since names may contain spaces."""

    def __init__(self, text: str) -> None:
        spaced = text.replace("{", " { ").replace("}", " } ")
        self.words = [(word, n) for n, line in enumerate(spaced.splitlines()) for word in line.split()]
        self.at = 0
        self.joints: list[_Joint] = []
        self.stack: list[int] = []

    def read(self) -> list[_Joint]:
        """Return all joints, parents first."""
        while self.at < len(self.words):
            word, line = self.words[self.at]
            self.at += 1
            match word.lower():
                case "root" | "joint" | "end":
                    self._joint(word.lower(), line)
                case "{":
                    self.stack.append(len(self.joints) - 1)
                case "}":
                    if not self.stack:
                        raise PrmlError("the hierarchy has a closing brace too many")
                    self.stack.pop()
                case "offset":
                    joint = self._current(word)
                    joint.offset = np.array(floats(self._next(3), f"OFFSET of {joint.name}"))
                case "channels":
                    joint = self._current(word)
                    joint.channels = self._channels(joint.name)
                case _:
                    self._rest_of(line)  # an unknown keyword
        if not self.joints or self.stack:
            raise PrmlError("the hierarchy is empty or not closed; the file is truncated")
        return self.joints

    def _joint(self, kind: str, line: int) -> None:
        parent = self.stack[-1] if self.stack else -1
        name = " ".join(self._rest_of(line))
        if kind == "end":
            name = f"{self._current('End Site').name}_end"
        self.joints.append(_Joint(name, parent))

    def _current(self, keyword: str) -> _Joint:
        if not self.stack or self.stack[-1] < 0:
            raise PrmlError(f"{keyword} is outside the braces of a joint")
        return self.joints[self.stack[-1]]

    def _rest_of(self, line: int) -> list[str]:
        words = []
        while self.at < len(self.words) and self.words[self.at][1] == line and self.words[self.at][0] not in "{}":
            words.append(self.words[self.at][0])
            self.at += 1
        return words

    def _next(self, count: int) -> list[str]:
        words = [word for word, _ in self.words[self.at : self.at + count]]
        self.at += len(words)
        return words

    def _channels(self, joint: str) -> list[str]:
        count = self._next(1)
        stated = int(count[0]) if count and count[0].isdigit() else 0
        line = self.words[self.at][1] if self.at < len(self.words) else -1
        channels: list[str] = []
        while self.at < len(self.words) and (len(channels) < stated or self.words[self.at][1] == line):
            word, where = self.words[self.at]
            if not _CHANNEL.fullmatch(word):
                if len(channels) < stated and word not in "{}":
                    raise PrmlError(f"{joint} has the channel {word!r}; expected Xposition, Zrotation and the like")
                break
            channels.append(word[0].upper() + word[1].lower())  # "Xp", "Zr"
            line, self.at = where, self.at + 1
        return channels


def _put_back(joints: list[_Joint], lost_offsets: Mapping[str, str]) -> None:
    by_name = {j.name: j for j in joints}
    for name, model in lost_offsets.items():
        for prefix in prefixes(by_name, (name, model))[0]:
            joint, like = by_name[prefix + name], by_name[prefix + model]
            if np.linalg.norm(joint.offset) < 1e-3:
                joint.offset = np.array([0.0, np.linalg.norm(like.offset), 0.0])


def _frames(motion: str, width: int) -> tuple[Float[np.ndarray, "frames channels"], float | None, tuple[str, ...]]:
    """Return channel values, the frame rate if it is positive, and notes on irregularities."""
    found = _FRAMES.search(motion)
    if not found:
        raise PrmlError("no 'Frames:' and 'Frame Time:' after MOTION; the file is truncated")
    count, step = int(found[1]), float(found[2])
    try:
        values = np.array(motion[found.end() :].split(), dtype=np.float64)
    except ValueError:
        raise PrmlError("the motion contains a non-numeric value") from None
    if not np.isfinite(values).all():
        raise PrmlError("the motion contains values that are not finite numbers")
    if width == 0 or values.size < count * width or values.size % width:
        raise PrmlError(f"expected {count} frames of {width} values, got {values.size} values; it is truncated")
    data = values.reshape(-1, width)
    notes = () if len(data) == count else (f"states {count} frames but has {len(data)}; all are read",)
    return data, 1.0 / step if step > 0 else None, notes


def _names(joints: list[_Joint]) -> tuple[list[str], frozenset[str]]:
    """Return a unique name for every joint, and the names that several joints of one tree share."""
    tree, names, seen, before, twice = 0, [], set[str](), set[str](), set[str]()
    for number, joint in enumerate(joints):
        if joint.parent < 0:
            tree, before = tree + 1, set(seen)  # the names of the earlier trees
        name = f"{tree}:{joint.name}" if joint.name in before else joint.name
        twice |= {name} & seen
        names.append(f"{name}#{number}" if name in seen else name)
        seen.add(name)
    return names, frozenset(twice)


def _positions(joints: list[_Joint], data: Float[np.ndarray, "frames channels"]) -> list[Float[np.ndarray, "frames 3"]]:
    xyz: list[np.ndarray] = []
    turn: list[np.ndarray] = []
    column = 0
    for joint in joints:
        local = np.repeat(joint.offset[None], len(data), 0)
        R = np.broadcast_to(np.eye(3), (len(data), 3, 3))
        for channel in joint.channels:
            axis, kind = channel[0], channel[1]
            if kind == "p":
                local[:, "XYZ".index(axis)] = data[:, column]
            else:
                R = R @ axis_rotation(axis, np.radians(data[:, column]))
            column += 1
        if joint.parent >= 0:
            local = xyz[joint.parent] + np.einsum("fij,fj->fi", turn[joint.parent], local)
            R = turn[joint.parent] @ R
        xyz.append(local)
        turn.append(R)
    return xyz


def bvh_text(motion: RigMotion, order: str = "ZXY") -> str:
    """Return a rig's motion as the text of a BVH file.

    Args:
        motion: its bones need names without spaces and marks.
        order: axes of the three rotations of every joint, in the order of the channels.
    """
    motion = motion.regular()
    rig, lines, walk = motion.rig, ["HIERARCHY"], list[int]()

    def offset(depth: str, metres: Float[np.ndarray, "3"]) -> None:
        lines.append(f"{depth}OFFSET {' '.join(f'{value:.6f}' for value in np.round(100 * metres, 6) + 0.0)}")

    def joint(bone: int, depth: str) -> None:
        walk.append(bone)
        rotations = " ".join(f"{axis}rotation" for axis in order)
        lines.extend([f"{depth}{'ROOT' if bone == 0 else 'JOINT'} {rig.names[bone]}", f"{depth}{{"])
        offset(depth + "\t", rig.offsets_m[bone])
        places = "6 Xposition Yposition Zposition" if bone == 0 else "3"
        lines.append(f"{depth}\tCHANNELS {places} {rotations}")
        for child in rig.children(bone):
            joint(child, depth + "\t")
        if rig.names[bone] in rig.ends_m:
            lines.extend([f"{depth}\tEnd Site", f"{depth}\t{{"])
            offset(depth + "\t\t", rig.ends_m[rig.names[bone]])
            lines.append(f"{depth}\t}}")
        lines.append(f"{depth}}}")

    joint(0, "")
    angles = euler_degrees(to_matrix(motion.rotations[:, walk]), order).reshape(len(motion), -1)
    rows = np.round(np.concatenate([100 * motion.root_m, angles], 1), 6) + 0.0  # no -0
    row = " ".join(["%.6f"] * rows.shape[1])
    lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {1 / motion.fps:.8f}"]
    lines += [row % tuple(values) for values in rows.tolist()]
    return "\n".join(lines) + "\n"


def write_bvh(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write the only person of a scene; raise PrmlError as :func:`prml.rig.to_rig` does, or if there are more."""
    write_file(path, bvh_text(to_rig(only_person(scene, "a BVH file"))), overwrite)


FORMAT = Format(
    "bvh",
    (".bvh",),
    "a skeleton and its joint angles, as written by nearly every animation program",
    read_bvh,
    write_bvh,
    options=("lost_offsets",),
    kind="motion",
    wants="world",
    gap_rule="the last pose is held",
    one_person=True,
)
