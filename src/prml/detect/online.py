"""Find a person and follow them frame by frame, as the pictures of a camera come."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from prml.detect.base import Detection, Detector
from prml.detect.follow import SEARCH_EVERY_S, Follower, find_people
from prml.detect.people import Identity, Track
from prml.detect.watch import Watch

Array = np.ndarray
FORGET_S = 3.0  # somebody who is lost for longer may be replaced by another person


class OnlineFollower:
    """Follows the most prominent person; takes up another one when nobody was seen for ``FORGET_S``.

    Args:
        detector: finds people; it is not closed.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._follower: Follower | None = None
        self._watch: Watch | None = None
        self._seen_s = self._searched_s = -np.inf

    def __call__(self, image: UInt8[Array, "H W 3"], time_s: float) -> Detection | None:
        """Return the person in this image, or None; times must increase."""
        if self._watch is not None and self._follower is not None:
            person = self._watch(image, time_s)
            self._follower.events.clear()
            if person is None and time_s - self._seen_s > FORGET_S:
                self._follower = self._watch = None
        else:
            person = self._choose(image, time_s)
        if person is not None:
            self._seen_s = time_s
        return person

    def _choose(self, image: UInt8[Array, "H W 3"], time_s: float) -> Detection | None:
        """Look for anybody in the whole image, now and then also for people who are small in it."""
        found = self._prominent(self._detector(image, time_s), image)
        if found is None and time_s - self._searched_s >= SEARCH_EVERY_S:
            self._searched_s = time_s
            found = self._prominent(find_people(self._detector, image), image)
        if found is not None:
            self._follower = Follower(self._detector, Identity(self._detector.skeleton, found, time_s))
            self._watch = Watch(self._follower, self._detector)
        return found

    def _prominent(self, people: Sequence[Detection], image: Array) -> Detection | None:
        height, width = image.shape[:2]
        return max(people, key=lambda one: Track([0.0], [one]).prominence(width, height), default=None)
