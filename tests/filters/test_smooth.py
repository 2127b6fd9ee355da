"""Smoothing: what is kept, what is lost, and by how much."""

import numpy as np
import pytest

from prml.filters.smooth import butterworth, half_window, jitter_m, one_euro, savitzky_golay, smoothed, smoothed_joints

FPS = 100.0


def _times(frames):
    return np.arange(frames) / FPS


def test_a_constant_and_a_steady_speed_are_kept():
    times = _times(200)
    line = np.stack([np.full(200, 3.0), 0.5 * times], 1)
    np.testing.assert_allclose(butterworth(line, times, 6), line, atol=1e-4)


@pytest.mark.parametrize(("hz", "gain"), [(1.0, 1.0), (6.0, 0.5**0.5), (30.0, 0.0)])
def test_amplitudes_fall_as_the_filter_of_both_passes_says(hz, gain):
    times = _times(2000)
    wave = np.sin(2 * np.pi * hz * times)
    inner = slice(500, 1500)
    assert butterworth(wave, times, 6.0)[inner].std() / wave[inner].std() == pytest.approx(gain, abs=0.01)


def test_nothing_is_delayed():
    times, rng = _times(300), np.random.default_rng(0)
    noise = rng.normal(size=(300, 2))
    forward, backward = butterworth(noise, times, 5), butterworth(noise[::-1], times, 5)[::-1]
    np.testing.assert_allclose(forward[60:-60], backward[60:-60], atol=1e-3)


def test_uneven_times_count():
    times = _times(400) + 0.003 * np.sin(np.arange(400))
    slow = np.sin(2 * np.pi * times)
    np.testing.assert_allclose(butterworth(slow, times, 8), slow, atol=0.02)


@pytest.mark.parametrize("frames", [1, 2, 3, 7])
def test_a_few_frames_stay_finite(frames):
    values = np.random.default_rng(1).normal(size=(frames, 3))
    assert np.isfinite(butterworth(values, _times(frames), 6)).all()
    assert np.isfinite(savitzky_golay(values, _times(frames), 6)).all()


def test_a_cut_off_beyond_the_frame_rate_changes_nothing():
    values = np.random.default_rng(2).normal(size=(50, 3))
    assert butterworth(values, _times(50), 60.0) is values


def test_savitzky_golay_keeps_cubics_also_at_the_ends():
    times = _times(120)
    cubic = np.stack([2 - 3 * times + times**3, 4 * times**2], 1)
    np.testing.assert_allclose(savitzky_golay(cubic, times, 6), cubic, atol=1e-9)


@pytest.mark.parametrize(("hz", "low", "high"), [(1.0, 0.99, 1.01), (6.0, 0.65, 0.77), (20.0, 0.0, 0.25)])
def test_savitzky_golay_halves_the_power_near_its_cut_off(hz, low, high):
    times = _times(2000)
    wave = np.sin(2 * np.pi * hz * times)
    inner = slice(500, 1500)
    assert low <= savitzky_golay(wave, times, 6.0)[inner].std() / wave[inner].std() <= high


def test_a_lower_cut_off_takes_a_longer_window_and_a_high_one_none():
    halves = [half_window(hz / FPS) for hz in (1, 3, 6, 12, 49)]
    assert halves == sorted(halves, reverse=True)
    assert halves[0] > 20
    assert halves[-1] == 0
    values = np.random.default_rng(2).normal(size=(50, 3))
    assert savitzky_golay(values, _times(50), 60.0) is values


def test_the_one_euro_filter_does_not_know_the_future():
    values = np.random.default_rng(3).normal(size=(80, 3)) * 0.01
    later = values.copy()
    later[50:] += 1
    times = _times(80)
    np.testing.assert_array_equal(one_euro(values, times, 2)[:50], one_euro(later, times, 2)[:50])
    assert one_euro(values, times, 2).std() < values.std()


def test_gaps_stay_and_their_sides_do_not_mix():
    values, times = np.random.default_rng(4).normal(size=(120, 2)), _times(120)
    values[50:60] = np.nan
    whole = smoothed(values, times, 5)
    assert np.isnan(whole[50:60]).all()
    np.testing.assert_array_equal(whole[:50], smoothed(values[:50], times[:50], 5))


def test_a_missing_joint_does_not_cost_the_others_their_frame():
    values, times = np.random.default_rng(5).normal(size=(100, 3, 2)), _times(100)
    values[40:45, 1] = np.nan
    smooth = smoothed_joints(values, times, 5)
    np.testing.assert_allclose(smooth[:, 0], smoothed(values[:, 0], times, 5))
    assert np.isnan(smooth[40:45, 1]).all()


def test_jitter_does_not_depend_on_the_frame_rate():
    def jitter(fps):
        times = np.arange(0, 4, 1 / fps)
        return jitter_m(np.sin(times)[:, None, None] * np.array([1.0, 0, 0]), times)

    assert jitter(200) == pytest.approx(jitter(50), rel=0.01)
    assert np.isnan(jitter_m(np.zeros((2, 1, 3)), np.arange(2) / 30))
