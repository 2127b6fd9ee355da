"""The noise model does what its numbers say."""

import numpy as np
import pytest

from prml.batches.noise import NoiseModel, measured_noise, swap_sides
from prml.batches.options import MocapWindowOptions, VideoOptions
from prml.batches.training_windows import MocapWindows
from prml.datasets.mocap import load_sets
from prml.skeleton import MEASURED13, MEASURED24

FPS = 50.0


def _only(**values) -> NoiseModel:
    zero = np.zeros(13, np.float32)
    quiet = {
        "jitter_mm": zero,
        "drift_mm": zero,
        "drift_time_s": 0.3,
        "offset_mm": zero,
        "burst_rate": zero,
        "burst_mm": zero,
        "burst_s": 0.1,
        "swap_rate": 0.0,
        "swap_s": 0.1,
        "drop_rate": zero,
        "drop_s": 0.3,
        "confidence_logit": zero + 3,
        "confidence_slope": 0.8,
        "confidence_sigma": 0.0,
        "severity_sigma": 0.0,
    }
    return NoiseModel(**{**quiet, **values})


@pytest.mark.parametrize("part", ["jitter_mm", "drift_mm", "offset_mm"])
def test_every_part_has_the_deviation_it_is_given(part):
    given = np.linspace(3, 30, 13).astype(np.float32)
    error, _, _ = _only(**{part: given}).sample(np.random.default_rng(0), 400, 60, FPS)
    np.testing.assert_allclose(error.std((0, 1, 3)) * 1000, given, rtol=0.12)
    assert abs(error.mean()) < 1e-3


def test_jitter_is_white_drift_is_slow_offset_is_constant():
    ones = np.full(13, 10, np.float32)
    rng = np.random.default_rng(1)

    def correlation(model, lag):
        e = model.sample(rng, 300, 100, FPS)[0]
        return (e[:, lag:] * e[:, :-lag]).mean() / (e**2).mean()

    assert abs(correlation(_only(jitter_mm=ones), 1)) < 0.02
    assert correlation(_only(drift_mm=ones), 15) == pytest.approx(np.exp(-1), abs=0.06)  # 0.3 s = 15 frames
    assert correlation(_only(offset_mm=ones), 50) == pytest.approx(1, abs=1e-3)


def test_bursts_come_as_often_as_told():
    rate = np.full(13, 0.5, np.float32)
    model = _only(burst_rate=rate, burst_mm=np.full(13, 100, np.float32), burst_s=0.06)
    error, _, _ = model.sample(np.random.default_rng(2), 200, 500, FPS)
    inside = np.linalg.norm(error, axis=-1) > 0
    starts = (np.diff(inside.astype(int), axis=1) > 0).sum() / (200 * 10 * 13)
    assert starts == pytest.approx(0.5, rel=0.15)


def test_confidence_falls_with_error_and_stays_inside_its_range():
    model = measured_noise()
    error, confidence, _ = model.sample(np.random.default_rng(3), 100, 100, FPS)
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    size = np.linalg.norm(error, axis=-1)
    assert confidence[size > 0.15].mean() < confidence[size < 0.02].mean() - 0.05


def test_same_seed_same_noise():
    a, b = (measured_noise().sample(np.random.default_rng(4), 3, 20, FPS) for _ in range(2))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_scaled_by_zero_is_exact():
    error, _, _ = measured_noise().scaled(0.0).sample(np.random.default_rng(5), 4, 30, FPS)
    assert np.abs(error).max() == 0


def test_exchange_is_an_involution_that_touches_only_its_limbs():
    points = np.random.default_rng(6).normal(size=(2, 5, 13, 2))
    legs = np.zeros((2, 5, 2))
    legs[:, 2:4, 0] = 1
    once = swap_sides(points, legs)
    np.testing.assert_array_equal(swap_sides(once, legs), points)
    np.testing.assert_array_equal(once[:, :2], points[:, :2])
    knee = MEASURED13.index("LKnee"), MEASURED13.index("RKnee")
    np.testing.assert_array_equal(once[:, 2, knee[0]], points[:, 2, knee[1]])
    wrist = MEASURED13.index("LWrist")
    np.testing.assert_array_equal(once[:, :, wrist], points[:, :, wrist])


def test_the_lite_model_errs_more_and_shares_its_batches_as_told():
    full, lite = measured_noise(), measured_noise("lite")
    assert (lite.jitter_mm > full.jitter_mm).all()
    assert lite.ends is not None
    assert (lite.ends.drift_mm[13:17] > full.ends.drift_mm[13:17]).all()  # heels and toes
    sets = load_sets(("ui_prmd",))

    def inputs(share, noise):
        options = MocapWindowOptions(frames=9, batch=24, flip=0.0, clean=0.0, video=VideoOptions(lite=share))
        data = MocapWindows(sets, options, noise, seed=4)
        return np.stack([data[0, n]["input"][..., :2] for n in range(8)])

    exact = inputs(0.0, None)
    spread = [np.median(np.abs(inputs(share, full) - exact), axis=(1, 2, 3, 4)) for share in (0.0, 0.5, 1.0)]
    assert np.median(spread[2] / spread[0]) > 1.3
    assert 0 < (spread[1] > 1.2 * spread[0]).mean() < 1  # some batches, not all


def test_scaling_a_model_scales_its_feet_hands_and_face():
    noise = measured_noise().scaled(2.0)
    np.testing.assert_allclose(noise.on(MEASURED24).jitter_mm, 2 * measured_noise().on(MEASURED24).jitter_mm)
