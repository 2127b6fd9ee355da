"""Scene: the people of a video on one clock, with the video and its events; the data passed through the pipeline."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.sequence import Event, PoseSequence

Array = np.ndarray


@dataclass(frozen=True)
class VideoSource:
    """The video of a scene.

    Attributes:
        path: video file or image folder.
        image_size: width and height in square pixels of an upright frame.
        fps: frame rate.
        rotation_deg: counter-clockwise rotation that makes stored frames upright: 0, 90, 180 or 270.
    """

    path: Path
    image_size: tuple[int, int]
    fps: float
    rotation_deg: int = 0

    @property
    def name(self) -> str:
        """Name of the file or folder."""
        return self.path.name


@dataclass(frozen=True)
class Scene:
    """People on one clock; a single person is a scene of one.

    Every sequence has all frames of the scene; where a person is absent, ``has_person`` is False and the arrays are
    NaN.

    Attributes:
        people: the most prominent one first; all have the same ``times_s``, rate and image size, and each has a unique
            ``track_id``.
        video: the video; None for keypoints without one.
        events: in order of time.
    """

    people: tuple[PoseSequence, ...]
    video: VideoSource | None = None
    events: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "people", tuple(self.people))
        if not self.people:
            raise PrmlError("a scene needs at least one person; none was given")
        self._check_tracks()
        self._check_clock()
        self._check_image_size()
        object.__setattr__(self, "events", tuple(sorted(self.events, key=lambda event: event.time_s)))

    def _check_tracks(self) -> None:
        tracks = self.track_ids
        if len(set(tracks)) < len(tracks):
            raise PrmlError(f"every person of a scene needs a track_id of its own, got {', '.join(map(str, tracks))}")

    def _check_clock(self) -> None:
        first = self.people[0]
        for other in self.people[1:]:
            if len(other) != len(first):
                raise PrmlError(
                    f"people of a scene share one clock: track {first.track_id} has {len(first)} frames, track "
                    f"{other.track_id} has {len(other)}; fill frames without a person with NaN"
                )
            if other.fps != first.fps or not np.array_equal(other.times_s, first.times_s):
                raise PrmlError(
                    f"people of a scene share one clock: tracks {first.track_id} and {other.track_id} differ in "
                    "times_s or fps; resample one of them"
                )

    def _check_image_size(self) -> None:
        stated = {f"track {p.track_id}": p.image_size for p in self.people}
        if self.video is not None:
            stated["the video"] = self.video.image_size
        sizes = {who: size for who, size in stated.items() if size is not None}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{who} {width} x {height}" for who, (width, height) in sizes.items())
            raise PrmlError(f"a scene has one image size in pixels, got {told}")

    @classmethod
    def of(
        cls, sequence: PoseSequence, video: VideoSource | None = None, events: tuple[Event, ...] | None = None
    ) -> "Scene":
        """Make the scene of one person.

        Args:
            sequence: its ``track_id`` is kept, or set to 0 if it has none.
            video: the video.
            events: None for those of the sequence's detection log.

        Raises:
            PrmlError: the video has another image size than the sequence.
        """
        track = 0 if sequence.track_id is None else sequence.track_id
        if events is None:
            told = () if sequence.detection is None else sequence.detection.events
            events = tuple(replace(event, track_id=track) for event in told)
        return cls((sequence.with_(track_id=track),), video, events)

    def __len__(self) -> int:
        """Number of people."""
        return len(self.people)

    def __iter__(self) -> Iterator[PoseSequence]:
        return iter(self.people)

    @property
    def times_s(self) -> Float[Array, " T"]:
        """(T,) seconds, the clock of all people."""
        return self.people[0].times_s

    @property
    def fps(self) -> float:
        """Nominal frame rate."""
        return self.people[0].fps

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Width and height of the frames in pixels; None if unknown."""
        sizes = [self.video.image_size] if self.video is not None else [p.image_size for p in self.people]
        return next((size for size in sizes if size is not None), None)

    @property
    def track_ids(self) -> tuple[int, ...]:
        """Track ids of the people, in order."""
        return tuple(_track(person) for person in self.people)

    @property
    def prominent(self) -> PoseSequence:
        """The most prominent person."""
        return self.people[0]

    def person(self, track_id: int) -> PoseSequence:
        """Return the person with a track id; raise PrmlError if there is none."""
        for person in self.people:
            if person.track_id == track_id:
                return person
        raise PrmlError(f"the scene has no track {track_id}; it has {', '.join(map(str, self.track_ids))}")

    def map(self, change: Callable[[PoseSequence], PoseSequence]) -> "Scene":
        """Apply a function (lift, filter, cut) to every person; raises PrmlError as the constructor does."""
        return replace(self, people=tuple(change(person) for person in self.people))


def _track(person: PoseSequence) -> int:
    if person.track_id is None:
        raise PrmlError("every person of a scene needs a track_id, got None; Scene.of(sequence) numbers a single one")
    return person.track_id
