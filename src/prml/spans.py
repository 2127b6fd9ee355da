"""Stretches of frames: runs of a mask, and blocks of a long array."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

Array = np.ndarray


def runs(mask: Bool[Array, " T"]) -> list[slice]:
    """Return every unbroken run of True, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def blocks(length: int, size: int, margin: int = 0) -> Iterator[tuple[slice, slice, slice]]:
    """Cut [0, length) into blocks, to keep temporary arrays small.

    Yields:
        The block; the block extended by up to ``margin`` on both sides; and the block's position within the latter.
    """
    for start in range(0, length, size):
        stop = min(start + size, length)
        low, high = max(start - margin, 0), min(stop + margin, length)
        yield slice(start, stop), slice(low, high), slice(start - low, stop - low)
