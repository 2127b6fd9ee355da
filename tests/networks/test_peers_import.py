"""`prml import`: every container that the authors publish, and files that must not be believed."""

import argparse
import collections
import os
import pathlib
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from published_files import CONTAINERS, SMALL, publish
from published_rule import filled

from prml.cli import main
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.score import authors_rules
from prml.lifting.lifter import Lifter
from prml.networks import registry
from prml.networks.published.convert import PREFIXES, published_keys, published_state, strip_common
from prml.weights.import_checkpoint import read_checkpoint, read_published, root_relative, state_dict_of
from prml.weights.record import load_record


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_container_becomes_a_record_with_the_same_weights(name, legacy, tmp_path, capsys):
    weights = publish(name, tmp_path / "best_epoch.bin", legacy=legacy)
    options = ["--frames", "9"] if name in ("stcformer", "poseformerv2") else []
    options += ["--rootrel"] if name.startswith("motionbert") else []
    assert main(["import", name, str(tmp_path / "best_epoch.bin"), "--out", str(tmp_path / "out"), *options]) == 0
    assert "all keys matched" in capsys.readouterr().out
    record = load_record(tmp_path / "out" / f"{name}.yaml")
    state = published_state(record.network)
    kept = {k.removeprefix("volume_net."): v for k, v in weights.items() if not k.startswith("backbone.")}
    assert list(state) == list(kept)
    assert all(torch.equal(state[k], kept[k]) for k in kept)
    entry = registry.entry(name)
    assert record.card.output == entry.space
    assert record.card.normalisation == "screen"
    assert record.card.window == record.network.frames
    assert record.card.weights_licence
    if CONTAINERS[name][0]:
        assert record.card.training["imported"]["epoch"] == 7


def test_an_existing_record_is_not_overwritten(tmp_path, capsys):
    publish("mixste", tmp_path / "a.bin")
    command = ["import", "mixste", str(tmp_path / "a.bin"), "--out", str(tmp_path)]
    assert main(command) == 0
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0


def test_a_checkpoint_of_other_joints_is_recorded_as_such(tmp_path, capsys):
    publish("mixste", tmp_path / "best_3dhp.bin")
    command = ["import", "mixste", str(tmp_path / "best_3dhp.bin"), "--out", str(tmp_path)]
    assert main(command) == 2
    assert "--dataset 3dhp or --dataset h36m" in capsys.readouterr().err
    assert main([*command, "--dataset", "h36m", "--name", "human36m"]) == 0
    Lifter(load_record(tmp_path / "human36m.yaml"))
    assert main([*command, "--dataset", "3dhp"]) == 0
    record = load_record(tmp_path / "mixste.yaml")
    assert (record.card.skeleton, record.card.output, record.card.fps) == ("mpi_inf_3dhp17", "camera_mm", 25)
    assert "3DHP" in record.card.data_licence
    assert record.card.training["scoring"]["protocols"] == ["3dhp-gt"]
    Lifter(record)


class Answers(torch.nn.Module):
    """A network that puts the root where it is told, and the other joints around it as they came."""

    frames, in_channels = 9, 3

    def __init__(self, follows: float, wobble: float = 0.0) -> None:
        super().__init__()
        self.follows, self.wobble = follows, wobble

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        root = x[:, :, :1, :2]
        xy = x[..., :2] - root + self.follows * root + self.wobble
        return torch.cat([xy, xy[..., :1]], -1)


@pytest.mark.parametrize(
    ("path", "network", "relative"),
    [
        ("FT_MB_lite_MB_ft_h36m_global_lite/best_epoch.bin", Answers(0), False),
        ("MB_train_h36m/best_epoch.bin", Answers(1), True),
        ("MB_pretrain.bin", Answers(0), False),
        ("run/best_epoch.bin", Answers(0.95), False),
        ("run/best_epoch.bin", Answers(0.02), True),
        ("run/best_epoch.bin", Answers(0.3), None),
        ("run/best_epoch.bin", Answers(0, wobble=0.3), None),
    ],
)
def test_whether_motionbert_is_root_relative_is_recognised_or_asked_for(path, network, relative, tmp_path):
    if relative is None:
        with pytest.raises(PrmlError, match="give rootrel=True or rootrel=False"):
            root_relative(tmp_path / path, network)
    else:
        assert root_relative(tmp_path / path, network) is relative


