"""Relative depth as an input on motion capture: affine-invariant, of what is seen, drawn beside everything else."""

from dataclasses import replace

import numpy as np
import pytest

from prml.batches.depth import relative_depth, seen_depth, standardised
from prml.batches.noise import measured_noise
from prml.batches.options import DepthOptions, MocapWindowOptions, SequenceWindowOptions, WindowOptions
from prml.batches.training_windows import MocapWindows
from prml.datasets.mocap import load_sets
from prml.errors import PrmlError
from prml.lifting.lifter import Lifter
from prml.networks import registry
from prml.training.config import FeaturesData, FitConfig, Human36mShData, MocapData, NetworkConfig, record_of
from prml.training.module import LiftingModule
from prml.weights.record import Card, Record

EXACT = DepthOptions(noise_m=0.0, steady_m=0.0, reach_m=0.0)


def _joints(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.4, (3, 5, 17, 3)) + np.array([0.3, -0.2, 4.0])


def test_a_factor_and_a_shift_of_the_image_do_not_matter():
    disparity = 1 / _joints()[..., 2]
    np.testing.assert_allclose(standardised(7 * disparity - 3), standardised(disparity), atol=1e-9)
    exact = relative_depth(np.random.default_rng(0), _joints(), EXACT)
    np.testing.assert_allclose(exact, standardised(disparity), atol=1e-6)
    np.testing.assert_allclose(exact.mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(exact.std(-1), 1, atol=1e-5)
    assert np.isfinite(standardised(np.ones((2, 17)))).all()


def test_nearer_is_larger_and_a_covering_joint_hides():
    joints = np.array([[[[0.0, 0, 4], [0.5, 0, 3], [0.01, 0, 3.5]]]])
    assert relative_depth(np.random.default_rng(0), joints, EXACT)[0, 0].argmax() == 1
    np.testing.assert_allclose(seen_depth(joints, 0.07)[0, 0], [3.5, 3, 3.5])
    np.testing.assert_allclose(seen_depth(joints, 0.0)[0, 0], [4, 3, 3.5])


def test_errors_are_of_the_size_that_is_asked_for():
    joints = np.zeros((400, 20, 17, 3))
    joints[..., 0], joints[..., 2] = np.arange(17), 4 + 0.2 * (np.arange(17) % 5)
    options = DepthOptions(noise_m=0.03, steady_m=0.0)
    drawn = relative_depth(np.random.default_rng(1), joints, options)
    exact = relative_depth(np.random.default_rng(1), joints, EXACT)
    per_unit_m = np.abs(np.gradient(exact[0, 0, :3], joints[0, 0, :3, 2])).mean()
    assert (drawn - exact).std() / per_unit_m == pytest.approx(0.03, rel=0.2)
    steady = relative_depth(np.random.default_rng(1), joints, DepthOptions(noise_m=0.0))
    np.testing.assert_allclose(steady, steady[:, :1].repeat(20, 1), atol=1e-5)


@pytest.fixture(scope="module")
def windows():
    sets, options = load_sets(("ui_prmd",)), MocapWindowOptions(frames=5, stride=200, batch=4)
    return lambda channels: MocapWindows(sets, replace(options, in_channels=channels), measured_noise(), seed=0)


def test_the_fourth_channel_leaves_the_others_as_they_are(windows):
    three, four = (windows(n)[(0, 1)] for n in (3, 4))
    assert four["input"].shape[-1] == 4
    assert (three["input"] == four["input"][..., :3]).all()
    assert (three["target"] == four["target"]).all()
    depth, target = four["input"][..., 3].flatten().numpy(), four["target"][..., 2].flatten().numpy()
    assert np.corrcoef(depth, target)[0, 1] < -0.3  # nearer is larger


def _config(data):
    arguments = {"frames": 5, "width": 16, "heads": 2, "branch_blocks": 1}
    return FitConfig(NetworkConfig("prml", arguments), data)


def test_a_network_of_four_channels_takes_a_step(windows):
    config = _config(MocapData(windows=MocapWindowOptions(frames=5, in_channels=4)))
    config.check()
    module = LiftingModule(config, steps_per_epoch=1, total_steps=1)
    assert module.network.in_channels == 4
    module.losses(windows(4)[(0, 0)])["loss"].backward()


@pytest.mark.parametrize(
    "data",
    [
        Human36mShData(windows=SequenceWindowOptions(frames=5, in_channels=4)),
        FeaturesData(windows=WindowOptions(frames=5, in_channels=4)),
        MocapData(windows=MocapWindowOptions(frames=5, in_channels=4), skeleton="body28"),
    ],
)
def test_other_data_has_no_relative_depth(data):
    with pytest.raises(PrmlError, match="in_channels 4, with relative depth, is for motion capture of 17 joints"):
        _config(data).check()


def test_weights_that_need_relative_depth_do_not_lift_without():
    network = registry.build("prml", frames=5, width=16, heads=2, branch_blocks=1, in_channels=4)
    card = Card(name="deep", network="prml", window=5, fps=30.0)
    with pytest.raises(PrmlError, match="deep needs relative depth at the joints, not only keypoints"):
        Lifter(Record(network, None, card))


def test_errors_of_depth_are_recorded_where_they_are_set():
    """The hash of every run that was made before stays."""
    windows = MocapWindowOptions(frames=5)
    assert "depth" not in record_of(_config(MocapData(windows=windows)))["data"]["windows"]
    other = replace(windows, depth=DepthOptions(noise_m=0.2))
    assert record_of(_config(MocapData(windows=other)))["data"]["windows"]["depth"] == {"noise_m": 0.2}
