"""The right person is followed, and never anyone else."""

import numpy as np
import pytest

from fixtures.people import Scene, SceneDetector, person
from prml.detect.base import Detection
from prml.detect.follow import Follower, find_people, fits, part_around
from prml.detect.people import Identity, Track, distance, distinct, extent, gate, link, tiles
from prml.skeleton import BLAZEPOSE33

BLUE, GREEN = (30, 40, 200), (40, 180, 40)
SURE = np.full(33, 0.9)


def follow(scene, times_s, start=None):
    detector = SceneDetector(scene)
    first = Detection(start if start is not None else scene.people[0][0](times_s[0]), SURE)
    follower = Follower(detector, Identity(BLAZEPOSE33, first, times_s[0]))
    seen = []
    for time_s in times_s:
        detector.time_s = time_s
        seen.append(follower(scene.image(time_s), time_s))
    return seen, follower, detector


def test_tiles_cover_the_image_and_stay_inside():
    for width, height in ((1920, 1080), (608, 1080), (500, 500)):
        covered = np.zeros((height, width), int)
        for x, y, w, h in tiles(width, height)[1:]:
            assert x >= 0
            assert y >= 0
            assert x + w <= width
            assert y + h <= height
            covered[y : y + h, x : x + w] += 1
        assert covered.min() >= 1 or width == height


def test_a_narrow_image_has_few_tiles_and_they_cover_it():
    for width, height in ((16, 4000), (4000, 16), (1, 9), (2000, 100)):
        covered = np.zeros((height, width), int)
        boxes = tiles(width, height)
        for x, y, w, h in boxes[1:]:
            assert x + w <= width
            assert y + h <= height
            covered[y : y + h, x : x + w] += 1
        assert len(boxes) <= 64
        assert covered.min() >= 1


def test_a_small_person_is_found_by_parts():
    scene = Scene(1000, 560, [(lambda t: person(700, 200, 120), BLUE)])
    detector = SceneDetector(scene)
    image = scene.image(0)
    assert detector.search(image) == []
    found = find_people(detector, image)
    assert len(found) == 1
    assert distance(found[0].keypoints_px, person(700, 200, 120)) < 0.05


def test_who_is_cut_by_the_image_is_found_nevertheless():
    """A webcam shows no legs; the detector guesses them below the image."""
    scene = Scene(640, 360, [(lambda t: person(320, 60, 500), BLUE)])
    detector = SceneDetector(scene)
    found = find_people(detector, scene.image(0))
    assert len(found) == 1
    assert (found[0].keypoints_px[:, 1] > 360).mean() > 0.2


def test_double_finds_are_one_person():
    a, b = person(100, 50, 200), person(110, 52, 205)
    far = person(400, 50, 200)
    kept = distinct([Detection(b, SURE * 0.9), Detection(a, SURE), Detection(far, SURE * 0.95)])
    assert [k.keypoints_px[0, 0] for k in kept] == [a[0, 0], far[0, 0]], "the surer of the two finds stays"


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ((500, 100, 400), (500, 100, 150)),  # larger
        ((480, 100, 300), (60, 100, 300)),  # more central
    ],
)
def test_prominence_prefers_large_and_central(winner, loser):
    tracks = [Track([0.0], [Detection(person(*p), SURE)]) for p in (winner, loser)]
    assert tracks[0].prominence(1000, 560) > tracks[1].prominence(1000, 560)


def test_prominence_prefers_who_stays_and_who_is_sure():
    here = Detection(person(500, 100, 300), SURE)
    assert Track([0, 1], [here, here]).prominence(1000, 560) > Track([0], [here]).prominence(1000, 560)
    unsure = Detection(here.keypoints_px, SURE / 3)
    assert Track([0], [here]).prominence(1000, 560) > Track([0], [unsure]).prominence(1000, 560)


def test_link_keeps_two_people_apart():
    frames = []
    for t in np.arange(0, 2.1, 0.5):
        a, b = Detection(person(200 + 60 * t, 50, 300), SURE), Detection(person(800 - 60 * t, 60, 290), SURE)
        frames.append((t, [a, b] if int(2 * t) % 2 else [b, a]))
    tracks = link(frames)
    assert sorted(len(t.people) for t in tracks) == [5, 5]
    for track in tracks:
        x = [extent(p.keypoints_px)[0][0] for p in track.people]
        assert len(set(np.sign(np.diff(x)))) == 1


def test_gate_grows_with_time_but_not_without_end():
    assert gate(0) < gate(0.1) < gate(0.3) <= gate(100) <= 1.5


def test_a_walker_is_followed_across_the_image():
    times = np.arange(0, 5, 1 / 20)
    scene = Scene(1600, 500, [(lambda t: person(150 + 260 * t, 130, 240), BLUE)])
    seen, follower, detector = follow(scene, times)
    errors = [distance(s.keypoints_px, scene.people[0][0](t)) for s, t in zip(seen, times, strict=True)]
    assert max(errors) < 0.05
    assert follower.events == []
    assert detector.resets == 0


def test_another_person_is_never_taken_for_the_one_who_left():
    """The followed person leaves and a larger one takes their place: a gap, not a swap."""
    blue = (lambda t: person(400, 100, 240) if t < 1 or t > 4 else None, BLUE)
    green = (lambda t: person(430, 90, 280) if 1.5 < t < 3.5 else None, GREEN)
    scene = Scene(900, 500, [blue, green])
    times = np.arange(0, 6, 1 / 20)
    seen, follower, _ = follow(scene, times)
    for one, t in zip(seen, times, strict=True):
        if 1 < t <= 4:
            assert one is None, t
        elif t < 1 or t > 5:
            assert one is not None, t
            assert distance(one.keypoints_px, person(400, 100, 240)) < 0.05
    assert [e.kind for e in follower.events] == ["lost", "found again"]


def test_a_jump_beyond_the_gate_is_a_gap():
    scene = Scene(
        1400,
        500,
        [
            (lambda t: person(300 if t < 1 else 330, 100, 240) if t < 1 else None, BLUE),
            (lambda t: person(480, 100, 240) if t >= 1 else None, GREEN),
        ],
    )
    seen, follower, _ = follow(scene, np.arange(0, 2, 1 / 20))
    assert all(s is not None for s in seen[:20])
    assert all(s is None for s in seen[21:])
    assert "lost" in [e.kind for e in follower.events]


def test_who_comes_back_elsewhere_is_found_again_by_looks():
    """The person returns on the other side after three seconds, while somebody else stands in the old place."""
    blue = (lambda t: person(250, 100, 240) if t < 1 else person(1100, 110, 240) if t > 4 else None, BLUE)
    green = (lambda t: person(260, 100, 240) if t > 2 else None, GREEN)
    times = np.arange(0, 6, 1 / 20)
    seen, _, _ = follow(Scene(1400, 500, [blue, green]), times)
    last = seen[-1]
    assert last is not None
    assert abs(extent(last.keypoints_px)[0][0] - 1100) < 20


def test_part_contains_the_person_and_is_inside_the_image():
    rng = np.random.default_rng(1)
    for _ in range(200):
        points = person(rng.uniform(0, 1000), rng.uniform(0, 300), rng.uniform(20, 500))
        x, y, w, h = part_around(points, 1000, 560)
        assert x >= 0
        assert y >= 0
        assert w >= 2
        assert h >= 2
        assert x + w <= 1000
        assert y + h <= 560
        assert fits((x, y, w, h), points, 1000, 560) or points.min() < 0 or (points > (1000, 560)).any()
