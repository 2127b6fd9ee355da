"""Follow one person, and keep that person apart from others who come near, at no cost while nobody does."""

import numpy as np
from jaxtyping import UInt8

from prml.detect.base import Detection, Detector
from prml.detect.crowd import Crowd, Searching
from prml.detect.follow import Follower, part_around
from prml.detect.followed import Followed
from prml.detect.ownership import overlap, stray_limbs, too_long, trunk
from prml.detect.people import Identity, distance

Array = np.ndarray
SEEN = 10  # frames in which the person was seen before, at least
LOOK_S = 0.5  # at least between two looks for somebody else
APART = 0.25  # two detections farther apart are two people, in person sizes


class Watch:
    """Follows one person; once somebody else was seen, also whoever comes near, so that no limbs are mixed up.

    While nobody else was seen, a limb that jumps or is too long for one body is the sign to look for somebody else.

    Args:
        follower: follows the person.
        detector: its detector; others are found by its ``search``.
        others: how many other people were seen before.
    """

    def __init__(self, follower: Follower, detector: Detector, others: int = 0) -> None:
        self._follower, self._detector = follower, detector
        self._crowd: Crowd | None = None
        self._target: Followed | None = None
        self._others, self._looked_s, self._trunk_px = others, -np.inf, 0.0
        if others:
            self._start()

    @property
    def others(self) -> int:
        """How many other people were seen."""
        return max(self._others, 0 if self._crowd is None else self._crowd.count - 1)

    @property
    def near(self) -> bool:
        """Whether somebody else was near in the last frame."""
        return self._crowd is not None and self._target is not None and self._crowd.frame in self._target.near

    def __call__(self, image: UInt8[Array, "H W 3"], time_s: float) -> Detection | None:
        """Return the person in this frame, or None."""
        if self._crowd is None:
            before = self._follower.identity.arrays()
            person = self._follower(image, time_s)
            if person is None or not self._is_odd(before, person, time_s) or not self._meets(image, person, time_s):
                return person
            self._follower.identity = Identity.from_arrays(self._detector.skeleton, before)
            self._start()
        return self._in_crowd(image, time_s)

    def _in_crowd(self, image: Array, time_s: float) -> Detection | None:
        if self._crowd is None or self._target is None:
            return None
        self._target.near.clear()
        return self._crowd(image, time_s).get(self._target.number)

    def _start(self) -> None:
        identity = self._follower.identity
        self._target = Followed(0, identity, 0, self._detector, events=self._follower.events, recorded=False)
        self._target.trunk_px = self._trunk_px
        self._target.seen = SEEN
        self._crowd = Crowd(lambda: Searching(self._detector), target=self._target)

    def _is_odd(self, before: dict[str, Array], person: Detection, time_s: float) -> bool:
        """Whether a limb jumped, or is too long for one body."""
        skeleton, points = self._detector.skeleton, person.keypoints_px
        self._trunk_px = max(trunk(points, skeleton), 0.995 * self._trunk_px)
        if time_s - self._looked_s < LOOK_S:
            return False
        elapsed = time_s - float(before["seen_at_s"][0])
        stray = elapsed > 0 and bool(stray_limbs(points, before["points"], elapsed, skeleton).any())
        return stray or too_long(points, 0.85 * self._trunk_px, skeleton)

    def _meets(self, image: Array, person: Detection, time_s: float) -> bool:
        """Whether somebody else is near the person."""
        self._looked_s = time_s
        x, y, w, h = part_around(person.keypoints_px, image.shape[1], image.shape[0])
        for other in self._detector.search(image[y : y + h, x : x + w]):
            points = other.keypoints_px + (x, y)
            if distance(points, person.keypoints_px) > APART and overlap(person.keypoints_px, points):
                return True
        return False
