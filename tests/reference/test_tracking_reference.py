"""Identity of a person: every threshold of tracking, from just below and just above."""

import numpy as np
import pytest

from prml.detect.base import Detection
from prml.detect.follow import Follower, find_people, fits, part_around
from prml.detect.people import Identity, Track, alike, distance, distinct, extent, gate, link, look, tiles
from prml.skeleton import BLAZEPOSE33

J = BLAZEPOSE33.index
RED, BLUE, GREEN = (250, 10, 10), (10, 10, 250), (10, 250, 10)


def figure(x=500.0, y=300.0, size=200.0):
    """Joints evenly along an upright line, the trunk 40 % wide: the box is ``size`` high around (x, y)."""
    points = np.zeros((33, 2))
    points[:, 1] = np.linspace(-0.5, 0.5, 33)
    for name, place in {
        "LShoulder": (0.2, -0.3),
        "RShoulder": (-0.2, -0.3),
        "LHip": (0.2, 0.1),
        "RHip": (-0.2, 0.1),
    }.items():
        points[J(name)] = place
    return points * size + (x, y)


def found(*place, confidence=0.9):
    return Detection(figure(*place), np.full(33, confidence))


def at(points, **changes):
    return Identity(BLAZEPOSE33, Detection(points, np.full(33, 0.9)), 0.0, **changes)


def test_extent_is_the_middle_and_the_larger_side_of_the_box():
    centre, size = extent(np.array([[10.0, 20], [40, 80], [20, 50]]))
    assert (centre.tolist(), size) == ([25, 50], 60)
    assert extent(np.zeros((3, 2)))[1] == 1


def test_distance_is_a_median_in_sizes_of_the_larger():
    """All moved by 3 - 4 - 5 and one joint by far more: 5 of 200 pixels; the larger of two counts."""
    moved = figure() + (3, 4)
    moved[0] += (0, -50)
    assert distance(figure(), moved) == pytest.approx(5 / 246, rel=0.02)
    assert distance(figure(size=100), figure(size=100) + (0, 30)) == pytest.approx(0.3)
    big = figure(size=400)
    assert distance(figure(size=400), big + (30, 0)) == pytest.approx(30 / 400)
    assert distance(figure(size=200), big) == pytest.approx(distance(big, figure(size=200)))


@pytest.mark.parametrize(("apart", "people"), [(0.249, 1), (0.251, 2)])
def test_two_finds_a_quarter_of_a_size_apart_are_two_people(apart, people):
    assert len(distinct([found(500, 300, 200), found(500 + 200 * apart, 300, 200, confidence=0.8)])) == people


@pytest.mark.parametrize(
    ("elapsed_s", "sizes"), [(0, 0.30), (0.04, 0.40), (0.2, 0.80), (0.48, 1.5), (0.6, 1.5), (9, 1.5)]
)
def test_the_gate_in_person_sizes(elapsed_s, sizes):
    assert gate(elapsed_s) == pytest.approx(sizes)


@pytest.mark.parametrize("elapsed_s", [0.0, 0.04, 0.2, 3.0])
def test_who_moves_beyond_the_gate_is_somebody_else(elapsed_s):
    limit = 200 * min(0.30 + 2.5 * elapsed_s, 1.5)
    identity = at(figure())
    assert identity.matches(found(500 + limit - 1, 300, 200), elapsed_s)
    assert not identity.matches(found(500 + limit + 1, 300, 200), elapsed_s)


@pytest.mark.parametrize(
    ("ratio", "same"), [(2.19, True), (2.21, False), (1 / 2.19, True), (1 / 2.21, False), (10, False)]
)
def test_who_is_more_than_two_and_a_fifth_times_as_large_is_somebody_else(ratio, same):
    """At one place, a second later: the gate of 1.5 sizes is wide open."""
    assert at(figure()).matches(found(500, 300, 200 * ratio), 1.0) == same


def test_the_nearest_who_can_be_the_same_is_picked():
    people = [found(540, 300, 200), found(520, 300, 200), found(490, 300, 500)]
    assert at(figure()).pick(people, 0.1) is people[1]
    assert at(figure()).pick([found(900, 300, 200)], 0.1) is None


