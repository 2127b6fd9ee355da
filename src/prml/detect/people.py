"""Choose the most prominent person of a clip and recognise them in later frames."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from prml.detect.base import Detection
from prml.filters.tracks import gate
from prml.skeleton import Skeleton

Array = np.ndarray
SIZE_RATIO = 2.2
LOOK_BINS, LOOK_LEAST = 6, 0.5
MAX_TILES = 8  # tiles along the longer side of an image, not counting overlap


def extent(points: Float[Array, "J 2"]) -> tuple[Float[Array, " 2"], float]:
    """Return the centre and larger side, in pixels, of the box around a person's joints."""
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float(max((high - low).max(), 1.0))


def distance(a: Float[Array, "J 2"], b: Float[Array, "J 2"]) -> float:
    """Return the median distance between the joints of two detections, in sizes of the larger person."""
    return float(np.median(np.linalg.norm(a - b, axis=-1))) / max(extent(a)[1], extent(b)[1])


def distinct(people: Iterable[Detection]) -> list[Detection]:
    """Remove duplicate detections; the most confident come first."""
    kept: list[Detection] = []
    for one in sorted(people, key=lambda d: -float(d.confidence.mean())):
        if all(distance(one.keypoints_px, other.keypoints_px) > 0.25 for other in kept):
            kept.append(one)
    return kept


