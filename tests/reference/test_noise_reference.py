"""What is drawn has the spread, the frequency and the confidence that the noise model states, in absolute numbers."""

import json
from importlib.resources import files

import numpy as np
import pytest

from prml.batches.noise import NoiseModel, exchange, measured_noise
from prml.batches.training_windows import perturb
from prml.skeleton import MEASURED13

FPS = 50.0
ZERO = np.zeros(13, np.float32)


def model(**values):
    quiet = {
        "jitter_mm": ZERO,
        "drift_mm": ZERO,
        "drift_time_s": 0.3,
        "offset_mm": ZERO,
        "burst_rate": ZERO,
        "burst_mm": ZERO,
        "burst_s": 0.1,
        "swap_rate": 0.0,
        "swap_s": 0.1,
        "drop_rate": ZERO,
        "drop_s": 0.3,
        "confidence_logit": ZERO + 3,
        "confidence_slope": 0.0,
        "confidence_sigma": 0.0,
        "severity_sigma": 0.0,
    }
    return NoiseModel(**quiet | values)


def share_of_frames(starts_per_s, mean_frames, frames, fps=FPS):
    """Mean share of frames inside runs: a frame is outside if no run that would reach it has begun.

    A run lasts the frame that it begins in and a geometric number, ``mean_frames`` on average, after it.
    """
    start, stop = starts_per_s / fps, 1 / max(mean_frames, 1.0)
    # P(a run that began k frames ago still lasts) = P(1 + geometric > k) = (1 - stop)^(k - 1), one for k = 0
    lasts = np.concatenate([[1.0], (1 - stop) ** np.arange(frames - 1)])
    return float(np.mean(1 - np.cumprod(1 - start * lasts)))


def test_errors_are_metres_at_the_persons_depth():
    """3 mm of jitter, 4 mm of drift and 12 mm of offset are 13 mm per axis: 0.013."""
    parts = {"jitter_mm": ZERO + 3, "drift_mm": ZERO + 4, "offset_mm": ZERO + 12}
    error, _, _ = model(**parts).sample(np.random.default_rng(0), 600, 30, FPS)
    assert error.std() == pytest.approx(0.013, rel=0.03)
    np.testing.assert_allclose(error.std((0, 1, 2)), 0.013, rtol=0.04)


def test_severity_is_one_factor_of_each_clip():
    """Log-normal of sigma 0.5: the median factor is 1, the logarithms of the clips' spreads have sigma 0.5."""
    noise = model(jitter_mm=ZERO + 10, severity_sigma=0.5)
    error, _, _ = noise.sample(np.random.default_rng(1), 600, 40, FPS)
    logarithm = np.log(error.std((1, 2, 3)) / 0.010)
    assert np.median(logarithm) == pytest.approx(0, abs=0.06)
    assert logarithm.std() == pytest.approx(0.5, rel=0.1)


def test_bursts_have_their_size_and_frequency():
    """0.5 starts a second of 0.1 s: errors of 80 mm per axis inside, none outside."""
    noise = model(burst_rate=ZERO + 0.5, burst_mm=ZERO + 80)
    error, _, _ = noise.sample(np.random.default_rng(2), 200, 200, FPS)
    inside = (error != 0).any(-1)
    assert inside.mean() == pytest.approx(share_of_frames(0.5, 5, 200), rel=0.06)
    assert error[inside].std() == pytest.approx(0.080, rel=0.04)


def test_lost_joints_come_as_often_as_stated_and_lose_their_confidence():
    """The logit falls by 4: from 3 (0.953) to -1 (0.269)."""
    noise = model(drop_rate=ZERO + 0.4, drop_s=0.3)
    _, confidence, _ = noise.sample(np.random.default_rng(3), 200, 200, FPS)
    lost = confidence < 0.6
    assert lost.mean() == pytest.approx(share_of_frames(0.4, 15, 200), rel=0.06)
    np.testing.assert_allclose(confidence[lost], 1 / (1 + np.e), rtol=1e-5)
    np.testing.assert_allclose(confidence[~lost], 1 / (1 + np.exp(-3)), rtol=1e-5)


def test_lost_joints_are_where_bursts_are():
    noise = model(drop_rate=ZERO + 0.4, burst_mm=ZERO + 50)
    error, confidence, _ = noise.sample(np.random.default_rng(4), 200, 100, FPS)
    lost = confidence < 0.6
    assert error[lost].std() == pytest.approx(0.050, rel=0.04)
    assert not error[~lost].any()


def test_sides_are_exchanged_as_often_as_stated():
    _, _, swap = model(swap_rate=0.3, swap_s=0.2).sample(np.random.default_rng(5), 1000, 200, FPS)
    assert swap.shape == (1000, 200, 2)
    np.testing.assert_allclose(swap.mean((0, 1)), share_of_frames(0.3, 10, 200), rtol=0.08)
    starts = (np.diff(swap, axis=1, prepend=0) > 0).sum() / (1000 * 2 * 200 / FPS)
    assert starts == pytest.approx(0.3 * (1 - share_of_frames(0.3, 10, 200)), rel=0.08)


