"""Detect the 2D keypoints of one person in a video."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from jaxtyping import Float

from prml.detect.base import Detection, Detector
from prml.detect.between import interpolated
from prml.detect.follow import find_people
from prml.detect.following import Following
from prml.detect.people import Track, extent, link
from prml.detect.pool import Job, Pool, can_start
from prml.detect.registry import DEFAULT, get_detector
from prml.detect.stretch import Sought, Stretch, joins, plan
from prml.detect.track import TrackKeeper, Unfinished
from prml.errors import PrmlError
from prml.filters.repair import fill_gaps, repair_swaps
from prml.filters.resample import frame_rate
from prml.media.frames import VideoInfo
from prml.media.prefetch import prefetch
from prml.media.read import probe, read_frames
from prml.media.seek import FrameIndex, UnexpectedFrameError, frame_index
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
    jobs: int = 1,
    every: int = 1,
) -> PoseSequence:
    """Follow the most prominent person in a video or image folder.

    Args:
        path: video file or image folder.
        detector: a detector, which is not closed, or the name of one (``prml.detect.registry``).
        model: model of a named detector: a name or a file; None for its default.
        fps: as for :func:`prml.media.read.read_frames`.
        progress: called with the number of frames done and the total, if known.
        on_warning: called with one line, for instance if a video is cut off.
        on_person: called with the time of each frame and the person, if seen, before any repair; of the first frame
            only if frames are left out (``every``).
        keeper: stores the track as it grows. Stored frames are not detected again: the detector restarts two seconds of
            video before the end of the stored track. Later joints may differ from an uninterrupted run if the detector
            remembers more than two seconds.
        jobs: how many stretches of a long video are followed at the same time, in processes of their own but for the
            first; for a named detector. A stretch begins half a second early, and is used only if it begins with the
            body that the track before ends with (:mod:`prml.detect.stretch`). Short videos, and those in which frames
            cannot be found by number, are followed by this process alone.
        every: look only at frames 0, ``every``, 2 ``every``, ... and interpolate the frames between them.

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
    kept = keeper.load() if keeper else None
    split = _Split.of(info, detector, model, fps, jobs, every, kept)
    used: Detector | None = None
    try:
        used = _opened(detector, model) if isinstance(detector, str) else detector
        run = _Run(info, used, fps, progress, on_warning, on_person, keeper, split, every)
        run.start(kept)
        if not run.complete:
            run.follow()
    finally:
        split.close()
        if used is not None and used is not detector:
            used.close()
    return run.sequence()


def _opened(name: str, model: str | Path | None) -> Detector:
    return get_detector(name).open(None if model is None else str(model))


