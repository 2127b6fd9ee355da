"""Several people are followed at once: each keeps a number, and limbs of two are never taken for one body."""

import numpy as np
import pytest

from fixtures.people import STEP, Scene, SceneDetector, person
from prml.detect.base import Detection
from prml.detect.crowd import Crowd, hide_others
from prml.detect.followed import Followed
from prml.detect.ownership import (
    DOUBTS,
    HIDDEN,
    TOO_CLOSE,
    assign,
    shared_limbs,
    stray_limbs,
    too_close,
    too_long,
)
from prml.detect.people import Identity, distance, extent
from prml.skeleton import BLAZEPOSE33

SURE = np.full(33, 0.9)
COLOURS = [(20 + 7 * k, (90 + 60 * k) % 256, (200 + 110 * k) % 256) for k in range(31)]  # red values tell people apart


class Shared(SceneDetector):
    """Detectors of one scene on one clock; somebody of whose trunk less than 70 % is in view is not found."""

    def __init__(self, scene, clock, **options):
        super().__init__(scene, **options)
        self.clock = clock

    def __call__(self, image, time_s):
        """The person nearest to the middle of the image."""
        middle = np.array(image.shape[1::-1]) / 2
        return sorted(self._see(image), key=lambda p: np.linalg.norm(extent(p.keypoints_px)[0] - middle))[:1]

    def _see(self, image):
        self.time_s = self.clock[0]
        colours, counts = np.unique(image[::STEP, ::STEP, 0], return_counts=True)
        seen = dict(zip(colours.tolist(), counts.tolist(), strict=True))
        hidden = Scene(self.scene.width, self.scene.height, self.scene.people)
        hidden.people = [p for p in self.scene.people if self._share(p, seen) >= 0.7]
        whole, self.scene = self.scene, hidden
        try:
            return super()._see(image)
        finally:
            self.scene = whole

    def _share(self, one, seen):
        where, colour = one
        points = where(self.time_s)
        if points is None:
            return 0.0
        return seen.get(colour[0], 0) * STEP**2 / max(float(np.prod(np.abs(points[12] - points[23]))), 1.0)


def follow(scene, times_s, make=Shared, limit=12, **options):
    clock = [0.0]
    crowd = Crowd(lambda: make(scene, clock, **options), limit)
    frames = []
    for time_s in times_s:
        clock[0] = time_s
        frames.append(crowd(scene.image(time_s), time_s))
    return frames, crowd


def who(frame, points):
    """The number of the person at these joints, or None."""
    return next((n for n, p in frame.items() if distance(p.keypoints_px, points) < 0.1), None)


def numbers(frames, times_s, where, other):
    """The numbers of a person in all frames in which the other is somewhere else."""
    apart = [(f, where(t)) for f, t in zip(frames, times_s, strict=True) if distance(where(t), other(t)) > 0.2]
    return {who(frame, points) for frame, points in apart} - {None}


TIMES = np.arange(0, 4, 1 / 20)


def test_two_who_walk_past_each_other_keep_their_numbers():
    """The second passes before the first, who is hidden for a while."""
    one = (lambda t: person(200 + 150 * t, 120, 240), COLOURS[0])
    two = (lambda t: person(800 - 150 * t, 110, 250), COLOURS[5])
    frames, crowd = follow(Scene(1000, 500, [one, two]), TIMES)
    assert crowd.count == 2
    assert numbers(frames, TIMES, one[0], two[0]) | numbers(frames, TIMES, two[0], one[0]) == {0, 1}
    assert len(numbers(frames, TIMES, one[0], two[0])) == len(numbers(frames, TIMES, two[0], one[0])) == 1
    assert len(frames[-1]) == 2


def test_twins_who_cross_are_told_apart_by_their_motion():
    one = (lambda t: person(200 + 150 * t, 120, 240), (40, 90, 90))
    two = (lambda t: person(800 - 150 * t, 120, 240), (41, 90, 90))
    frames, crowd = follow(Scene(1000, 500, [one, two]), TIMES)
    assert crowd.count == 2
    assert numbers(frames, TIMES, one[0], two[0]) | numbers(frames, TIMES, two[0], one[0]) == {0, 1}
    assert len(numbers(frames, TIMES, one[0], two[0])) == len(numbers(frames, TIMES, two[0], one[0])) == 1


def test_nobody_at_all_is_nobody():
    frames, crowd = follow(Scene(600, 400, []), TIMES[:30])
    assert not any(frames)
    assert crowd.people == []


def test_who_leaves_and_returns_elsewhere_has_the_same_number():
    there = (lambda t: person(200, 100, 240) if t < 1 else person(700, 110, 240) if t > 2.6 else None, COLOURS[0])
    other = (lambda t: person(450, 100, 240), COLOURS[9])
    frames, crowd = follow(Scene(1000, 500, [there, other]), TIMES)
    assert crowd.count == 2
    assert who(frames[5], there[0](0)) == who(frames[-1], there[0](3.9)) is not None
    lost = [event.kind for one in crowd.people for event in one.events]
    assert lost == ["lost", "found again"]


