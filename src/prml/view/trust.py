"""How far a drawing can be trusted: which frames and joints were measured, and which poses are implausible.

The overlay and the page share this, so they draw the same joints faint and mark the same frames.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError
from prml.filters.marks import mark_inferred
from prml.filters.root import Placement
from prml.sequence import PoseSequence

Array = np.ndarray
FAINT = 0.4  # opacity of joints that were not measured
# Limits of plausible poses, chosen from percentiles over 13,000 lifted frames of motion capture (UI-PRMD).
MAX_BONE_CHANGE_M = 0.15  # from the bone's median length in the clip
MAX_SPEED_M_S = 15.0  # of a joint relative to the root; a sprinter's foot reaches 12
MAX_DISTANCE_SHARE = 0.15  # between reprojection and detection, in sizes of the person in the image
# The meaning of the marks in a drawing.
RULES = (
    (
        "Implausible",
        f"a bone more than {MAX_BONE_CHANGE_M * 100:.0f} cm off its median length, a joint faster than "
        f"{MAX_SPEED_M_S:.0f} m/s relative to the hip, or the lifted skeleton more than {MAX_DISTANCE_SHARE:.0%} of "
        "the person's size away from the detected one",
    ),
    ("Filled in", "interpolated over a short gap, drawn faint"),
    ("Inferred joints", "outside the image or not found by the detector, drawn faint"),
    ("Mostly inferred", "more than half of the joints are inferred, drawn faint"),
)


@dataclass(frozen=True)
class Trust:
    """How far each frame and joint of a sequence can be trusted.

    Attributes:
        person: (T,) whether there is a pose to draw.
        measured: (T,) whether a person was found in the frame itself (neither a gap nor a filled frame).
        inferred: (T, J) joints of drawn poses that no image shows (:func:`prml.filters.marks.unseen`).
        invented: (T,) measured frames in which most joints are inferred.
        implausible: (T,) frames with a pose that breaks the first of ``RULES``.
        distance_px: (T, J) distance between reprojected and detected joints; None without 2D or a camera.
        placement: position of the pose in front of the camera; None without a camera, or without 2D if needed.
    """

    person: Bool[Array, " T"]
    measured: Bool[Array, " T"]
    inferred: Bool[Array, "T J"]
    invented: Bool[Array, " T"]
    implausible: Bool[Array, " T"]
    distance_px: Float[Array, "T J"] | None
    placement: Placement | None

    @classmethod
    def of(cls, sequence: PoseSequence) -> "Trust":
        """Judge a sequence. Raises PrmlError if it has no 3D joints."""
        person, measured = person_in(sequence), measured_in(sequence)
        marked = sequence if sequence.inferred is not None else mark_inferred(sequence)
        none = np.zeros((len(sequence), len(sequence.skeleton)), dtype=bool)
        inferred = none if marked.inferred is None else marked.inferred & person[:, None]
        placement, distance = _placement(sequence), None
        if placement is not None and sequence.keypoints_px is not None and sequence.joints_m is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                distance = np.linalg.norm(placement.project(sequence.joints_m) - sequence.keypoints_px, axis=-1)
        invented = measured & person & marked.mostly_inferred
        implausible = person & (_broken_bones(sequence, measured) | _too_fast(sequence))
        if distance is not None:
            implausible |= person & _beside(sequence, np.where(inferred, np.nan, distance))
        return cls(person, measured, inferred, invented, implausible, distance, placement)

    @property
    def faint(self) -> Bool[Array, "T J"]:
        """(T, J) joints that are drawn faint: inferred ones, and all joints of filled and invented frames."""
        return np.asarray(self.inferred | (~self.measured | self.invented)[:, None])

    @property
    def opacity(self) -> Float[Array, "T J"]:
        """(T, J) opacity at which a joint is drawn."""
        return np.asarray(np.where(self.faint, FAINT, 1.0))


def person_in(sequence: PoseSequence) -> Bool[Array, " T"]:
    """(T,) whether there is a pose to draw: found or filled in, and finite. Raises PrmlError without 3D joints."""
    if sequence.joints_m is None:
        raise PrmlError("a view needs 3D joints, got a sequence with 2D keypoints only; lift it first")
    return np.asarray(np.isfinite(sequence.joints_m).all((1, 2)), dtype=bool)


def measured_in(sequence: PoseSequence) -> Bool[Array, " T"]:
    """(T,) whether a person was found in the frame itself (neither a gap nor a filled frame)."""
    found = person_in(sequence) if sequence.has_person is None else sequence.has_person
    return found if sequence.filled is None else found & ~sequence.filled


def _placement(sequence: PoseSequence) -> Placement | None:
    if sequence.camera is None or (sequence.root_relative and sequence.keypoints_px is None):
        return None
    return Placement.of(sequence)


def _broken_bones(sequence: PoseSequence, measured: Bool[Array, " T"]) -> Bool[Array, " T"]:
    """Return frames with a bone that differs from its median length."""
    joints, bones = np.asarray(sequence.joints_m), np.array(sequence.skeleton.bones)
    lengths = np.linalg.norm(joints[:, bones[:, 1]] - joints[:, bones[:, 0]], axis=-1)
    sound = lengths[measured & np.isfinite(lengths).all(1)]
    if not len(sound):
        return np.zeros(len(lengths), dtype=bool)
    return np.asarray((np.abs(lengths - np.median(sound, axis=0)) > MAX_BONE_CHANGE_M).any(1))


def _too_fast(sequence: PoseSequence) -> Bool[Array, " T"]:
    """Return frames into or out of which a joint jumps."""
    joints = np.asarray(sequence.joints_m)
    joints = joints - joints[:, sequence.skeleton.root, None]
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(1, initial=0.0)
    fast = steps > MAX_SPEED_M_S * np.diff(sequence.times_s)
    return np.asarray(np.append(fast, False) | np.append(False, fast), dtype=bool)


def _beside(sequence: PoseSequence, distance_px: Float[Array, "T J"]) -> Bool[Array, " T"]:
    """Return frames with a reprojection far from the detection, judged by the joints that were seen."""
    points = np.asarray(sequence.keypoints_px)
    known = np.isfinite(points).all(-1, keepdims=True)
    size = (np.where(known, points, -np.inf).max(1) - np.where(known, points, np.inf).min(1)).max(-1)
    seen = np.isfinite(distance_px)
    mean = np.where(seen, distance_px, 0.0).sum(1) / np.maximum(seen.sum(1), 1)
    return np.asarray(mean > MAX_DISTANCE_SHARE * size)
