"""Drawn noise has the spread, frequency and confidence of the noise model, in absolute numbers."""

import json
from importlib.resources import files

import numpy as np
import pytest

from prml.batches.noise import NoiseModel, measured_noise, swap_sides
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


class Scripted:
    """A generator that returns given values and records requests in order."""

    def __init__(self, normal=None, random=None, runs=3):
        self.asked = []
        self.script = {"standard_normal": normal or np.ones, "random": random or np.ones}
        self.runs = runs

    def normal(self, mean, sigma, shape):
        self.asked.append(("normal", mean, sigma, shape))
        return np.full(shape, mean + sigma)

    def _scripted(self, name, shape, dtype):
        self.asked.append((name, shape))
        assert dtype == np.float32
        return self.script[name](shape).astype(np.float32)

    def standard_normal(self, shape, dtype):
        return self._scripted("standard_normal", shape, dtype)

    def random(self, shape, dtype):
        return self._scripted("random", shape, dtype)

    def geometric(self, p, number):
        self.asked.append(("geometric", p, number))
        return np.full(number, self.runs)


def test_the_order_of_random_numbers_is_kept():
    """Training batches of a seed stay the same: what is drawn, of which shape, in which order.

    Slow noise is drawn with int(3 sigma) + 1 frames more on both sides; sigma is half of the time in frames: 7.5 for
    0.3 s, 2.5 for half of 0.2 s.
    """
    rng = Scripted()
    model(severity_sigma=0.25, burst_s=0.2, drop_s=0.4, swap_s=0.1, swap_rate=1.0).sample(rng, 2, 5, FPS)
    assert rng.asked == [
        ("normal", 0, 0.25, (2, 1, 1, 1)),
        ("standard_normal", (2, 5, 13, 2)),
        ("standard_normal", (2, 5 + 2 * 23, 13, 2)),
        ("standard_normal", (2, 1, 13, 2)),
        ("random", (2, 5, 13)),
        ("geometric", 1 / 10, 0),
        ("random", (2, 5, 13)),
        ("geometric", 1 / 20, 0),
        ("standard_normal", (2, 5 + 2 * 8, 13, 2)),
        ("random", (2, 5, 2)),
        ("geometric", 1 / 5, 0),
        ("standard_normal", (2, 5 + 2 * 23, 13)),
    ]


def gain(time_frames):
    """Unit variance: a Gaussian of sigma s frames leaves 1 / (2 s sqrt(pi)) of the variance of white noise."""
    return np.sqrt(2 * (time_frames / 2) * np.sqrt(np.pi))


def test_all_parts_added_by_hand():
    """All normal numbers are one: (1 + 2 gain(15) + 3) e mm in x and y, and 4 gain(5) mm of a burst on top."""
    parts = {"jitter_mm": ZERO + 1, "drift_mm": ZERO + 2, "offset_mm": ZERO + 3, "burst_mm": ZERO + 4}
    noise = model(**parts, burst_s=0.2, confidence_slope=0.5, confidence_sigma=0.1, severity_sigma=1.0)
    calm, confidence, swap = noise.sample(Scripted(), 2, 5, FPS)
    expected = np.e * (4 + 2 * gain(15))
    np.testing.assert_allclose(calm, expected / 1000, rtol=1e-6)
    logit = 3 - 0.5 * np.log(1 + expected * 2**0.5 / 20) + 0.1 * gain(15)
    np.testing.assert_allclose(confidence, 1 / (1 + np.exp(-logit)), rtol=1e-5)
    assert not swap.any()
    everywhere = Scripted(random=np.zeros)
    wild, unsure, swap = model(**parts, burst_rate=ZERO + 1, burst_s=0.2, swap_rate=1.0).sample(everywhere, 2, 5, FPS)
    np.testing.assert_allclose(wild, (4 + 2 * gain(15) + 4 * gain(5)) / 1000, rtol=1e-6)
    np.testing.assert_allclose(unsure, 1 / (1 + np.exp(-3)), rtol=1e-6)
    assert (swap == 1).all()
    lost, unsure, _ = model(**parts, drop_rate=ZERO + 1, burst_s=0.01).sample(Scripted(random=np.zeros), 2, 5, FPS)
    np.testing.assert_allclose(lost, (4 + 2 * gain(15) + 4 * gain(2)) / 1000, rtol=1e-6)  # at least two frames
    np.testing.assert_allclose(unsure, 1 / (1 + np.e), rtol=1e-5)
    assert {array.dtype for array in (calm, wild, confidence, unsure, swap)} == {np.dtype(np.float32)}


