"""Frames in: a video file or a folder of images, one frame at a time, upright, with its true time."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from prml.errors import PrmlError
from prml.io.files import existing, reason_of
from prml.sequence import check_fps

Array = np.ndarray
Warn = Callable[[str], None]
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
DEFAULT_FOLDER_FPS = 30.0
MOST_ASPECT = 4.0  # of a pixel; what states more is taken to be damaged
_UNEVEN = 1.6  # longest step by shortest; files that count in milliseconds make 2 and 3 of even steps of 2.5


@dataclass(frozen=True)
class VideoInfo:
    """What a video or image folder says of itself.

    Attributes:
        path: the file or folder.
        width, height: square pixels of an upright frame as it is shown (after widening and ``rotation_deg``).
        frames: how many frames the container claims, None if it does not say.
        fps: mean frame rate.
        duration_s: seconds, None if the container does not say.
        rotation_deg: counter-clockwise turn that makes the stored image upright: 0, 90, 180 or 270.
        codec: name of the codec, or "images".
    """

    path: Path
    width: int
    height: int
    frames: int | None
    fps: float
    duration_s: float | None
    rotation_deg: int
    codec: str


@dataclass(frozen=True)
class VideoFrame:
    """One frame.

    Attributes:
        index: 0, 1, 2, ... in the order of display.
        time_s: the time that the file gives it; increases strictly.
        image: (H, W, 3) RGB, upright.
    """

    index: int
    time_s: float
    image: UInt8[Array, "H W 3"]


def probe(path: str | Path, *, fps: float | None = None) -> VideoInfo:
    """Size, rate and length without decoding more than one frame.

    Args:
        path: video file, or folder of images.
        fps: rate at which the pictures were taken: of an image folder (default 30), and instead of a video's own.

    Raises:
        PrmlError: missing, empty, not a video, without a video stream, or of an absurd frame rate.
    """
    path = existing(path)
    if path.is_dir():
        return _probe_folder(path, fps)
    with _open(path) as container:
        stream = _video_stream(container, path)
        try:
            first = next(container.decode(stream), None)
        except av.FFmpegError as error:
            raise PrmlError(f"{path} holds no frame that can be decoded: {reason_of(error)}") from None
        if first is None:
            raise PrmlError(f"{path} holds no frame that can be decoded; it may be cut off")
        turn = first.rotation % 360 // 90 * 90
        width = _shown_width(stream, first)
        size = (first.height, width) if turn in (90, 270) else (width, first.height)
        rate, frames, duration_s = _rate(stream, path, fps), stream.frames or None, _duration_s(container, stream)
        if fps is not None:
            duration_s = frames / rate if frames else None
        return VideoInfo(path, *size, frames, rate, duration_s, turn, stream.codec_context.name)


def read_frames(
    path: str | Path,
    *,
    fps: float | None = None,
    scale: float = 1.0,
    size: tuple[int, int] | None = None,
    on_warning: Warn | None = None,
) -> Iterator[VideoFrame]:
    """Upright RGB frames in order; memory does not grow with the length of the video.

    Args:
        path: video file, or folder of images (taken in the order of their names, numbers in them by value).
        fps: rate at which the pictures were taken: of an image folder (default 30); for a video frame n then has the
            time n / fps instead of its own (slow motion).
        scale: factor on width and height, at most 1; smaller images are decoded faster.
        size: width and height of the images instead, larger or smaller.
        on_warning: called with one line when the file ends before it should (what decodes has been given by then), and
            when ``fps`` made uneven times even.

    Raises:
        PrmlError: as :func:`probe`; for an image folder also where images differ in size.
    """
    info = probe(path, fps=fps)
    if not 0.0 < scale <= 1.0:
        raise PrmlError(f"the scale of frames must be above 0 and at most 1, got {scale:g}")
    if size is not None and min(size) < 1:
        raise PrmlError(f"frames need at least 1 x 1 pixels, got {size[0]} x {size[1]}")
    width, height = size or (max(1, round(info.width * scale)), max(1, round(info.height * scale)))
    folder = info.path.is_dir()
    source = (
        _read_folder(info, width, height)
        if folder
        else _read_video(info, width, height, on_warning or _ignore, even=fps is not None)
    )
    yield from source


def _ignore(message: str) -> None:
    """Nobody wants to know."""


def _open(path: Path) -> "av.container.InputContainer":
    try:
        container = av.open(str(path), metadata_errors="ignore")
        if container.format.name == "tty":  # FFmpeg plays any .txt as a film of a terminal
            container.close()
            raise ValueError("it is a text file")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise PrmlError(
            f"{path} is not a video that can be read ({reason_of(error)}); mp4, mov, webm, avi and mkv are"
        ) from None
    return container


def _video_stream(container: "av.container.InputContainer", path: Path) -> "av.VideoStream":
    if not container.streams.video:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise PrmlError(f"{path} has no video stream, only {kinds}; give the path of a video")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


def _shown_width(stream: "av.VideoStream", frame: "av.VideoFrame") -> int:
    """Width in square pixels: some formats (DV, HDV, AVCHD) store pixels that are wider or narrower than high."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return max(1, round(frame.width * aspect)) if 1 / MOST_ASPECT <= aspect <= MOST_ASPECT else frame.width


