"""Repair of 2D tracks: every threshold from just below and just above, and the resulting confidence."""

import numpy as np
import pytest

from fixtures.people import person
from prml.errors import PrmlError
from prml.filters.repair import bridge_joints, fill_gaps, filled_in, limb_pairs, repair_swaps, seen_joints, swaps
from prml.sequence import PoseSequence
from prml.skeleton import BLAZEPOSE33, H36M17, Skeleton

J = BLAZEPOSE33.index
LEGS, ARMS = limb_pairs(BLAZEPOSE33)
SIZE = 1000.0


def upright(frames, apart, trunk=None):
    """A person 1000 high; left and right of the legs ``apart``, of the shoulders ``trunk`` (0: none), else together."""
    points = np.zeros((frames, 33, 2))
    points[:, J("LHeel"), 1] = points[:, J("RHeel"), 1] = SIZE
    points[:, LEGS[0], 0], points[:, LEGS[1], 0] = apart / 2, -apart / 2
    if trunk:
        points[:, J("LShoulder"), 0], points[:, J("RShoulder"), 0] = trunk / 2, -trunk / 2
    return points


def swapped_legs(points, rows):
    out = points.copy()
    out[np.ix_(rows, LEGS[0] + LEGS[1])] = points[np.ix_(rows, LEGS[1] + LEGS[0])]
    return out


def test_legs_and_arms_are_those_of_the_detector():
    assert LEGS == ([23, 25, 27, 29, 31], [24, 26, 28, 30, 32])
    assert ARMS == ([11, 13, 15, 17, 19, 21], [12, 14, 16, 18, 20, 22])


@pytest.mark.parametrize(("frames", "minimum"), [(1, 0.031), (5, 0.035), (10, 0.040)])
def test_what_a_swap_must_save(frames, minimum):
    """Two jumps of both limbs, 4 x distance, against two changes of 0.06 and 0.004 a frame, in person sizes."""
    rows = np.arange(20, 20 + frames)
    for distance, found in ((minimum - 0.0005, False), (minimum + 0.0005, True)):
        states = swaps(swapped_legs(upright(60, distance * SIZE), rows), BLAZEPOSE33)
        assert states[rows, 0].all() == found
        assert states.sum() == (frames if found else 0)


@pytest.mark.parametrize(("frames", "found"), [(19, False), (21, True)])
def test_what_a_twisted_trunk_costs(frames, found):
    """Hips 0.02 apart: two jumps save 0.08, each frame of twist 0.3 x 0.02; 0.12 and 0.004 a frame are charged."""
    rows = np.arange(20, 20 + frames)
    states = swaps(swapped_legs(upright(90, 0.02 * SIZE, trunk=0.2 * SIZE), rows), BLAZEPOSE33)
    assert states.sum() == (frames if found else 0)


def test_frames_beside_a_swap_are_bridged_with_a_confidence_of_three_tenths():
    rows = np.arange(20, 26)
    truth = upright(60, 0.2 * SIZE)
    truth[:, LEGS[0] + LEGS[1], 1] += 3.0 * np.arange(60)[:, None]
    sure = np.full((60, 33), 0.9)
    sure[rows[:, None], LEGS[0]] = 0.5  # of the true right ones: it goes back with them
    points, confidence, changed = repair_swaps(swapped_legs(truth, rows), sure, np.ones(60, bool), BLAZEPOSE33)
    np.testing.assert_allclose(points, truth, atol=1e-9)
    assert np.flatnonzero(changed[:, 0]).tolist() == list(range(19, 27))
    assert not changed[:, 1].any()
    right, left = confidence[:, J("RKnee")], confidence[:, J("LKnee")]
    assert left[[18, 19, 20, 21, 24, 25, 26, 27]].tolist() == [0.9, 0.3, 0.3, 0.9, 0.9, 0.3, 0.3, 0.9]
    assert right[[18, 19, 20, 21, 24, 25, 26, 27]].tolist() == [0.9, 0.3, 0.3, 0.5, 0.5, 0.3, 0.3, 0.9]


@pytest.mark.parametrize(("gap_s", "filled"), [(0.25, True), (0.26, False)])
def test_a_quarter_of_a_second_is_bridged_in_true_time(gap_s, filled):
    """From 0 to 100 pixels; the frame in between lies at a fifth of the time, its confidence is half the lower one."""
    times = np.array([0, 1, 1 + 0.2 * gap_s, 1 + gap_s, 2.5])
    points = np.zeros((5, 33, 2))
    points[3:] = 100
    points[2] = np.nan
    confidence = np.array([1, 0.6, 0, 0.8, 1])[:, None] * np.ones((1, 33))
    has = np.array([True, True, False, True, True])
    points, confidence, found = fill_gaps(points, confidence, has, times)
    assert found.tolist() == [False, False, filled, False, False]
    if filled:
        np.testing.assert_allclose(points[2], 20)
        np.testing.assert_allclose(confidence[2], 0.3)


