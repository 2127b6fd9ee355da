"""JPEG thumbnails of a video, collected while it streams, within a fixed number of bytes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from prml.errors import PrmlError
from prml.view.raster import shrink

Array = np.ndarray
LIMIT_BYTES = 2_400_000  # for all thumbnails of a page, which keeps ten minutes of video under 10 MB
SIDE_PX = 400  # longer side
QUALITY = 60  # JPEG quality, 0 to 95


@runtime_checkable
class FrameLike(Protocol):
    """One decoded frame of a video.

    Attributes:
        index: number of the frame, from 0.
        time_s: presentation time in seconds.
        image: (H, W, 3) RGB, uint8.
    """

    @property
    def index(self) -> int: ...  # noqa: D102
    @property
    def time_s(self) -> float: ...  # noqa: D102
    @property
    def image(self) -> UInt8[Array, "H W 3"]: ...  # noqa: D102


class Thumbnails:
    """Thumbnails of every n-th frame; when they exceed the limit, every other one is dropped and n doubles.

    This bounds memory and size although the length of the video is not known in advance.

    Args:
        limit_bytes: limit for all thumbnails together, in base64.
        side: longer side in pixels.
        quality: JPEG quality.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES, side: int = SIDE_PX, quality: int = QUALITY) -> None:
        if limit_bytes < 10_000 or side < 16:
            raise PrmlError(f"thumbnails need at least 10000 bytes and 16 pixels, got {limit_bytes} and {side}")
        self.limit_bytes, self.side, self.quality = limit_bytes, side, quality
        self.every = 1
        self.pictures: dict[int, bytes] = {}
        self._bytes = 0

    @classmethod
    def of(cls, frames: Iterable[FrameLike]) -> "Thumbnails":
        """Collect thumbnails of a whole video."""
        from prml.media.prefetch import prefetch

        thumbnails = cls()
        for frame in prefetch(frames):  # decode while another is encoded
            thumbnails.add(frame.index, frame.image)
        return thumbnails

    @classmethod
    def of_video(cls, path: str | Path, *, fps: float | None = None) -> "Thumbnails":
        """Collect thumbnails of a video file or image folder, decoded at thumbnail size.

        Args:
            path: the video.
            fps: as for :func:`prml.media.read.read_frames`.

        Raises:
            PrmlError: the video cannot be read.
        """
        from prml.media.read import probe, read_frames

        info = probe(path, fps=fps)
        return cls.of(read_frames(path, fps=fps, size=cls.shape(info.width, info.height)))

    @staticmethod
    def shape(width: int, height: int, side: int = SIDE_PX) -> tuple[int, int]:
        """Return width and height of a frame's thumbnail: even, the longer one at most ``side``."""
        scale = min(side / max(height, width), 1.0)
        return max(2 * round(width * scale / 2), 2), max(2 * round(height * scale / 2), 2)

    def wants(self, index: int) -> bool:
        """Whether :meth:`add` would keep the frame."""
        return index % self.every == 0

    def add(self, index: int, image: UInt8[Array, "H W 3"]) -> None:
        """Keep an RGB frame if its index is a multiple of n."""
        if not self.wants(index):
            return
        picture = self._encode(image)
        self.pictures[index] = picture
        self._bytes += _written(picture)
        while self._bytes > self.limit_bytes and len(self.pictures) > 1:
            self.every *= 2
            self.pictures = {i: p for i, p in self.pictures.items() if i % self.every == 0}
            self._bytes = sum(map(_written, self.pictures.values()))

    def _encode(self, image: UInt8[Array, "H W 3"]) -> bytes:
        from io import BytesIO

        from PIL import Image

        size = self.shape(image.shape[1], image.shape[0], self.side)
        buffer = BytesIO()
        Image.fromarray(shrink(image, *size)).save(buffer, "JPEG", quality=self.quality)
        return buffer.getvalue()


def _written(picture: bytes) -> int:
    return len(picture) * 4 // 3 + 8