def test_the_card_of_motionbert_says_how_its_root_is_scored(tmp_path, capsys):
    publish("motionbert", tmp_path / "a.bin")
    command = ["import", "motionbert", str(tmp_path / "a.bin"), "--out", str(tmp_path)]
    assert main(command) == 2
    assert "give --rootrel or --no-rootrel" in capsys.readouterr().err
    assert main([*command, "--no-rootrel"]) == 0
    assert "root subtract" in capsys.readouterr().out
    card = load_record(tmp_path / "motionbert.yaml").card
    assert authors_rules(card, protocols.get("h36m-sh-2.5d")) == {"root": "subtract"}
    assert authors_rules(card, protocols.get("mocap-gt")) == {}
    publish("mixste", tmp_path / "b.bin")
    assert main(["import", "mixste", str(tmp_path / "b.bin"), "--out", str(tmp_path), "--rootrel"]) == 2
    assert "MotionBERT" in capsys.readouterr().err


class Attack:
    """Writes a file when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("write", ["torch", "legacy", "plain"])
def test_nothing_in_a_file_is_executed(write, tmp_path):
    witness, file = tmp_path / "witness", tmp_path / "evil.bin"
    weights = filled(published_keys("mixste", **SMALL["mixste"]))
    content = {"model_pos": weights, "x": Attack(f"touch {witness}")}
    if write == "plain":
        file.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=write == "torch")
    with pytest.raises(PrmlError, match=r"evil\.bin"):
        read_published("mixste", file)
    assert not witness.exists()


def test_numpy_in_a_file_is_not_even_built(tmp_path):
    content = {"a": np.arange(3), "b": np.float64(2), "c": np.random.RandomState(0), "w": torch.ones(2)}
    torch.save(content, tmp_path / "a.pth")
    content = read_checkpoint(tmp_path / "a.pth")
    assert {type(content[k]).__name__ for k in "abc"} == {"_Nothing"}
    assert torch.equal(content["w"], torch.ones(2))


def test_files_that_are_no_checkpoints(tmp_path):
    with pytest.raises(PrmlError, match="no file"):
        read_checkpoint(tmp_path / "absent.bin")
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(PrmlError, match=r"noise\.bin"):
        read_checkpoint(tmp_path / "noise.bin")
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(PrmlError, match=r"empty\.bin"):
        read_checkpoint(tmp_path / "empty.bin")
    with pytest.raises(PrmlError, match=r"has no weights.*optimizer"):
        state_dict_of({"optimizer": {}}, "a.bin")


def test_keys_that_do_not_fit_are_named(tmp_path, capsys):
    publish("stcformer", tmp_path / "a.pth")
    assert main(["import", "mixste", str(tmp_path / "a.pth"), "--out", str(tmp_path)]) == 2
    assert "Spatial_pos_embed" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.yaml"))


def test_the_mesh_model_is_told_apart(tmp_path):
    weights = filled(published_keys("motionbert", **SMALL["motionbert"]))
    state = {f"module.backbone.{k}": v for k, v in weights.items()} | {"module.head.fc1.weight": torch.zeros(2, 2)}
    torch.save({"epoch": 1, "model": state}, tmp_path / "mesh.bin")
    with pytest.raises(PrmlError, match="mesh model"):
        read_published("motionbert", tmp_path / "mesh.bin")


# ---------------------------------------------------------------------------------- containers of other programs
def _weights():
    return filled(published_keys("mixste", **SMALL["mixste"]))


@pytest.mark.parametrize("prefix", ["_orig_mod.", "model.", "net.", "module._orig_mod.", "model.net.module.", ""])
def test_prefixes_of_wrappers_are_dropped(tmp_path, prefix):
    weights = _weights()
    torch.save({"state_dict": {prefix + k: v for k, v in weights.items()}, "epoch": 3}, tmp_path / "a.ckpt")
    network, _ = read_published("mixste", tmp_path / "a.ckpt")
    assert all(torch.equal(value, weights[key]) for key, value in published_state(network).items())


@pytest.mark.parametrize("name", sorted(SMALL))
def test_no_published_layout_starts_with_a_wrapper(name):
    assert not any(all(k.startswith(p) for k in published_keys(name, **SMALL[name])) for p in PREFIXES)


def test_prefixes_that_only_some_keys_have_stay():
    state = {"model.a": torch.zeros(1), "module.b": torch.zeros(1)}
    assert strip_common(state) == state
    assert strip_common({}) == {}


class EasyDict(dict):
    """As the package of that name has it: values are attributes too."""

    def __init__(self, **values):
        super().__init__(values)
        self.__dict__ = dict(values)


EasyDict.__module__ = "easydict"


def test_options_beside_the_weights_are_plain_data(tmp_path, monkeypatch):
    """Options of a program are forgotten, dictionaries of other kinds are dictionaries; nothing is run."""
    module = types.ModuleType("easydict")
    module.EasyDict = EasyDict
    monkeypatch.setitem(sys.modules, "easydict", module)
    counts = collections.defaultdict(list, {"mpjpe": [44.1]})
    content = {
        "args": argparse.Namespace(lr=1e-4, nested=argparse.Namespace(path=pathlib.PurePosixPath("runs"))),
        "more": types.SimpleNamespace(a=1),
        "log": counts,
        "path": pathlib.Path("runs/a"),
        "config": EasyDict(frames=9),
        "epoch": 3,
        "model_pos": collections.defaultdict(int, _weights()),
    }
    torch.save(content, tmp_path / "a.bin")
    read = read_checkpoint(tmp_path / "a.bin")
    assert read["log"] == {"mpjpe": [44.1]}
    assert read["config"] == {"frames": 9}
    assert all(type(read[name]) is dict for name in ("log", "config", "model_pos"))
    network, card = read_published("mixste", tmp_path / "a.bin")
    assert network.frames == 9
    assert card.training["imported"]["epoch"] == 3


class Unknown:
    """A class of the authors' own code."""


