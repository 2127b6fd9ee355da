"""Detect the 2D keypoints of one person in a video."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

import numpy as np
from jaxtyping import Float

from prml.detect.base import Detection, Detector
from prml.detect.follow import Follower, find_people
from prml.detect.people import Identity, Track, extent, link
from prml.detect.registry import DEFAULT, get_detector
from prml.detect.track import GrowingTrack, Snapshots, TrackKeeper, Unfinished
from prml.detect.watch import Watch
from prml.errors import PrmlError
from prml.filters.repair import fill_gaps, repair_swaps
from prml.filters.resample import frame_rate
from prml.media.frames import VideoInfo
from prml.media.prefetch import prefetch
from prml.media.read import probe, read_frames
from prml.progress import Progress, timed
from prml.sequence import DetectionLog, Event, PoseSequence
from prml.skeleton import Skeleton

Array = np.ndarray
Warn = Callable[[str], None]
OnPerson = Callable[[float, Detection | None], None]
CHOICE_S, CHOICE_STEP_S = 2.0, 0.5  # the person is chosen from frames half a second apart in the first two seconds
CHOICE_SIDE_PX = 1280  # larger images are shrunk for the choice
PERSON_PX = 480  # larger people are shrunk to this size: the landmark network works on 256 pixels


def detect(
    path: str | Path,
    detector: Detector | str = DEFAULT,
    *,
    model: str | Path | None = None,
    fps: float | None = None,
    progress: Progress | None = None,
    on_warning: Warn | None = None,
    on_person: OnPerson | None = None,
    keeper: TrackKeeper | None = None,
) -> PoseSequence:
    """Follow the most prominent person in a video or image folder.

    Args:
        path: video file or image folder.
        detector: a detector, which is not closed, or the name of one (``prml.detect.registry``).
        model: model of a named detector: a name or a file; None for its default.
        fps: as for :func:`prml.media.read.read_frames`.
        progress: called with the number of frames done and the total, if known.
        on_warning: called with one line, for instance if a video is cut off.
        on_person: called with the time of each frame and the person, if seen, before any repair.
        keeper: stores the track as it grows. Stored frames are not detected again: the detector restarts two seconds of
            video before the end of the stored track. Later joints may differ from an uninterrupted run if the detector
            remembers more than two seconds.

    Returns:
        Keypoints in pixels of the upright image (origin top-left), confidence, true times, ``has_person`` (the
        person was seen or a short gap was filled) and ``filled``. Frames without the person are NaN. ``image_size`` is
        that of the video; ``detection`` has the detector's name, the events (lost, found again, somebody else ignored),
        the frames where left and right were swapped back, the rotation, and the seconds spent choosing the person
        ("choose"), waiting for frames ("wait_for_frames") and detecting ("detect").

    Raises:
        PrmlError: the video cannot be read or shows no people.
    """
    info = probe(path, fps=fps)
    used = _opened(detector, model) if isinstance(detector, str) else detector
    try:
        run = _Run(info, used, fps, progress, on_warning, on_person, keeper)
        run.start()
        if not run.complete:
            run.follow()
    finally:
        if used is not detector:
            used.close()
    return run.sequence()


def _opened(name: str, model: str | Path | None) -> Detector:
    return get_detector(name).open(None if model is None else str(model))


def _stages() -> dict[str, float]:
    return {"choose": 0.0, "wait_for_frames": 0.0, "detect": 0.0}


@dataclass
class _Run:
    """One person followed through one video."""

    info: VideoInfo
    detector: Detector
    fps: float | None
    progress: Progress | None
    warn: Warn | None
    on_person: OnPerson | None
    keeper: TrackKeeper | None
    complete: bool = False
    scale: float = 1.0
    warm: int = 0  # frame at which the detector starts
    earlier: tuple[Event, ...] = ()  # events of an earlier run
    others: int = 0  # people who were seen besides
    near: list[bool] = field(default_factory=list)  # whether somebody was beside the person, per frame
    stage_s: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("choose", "wait_for_frames", "detect"), 0.0)
    )
    snapshots: Snapshots = field(default_factory=Snapshots)

    def start(self) -> None:
        """Choose the person, or resume an earlier run."""
        started = perf_counter()
        kept = self.keeper.load() if self.keeper else None
        if kept is None:
            self.track = GrowingTrack(len(self.detector.skeleton))
            chosen, *others = first_people(self.info, self.detector, self.fps)
            self.others = sum(len(other.people) > 1 for other in others)
            self.detector.reset()
            self.scale = min(1.0, PERSON_PX / float(np.median([extent(p.keypoints_px)[1] for p in chosen.people])))
            first = Detection(chosen.people[0].keypoints_px * self.scale, chosen.people[0].confidence)
            self.follower = Follower(self.detector, Identity(self.detector.skeleton, first, chosen.times_s[0]))
            self.watch = Watch(self.follower, self.detector, self.others)
        else:
            self.track, self.scale, self.complete = kept.track, kept.scale, kept.complete
            self.earlier, self.warm = tuple(kept.events), kept.frame
            self.follower = Follower.from_arrays(self.detector, kept.state)
            self.others = int(kept.state["others"][0]) if "others" in kept.state else 0
            self.watch = Watch(self.follower, self.detector, self.others)
            self.near = [self.others > 0] * len(self.track)
            for frame in range(len(self.track)):
                self._tell(frame)
        self.stage_s["choose"] = perf_counter() - started

    def follow(self) -> None:
        """Process the rest of the video; if interrupted, the keeper still saves the track so far."""
        try:
            frames = prefetch(read_frames(self.info.path, fps=self.fps, scale=self.scale, on_warning=self.warn))
            done = len(self.track)
            for frame in timed(frames, self.stage_s, "wait_for_frames"):
                if frame.index >= self.warm:
                    self._see(frame.image, frame.time_s, frame.index, frame.index >= done)
            self.complete = True
        finally:
            self._keep()

    def _see(self, image: Array, time_s: float, index: int, new: bool) -> None:
        started = perf_counter()
        if self.keeper and self.snapshots.due(time_s):
            self.snapshots.add(time_s, index, {**self.follower.arrays(), "others": np.array([self.watch.others])})
        person = self.watch(image, time_s)
        self.stage_s["detect"] += perf_counter() - started
        if not new:  # an earlier run saw this frame; it only warms up the detector
            self.follower.events.clear()
            return
        self.track.append(time_s, person and Detection(person.keypoints_px / self.scale, person.confidence))
        self.near.append(self.watch.near)
        self._tell(index)
        if self.keeper and self.keeper.due():
            self._keep()

    def _tell(self, frame: int) -> None:
        if self.on_person:
            self.on_person(float(self.track.times_s[frame]), self.track.person(frame))
        if self.progress:
            self.progress(frame + 1, self.info.frames)

    def _keep(self) -> None:
        if self.keeper and len(self.track) and self.snapshots.kept:
            frame, state = self.snapshots.oldest
            self.keeper.save(Unfinished(self.track, self._events(), self.scale, frame, state, self.complete))

    def _events(self) -> tuple[Event, ...]:
        return (*self.earlier, *self.follower.events)

    def sequence(self) -> PoseSequence:
        """Return the track with short gaps filled and swaps undone; raise PrmlError if nobody was followed."""
        if not self.track.seen.any():
            raise PrmlError(
                f"nobody could be followed in {self.info.path}; the lifter needs a person seen from head to foot"
            )
        log = DetectionLog(
            detector=self.detector.name,
            events=self._events(),
            stage_s=self.stage_s,
            rotation_deg=self.info.rotation_deg,
            others=self.watch.others,
            near=np.array(self.near) if self.watch.others and len(self.near) == len(self.track) else None,
        )
        return repaired(self.info, self.detector.skeleton, self.track.times_s.copy(), self.track.rows, log)


def repaired(
    info: VideoInfo, skeleton: Skeleton, times_s: Float[Array, " T"], rows: Float[Array, "T J 3"], log: DetectionLog
) -> PoseSequence:
    """Return a track with short gaps filled and swaps undone.

    Args:
        info: the video.
        skeleton: joint set.
        times_s: frame times.
        rows: x, y in pixels and confidence; NaN where the person was not seen.
        log: what the detector tells; ``swapped`` is added.
    """
    seen = ~np.isnan(rows[:, 0, 2])
    points, confidence = rows[..., :2], np.where(seen[:, None], rows[..., 2], 0.0)
    points, confidence, filled = fill_gaps(points, confidence, seen, times_s)
    points, confidence, swapped = repair_swaps(points, confidence, seen | filled, skeleton, times_s)
    return PoseSequence(
        skeleton=skeleton,
        times_s=times_s,
        keypoints_px=points,
        confidence=confidence,
        fps=frame_rate(times_s, info.fps),
        has_person=seen | filled,
        filled=filled,
        name=info.path.stem,
        source=f"{info.path.name}; {log.detector}",
        image_size=(info.width, info.height),
        detection=replace(log, swapped=np.asarray(swapped.any(axis=1))),
    )


def first_people(info: VideoInfo, detector: Detector, fps: float | None, levels: int | None = None) -> list[Track]:
    """Return the people of the first seconds with people, the most prominent first, in full-image pixels.

    Raises PrmlError if there are none. ``levels`` are those of :func:`prml.detect.follow.find_people`, for many people.
    """
    scale = min(1.0, CHOICE_SIDE_PX / max(info.width, info.height))
    found: list[tuple[float, list[Detection]]] = []
    first_s, due_s = np.inf, -np.inf
    for frame in read_frames(info.path, fps=fps, scale=scale):
        if frame.time_s < due_s:
            continue
        due_s = frame.time_s + CHOICE_STEP_S
        if frame.time_s > first_s + CHOICE_S:
            break
        people = [
            Detection(p.keypoints_px / scale, p.confidence)
            for p in find_people(detector, frame.image, *(() if levels is None else (99, levels)))
        ]
        if people:
            first_s = min(first_s, frame.time_s)
            found.append((frame.time_s, people))
    if not found:
        raise PrmlError(f"no person was found in {info.path}; the lifter needs one who is seen from head to foot")
    return sorted(link(found), key=lambda t: -t.prominence(info.width, info.height))
