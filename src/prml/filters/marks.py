"""Joints that no picture shows: inferred by the detector or a filter."""

import numpy as np
from jaxtyping import Bool

from prml.filters.repair import seen_joints
from prml.sequence import PoseSequence

Array = np.ndarray


def unseen(sequence: PoseSequence) -> Bool[Array, "T J"]:
    """Joints outside the image, joints that were not found (NaN or confidence 0), and all joints of filled frames."""
    points = np.asarray(sequence.keypoints_px)
    found = seen_joints(points, sequence.confidence)
    if sequence.image_size is not None:
        found &= ((points >= 0) & (points <= sequence.image_size)).all(-1)
    if sequence.filled is not None:
        found &= ~sequence.filled[:, None]
    return ~found


def mark_inferred(sequence: PoseSequence) -> PoseSequence:
    """Set ``inferred``; joints already marked stay marked."""
    if sequence.keypoints_px is None:
        return sequence
    marks = unseen(sequence)
    return sequence.with_(inferred=marks if sequence.inferred is None else marks | sequence.inferred)