def _lost(frames, fps=100):
    """A walker at 100 frames/s whose left wrist is not found in the given frames."""
    points = np.repeat(person(300, 100, 300)[None], 100, 0) + np.arange(100)[:, None, None]
    confidence = np.full((100, 33), 0.8)
    confidence[frames, J("LWrist")] = 0
    points[frames, J("LWrist")] = 0  # a guess of the detector
    return PoseSequence.regular(100, fps, BLAZEPOSE33, keypoints_px=points, confidence=confidence)


@pytest.mark.parametrize(
    ("frames", "probe", "bridged"),
    [
        (range(41, 65), 52, True),  # between sights at 0.40 and 0.65 s
        (range(41, 66), 52, False),
        (range(26), 1, True),  # 0.25 s before the first sight at 0.26 s
        (range(26), 0, False),
        (range(74, 100), 98, True),  # 0.25 s after the last one at 0.73 s
        (range(74, 100), 99, False),
    ],
)
def test_a_lost_joint_is_bridged_for_a_quarter_of_a_second_without_confidence(frames, probe, bridged):
    lost, rest = list(frames), np.setdiff1d(np.arange(100), list(frames))
    out = bridge_joints(_lost(lost), H36M17)
    assert (out.confidence[lost, J("LWrist")] == 0).all()
    np.testing.assert_array_equal(out.confidence[rest], 0.8)
    assert bool(out.has_person[probe]) == bridged
    assert np.isfinite(out.keypoints_px[probe]).all() == bridged
    if bridged:  # between two sights the straight line, beyond them the nearest place
        expected = person(300, 100, 300)[J("LWrist")] + np.clip(probe, rest.min(), rest.max())
        np.testing.assert_allclose(out.keypoints_px[probe, J("LWrist")], expected, atol=1e-9)


def test_a_joint_of_little_confidence_was_found_and_one_of_none_was_not():
    sequence = _lost([50])
    sequence.confidence[10, J("LWrist")] = 1e-6
    sequence.keypoints_px[10, J("LWrist")] += 40
    out = bridge_joints(sequence, H36M17)
    np.testing.assert_array_equal(out.keypoints_px[10], sequence.keypoints_px[10])
    assert np.abs(out.keypoints_px[50, J("LWrist")] - sequence.keypoints_px[50, J("LWrist")]).min() > 50


def test_a_joint_without_a_place_has_no_confidence_whatever_the_file_says():
    sequence = _lost([])
    sequence.keypoints_px[50, J("LWrist")] = np.nan
    confidence = np.where(np.isnan(sequence.keypoints_px).any(-1), 0.7, 0.8)
    lost = PoseSequence.regular(100, 100, BLAZEPOSE33, keypoints_px=sequence.keypoints_px, confidence=confidence)
    out = bridge_joints(lost, H36M17)
    assert out.confidence[50, J("LWrist")] == 0
    assert out.to_skeleton(H36M17).confidence[50, H36M17.index("LWrist")] == 0
    assert out.has_person.all()


def test_a_hidden_ear_stands_at_the_other_one():
    sequence = _lost([])
    sequence.confidence[:, J("LEar")] = 0
    out = bridge_joints(sequence, H36M17)
    np.testing.assert_array_equal(out.keypoints_px[:, J("LEar")], sequence.keypoints_px[:, J("REar")])
    assert (out.confidence[:, J("LEar")] == 0).all()
    assert out.has_person.all()


def test_limbs_of_skeletons_with_fewer_joints():
    assert limb_pairs(H36M17) == [([4, 5, 6], [1, 2, 3]), ([11, 12, 13], [14, 15, 16])]
    legs = Skeleton("legs", ("Hip", "LKnee", "RKnee"), (-1, 0, 0), (1,), (2,))
    assert limb_pairs(legs) == [([1], [2])]
    assert limb_pairs(Skeleton("dot", ("Nose",), (-1,), (), ())) == []


