"""Stretches of a video in which a person is followed at the same time, and how they are joined to one track.

A stretch is looked at before anybody knows where the one before ends: it begins a second early with the person who
looks like the one who is wanted. It is used only if it begins with the same body that the track before ends with;
otherwise it is followed again from where the track ends. So a wrong guess costs time, and never joins two people.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from prml.detect.ownership import SAME_BODY
from prml.detect.people import distance
from prml.detect.track import GrowingTrack
from prml.sequence import Event

Array = np.ndarray
MIN_FRAMES, MAX_FRAMES = 120, 1800  # of a stretch; starting costs as much as about 30 frames
WARM_S = 0.5  # by so much a stretch begins earlier; after that, detections are those of the whole run
OTHERS = "others"  # name of an entry of the state: how many other people were seen
GONE_S = 1.0  # a person who was not seen for longer is recognised by appearance alone


@dataclass(frozen=True)
class Stretch:
    """A part of a video.

    Attributes:
        number: 0, 1, 2, ...
        warm: number of the frame at which the detector starts.
        first, stop: numbers of the first frame, and of the one after the last; None for the end of the video.
    """

    number: int
    warm: int
    first: int
    stop: int | None


@dataclass(frozen=True)
class Sought:
    """Which person to follow.

    Attributes:
        colours: histogram of the person's trunk; None if it was never seen.
        scale: size of the images relative to the video.
        others: how many other people were seen.
        every: only frames 0, ``every``, 2 ``every``, ... are looked at.
    """

    colours: Float[Array, " bins"] | None
    scale: float
    others: int
    every: int = 1


@dataclass(frozen=True)
class Found:
    """What was found in a stretch, from the frame on at which the detector started.

    Attributes:
        stretch: the part of the video.
        times_s: frame times.
        rows: x, y in pixels of the video and confidence; NaN where the person was not seen.
        near: whether somebody was beside the person.
        events: what happened.
        sought: the person it looked for.
        frame, state: where to start from to go on after the stretch; see ``Following.restored``.
        warnings: one line each.
    """

    stretch: Stretch
    times_s: Float[Array, " T"]
    rows: Float[Array, "T J 3"]
    near: Bool[Array, " T"]
    events: tuple[Event, ...]
    sought: Sought
    frame: int
    state: dict[str, Array] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def early(self) -> int:
        """Number of frames before the first of the stretch."""
        return self.stretch.first - self.stretch.warm


def plan(frames: int | None, fps: float, jobs: int, begin: int = 0, every: int = 1) -> list[Stretch]:
    """Return stretches for ``jobs`` processes; a single one if the video is short, or its length unknown.

    Args:
        frames: number of frames of the video.
        fps: frames per second.
        jobs: number of processes.
        begin: first frame of the first stretch.
        every: a stretch but the last ends with a frame whose number is a multiple of this.
    """
    rest = 0 if frames is None else frames - begin
    count = min(jobs * max(1, -(-rest // (jobs * MAX_FRAMES))), rest // MIN_FRAMES) if jobs > 1 else 1
    if frames is None or count < 2:
        return [Stretch(0, begin, begin, None)]
    cuts = [begin, *((begin + round(i * rest / count) - 1) // every * every + 1 for i in range(1, count))]
    early = 1 + max(1, round(WARM_S * fps / every)) * every
    stops = [*cuts[1:], None]
    return [Stretch(i, max(0, a - early) if i else a, a, b) for i, (a, b) in enumerate(zip(cuts, stops, strict=True))]


def joins(track: GrowingTrack, found: Found, others: int) -> bool:
    """Whether a stretch goes on with the person that a track ends with.

    Either both see the same body in the last frame of the track, or nobody sees one there, and the person of the track
    has been gone for so long that appearance alone tells.

    Args:
        track: ends with the frame before the first of the stretch.
        found: the stretch.
        others: how many other people were seen so far; if some were, the stretch must have kept them apart.
    """
    last, early = len(track) - 1, found.early
    if last + 1 != found.stretch.first or not 0 < early < len(found.times_s) or (others and not found.sought.others):
        return False
    if found.times_s[early - 1] != track.times_s[last] or found.times_s[early] <= track.times_s[last]:
        return False
    mine, theirs = track.person(last), GrowingTrack.of(found.times_s, found.rows).person(early - 1)
    if mine is not None and theirs is not None:
        return distance(mine.keypoints_px, theirs.keypoints_px) < SAME_BODY
    seen = np.flatnonzero(track.seen)
    gone = not len(seen) or track.times_s[last] - track.times_s[seen[-1]] > GONE_S
    return mine is None and gone and bool(np.isnan(found.rows[:early, 0, 2]).all())
