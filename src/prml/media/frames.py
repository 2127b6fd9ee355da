"""What a video or image folder says of itself, and one frame of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from prml.errors import PrmlError

Array = np.ndarray
Warn = Callable[[str], None]
MAX_PIXELS = 50_000_000  # of one picture; 8K video has 33 million


@dataclass(frozen=True)
class VideoInfo:
    """What a video or image folder says of itself.

    Attributes:
        path: the file or folder.
        width, height: square pixels of an upright frame as it is shown (after widening, turning and mirroring).
        frames: how many frames the container says it shows, None if it does not say.
        fps: the frame rate that the container states; where that is not the mean (webm), the mean needs all times.
        duration_s: seconds, None if the container does not say.
        rotation_deg: counter-clockwise turn that makes the stored image upright: 0, 90, 180 or 270.
        codec: name of the codec, or "images".
        mirrored: whether the image is mirrored, left to right, after the turn.
        timed: whether the frames have times; a raw stream (``.h264``) has none.
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
        index: 0, 1, 2, ... in the order of display.
        time_s: seconds since the start of the video; increases strictly.
        image: (H, W, 3) RGB, upright.
    """

    index: int
    time_s: float
    image: UInt8[Array, "H W 3"]


def check_pixels(width: int, height: int, path: Path) -> None:
    """Raise PrmlError if a picture of ``path`` has more than ``MAX_PIXELS``."""
    if width * height > MAX_PIXELS:
        raise PrmlError(
            f"{path} is {width} x {height} pixels large; at most {MAX_PIXELS // 1_000_000} million pixels are read, "
            "scale it down first"
        )
