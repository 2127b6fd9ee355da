"""Weights records: round trip, and refusal of whatever does not fit."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save

from prml.errors import PrmlError
from prml.networks import registry
from prml.objectives.uncertainty import PoseUncertainty
from prml.weights.meaning import KEY
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
        ({"network": 5}, "expected a text in 'network', got 5"),
        ({"arguments": [1]}, "expected names and values in 'arguments'"),
        ({"output": "feet"}, "expected output camera_m, camera_mm, image, got 'feet'"),
        (
            {"arguments": {**ARGUMENTS, "heads": 4}},
            r'was edited: it says arguments .*"heads": 4.*, its weights were saved',
        ),
        ({"normalisation": "screen"}, 'was edited: it says normalisation "screen", its weights .* "virtual_camera"'),
        ({"output": "image"}, 'was edited: it says output "image"'),
        ({"window": 5}, "was edited: it says window 5, its weights were saved with 9"),
        ({"fps": 25}, r"was edited: it says fps 25, its weights were saved with 50\.0; restore the card"),
        ({"flip": False}, "was edited: it says flip false"),
        ({"context": {"name": "x"}}, "was edited: it says context"),
        ({"arguments": {**ARGUMENTS, "heads": 0}}, "heads must be a whole number from 1"),
        ({"arguments": {**ARGUMENTS, "width": -16}}, "width must be a whole number from 1"),
        (
            {"arguments": {**ARGUMENTS, "width": 20000}},
            "does not fit its weights: width of 20000 is larger than anything",
        ),
        ({"arguments": {**ARGUMENTS, "branch_blocks": 10**6}}, "branch_blocks of 1e\\+06 is larger than anything"),
        ({"arguments": {**ARGUMENTS, "frames": float("inf")}}, "frames of inf is larger than anything"),
        ({"arguments": {**ARGUMENTS, 5: 1}}, "expected a text in 'arguments, a name', got 5"),
        ({"arguments": {**ARGUMENTS, "colour": "red"}}, "cannot be built"),
        ({"uncertainty": {"width_2d": 32}}, "the head of 'uncertainty' cannot be built"),
        ({"uncertainty": {"width_2d": 10**9, "width_depth": 32}}, "width_2d of 1e\\+09 is larger than anything"),
        ({"uncertainty": {}}, "was edited: it says uncertainty {}"),
        ({"scores": {"a": {"b": "c"}}}, "expected a number in 'scores.a.b', got 'c'"),
        ({"name": ["a"]}, "expected a text in 'name'"),
    ],
)
def test_cards_that_do_not_fit_are_refused(saved, change, words):
    card = yaml.safe_load(saved.read_text())
    saved.write_text(yaml.safe_dump({**card, **change}))
    with pytest.raises(PrmlError, match=words):
        load_record(saved)


def test_what_is_said_beside_the_meaning_may_be_edited(saved):
    """Notes, licences, scores and the name are the user's."""
    card = yaml.safe_load(saved.read_text())
    more = {"notes": "mine", "weights_licence": "CC0", "scores": {"a": {"mpjpe": 1}}, "training": {"data": "x"}}
    saved.write_text(yaml.safe_dump({**card, **more, "name": "other"}))
    assert load_record(saved).card.notes == "mine"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema: prml.card/1\nname: &a [x, x]\nnotes: *a\n", "uses YAML aliases"),
        ("a: " * 3, "is not YAML"),
        ("schema: 2024-13-45\n", "is not YAML|not a model card"),
        ("schema: prml.card/1\n? [1]\n: 2\n", "is not YAML"),
        ("schema: prml.card/1\nname: 1_000\nnetwork: yes\nwindow: 0x10\nsha256: ~\n", "lacks sha256"),
        ("schema: prml.card/1\n7: 1\ncolour: 2\n", r"unknown entries \['7', 'colour'\]"),
        ("[" * 30 + "]" * 30, "nested more than"),
        ("- 1\n", "is not a model card"),
        ("", "is not a model card"),
        ("#" * 2**20 + "#", "is larger than 1024 KiB"),
    ],
)
def test_texts_that_are_no_cards(saved, text, words):
    saved.write_text(text)
    with pytest.raises(PrmlError, match=words) as caught:
        load_record(saved)
    assert len(str(caught.value)) < 500


