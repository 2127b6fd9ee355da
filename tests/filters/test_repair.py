"""Swapped sides are restored, true crossings are kept, short gaps and lost joints are interpolated."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter1d

from fixtures.people import person
from prml.errors import PrmlError
from prml.filters.repair import bridge_joints, fill_gaps, limb_pairs, repair_swaps, swaps
from prml.sequence import PoseSequence
from prml.skeleton import BLAZEPOSE33, H36M17
from prml.spans import runs

PAIRS = limb_pairs(BLAZEPOSE33)
ALL = np.ones(90, bool)


def walk(frames=90, fps=30, sway=0.0):
    """Somebody who stands, lifts the arms to the sides and down again."""
    t = np.arange(frames) / fps
    points = np.repeat(person(300, 100, 300)[None], frames, axis=0)
    for side, sign in (("L", 1), ("R", -1)):
        for joint, reach in (("Elbow", 40), ("Wrist", 90), ("Knee", 10), ("Ankle", 20)):
            points[:, BLAZEPOSE33.index(side + joint), 0] += sign * reach * (1 - np.cos(2 * np.pi * t / 3)) / 2
    return points


def side_walk(frames=90, fps=30):
    """Somebody seen from the side: knees and ankles, elbows and wrists truly cross, twice a second."""
    t = np.arange(frames) / fps
    points = np.repeat(person(300, 100, 300)[None], frames, axis=0)
    points[..., 0] = 300 + 0.15 * (points[..., 0] - 300)
    for side, sign in (("L", 1), ("R", -1)):
        for joint, reach in (("Knee", 35), ("Ankle", 70), ("Elbow", -20), ("Wrist", -45)):
            points[:, BLAZEPOSE33.index(side + joint), 0] += sign * reach * np.sin(2 * np.pi * t)
    return points


def swap(points, frames, pairs):
    out = points.copy()
    for k in pairs:
        left, right = PAIRS[k]
        out[np.ix_(frames, left + right)] = points[np.ix_(frames, right + left)]
    return out


@pytest.mark.parametrize("pairs", [(0,), (1,), (0, 1)])
@settings(max_examples=15, deadline=None)
@given(start=st.integers(5, 60), length=st.integers(1, 12), seed=st.integers(0, 99))
def test_exchanged_limbs_are_put_back(pairs, start, length, seed):
    noise = np.random.default_rng(seed).normal(0, 1.0, (90, 33, 2))
    truth = walk() + noise
    frames = np.arange(start, start + length)
    states = swaps(swap(truth, frames, pairs), BLAZEPOSE33)
    expected = np.zeros((90, 2), bool)
    for k in pairs:
        expected[frames, k] = True
    assert (states == expected).mean() > 0.97
    points, _, changed = repair_swaps(swap(truth, frames, pairs), np.ones((90, 33)), ALL, BLAZEPOSE33)
    assert np.linalg.norm(points - truth, axis=-1).max() < 30
    assert changed[frames].any(axis=1).all()


def test_an_exchange_that_the_detector_has_smoothed_is_put_back():
    """MediaPipe smooths over time, so legs close together swap without a jump; the trunk's twist reveals it."""
    broken = swap(walk(), np.arange(40, 48), (0, 1))
    legs = PAIRS[0][0] + PAIRS[0][1]
    broken[:, legs] = uniform_filter1d(broken[:, legs], 3, axis=0)
    states = swaps(broken, BLAZEPOSE33)
    assert states[41:47].all()
    assert not states[:39].any()
    assert not states[49:].any()


@pytest.mark.parametrize("motion", [walk, side_walk])
def test_what_is_right_is_not_touched(motion):
    """Limbs that really cross, as in walking, are not changed."""
    truth = motion() + np.random.default_rng(0).normal(0, 1.0, (90, 33, 2))
    confidence = np.full((90, 33), 0.8)
    points, sure, changed = repair_swaps(truth, confidence, ALL, BLAZEPOSE33)
    assert not changed.any()
    assert np.array_equal(points, truth)
    assert np.array_equal(sure, confidence)


def test_mending_is_idempotent_and_lowers_confidence_beside():
    broken = swap(walk(), np.arange(40, 46), (0, 1))
    once, sure, changed = repair_swaps(broken, np.ones((90, 33)), ALL, BLAZEPOSE33)
    twice, _, again = repair_swaps(once, sure, ALL, BLAZEPOSE33)
    assert changed.any()
    assert not again.any()
    assert np.array_equal(once, twice)
    assert sure[40, PAIRS[1][0][0]] <= 0.3
    assert sure[:38].min() == 1.0


def test_gaps_stay_nan_through_mending():
    truth, has = walk(), ALL.copy()
    has[30:50] = False
    truth[~has] = np.nan
    points, _, _ = repair_swaps(truth, np.ones((90, 33)), has, BLAZEPOSE33)
    assert np.isnan(points[~has]).all()
    assert np.isfinite(points[has]).all()


def test_sides_on_either_side_of_a_jump_in_time_are_not_compared():
    """Somebody who turned around while nothing was filmed has not been swapped."""
    truth, times = walk(), np.arange(90) / 30
    turned = truth.copy()
    for left, right in PAIRS:
        turned[30:, left + right] = truth[30:, right + left]
    _, _, changed = repair_swaps(turned, np.ones((90, 33)), ALL, BLAZEPOSE33, times)
    assert changed.any()
    times[30:] += 5.0
    points, _, changed = repair_swaps(turned, np.ones((90, 33)), ALL, BLAZEPOSE33, times)
    assert not changed.any()
    assert np.array_equal(points, turned)


