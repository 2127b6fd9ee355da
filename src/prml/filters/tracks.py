"""Link the people that were found in single frames to tracks; joints may be missing."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Array = np.ndarray
GATE, GATE_PER_S, GATE_MOST = 0.30, 2.5, 1.5  # in person sizes: allowed median joint movement
_MAX_WAITING = 64  # tracks that are kept open for somebody to be found again


@dataclass(frozen=True)
class Sight:
    """One person in one frame.

    Attributes:
        points_px: (J, 2) pixels; NaN for a joint that was not found.
        confidence: (J,) 0 to 1.
        identity: who it is by the program that found the person; None if it does not say.
    """

    points_px: Float[Array, "J 2"]
    confidence: Float[Array, " J"]
    identity: Hashable = None


@dataclass(frozen=True)
class Track:
    """One person through time.

    Attributes:
        frames: (N,) frames with the person, increasing.
        sights: one per frame.
        identity: as in the sights, or None.
    """

    frames: Int[Array, " N"]
    sights: tuple[Sight, ...]
    identity: Hashable = None

    def prominence(self, width: float, height: float) -> float:
        """Return the sum over frames of area x centrality x confidence, as detectors choose a person."""
        points = np.stack([sight.points_px for sight in self.sights])
        low, high = np.fmin.reduce(points, axis=1), np.fmax.reduce(points, axis=1)
        area = np.maximum((high - low).max(axis=1), 1.0) ** 2 / (width * height)
        off = np.linalg.norm(((low + high) / (width, height) - 1), axis=1)
        sure = np.array([sight.confidence.mean() for sight in self.sights])
        return float(np.nansum(area * np.exp(-(off**2) / 2) * sure))


def gate(elapsed_s: float) -> float:
    """Return how far, in person sizes, the joints of one person may move in ``elapsed_s`` seconds."""
    return min(GATE + GATE_PER_S * abs(elapsed_s), GATE_MOST)


def link(frames: Sequence[Sequence[Sight]], fps: float) -> list[Track]:
    """Link the people of all frames.

    Identities decide if every sight has one and no frame has one twice. If no frame has two people, all are one
    person. Otherwise the nearest are linked first, within :func:`gate`.
    """
    seen = [(frame, sight) for frame, sights in enumerate(frames) for sight in sights]
    if not seen:
        return []
    if _identified(frames):
        by_name: dict[Hashable, list[tuple[int, Sight]]] = {}
        for frame, sight in seen:
            by_name.setdefault(sight.identity, []).append((frame, sight))
        return [_track(found, name) for name, found in by_name.items()]
    if max(map(len, frames)) == 1:
        return [_track(seen)]
    return [_track(found) for found in _nearest(frames, fps)]


def _track(found: Sequence[tuple[int, Sight]], identity: Hashable = None) -> Track:
    return Track(np.array([frame for frame, _ in found]), tuple(sight for _, sight in found), identity)


def _identified(frames: Sequence[Sequence[Sight]]) -> bool:
    if any(sight.identity is None for sights in frames for sight in sights):
        return False
    return all(len({sight.identity for sight in sights}) == len(sights) for sights in frames)


def _nearest(frames: Sequence[Sequence[Sight]], fps: float) -> list[list[tuple[int, Sight]]]:
    closed: list[list[tuple[int, Sight]]] = []
    tracks: list[list[tuple[int, Sight]]] = []
    for frame, sights in enumerate(frames):
        used: set[int] = set()
        left = set(range(len(sights)))
        for apart, i, j in _pairs(tracks, sights):
            if i in used or j not in left or apart > gate((frame - tracks[i][-1][0]) / fps):
                continue
            tracks[i].append((frame, sights[j]))
            used.add(i)
            left.remove(j)
        tracks += [[(frame, sights[j])] for j in sorted(left)]
        if len(tracks) > _MAX_WAITING:
            tracks.sort(key=lambda track: -track[-1][0])
            closed += tracks[_MAX_WAITING:]
            del tracks[_MAX_WAITING:]
    return [*closed, *tracks]


def _pairs(tracks: Sequence[list[tuple[int, Sight]]], sights: Sequence[Sight]) -> list[tuple[float, int, int]]:
    """Return median joint distances in sizes of the larger person, with the indices of track and sight, sorted."""
    if not tracks or not sights:
        return []
    old = np.stack([track[-1][1].points_px for track in tracks])
    new = np.stack([sight.points_px for sight in sights])
    with np.errstate(invalid="ignore"):
        apart = np.linalg.norm(old[:, None] - new[None], axis=-1)
        unknown = np.isnan(apart).all(-1)
        median = np.nanmedian(np.where(unknown[..., None], np.inf, apart), axis=-1)
    size = np.maximum(_size(old)[:, None], _size(new)[None])
    return sorted((float(median[i, j] / size[i, j]), i, j) for i in range(len(old)) for j in range(len(new)))


def _size(points: Float[Array, "N J 2"]) -> Float[Array, " N"]:
    low, high = np.fmin.reduce(points, axis=1), np.fmax.reduce(points, axis=1)
    return np.asarray(np.maximum(np.nan_to_num((high - low).max(axis=1)), 1.0))