def test_slow_noise_is_white_noise_under_a_gaussian():
    """One number that is not zero: exp(-t^2 / 2 sigma^2) around it, cut at 3 sigma, of sum one, times the gain."""

    def impulse(shape):
        white = np.zeros(shape)
        if len(shape) == 4 and shape[1] == 51 + 2 * 16:
            white[1, shape[1] // 2, 4, 1] = 1
        return white

    error, _, _ = model(drift_mm=ZERO + 1000, drift_time_s=0.2).sample(Scripted(normal=impulse), 2, 51, FPS)
    at = np.arange(-25, 26)
    shape = np.where(np.abs(at) <= 15, np.exp(-(at**2) / (2 * 5.0**2)), 0)
    np.testing.assert_allclose(error[1, :, 4, 1], gain(10) * shape / shape.sum(), atol=1e-6)
    error[1, :, 4, 1] = 0
    assert not error.any()


def test_the_fastest_slow_noise_lasts_half_a_frame():
    """Sigma is at least a quarter of a frame: neighbours have exp(-8) of it, but 3 sigma are cut at one frame."""
    rng = Scripted()
    model(drift_mm=ZERO + 1, drift_time_s=0.001).sample(rng, 1, 5, FPS)
    assert rng.asked[2] == ("standard_normal", (1, 5 + 2 * 1, 13, 2))


def test_runs_by_hand():
    """Legs exchanged from frame 1, arms from frames 0 and 3 of the second clip; each lasts its frame and two more."""

    def random(shape):
        numbers = np.full(shape, 0.02)
        if shape[-1] == 2:
            numbers[0, 1, 0], numbers[1, 0, 1], numbers[1, 3, 1] = 0.0199, 0.0, 0.01
        return numbers

    rng = Scripted(random=random, runs=2)
    _, _, swap = model(swap_rate=1.0, swap_s=0.08).sample(rng, 2, 5, FPS)
    assert swap[0].T.tolist() == [[0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    assert swap[1].T.tolist() == [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert ("geometric", 1 / 4, 3) in rng.asked
    model(swap_rate=1.0, swap_s=0.001).sample(rng, 2, 5, FPS)
    assert ("geometric", 1.0, 3) in rng.asked[-2:]  # no shorter than a frame on average


def test_what_was_measured_is_read_as_it_stands():
    stated = json.loads(files("prml.batches").joinpath("detector_noise.json").read_text(encoding="utf-8"))["model"]
    noise = measured_noise()
    assert noise is measured_noise()
    for name, value in stated.items():
        found = getattr(noise, name)
        if isinstance(value, list):
            assert (found.dtype, found.shape) == (np.float32, (13,))
            np.testing.assert_array_equal(found, np.array(value, np.float32))
        else:
            assert type(found) is float
            assert found == value


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
    _, _, swap = model(swap_rate=0.3, swap_s=0.2).sample(np.random.default_rng(5), 300, 200, FPS)
    assert swap.shape == (300, 200, 2)
    np.testing.assert_allclose(swap.mean((0, 1)), share_of_frames(0.3, 10, 200), rtol=0.12)
    starts = (np.diff(swap, axis=1, prepend=0) > 0).sum() / (300 * 2 * 200 / FPS)
    assert starts == pytest.approx(0.3 * (1 - share_of_frames(0.3, 10, 200)), rel=0.12)


def test_the_first_flag_is_of_the_legs_and_the_second_of_the_arms():
    points = np.arange(26.0).reshape(1, 1, 13, 2)
    legs = swap_sides(points, np.array([[[1.0, 0]]]))[0, 0]
    arms = swap_sides(points, np.array([[[0, 1.0]]]))[0, 0]
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
