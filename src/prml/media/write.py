"""Write frames to an H.264 video that every browser and phone can play."""

import contextlib
import errno
import os
import sys
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from prml.errors import PrmlError
from prml.io.files import check_writable, draft_beside, reason_of
from prml.media.container import local
from prml.sequence import check_fps

if TYPE_CHECKING:
    import av

Array = np.ndarray
_TICKS = 90_000  # per second, the usual clock of containers


class VideoWriter:
    """Writes an mp4 (H.264, yuv420p) under an unguessable temporary name and renames it once complete.

    Use it as a context manager; if the block raises, nothing is left behind. Several writers on one path each write a
    separate temporary file; without ``overwrite`` only the first to close succeeds.

    Args:
        path: path of the video.
        width, height: frame size in pixels; an odd side loses its last row or column, as H.264 needs even sides.
        fps: nominal rate; the ``time_s`` of a frame takes precedence.
        crf: x264 quality, lower is better (18 to 28 is usual).
        preset: x264 preset, which trades speed for file size.
        overwrite: whether to replace an existing file.

    Raises:
        PrmlError: the file exists, the size is absurd, or the disk is full.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        fps: float,
        *,
        crf: int = 23,
        preset: str = "veryfast",
        overwrite: bool = False,
    ) -> None:
        import av

        self._path, self._overwrite = Path(path), overwrite
        check_writable(self._path, overwrite)
        if width < 2 or height < 2:
            raise PrmlError(f"a video needs at least 2 x 2 pixels, got {width} x {height}")
        self._size = (width // 2 * 2, height // 2 * 2)
        self._last = -1
        self._fps = check_fps(fps)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._draft, self._descriptor = draft_beside(self._path)
        except OSError as error:
            raise self._failed(error) from None
        if sys.platform == "win32":  # the lock would keep FFmpeg from writing
            self._release()
        try:
            self._container = av.open(local(self._draft), "w", format="mp4", options={"movflags": "+faststart"})
        except (av.FFmpegError, OSError) as error:
            self._release()
            self._draft.unlink(missing_ok=True)
            raise self._failed(error) from None
        stream = self._container.add_stream("libx264", rate=Fraction(self._fps).limit_denominator(100_000))
        stream.width, stream.height, stream.pix_fmt = *self._size, "yuv420p"
        stream.options = {"crf": str(crf), "preset": preset}
        stream.codec_context.time_base = Fraction(1, _TICKS)
        self._stream = stream

    def write(self, image: UInt8[Array, "H W 3"], time_s: float | None = None) -> None:
        """Append an RGB frame that is displayed from ``time_s`` on (default: evenly spaced)."""
        import av

        width, height = self._size
        if image.shape[0] not in (height, height + 1) or image.shape[1] not in (width, width + 1):
            raise PrmlError(f"expected frames of {width} x {height} pixels, got {image.shape[1]} x {image.shape[0]}")
        step = round(_TICKS / self._fps)
        ticks = self._last + step if time_s is None and self._last >= 0 else round((time_s or 0.0) * _TICKS)
        self._last = max(ticks, self._last + 1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        self._mux(frame)

    def _mux(self, frame: "av.VideoFrame | None") -> None:
        import av

        try:
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> PrmlError:
        full = getattr(error, "errno", None) == errno.ENOSPC
        return PrmlError(f"cannot write {self._path}: {'the disk is full' if full else reason_of(error)}")

    def _release(self) -> None:
        """Close the descriptor that holds the lock on the draft."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def close(self) -> None:
        """Finish the file and rename it; raise PrmlError if that fails or the path has been taken meanwhile."""
        import av

        try:
            self._mux(None)
            self._container.close()
            self._release()
            check_writable(self._path, self._overwrite)
            self._draft.replace(self._path)
        except (av.FFmpegError, OSError) as error:
            self.abandon()
            raise self._failed(error) from None
        except PrmlError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Discard what was written."""
        import av

        with contextlib.suppress(av.FFmpegError, OSError):  # the file is deleted anyway
            self._container.close()
        self._release()
        self._draft.unlink(missing_ok=True)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()