def test_a_stranger_in_the_place_of_who_left_is_somebody_else():
    gone = (lambda t: person(400, 100, 240) if t < 1 else None, COLOURS[0])
    stranger = (lambda t: person(420, 100, 250) if t > 1.5 else None, COLOURS[9])
    frames, crowd = follow(Scene(900, 500, [gone, stranger]), TIMES)
    assert crowd.count == 2
    assert who(frames[5], gone[0](0)) != who(frames[-1], stranger[0](3.9))


def test_nobody_is_continued_across_a_cut():
    """After the cut strangers stand where the others stood; then the first picture returns."""
    first = [
        (lambda t, x=x: person(x, 100, 240) if t < 1.5 or t >= 3 else None, COLOURS[k])
        for k, x in enumerate((200, 600))
    ]
    then = [
        (lambda t, x=x: person(x, 100, 240) if 1.5 <= t < 3 else None, COLOURS[10 + k])
        for k, x in enumerate((210, 610))
    ]

    class Cut(Scene):
        def image(self, time_s):
            image = super().image(time_s)
            return np.where(image == 60, 180, image).astype(np.uint8) if 1.5 <= time_s < 3 else image

    frames, _ = follow(Cut(900, 500, [*first, *then]), TIMES)
    before, after, again = ({n for f in frames[s] for n in f} for s in (slice(0, 30), slice(32, 60), slice(62, 80)))
    assert len(before) == len(after) == 2
    assert not before & after
    assert again == before