def test_a_walker_is_expected_to_go_on_for_a_fifth_of_a_second():
    """Two steps of 10 pixels in 0.1 s: the velocity is half taken over each time, 50 then 75 pixels a second."""
    identity = at(figure())
    blank = np.zeros((600, 1000, 3), np.uint8)
    for time_s, velocity in ((0.1, 50.0), (0.2, 75.0)):
        identity.follow(blank, found(500 + 100 * time_s, 300, 200), time_s)
        here = 500 + 100 * time_s
        for ahead_s in (0.0, 0.1, 0.2, 0.5):
            expected = extent(identity.expected(time_s + ahead_s))[0][0]
            assert expected == pytest.approx(here + velocity * min(ahead_s, 0.2))


@pytest.mark.parametrize(("elapsed_s", "velocity"), [(0.19, 50.0), (0.21, 0.0)])
def test_after_a_fifth_of_a_second_a_velocity_is_forgotten(elapsed_s, velocity):
    identity = at(figure())
    identity.follow(np.zeros((600, 1000, 3), np.uint8), found(500 + 100 * elapsed_s, 300, 200), elapsed_s)
    moved = extent(identity.expected(elapsed_s + 0.1))[0][0] - (500 + 100 * elapsed_s)
    assert moved == pytest.approx(0.1 * velocity)


def test_links_follow_the_gate():
    """Half a second apart the gate is 1.5 sizes, 300 pixels."""
    near = link([(0.0, [found(300, 300, 200)]), (0.5, [found(599, 300, 200)])])
    far = link([(0.0, [found(300, 300, 200)]), (0.5, [found(601, 300, 200)])])
    assert [len(t.people) for t in near] == [2]
    assert [len(t.people) for t in far] == [1, 1]


def test_prominence_by_hand():
    """200^2 of 1000 x 500 pixels, 250 and 125 off the middle: 0.08 x exp(-(0.5^2 + 0.5^2) / 2) x 0.9, twice."""
    one = found(750, 375, 200)
    assert Track([0.0], [one]).prominence(1000, 500) == pytest.approx(0.08 * np.exp(-0.25) * 0.9)
    assert Track([0.0, 1.0], [one, one]).prominence(1000, 500) == pytest.approx(2 * 0.08 * np.exp(-0.25) * 0.9)


def test_tiles_by_hand():
    """1000 x 500: the whole, squares of 500 at 0, 250, 500, and of 275 in seven columns and three rows."""
    boxes = tiles(1000, 500)
    assert boxes[:4] == [(0, 0, 1000, 500), (0, 0, 500, 500), (250, 0, 500, 500), (500, 0, 500, 500)]
    assert len(boxes) == 4 + 7 * 3
    assert {b[2:] for b in boxes[4:]} == {(275, 275)}
    assert sorted({b[0] for b in boxes[4:]}) == [0, 121, 242, 362, 483, 604, 725]
    assert sorted({b[1] for b in boxes[4:]}) == [0, 112, 225]


# ------------------------------------------------------------------------------------------------- looks
def painted(*people, size=(600, 1000)):
    """An image with trunks: rows of (figure, colour, share of its rows, colour of the rest)."""
    image = np.full((*size, 3), 128, np.uint8)
    for points, colour, share, rest in people:
        x0, y0 = (points.min(0) - 40).astype(int).clip(0)
        x1, y1 = (points.max(0) + 40).astype(int).clip(0)
        image[y0:y1, x0:x1] = rest
        trunk = points[[J("LShoulder"), J("RShoulder"), J("LHip"), J("RHip")]]
        centre, height = trunk.mean(0)[1], np.ptp(trunk[:, 1])
        image[y0 : round(centre - 0.4 * height + 0.8 * height * share), x0:x1] = colour
    return image


def test_looks_are_shares_of_six_bins_of_three_channels():
    histogram = look(painted((figure(), RED, 0.75, BLUE)), found(), BLAZEPOSE33)
    assert histogram.shape == (216,)
    assert sorted(histogram[histogram > 0]) == pytest.approx([0.25, 0.75], abs=0.03)
    # red: brightness 0.352, red - green + 0.5 clipped, blue - green + 0.5 = 0.5: bins 2, 5, 3
    assert histogram.argmax() == 2 * 36 + 5 * 6 + 3


def test_likeness_is_the_overlap():
    assert alike(np.array([0.5, 0.5, 0]), np.array([0.2, 0.5, 0.3])) == pytest.approx(0.7)


@pytest.mark.parametrize(("share", "known"), [(0.56, True), (0.44, False)])
def test_half_the_looks_must_fit(share, known):
    identity = at(figure())
    identity.follow(painted((figure(), RED, 1, RED)), found(), 0.0)
    person = found()
    recognised = identity.recognise(painted((figure(), RED, share, BLUE)), [person], 0.4)
    assert (recognised is person) == known


