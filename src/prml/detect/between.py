"""The frames between those that the detector looked at."""

import numpy as np
from jaxtyping import Bool, Float

from prml.filters.repair import LONGEST_FILL_S

Array = np.ndarray


def interpolated(
    points: Float[Array, "n J 2"],
    confidence: Float[Array, "n J"],
    present: Bool[Array, " n"],
    times_s: Float[Array, " T"],
    every: int,
) -> tuple[Float[Array, "T J 2"], Float[Array, "T J"], Bool[Array, " T"]]:
    """Interpolate every ``every``-th frame of a video to all of its frames, in true time.

    Frames after the last one repeat it. A frame shows the person if both that it lies between do, and these are at most
    ``LONGEST_FILL_S`` apart; otherwise it is NaN.

    Args:
        points: of frames 0, ``every``, 2 ``every``, ...
        confidence: of the same frames.
        present: whether the person is there.
        times_s: of all frames.
        every: distance of these frames.

    Returns:
        Points, confidence and whether the person is there, for all frames.
    """
    frames = np.arange(len(times_s))
    before = frames // every
    after = np.minimum(before + (frames % every > 0), len(points) - 1)
    start, stop = times_s[before * every], times_s[after * every]
    share = np.where(stop > start, (times_s - start) / np.where(stop > start, stop - start, 1.0), 0.0)
    there = present[before] & present[after] & (stop - start <= LONGEST_FILL_S + 1e-9)
    mixed = points[before] + share[:, None, None] * (points[after] - points[before])
    sure = confidence[before] + share[:, None] * (confidence[after] - confidence[before])
    return np.where(there[:, None, None], mixed, np.nan), np.where(there[:, None], sure, 0.0), there
