"""Detect the 2D keypoints of several people in a video."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from jaxtyping import Float

from prml.detect.base import Detector
from prml.detect.crowd import MAX_FOLLOWED, Crowd
from prml.detect.followed import Followed
from prml.detect.people import extent
from prml.detect.registry import DEFAULT, get_detector
from prml.detect.run import PERSON_PX, Warn, first_people, repaired
from prml.errors import PrmlError
from prml.media.frames import VideoInfo
from prml.media.prefetch import prefetch
from prml.media.read import probe, read_frames
from prml.progress import Progress, timed
from prml.sequence import DetectionLog, PoseSequence

Array = np.ndarray
AUTO_SHARE = 0.1  # of the first person's prominence that makes somebody one of the people of a video
SHORTEST_S = 0.5  # who was seen for less is not a person of the video
_SPOT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*@\s*(\d+(?:\.\d+)?)\s*s?\s*")


@dataclass(frozen=True)
class Choice:
    """Which people to return.

    Attributes:
        limit: the number of people, the most prominent first.
        share: least prominence, as a share of the first person's.
        number: only the person of this number, 1 for the most prominent.
        spot_px: only the person who stands at this place (x, y) of the image,
        spot_s: at this time in seconds.
    """

    limit: int | None = None
    share: float = 0.0
    number: int | None = None
    spot_px: tuple[float, float] | None = None
    spot_s: float = 0.0

    @classmethod
    def of(cls, people: int | str | None = None, person: int | str | None = None) -> "Choice":
        """Return the choice that settings describe.

        Args:
            people: a number, "all" or "auto".
            person: a number from 1 on, or ``"x,y@t"`` in pixels and seconds.

        Raises:
            PrmlError: neither can be read.
        """
        if person is not None:
            if isinstance(person, str) and (spot := _SPOT.fullmatch(person)):
                x, y, time_s = map(float, spot.groups())
                return cls(spot_px=(x, y), spot_s=time_s)
            number = int(person) if str(person).strip().isdigit() else 0
            if number < 1:
                raise PrmlError(
                    f"person=... must be a number from 1 on, or x,y@t for who stands there then, got {person!r}"
                )
            return cls(number=number)
        if people in ("all", "auto", None):
            return cls(share=AUTO_SHARE if people == "auto" else 0.0)
        number = int(people) if str(people).strip().isdigit() else 0
        if number < 1:
            raise PrmlError(f"people=... must be a number from 1 on, all or auto, got {people!r}")
        return cls(limit=number)

    @property
    def followed(self) -> int:
        """How many people are followed at the same time: two more than wanted, as others may stay longer."""
        wanted = self.limit or self.number
        return MAX_FOLLOWED if wanted is None else min(max(wanted + 2, 4), MAX_FOLLOWED)

    def __call__(self, people: list["Person"], times_s: Float[Array, " T"]) -> list["Person"]:
        """Choose among people, the most prominent first; raises PrmlError if the person asked for is not there."""
        if self.spot_px is not None:
            return [self._at_spot(people, times_s)]
        if self.number is not None:
            if self.number > len(people):
                raise PrmlError(
                    f"there is no person {self.number}; {len(people)} were followed: give person=1 to {len(people)}"
                )
            return [people[self.number - 1]]
        threshold = self.share * people[0].prominence
        return [one for one in people if one.prominence >= threshold][: self.limit]

    def _at_spot(self, people: list["Person"], times_s: Float[Array, " T"]) -> "Person":
        frame = int(np.abs(times_s - self.spot_s).argmin())
        found = []
        for one in people:
            points = one.rows[frame, :, :2]
            if np.isnan(points).any():
                continue
            _, size = extent(points)
            low, high = points.min(axis=0) - 0.1 * size, points.max(axis=0) + 0.1 * size
            if ((low <= self.spot_px) & (self.spot_px <= high)).all():
                nearest = np.linalg.norm(points - self.spot_px, axis=-1).min() / size
                found.append((float(nearest), one))
        if not found or not times_s[0] - 0.5 <= self.spot_s <= times_s[-1] + 0.5:
            x, y = self.spot_px or (0.0, 0.0)
            raise PrmlError(
                f"nobody was followed at {x:g},{y:g} at {self.spot_s:g} s; give the place of a person in pixels"
            )
        return min(found, key=lambda pair: pair[0])[1]


@dataclass(frozen=True)
class Person:
    """Somebody who was followed.

    Attributes:
        number: 1 for the most prominent.
        rows: (T, J, 3) x, y in pixels of the image and confidence; NaN where the person was not seen.
        prominence: sum over frames of area x centrality x confidence.
        near: (T,) whether somebody else was near.
        log: what the detector tells.
    """

    number: int
    rows: Float[Array, "T J 3"]
    prominence: float
    near: Array
    log: DetectionLog


def detect_people(
    path: str | Path,
    detector: Callable[[], Detector] | str = DEFAULT,
    *,
    model: str | Path | None = None,
    choice: Choice | None = None,
    fps: float | None = None,
    progress: Progress | None = None,
    on_warning: Warn | None = None,
) -> list[PoseSequence]:
    """Follow several people in a video or image folder.

    Args:
        path: video file or image folder.
        detector: opens a detector, one per person; or the name of a kind (``prml.detect.registry``).
        model: model of a named detector.
        choice: which people to return; None for all.
        fps: as for :func:`prml.media.read.read_frames`.
        progress: called with the number of frames done and the total, if known.
        on_warning: called with one line, for instance if a video is cut off.

    Returns:
        A sequence per person on one clock, the most prominent first, as from :func:`prml.detect.run.detect`;
        ``track_id`` is the person's number, 1 for the most prominent of the video. Frames in which limbs of two people
        may be mixed up are gaps, with an event that says why.

    Raises:
        PrmlError: the video cannot be read, shows no people, or not the person who is asked for.
    """
    info, choice = probe(path, fps=fps), choice or Choice()
    model_name = None if model is None else str(model)
    opener = partial(get_detector(detector).open, model_name) if isinstance(detector, str) else detector
    opened: list[Detector] = []

    def another() -> Detector:
        opened.append(opener())
        return opened[-1]

    try:
        crowd = Crowd(another, choice.followed)
        run = _Run(info, crowd, fps, progress, on_warning)
        run.follow()
        name = crowd.searcher.name
    finally:
        for one in opened:
            one.close()
    people = run.people(name)
    chosen = choice(people, run.times_s)
    others = len(people) - len(chosen)
    return [run.sequence(one, others) for one in chosen]


@dataclass
class _Run:
    """People followed through one video."""

    info: VideoInfo
    crowd: Crowd
    fps: float | None
    progress: Progress | None
    warn: Warn | None
    scale: float = 1.0
    times: list[float] = field(default_factory=list)
    stage_s: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("choose", "wait_for_frames", "detect"), 0.0)
    )

    @property
    def times_s(self) -> Float[Array, " T"]:
        """Frame times in seconds."""
        return np.asarray(self.times)

    def follow(self) -> None:
        """Process the video."""
        started = perf_counter()
        tracks = first_people(self.info, self.crowd.searcher, self.fps, levels=2)
        size = (self.info.width, self.info.height)
        threshold = AUTO_SHARE * tracks[0].prominence(*size)  # spectators need not be seen well
        large = [track for track in tracks if track.prominence(*size) >= threshold]
        sizes = [float(np.median([extent(p.keypoints_px)[1] for p in track.people])) for track in large]
        self.scale = min(1.0, PERSON_PX / min(sizes))
        self.stage_s["choose"] = perf_counter() - started
        frames = prefetch(read_frames(self.info.path, fps=self.fps, scale=self.scale, on_warning=self.warn))
        for frame in timed(frames, self.stage_s, "wait_for_frames"):
            started = perf_counter()
            self.crowd(frame.image, frame.time_s)
            self.stage_s["detect"] += perf_counter() - started
            self.times.append(frame.time_s)
            if self.progress:
                self.progress(frame.index + 1, self.info.frames)

    def people(self, detector: str) -> list[Person]:
        """Return who was seen for long enough, the most prominent first; raise PrmlError if nobody was."""
        long = [
            one for one in self.crowd.people if one.seen * self._step_s() >= min(SHORTEST_S, 0.5 * self._length_s())
        ]
        ranked = sorted(long, key=lambda one: -one.prominence)
        if not ranked:
            raise PrmlError(
                f"nobody could be followed in {self.info.path}; the lifter needs a person seen from head to foot"
            )
        return [self._person(number, one, detector) for number, one in enumerate(ranked, 1)]

    def _length_s(self) -> float:
        return len(self.times) * self._step_s()

    def _step_s(self) -> float:
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 1 / self.info.fps

    def _person(self, number: int, one: Followed, detector: str) -> Person:
        frames = len(self.times)
        rows = np.full((frames, len(self.crowd.skeleton), 3), np.nan)
        for offset, row in enumerate(one.rows):
            if row is not None:
                rows[one.first + offset] = row
        rows[..., :2] /= self.scale
        near = np.zeros(frames, bool)
        near[sorted(one.near)] = True
        log = DetectionLog(
            detector, tuple(one.events), stage_s=self.stage_s, rotation_deg=self.info.rotation_deg, near=near
        )
        return Person(number, rows, one.prominence, near, log)

    def sequence(self, one: Person, others: int) -> PoseSequence:
        """Return a person with short gaps filled and swaps undone; refused frames stay gaps."""
        log = replace(one.log, others=others, events=tuple(replace(e, track_id=one.number) for e in one.log.events))
        return repaired(self.info, self.crowd.skeleton, self.times_s, one.rows, log).with_(track_id=one.number)
