"""Weights records: round trip, and refusal of whatever does not fit."""

from pathlib import Path

import pytest
import torch
import yaml

from prml.errors import PrmlError
from prml.networks import registry
from prml.objectives.uncertainty import PoseUncertainty
from prml.weights.record import Card, bundled, find_record, load_record, save_record

ARGUMENTS = {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1}


@pytest.fixture
def saved(tmp_path) -> Path:
    network = registry.build("prml-xs", **ARGUMENTS)
    head = PoseUncertainty(width_2d=32, width_depth=32)
    card = Card(
        name="tiny", network="prml-xs", arguments=ARGUMENTS, window=9, uncertainty={"width_2d": 32, "width_depth": 32}
    )
    return save_record(tmp_path, card, network, head)


def test_round_trip_is_exact(tmp_path):
    network = registry.build("prml-xs", **ARGUMENTS).eval()
    path = save_record(tmp_path, Card(name="a", network="prml-xs", arguments=ARGUMENTS, window=9), network)
    again = load_record(path).network
    x = torch.randn(1, 9, 17, 3)
    with torch.no_grad():
        torch.testing.assert_close(again(x), network(x), rtol=0, atol=0)


def test_half_precision_storage_is_close(tmp_path):
    network = registry.build("prml-xs", **ARGUMENTS).eval()
    path = save_record(tmp_path, Card(name="a", network="prml-xs", arguments=ARGUMENTS, window=9), network, half=True)
    again = load_record(path).network
    x = torch.randn(1, 9, 17, 3)
    with torch.no_grad():
        assert (again(x) - network(x)).abs().max() < 1e-3
    assert all(p.dtype == torch.float32 for p in again.parameters())


def test_found_by_folder_card_and_weights(saved):
    for name in (saved.parent, saved, saved.with_suffix(".safetensors")):
        assert find_record(name) == saved
        assert load_record(name).uncertainty is not None


def test_weights_without_card_are_refused(saved):
    saved.unlink()
    with pytest.raises(PrmlError, match=r"has no card: expected tiny\.yaml"):
        load_record(saved.with_suffix(".safetensors"))


def test_tampered_weights_are_refused(saved):
    weights = saved.with_suffix(".safetensors")
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    with pytest.raises(PrmlError, match="sha256"):
        load_record(saved)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": "prml-xl"}, "unknown network 'prml-xl'"),
        ({"network": "prml", "arguments": {}}, "does not fit its weights"),
        ({"arguments": {**ARGUMENTS, "branch_blocks": 2}}, "does not fit its weights"),
        ({"skeleton": "h36m18"}, "unknown skeleton"),
        ({"normalisation": "none"}, "unknown normalisation"),
        ({"schema": "other/1"}, "not a model card"),
        ({"colour": "red"}, "unknown entries"),
        ({"sha256": ""}, "lacks sha256"),
        ({"window": 81}, "says window 81, but its network takes windows of at most 9 frames"),
        ({"window": "abc"}, "expected a whole number in 'window', got 'abc'"),
        ({"window": -9}, "expected a window of at least 1 frame, got -9"),
        ({"window": True}, "expected a whole number in 'window'"),
        ({"fps": 0}, "fps must be between 0.1 and 1000 frames per second, got 0"),
        ({"fps": float("nan")}, "fps must be between"),
        ({"flip": "sometimes"}, "expected true or false in 'flip'"),
        ({"network": 5}, "expected a text in 'network', got '5'"),
        ({"arguments": [1]}, "expected names and values in 'arguments'"),
        ({"output": "feet"}, "expected output camera_m, camera_mm, image, got 'feet'"),
    ],
)
def test_cards_that_do_not_fit_are_refused(saved, change, words):
    card = yaml.safe_load(saved.read_text())
    saved.write_text(yaml.safe_dump({**card, **change}))
    with pytest.raises(PrmlError, match=words):
        load_record(saved)


def test_a_network_of_one_window_wants_its_own_in_the_card(tmp_path):
    arguments = {"frames": 9, "width": 16, "heads": 2, "depth": 1}
    for window, told in ((9, None), (5, "windows of 9 frames only")):
        card = Card(name="m", network="mixste", arguments=arguments, window=window)
        path = save_record(tmp_path, card, registry.build("mixste", **arguments))
        if told is None:
            assert load_record(path).card.window == window
        else:
            with pytest.raises(PrmlError, match=told):
                load_record(path)


def test_unknown_name_lists_the_bundled_ones():
    with pytest.raises(PrmlError, match="bundled are"):
        load_record("prml-huge")


@pytest.mark.parametrize("name", sorted(bundled()))
def test_bundled_records_load_and_are_small(name):
    record = load_record(name)
    assert record.card.name == name
    assert record.card.data_licence
    assert record.card.scores
    total = sum(p.with_suffix(".safetensors").stat().st_size for p in bundled().values())
    assert total <= 8_000_000
