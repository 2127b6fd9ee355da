"""The frames of a video by number: which can be reached without decoding all before them, and their exact times."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from prml.io.files import reason_of
from prml.media.container import open_video, packets, video_stream
from prml.media.decode import PEEK, DecodedFrames, ticks_of
from prml.media.frames import VideoInfo
from prml.media.image_folder import holds_images
from prml.media.times import MIN_STEP_S

if TYPE_CHECKING:
    import av

Array = np.ndarray
# Containers whose packets all have a presentation time and that know where their key frames are.
_KNOWN = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi")


class UnexpectedFrameError(Exception):
    """A frame is missing or has another time than its packet said: the video has to be read from its start."""


@dataclass(frozen=True)
class FrameIndex:
    """Times and key frames of a video, found by reading its packets without decoding them.

    Attributes:
        ticks: presentation times in display order, strictly increasing.
        keys: numbers of the key frames in display order.
        start: ticks of time zero.
        base: seconds per tick.
    """

    ticks: Int[Array, " T"]
    keys: Int[Array, " K"]
    start: int
    base: Fraction

    def __len__(self) -> int:
        return len(self.ticks)

    def time_s(self, frame: int) -> float:
        """Return the time of a frame in seconds, the same as :func:`prml.media.read.read_frames` gives."""
        return float((int(self.ticks[frame]) - self.start) * self.base)

    def uneven(self, ratio: float) -> bool:
        """Whether the longest step between frames is more than ``ratio`` times the shortest."""
        steps = np.diff(self.ticks)
        return len(steps) > 0 and bool(steps.max() > ratio * steps.min())

    def key_before(self, frame: int) -> int:
        """Return the number of the last key frame that is not after a frame."""
        return int(self.keys[np.searchsorted(self.keys, frame, side="right") - 1])


def frame_index(info: VideoInfo) -> FrameIndex | None:
    """Return the frames of a video file by number; None if they can only be counted by decoding all of them.

    That is so if packets are damaged, without a time, left out by an edit list, or at times that are not those of the
    frames; if the number of frames is not the stated one; or in containers without a directory of key frames. Reading
    takes about a thousandth of the time of detection.
    """
    if not info.timed or holds_images(info.path):
        return None
    return _read(info.path, info)


def _read(path: Path, info: VideoInfo) -> FrameIndex | None:
    with open_video(path) as container:
        if container.format.name not in _KNOWN:
            return None
        stream = video_stream(container, path, threads=False)
        counted = _Counted()
        first = [packet for packet in islice(packets(container, stream), PEEK) if counted.add(packet)]
        for packet in packets(container, stream):
            counted.add(packet)
        ticks, keys = counted.in_order()
        base = stream.time_base
        if not counted.sound or base is None or not len(ticks):
            return None
        if info.frames is not None and len(ticks) != info.frames:
            return None
        decoded = DecodedFrames(iter(first), stream, counted=True)
        even = bool((np.diff(ticks) * float(base) >= MIN_STEP_S).all())
        if decoded.reordered or decoded.start != ticks[0] or not even or not len(keys) or keys[0] != 0:
            return None
        return FrameIndex(ticks, keys, int(ticks[0]), Fraction(base))


def frames_from(given: Iterator["av.Packet[av.VideoStream]"], ticks: int) -> Iterator["av.VideoFrame"]:
    """Decode packets and yield the frames from a time on; raise UnexpectedFrameError if one is damaged."""
    import av

    for packet in given:
        try:
            decoded = packet.decode()
        except av.EOFError:  # the decoder is drained
            continue
        except (av.FFmpegError, ValueError) as error:
            if packet.pts is not None and packet.pts < ticks:
                continue
            raise UnexpectedFrameError(f"a packet cannot be decoded ({reason_of(error)})") from None
        for frame in decoded:
            when = ticks_of(frame)
            if when is None or (frame.is_corrupt and when >= ticks):
                raise UnexpectedFrameError("a frame is damaged")
            if when >= ticks:
                yield frame


class _Counted:
    """Times and key frames of packets, in the order of the file."""

    def __init__(self) -> None:
        self._ticks, self._keys = array("q"), array("b")
        self.sound = True  # whether every packet has a time and is a frame that is shown

    def add(self, packet: "av.Packet[av.VideoStream]") -> bool:
        """Add a packet; return whether it holds anything."""
        if not packet.size:
            return False
        self.sound = self.sound and packet.pts is not None and not packet.is_discard and not packet.is_corrupt
        self._ticks.append(packet.pts or 0)
        self._keys.append(packet.is_keyframe)
        return True

    def in_order(self) -> tuple[Int[Array, " T"], Int[Array, " K"]]:
        """Return the times in display order, and the numbers of the key frames."""
        ticks = np.array(self._ticks, np.int64)
        order = np.argsort(ticks, kind="stable")
        return ticks[order], np.flatnonzero(np.array(self._keys)[order])
