"""The 2D track of one person while it grows, and what it takes to go on with one that was interrupted."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float

from prml.detect.base import Detection
from prml.sequence import Event

Array = np.ndarray
# A detector that starts in the middle of a video needs some frames until it follows as if it had never stopped.
WARM_S, _EVERY_S = 2.0, 0.5
_FIRST = 256  # frames to have room for


class GrowingTrack:
    """Frame times, joints and confidence of one person in flat arrays that grow by doubling.

    Args:
        joints: J.
    """

    def __init__(self, joints: int) -> None:
        self._times, self._rows = np.empty(_FIRST), np.empty((_FIRST, joints, 3))
        self._count = 0

    @classmethod
    def of(cls, times_s: Float[Array, " T"], rows: Float[Array, "T J 3"]) -> "GrowingTrack":
        """A track of what :attr:`times_s` and :attr:`rows` gave."""
        track = cls(rows.shape[1])
        track._times, track._rows, track._count = times_s, rows, len(times_s)
        return track

    def __len__(self) -> int:
        return self._count

    def append(self, time_s: float, person: Detection | None) -> None:
        """The next frame: its time, and the person if seen."""
        if self._count == len(self._times):
            more = max(_FIRST, self._count)
            self._times = np.concatenate([self._times, np.empty(more)])
            self._rows = np.concatenate([self._rows, np.empty((more, *self._rows.shape[1:]))])
        self._times[self._count] = time_s
        row = self._rows[self._count]
        if person is None:
            row[:] = np.nan
        else:
            row[:, :2], row[:, 2] = person.keypoints_px, person.confidence
        self._count += 1

    @property
    def times_s(self) -> Float[Array, " T"]:
        """(T,) seconds."""
        return self._times[: self._count]

    @property
    def rows(self) -> Float[Array, "T J 3"]:
        """(T, J, 3) x, y in pixels and confidence; NaN where the person was not seen."""
        return self._rows[: self._count]

    @property
    def seen(self) -> Bool[Array, " T"]:
        """(T,) whether the person was seen."""
        return np.asarray(~np.isnan(self.rows[:, 0, 2]))

    def person(self, frame: int) -> Detection | None:
        """The person in a frame."""
        row = self.rows[frame]
        return None if np.isnan(row[0, 2]) else Detection(row[:, :2].copy(), row[:, 2].copy())


@dataclass(frozen=True)
class Unfinished:
    """A track that was interrupted.

    Attributes:
        track: what was seen so far.
        events: what happened so far.
        scale: of the images that the detector was shown.
        frame: where the detector starts again, before the end of ``track``.
        state: of the follower at that frame, before it saw it; see ``Follower.arrays``.
        complete: whether the video was seen to its end.
    """

    track: GrowingTrack
    events: Sequence[Event]
    scale: float
    frame: int
    state: Mapping[str, Array]
    complete: bool = False


class TrackKeeper(Protocol):
    """Keeps a track that grows, so that an interruption does not lose it."""

    def load(self) -> Unfinished | None:
        """What an earlier run left of the same input under the same settings."""
        ...

    def due(self) -> bool:
        """Whether it is time to save again."""
        ...

    def save(self, unfinished: Unfinished) -> None:
        """Replace what is kept."""
        ...


@dataclass
class Snapshots:
    """States of the follower in the last seconds of video."""

    kept: deque[tuple[float, int, Mapping[str, Array]]] = field(default_factory=deque)

    def due(self, time_s: float) -> bool:
        """Whether a state should be added before the frame at ``time_s``."""
        return not self.kept or time_s >= self.kept[-1][0] + _EVERY_S

    def add(self, time_s: float, frame: int, state: Mapping[str, Array]) -> None:
        """A state before a frame; all that are older than the newest one from ``WARM_S`` ago are dropped."""
        self.kept.append((time_s, frame, state))
        while len(self.kept) > 1 and self.kept[1][0] <= time_s - WARM_S:
            self.kept.popleft()

    @property
    def oldest(self) -> tuple[int, Mapping[str, Array]]:
        """Frame and state to start again from."""
        return self.kept[0][1:]
