"""Open video files with FFmpeg (local files in known containers only) and select the stream to read."""

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

# FFmpeg demuxer names. Demuxers that open other files or the network (hls, concat, sdp) or text (tty) are left out.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "vvc",
    "av1", "obu", "ivf", "dv", "flv", "asf", "ogg", "mjpeg", "mjpeg_2000", "gif", "apng", "nut", "mxf", "gxf", "rm",
    "h261", "h263", "vc1", "yuv4mpegpipe", "cavsvideo", "wtv", "amv", "dirac", "swf", "wav", "mp3", "aac", "flac",
)  # fmt: skip
_NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS in libavformat/avformat.h: raw streams
_MAX_FAILURES = 3  # stop reading after this many packets in a row cannot be read


def local(path: str | Path) -> str:
    """Return a path as a file URL, so that FFmpeg does not read ``12:30.mp4`` or ``http:...`` as a protocol."""
    return f"file:{Path(path).absolute()}"


def open_video(path: Path) -> "av.container.InputContainer":
    """Open a video file; raise PrmlError if it cannot be read."""
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}
    try:
        return av.open(local(path), options=options, metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        invalid = getattr(error, "errno", None) == errno.EINVAL  # FFmpeg's error for a format outside the list
        reason = "unsupported format" if invalid else reason_of(error)
        raise PrmlError(
            f"{path} is not a video that can be read ({reason}); supported formats include mp4, mov, webm, avi and mkv"
        ) from None


def video_stream(
    container: "av.container.InputContainer", path: Path | str, *, threads: bool = True
) -> "av.VideoStream":
    """Return the stream with the most pixels, ignoring cover art and thumbnails; ties go to the container's default.

    Like the ffmpeg command, its decoder continues after an error, and frames may then be distorted.

    Args:
        container: the open file.
        path: its path, for messages.
        threads: whether to decode several frames at once, which delays the first.

    Raises:
        PrmlError: there is no video stream, its codec is unknown, or its frames are too large.
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
        raise PrmlError(f"{path} uses a codec that FFmpeg does not know; convert it to H.264 in mp4")
    best = max(known, key=lambda s: (s.width * s.height, bool(s.disposition & Disposition.default)))
    check_pixels(best.width, best.height, path)
    context = best.codec_context
    context.flags |= Flags.output_corrupt
    context.options = {"max_pixels": str(MAX_PIXELS)}
    # with frame threads, a damaged VP9 frame also loses the frames that are being decoded alongside it
    best.thread_type = "NONE" if not threads else "SLICE" if context.name == "vp9" else "AUTO"
    return best


def has_times(container: "av.container.InputContainer") -> bool:
    """Whether the format stores times; FFmpeg assumes 25 fps for every raw stream."""
    return not container.format.flags & _NO_TIMESTAMPS


def packets(
    container: "av.container.InputContainer", stream: "av.VideoStream"
) -> Iterator["av.Packet[av.VideoStream]"]:
    """Yield all packets, skipping unreadable ones, then an empty packet that flushes the decoder."""
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
