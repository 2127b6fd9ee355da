"""Keypoints where no ray through the lens can lead: the detector was mistaken, or the intrinsics are."""

import numpy as np

from prml.sequence import PoseSequence


def within_lens(sequence: PoseSequence) -> PoseSequence:
    """The sequence with joints that its camera cannot see marked as not found: NaN, confidence 0.

    Args:
        sequence: with keypoints; the sequence itself comes back if its camera has no distortion or sees all joints.
    """
    camera, points = sequence.camera, sequence.keypoints_px
    if camera is None or points is None or not camera.has_distortion:
        return sequence
    given = np.asarray(points)
    unseen = np.isfinite(given).all(-1) & ~np.isfinite(camera.unproject(given.astype(np.float64))).all(-1)
    if not unseen.any():
        return sequence
    confidence = np.ones(unseen.shape) if sequence.confidence is None else sequence.confidence
    return sequence.with_(
        keypoints_px=np.where(unseen[..., None], np.nan, given), confidence=np.where(unseen, 0.0, confidence)
    )
