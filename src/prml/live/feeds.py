"""Pictures as they come: from a camera, from a stream on the network, or from a file played in real time."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from jaxtyping import UInt8

from prml.errors import PrmlError
from prml.io.files import reason_of
from prml.media.frames import check_pixels

Array = np.ndarray
T = TypeVar("T")
MAX_SIDE = 960  # pixels of the longer side; larger pictures are reduced, since the detector looks at 256
SILENCE_S = 5.0  # a source that gives no picture for so long is gone
# Protocols that a stream of each kind may use; none of them opens a file.
PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtsps,rtp,srtp,udp,tcp,tls",
    "http": "http,tcp",
    "https": "https,http,tls,tcp",
    "udp": "udp",
    "tcp": "tcp",
    "rtmp": "rtmp,tcp",
    "srt": "srt,udp",
}
# Demuxers of one stream. Playlists (hls, dash, concat, sdp), which name other addresses, are left out.
_FORMATS = "rtsp,mpjpeg,mjpeg,mpegts,flv,live_flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,h264,hevc,ogg"


@dataclass(frozen=True)
class LiveImage:
    """A picture.

    Attributes:
        time_s: seconds since the first picture, increasing.
        captured_s: when it was there, on the clock of ``time.perf_counter``.
        image: (H, W, 3) RGB, at most ``MAX_SIDE`` pixels on the longer side.
    """

    time_s: float
    captured_s: float
    image: UInt8[Array, "H W 3"]


class Feed(Protocol):
    """A source of pictures.

    Attributes:
        name: for messages.
        width, height: of its pictures before they are reduced.
        fps: frames per second, as stated.
        waits: whether a picture that is not taken at once is still there later; else it is lost.
    """

    name: str
    width: int
    height: int
    fps: float
    waits: bool

    def __iter__(self) -> Iterator[LiveImage]:
        """Yield pictures until the source ends; raise PrmlError if it goes away."""
        ...

    def close(self) -> None:
        """Free the source."""
        ...


def reduced(width: int, height: int) -> tuple[int, int]:
    """Return the size of a picture after reduction."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


class FileFeed:
    """A video file, at its own pace or, with ``realtime``, at that of a clock."""

    def __init__(self, path: str | Path, *, realtime: bool = False, fps: float | None = None) -> None:
        from prml.media.read import probe

        info = probe(path, fps=fps)
        self.name, self.width, self.height, self.fps = Path(path).name, info.width, info.height, info.fps
        self.waits = not realtime
        self._path, self._given_fps = path, fps

    def __iter__(self) -> Iterator[LiveImage]:
        from prml.media.prefetch import prefetch
        from prml.media.read import read_frames

        frames = read_frames(self._path, fps=self._given_fps, size=reduced(self.width, self.height))
        start: float | None = None
        for frame in frames if self.waits else prefetch(frames):
            start = time.perf_counter() - frame.time_s if start is None else start
            if not self.waits:
                time.sleep(max(0.0, start + frame.time_s - time.perf_counter()))
            due_s = time.perf_counter() if self.waits else start + frame.time_s
            yield LiveImage(frame.time_s, due_s, frame.image)

    def close(self) -> None:
        """Nothing is open between two pictures."""


class CameraFeed:
    """A camera of this machine, by number.

    Raises:
        PrmlError: it is not there, is in use, or gives no picture.
    """

    def __init__(self, number: int) -> None:
        from prml.detect.native import quiet_stderr

        self.name = f"camera {number}"
        with quiet_stderr():
            import cv2

            self._camera: Any = cv2.VideoCapture(number)
            found, image = self._camera.read() if self._camera.isOpened() else (False, None)
        if not found or image is None:
            self._camera.release()
            raise PrmlError(
                f"{self.name} is not there or gives no picture{_known_cameras()}; plug it in, close what else uses it, "
                "or give another number"
            )
        self.height, self.width = image.shape[:2]
        stated = float(self._camera.get(cv2.CAP_PROP_FPS))
        self.fps = stated if 1 <= stated <= 1000 else 30.0
        self.waits = False

    def __iter__(self) -> Iterator[LiveImage]:
        import cv2

        start, last, size = time.perf_counter(), time.perf_counter(), reduced(self.width, self.height)
        while True:
            found, image = self._camera.read()
            now = time.perf_counter()
            if not found:
                if now - last > 1.0:
                    raise PrmlError(f"{self.name} went away; plug it in and start again")
                time.sleep(0.02)
                continue
            last = now
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if size != image.shape[1::-1] else image
            yield LiveImage(now - start, now, np.ascontiguousarray(small[..., ::-1]))

    def close(self) -> None:
        """Give the camera back."""
        self._camera.release()


