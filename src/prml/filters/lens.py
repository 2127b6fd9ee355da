"""Keypoints where no ray through the lens can lead: the detector was mistaken, or the intrinsics are."""

import numpy as np
from jaxtyping import Bool

from prml.sequence import PoseSequence

Array = np.ndarray


def outside_lens(sequence: PoseSequence) -> Bool[Array, "T J"]:
    """(T, J) joints that were found where the sequence's camera cannot see anything."""
    camera, points = sequence.camera, sequence.keypoints_px
    if camera is None or points is None or not camera.has_distortion:
        return np.zeros((len(sequence), len(sequence.skeleton)), bool)
    given = np.asarray(points, np.float64)
    return np.asarray(np.isfinite(given).all(-1) & ~np.isfinite(camera.unproject(given)).all(-1))


def within_lens(sequence: PoseSequence) -> PoseSequence:
    """The sequence with joints that its camera cannot see marked as not found: NaN, confidence 0.

    The sequence itself comes back if there are none.
    """
    unseen, points = outside_lens(sequence), sequence.keypoints_px
    if points is None or not unseen.any():
        return sequence
    confidence = np.ones(unseen.shape) if sequence.confidence is None else sequence.confidence
    return sequence.with_(
        keypoints_px=np.where(unseen[..., None], np.nan, points), confidence=np.where(unseen, 0.0, confidence)
    )
