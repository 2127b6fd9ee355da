"""Metadata of a video or image folder, and one frame of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from prml.errors import PrmlError

Array = np.ndarray
Warn = Callable[[str], None]
MAX_PIXELS = 50_000_000  # per image; 8K video has 33 million


@dataclass(frozen=True)
class VideoInfo:
    """Metadata of a video or image folder.

    Attributes:
        path: the file or folder.
        width, height: size of a displayed frame in square pixels (after aspect correction, rotation and mirroring).
        frames: number of displayed frames according to the container, None if not stated.
        fps: frame rate stated by the container; it may differ from the mean rate (webm), which needs all times.
        duration_s: seconds, None if not stated.
        rotation_deg: counter-clockwise rotation that makes the stored image upright: 0, 90, 180 or 270.
        codec: name of the codec, or "images".
        mirrored: whether the image is mirrored left to right after the rotation.
        timed: whether frames have times; those of a raw stream (``.h264``) do not.
    """

    path: Path
    width: int
    height: int
    frames: int | None
    fps: float
    duration_s: float | None
    rotation_deg: int
    codec: str
    mirrored: bool = False
    timed: bool = True


@dataclass(frozen=True)
class VideoFrame:
    """One frame.

    Attributes:
        index: 0, 1, 2, ... in display order.
        time_s: seconds since the start of the video; strictly increasing.
        image: (H, W, 3) RGB, upright; without pixels if it was not asked for.
    """

    index: int
    time_s: float
    image: UInt8[Array, "H W 3"]


def check_pixels(width: int, height: int, path: Path | str) -> None:
    """Raise PrmlError if a picture of ``path`` has more than ``MAX_PIXELS``."""
    if width * height > MAX_PIXELS:
        raise PrmlError(
            f"{path} is {width} x {height} pixels large; at most {MAX_PIXELS // 1_000_000} million pixels are "
            "supported, scale it down first"
        )
