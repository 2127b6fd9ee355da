"""Follow several people at once: a detector per person, and one assignment of what all of them see."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from prml.detect.base import Detection, Detector
from prml.detect.follow import find_people, fits, part_around
from prml.detect.followed import Followed
from prml.detect.ownership import (
    CLOSE,
    HIDDEN,
    SAME_BODY,
    STILL_CLOSE,
    TOO_CLOSE,
    TOO_LONG,
    TWO_BODIES,
    assign,
    inside,
    overlap,
    shared_limbs,
    stray_limbs,
    too_close,
    too_long,
)
from prml.detect.people import Identity, alike, distance, distinct, extent, look
from prml.sequence import Event

Array = np.ndarray
MAX_FOLLOWED = 12  # people who are followed at the same time; each takes a detector of about 80 MB
SEARCH_S, LOST_SEARCH_S = 1.0, 0.2  # between searches of the image, and for somebody who was lost
LOST_AFTER_S = 0.15
SEARCHED_S = 3.0  # somebody who was lost for longer is only found by the searches of the whole image
NEW_APART = 0.3  # a new person is at least this far from everybody who is seen, in person sizes
MAYBE = 0.5  # nobody new is taken up so near to where somebody was just lost, in person sizes
MIN_SURE = 0.4  # mean confidence of a new person
GONE_S = 1.0  # for how long somebody who is not seen may still be where expected
STRAY_S = 0.2  # limbs are expected no farther away after a longer gap
CUT_S = 0.3  # a track in doubt for longer is given up
PLACED_S = 1.5  # somebody who was lost for longer is recognised by colours, not by place
MISTAKEN = 0.3  # overlap of the colours of a person and of the body that is followed, which is then another's
ALIKE, TWIN = 0.5, 0.8  # overlap of the colours of one person; and, relative to it, that makes another a twin
SCENE_CHANGE = 28.0  # mean change of the picture, in grey levels, that is a cut
COMPANION = 0.3  # how near somebody else is followed to keep limbs apart, in person sizes

Pair = tuple[Followed, Detection]


@dataclass(frozen=True)
class Sighting:
    """A detection, and the number of the person whose detector made it; None from a search."""

    person: Detection
    by: int | None


class Searching:
    """A detector for one more person that shares another detector's model, and does not remember earlier images."""

    def __init__(self, detector: Detector) -> None:
        self._detector, self.skeleton, self.name = detector, detector.skeleton, detector.name

    def __call__(self, image: UInt8[Array, "H W 3"], time_s: float) -> Sequence[Detection]:
        """Return the people in an image."""
        return self._detector.search(image)

    def search(self, image: UInt8[Array, "H W 3"]) -> Sequence[Detection]:
        """Return the people in an image."""
        return self._detector.search(image)

    def reset(self) -> None:
        """Nothing is remembered."""

    def close(self) -> None:
        """The other detector stays open."""