def test_other_objects_are_named_with_what_to_do(tmp_path):
    torch.save({"model_pos": _weights(), "trainer": Unknown()}, tmp_path / "a.bin")
    with pytest.raises(PrmlError) as caught:
        read_checkpoint(tmp_path / "a.bin")
    text = str(caught.value)
    assert text.startswith(f"a.bin: it contains an object of {Unknown.__module__}.Unknown, which only the program that")
    assert "torch.save(model.state_dict(), FILE)" in text
    assert "safe_globals" not in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html><title>Virus scan warning</title></html>", "a web page, not the file"),
        (b"\n  <HTML><body>Sign in</body></HTML>", "a web page, not the file"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "a git-lfs pointer, not the file itself",
        ),
        (b"", "it is empty"),
    ],
)
def test_what_was_downloaded_in_place_of_weights_is_told(tmp_path, content, said):
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(PrmlError, match=rf"^a\.bin: .*{said}.*download"):
        read_checkpoint(tmp_path / "a.bin")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused_by_name(tmp_path, capsys, value):
    weights = _weights()
    weights["head.0.weight"][3] = value
    torch.save({"model_pos": {f"module.{k}": v for k, v in weights.items()}}, tmp_path / "a.bin")
    assert main(["import", "mixste", str(tmp_path / "a.bin"), "--out", str(tmp_path / "out")]) == 2
    assert "the tensor 'module.head.0.weight' holds values that are not numbers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
