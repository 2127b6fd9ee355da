"""What a lifter reads: checks, and the normalisation of sequences of any length."""

import numpy as np
from jaxtyping import Bool, Float

from prml import normalise
from prml.errors import PrmlError
from prml.filters.resample import network_times
from prml.normalise import NormalisedInput
from prml.sequence import PoseSequence
from prml.spans import blocks

Array = np.ndarray
_BLOCK = 1024


def check_sequence(sequence: object) -> None:
    """Raise PrmlError for an array or anything else that is not a PoseSequence."""
    if not isinstance(sequence, PoseSequence):
        raise PrmlError(
            f"lifting takes a PoseSequence, got {type(sequence).__name__}; make one from pixels (frames, 17, 2): "
            "PoseSequence.regular(len(pixels), fps, keypoints_px=pixels, camera=Camera.from_fov(width, height))"
        )


def virtual_camera(
    points: Float[Array, "L J 2"], fps: float, shown: Bool[Array, "L J"] | None = None
) -> NormalisedInput:
    """Compute ``normalise.virtual_camera`` block by block; each frame depends on at most two margins around it."""
    margin = 2 * max(1, round(normalise.MARGIN_S * fps))  # sizes depend on directions, and both are smoothed
    xy = np.empty(points.shape, np.float32)
    R, scale = np.empty((len(points), 3, 3)), np.empty(len(points))
    for block, near, inner in blocks(len(points), _BLOCK, margin):
        seen = normalise.virtual_camera(points[near], fps, None if shown is None else shown[near])
        xy[block], R[block], scale[block] = seen.xy[inner], seen.R_camera_to_input[inner], seen.scale[inner]
    return NormalisedInput(xy, R, scale)


def interleaved(times_s: Float[Array, " T"], run: slice, fps: float) -> list[slice]:
    """Split a run of n times the network's rate into n interleaved ones, for networks that keep one pose per window.

    Such a network gets one window around every frame, as its authors score it. Other rates, and networks whose
    windows are blended, are resampled.
    """
    length = run.stop - run.start
    if length < 2:
        return [run]
    rate = (length - 1) / float(times_s[run.stop - 1] - times_s[run.start])
    n = max(1, round(rate / fps))
    parts = [slice(run.start + i, run.stop, n) for i in range(min(n, length))]
    kept = [times_s[part] for part in parts]
    return parts if all(network_times(times, fps) is times for times in kept) else [run]
