"""The mocap benchmark: reproducible, with or without noise, and consistent with its cameras."""

import numpy as np

from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.skeleton import H36M17, MEASURED13, conversion


def _some(noisy: bool):
    return list(benchmark_sequences(("ui_prmd",), noisy, limit=2))


def test_four_cameras_a_clip_and_the_same_every_time():
    first, again = _some(True), _some(True)
    assert len(first) == 8
    assert len({s.name for s in first}) == 8
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.keypoints_px, b.keypoints_px)
        np.testing.assert_array_equal(a.confidence, b.confidence)


def test_exact_keypoints_are_the_projection_by_the_detector_rule():
    for s in _some(False):
        measured = conversion(H36M17, MEASURED13).apply(s.joints_m)
        expected = conversion(MEASURED13, H36M17).apply(s.camera.project(measured))
        np.testing.assert_allclose(s.keypoints_px, expected, atol=1e-6)
        assert (s.confidence == 1).all()
        limbs = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
        np.testing.assert_allclose(s.keypoints_px[:, limbs], s.camera.project(s.joints_m)[:, limbs], atol=1e-6)


def test_noise_is_of_a_detectors_size():
    """Median error of a limb joint between 5 and 60 mm at the person's depth."""
    for exact, noisy in zip(_some(False), _some(True), strict=True):
        np.testing.assert_array_equal(exact.joints_m, noisy.joints_m)
        mm_per_px = 1000 * exact.joints_m[:, :1, 2] / exact.camera.fx
        error = np.linalg.norm(exact.keypoints_px - noisy.keypoints_px, axis=-1) * mm_per_px
        assert 5 < np.median(error) < 60
        assert noisy.confidence.min() < 0.9


def test_only_the_split_that_is_asked_for():
    names = {s.subject for s in benchmark_sequences(("ui_prmd",), False, cameras=1)}
    assert names == {"s09", "s10"} or len(names) == 2