class Crowd:
    """Follows people through consecutive frames.

    Args:
        open_detector: opens a detector; called once per person who is followed at the same time, and not closed here.
        limit: how many are followed at the same time.
        target: the one person who is wanted: others are followed only beside this one, to tell limbs apart. None
            follows everybody.
    """

    def __init__(
        self, open_detector: Callable[[], Detector], limit: int = MAX_FOLLOWED, target: Followed | None = None
    ) -> None:
        self._open, self._limit, self._target = open_detector, limit, target
        self._free: list[Detector] = []
        self.people: list[Followed] = [] if target is None else [target]
        self.searcher = open_detector() if target is None or target.detector is None else target.detector
        if target is None or target.detector is None:
            self._free.append(self.searcher)
        self.skeleton = self.searcher.skeleton
        self.count = len(self.people)  # people who were ever seen
        self._searched_s = -np.inf
        self._small: Array | None = None
        self.frame = -1

    def __call__(self, image: UInt8[Array, "H W 3"], time_s: float) -> dict[int, Detection]:
        """Return who is seen in this frame, by number."""
        self.frame += 1
        if self._is_cut(image):
            self._forget_places(time_s)
        sightings = [*self._asked(image, time_s), *self._searched(image, time_s)]
        found = self._recognised(image, time_s, sightings)
        found = self._without_hidden(found, time_s)
        found = self._without_doubtful(found, time_s)
        self._update(image, time_s, found)
        return {one.number: person for one, person in found if one.doubt_since_s is None}

    # ------------------------------------------------------------------ looking
    def _asked(self, image: Array, time_s: float) -> list[Sighting]:
        """What the detectors of the people who are followed see, each around its person."""
        sightings = []
        height, width = image.shape[:2]
        for one in self.people:
            if one.detector is None or one.lost or not self._matters(one.expected(time_s), time_s, one):
                continue
            if one.part is None or not fits(one.part, one.identity.points, width, height):
                one.part = part_around(one.identity.points, width, height)
            crop = self._crop(image, one, one.part, time_s)
            x, y, _, _ = one.part
            people = one.detector(crop, time_s)
            sightings += [Sighting(Detection(p.keypoints_px + (x, y), p.confidence), one.number) for p in people]
        return sightings

    def _crop(self, image: Array, one: Followed, part: tuple[int, int, int, int], time_s: float) -> Array:
        """The part of the image around a person, with others painted over."""
        x, y, w, h = part
        others = [o.expected(time_s) - (x, y) for o in self.people if o is not one and o.away_s(time_s) < 0.5]
        return hide_others(image[y : y + h, x : x + w], one.expected(time_s) - (x, y), others)

    def _matters(self, points: Array, time_s: float, one: Followed | None = None) -> bool:
        """Whether somebody is to be followed: everybody, or the target and who is beside the target."""
        if self._target is None or one is self._target:
            return True
        wanted = self._target.expected(time_s)
        return overlap(points, wanted, COMPANION)

    def _searched(self, image: Array, time_s: float) -> list[Sighting]:
        """Who is found in the image, or where somebody was lost, if a search is due."""
        found: list[Detection] = []
        if time_s - self._searched_s >= SEARCH_S:
            self._searched_s = time_s
            found = self._search_all(image, time_s)
        for one in self.people:
            if not one.lost or one.away_s(time_s) > SEARCHED_S or time_s - one.searched_s < LOST_SEARCH_S:
                continue
            if not self._matters(one.expected(time_s), time_s, one):
                continue
            one.searched_s = time_s
            part = part_around(one.expected(time_s), image.shape[1], image.shape[0])
            people = self.searcher.search(self._crop(image, one, part, time_s))
            found += [Detection(p.keypoints_px + part[:2], p.confidence) for p in people]
        return [Sighting(person, None) for person in distinct(found)]

    def _search_all(self, image: Array, time_s: float) -> list[Detection]:
        """Search the whole image, or the surroundings of a target in view."""
        if self._target is not None and not self._target.lost:
            x, y, w, h = part_around(self._target.expected(time_s), image.shape[1], image.shape[0])
            people = self.searcher.search(image[y : y + h, x : x + w])
            return [Detection(p.keypoints_px + (x, y), p.confidence) for p in people]
        if self._target is not None:
            return find_people(self.searcher, image)
        return find_people(self.searcher, image, max(sum(not one.lost for one in self.people) + 1, 2), levels=2)

    def _is_cut(self, image: Array) -> bool:
        small = image[::16, ::16].astype(np.float32).mean(axis=-1)
        before, self._small = self._small, small
        return before is not None and before.shape == small.shape and bool(np.abs(small - before).mean() > SCENE_CHANGE)

    def _forget_places(self, time_s: float) -> None:
        """After a cut, people are recognised by their colours only."""
        for one in self.people:
            self._lose(one, time_s, "the picture changed")
            one.trail.clear()
            one.identity.time_s = min(one.identity.time_s, time_s - PLACED_S - 0.01)
        self._searched_s = -np.inf

    # ------------------------------------------------------------------ who is who
    def _recognised(self, image: Array, time_s: float, sightings: Sequence[Sighting]) -> list[Pair]:
        """Assign detections at the least total cost; then recognise who returns, and add new people."""
        candidates = [one for one in self.people if one.away_s(time_s) < PLACED_S]
        cost = np.array([[_cost(one, s, time_s) for s in sightings] for one in candidates])
        matched = [(candidates[i], sightings[j]) for i, j in assign(cost.reshape(len(candidates), len(sightings)))]
        pairs = [(one, s.person) for one, s in matched if not one.lost or self._looks_like(image, one, s.person)]
        pairs = [(self._rightful(image, one, person, time_s), person) for one, person in pairs]
        for sighting in sightings:
            seen = [person for _, person in pairs]
            if sighting.by is not None or not self._is_new(sighting.person, seen):
                continue
            known = self._returned(image, sighting.person, time_s, [one for one, _ in pairs])
            if known is None and self._may_be_lost(sighting.person, time_s):
                continue
            if known is None and sum(not one.lost for one in self.people) < self._limit:
                known = self._added(sighting.person, time_s)
            if known is not None:
                pairs.append((known, sighting.person))
        return pairs

    def _rightful(self, image: Array, one: Followed, person: Detection, time_s: float) -> Followed:
        """Return whose body it is: somebody else's who was just lost, if it has their colours and not this one's."""
        lost = [o for o in self.people if o.lost and o is not one and np.isfinite(o.cost(person, time_s))]
        known = one.identity.colours
        colours = look(image, person, self.skeleton) if lost and known is not None else None
        if colours is None or known is None or alike(colours, known) >= MISTAKEN:
            return one
        scores = [(alike(colours, o.identity.colours), o.number, o) for o in lost if o.identity.colours is not None]
        score, _, other = max(scores, default=(0.0, 0, one))
        if score < ALIKE:
            return one
        self._lose(one, time_s, "lost")
        return other

    def _looks_like(self, image: Array, one: Followed, person: Detection) -> bool:
        colours, known = look(image, person, self.skeleton), one.identity.colours
        return known is None or colours is None or alike(colours, known) >= ALIKE

    def _is_new(self, person: Detection, seen: Sequence[Detection]) -> bool:
        """Whether a detection from a search is a whole body, of nobody who is already seen in this frame."""
        points = person.keypoints_px
        if person.confidence.mean() < MIN_SURE or too_long(points, 0.0, self.skeleton):
            return False
        return not any(
            other is person
            or distance(other.keypoints_px, points) < NEW_APART
            or shared_limbs(points, other.keypoints_px, self.skeleton).sum() >= 2
            for other in seen
        )

    def _may_be_lost(self, person: Detection, time_s: float) -> bool:
        """Whether it may be somebody who was lost here a moment ago, half hidden so that the colours do not tell."""
        return any(
            one.lost and one.away_s(time_s) < PLACED_S and distance(one.expected(time_s), person.keypoints_px) < MAYBE
            for one in self.people
        )

    def _returned(self, image: Array, person: Detection, time_s: float, seen: Sequence[Followed]) -> Followed | None:
        """Return who has come back, by the colours of the trunk; None if nobody, or if it could be somebody else."""
        colours = look(image, person, self.skeleton)
        if colours is None:
            return None
        scores = [
            (alike(colours, one.identity.colours), one)
            for one in self.people
            if one.identity.colours is not None and (one in seen or (one.lost and one.away_s(time_s) >= 1.0))
        ]
        scores.sort(key=lambda entry: -entry[0])
        if not scores or scores[0][0] < ALIKE or scores[0][1] in seen:
            return None
        doubtful = len(scores) > 1 and scores[1][0] > TWIN * scores[0][0]
        return None if doubtful else scores[0][1]

    def _added(self, person: Detection, time_s: float) -> Followed | None:
        if not self._matters(person.keypoints_px, time_s):
            return None
        identity = Identity(self.skeleton, person, time_s)
        one = Followed(self.count, identity, self.frame, recorded=self._target is None)
        self.count += 1
        self.people.append(one)
        return one

    # ------------------------------------------------------------------ doubts
    def _without_hidden(self, found: list[Pair], time_s: float) -> list[Pair]:
        """Where two people have the same body, it belongs to the one it fits better; the other is hidden."""
        kept: list[Pair] = []
        for one, person in sorted(found, key=lambda pair: pair[0].cost(pair[1], time_s)):
            if any(distance(person.keypoints_px, body.keypoints_px) < SAME_BODY for _, body in kept):
                self._doubt(one, time_s, HIDDEN)
                self._lose(one, time_s, "lost")
            else:
                kept.append((one, person))
        return kept

    def _without_doubtful(self, found: list[Pair], time_s: float) -> list[Pair]:
        """Drop detections whose limbs do not fit one body; people who are too close are followed, but not returned."""
        kept: list[Pair] = []
        for one, person in found:
            others = [pair for pair in found if pair[0] is not one]
            if reason := self._reason(one, person, others, time_s):
                self._doubt(one, time_s, reason)
            else:
                one.doubt_since_s, one.doubt = None, ""
            if reason in ("", TOO_CLOSE):
                kept.append((one, person))
        return kept

    def _reason(self, one: Followed, person: Detection, others: Sequence[Pair], time_s: float) -> str:
        """Why a detection is refused, as somebody else is near; "" if it is not."""
        points = person.keypoints_px
        near = [(other, body.keypoints_px) for other, body in others if overlap(points, body.keypoints_px)]
        seen = [other for other, _ in others]
        gone = [o for o in self.people if o is not one and o not in seen and o.away_s(time_s) < GONE_S]
        bodies = [body for _, body in near]
        bodies += [o.expected(time_s) for o in gone if overlap(points, o.expected(time_s))]
        if not bodies:
            return ""
        one.near.add(self.frame)
        margins = [STILL_CLOSE if one.doubt == TOO_CLOSE else CLOSE] * len(near)
        margins += [STILL_CLOSE] * (len(bodies) - len(near))
        if any(too_close(points, body, self.skeleton, m) for body, m in zip(bodies, margins, strict=True)):
            return TOO_CLOSE
        if too_long(points, 0.85 * one.trunk_px, self.skeleton):
            return TOO_LONG
        if one.lost and any(inside(points, body, self.skeleton).any() for body in bodies):
            return TOO_CLOSE  # nothing tells whose limbs they are before the body has been followed again
        if one.seen < 3 or one.lost:
            return ""
        elapsed = min(one.away_s(time_s), STRAY_S if one.doubt_since_s is None else STRAY_S / 3)
        stray = stray_limbs(points, one.expected(time_s), elapsed, self.skeleton)
        if any((stray & inside(points, body, self.skeleton)).any() for body in bodies):
            return TWO_BODIES
        for other, body in near:
            shared = shared_limbs(points, body, self.skeleton).sum()
            if shared and one.doubt_since_s is not None:  # a limb that was another's a moment ago still is
                return TWO_BODIES
            if shared >= 2 and one.cost(person, time_s) > other.cost(Detection(body, person.confidence), time_s):
                return TWO_BODIES
        return ""

    def _doubt(self, one: Followed, time_s: float, reason: str) -> None:
        one.near.add(self.frame)
        one.doubt = reason
        if one.doubt_since_s is None:
            one.events.append(Event(time_s, reason))
            one.doubt_since_s = time_s
        elif reason != TOO_CLOSE and time_s - one.doubt_since_s > CUT_S:
            self._lose(one, time_s, "lost")

    # ------------------------------------------------------------------ state
    def _lose(self, one: Followed, time_s: float, kind: str) -> None:
        if one.lost:
            return
        one.lost, one.part = True, None
        one.events.append(Event(time_s, kind))
        if one.detector is not None:
            one.detector.reset()
        if one.detector is not None and one is not self._target:
            self._free.append(one.detector)
            one.detector = None

    def _update(self, image: Array, time_s: float, found: Sequence[Pair]) -> None:
        size = (image.shape[1], image.shape[0])
        for one, person in found:
            if one.lost:
                one.events.append(Event(time_s, "found again"))
                one.lost = False
            if one.detector is None:
                one.detector = self._free.pop() if self._free else self._open()
            one.identity.follow(image, person, time_s, appearance=one.doubt_since_s is None)
            one.add(person, self.frame, time_s, self.skeleton, size, one.doubt_since_s is None)
        for one in self.people:
            if not one.lost and one.away_s(time_s) > LOST_AFTER_S:
                self._lose(one, time_s, "lost")
        self.people = [one for one in self.people if one is self._target or not one.forgotten(time_s)]


