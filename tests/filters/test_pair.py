"""Two results in step."""

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.filters.pair import paired, resampled
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17, Skeleton, conversion


def motion(times_s, skeleton=H36M17, gap=()):
    """Joints that move along straight lines, each at its own speed, the root at rest."""
    times_s = np.asarray(times_s, float)
    speed = np.arange(len(skeleton))[:, None] * [0.01, -0.02, 0.03]
    joints = np.ones((len(times_s), len(skeleton), 3)) * speed * times_s[:, None, None]
    there = np.ones(len(times_s), bool)
    there[list(gap)] = False
    joints[~there] = np.nan
    return PoseSequence(
        skeleton,
        times_s,
        joints_m=joints,
        root_relative=True,
        fps=25.0,
        has_person=there,
        confidence=np.where(there[:, None], 0.5, 0.0) * np.ones(len(skeleton)),
        filled=np.zeros(len(times_s), bool),
    )


def test_a_result_against_itself_is_nowhere_apart():
    pair = paired(one := motion(np.arange(20) / 25), one)
    assert not pair.notes
    np.testing.assert_array_equal(pair.distance_m, 0)


def test_the_distance_is_that_of_the_joints():
    one = motion(np.arange(20) / 25)
    other = one.with_(joints_m=one.joints_m + np.where(np.arange(17)[:, None] == 3, [0.03, 0.0, 0.04], 0))
    pair = paired(one, other)
    np.testing.assert_allclose(pair.distance_m, np.where(np.arange(17) == 3, 0.05, 0)[None].repeat(20, 0), atol=1e-12)
    np.testing.assert_allclose(pair.mean_m, 0.05 / 17)


def test_another_clock_is_interpolated_and_said():
    pair = paired(motion(np.arange(20) / 25), motion(np.arange(0.31, 0.62, 1 / 60)))
    inside = (pair.a.times_s >= 0.31) & (pair.a.times_s <= 0.61)
    np.testing.assert_allclose(pair.distance_m[inside], 0, atol=1e-9)
    assert np.isnan(pair.distance_m[~inside]).all()
    assert len(pair.b) == len(pair.a)
    assert "another clock" in pair.notes[0]


def test_nothing_is_interpolated_over_a_gap():
    there = motion(np.arange(30) / 30, gap=range(10, 20))
    again = resampled(there, np.arange(0, 1, 1 / 50))
    known = np.isfinite(again.joints_m).all((1, 2))
    np.testing.assert_array_equal(known, again.has_person)
    inside_gap = (again.times_s > 9 / 30 + 2e-3) & (again.times_s < 20 / 30 - 2e-3)
    np.testing.assert_array_equal(known, ~inside_gap & (again.times_s <= 29 / 30 + 1e-3))


def test_other_joints_are_those_in_common():
    pair = paired(motion(np.arange(5) / 25, BODY28), motion(np.arange(5) / 25))
    assert pair.a.skeleton == pair.b.skeleton == H36M17
    want = conversion(BODY28, H36M17).apply(motion(np.arange(5) / 25, BODY28).joints_m) - pair.b.joints_m
    np.testing.assert_allclose(pair.distance_m, np.linalg.norm(want, axis=-1), atol=1e-12)
    assert "17 joints of h36m17" in pair.notes[0]


def test_the_frames_that_differ_most_are_apart_from_each_other():
    one = motion(np.arange(100) / 25)
    bump = np.zeros(100)
    bump[[10, 11, 50, 90]] = [0.5, 0.4, 0.3, 0.2]
    other = one.with_(joints_m=one.joints_m + bump[:, None, None] * [1, 0, 0] * (np.arange(17) > 0)[:, None])
    assert paired(one, other).largest(3).tolist() == [10, 50, 90]
    assert len(paired(one, other).largest(99)) <= 100 / 12.5 + 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.with_(times_s=s.times_s + 100), "no moment in common"),
        (lambda s: s.with_(joints_m=None), "needs 3D joints"),
        (lambda s: s.with_(frame="world"), "frame"),
        (lambda s: motion(s.times_s, Skeleton("own", ("A", "B"), (-1, 0), (), ())), "no joint set in common"),
    ],
)
def test_what_does_not_fit_is_refused(change, reason):
    one = motion(np.arange(5) / 25)
    with pytest.raises(PrmlError, match=reason):
        paired(one, change(one))
