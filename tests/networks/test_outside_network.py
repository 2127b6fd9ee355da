"""A network of another package is trained, lifted with, counted and timed like ours: no file of ours knows it."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from fixtures.outside import outside_package
from fixtures.swaying import swaying
from prml.cli import main
from prml.errors import PrmlError
from prml.io.keypoints import write_keypoints
from prml.io.poses import read_poses
from prml.lifting.lifter import Lifter, load
from prml.networks import registry
from prml.networks.cost import cost_of
from prml.weights.record import Card, load_record, read_card, save_record

CODE = """
import torch
from torch import nn

from prml.networks import Network, NetworkEntry


class PerFrame(Network):
    HEADS = ("head",)
    any_length = True

    def __init__(self, *, frames: int = 9, joints: int = 17, in_channels: int = 3, width: int = 16) -> None:
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        self.embed, self.head = nn.Linear(in_channels, width), nn.Linear(width, 3)

    def forward(self, x):
        self.check(x)
        return self.head(torch.tanh(self.embed(x)))


class Causal(PerFrame):
    output, any_length = "last", False

    def forward(self, x):
        return super().forward(x)[:, -1:]


class LooksAtValues(PerFrame):
    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.rates = [x.item() for x in torch.linspace(0, 1, 3)]


class NeedsArguments(Network):
    def __init__(self, *, frames: int) -> None:
        super().__init__(frames=frames)


ENTRY = NetworkEntry("per-frame", "outside_prml:PerFrame", window=9, small={"frames": 3, "width": 4}, notes="of a test")
MISNAMED = NetworkEntry("another", "outside_prml:PerFrame")
NO_NETWORK = NetworkEntry("no-network", "torch.nn:Linear")
"""
POINTS = {
    "prml.networks": {
        "per-frame": "ENTRY",
        "misnamed": "MISNAMED",
        "no-network": "NO_NETWORK",
        "number": "PerFrame",
        "prml-s": "ENTRY",
    }
}
BY_CLASS = "outside_prml:PerFrame"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    outside_package(monkeypatch, folder, CODE, POINTS)
    yield
    sys.modules.pop("outside_prml", None)


def train(name, folder, **arguments):
    """Two steps of ``prml fit``; the record's path."""
    config = {
        "network": {"name": name, "arguments": arguments},
        "data": {"sets": ["ui_prmd"], "workers": 0, "validation_windows": 4, "windows": {"frames": 9, "batch": 4}},
        "objective": {"mutual_information": "none", "pose": "mpjpe"},
        "run": {"epochs": 1, "max_steps": 2, "progress": False, "threads": 1},
    }
    (folder / "fit.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", str(folder / "fit.yaml"), "--out", str(folder / "run")]) == 0
    return folder / "run" / "last.safetensors"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["per-frame", BY_CLASS, "outside_prml:Causal"])
def test_it_is_trained_and_lifted_with(name, tmp_path):
    weights = train(name, tmp_path, width=8)
    assert read_card(weights.with_suffix(".yaml")).network == name
    write_keypoints(swaying(), tmp_path / "seen.npz")
    words = ["lift", str(tmp_path / "seen.npz"), "--weights", str(weights), "--out", str(tmp_path / "out")]
    assert main([*words, "--no-viewer"]) == 0
    lifted = read_poses(tmp_path / "out" / "poses.npz").joints_m
    assert lifted.shape == (90, 17, 3)
    network = load_record(weights).network
    assert type(network).__module__ == "outside_prml"
    seen = load(weights, flip=True).lift(swaying()).joints_m
    assert np.isfinite(seen).all()
    assert np.abs(seen - load(weights, flip=False).lift(swaying()).joints_m).max() > 1e-3


@pytest.mark.usefixtures("installed")
def test_it_is_listed_counted_and_built_like_ours(capsys):
    assert "per-frame" in registry.names()
    assert registry.names().count("prml-s") == 1
    assert type(registry.build("prml-s")).__name__ == "PrML"  # a name of ours is not taken
    cost = cost_of("per-frame", width=10)
    assert (cost.frames, cost.parameters) == (9, 3 * 10 + 10 + 10 * 3 + 3)
    assert main(["models", "per-frame", BY_CLASS]) == 0
    assert "per-frame" in capsys.readouterr().out
    entry = registry.entry(BY_CLASS)
    assert (entry.window, entry.output, entry.any_length, entry.image_features) == (9, "sequence", True, False)
    assert registry.entry("outside_prml:Causal").output == "last"
    dual = registry.build("per-frame", regression_heads="dual")
    assert dual(torch.zeros(1, 9, 17, 3)).shape == (1, 9, 17, 3)
    with pytest.raises(PrmlError, match="PerFrame: width must be a whole number from 1 to 8192, got '0'"):
        registry.build("per-frame", width=0)
    with pytest.raises(PrmlError, match="PerFrame expects input of shape"):
        dual(torch.zeros(1, 9, 16, 3))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("misnamed", "entry point 'misnamed' of prml.networks leads to a network called 'another'"),
        ("number", "outside-prml: outside_prml:PerFrame.*expected NetworkEntry"),
        ("no-network", "torch.nn:Linear is no network: expected a subclass of prml.networks.base.Network"),
        ("outside_prml:Absent", "no network at 'outside_prml:Absent'"),
        ("no_such_package:Network", "no network at 'no_such_package:Network'.*expected module:Class"),
        ("outside_prml:NeedsArguments", "cannot be built without arguments"),
        ("per-fram", "unknown network 'per-fram'; did you mean 'per-frame'"),
        (":", "no network at ':'"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(name, message):
    with pytest.raises(PrmlError, match=message) as caught:
        registry.build(name)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("installed")
def test_a_network_that_looks_at_values_while_it_is_built_is_loaded(tmp_path):
    name, arguments = "outside_prml:LooksAtValues", {"frames": 3, "width": 4}
    __import__("outside_prml")
    path = save_record(tmp_path, Card("x", name, arguments, window=3), registry.build(name, **arguments))
    assert load_record(path).network.rates == [0.0, 0.5, 1.0]
    path.write_text(path.read_text().replace("width: 4", "width: 5"))
    with pytest.raises(PrmlError, match="was edited"):
        load_record(path)


@pytest.mark.usefixtures("installed")
def test_a_card_does_not_choose_which_code_runs(tmp_path):
    weights = train(BY_CLASS, tmp_path)
    del sys.modules["outside_prml"]
    with pytest.raises(
        PrmlError, match="'outside_prml:PerFrame' is code that is not part of prml; import outside_prml"
    ):
        load_record(weights)
    assert "outside_prml" not in sys.modules
    __import__("outside_prml")  # by whoever uses it
    assert Lifter(load_record(weights)).output == "sequence"


def test_without_the_package_it_is_unknown():
    with pytest.raises(PrmlError, match="unknown network 'per-frame'"):
        registry.entry("per-frame")


def test_entries_are_read_without_torch():
    code = (
        "import sys; from prml.networks import registry; registry.entry('prml-s'); registry.names(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