def _cost(one: Followed, sighting: Sighting, time_s: float) -> float:
    """Cost of a pair; a person's own detector, which is smooth, is preferred to a search."""
    return one.cost(sighting.person, time_s) + (0.0 if sighting.by == one.number else 0.05)


def hide_others(
    crop: UInt8[Array, "h w 3"], own: Float[Array, "J 2"], others: Sequence[Float[Array, "J 2"]]
) -> UInt8[Array, "h w 3"]:
    """Paint over the parts of other people's boxes that lie outside a person's own, so that only one is found.

    Args:
        crop: part of the image; it is not changed.
        own: where the person is expected, pixels of the crop.
        others: where others are expected.
    """
    height, width = crop.shape[:2]
    room = 0.12 * extent(own)[1]
    x0, y0 = np.maximum(own.min(axis=0) - room, 0).astype(int)
    x1, y1 = np.maximum(own.max(axis=0) + room, 0).astype(int)
    painted = crop
    for points in others:
        room = 0.06 * extent(points)[1]
        a0, b0 = np.clip(points.min(axis=0) - room, 0, (width, height)).astype(int)
        a1, b1 = np.clip(points.max(axis=0) + room, 0, (width, height)).astype(int)
        if a1 <= a0 or b1 <= b0:
            continue
        painted = crop.copy() if painted is crop else painted
        painted[b0:b1, a0:a1] = crop[:: max(height // 16, 1), :: max(width // 16, 1)].reshape(-1, 3).mean(axis=0)
    if painted is not crop:
        painted[y0:y1, x0:x1] = crop[y0:y1, x0:x1]
    return painted
