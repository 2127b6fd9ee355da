"""Decode packets to frames in display order, with the file's own times, skipping damaged data."""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, TypeAlias

from prml.io.files import reason_of

if TYPE_CHECKING:
    import av

    Packet: TypeAlias = av.Packet[av.VideoStream]

PEEK = 64  # packets inspected before the first is decoded
_STORE_PTS = ("mpegts", "mpeg")  # always store presentation times, and their clocks may be set back


class DecodedFrames:
    """Decoded frames of a stream in display order, each with its stated time in seconds since the start.

    Leading frames that refer to missing ones (a recording cut in the middle) are left out, unless packets are damaged
    and the container states its number of frames.

    Args:
        given: all packets of the stream.
        stream: the stream.
        counted: whether the container states its number of frames.

    Attributes:
        start: ticks of time zero; None before they are known.
        errors: number of packets and frames that could not be decoded so far.
        reason: why the first of them failed.
    """

    def __init__(self, given: Iterator["Packet"], stream: "av.VideoStream", *, counted: bool) -> None:
        self._peeked = list(islice(given, PEEK))
        self._rest, self._stream = given, stream
        shown = [p for p in self._peeked if not p.is_discard]
        self.start = _start([ticks for p in shown if (ticks := ticks_of(p)) is not None], stream)
        reordered = stream.codec_context.has_b_frames and stream.container.format.name not in _STORE_PTS
        disorder = reordered and _decoding_times(shown)
        self._waiting = _Waiting() if disorder else None
        self.errors, self.reason = 0, ""
        self._counted, self._begun = counted, False

    @property
    def reordered(self) -> bool:
        """Whether the times of packets are in decoding order, so that frames take the earliest of those waiting."""
        return self._waiting is not None

    def failed(self, error: Exception) -> None:
        """Count a frame as lost."""
        self.errors += 1
        self.reason = self.reason or reason_of(error)

    def __iter__(self) -> Iterator[tuple[float | None, "av.VideoFrame"]]:
        import av

        for packet in chain(self._peeked, self._rest):
            if self._waiting:
                self._waiting.add(packet)
            try:
                decoded = packet.decode()
            except av.EOFError:  # the decoder is drained
                continue
            except (av.FFmpegError, ValueError) as error:
                self.failed(error)
                if self._waiting:
                    self._waiting.drop(packet)
                continue
            for frame in decoded:
                time_s = self._time_s(frame)
                self._begun = self._begun or not frame.is_corrupt or (self._counted and self.errors > 0)
                if self._begun:
                    yield time_s, frame

    def _time_s(self, frame: "av.VideoFrame") -> float | None:
        ticks = self._waiting.next() if self._waiting else ticks_of(frame)
        base = frame.time_base or self._stream.time_base
        if ticks is None or base is None:
            return None
        self.start = ticks if self.start is None else self.start
        return float((ticks - self.start) * base)


def ticks_of(timed: "Packet | av.VideoFrame") -> int | None:
    """Presentation time, or the decoding time if it is missing."""
    return timed.dts if timed.pts is None else timed.pts


def _start(ticks: list[int], stream: "av.VideoStream") -> int | None:
    """Return the earliest of times in decoding order; any a second or more before the first belong to another count."""
    if not ticks:
        return None
    second = 1 / stream.time_base if stream.time_base else 1
    return min(t for t in ticks if t > ticks[0] - second)


def _decoding_times(given: list["Packet"]) -> bool:
    """Whether the packets carry decoding times only, without real presentation times.

    AVI stores one count for all packets, in decoding order. FFmpeg (7.1, 8.1) also reports that count, shifted by a
    constant, as presentation times, and copies it into other containers; with B-frames these are out of order. The
    comparison allows half a step for rounded clocks.
    """
    dts = sorted(p.dts for p in given if p.dts is not None)
    shifts = [p.pts - p.dts for p in given if p.pts is not None and p.dts is not None]
    if not shifts:
        return len(dts) > 0
    steps = sorted(b - a for a, b in pairwise(dts))
    return len(steps) > 0 and max(shifts) - min(shifts) < 0.5 * steps[len(steps) // 2]


class _Waiting:
    """Times of the packets inside the decoder; each decoded frame takes the earliest."""

    def __init__(self) -> None:
        self._ticks: list[int] = []
        self._inside: int | None = None  # packets in the decoder when it returns a frame

    def add(self, packet: "Packet") -> None:
        """Add a packet that is about to be decoded."""
        if (ticks := ticks_of(packet)) is not None and not packet.is_discard:
            heappush(self._ticks, ticks)

    def drop(self, packet: "Packet") -> None:
        """Remove a packet that failed to decode; no frame will take its time."""
        if (ticks := ticks_of(packet)) in self._ticks:
            self._ticks.remove(ticks)
            heapify(self._ticks)

    def next(self) -> int | None:
        """Return the time of the next frame."""
        self._inside = len(self._ticks) if self._inside is None else self._inside
        while len(self._ticks) > self._inside:  # a frame was lost silently
            heappop(self._ticks)
        return heappop(self._ticks) if self._ticks else None
