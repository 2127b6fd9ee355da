"""Stretches of frames: runs of a mask, and blocks of a long array."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

Array = np.ndarray


def runs(mask: Bool[Array, " T"]) -> list[slice]:
    """Every unbroken run of True, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def blocks(length: int, size: int, margin: int = 0) -> Iterator[tuple[slice, slice, slice]]:
    """Cut [0, length) into blocks, for work whose temporary arrays would be large on the whole.

    Yields:
        The block; the block with up to ``margin`` more on both sides; and where the block lies within that.
    """
    for start in range(0, length, size):
        stop = min(start + size, length)
        low, high = max(start - margin, 0), min(stop + margin, length)
        yield slice(start, stop), slice(low, high), slice(start - low, stop - low)
