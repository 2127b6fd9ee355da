"""One of several people who are followed: the last sight, the speed, and what was seen so far."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from prml.detect.base import Detection, Detector
from prml.detect.ownership import trunk
from prml.detect.people import SIZE_RATIO, Identity, distance, extent
from prml.filters.tracks import gate
from prml.sequence import Event
from prml.skeleton import Skeleton

Array = np.ndarray
Box = tuple[int, int, int, int]
PREDICT_S = 1.0  # for how long a hidden person is expected to walk on
LOST_GATE, LOST_GATE_PER_S = 0.4, 0.6  # how far from there somebody is recognised, in person sizes
FORGET_S, SHORT = 10.0, 8  # somebody who was lost for so long, and seen in fewer frames, is forgotten


@dataclass
class Followed:
    """One person of a crowd.

    Attributes:
        number: stable number, by order of appearance.
        identity: last sight and colours.
        first: frame of the first row.
        detector: follows the person; None while the person is lost.
        part: part of the image that the detector is given.
        rows: (J, 3) x, y, confidence per frame since ``first``; None in gaps. Gaps at the end are left out.
        prominence: sum over frames of area x centrality x confidence.
        seen: number of frames in which the person was seen.
        lost: whether the person is not followed at the moment.
        near: frames in which somebody else's box touches the person's.
        events: what happened.
        trail: times and places of the trunk.
        trunk_px: length of the trunk when it is not foreshortened.
        doubt_since_s: time since which all sights were refused.
        doubt: why the last sight was refused.
        searched_s: time of the last search for the person.
        recorded: whether rows are recorded.
    """

    number: int
    identity: Identity
    first: int
    detector: Detector | None = None
    part: Box | None = None
    rows: list[Array | None] = field(default_factory=list)
    prominence: float = 0.0
    seen: int = 0
    lost: bool = False
    near: set[int] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    trail: deque[tuple[float, Array]] = field(default_factory=lambda: deque(maxlen=64))
    trunk_px: float = 0.0
    doubt_since_s: float | None = None
    doubt: str = ""
    searched_s: float = -np.inf
    recorded: bool = True

    def away_s(self, time_s: float) -> float:
        """Return the time since the last sight."""
        return time_s - self.identity.time_s

    def expected(self, time_s: float) -> Float[Array, "J 2"]:
        """Predict the joints: the last sight, moved on at the speed of the last half second."""
        return self.identity.points + self._speed() * min(max(self.away_s(time_s), 0.0), PREDICT_S)

    def _speed(self) -> Float[Array, "2"]:
        """Return the median speed of the trunk over the last half second, pixels/s."""
        recent = [(t, place) for t, place in self.trail if self.identity.time_s - t <= 0.5]
        if len(recent) < 3:
            return np.zeros(2)
        times, places = np.array([t for t, _ in recent]), np.array([place for _, place in recent])
        half = len(times) // 2
        steps = (places[half:] - places[: len(times) - half]) / (times[half:] - times[: len(times) - half])[:, None]
        return np.asarray(np.median(steps, axis=0))

    def cost(self, person: Detection, time_s: float) -> float:
        """Return how badly a detection fits, 0 to about 1; infinite if it cannot be the same person."""
        elapsed = self.away_s(time_s)
        size, other = extent(self.identity.points)[1], extent(person.keypoints_px)[1]
        apart = distance(self.expected(time_s), person.keypoints_px)
        allowed = min(gate(elapsed), LOST_GATE + LOST_GATE_PER_S * elapsed)
        if apart > allowed or not 1 / SIZE_RATIO <= other / size <= SIZE_RATIO:
            return float("inf")
        return apart + 0.3 * abs(float(np.log(other / size)))

    def add(
        self,
        person: Detection,
        frame: int,
        time_s: float,
        skeleton: Skeleton,
        image_size: tuple[int, int],
        sound: bool = True,
    ) -> None:
        """Record a sight, with a row if it is sound; the identity is updated by the caller, who has the image."""
        joints = [skeleton.index(side + joint) for side in "LR" for joint in ("Shoulder", "Hip")]
        self.trail.append((time_s, person.keypoints_px[joints].mean(axis=0)))
        self.trunk_px = max(trunk(person.keypoints_px, skeleton), 0.995 * self.trunk_px)
        if self.recorded and sound:
            self.rows += [None] * (frame - self.first - len(self.rows))
            self.rows.append(np.column_stack([person.keypoints_px, person.confidence]).astype(np.float32))
        self.seen += 1
        self.prominence += _prominence(person, *image_size)

    def forgotten(self, time_s: float) -> bool:
        """Whether the person was hardly seen and will not be missed."""
        return self.lost and self.away_s(time_s) > FORGET_S and self.seen < SHORT


def _prominence(person: Detection, width: int, height: int) -> float:
    centre, size = extent(person.keypoints_px)
    off = np.linalg.norm((centre - (width / 2, height / 2)) / (width / 2, height / 2))
    return size**2 / (width * height) * float(np.exp(-(off**2) / 2)) * float(person.confidence.mean())
