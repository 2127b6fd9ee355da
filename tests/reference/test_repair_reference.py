"""Repair of 2D tracks: every threshold just below and just above, and the confidence that is left."""

import numpy as np
import pytest

from fixtures.people import person
from prml.filters.repair import bridge_joints, fill_gaps, limb_pairs, repair_swaps, swaps
from prml.sequence import PoseSequence
from prml.skeleton import BLAZEPOSE33, H36M17

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
