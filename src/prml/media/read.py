"""Read frames of a video file or image folder one at a time, upright and with their true times."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prml.errors import PrmlError
from prml.io.files import existing, reason_of
from prml.media.container import has_times, open_video, packets, video_stream
from prml.media.decode import PEEK, DecodedFrames, ticks_of
from prml.media.frames import VideoFrame, VideoInfo, Warn, check_pixels
from prml.media.image_folder import holds_images, probe_images, read_images
from prml.media.orientation import Orientation, orientation_of
from prml.media.seek import FrameIndex, UnexpectedFrameError, frames_from
from prml.media.times import steady
from prml.sequence import FPS_RANGE, check_fps

if TYPE_CHECKING:
    import av

Array = np.ndarray
MAX_ASPECT = 4.0  # of a pixel; larger values are treated as damage
_UNEVEN = 1.6  # longest step / shortest step; millisecond clocks turn even steps of 2.5 into 2 and 3


def probe(path: str | Path, *, fps: float | None = None) -> VideoInfo:
    """Return size, frame rate and length of a video; decodes one frame.

    Args:
        path: video file, image or folder of images.
        fps: capture rate of an image folder (default 30); for a video, replaces the stated rate.

    Raises:
        PrmlError: the file is missing, empty, not a video, has no video stream, or has an absurd size or frame rate.
    """
    path = existing(path)
    if holds_images(path):
        return probe_images(path, fps)
    with open_video(path) as container:
        stream = video_stream(container, path, threads=False)
        first, timed = _first_frame(container, stream, path)
        timed = timed and has_times(container)
        orientation = orientation_of(first)
        size = orientation.size(_shown_width(stream, first), first.height)
        rate = _rate(stream, path, fps, timed)
        frames, duration_s = _frames(stream), _duration_s(container, stream)
        if fps is not None:
            duration_s = frames / rate if frames else None
        return VideoInfo(
            path,
            *size,
            frames=frames,
            fps=rate,
            duration_s=duration_s,
            rotation_deg=90 * orientation.turns,
            codec=stream.codec_context.name,
            mirrored=orientation.mirrored,
            timed=timed,
        )


def read_frames(
    path: str | Path,
    *,
    fps: float | None = None,
    scale: float = 1.0,
    size: tuple[int, int] | None = None,
    start: int = 0,
    stop: int | None = None,
    every: int = 1,
    index: FrameIndex | None = None,
    on_warning: Warn | None = None,
) -> Iterator[VideoFrame]:
    """Yield upright RGB frames in order; memory use does not depend on the length of the video.

    Times count from the start of the video, whatever the file's first timestamp, and continue evenly where the file's
    clock is set back (:func:`prml.media.times.steady`). Decoding continues after damage; frames may then be distorted
    until the next key frame.

    Args:
        path: video file, image or folder of images (:mod:`prml.media.image_folder`).
        fps: capture rate of an image folder (default 30); for a video (slow motion), gives frame n the time n / fps
            instead of its own.
        scale: factor on width and height, at most 1; smaller images decode faster.
        size: width and height of the images, instead of ``scale``; may be larger.
        start: number of the first frame that is yielded.
        stop: number of the first frame that is not; None reads to the end.
        every: frames with other numbers than 0, ``every``, 2 ``every``, ... come without a picture (0 x 0 pixels),
            which saves most of the time for them.
        index: of the video, to reach ``start`` without decoding what is before it; numbers and times stay the same.
        on_warning: called with one line, after the last frame of the video, if frames were lost, the file ended early,
            it stores no times, or ``fps`` replaced uneven times by even ones.

    Raises:
        PrmlError: as for :func:`probe`, or the images of a folder differ in size.
        UnexpectedFrameError: the frames are not those of ``index``.
    """
    info = probe(path, fps=fps)
    if not 0.0 < scale <= 1.0:
        raise PrmlError(f"the scale of frames must be above 0 and at most 1, got {scale:g}")
    if size is not None and min(size) < 1:
        raise PrmlError(f"frames need at least 1 x 1 pixels, got {size[0]} x {size[1]}")
    width, height = size or (max(1, round(info.width * scale)), max(1, round(info.height * scale)))
    check_pixels(width, height, info.path)
    part = range(start, sys.maxsize if stop is None else stop)
    if holds_images(info.path):
        yield from read_images(info, width, height, part, every)
    elif index is not None:
        known = range(start, min(part.stop, len(index)))
        given = (info, _Converter.of(info, width, height, every), on_warning or _ignore)
        yield from _read_part(*given, known, index, even=fps is not None)
    else:
        given = (info, _Converter.of(info, width, height, every), on_warning or _ignore)
        yield from _read_video(*given, part, even=fps is not None)


def _ignore(message: str) -> None:
    """Ignore warnings when the caller gives no callback."""


def _first_frame(
    container: "av.container.InputContainer", stream: "av.VideoStream", path: Path
) -> tuple["av.VideoFrame", bool]:
    """Return the first frame that decodes, and whether any packet near it has a time."""
    import av

    timed, reason = False, "it may be cut off"
    given = packets(container, stream)
    for packet in given:
        timed = timed or _has_time(packet)
        try:
            decoded = packet.decode()
        except (av.FFmpegError, ValueError) as error:
            reason = reason_of(error)
            continue
        if decoded:
            return decoded[0], timed or any(_has_time(packet) for packet in islice(given, PEEK))
    raise PrmlError(f"{path} contains no frame that can be decoded ({reason})")


def _has_time(packet: "av.Packet[av.VideoStream]") -> bool:
    return packet.pts is not None or packet.dts is not None


def _shown_width(stream: "av.VideoStream", frame: "av.VideoFrame") -> int:
    """Return the width in square pixels; some formats (DV, HDV, AVCHD) store non-square ones."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return max(1, round(frame.width * aspect)) if 1 / MAX_ASPECT <= aspect <= MAX_ASPECT else frame.width


