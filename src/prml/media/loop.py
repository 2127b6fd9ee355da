"""Extend a short video to any length by playing it forwards and backwards, for benchmarks."""

import tempfile
from pathlib import Path

import numpy as np

from prml.errors import PrmlError
from prml.io.files import check_writable, reason_of
from prml.media.container import local
from prml.media.read import probe, read_frames
from prml.media.write import VideoWriter

Array = np.ndarray
MAX_BYTES = 500_000_000  # of decoded frames, which are held in memory


def loop_video(source: str | Path, path: str | Path, seconds: float, *, overwrite: bool = False) -> int:
    """Write an H.264 video of ``seconds`` that plays the start of another forwards, backwards, forwards and so on.

    Playing back and forth avoids jumps, so a detector does the same work as on one long take. One cycle is encoded and
    its packets are copied for the others. Size and frame rate are those of the source.

    Args:
        source: video file or image folder; at most ``seconds`` or 500 MB of its frames are used.
        path: the mp4 to write.
        seconds: length of the new video.
        overwrite: replace an existing file.

    Returns:
        Number of frames written.

    Raises:
        PrmlError: the source cannot be read, ``seconds`` is not positive, or the file exists.
    """
    import av

    path, info = Path(path), probe(source)
    if not 0 < seconds < float("inf"):
        raise PrmlError(f"the length of a video must be positive, got {seconds:g} s")
    check_writable(path, overwrite)
    wanted = max(1, round(seconds * info.fps))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem[:40]}.") as work:
            turn, made = Path(work) / "turn.mp4", Path(work) / "loop.mp4"
            limit = min(wanted, max(2, MAX_BYTES // (3 * info.width * info.height)))
            _repeat(turn, made, wanted, _write_turn(source, turn, limit, info.fps), info.fps)
            check_writable(path, overwrite)
            made.replace(path)
    except (av.FFmpegError, OSError) as error:
        raise PrmlError(f"cannot write {path}: {reason_of(error)}") from None
    return wanted


def _write_turn(source: str | Path, turn: Path, limit: int, fps: float) -> int:
    """Write up to ``limit`` frames forwards and backwards, without repeating the two ends; return their number."""
    images: list[Array] = []
    # ultrafast writes no B-frames, so a copy may end anywhere
    info = probe(source)
    with VideoWriter(turn, info.width, info.height, fps, crf=18, preset="ultrafast", overwrite=True) as writer:
        for frame in read_frames(source):
            if frame.index >= limit:
                break
            images.append(frame.image)
        order = [*range(len(images)), *range(len(images) - 2, 0, -1)]
        for count, index in enumerate(order):
            writer.write(images[index], count / fps)
    return len(order)


def _repeat(turn: Path, path: Path, wanted: int, frames: int, fps: float) -> None:
    """Copy the packets of ``turn`` repeatedly until ``wanted`` frames are written."""
    import av

    with av.open(local(path), "w", format="mp4") as out, av.open(local(turn)) as container:
        given = container.streams.video[0]
        ticks = float(1 / given.time_base) if given.time_base else 1.0  # per second
        stream = out.add_stream_from_template(given)
        for start in range(0, wanted, frames):
            container.seek(0)
            for index, packet in enumerate(p for p in container.demux(given) if p.dts is not None):
                if start + index >= wanted:
                    break
                packet.pts = packet.dts = round((start + index) / fps * ticks)
                packet.stream = stream
                out.mux(packet)
