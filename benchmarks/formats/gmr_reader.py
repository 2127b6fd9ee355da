"""GMR: the rules of its reader of LAFAN1's BVH and, where there is a checkout of it, its own loader.

GMR is in no registry; a checkout goes into the folder ``GMR`` beside the other tools. Its package imports a physics
engine and a viewer, which loading does not need: only ``utils/lafan1.py`` is imported. The rules, seen in its reader at
commit 4f9e8b7: one order of rotations for all joints, that of the first line of channels; as many channels as the last
such line says, three meaning positions of the root only; single blanks between values; offsets without a plus sign; no
empty line among the frames; the frame time is not used. Its configurations ask for the bones below.
"""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
from wanted import given, say, worst_mm, z_up

ASKED = [
    "Hips",
    "Spine2",
    *(s + b for s in ("Left", "Right") for b in ("UpLeg", "Leg", "Foot", "Toe", "Arm", "ForeArm")),
]
ASKED += ["LeftHand", "RightHand", "Head"]
CHECKOUT = Path("GMR")


def with_gmr(path: str) -> tuple[str, dict[str, np.ndarray]]:
    """Return the commit and the bones' places (T, 3) in metres, Z up, as GMR's loader gives them."""
    package = ModuleType("general_motion_retargeting")
    package.__path__ = [str(CHECKOUT.resolve() / "general_motion_retargeting")]
    sys.modules["general_motion_retargeting"] = package
    from general_motion_retargeting.utils.lafan1 import load_lafan1_file

    frames, _ = load_lafan1_file(path)
    commit = (CHECKOUT / "COMMIT").read_text() if (CHECKOUT / "COMMIT").exists() else _commit()
    return commit.strip()[:12], {bone: np.array([frame[bone][0] for frame in frames]) for bone in frames[0]}


def _commit() -> str:
    words = ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def by_rules(path: str) -> dict[str, np.ndarray]:
    """Return the same by the rules; raise ValueError where GMR's reader would stop or misread."""
    head, motion = Path(path).read_text().split("MOTION\n")
    names, parents, offsets, stack, orders, counts, end = [], [], [], [], [], [], False
    for line in head.splitlines():
        if joint := re.match(r"\s*(?:ROOT|JOINT) (\w+)$", line):
            names.append(joint[1])
            parents.append(stack[-1] if stack else -1)
            stack.append(len(names) - 1)
        elif "End Site" in line:
            end = True
        elif "}" in line:
            stack = stack if end else stack[:-1]
            end = False
        elif not end and (offset := re.match(r"\s*OFFSET ([\-\d.e]+) ([\-\d.e]+) ([\-\d.e]+)$", line)):
            offsets.append([float(number) for number in offset.groups()])
        elif "CHANNELS" in line:
            words = line.split()
            counts.append(int(words[1]))
            orders.append("".join(word[0] for word in words[2:] if word.endswith("rotation")))
    if len(set(orders)) != 1 or counts[-1] != 3 or counts[0] != 6 or set(counts[1:]) != {3}:
        raise ValueError(f"channels {counts} in the orders {sorted(set(orders))}")
    rows = motion.split("\n")[2:]
    if rows.pop() or not all(rows):
        raise ValueError("an empty line among the frames")
    values = np.array([[float(word) for word in row.strip().split(" ")] for row in rows])
    turned = _turns(np.radians(values[:, 3:]).reshape(len(values), len(names), 3), orders[0])
    return _placed(names, parents, np.array(offsets), values[:, :3], turned)


def _turns(angles: np.ndarray, order: str) -> np.ndarray:
    """Return matrices (T, J, 3, 3): the first rotation of the order is outermost."""
    found = np.eye(3)
    for axis, name in enumerate(order):
        cos, sin = np.cos(angles[..., axis]), np.sin(angles[..., axis])
        first, second = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[name]
        one = np.broadcast_to(np.eye(3), (*cos.shape, 3, 3)).copy()
        one[..., first, first], one[..., second, second] = cos, cos
        one[..., first, second], one[..., second, first] = -sin, sin
        found = found @ one
    return found


def _placed(
    names: list[str], parents: list[int], offsets: np.ndarray, root: np.ndarray, turned: np.ndarray
) -> dict[str, np.ndarray]:
    places, axes = [root], [turned[:, 0]]
    for bone in range(1, len(names)):
        above = parents[bone]
        places.append(places[above] + np.einsum("tij,j->ti", axes[above], offsets[bone]))
        axes.append(axes[above] @ turned[:, bone])
    return {name: z_up(place) / 100 for name, place in zip(names, places, strict=True)}


path, wanted = given()
places, told = by_rules(path), "its rules, as of 4f9e8b7"
error = worst_mm(wanted["people"], lambda number, bone: places[bone])
if CHECKOUT.is_dir():
    commit, loaded = with_gmr(path)
    told = f"{commit}, its loader"
    error = max(error, worst_mm(wanted["people"], lambda number, bone: loaded[bone]))
say(version=told, error_mm=error, errors=len(set(ASKED) - set(places)))