def _rate(stream: "av.VideoStream", path: Path, fps: float | None) -> float:
    if fps is not None:
        return check_fps(fps, "--fps")
    stated = stream.average_rate or stream.guessed_rate
    return check_fps(float(stated) if stated else 0.0, f"the frame rate of {path}")


def _duration_s(container: "av.container.InputContainer", stream: "av.VideoStream") -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _read_video(info: VideoInfo, width: int, height: int, warn: Warn, even: bool) -> Iterator[VideoFrame]:
    turns = info.rotation_deg // 90
    stored = (height, width) if turns % 2 else (width, height)
    clock = _Clock(info.fps, even)
    count = 0
    with _open(info.path) as container:
        frames = container.decode(_video_stream(container, info.path))
        while True:
            try:
                frame = next(frames, None)
            except av.FFmpegError as error:
                warn(f"{info.path} is damaged after frame {count} ({reason_of(error)}); what decodes was used")
                return
            if frame is None:
                break
            # scaled in the video's own colours first: several times as fast as scaling and converting in one
            small = frame.reformat(*stored) if stored != (frame.width, frame.height) else frame
            image = small.to_ndarray(format="rgb24", width=stored[0], height=stored[1])
            upright = np.ascontiguousarray(np.rot90(image, turns)) if turns else image
            yield VideoFrame(count, clock(frame, count), upright)
            count += 1
    if even and clock.uneven:
        warn(f"the times of {info.path} are uneven; --fps {info.fps:g} put even ones in their place")
    if info.frames and count < 0.98 * info.frames - 1:
        warn(f"{info.path} ends early: {count} of {info.frames} frames decode; they were used")


class _Clock:
    """Times of frames: their own, or even ones at ``fps``."""

    def __init__(self, fps: float, even: bool) -> None:
        self._fps, self._even = fps, even
        self._last_s, self._shortest_s, self._longest_s = -math.inf, math.inf, 0.0

    def __call__(self, frame: "av.VideoFrame", index: int) -> float:
        before_s, self._last_s = self._last_s, _time_after(frame, self._last_s, self._fps)
        if index:
            step_s = self._last_s - before_s
            self._shortest_s, self._longest_s = min(self._shortest_s, step_s), max(self._longest_s, step_s)
        return index / self._fps if self._even else self._last_s

    @property
    def uneven(self) -> bool:
        """Whether the frames' own times so far are."""
        return self._longest_s > _UNEVEN * self._shortest_s


def _time_after(frame: "av.VideoFrame", last_s: float, fps: float) -> float:
    """The frame's own time; where it has none or steps back, a little after the one before."""
    if frame.pts is not None and frame.time_base is not None:
        time_s = float(frame.pts * frame.time_base)
        if time_s > last_s:
            return time_s
    return last_s + 0.5 / fps if math.isfinite(last_s) else 0.0


def _natural(path: Path) -> tuple[Any, ...]:
    """Sort key that puts frame10 after frame9."""
    parts: list[tuple[int, Any]] = []
    digits = ""
    for letter in path.name + "\0":
        if letter.isdecimal():
            digits += letter
            continue
        if digits:
            parts.append((0, int(digits)))
            digits = ""
        parts.append((1, letter))
    return tuple(parts)


def _images(folder: Path) -> list[Path]:
    images = sorted((p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES), key=_natural)
    if not images:
        raise PrmlError(f"no images in {folder}; a folder of frames holds {', '.join(IMAGE_SUFFIXES)} files")
    return images


def _load_image(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise PrmlError(f"{path} is not an image that can be read ({reason_of(error)})") from None


def _probe_folder(folder: Path, fps: float | None) -> VideoInfo:
    rate = check_fps(DEFAULT_FOLDER_FPS if fps is None else fps, "--fps")
    images = _images(folder)
    first = _load_image(images[0])
    return VideoInfo(folder, first.width, first.height, len(images), rate, len(images) / rate, 0, "images")


def _read_folder(info: VideoInfo, width: int, height: int) -> Iterator[VideoFrame]:
    for index, path in enumerate(_images(info.path)):
        image = _load_image(path)
        if image.size != (info.width, info.height):
            raise PrmlError(
                f"the images of a folder must be of one size: {path.name} is {image.width} x {image.height}, "
                f"the first {info.width} x {info.height}"
            )
        if image.size != (width, height):
            image = image.resize((width, height))
        yield VideoFrame(index, index / info.fps, np.asarray(image))