def test_thirty_people_are_followed_or_the_limit_is_kept():
    places = [(60 + 115 * (k % 10), 20 + 165 * (k // 10)) for k in range(30)]
    scene = Scene(1250, 500, [(lambda t, p=p: person(*p, 140), (20 + 6 * k, 90, 90)) for k, p in enumerate(places)])
    times = TIMES[:4]
    frames, crowd = follow(scene, times, limit=30, minimum=0.05)
    assert crowd.count == len(frames[-1]) == 30
    assert set(frames[0]) == set(frames[-1])
    frames, crowd = follow(scene, times, limit=5, minimum=0.05)
    assert {len(frame) for frame in frames} == {5}


class Chimera(Shared):
    """Gives the first person the second's left arm from 1.0 s to 1.2 s."""

    def __call__(self, image, time_s):
        found = super().__call__(image, time_s)
        target, other = (where(self.clock[0]) for where, _ in self.scene.people[:2])
        if not found or not 1.0 <= self.clock[0] < 1.2 or distance(found[0].keypoints_px, found[0].keypoints_px) > 0:
            return found
        if abs(extent(found[0].keypoints_px)[1] - extent(target)[1]) > 1:
            return found
        points = found[0].keypoints_px.copy()
        arm = [BLAZEPOSE33.index(joint) for joint in ("LElbow", "LWrist")]
        points[arm] += other[arm] - target[arm]
        return [Detection(points, SURE)]


def test_an_arm_of_somebody_else_makes_a_gap_with_a_reason():
    target = (lambda t: person(400, 100, 240), COLOURS[0])
    other = (lambda t: person(480, 90, 260), COLOURS[9])
    frames, crowd = follow(Scene(900, 500, [target, other]), TIMES[:40], Chimera)
    number = who(frames[10], target[0](0))
    gaps = [t for t, frame in zip(TIMES, frames, strict=False) if number not in frame]
    assert gaps[:3] == pytest.approx([1.0, 1.05, 1.1])
    assert all(t < 1.3 for t in gaps)
    for frame in frames:
        if number in frame:
            assert np.abs(frame[number].keypoints_px - target[0](0)).max() < 0.1 * 240
    [one] = [one for one in crowd.people if one.number == number]
    assert one.events[0].kind in DOUBTS
    assert 20 in one.near


def test_limbs_of_a_standing_person_fit_one_body_and_a_stretched_arm_does_not():
    points = person(300, 50, 400)
    assert not too_long(points, 0.0, BLAZEPOSE33)
    points[BLAZEPOSE33.index("LWrist")] += (150, 0)
    assert too_long(points, 0.0, BLAZEPOSE33)


def test_a_foreshortened_trunk_does_not_make_limbs_too_long():
    """Somebody who bends towards the camera: the trunk is short in the image, and known to be longer."""
    points = person(300, 50, 400)
    for side in "LR":
        points[BLAZEPOSE33.index(side + "Shoulder"), 1] += 80
    assert too_long(points, 0.0, BLAZEPOSE33)
    assert not too_long(points, 120.0, BLAZEPOSE33)


def test_shared_and_stray_limbs_are_named():
    one, two = person(300, 50, 400), person(420, 50, 400)
    assert not shared_limbs(one, two, BLAZEPOSE33).any()
    mixed = one.copy()
    arm = [BLAZEPOSE33.index(joint) for joint in ("RElbow", "RWrist")]
    mixed[arm] = two[arm]
    assert shared_limbs(mixed, two, BLAZEPOSE33).tolist() == [False, True, False, False]
    assert stray_limbs(mixed, one, 1 / 30, BLAZEPOSE33).tolist() == [False, True, False, False]
    assert not stray_limbs(one + (90, 40), one, 1 / 30, BLAZEPOSE33).any(), "a person who moves as a whole"


def test_trunks_on_top_of_each_other_are_too_close_unless_one_is_far_behind():
    one = person(300, 50, 400)
    assert too_close(one, person(360, 40, 420), BLAZEPOSE33)
    assert not too_close(one, person(480, 50, 400), BLAZEPOSE33)
    assert not too_close(one, person(310, 150, 150), BLAZEPOSE33), "a spectator"


def test_people_who_are_too_close_are_gaps_and_keep_their_numbers():
    still = (lambda t: person(400, 120, 240), COLOURS[0])
    passes = (lambda t: person(100 + 160 * t, 115, 250), COLOURS[5])
    frames, crowd = follow(Scene(900, 500, [still, passes]), TIMES)
    near = [frame for frame, t in zip(frames, TIMES, strict=True) if abs(passes[0](t)[0, 0] - 400) < 50]
    assert near
    assert not any(near)
    assert numbers(frames, TIMES, still[0], passes[0]) != numbers(frames, TIMES, passes[0], still[0])
    assert {event.kind for one in crowd.people for event in one.events} & {TOO_CLOSE, HIDDEN}


def test_a_body_with_the_colours_of_who_was_lost_is_given_back():
    """The detector of the one slides onto the body of the other, who was just lost."""
    still, gone = (lambda t: person(400, 100, 240), COLOURS[0]), (lambda t: person(430, 100, 240), COLOURS[9])
    scene = Scene(900, 500, [still])
    clock = [0.0]
    crowd = Crowd(lambda: Shared(scene, clock))
    crowd(scene.image(0), 0.0)
    crowd(scene.image(0.05), 0.05)
    [mistaken] = crowd.people
    colours = mistaken.identity.colours
    other = Followed(7, Identity(BLAZEPOSE33, Detection(gone[0](0), SURE), 0.05), 0, lost=True)
    other.identity._look, mistaken.identity._look = colours, np.roll(colours, 50)
    crowd.people.append(other)
    clock[0] = 0.1
    assert set(crowd(scene.image(0.1), 0.1)) <= {7}
    assert mistaken.lost
    assert not other.lost


def test_who_is_found_again_with_a_limb_on_somebody_else_is_not_returned_in_that_frame():
    scene, clock = Scene(900, 500, []), [0.0]
    crowd = Crowd(lambda: Shared(scene, clock))
    own, others = person(300, 100, 240), person(390, 100, 240)
    lost = Followed(0, Identity(BLAZEPOSE33, Detection(own, SURE), 0.0), 0, lost=True, seen=20)
    other = Followed(1, Identity(BLAZEPOSE33, Detection(others, SURE), 1.0), 0, seen=20)
    crowd.people = [lost, other]
    reach = own.copy()
    reach[BLAZEPOSE33.index("LWrist"), 0] = others[:, 0].min() + 2
    beside = [(other, Detection(others, SURE))]
    assert crowd._reason(lost, Detection(reach, SURE), beside, 1.0) == TOO_CLOSE
    away = person(230, 100, 240)
    assert crowd._reason(lost, Detection(away, SURE), beside, 1.0) == ""
    seen = Followed(0, Identity(BLAZEPOSE33, Detection(reach, SURE), 0.95), 0, seen=20)
    crowd.people = [seen, other]
    assert crowd._reason(seen, Detection(reach, SURE), beside, 1.0) == ""  # it was there before


def test_assignment_has_the_least_total_cost_and_keeps_what_is_forbidden_apart():
    assert assign(np.array([[0.1, 0.2], [0.1, 0.9]])) == [(0, 1), (1, 0)]
    assert assign(np.array([[np.inf, np.inf], [0.1, 0.3]])) == [(1, 0)]
    assert assign(np.zeros((0, 3))) == []


def test_others_are_painted_over_but_not_the_person():
    crop = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    before = crop.copy()
    own, other = person(120, 40, 200), person(200, 40, 200)
    painted = hide_others(crop, own, [other])
    assert np.array_equal(crop, before)
    low, high = own.min(0).astype(int), own.max(0).astype(int)
    assert np.array_equal(painted[low[1] : high[1], low[0] : high[0]], crop[low[1] : high[1], low[0] : high[0]])
    assert len(np.unique(painted[100:200, 195:215].reshape(-1, 3), axis=0)) == 1
    assert hide_others(crop, own, [person(1000, 40, 200)]) is crop