def _rate(stream: "av.VideoStream", path: Path, fps: float | None, timed: bool) -> float:
    """Return the given rate, else the container's mean rate, or the codec's rate for a raw stream."""
    if fps is not None:
        return check_fps(fps, "fps")
    stated = [float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    usable = [rate for rate in stated if FPS_RANGE[0] <= rate <= FPS_RANGE[1]]
    if not usable:
        return check_fps(stated[0] if stated else 0.0, f"the frame rate of {path}")
    return usable[0 if timed else -1]


def _frames(stream: "av.VideoStream") -> int | None:
    """Number of displayed frames; an edit list may leave some out and shortens the duration accordingly."""
    if not stream.frames:
        return None
    if stream.duration and stream.time_base and stream.average_rate:
        shown = round(stream.duration * stream.time_base * stream.average_rate)
        if 0 < shown < 0.98 * stream.frames:
            return shown
    return stream.frames


def _duration_s(container: "av.container.InputContainer", stream: "av.VideoStream") -> float | None:
    import av

    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _read_part(
    info: VideoInfo, convert: "_Converter", warn: Warn, part: range, index: FrameIndex, *, even: bool
) -> Iterator[VideoFrame]:
    """Decode from the last key frame before ``part`` on, and yield the frames of ``part``."""
    if not part:
        return
    with open_video(info.path) as container:
        stream = video_stream(container, info.path)
        if key := index.key_before(part.start):
            container.seek(int(index.ticks[key]), stream=stream)
        number = part.start
        for frame in frames_from(packets(container, stream), int(index.ticks[number])):
            if number == part.stop:
                break
            if ticks_of(frame) != index.ticks[number]:
                break
            time_s = number / info.fps if even else index.time_s(number)
            yield VideoFrame(number, time_s, convert(frame, number))
            number += 1
    if number < part.stop:
        raise UnexpectedFrameError(f"frame {number} of {info.path} is not where its packet said")
    if even and number == len(index) and index.uneven(_UNEVEN):
        warn(_replaced(info))


def _read_video(info: VideoInfo, convert: "_Converter", warn: Warn, part: range, *, even: bool) -> Iterator[VideoFrame]:
    with open_video(info.path) as container:
        stream = video_stream(container, info.path)
        decoded = DecodedFrames(packets(container, stream), stream, counted=info.frames is not None)
        steps = _Steps()
        count = 0
        for time_s, frame in steady(decoded, 1 / info.fps):
            if count < part.start:
                count += 1
                continue
            if count >= part.stop:
                return
            try:
                image = convert(frame, count)
            except (ValueError, OSError) as error:
                decoded.failed(error)
                continue
            steps.add(time_s)
            yield VideoFrame(count, count / info.fps if even or not info.timed else time_s, image)
            count += 1
    for message in _remarks(info, count, decoded, steps.uneven if even else False):
        warn(message)
    if not info.timed and not even:
        warn(
            f"{info.path} stores no times: its frames are assumed to be evenly spaced, {info.fps:g} per second; "
            "give fps=... if they were captured at another rate"
        )


def _replaced(info: VideoInfo) -> str:
    return f"the times of {info.path} are uneven; fps={info.fps:g} replaced them by even ones"


def _remarks(info: VideoInfo, count: int, decoded: DecodedFrames, uneven: bool) -> Iterator[str]:
    """Yield warnings about a video that has been read."""
    if uneven:
        yield _replaced(info)
    if decoded.errors:
        lost = max(decoded.errors, (info.frames or 0) - count)
        yield (
            f"{info.path} is damaged: {lost} of {info.frames or count + lost} frames cannot be decoded "
            f"({decoded.reason}); the others were used, and may be distorted"
        )
    elif info.frames and count < 0.98 * info.frames - 1:
        yield f"{info.path} ends early: {count} of {info.frames} frames decode; they were used"


class _Converter:
    """Scales decoded frames and makes them RGB; the tables for one size and format are computed once."""

    def __init__(self, orientation: Orientation, width: int, height: int, every: int) -> None:
        from av.video.reformatter import VideoReformatter

        self._orientation, self._size, self._every = orientation, orientation.size(width, height), every
        self._scaling, self._colours = VideoReformatter(), VideoReformatter()

    @classmethod
    def of(cls, info: VideoInfo, width: int, height: int, every: int) -> "_Converter":
        """For pictures of a size, upright."""
        return cls(Orientation(info.rotation_deg // 90, info.mirrored), width, height, every)

    def __call__(self, frame: "av.VideoFrame", number: int) -> Array:
        """Return a frame as (height, width, 3) RGB, upright; without pixels if its number is not wanted."""
        if number % self._every:
            return np.empty((0, 0, 3), np.uint8)
        width, height = self._size
        # scaling in the video's own pixel format first is several times faster than scaling and converting at once
        small = self._scaling.reformat(frame, *self._size) if self._size != (frame.width, frame.height) else frame
        return self._orientation(self._colours.reformat(small, width, height, format="rgb24").to_ndarray())


class _Steps:
    """Checks whether times are uneven."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._shortest_s, self._longest_s = float("inf"), 0.0

    def add(self, time_s: float) -> None:
        """Add the next time."""
        if self._last_s is not None:
            step_s = time_s - self._last_s
            self._shortest_s, self._longest_s = min(self._shortest_s, step_s), max(self._longest_s, step_s)
        self._last_s = time_s

    @property
    def uneven(self) -> bool:
        """Whether the longest step so far is far longer than the shortest."""
        return self._longest_s > _UNEVEN * self._shortest_s
