"""Follow one person through a video by running the detector on the part of the image around them."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, UInt8

from prml.detect.base import Detection, Detector
from prml.detect.people import Identity, distinct, extent, tiles
from prml.sequence import Event

Array = np.ndarray
ROOM = 1.9  # side of the crop, in person sizes
MARGIN = 0.12  # the crop is moved when the person comes this close to its edge, in person sizes
SEARCH_AFTER_S, SEARCH_EVERY_S = 0.15, 0.5


def find_people(
    detector: Detector, image: UInt8[Array, "H W 3"], enough: int = 1, levels: int | None = None
) -> list[Detection]:
    """Search the whole image, then smaller and smaller tiles of it, until ``enough`` people are found.

    ``levels`` limits the sizes of tiles that are tried, the whole image included.
    """
    found: list[Detection] = []
    side, level = 0, 0
    for x, y, width, height in tiles(image.shape[1], image.shape[0]):
        if side and width != side and len(found) >= enough:
            break
        level += width != side
        if levels is not None and level > levels:
            break
        side = width
        people = [_moved(p, x, y) for p in detector.search(image[y : y + height, x : x + width])]
        found += [p for p in people if not _cut(p, (x, y, width, height), image.shape[1], image.shape[0])]
    return distinct(found)


def _cut(person: Detection, part: tuple[int, int, int, int], width: int, height: int) -> bool:
    """Whether the edge of a tile cuts through the body, so that another tile shows the person better.

    Joints outside the whole image do not count, since no tile shows them.
    """
    x, y, w, h = part
    points = person.keypoints_px
    in_image = ((points >= 0) & (points <= (width, height))).all(axis=-1)
    in_part = ((points >= (x, y)) & (points <= (x + w, y + h))).all(axis=-1)
    return float(np.mean(in_image & ~in_part)) > 0.2


def _moved(person: Detection, x: float, y: float) -> Detection:
    return Detection(person.keypoints_px + (x, y), person.confidence)


class Follower:
    """Follows one person through consecutive frames.

    Args:
        detector: finds people in a crop of the image.
        identity: the person to follow.

    Attributes:
        identity: the person who is followed.
        events: what happened.
    """

    def __init__(self, detector: Detector, identity: Identity) -> None:
        self._detector, self.identity = detector, identity
        self._part: tuple[int, int, int, int] | None = None
        self._lost = False
        self._searched_s = -np.inf
        self.events: list[Event] = []

    def arrays(self) -> dict[str, Array]:
        """Return the state, except events, as arrays for :meth:`from_arrays`."""
        part = np.array(self._part or (), dtype=np.int64)
        told = np.array([float(self._lost), self._searched_s])
        return {**self.identity.arrays(), "part": part, "told": told}

    @classmethod
    def from_arrays(cls, detector: Detector, arrays: Mapping[str, Array]) -> "Follower":
        """Restore a follower from :meth:`arrays`; the state of the detector is not restored."""
        follower = cls(detector, Identity.from_arrays(detector.skeleton, arrays))
        x, y, width, height = (int(v) for v in arrays["part"]) if len(arrays["part"]) else (0, 0, 0, 0)
        follower._part = (x, y, width, height) if width else None
        follower._lost, follower._searched_s = bool(arrays["told"][0]), float(arrays["told"][1])
        return follower

    def __call__(self, image: UInt8[Array, "H W 3"], time_s: float) -> Detection | None:
        """Return the person in this frame, or None."""
        moved = self._place(image.shape[1], image.shape[0])
        person = self._look(image, time_s)
        if person is None and moved:  # the detector still tracked the person's position in the old crop
            person = self._look(image, time_s)
        if person is None:
            person = self._search(image, time_s)
        if person is None:
            self._tell(time_s, "lost", not self._lost)
            self._lost = True
            return None
        self._tell(time_s, "found again", self._lost)
        self._lost = False
        self.identity.follow(image, person, time_s)
        return person

    def _tell(self, time_s: float, kind: str, news: bool) -> None:
        if news:
            self.events.append(Event(time_s, kind))

    def _look(self, image: UInt8[Array, "H W 3"], time_s: float) -> Detection | None:
        x, y, width, height = self._part or (0, 0, image.shape[1], image.shape[0])
        people = [_moved(p, x, y) for p in self._detector(image[y : y + height, x : x + width], time_s)]
        if self._lost:  # after a gap, appearance must match too
            return self.identity.recognise(image, people, time_s)
        person = self.identity.pick(people, time_s)
        if people and person is None:
            self._tell(time_s, "somebody else ignored", True)
            self._detector.reset()
        return person

    def _search(self, image: UInt8[Array, "H W 3"], time_s: float) -> Detection | None:
        due = time_s - self.identity.time_s >= SEARCH_AFTER_S and time_s - self._searched_s >= SEARCH_EVERY_S
        if not due:
            return None
        self._searched_s = time_s
        person = self.identity.recognise(image, find_people(self._detector, image), time_s)
        if person is not None:
            self._part = part_around(person.keypoints_px, image.shape[1], image.shape[0])
            self._detector.reset()
        return person

    def _place(self, width: int, height: int) -> bool:
        """Move the crop if the person is near its edge or its size no longer fits; return whether it moved."""
        points = self.identity.points
        if self._part is not None and (self._lost or fits(self._part, points, width, height)):
            return False
        self._part = part_around(points, width, height)
        return True


def part_around(points: Float[Array, "J 2"], width: int, height: int) -> tuple[int, int, int, int]:
    """Return the square of ``ROOM`` person sizes around a person, clipped to the image: x, y, width, height."""
    centre, size = extent(points)
    low = np.clip(np.floor(centre - ROOM * size / 2), 0, (width - 2, height - 2)).astype(int)
    high = np.clip(np.ceil(centre + ROOM * size / 2), low + 2, (width, height)).astype(int)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def fits(part: tuple[int, int, int, int], points: Float[Array, "J 2"], width: int, height: int) -> bool:
    """Whether a person is large enough in a crop and away from its edges (edges of the image do not count)."""
    x, y, w, h = part
    _, size = extent(points)
    room = MARGIN * size
    low, high = points.min(axis=0), points.max(axis=0)
    inside = (
        (x == 0 or low[0] - x > room)
        and (y == 0 or low[1] - y > room)
        and (x + w >= width or x + w - high[0] > room)
        and (y + h >= height or y + h - high[1] > room)
    )
    return bool(inside and max(w, h) < 2.0 * ROOM * size)
