"""A live run: pictures, the detector, causal lifting, smoothing, and out."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from jaxtyping import Float

from prml import __version__
from prml.camera import Camera
from prml.detect.base import Detection, Detector
from prml.detect.online import OnlineFollower
from prml.detect.registry import get_detector
from prml.errors import PrmlError
from prml.filters.root import solve_root
from prml.filters.smooth import OneEuro
from prml.lifting.causal import CausalLifter, LiftedFrame
from prml.lifting.lifter import Lifter, load
from prml.live.feeds import CameraFeed, Feed, FileFeed, Inbox, LiveImage, StreamFeed
from prml.live.frame import LiveFrame, LiveRun, Sink
from prml.live.settings import LiveSettings
from prml.options import check
from prml.pipeline.camera import DEFAULT_FOV_DEG
from prml.threads import torch_threads

Array = np.ndarray
_ROOM = 8  # frames that may wait for lifting, which takes all that wait at once


@dataclass
class LiveSummary:
    """What happened in a live run.

    Attributes:
        frames: frames that went out.
        people: frames with a person.
        dropped: pictures that came faster than they could be worked on.
        seconds: from the first picture to the last frame out.
        delays_s: of every frame, from the capture of its picture until it went out; empty for a file at its own pace.
        interrupted: whether Ctrl-C ended the run.
        waiting: whether a thread still waits for a picture; it ends with the process.
        written: one line per sink that wrote or sent something.
    """

    frames: int = 0
    people: int = 0
    dropped: int = 0
    seconds: float = 0.0
    delays_s: list[float] = field(default_factory=list)
    interrupted: bool = False
    waiting: bool = False
    written: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Frames per second that went out."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    def delay_ms(self, percent: float) -> float:
        """Return a percentile of the delay, milliseconds."""
        return 1000 * float(np.percentile(self.delays_s, percent)) if self.delays_s else float("nan")


def open_feed(source: str | None, camera: int | None = None, realtime: bool = False) -> Feed:
    """Open a source: a URL, a file, or a camera by number (0 if nothing is given). Raises PrmlError."""
    if source is None:
        if realtime:
            raise PrmlError("realtime=True plays a file at its own pace; give a file")
        return CameraFeed(0 if camera is None else camera)
    if camera is not None:
        raise PrmlError("give a file, a URL or camera=..., not two of them")
    if "://" not in source:
        return FileFeed(source, realtime=realtime)
    if realtime:
        raise PrmlError("a stream comes at its own pace; leave realtime=True out")
    return StreamFeed(source)


@dataclass(frozen=True)
class _Seen:
    """A picture and the person in it, in pixels of the source."""

    given: LiveImage
    person: Detection | None


def live(
    feed: Feed, sinks: Sequence[Sink], settings: LiveSettings, started: Callable[[LiveRun], None] | None = None
) -> LiveSummary:
    """Follow and lift a person until the source ends, ``settings.seconds`` are over, or Ctrl-C is pressed.

    The detector works in a thread of its own beside lifting, which takes all frames that wait with one window, so that
    it never falls behind. Pictures that come faster than the detector works are dropped, the oldest first; those of a
    file that waits are not.

    Args:
        feed: closed at the end.
        sinks: where frames go to; closed at the end, whatever happens.
        settings: how.
        started: called once everything is ready and before the first picture.

    Raises:
        PrmlError: a setting cannot be used, or a file shows no person.
        LostSourceError: the source went away; what came before was passed on.
    """
    check(settings)
    summary = LiveSummary()
    try:
        with closing(get_detector(settings.detector).open(settings.model)) as detector:
            run = _Run(feed, detector, load(settings.weights, flip=settings.flip), settings, summary)
            for sink in sinks:
                sink.start(run.about)
            if started is not None:
                started(run.about)
            with torch_threads(1):  # the detector has the other cores
                run.work(sinks)
    finally:
        if not summary.waiting:  # a thread that still waits for a picture must not lose its source
            feed.close()
        _close(sinks, summary)
    return summary


def _close(sinks: Sequence[Sink], summary: LiveSummary) -> None:
    """Close all sinks, whatever one of them raises."""
    if not sinks:
        return
    try:
        if told := sinks[0].close():
            summary.written.append(told)
    finally:
        _close(sinks[1:], summary)


class LostSourceError(PrmlError):
    """The source went away. ``summary`` tells what came before."""

    def __init__(self, message: str, summary: LiveSummary) -> None:
        super().__init__(message)
        self.summary = summary


class _Run:
    """The stages of a run."""

    def __init__(
        self, feed: Feed, detector: Detector, lifter: Lifter, settings: LiveSettings, summary: LiveSummary
    ) -> None:
        self._feed, self._detector, self._settings, self._summary = feed, detector, settings, summary
        fov = DEFAULT_FOV_DEG if settings.fov is None else settings.fov
        self._camera = Camera.from_fov(feed.width, feed.height, fov)
        self._lift = CausalLifter(lifter, detector.skeleton, self._camera, settings.latency)
        self._smooth = OneEuro(settings.cutoff, settings.slope) if settings.smooth else None
        self._pictures: deque[LiveImage] = deque()
        made_by = {"prml": __version__, "weights": lifter.card.name, "detector": detector.name}
        self.about = LiveRun(feed.name, lifter.skeleton, self._camera, feed.fps, settings.latency, made_by)

    def work(self, sinks: Sequence[Sink]) -> None:
        """Run until the end."""
        images = Inbox(lambda: iter(self._feed), room=int(self._feed.waits))
        seen = Inbox(lambda: self._detected(images), room=1 if self._feed.waits else _ROOM)
        limit_s = np.inf if self._settings.seconds is None else self._settings.seconds
        start = None
        try:
            for several in seen:
                for one in several:
                    start = one.given.captured_s if start is None else start
                    self._pictures.append(one.given)
                    self._lift.add(one.given.time_s, one.person)
                self._out(self._lift.ready(), sinks)
                if several[-1].given.time_s >= limit_s:
                    break
            self._out(self._lift.ready(latency=0), sinks)
        except KeyboardInterrupt:
            self._summary.interrupted = True
        except PrmlError as error:
            raise LostSourceError(str(error), self._summary) from None
        finally:
            self._summary.dropped = images.dropped
            self._summary.seconds = 0.0 if start is None else time.perf_counter() - start
            self._summary.waiting = not images.stop()
            seen.stop(10.0)  # its detector is closed next
        if self._feed.waits and not self._summary.people and not self._summary.interrupted:
            raise PrmlError(f"no person was found in the {self._summary.frames} frames of {self._feed.name}")

    def _detected(self, images: Inbox[LiveImage]) -> Iterator[_Seen]:
        follow = OnlineFollower(self._detector)
        for given in chain.from_iterable(images):
            person = follow(given.image, given.time_s)
            if person is not None:
                scale = self._feed.width / given.image.shape[1]
                person = Detection(person.keypoints_px * scale, person.confidence)
            yield _Seen(given, person)

    def _out(self, frames: Sequence[LiftedFrame], sinks: Sequence[Sink]) -> None:
        for lifted in frames:
            self._out_one(lifted, sinks)

    def _out_one(self, lifted: LiftedFrame, sinks: Sequence[Sink]) -> None:
        """Smooth a frame and pass it on."""
        given = self._pictures.popleft()
        joints = lifted.joints_m
        if joints is None:
            if self._smooth is not None:
                self._smooth.reset()
        elif self._smooth is not None:
            joints = self._smooth(joints, lifted.time_s)
        frame = LiveFrame(
            lifted.index,
            lifted.time_s,
            time.perf_counter() - given.captured_s,
            joints,
            lifted.std_m,
            lifted.keypoints_px,
            lifted.confidence,
            None if joints is None else self._root(joints, lifted),
            given.image,
        )
        for sink in sinks:
            sink.send(frame)
        self._summary.frames += 1
        self._summary.people += joints is not None
        if not self._feed.waits:  # a file at its own pace is never late
            self._summary.delays_s.append(time.perf_counter() - given.captured_s)

    def _root(self, joints: Float[Array, "J 3"], lifted: LiftedFrame) -> Float[Array, "3"] | None:
        if lifted.keypoints_px is None:
            return None
        plane = self._camera.unproject(lifted.keypoints_px[None])
        sure = np.ones(plane.shape[:2]) if lifted.confidence is None else lifted.confidence[None]
        return np.asarray(solve_root(joints[None], plane, np.asarray(sure, np.float64))[0])