def test_the_first_flag_is_of_the_legs_and_the_second_of_the_arms():
    points = np.arange(26.0).reshape(1, 1, 13, 2)
    legs = exchange(points, np.array([[[1.0, 0]]]))[0, 0]
    arms = exchange(points, np.array([[[0, 1.0]]]))[0, 0]
    assert [np.flatnonzero((moved != points[0, 0]).any(-1)).tolist() for moved in (legs, arms)] == [
        [0, 1, 2, 3, 4, 5],
        [7, 8, 9, 10, 11, 12],
    ]
    np.testing.assert_array_equal(legs[[0, 1, 2, 3, 4, 5]], points[0, 0, [3, 4, 5, 0, 1, 2]])
    np.testing.assert_array_equal(arms[[7, 8, 9, 10, 11, 12]], points[0, 0, [10, 11, 12, 7, 8, 9]])


def test_confidence_falls_by_the_slope_from_twenty_millimetres_on():
    """Logit = 3 - 1.5 ln(1 + error / 20 mm): an error of 20 mm costs 1.04."""
    noise = model(jitter_mm=ZERO + 20, confidence_slope=1.5)
    error, confidence, _ = noise.sample(np.random.default_rng(6), 5, 20, FPS)
    length_mm = 1000 * np.sqrt((error.astype(np.float64) ** 2).sum(-1))
    logit = np.log(confidence.astype(np.float64)) - np.log1p(-confidence.astype(np.float64))
    np.testing.assert_allclose(logit, 3 - 1.5 * np.log(1 + length_mm / 20), atol=1e-3)


def test_confidence_scatters_slowly_by_its_sigma():
    _, confidence, _ = model(confidence_sigma=0.7).sample(np.random.default_rng(7), 400, 60, FPS)
    logit = np.log(confidence / (1 - confidence)) - 3
    assert logit.std() == pytest.approx(0.7, rel=0.05)
    lag = (logit[:, 15:] * logit[:, :-15]).mean() / (logit**2).mean()
    assert lag == pytest.approx(np.exp(-1), abs=0.05)  # 0.3 s


def test_spread_of_the_measured_detector():
    """sigma^2 of a joint: (jitter^2 + drift^2 + offset^2) exp(2 severity^2) + share of wild frames x burst^2."""
    stated = json.loads(files("prml.batches").joinpath("detector_noise.json").read_text(encoding="utf-8"))["model"]
    one = {name: np.asarray(value) for name, value in stated.items()}
    frames = 150
    bursts, drops = (
        np.array([share_of_frames(rate, one[f"{kind}_s"] * FPS, frames) for rate in one[f"{kind}_rate"]])
        for kind in ("burst", "drop")
    )
    wild = 1 - (1 - bursts) * (1 - drops)
    calm = (one["jitter_mm"] ** 2 + one["drift_mm"] ** 2 + one["offset_mm"] ** 2) * np.exp(
        2 * one["severity_sigma"] ** 2
    )
    expected = np.sqrt(calm + wild * one["burst_mm"] ** 2) / 1000
    error, _, _ = measured_noise().sample(np.random.default_rng(8), 400, frames, FPS)
    np.testing.assert_allclose(error.std((0, 1, 3)), expected, rtol=0.1)
    # by hand, with wild frames: the head errs least, by 17 mm, the wrist most, by 71 mm
    spread = dict(zip(MEASURED13.joints, error.std((0, 1, 3)), strict=True))
    assert spread["HeadCentre"] == pytest.approx(0.0174, rel=0.1)
    assert spread["LWrist"] == pytest.approx(0.0714, rel=0.1)


def test_noise_of_ten_millimetres_is_a_five_hundredth_of_the_image_plane_at_five_metres():
    plane = np.zeros((300, 30, 13, 2), np.float32)
    noisy, confidence = perturb(
        np.random.default_rng(9), plane, np.full((300, 30), 5.0, np.float32), model(jitter_mm=ZERO + 10), FPS
    )
    assert noisy.std() == pytest.approx(0.002, rel=0.03)
    np.testing.assert_allclose(confidence, 1 / (1 + np.exp(-3)), rtol=1e-5)


def test_scaling_multiplies_magnitudes_and_nothing_else():
    noise = model(
        jitter_mm=ZERO + 1, drift_mm=ZERO + 2, offset_mm=ZERO + 3, burst_mm=ZERO + 4, burst_rate=ZERO + 5, swap_rate=6.0
    ).scaled(2.5)
    stated = [float(np.mean(getattr(noise, name))) for name in ("jitter_mm", "drift_mm", "offset_mm", "burst_mm")]
    assert stated == [2.5, 5.0, 7.5, 10.0]
    assert (noise.burst_rate[0], noise.swap_rate) == (5, 6)