def test_legs_alone_are_swapped_and_put_back():
    """Without arms there is no trunk twist, so only movement counts."""
    legs = Skeleton("legs", ("Nose", "LKnee", "RKnee"), (-1, 0, 0), (1,), (2,))
    truth = np.zeros((30, 3, 2))
    truth[:, 1], truth[:, 2] = (300, 1000), (-300, 1000)
    broken = truth.copy()
    broken[10:14, 1:] = truth[10:14, :0:-1]
    assert np.flatnonzero(swaps(broken, legs)[:, 0]).tolist() == [10, 11, 12, 13]
    points, _, changed = repair_swaps(broken, np.ones((30, 3)), np.ones(30, bool), legs)
    np.testing.assert_array_equal(points, truth)
    assert np.flatnonzero(changed[:, 0]).tolist() == [9, 10, 11, 12, 13, 14]


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_two_frames_say_nothing_about_sides(frames):
    found = swaps(upright(frames, 0.2 * SIZE), BLAZEPOSE33)
    assert (found.shape, found.dtype, found.any()) == ((frames, 2), bool, False)


def test_three_frames_are_enough():
    assert swaps(swapped_legs(upright(3, 0.2 * SIZE), [2]), BLAZEPOSE33)[:, 0].tolist() == [False, False, True]


def test_the_larger_part_of_a_stretch_is_taken_as_right():
    """Legs change sides for good after a third: the first third is put right, not the rest. Each stretch for itself."""
    truth = upright(60, 0.2 * SIZE)
    has = np.ones(60, bool)
    has[30] = False
    broken = swapped_legs(truth, np.arange(10))
    points, _, changed = repair_swaps(broken, np.ones((60, 33)), has, BLAZEPOSE33)
    np.testing.assert_array_equal(points, truth)
    assert np.flatnonzero(changed[:, 0]).tolist() == list(range(11))
    broken = swapped_legs(truth, np.arange(20))
    points, _, changed = repair_swaps(broken, np.ones((60, 33)), has, BLAZEPOSE33)
    np.testing.assert_array_equal(points[:30], swapped_legs(truth, np.arange(30))[:30])
    np.testing.assert_array_equal(points[31:], truth[31:])
    assert np.flatnonzero(changed[:, 0]).tolist() == list(range(19, 30))


def test_what_is_given_is_left_as_it_is():
    broken, sure = swapped_legs(upright(30, 0.2 * SIZE), np.arange(10, 14)), np.ones((30, 33))
    before = broken.copy()
    repair_swaps(broken, sure, np.ones(30, bool), BLAZEPOSE33)
    fill_gaps(broken, sure, np.arange(30) != 20, np.arange(30) / 30)
    np.testing.assert_array_equal(broken, before)
    assert (sure == 1).all()


def test_which_joints_were_found():
    points = np.zeros((1, 4, 2))
    points[0, 1, 0], points[0, 2] = np.nan, np.nan
    assert seen_joints(points, None).tolist() == [[True, False, False, True]]
    assert seen_joints(points, np.array([[0.1, 1, 1, 0]])).tolist() == [[True, False, False, False]]


def test_filled_frames_are_flagged_and_count_as_a_person():
    """Of a gap of 0.2 s at the third frame and one of 0.4 s after the fifth the first is filled."""
    times = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
    has = np.array([1, 1, 0, 1, 1, 0, 1], bool)
    points = np.where(has[:, None, None], times[:, None, None] * np.ones((7, 33, 2)), np.nan)
    sequence = PoseSequence(
        times_s=times,
        fps=10.0,
        skeleton=BLAZEPOSE33,
        keypoints_px=points,
        confidence=np.where(has[:, None], 0.8, 0.0) * np.ones((7, 33)),
        has_person=has,
    )
    out = filled_in(sequence)
    assert np.flatnonzero(out.filled).tolist() == [2]
    assert out.has_person.tolist() == [True, True, True, True, True, False, True]
    np.testing.assert_allclose(out.keypoints_px[2], 0.2)
    np.testing.assert_allclose(out.confidence[2], 0.4)
    for missing in ("keypoints_px", "confidence", "has_person"):
        with pytest.raises(PrmlError, match="filling gaps needs keypoints, confidence and has_person"):
            filled_in(sequence.with_(**{missing: None}))


def test_marks_of_frames_without_a_joint_are_taken_back():
    """A wrist lost for longer than a quarter of a second: those frames have no person and count as filled no more."""
    lost = _lost(range(40, 70))
    had, filled = np.arange(100) != 5, np.isin(np.arange(100), [50, 80])
    out = bridge_joints(lost.with_(has_person=had, filled=filled), H36M17)
    there = ~np.isin(np.arange(100), range(40, 70))
    np.testing.assert_array_equal(out.has_person, there & had)
    assert np.flatnonzero(out.filled).tolist() == [80]
    assert bridge_joints(lost, H36M17).filled is None
