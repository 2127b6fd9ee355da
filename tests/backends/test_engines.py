"""Engines predict what torch predicts, and files hold the same network."""

import sys

import numpy as np
import pytest
import torch

from prml.backends.files import export_weights
from prml.backends.registry import ENGINES, get_engine
from prml.backends.whole import Whole
from prml.cli import main
from prml.errors import PrmlError
from prml.lifting.lifter import load
from prml.networks import registry
from prml.options import hints
from prml.pipeline.settings import LiftSettings
from prml.weights.record import Card, save_record

ARGUMENTS = {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    network = registry.build("prml-xs", **ARGUMENTS)
    card = Card(name="tiny", network="prml-xs", arguments=ARGUMENTS, window=9)
    return save_record(tmp_path_factory.mktemp("weights"), card, network)


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(0).random((5, 9, 17, 3), np.float32) * 2 - 1


@pytest.mark.parametrize(
    ("engine", "package", "tolerance"),
    [
        ("torch-bf16", "torch", 0.05),
        ("onnxruntime", "onnxruntime", 1e-5),
        ("openvino", "openvino", 1e-5),
        ("openvino-bf16", "openvino", 0.05),
    ],
)
def test_an_engine_predicts_what_torch_predicts(weights, windows, engine, package, tolerance):
    pytest.importorskip(package, reason=f"the engine {engine} is an optional package")
    pytest.importorskip("torch" if package == "torch" else "onnx", reason="networks are converted with it")
    expected = load(weights, flip=False).predict(windows)
    try:
        lifter = load(weights, flip=False, engine=engine)
    except PrmlError as error:
        pytest.skip(str(error))  # a processor without bfloat16
    found = lifter.predict(windows)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()
    np.testing.assert_allclose(lifter.predict(windows[:1]), found[:1], atol=tolerance * np.abs(expected).max())
    assert lifter.prediction_source != load(weights, flip=False).prediction_source


def test_variances_come_with_the_poses():
    lifter = load("prml-xs", flip=False)
    whole = Whole(lifter.network, lifter.uncertainty, lifter._temperature)
    x = np.random.default_rng(1).random((2, lifter.card.window, 17, 3), np.float32)
    with torch.inference_mode():
        found = whole(torch.from_numpy(x)).numpy()
    assert found.shape[-1] == 6
    np.testing.assert_allclose(found, lifter.predict(x), atol=1e-6)


@pytest.mark.parametrize(("to", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_file_holds_the_same_network(weights, windows, tmp_path, to, package):
    engine = pytest.importorskip(package, reason=f"{package} is an optional package")
    pytest.importorskip("onnx", reason="networks are converted with it")
    assert main(["export-weights", str(weights), "--to", to, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "tiny.yaml").read_text() == weights.with_suffix(".yaml").read_text()
    if to == "onnx":
        session = engine.InferenceSession(str(tmp_path / "tiny.onnx"), providers=["CPUExecutionProvider"])
        found = session.run(None, {"windows": windows})[0]
    else:
        hint = {"INFERENCE_PRECISION_HINT": "f32"}  # OpenVINO takes bfloat16 where the processor has it
        found = engine.Core().compile_model(str(tmp_path / "tiny.xml"), "CPU", hint)([windows])[0]
    np.testing.assert_allclose(found, load(weights, flip=False).predict(windows), atol=1e-5)
    with pytest.raises(PrmlError, match="overwrite"):
        export_weights(weights, to, tmp_path)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "openvino"])
def test_a_missing_package_is_named(weights, monkeypatch, package, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PrmlError, match=rf"{package}.*pip install 'prml-pose\[") as caught:
        export_weights(weights, "onnx", tmp_path) if package == "onnx" else load(weights, engine=package)
    assert "\n" not in str(caught.value)


def test_mistakes_are_one_line(weights):
    with pytest.raises(PrmlError, match=r"unknown engine 'openvin0'; did you mean 'openvino'\?"):
        load(weights, engine="openvin0")
    with pytest.raises(PrmlError, match="all poses of a window"):
        Whole(registry.build("poseformerv2-81"), None, torch.ones(17, 3))
    assert get_engine("torch-bf16").name == "torch-bf16"


def test_settings_and_registry_name_the_same_engines():
    assert hints(LiftSettings)["engine"].__args__ == ENGINES
