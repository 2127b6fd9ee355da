"""Networks of 28 joints: those that take a number of joints take this one, the others say so in one line."""

import inspect

import pytest
import torch

from prml.errors import PrmlError
from prml.networks import registry
from prml.training.config import FitConfig, NetworkConfig
from prml.training.module import LiftingModule

NAMES = registry.names()
AT_MOST_17 = ("stcformer", "stcformer-l")  # they know the parts of a body of 17 joints
FREE = [
    n
    for n in NAMES
    if "joints" in inspect.signature(registry.network_class(n).__init__).parameters and n not in AT_MOST_17
]
FIXED = [n for n in NAMES if n not in FREE]


@pytest.mark.parametrize("name", [n for n in FREE if not registry.entry(n).image_features])
def test_28_joints_go_in_and_come_out(name):
    entry = registry.entry(name)
    network = registry.build(name, **{**entry.arguments, **entry.small, "joints": 28}).eval()
    with torch.no_grad():
        pose = network(torch.randn(2, network.frames, 28, network.in_channels))
    assert pose.shape[2:] == (28, 3)
    assert torch.isfinite(pose).all()


@pytest.mark.misfit
@pytest.mark.parametrize("name", FIXED)
def test_a_network_whose_skeleton_is_fixed_says_so(name):
    config = FitConfig(network=NetworkConfig(name, dict(registry.entry(name).small)))
    config.data.skeleton = "body28"
    with pytest.raises(PrmlError, match="joints") as told:
        LiftingModule(config, steps_per_epoch=1, total_steps=1)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["prml", "prml-xs", "prml-s", "prml-m"])
def test_every_joint_of_the_input_reaches_every_joint_of_the_pose(name):
    network = registry.build(name, **registry.entry(name).small | {"joints": 28}).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = torch.randn(1, 9, 28, 3, requires_grad=True)
    for joint in (0, 20, 27):
        (gradient,) = torch.autograd.grad(network(x)[:, :, joint].sum(), x)
        assert (gradient.abs().sum((0, 1, 3)) > 0).all()


def test_the_named_size_for_28_joints_stays_under_its_limit():
    with torch.device("meta"):
        network = registry.build("prml-m", joints=28)
    assert sum(p.numel() for p in network.parameters()) < 7e6
