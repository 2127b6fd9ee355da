"""Arguments that no network can have are refused in one line, before anything is allocated."""

from collections.abc import Sequence
from typing import Literal

import pytest
import torch
from test_peers import inputs
from torch import nn

from fixtures.networks import small_arguments
from prml.errors import PrmlError
from prml.networks import registry
from prml.networks.arguments import LIMITS, with_defaults
from prml.networks.base import Network

NAMES = registry.names()
CLASSES = sorted({registry.entry(name).builder: name for name in reversed(NAMES)}.values())  # one name of each
HOSTILE = {
    "width": [0, -16, 20_000, 2**70, 16.0, "16", True, None, [16], float("nan")],
    "heads": [0, -2, 5, 1.0, 10**9],
    "frames": [0, -9, 10_001, 2**70, 9.5, "9", [9]],
    "joints": [0, -17, 1001, "17"],
    "in_channels": [0, 1, 5, -3, 2.0],
    "depth": [-1, 1_000_000, 1.5, "2"],
    "shared_blocks": [-1, 1_000_000, 1.5],
    "branch_blocks": [-1, 1_000_000, None],
    "mlp_ratio": [0, -1.0, 65, float("inf"), float("nan"), "2"],
    "dropout": [-0.1, 1, 1.5, float("nan")],
    "drop_path": [-0.1, 1, 1.5, float("nan")],
    "hidden": [0, -1, 10_001, 3.0],
    "representation": [0, 10_001],
    "longest": [0, 3, 10_001, 9.0],
    "neighbours": [0, 10, 10_001],
    "layer_scale": [-1.0, 2.0, float("nan"), "1"],
    "kept_frames": [0, 2, 11, 3.0],
    "kept_coefficients": [-1, 11, 2.5],
    "kernels": [[], [0], [3, 3.0], [2], 9, "333", [3] * 65],
    "strides": [[], [0], [3, -3], 9, "333"],
    "features": [0, "resnet", [], [4] * 9, [4, 6, 8, 0], [4, 6, 8, 10.0], 2.0],
    "image_features": ["3d", True, None],
    "branches": ["all", "2D", True, None, 2],
    "order": ["X", "T-S", ""],
    "decoder": ["no", 1, None],
    "coarse_alignment": ["false", 0],
    "task_bias": ["3d", True],
    "bias_learnable": ["yes", 1],
    "bias_start_2d": ["uniform"],
    "bias_start_depth": ["uniform", None],
    "qkv_bias": [1, "no"],
    "causal": [1, "yes"],
    "strided": [1, "yes"],
}


def parameters(name):
    from inspect import signature

    return [p for p in signature(registry.network_class(name)).parameters if p not in ("self", "args", "kwargs")]


def allocated(monkeypatch):
    """Sizes of the linear layers that are made from now on."""
    made, make = [], nn.Linear.__init__

    def counted(self, inputs, outputs, *args, **more):
        made.append(inputs * outputs)
        make(self, inputs, outputs, *args, **more)

    monkeypatch.setattr(nn.Linear, "__init__", counted)
    return made


def test_every_argument_of_every_network_is_tried():
    assert {p for name in NAMES for p in parameters(name)} == set(HOSTILE)


@pytest.mark.misfit
@pytest.mark.parametrize("name", CLASSES)
def test_a_value_that_cannot_be_is_one_line_and_allocates_nothing(name, monkeypatch):
    made, small = allocated(monkeypatch), small_arguments(name)
    for argument in parameters(name):
        for value in HOSTILE[argument]:
            arguments = {**small, argument: value}
            if argument in ("kernels", "strides"):
                del arguments["frames"]
            with pytest.raises(PrmlError) as caught:
                registry.build(name, **arguments)
            assert "\n" not in str(caught.value)
            assert argument.split("_")[0] in str(caught.value), (argument, value, str(caught.value))
            assert not made, (argument, value)


@pytest.mark.misfit
@pytest.mark.parametrize("name", CLASSES)
def test_a_network_that_is_built_runs(name):
    """Small values: the least ones, and those that do not divide each other."""
    for argument in parameters(name):
        for value in (0, 1, 2, 3, 7, 18, 0.5, None, True, [1], [1, 3, 3]):
            arguments = {**small_arguments(name), argument: value}
            if argument in ("kernels", "strides"):
                del arguments["frames"]
            try:
                network = registry.build(name, **arguments).eval()
            except PrmlError:
                continue
            with torch.inference_mode():
                pose = network(*inputs(network, batch=1))
            assert pose.shape[2:] == (network.joints, 3), (argument, value)
            assert pose.isfinite().all(), (argument, value)


@pytest.mark.misfit
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": -16}, r"PrML: width must be a whole number from 1 to 8192, got '-16'$"),
        ({"width": 10, "heads": 4}, r"PrML: heads must divide the width, 4 does not divide 10$"),
        ({"branch_blocks": 1_000_000}, r"PrML: branch_blocks must be a whole number from 0 to 1000, got '1000000'$"),
        ({"width": 8192, "branch_blocks": 999}, r"PrML: width 8192 with 1000 blocks is too large; lower one of them$"),
        ({"order": "X"}, r"PrML: order must be one of 'S', 'T', 'S-T', 'S->T', 'T->S', got 'X'$"),
        ({"width": "x" * 500}, rf"got '{'x' * 60}'$"),
    ],
)
def test_what_was_expected_is_said(arguments, message):
    with pytest.raises(PrmlError, match=message):
        registry.build("prml-s", **arguments)


def test_the_limits_leave_room_for_every_named_size():
    for name in NAMES:
        usual = {**with_defaults(registry.network_class(name), {}), **registry.entry(name).arguments}
        for argument, (low, high) in LIMITS.items():
            if (value := usual.get(argument)) is not None:
                assert low <= 4 * value <= high or argument in ("in_channels", "drop_path", "dropout")


@pytest.mark.misfit
def test_networks_of_other_packages_are_checked_alike():
    class Newcomer(Network):
        def __init__(
            self,
            *,
            frames: int = 9,
            width: int = 8,
            kind: Literal["a", "b"] = "a",
            sizes: Sequence[int] = (1,),
            own=None,
        ):
            super().__init__(frames=frames)
            self.own = own

    assert Newcomer(own=object(), sizes=[3, 4]).joints == 17
    for wrong in ({"frames": 0}, {"width": 9000}, {"kind": "c"}, {"sizes": [0]}, {"sizes": "1"}):
        with pytest.raises(PrmlError, match=f"Newcomer: {next(iter(wrong))} must be"):
            Newcomer(**wrong)
    with pytest.raises(TypeError, match="unexpected keyword"):
        Newcomer(widht=8)