def _known_cameras() -> str:
    devices = sorted(Path("/dev").glob("video[0-9]*"))
    return f" (there are {', '.join(str(d)[10:] for d in devices)})" if devices else ""


class StreamFeed:
    """A stream on the network, by its URL.

    Raises:
        PrmlError: the URL has another scheme, nobody answers, or what answers is no video.
    """

    def __init__(self, url: str) -> None:
        import av

        scheme = url.split(":", 1)[0].lower()
        self.name = without_secrets(url)
        if scheme not in PROTOCOLS:
            raise PrmlError(f"{self.name} cannot be opened; expected a URL that begins with {', '.join(PROTOCOLS)}")
        options = {"protocol_whitelist": PROTOCOLS[scheme], "format_whitelist": _FORMATS, "analyzeduration": "1000000"}
        options |= {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
        try:
            self._container = av.open(url, options=options, timeout=(SILENCE_S, SILENCE_S), metadata_errors="ignore")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise PrmlError(f"{self.name} gives no video ({_reason(error, url)}); check the address") from None
        try:
            self._open(url)
        except BaseException:
            self._container.close()
            raise
        self.waits = False

    def _open(self, url: str) -> None:
        from prml.media.container import video_stream

        self._stream = video_stream(self._container, self.name, threads=False)
        self._frames = self._decoded(url)
        self._first = next(self._frames, None)
        if self._first is None:
            raise PrmlError(f"{self.name} gives no picture; check the address")
        self.width, self.height = self._first.width, self._first.height
        check_pixels(self.width, self.height, self.name)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate and 1 <= rate <= 1000 else 30.0

    def _decoded(self, url: str) -> Iterator[Any]:
        import av

        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except av.EOFError:
                    return
                except (av.FFmpegError, ValueError):  # damaged on its way
                    continue
        except av.EOFError:
            return
        except (av.FFmpegError, OSError) as error:
            raise PrmlError(f"{self.name} went away ({_reason(error, url)}); start again when it is back") from None

    def __iter__(self) -> Iterator[LiveImage]:
        size = reduced(self.width, self.height)
        start, stated_start, last = time.perf_counter(), None, -1.0
        for frame in chain([self._first], self._frames):
            now = time.perf_counter()
            stated = frame.time
            stated_start = stated if stated_start is None else stated_start
            time_s = now - start if stated is None or stated_start is None else stated - stated_start
            last = time_s if time_s > last else last + 1e-3
            yield LiveImage(last, now, frame.reformat(*size, format="rgb24").to_ndarray())

    def close(self) -> None:
        """Close the connection."""
        self._container.close()


def without_secrets(url: str) -> str:
    """Return a URL without user name, password and query, for messages and files."""
    return re.sub(r"//[^/@]*@", "//", url).split("?", 1)[0]


def _reason(error: Exception, url: str) -> str:
    return reason_of(error).replace(url, without_secrets(url))


class Inbox(Generic[T]):
    """Items of a thread that produces them, for one that consumes them.

    Args:
        items: makes the source, which is read in a thread.
        room: how many items may wait; the thread waits when there are more. 0: one, and a newer one takes its place.
    """

    def __init__(self, items: Callable[[], Iterator[T]], room: int = 0) -> None:
        self._items, self._room = items, room
        self._changed = Condition()
        self._waiting: list[T] = []
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self.dropped = 0
        self._thread = Thread(target=self._work, name="prml-live", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            for item in self._items():
                with self._changed:
                    while self._room and len(self._waiting) >= self._room and not self._stopped:
                        self._changed.wait(0.2)
                    if self._stopped:
                        return
                    if not self._room:
                        self.dropped += len(self._waiting)
                        self._waiting.clear()
                    self._waiting.append(item)
                    self._changed.notify_all()
        except BaseException as error:  # raised in the consuming thread
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def __iter__(self) -> Iterator[list[T]]:
        """Yield all that waits, at least one item at a time; raise what the source raises."""
        while True:
            with self._changed:
                while not self._waiting and not self._ended and not self._stopped:
                    self._changed.wait(0.2)
                items, self._waiting = self._waiting, []
                self._changed.notify_all()
                if self._stopped:
                    return
            if items:
                yield items
            elif self._error is not None:
                raise self._error
            else:
                return

    def stop(self, patience_s: float = 1.0) -> bool:
        """End the thread; return whether it has ended: one that waits for a picture ends with the process."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(patience_s)
        return not self._thread.is_alive()
