"""BVH: a tree of offsets and, per frame, Euler angles in the order in which the channels are listed.

A joint stands where its bone starts; the end of the last bone of a chain is called ``<joint>_end``. A rotation is the
product of the channels' rotations from left to right (the last acts first); a position channel stands for the offset.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from prml.errors import PrmlError
from prml.io.motion import Motion, axis_rotation, floats
from prml.io.unpickle import guarded


@dataclass
class _Joint:
    name: str
    parent: int
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    channels: list[str] = field(default_factory=list)


def read_bvh(path: Path | str, lost_offsets: Mapping[str, str] | None = None) -> Motion:
    """Global joint positions of a BVH file.

    Args:
        path: the file.
        lost_offsets: joints whose offset some converter set to zero -> the joint whose length to put back, along +y of
            the parent's frame (the BVH conversions of the CMU database lost the length of the ASF bone "thorax").

    Raises:
        PrmlError: absent, not BVH, or a frame count that does not fit the channels.
    """
    path = Path(path)
    return guarded(path.name, lambda: _parse(path.read_text(encoding="utf-8", errors="replace"), lost_offsets or {}))


def _parse(text: str, lost_offsets: Mapping[str, str]) -> Motion:
    head, separator, motion = text.partition("MOTION")
    if not separator or "HIERARCHY" not in head:
        raise PrmlError("not a BVH file: expected the words HIERARCHY and MOTION")
    joints = _hierarchy(head)
    for joint, model in lost_offsets.items():
        _put_back(joints, joint, model)
    data, fps = _frames(motion, sum(len(j.channels) for j in joints))
    return Motion(_positions(joints, data), fps)


def _hierarchy(head: str) -> list[_Joint]:
    joints: list[_Joint] = []
    stack: list[int] = []
    for line in head.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in ("ROOT", "JOINT", "End"):
            parent = stack[-1] if stack else -1
            joints.append(_Joint(f"{joints[parent].name}_end" if words[0] == "End" else " ".join(words[1:]), parent))
        elif words[0] == "{":
            stack.append(len(joints) - 1)
        elif words[0] == "}":
            if not stack:
                raise PrmlError("a closing brace too many in the hierarchy")
            stack.pop()
        elif words[0] == "OFFSET":
            joints[stack[-1]].offset = np.array(floats(words[1:4], f"OFFSET of {joints[stack[-1]].name}"))
        elif words[0] == "CHANNELS":
            joints[stack[-1]].channels = _channels(words[2:], joints[stack[-1]].name)
    if not joints or stack:
        raise PrmlError("the hierarchy is empty or not closed; the file is truncated")
    return joints


def _channels(words: list[str], joint: str) -> list[str]:
    for word in words:
        if not re.fullmatch(r"[XYZxyz](position|rotation)", word):
            raise PrmlError(f"{joint} has the channel {word!r}; expected Xposition, Zrotation and the like")
    return [word[0].upper() + word[1] for word in words]  # "Xp", "Zr"


def _put_back(joints: list[_Joint], name: str, model: str) -> None:
    by_name = {j.name: j for j in joints}
    if name in by_name and model in by_name and np.linalg.norm(by_name[name].offset) < 1e-3:
        by_name[name].offset = np.array([0.0, np.linalg.norm(by_name[model].offset), 0.0])


def _frames(motion: str, width: int) -> tuple[np.ndarray, float]:
    found = re.search(r"Frames:\s*(\d+)\s*Frame Time:\s*([-+\d.eE]+)", motion)
    if not found or float(found[2]) <= 0:
        raise PrmlError("no 'Frames:' and 'Frame Time:' after MOTION; the file is truncated")
    count = int(found[1])
    try:
        values = np.array(motion[found.end() :].split(), dtype=np.float64)
    except ValueError:
        raise PrmlError("the motion holds something that is no number") from None
    if width == 0 or values.size != count * width:
        raise PrmlError(f"expected {count} frames of {width} values, got {values.size} values; it is truncated")
    return values.reshape(count, width), 1.0 / float(found[2])


def _positions(joints: list[_Joint], data: np.ndarray) -> dict[str, np.ndarray]:
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
    return {joint.name: points for joint, points in zip(joints, xyz, strict=True)}
