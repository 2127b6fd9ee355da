"""A video in, one person's 2D keypoints out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import numpy as np

from prml.detect.base import Detection, Detector
from prml.detect.follow import Follower, find_people
from prml.detect.mediapipe import MediaPipeDetector
from prml.detect.people import Identity, Track, extent, link
from prml.errors import PrmlError
from prml.filters.repair import fill_gaps, mend_exchanges
from prml.filters.resample import frame_rate
from prml.media.frames import VideoInfo
from prml.media.prefetch import prefetch
from prml.media.read import probe, read_frames
from prml.sequence import DetectionLog, PoseSequence

Array = np.ndarray
Progress = Callable[[int, int | None], None]
Warn = Callable[[str], None]
OnPerson = Callable[[float, Detection | None], None]
T = TypeVar("T")
CHOICE_S, CHOICE_STEP_S = 2.0, 0.5  # the person is chosen from a look every half second over the first two seconds
CHOICE_SIDE_PX = 1280  # larger images are shrunk for the choice
PERSON_PX = 480  # nobody needs to be seen larger: the landmark network works on 256 pixels


def detect(
    path: str | Path,
    detector: Detector | None = None,
    *,
    model: str | Path = "full",
    fps: float | None = None,
    progress: Progress | None = None,
    on_warning: Warn | None = None,
    on_person: OnPerson | None = None,
) -> PoseSequence:
    """Follow the most prominent person of a video or image folder.

    Args:
        path: video file or image folder.
        detector: what finds people; it is left open. Default: MediaPipe with ``model``.
        model: "full", "lite" or the path of a ``.task`` file.
        fps: as for :func:`prml.media.read.read_frames`.
        progress: called with frames done and, if known, of how many.
        on_warning: called with one line, for instance where a video is cut off.
        on_person: called with every frame's time and the person in it, if seen, before anything is mended.

    Returns:
        Keypoints in pixels of the upright image (origin top-left), confidence, true times, ``has_person`` (the
        person was seen or a short gap was filled) and ``filled``. Frames without the person are NaN. ``image_size`` is
        the video's; ``detection`` has the detector's name, the events (lost, found again, somebody else ignored), the
        frames where left and right were swapped back, the rotation, and the seconds spent choosing the person
        ("choose"), waiting for frames ("wait_for_frames") and detecting ("detect").

    Raises:
        PrmlError: for what cannot be read, and for a video without people.
    """
    info = probe(path, fps=fps)
    own = detector is None
    detector = detector or MediaPipeDetector(model)
    try:
        started = perf_counter()
        track = _choose(info, detector, fps)
        detector.reset()
        choosing_s = perf_counter() - started
        times_s, people, follower, stage_s = _follow(info, detector, track, fps, progress, on_warning, on_person)
    finally:
        if own:
            detector.close()
    stage_s["choose"] = choosing_s
    return _sequence(info, detector, times_s, people, follower, stage_s)


def _choose(info: VideoInfo, detector: Detector, fps: float | None) -> Track:
    """Finds of the most prominent person, in pixels of the full image, in the first seconds that show anybody."""
    scale = min(1.0, CHOICE_SIDE_PX / max(info.width, info.height))
    found: list[tuple[float, list[Detection]]] = []
    first_s, due_s = np.inf, -np.inf
    for frame in read_frames(info.path, fps=fps, scale=scale):
        if frame.time_s < due_s:
            continue
        due_s = frame.time_s + CHOICE_STEP_S
        if frame.time_s > first_s + CHOICE_S:
            break
        people = [Detection(p.keypoints_px / scale, p.confidence) for p in find_people(detector, frame.image)]
        if people:
            first_s = min(first_s, frame.time_s)
            found.append((frame.time_s, people))
    if not found:
        raise PrmlError(f"no person was found in {info.path}; the lifter needs one who is seen from head to foot")
    return max(link(found), key=lambda t: t.prominence(info.width, info.height))


def _follow(
    info: VideoInfo,
    detector: Detector,
    track: Track,
    fps: float | None,
    progress: Progress | None,
    warn: Warn | None,
    on_person: OnPerson | None,
) -> tuple[list[float], list[Detection | None], Follower, dict[str, float]]:
    sizes = [extent(p.keypoints_px)[1] for p in track.people]
    scale = min(1.0, PERSON_PX / float(np.median(sizes)))
    first = Detection(track.people[0].keypoints_px * scale, track.people[0].confidence)
    follower = Follower(detector, Identity(detector.skeleton, first, track.times_s[0]))
    times_s: list[float] = []
    people: list[Detection | None] = []
    stage_s = {"wait_for_frames": 0.0, "detect": 0.0}
    frames = prefetch(read_frames(info.path, fps=fps, scale=scale, on_warning=warn))
    for frame in _timed(frames, stage_s, "wait_for_frames"):
        started = perf_counter()
        person = follower(frame.image, frame.time_s)
        stage_s["detect"] += perf_counter() - started
        times_s.append(frame.time_s)
        people.append(person and Detection(person.keypoints_px / scale, person.confidence))
        if on_person:
            on_person(frame.time_s, people[-1])
        if progress:
            progress(len(times_s), info.frames)
    return times_s, people, follower, stage_s


def _timed(items: Iterator[T], stage_s: dict[str, float], name: str) -> Iterator[T]:
    while True:
        started = perf_counter()
        try:
            item = next(items)
        except StopIteration:
            return
        finally:
            stage_s[name] += perf_counter() - started
        yield item


def _sequence(
    info: VideoInfo,
    detector: Detector,
    times_s: list[float],
    people: list[Detection | None],
    follower: Follower,
    stage_s: dict[str, float],
) -> PoseSequence:
    times = np.asarray(times_s)
    seen = np.array([p is not None for p in people])
    if not seen.any():
        raise PrmlError(f"nobody could be followed in {info.path}; the lifter needs a person seen from head to foot")
    joints = len(detector.skeleton)
    points, confidence = np.full((len(times), joints, 2), np.nan), np.zeros((len(times), joints))
    for index, person in enumerate(people):
        if person is not None:
            points[index], confidence[index] = person.keypoints_px, person.confidence
    points, confidence, filled = fill_gaps(points, confidence, seen, times)
    points, confidence, swapped = mend_exchanges(points, confidence, seen | filled, detector.skeleton)
    return PoseSequence(
        skeleton=detector.skeleton,
        times_s=times,
        keypoints_px=points,
        confidence=confidence,
        fps=frame_rate(times, info.fps),
        has_person=seen | filled,
        filled=filled,
        name=info.path.stem,
        source=f"{info.path.name}; {detector.name}",
        image_size=(info.width, info.height),
        detection=DetectionLog(
            detector=detector.name,
            events=tuple(follower.events),
            swapped=np.asarray(swapped.any(axis=1)),
            stage_s=stage_s,
            rotation_deg=info.rotation_deg,
        ),
    )