@dataclass
class _Split:
    """How a video is split among processes."""

    stretches: list[Stretch]
    index: FrameIndex | None = None
    pool: Pool | None = None

    @classmethod
    def of(
        cls,
        info: VideoInfo,
        detector: Detector | str,
        model: str | Path | None,
        fps: float | None,
        jobs: int,
        every: int,
        kept: Unfinished | None,
    ) -> "_Split":
        """Split what is not yet done, and start the processes."""
        begin = 0 if kept is None else len(kept.track)
        whole = cls(plan(None, info.fps, 1, begin))
        if jobs < 2 or not isinstance(detector, str) or not can_start() or (kept is not None and kept.complete):
            return whole
        if info.frames is not None and len(plan(info.frames, info.fps, jobs, begin, every)) < 2:
            return whole
        index, images = frame_index(info), info.codec == "images"
        stretches = plan(info.frames if images or index is None else len(index), info.fps, jobs, begin, every)
        if len(stretches) < 2 or (index is None and not images):
            return whole
        job = Job(info, index, fps, detector, None if model is None else str(model))
        return cls(stretches, index, Pool(job, jobs - 1, stretches[1:]))

    def close(self) -> None:
        """End the processes."""
        if self.pool is not None:
            self.pool.close()
            self.pool = None


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
    split: _Split
    every: int = 1
    complete: bool = False
    warm: int | None = None  # frame at which the detector has to start; None goes on with the frame after the track
    earlier: tuple[Event, ...] = ()  # events of an earlier run
    told: int = 0  # frames done, in this process and in others
    stage_s: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("choose", "wait_for_frames", "detect"), 0.0)
    )

    def start(self, kept: Unfinished | None) -> None:
        """Choose the person, or resume an earlier run."""
        started = perf_counter()
        if kept is None:
            chosen, *others = first_people(self.info, self.detector, self.fps)
            self.detector.reset()
            scale = min(1.0, PERSON_PX / float(np.median([extent(p.keypoints_px)[1] for p in chosen.people])))
            count = sum(len(other.people) > 1 for other in others)
            self.run = Following.of(self.detector, chosen.people[0], chosen.times_s[0], scale, count)
        else:
            self.complete, self.earlier, self.warm = kept.complete, tuple(kept.events), kept.frame
            self.run = Following.restored(self.detector, kept.state, kept.scale, kept.track)
            for frame in range(len(self.run.track)):
                self._tell(frame)
        self.run.every = self.every
        self.stage_s["choose"] = perf_counter() - started

    def follow(self) -> None:
        """Process the rest of the video; if interrupted, the keeper still saves the track so far."""
        try:
            for stretch in self.split.stretches:
                if stretch.number == 0 or not self._adopted(stretch):
                    self._follow(stretch)
                if self.split.pool and stretch.number == 0:
                    self.split.pool.grow()  # this process has done its part
            self.complete = True
        except UnexpectedFrameError:  # the packets do not tell where the frames are
            self.split.close()
            self.split = _Split(plan(None, self.info.fps, 1, len(self.run.track)))
            self.follow()
        finally:
            self._keep()

    def _seek(self) -> None:
        """Tell the processes which person to follow, once it is known what the person looks like."""
        if self.split.pool:
            run = self.run
            self.split.pool.tell = lambda: self._tell_progress(len(run.track))
            self.split.pool.seek(Sought(run.follower.identity.colours, run.scale, run.watch.others, self.every))

    def _adopted(self, stretch: Stretch) -> bool:
        """Take over what another process found in a stretch, if it goes on with the same person."""
        if self.split.pool is None:
            return False
        started = perf_counter()
        found = self.split.pool.take(stretch.number)
        self.stage_s["detect"] += perf_counter() - started
        if found is None or not joins(self.run.track, found, self.run.watch.others):
            return False
        first = len(self.run.track)
        self.run.adopt(found)
        self.warm = found.frame
        self._seek()
        warn = self.warn or (lambda _: None)
        for line in found.warnings:
            warn(line)
        for frame in range(first, len(self.run.track)):
            self._tell(frame)
        self._keep_if_due()
        return True

    def _follow(self, stretch: Stretch) -> None:
        """Follow the person through a stretch in this process."""
        done = len(self.run.track)
        if self.warm is not None:
            self.detector.reset()
        start = done if self.warm is None else self.warm
        part: dict[str, Any] = {"start": start, "stop": stretch.stop, "every": self.every, "index": self.split.index}
        frames = read_frames(self.info.path, fps=self.fps, scale=self.run.scale, on_warning=self.warn, **part)
        for frame in timed(prefetch(frames), self.stage_s, "wait_for_frames"):
            started = perf_counter()
            self.run.see(frame, new=frame.index >= done)
            self.stage_s["detect"] += perf_counter() - started
            if frame.index == done:
                self.warm = None
                self._seek()
            if frame.index >= done:
                self._tell(frame.index)
                self._keep_if_due()

    def _tell(self, frame: int) -> None:
        if self.on_person and (self.every == 1 or frame == 0):
            self.on_person(float(self.run.track.times_s[frame]), self.run.track.person(frame))
        self._tell_progress(frame + 1)

    def _tell_progress(self, done: int) -> None:
        if self.progress:
            elsewhere = self.split.pool.done if self.split.pool else 0
            self.told = max(self.told, done + elsewhere)
            self.progress(self.told, self.info.frames)

    def _keep_if_due(self) -> None:
        if self.keeper and self.keeper.due():
            self._keep()

    def _keep(self) -> None:
        if self.keeper and len(self.run.track) and self.run.snapshots.kept:
            frame, state = self.run.snapshots.oldest
            track = self.run.track
            self.keeper.save(Unfinished(track, self._events(), self.run.scale, frame, state, self.complete))

    def _events(self) -> tuple[Event, ...]:
        return (*self.earlier, *self.run.follower.events)

    def sequence(self) -> PoseSequence:
        """Return the track with short gaps filled and swaps undone; raise PrmlError if nobody was followed."""
        if not self.run.track.seen.any():
            raise PrmlError(
                f"nobody could be followed in {self.info.path}; the lifter needs a person seen from head to foot"
            )
        log = DetectionLog(
            detector=self.detector.name,
            events=self._events(),
            stage_s=self.stage_s,
            rotation_deg=self.info.rotation_deg,
            others=self.run.watch.others,
            near=np.array(self.run.near) if self.run.watch.others else None,
        )
        track = self.run.track
        return repaired(self.info, self.detector.skeleton, track.times_s.copy(), track.rows, log, self.every)


def repaired(
    info: VideoInfo,
    skeleton: Skeleton,
    times_s: Float[Array, " T"],
    rows: Float[Array, "T J 3"],
    log: DetectionLog,
    every: int = 1,
) -> PoseSequence:
    """Return a track with short gaps filled and swaps undone.

    Args:
        info: the video.
        skeleton: joint set.
        times_s: frame times.
        rows: x, y in pixels and confidence; NaN where the person was not seen.
        log: what the detector tells; ``swapped`` is added.
        every: only frames 0, ``every``, 2 ``every``, ... were looked at.
    """
    looked = rows[::every]
    seen = ~np.isnan(looked[:, 0, 2])
    points, confidence = looked[..., :2], np.where(seen[:, None], looked[..., 2], 0.0)
    points, confidence, filled = fill_gaps(points, confidence, seen, times_s[::every])
    present = seen | filled
    points, confidence, swaps = repair_swaps(points, confidence, present, skeleton, times_s[::every])
    swapped = np.asarray(swaps.any(axis=1))
    if every > 1:
        points, confidence, present = interpolated(points, confidence, present, times_s, every)
        filled, swapped = (np.repeat(mask, every)[: len(rows)] & present for mask in (filled, swapped))
    return PoseSequence(
        skeleton=skeleton,
        times_s=times_s,
        keypoints_px=points,
        confidence=confidence,
        fps=frame_rate(times_s, info.fps),
        has_person=present,
        filled=filled,
        name=info.path.stem,
        source=f"{info.path.name}; {log.detector}",
        image_size=(info.width, info.height),
        detection=replace(log, swapped=swapped),
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
