"""Metric scale for networks that predict in image space: one factor per clip, from the size of an average adult."""

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.normalise import LONG_BONES
from prml.sequence import PoseSequence

Array = np.ndarray
ADULT_LONG_BONES_M = 3.8


def to_metres(sequence: PoseSequence) -> tuple[PoseSequence, float]:
    """Scale joints so that thighs, shins, arms and trunk sides sum to 3.8 m (90th percentile over time).

    Image-space output (MotionBERT's 2.5D) is a weak-perspective pose in image units and has no metric size. One factor
    serves the whole clip, so that the body does not pulse.

    Returns:
        The scaled sequence and the factor.

    Raises:
        PrmlError: no joints, or joints without extent.
    """
    if sequence.joints_m is None:
        raise PrmlError("expected joints_m to scale, got a sequence without; lift it first")
    size = float(np.nanquantile(bone_sum(sequence.joints_m), 0.9))
    if not np.isfinite(size) or size <= 0:
        raise PrmlError("the lifted joints have no extent, so no size can be given to them")
    factor = ADULT_LONG_BONES_M / size
    std = None if sequence.std_m is None else sequence.std_m * factor
    return sequence.with_(joints_m=sequence.joints_m * factor, std_m=std), factor


def bone_sum(joints: Float[Array, "*T 17 3"]) -> Float[Array, "*T"]:
    """Summed length of the ten long bones."""
    start, end = (np.array(side) for side in zip(*LONG_BONES, strict=True))
    total: Array = np.linalg.norm(joints[..., start, :] - joints[..., end, :], axis=-1).sum(-1)
    return total
