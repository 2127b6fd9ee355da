"""Recognise joints by the names that programs and people give them: left_knee, RKnee, knee_r, "Left Knee"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from prml.errors import PrmlError
from prml.io.guard import one_line
from prml.skeleton import BLAZEPOSE33, COCO17, HALPE26, Skeleton

_SYNONYMS = {
    "bigtoe": "toe",
    "toes": "toe",
    "toetip": "toe",
    "footindex": "toe",
    "littletoe": "smalltoe",
    "pinkytoe": "smalltoe",
    "foot": "ankle",
    "calcaneus": "heel",
    "hand": "wrist",
    "collar": "neck",
    "thorax": "neck",
    "pelvis": "hip",
    "midhip": "hip",
    "chip": "hip",
    "hipcenter": "hip",
    "hipcentre": "hip",
    "root": "hip",
    "headtop": "head",
    "topofhead": "head",
    "tophead": "head",
    "eyecenter": "eye",
}
_NEEDED = ("LShoulder", "RShoulder", "LHip", "RHip")
_OURS = {"BigToe": "toe", "SmallToe": "smalltoe"}


@dataclass(frozen=True)
class Named:
    """Points that were recognised.

    Attributes:
        skeleton: the joint set that they belong to.
        source: (J,) index of the point of every joint; -1 for a joint that is not among them.
        unused: names of points that are no joints of it.
    """

    skeleton: Skeleton
    source: Int[np.ndarray, " J"]
    unused: tuple[str, ...]


def by_names(names: Sequence[str]) -> Named:
    """Return the joint set for named points: COCO's 17, or 26 with feet, head, neck and pelvis, or BlazePose's 33.

    Raises:
        PrmlError: shoulders or hips are not among the names.
    """
    keys = [_key(name) for name in names]
    blaze = [_key(_snake(joint)) for joint in BLAZEPOSE33.joints]
    kind = BLAZEPOSE33 if set(blaze) <= set(keys) else HALPE26
    wanted = blaze if kind == BLAZEPOSE33 else [_key(_snake(joint)) for joint in HALPE26.joints]
    if kind == HALPE26 and not set(wanted[17:]) & set(keys):
        kind, wanted = COCO17, wanted[:17]
    source = np.array([keys.index(key) if key in keys else -1 for key in wanted])
    missing = [joint for joint in _NEEDED if source[kind.index(joint)] < 0]
    if missing:
        some = ", ".join(one_line(name, 30) for name in names[:12]) or "none"
        raise PrmlError(f"no point is called like {missing[0]} (such as {_snake(missing[0])}); the names are {some}")
    used = set(source.tolist())
    return Named(kind, source, tuple(name for index, name in enumerate(names) if index not in used))


def _snake(joint: str) -> str:
    side = {"L": "left_", "R": "right_"}.get(joint[0], "") if joint[1:2].isupper() else ""
    return side + (joint[1:] if side else joint)


def _key(name: str) -> tuple[str, str]:
    """Return side ("l", "r" or "") and part of a name, in lower case without separators."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", re.sub(r"\b([LR])([A-Z])", r"\1 \2", name.strip()))
    words = [word for word in re.split(r"[^A-Za-z0-9]+", spaced.lower()) if word]
    side = next((word[0] for word in words if word in ("l", "r", "left", "right")), "")
    rest = "".join(word for word in words if word not in ("l", "r", "left", "right"))
    if not side and (found := re.fullmatch(r"(left|right)(\w+)|(\w+?)(left|right)", rest)):
        side, rest = (found[1] or found[4])[0], found[2] or found[3]
    if not side and re.fullmatch(r"[lr](eye|ear|shoulder|elbow|wrist|hip|knee|ankle|heel|bigtoe|smalltoe)", rest):
        side, rest = rest[0], rest[1:]
    part = _SYNONYMS.get(rest, rest)
    if part in ("hip", "neck", "head") and rest in _SYNONYMS and side:
        part = rest
    return side, part
