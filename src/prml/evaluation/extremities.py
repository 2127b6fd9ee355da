"""Errors of what BODY28 adds to the 17 joints: places of feet, hands and face, and which way they point.

Joints whose truth is not known are NaN in the target and left out; a frame without any known one is NaN.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from prml.evaluation.metrics import joint_errors
from prml.skeleton import BODY28

FEET = ("RHeel", "RToe", "LHeel", "LToe")
HANDS = ("LHand", "LThumb", "RHand", "RThumb")
FACE = ("NoseTip", "LEar", "REar")
# Three joints that span a part: its direction runs from the first to the second, the third gives its roll. The head's
# direction runs from the middle of its ears to the tip of the nose.
FOOT_FRAMES = (("LHeel", "LToe", "LAnkle"), ("RHeel", "RToe", "RAnkle"))
HAND_FRAMES = (("LWrist", "LHand", "LThumb"), ("RWrist", "RHand", "RThumb"))


def _at(joints: Float[Tensor, "T 28 3"], name: str) -> Float[Tensor, "T 3"]:
    return joints[:, BODY28.index(name)]


def group_error(
    prediction: Float[Tensor, "T 28 3"], target: Float[Tensor, "T 28 3"], names: tuple[str, ...]
) -> Float[Tensor, " T"]:
    """Mean distance of some joints from their targets in each frame, in mm, over those that are known."""
    return joint_errors(prediction, target)[:, [BODY28.index(name) for name in names]].nanmean(-1)


def _unit(v: Float[Tensor, "T 3"]) -> Float[Tensor, "T 3"]:
    unit: Tensor = v / torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return unit


def _frame(direction: Float[Tensor, "T 3"], roll: Float[Tensor, "T 3"]) -> Float[Tensor, "T 3 3"]:
    """Orthonormal axes: along the direction, across the plane that it spans with ``roll``, and the third."""
    along = _unit(direction)
    across = _unit(torch.linalg.cross(along, roll))
    return torch.stack([along, across, torch.linalg.cross(along, across)], -1)


def _turn_deg(a: Float[Tensor, "T 3 3"], b: Float[Tensor, "T 3 3"]) -> Float[Tensor, " T"]:
    """Angle of the rotation between two orientations, in degrees.

    Twice the arcsine of half the chord, which is exact near 0 and 180, where the arccosine of the trace is not.
    """
    chord = torch.linalg.matrix_norm(a - b) / 8**0.5  # |A - B|_F = 2 sqrt(2) sin(angle / 2)
    return 2 * torch.rad2deg(torch.asin(chord.clamp(max=1)))


def part_frame(joints: Float[Tensor, "T 28 3"], frame: tuple[str, str, str]) -> Float[Tensor, "T 3 3"]:
    """Orientation of a foot or hand: of one of ``FOOT_FRAMES`` or ``HAND_FRAMES``."""
    start, end, aside = (_at(joints, name) for name in frame)
    return _frame(end - start, aside - start)


def head_frame(joints: Float[Tensor, "T 28 3"]) -> Float[Tensor, "T 3 3"]:
    """Orientation of the head: from the middle of the ears to the tip of the nose, ears to the side."""
    left, right, tip = (_at(joints, name) for name in ("LEar", "REar", "NoseTip"))
    return _frame(tip - (left + right) / 2, left - right)


def parts_deg(
    prediction: Float[Tensor, "T 28 3"], target: Float[Tensor, "T 28 3"], frames: tuple[tuple[str, str, str], ...]
) -> Float[Tensor, " T"]:
    """Mean angle between the predicted and the true orientation of both feet or hands in each frame, in degrees."""
    p, g = prediction.double(), target.double()
    return torch.stack([_turn_deg(part_frame(p, f), part_frame(g, f)) for f in frames], -1).nanmean(-1)


def head_deg(prediction: Float[Tensor, "T 28 3"], target: Float[Tensor, "T 28 3"]) -> Float[Tensor, " T"]:
    """Angle between the predicted and the true orientation of the head in each frame, in degrees."""
    return _turn_deg(head_frame(prediction.double()), head_frame(target.double()))
