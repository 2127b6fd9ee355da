"""What is computed block by block is what it would be in one piece."""

import numpy as np
import pytest

from prml import normalise
from prml.camera import Camera
from prml.filters import resample, root
from prml.lifting import inputs
from prml.pipeline import lift as pipeline
from prml.sequence import PoseSequence
from prml.spans import blocks


@pytest.mark.parametrize(("length", "size", "margin"), [(10, 4, 0), (10, 4, 3), (3, 8, 2), (8, 4, 100), (0, 4, 1)])
def test_blocks_cover_everything_once(length, size, margin):
    values = np.arange(length)
    parts = []
    for block, near, inner in blocks(length, size, margin):
        assert np.array_equal(values[near][inner], values[block])
        assert near.start == max(block.start - margin, 0)
        assert near.stop == min(block.stop + margin, length)
        parts.append(values[block])
    assert np.array_equal(np.concatenate([*parts, np.empty(0, int)]), values)


def test_a_long_spline_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.03, 500))
    wanted = np.sort(rng.uniform(times[0] - 0.1, times[-1] + 0.1, 800))
    values = rng.normal(size=(500, 17, 3))
    whole = resample.interpolate_smooth(values, times, wanted)
    monkeypatch.setattr(resample, "_BLOCK", 64)
    assert np.allclose(resample.interpolate_smooth(values, times, wanted), whole, atol=1e-12)


def test_normalisation_in_blocks(monkeypatch):
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(1, 17, 2)) * 0.1 + np.cumsum(rng.normal(size=(400, 1, 2)) * 0.003, 0)
    whole = normalise.virtual_camera(plane, 50.0)
    monkeypatch.setattr(inputs, "_BLOCK", 90)
    parts = inputs.virtual_camera(plane, 50.0)
    assert np.allclose(parts.xy, whole.xy, atol=1e-7)
    assert np.allclose(parts.R_camera_to_input, whole.R_camera_to_input, atol=1e-12)
    assert np.allclose(parts.scale, whole.scale, atol=1e-12)


def test_residual_in_blocks(monkeypatch):
    rng = np.random.default_rng(2)
    joints = rng.normal(size=(50, 17, 3)) * 0.4
    joints -= joints[:, :1]
    camera = Camera.from_fov(640, 480)
    points = camera.project(joints + [0.0, 0.0, 4.0]) + rng.normal(size=(50, 17, 2)) * 3
    joints[7] = points[7] = np.nan
    sequence = PoseSequence.regular(
        50, 25.0, joints_m=joints.astype(np.float32), keypoints_px=points, camera=camera, root_relative=True
    )
    whole = pipeline.residual_px(sequence)
    assert 1 < whole < 5
    monkeypatch.setattr(root, "_BLOCK", 7)
    assert pipeline.residual_px(sequence) == pytest.approx(whole, rel=1e-9)
