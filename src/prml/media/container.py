"""Video files as FFmpeg opens them: local files of known containers only, and the stream to read of them."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from prml.errors import PrmlError
from prml.io.files import reason_of
from prml.media.frames import MAX_PIXELS, check_pixels

if TYPE_CHECKING:
    import av

    Packet: TypeAlias = av.Packet[av.VideoStream]

# FFmpeg's names of demuxers. Left out: those that open further files or the network (hls, concat, sdp), and text (tty).
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "vvc",
    "av1", "obu", "ivf", "dv", "flv", "asf", "ogg", "mjpeg", "mjpeg_2000", "gif", "apng", "nut", "mxf", "gxf", "rm",
    "h261", "h263", "vc1", "yuv4mpegpipe", "cavsvideo", "wtv", "amv", "dirac", "swf", "wav", "mp3", "aac", "flac",
)  # fmt: skip
_NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS of libavformat/avformat.h: raw streams
_MAX_FAILURES = 3  # in turn of reading a packet, after which a file is over


def local(path: str | Path) -> str:
    """A path as FFmpeg takes it: without this it reads ``12:30.mp4`` and ``http:...`` as protocols, not as names."""
    return f"file:{Path(path).absolute()}"


def open_video(path: Path) -> "av.container.InputContainer":
    """Open a video file; raises PrmlError in one line."""
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}
    try:
        return av.open(local(path), options=options, metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        invalid = getattr(error, "errno", None) == errno.EINVAL  # what FFmpeg says of a format outside the list
        reason = "not a format that is read" if invalid else reason_of(error)
        raise PrmlError(
            f"{path} is not a video that can be read ({reason}); mp4, mov, webm, avi and mkv are, among others"
        ) from None


def video_stream(container: "av.container.InputContainer", path: Path, *, threads: bool = True) -> "av.VideoStream":
    """The stream with most pixels, of equal ones the container's own choice; covers and thumbnails do not count.

    Its decoder goes on after an error, with pictures that may be distorted, as the ffmpeg command does.

    Args:
        container: the open file.
        path: its path, for messages.
        threads: whether to decode several frames at a time; the first then comes later.

    Raises:
        PrmlError: no video stream, one of an unknown codec, or more pixels than are read.
    """
    from av.codec.context import Flags
    from av.stream import Disposition

    unwanted = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [s for s in container.streams.video if not s.disposition & unwanted]
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise PrmlError(f"{path} has no video stream, only {kinds}; give the path of a video")
    known = [s for s in streams if s.codec_context is not None]
    if not known:
        raise PrmlError(f"{path} is encoded in a way that FFmpeg does not know; convert it to H.264 in mp4")
    best = max(known, key=lambda s: (s.width * s.height, bool(s.disposition & Disposition.default)))
    check_pixels(best.width, best.height, path)
    context = best.codec_context
    context.flags |= Flags.output_corrupt
    context.options = {"max_pixels": str(MAX_PIXELS)}
    # frames of VP9 that are decoded beside one that is damaged are all lost
    best.thread_type = "NONE" if not threads else "SLICE" if context.name == "vp9" else "AUTO"
    return best


def has_times(container: "av.container.InputContainer") -> bool:
    """Whether the format stores times; FFmpeg counts 25 frames a second for raw streams, whatever they are."""
    return not container.format.flags & _NO_TIMESTAMPS


def packets(
    container: "av.container.InputContainer", stream: "av.VideoStream"
) -> Iterator["av.Packet[av.VideoStream]"]:
    """All packets, past what cannot be read; the last one is empty: it makes the decoder give what it holds."""
    import av

    failures = 0
    while failures < _MAX_FAILURES:
        try:
            for packet in container.demux(stream):
                failures = 0
                yield packet
            return
        except (av.FFmpegError, OSError):
            failures += 1
    last = av.Packet()
    last.stream = stream
    yield cast("Packet", last)
