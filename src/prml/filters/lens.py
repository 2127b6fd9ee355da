"""Keypoints that no ray through the lens can reach: the detector or the intrinsics are wrong."""

import numpy as np
from jaxtyping import Bool

from prml.sequence import PoseSequence

Array = np.ndarray


def outside_lens(sequence: PoseSequence) -> Bool[Array, "T J"]:
    """Detected joints that lie outside the field of view of the sequence's lens."""
    camera, points = sequence.camera, sequence.keypoints_px
    if camera is None or points is None or not camera.has_distortion:
        return np.zeros((len(sequence), len(sequence.skeleton)), bool)
    given = np.asarray(points, np.float64)
    return np.asarray(np.isfinite(given).all(-1) & ~np.isfinite(camera.unproject(given)).all(-1))


def within_lens(sequence: PoseSequence) -> PoseSequence:
    """Mark joints outside the lens as not found (NaN, confidence 0).

    Returns the same object if there are none.
    """
    unseen, points = outside_lens(sequence), sequence.keypoints_px
    if points is None or not unseen.any():
        return sequence
    confidence = np.ones(unseen.shape) if sequence.confidence is None else sequence.confidence
    return sequence.with_(
        keypoints_px=np.where(unseen[..., None], np.nan, points), confidence=np.where(unseen, 0.0, confidence)
    )
