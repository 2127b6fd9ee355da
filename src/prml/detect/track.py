"""The growing 2D track of one person, and the state needed to resume an interrupted one."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float

from prml.detect.base import Detection
from prml.sequence import Event

Array = np.ndarray
# A detector that restarts in the middle of a video needs this long to settle.
WARM_S, _EVERY_S = 2.0, 0.5
_FIRST = 256  # initial capacity in frames


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
        """Create a track from saved :attr:`times_s` and :attr:`rows`."""
        track = cls(rows.shape[1])
        track._times, track._rows, track._count = times_s, rows, len(times_s)
        return track

    def __len__(self) -> int:
        return self._count

    def append(self, time_s: float, person: Detection | None) -> None:
        """Append a frame: its time, and the person if seen."""
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
        """Return the person in a frame, or None."""
        row = self.rows[frame]
        return None if np.isnan(row[0, 2]) else Detection(row[:, :2].copy(), row[:, 2].copy())


@dataclass(frozen=True)
class Unfinished:
    """An interrupted track.

    Attributes:
        track: the track so far.
        events: the events so far.
        scale: scale of the images given to the detector.
        frame: frame where the detector restarts, before the end of ``track``.
        state: state of the follower just before that frame; see ``Follower.arrays``.
        complete: whether the whole video was processed.
    """

    track: GrowingTrack
    events: Sequence[Event]
    scale: float
    frame: int
    state: Mapping[str, Array]
    complete: bool = False


class TrackKeeper(Protocol):
    """Saves a growing track so that it survives an interruption."""

    def load(self) -> Unfinished | None:
        """Return the track that an earlier run with the same input and settings saved, or None."""
        ...

    def due(self) -> bool:
        """Whether it is time to save again."""
        ...

    def save(self, unfinished: Unfinished) -> None:
        """Save a track in place of the previous one."""
        ...


@dataclass
class Snapshots:
    """Recent states of the follower."""

    kept: deque[tuple[float, int, Mapping[str, Array]]] = field(default_factory=deque)

    def due(self, time_s: float) -> bool:
        """Whether a state should be added before the frame at ``time_s``."""
        return not self.kept or time_s >= self.kept[-1][0] + _EVERY_S

    def add(self, time_s: float, frame: int, state: Mapping[str, Array]) -> None:
        """Add the state before a frame; keep only the newest state that is at least ``WARM_S`` old and later ones."""
        self.kept.append((time_s, frame, state))
        while len(self.kept) > 1 and self.kept[1][0] <= time_s - WARM_S:
            self.kept.popleft()

    @property
    def oldest(self) -> tuple[int, Mapping[str, Array]]:
        """Frame and state to restart from."""
        return self.kept[0][1:]