@given(st.lists(st.booleans(), max_size=40))
def test_runs_are_the_runs_of_true(flags):
    out = np.zeros(len(flags), bool)
    found = runs(np.array(flags, bool))
    for run in found:
        assert run.stop > run.start
        assert not out[run].any()
        out[run] = True
    assert out.tolist() == flags
    assert all(b.start > a.stop for a, b in pairwise(found)), "runs do not touch"


def test_short_gaps_are_filled_in_true_time_and_long_ones_stay():
    times = np.array([0.0, 0.1, 0.15, 0.3, 0.4, 1.0, 1.1])  # uneven
    has = np.array([True, True, False, True, True, False, True])
    points = np.where(has[:, None, None], times[:, None, None] * np.ones((7, 33, 2)), np.nan)
    filled_points, confidence, filled = fill_gaps(
        points, np.where(has[:, None], 0.8, 0.0) * np.ones((7, 33)), has, times
    )
    assert filled.tolist() == [False, False, True, False, False, False, False]
    assert np.allclose(filled_points[2], 0.15), "motion that is even in time is met exactly"
    assert np.isnan(filled_points[5]).all()
    assert np.allclose(confidence[2], 0.4)
    assert np.array_equal(filled_points[has], points[has])


def test_gaps_at_the_ends_stay():
    has = np.array([False, True, True, False])
    points = np.where(has[:, None, None], 1.0, np.nan) * np.ones((4, 33, 2))
    _, _, filled = fill_gaps(points, np.ones((4, 33)), has, np.arange(4) / 30)
    assert not filled.any()


def _lost(rows, joint="RWrist", frames=30):
    """A steady motion at 30 frames/s; one joint is not found (origin, confidence 0) in some frames."""
    points = np.arange(frames)[:, None, None] * np.ones((1, 33, 2)) + 50
    confidence = np.full((frames, 33), 0.8)
    index = BLAZEPOSE33.index(joint)
    damaged, doubt = points.copy(), confidence.copy()
    damaged[rows, index], doubt[rows, index] = 0, 0
    whole = PoseSequence.regular(frames, 30, BLAZEPOSE33, keypoints_px=points, confidence=confidence)
    return whole, whole.with_(keypoints_px=damaged, confidence=doubt)


def test_a_joint_that_was_not_found_is_bridged_by_itself():
    whole, lost = _lost(slice(10, 15))
    out = bridge_joints(lost, H36M17)
    np.testing.assert_allclose(out.keypoints_px, whole.keypoints_px)
    np.testing.assert_array_equal(out.confidence, lost.confidence)
    assert out.has_person.all()
    unknown = np.where(lost.confidence[..., None] == 0, np.nan, lost.keypoints_px)
    for confidence in (lost.confidence, np.where(lost.confidence == 0, np.nan, lost.confidence), None):
        again = bridge_joints(lost.with_(keypoints_px=unknown, confidence=confidence), H36M17)
        np.testing.assert_array_equal(again.keypoints_px, out.keypoints_px)
        assert (again.confidence[10:15, BLAZEPOSE33.index("RWrist")] == 0).all()


def test_at_the_ends_the_nearest_place_is_kept_for_a_while():
    whole, lost = _lost(slice(20, 30))
    out = bridge_joints(lost, H36M17)
    wrist = BLAZEPOSE33.index("RWrist")
    np.testing.assert_array_equal(out.keypoints_px[20:27, wrist], whole.keypoints_px[19, [wrist] * 7])
    assert out.has_person.tolist() == [True] * 27 + [False] * 3
    assert np.isnan(out.keypoints_px[27:]).all()


def test_a_longer_loss_is_a_gap_and_a_joint_that_is_not_needed_does_not_matter():
    _, lost = _lost(slice(10, 20))
    assert bridge_joints(lost, H36M17).has_person.tolist() == [True] * 10 + [False] * 10 + [True] * 10
    whole, lost = _lost(slice(0, 30), "LEye")
    assert bridge_joints(lost, H36M17) is lost
    assert bridge_joints(whole, H36M17) is whole
    with pytest.raises(PrmlError, match="no frame has all joints that lifting needs: LHip was seen in 0 of 30 frames"):
        bridge_joints(_lost(slice(0, 30), "LHip")[1], H36M17)


def test_an_ear_that_stays_out_of_sight_stands_at_the_other_ones_place():
    _, lost = _lost(slice(0, 30), "LEar")
    out, (left, right) = bridge_joints(lost, H36M17), (BLAZEPOSE33.index(j) for j in ("LEar", "REar"))
    np.testing.assert_array_equal(out.keypoints_px[:, left], lost.keypoints_px[:, right])
    assert (out.confidence[:, left] == 0).all()
    assert out.has_person.all()


def test_frames_without_a_person_are_not_bridged_joint_by_joint():
    whole, _ = _lost(slice(0, 0))
    blank = np.where(np.isin(np.arange(30), [5, 6])[:, None, None], np.nan, whole.keypoints_px)
    out = bridge_joints(whole.with_(keypoints_px=blank), H36M17)
    np.testing.assert_array_equal(out.keypoints_px, blank)
    assert out.has_person.sum() == 28