def tiles(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Return the whole image, then squares that overlap by half, coarse to fine: x, y, width, height.

    A detector shrinks its input and misses people who are small in it. In very elongated images the squares are clipped
    to the short side, so that there are never many.
    """
    boxes = [(0, 0, width, height)]
    min_side = -(-max(width, height) // MAX_TILES)
    for side in (min(width, height), round(0.55 * min(width, height))):
        side = max(side, min_side)
        for y in _starts(height, side):
            boxes += [(x, y, min(side, width), min(side, height)) for x in _starts(width, side)]
    return list(dict.fromkeys(boxes))


def _starts(length: int, side: int) -> list[int]:
    count = 1 if side >= length else int(np.ceil((length - side) / (side / 2))) + 1
    return [round(v) for v in np.linspace(0, max(length - side, 0), count)]


@dataclass
class Track:
    """Detections of one person in a few frames.

    Attributes:
        times_s: times of the frames.
        people: one detection per time.
    """

    times_s: list[float] = field(default_factory=list)
    people: list[Detection] = field(default_factory=list)

    def prominence(self, width: int, height: int) -> float:
        """Return the sum over detections of area x centrality x confidence.

        It is high for a person who is large, central, detected with confidence and present for long.
        """
        total = 0.0
        for person in self.people:
            centre, size = extent(person.keypoints_px)
            off = np.linalg.norm((centre - (width / 2, height / 2)) / (width / 2, height / 2))
            total += size**2 / (width * height) * float(np.exp(-(off**2) / 2)) * float(person.confidence.mean())
        return total


def link(found: Sequence[tuple[float, Sequence[Detection]]]) -> list[Track]:
    """Link detections in a few frames to tracks, greedily, nearest first, within the gate."""
    tracks: list[Track] = []
    for time_s, people in found:
        pairs = sorted(
            (distance(t.people[-1].keypoints_px, p.keypoints_px), i, j)
            for i, t in enumerate(tracks)
            for j, p in enumerate(people)
        )
        used: tuple[set[int], set[int]] = (set(), set())
        for apart, i, j in pairs:
            if i in used[0] or j in used[1] or apart > gate(time_s - tracks[i].times_s[-1]):
                continue
            tracks[i].times_s.append(time_s)
            tracks[i].people.append(people[j])
            used[0].add(i)
            used[1].add(j)
        tracks += [Track([time_s], [p]) for j, p in enumerate(people) if j not in used[1]]
    return tracks


def look(image: UInt8[Array, "H W 3"], person: Detection, skeleton: Skeleton) -> Float[Array, " bins"] | None:
    """Return the colour histogram of the trunk (brightness, two colour differences), sum one; None if out of view."""
    trunk = person.keypoints_px[[skeleton.index(j) for j in ("LShoulder", "RShoulder", "LHip", "RHip")]]
    centre, (width, height) = trunk.mean(axis=0), np.ptp(trunk, axis=0)
    half = np.maximum(np.array([0.35 * max(width, height / 3), 0.4 * height]), 2.0)
    x0, y0 = np.maximum(centre - half, 0).astype(int)
    x1, y1 = np.maximum(centre + half, 0).astype(int)
    patch = image[y0:y1, x0:x1].reshape(-1, 3)[::3].astype(np.float32)
    if len(patch) < 8:
        return None
    red, green, blue = patch.T / 256
    channels = [(red + green + blue) / 3, 0.5 + (red - green), 0.5 + (blue - green)]
    counts, _ = np.histogramdd(np.stack(channels, -1).clip(0, 0.999), bins=LOOK_BINS, range=[(0, 1)] * 3)
    return np.asarray(counts.ravel() / max(counts.sum(), 1.0))


def alike(a: Float[Array, " bins"], b: Float[Array, " bins"]) -> float:
    """Return the overlap of two histograms, 0 to 1."""
    return float(np.minimum(a, b).sum())


class Identity:
    """Recognises the chosen person by position, size and the colours of the trunk.

    Args:
        skeleton: joint set of the detections.
        person: the first detection.
        time_s: its time.
    """

    def __init__(self, skeleton: Skeleton, person: Detection, time_s: float) -> None:
        self._skeleton = skeleton
        self.points, self.time_s = person.keypoints_px, time_s
        self._velocity = np.zeros(2)
        self._look: Array | None = None
        self._look_at_s = -np.inf

    def arrays(self) -> dict[str, Array]:
        """Return the state as arrays for :meth:`from_arrays`."""
        return {
            "points": self.points,
            "velocity": self._velocity,
            "look": np.zeros(0) if self._look is None else self._look,
            "seen_at_s": np.array([self.time_s, self._look_at_s]),
        }

    @classmethod
    def from_arrays(cls, skeleton: Skeleton, arrays: Mapping[str, Array]) -> "Identity":
        """Restore an identity from :meth:`arrays`."""
        time_s, look_at_s = map(float, arrays["seen_at_s"])
        identity = cls(skeleton, Detection(arrays["points"], np.ones(len(arrays["points"]))), time_s)
        identity._velocity, identity._look_at_s = arrays["velocity"], look_at_s
        identity._look = arrays["look"] if len(arrays["look"]) else None
        return identity

    @property
    def colours(self) -> Float[Array, " bins"] | None:
        """Histogram of the trunk's colours; None if it was never seen."""
        return self._look

    def expected(self, time_s: float) -> Float[Array, "J 2"]:
        """Predict the joints: constant velocity for at most a fifth of a second."""
        return self.points + self._velocity * min(max(time_s - self.time_s, 0.0), 0.2)

    def matches(self, person: Detection, time_s: float) -> bool:
        """Whether this can be the same person, by position and size."""
        size, other = extent(self.points)[1], extent(person.keypoints_px)[1]
        near = distance(self.expected(time_s), person.keypoints_px) <= gate(time_s - self.time_s)
        return bool(near and 1 / SIZE_RATIO <= other / size <= SIZE_RATIO)

    def pick(self, people: Sequence[Detection], time_s: float) -> Detection | None:
        """Return the nearest person who can be the same, or None."""
        fitting = [p for p in people if self.matches(p, time_s)]
        return min(fitting, key=lambda p: distance(self.expected(time_s), p.keypoints_px)) if fitting else None

    def recognise(self, image: UInt8[Array, "H W 3"], people: Sequence[Detection], time_s: float) -> Detection | None:
        """Find the person after a gap, by position and appearance.

        After a second, when position says little, appearance alone decides unless it is ambiguous.
        """
        scores = [(self._likeness(image, p), p) for p in people]
        known = [(s, p) for s, p in scores if s >= LOOK_LEAST]
        near = self.pick([p for _, p in known], time_s)
        if near is not None or time_s - self.time_s < 1.0 or not known:
            return near
        known.sort(key=lambda entry: -entry[0])
        doubtful = len(known) > 1 and known[1][0] > 0.8 * known[0][0]
        return None if doubtful else known[0][1]

    def _likeness(self, image: UInt8[Array, "H W 3"], person: Detection) -> float:
        seen = look(image, person, self._skeleton)
        return 1.0 if self._look is None else 0.0 if seen is None else alike(seen, self._look)

    def follow(
        self, image: UInt8[Array, "H W 3"], person: Detection, time_s: float, *, appearance: bool = True
    ) -> None:
        """Update position, velocity and, unless somebody else may be in the way, appearance from a new detection."""
        elapsed = time_s - self.time_s
        if elapsed > 0:
            step = np.median(person.keypoints_px - self.points, axis=0) / elapsed
            self._velocity = 0.5 * self._velocity + 0.5 * step if elapsed < 0.2 else np.zeros(2)
        self.points, self.time_s = person.keypoints_px, time_s
        if appearance and time_s - self._look_at_s >= 0.3:
            seen = look(image, person, self._skeleton)
            if seen is not None:
                self._look = seen if self._look is None else 0.8 * self._look + 0.2 * seen
                self._look_at_s = time_s