def _resaved(saved, change):
    """The record with other tensors or metadata, under the hash that it then has."""
    weights, card = saved.with_suffix(".safetensors"), yaml.safe_load(saved.read_text())
    with safe_open(weights, "pt") as file:
        metadata = file.metadata()
    data = save(*change(load_file(weights), metadata))
    weights.write_bytes(data)
    saved.write_text(yaml.safe_dump({**card, "sha256": hashlib.sha256(data).hexdigest()}))
    return saved


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda t, m: (t | {"more": torch.zeros(1)}, m),
            "holds the tensor 'more', which its card does not account for",
        ),
        (lambda t, m: (t | {"network.more": torch.zeros(1)}, m), "1 tensors differ, the first is network.more"),
        (lambda t, m: ({k: v.to(torch.int16) for k, v in t.items()}, m), "is of the type int16"),
        (lambda t, m: ({k: v.to(torch.float8_e5m2) for k, v in t.items()}, m), "is of the type float8_e5m2"),
        (lambda t, m: ({k: v.to(torch.int64) for k, v in t.items()}, m), "is of the type torch.int64"),
        (lambda t, m: ({k: v / 0 for k, v in t.items()}, m), "holds values that are not numbers"),
        (lambda t, m: (t, {KEY: "["}), "cannot be read"),
        (lambda t, m: (t, {KEY: "[1]"}), "the stamp in its metadata is not names and values"),
        (
            lambda t, m: (t, {KEY: m[KEY].replace('"fps": 50.0', '"fps": 25.0')}),
            "it says fps 50.0, its weights .* 25.0",
        ),
    ],
)
def test_weights_that_do_not_belong_to_their_card_are_refused(saved, change, words):
    with pytest.raises(PrmlError, match=words):
        load_record(_resaved(saved, change))


def test_records_without_a_stamp_stay_valid(saved):
    """Those that were saved before there was one; edits of their cards cannot be noticed."""
    old = _resaved(saved, lambda tensors, _: (tensors, {"schema": "prml.card/1", "name": "tiny"}))
    assert load_record(old).card.fps == 50
    old.write_text(old.read_text().replace("fps: 50.0", "fps: 25.0"))
    assert load_record(old).card.fps == 25


def test_equal_weights_have_one_hash(tmp_path):
    network = registry.build("prml-xs", **ARGUMENTS)
    cards = [
        save_record(tmp_path / name, Card(name, "prml-xs", ARGUMENTS, window=9, notes=name), network) for name in "ab"
    ]
    hashes = {yaml.safe_load(card.read_text())["sha256"] for card in cards}
    assert len(hashes) == 1
    other = save_record(tmp_path / "c", Card("c", "prml-xs", ARGUMENTS, window=9, fps=25.0), network)
    assert yaml.safe_load(other.read_text())["sha256"] not in hashes


@pytest.mark.parametrize("name", sorted(bundled()))
def test_edits_of_bundled_cards_are_noticed(name, tmp_path):
    """Their weights hold a stamp, or the package knows them by their hash."""
    for path in (bundled()[name], bundled()[name].with_suffix(".safetensors")):
        shutil.copy(path, tmp_path)
    card = yaml.safe_load((tmp_path / f"{name}.yaml").read_text())
    load_record(tmp_path / f"{name}.yaml")
    for change in ({"arguments": {**card["arguments"], "heads": 8}}, {"fps": 25.0}, {"normalisation": "screen"}):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**card, **change}))
        with pytest.raises(PrmlError, match="was edited"):
            load_record(tmp_path / f"{name}.yaml")


def test_what_was_downloaded_in_place_of_weights_is_told(saved):
    saved.with_suffix(".safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(PrmlError, match="it is a git-lfs pointer, not the file itself"):
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