@pytest.mark.parametrize(("elapsed_s", "known"), [(0.99, False), (1.01, True)])
def test_after_a_second_looks_alone_are_enough(elapsed_s, known):
    identity = at(figure())
    identity.follow(painted((figure(), RED, 1, RED)), found(), 0.0)
    far = figure(880)  # 380 pixels of 200: beyond every gate
    person = Detection(far, np.full(33, 0.9))
    assert (identity.recognise(painted((far, RED, 1, RED)), [person], elapsed_s) is person) == known


@pytest.mark.parametrize(("second", "known"), [(0.72, True), (0.88, False)])
def test_two_who_look_alike_to_four_fifths_leave_a_doubt(second, known):
    identity = at(figure(500, 300, 100))
    identity.follow(painted((figure(500, 300, 100), RED, 1, RED)), found(500, 300, 100), 0.0)
    places = figure(800, 300, 100), figure(200, 300, 100)
    people = [Detection(p, np.full(33, 0.9)) for p in places]
    image = painted((places[0], RED, 1, RED), (places[1], RED, second, BLUE))
    assert (identity.recognise(image, people, 2.0) is people[0]) == known


def test_looks_are_renewed_by_a_fifth_every_three_tenths_of_a_second():
    """Red, then blue: four times a fifth of blue leave 0.8^4 = 0.41 of red, less than the half that is asked for."""
    blue, red = painted((figure(), BLUE, 1, BLUE)), painted((figure(), RED, 1, RED))
    for sights, known in ((9, True), (12, False)):  # 0.11 s apart every third one counts: 0.51, 0.41
        identity = at(figure())
        identity.follow(red, found(), 0.0)
        for n in range(1, sights + 1):
            identity.follow(blue, found(), 0.11 * n)
        assert (identity.recognise(red, [found()], 0.11 * sights + 0.1) is not None) == known


# -------------------------------------------------------------------------------------------- the follower
def test_the_part_looked_at_is_nineteen_tenths_of_a_person():
    assert part_around(figure(500, 300, 200), 1000, 600) == (310, 110, 380, 380)
    assert part_around(figure(100, 300, 200), 1000, 600) == (0, 110, 290, 380)


@pytest.mark.parametrize(
    ("x", "y", "size", "inside"),
    [
        (500, 300, 200, True),
        (500, 165 + 0.9, 200, False),
        (500, 165 + 70 + 0.0, 200, True),  # 24 pixels above the head are wanted
        (500, 233, 200, False),
        (500, 235, 200, True),
        (500, 367, 200, False),
        (500, 365, 200, True),
        (500, 300, 101, True),
        (500, 300, 99, False),  # less than 3.8 sizes wide
    ],
)
def test_the_part_is_moved_at_an_eighth_of_a_size_from_its_edge(x, y, size, inside):
    assert fits((310, 110, 380, 380), figure(x, y, size), 1000, 600) == inside


class Scripted:
    """A detector that finds the given people and records searches."""

    skeleton, name = BLAZEPOSE33, "scripted"

    def __init__(self, seen=()):
        self.seen, self.searched, self.resets, self.now = list(seen), [], 0, 0.0

    def __call__(self, image, time_s):
        self.now = time_s
        return []

    def search(self, image):
        self.searched.append(self.now)
        return self.seen

    def reset(self):
        self.resets += 1

    def close(self):
        pass


def test_a_search_begins_after_fifteen_hundredths_and_is_repeated_every_half_second():
    detector = Scripted()
    follower = Follower(detector, at(figure()))
    image = np.zeros((600, 600, 3), np.uint8)
    for time_s in (0.05, 0.14, 0.16, 0.3, 0.65, 0.67, 1.16, 1.18):
        follower(image, time_s)
    assert sorted(set(detector.searched)) == [0.16, 0.67, 1.18]


@pytest.mark.parametrize(("outside", "people"), [(6, 1), (7, 0)])
def test_who_is_cut_by_a_part_to_a_fifth_is_not_taken_from_it(outside, people):
    """6 of 33 joints are 18 %, 7 are 21 %; the squares of the image show nothing of somebody across their edges."""
    points = figure(500, 300, 200)
    points[:outside, 0] = 900  # outside the square of 600 at the left, inside the image

    class Once(Scripted):
        def search(self, image):
            self.searched.append(image.shape)
            return [Detection(points, np.full(33, 0.9))] if len(self.searched) == 2 else []

    assert len(find_people(Once(), np.zeros((600, 1000, 3), np.uint8))) == people
