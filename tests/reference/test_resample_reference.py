"""Frame rates by hand: a network's times, straight lines and natural cubics between them."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from prml.errors import PrmlError
from prml.filters.resample import frame_rate, interpolate, interpolate_smooth, jumps, network_times, stretches


def test_times_of_the_network():
    np.testing.assert_allclose(network_times(np.arange(3) / 25, 50), [0, 0.02, 0.04, 0.06, 0.08])
    np.testing.assert_allclose(network_times(1 + np.arange(5) / 100, 50), [1, 1.02, 1.04])
    near, far = (np.array([0, 0.02 + 0.02 * off, 0.04]) for off in (0.09, 0.11))  # a tenth of a step is allowed
    assert network_times(near, 50) is near
    np.testing.assert_allclose(network_times(far, 50), [0, 0.02, 0.04], atol=1e-12)


def test_interpolation_by_hand():
    times, values = np.array([0, 1.0, 3.0]), np.array([0.0, 10, 30])
    np.testing.assert_allclose(interpolate(values, times, np.array([-1, 0.25, 2, 5])), [0, 2.5, 20, 30])


def test_splines_are_natural_cubics():
    """Through 0, 1, 0, 1: the second derivatives are 0, -4, 4, 0, and half-way lie 0.75, 0.5 and 0.25."""
    curve = interpolate_smooth(np.array([0.0, 1, 0, 1]), np.arange(4.0), np.array([0.5, 1.5, 2.5, 3.5]))
    np.testing.assert_allclose(curve, [0.75, 0.5, 0.25, 1], atol=1e-12)
    # beyond both ends the end values, as with straight lines
    np.testing.assert_allclose(
        interpolate_smooth(np.array([1.0, 2, 0, 1]), np.arange(4.0), np.array([-0.5, 9])), [1, 1]
    )


def test_times_of_very_few_frames():
    one = np.array([7.0])
    assert network_times(one, 50) is one
    np.testing.assert_allclose(network_times(np.array([1, 1.04]), 50), [1, 1.02, 1.04])
    np.testing.assert_allclose(network_times(np.array([1, 1.001]), 50), [1, 1.02])  # at least one step
    exactly_a_tenth_off = np.array([0, 11.0, 20.0])
    np.testing.assert_allclose(network_times(exactly_a_tenth_off, 0.1), [0, 10, 20])


@pytest.mark.parametrize("between", [interpolate, interpolate_smooth])
def test_values_at_their_own_times_are_left_alone(between):
    times, values = np.arange(6.0), np.random.default_rng(0).normal(size=(6, 17, 3))
    assert between(values, times, times) is values
    assert between(values[:1], times[:1], times[:1]).shape == (1, 17, 3)


@pytest.mark.parametrize("between", [interpolate, interpolate_smooth])
def test_a_single_frame_is_repeated(between):
    value = np.random.default_rng(1).normal(size=(1, 17, 3))
    np.testing.assert_array_equal(between(value, np.array([5.0]), np.array([1.0, 5, 9])), np.repeat(value, 3, 0))


@pytest.mark.parametrize("between", [interpolate, interpolate_smooth])
def test_every_number_of_a_frame_is_interpolated_for_itself(between):
    rng = np.random.default_rng(2)
    times, wanted = np.cumsum(rng.uniform(0.01, 0.1, 30)), np.sort(rng.uniform(0, 2, 44))
    values = rng.normal(size=(30, 5, 3)).astype(np.float32)
    together = between(values, times, wanted)
    assert (together.shape, together.dtype) == ((44, 5, 3), np.float32)
    for joint in range(5):
        for axis in range(3):
            np.testing.assert_allclose(
                together[:, joint, axis], between(values[:, joint, axis], times, wanted), rtol=1e-6, atol=1e-6
            )


def test_below_four_frames_there_are_straight_lines():
    values, times = np.array([0.0, 1, 0]), np.arange(3.0)
    np.testing.assert_allclose(interpolate_smooth(values, times, np.array([0.5, 1.25])), [0.5, 0.75])


def test_a_long_spline_is_that_of_the_whole():
    """Over 2048 frames it is solved in pieces; scipy's spline through all frames at once is the same."""
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.01, 0.03, 4500))
    values = rng.normal(size=(4500, 2))
    wanted = np.concatenate([times[:1], np.sort(rng.uniform(times[0], times[-1], 6000)), times[2040:2060], times[-1:]])
    wanted.sort()
    whole = CubicSpline(times, values, axis=0, bc_type="natural")(wanted)
    np.testing.assert_allclose(interpolate_smooth(values, times, wanted), whole, atol=1e-12)


def test_a_jump_is_more_than_a_second_and_a_thousandth():
    assert jumps(np.array([5, 6.0009, 7.002, 7.1, 9])).tolist() == [False, False, True, False, True]
    assert jumps(np.array([3.0])).tolist() == [False]
    assert jumps(np.array([])).tolist() == []


def test_stretches_end_where_nobody_is_and_where_time_jumps():
    times = np.array([0, 0.1, 0.2, 5, 5.1, 5.2, 9, 9.1, 20, 20.1])
    present = np.array([1, 1, 1, 1, 1, 0, 1, 1, 1, 1], bool)
    assert stretches(present, times) == [slice(0, 3), slice(3, 5), slice(6, 8), slice(8, 10)]
    assert stretches(np.ones(3, bool), np.arange(3.0)) == [slice(0, 3)]
    assert stretches(np.zeros(3, bool), np.arange(3.0)) == []


def test_the_rate_is_the_mean_one_without_jumps_unless_it_is_the_stated_one():
    """Steps of 30, 50 and 40 ms: 25 a second. The stated rate counts if it is within 2 % of the mean one."""
    times = np.cumsum([0, 0.03, 0.05, 100, 0.04])
    assert frame_rate(times, 30) == 25
    assert frame_rate(np.arange(5) / 30.6, 30) == 30
    assert frame_rate(np.arange(5) / 30.63, 30) == 30.63
    assert frame_rate(np.arange(5) / 29.42, 30) == 30
    assert frame_rate(np.arange(5) / 29.41, 30) == 29.41
    assert frame_rate(np.arange(4) * 0.07, 30) == 14.286  # to a thousandth
    assert frame_rate(np.array([0.0, 100, 200]), 30) == 30
    assert frame_rate(np.array([0.0]), 30) == 30


def test_55_hours_at_50_a_second_are_one_stretch_and_no_more():
    assert len(network_times(np.array([0, 2e7]), 0.5)) == 10_000_001
    with pytest.raises(PrmlError, match=r"at most 200000 s in one stretch at 50 frames per second, got 200001 s"):
        network_times(np.array([0, 200_001.0]), 50)
