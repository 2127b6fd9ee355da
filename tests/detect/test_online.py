"""Choosing and following a person as pictures come."""

import numpy as np

from prml.detect.base import Detection
from prml.detect.online import FORGET_S, OnlineFollower
from prml.skeleton import BLAZEPOSE33

IMAGE = np.zeros((480, 640, 3), np.uint8)
BODY = np.random.default_rng(0).uniform(0, 1, (33, 2)) * [0.4, 1.0]


class Scripted:
    """Finds the people of a script, which are (x, y, height) in pixels of the whole picture, and counts searches."""

    skeleton, name = BLAZEPOSE33, "scripted"

    def __init__(self):
        self.people, self.searches = [], 0

    def _found(self, image):
        full = image.shape == IMAGE.shape
        return [Detection(np.array([x, y]) + h * BODY, np.full(33, 0.9)) for x, y, h in self.people] if full else []

    def __call__(self, image, time_s):
        return self._found(image)[:1]

    def search(self, image):
        self.searches += 1
        return self._found(image)

    def reset(self):
        pass

    def close(self):
        pass


def test_who_is_there_is_found_at_once_without_a_search():
    detector = Scripted()
    detector.people = [(200, 100, 300)]
    follow = OnlineFollower(detector)
    assert follow(IMAGE, 0.0) is not None
    assert detector.searches == 0


def test_nobody_is_searched_for_twice_a_second_at_most():
    detector = Scripted()
    follow, times = OnlineFollower(detector), []
    for k in range(60):
        before = detector.searches
        assert follow(IMAGE, k / 30) is None
        if detector.searches > before:
            times.append(k / 30)
    assert times[0] == 0
    assert 3 <= len(times) <= 4
    assert np.diff(times).min() >= 0.5 - 1e-9


def test_another_person_is_taken_up_after_a_while_only():
    detector = Scripted()
    follow = OnlineFollower(detector)
    detector.people = [(20, 100, 300)]
    assert follow(IMAGE, 0.0) is not None
    detector.people = []
    for k in range(1, int(30 * FORGET_S) + 2):
        assert follow(IMAGE, k / 30) is None
    detector.people = [(500, 300, 120)]  # somebody else, elsewhere
    later = FORGET_S + 0.1
    found = follow(IMAGE, later)
    assert found is not None
    assert abs(np.median(found.keypoints_px[:, 0]) - 500) < 60
