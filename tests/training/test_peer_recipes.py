"""The peers' own training: every recipe is read and trains; a step is that of the authors' code, held in small files.

benchmarks/authors_step.py makes the files of authors_steps from the authors' repositories: the batch, the loss and what
identifies the gradient of one step from weights drawn by rule, without dropout.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.peer_step import products, weights
from networks.published_rule import filled
from prml.commands.fit import read_config
from prml.errors import PrmlError
from prml.networks.peers.pstmo_masked import hidden_parts
from prml.networks.peers.stcformer import CrissCrossAttention
from prml.networks.published.convert import from_published
from prml.training import masked
from prml.training.config import FitConfig, MaskedConfig, ObjectiveConfig, TermsConfig, record_of
from prml.training.masked import MaskedModule, training_module
from prml.training.module import LiftingModule
from prml.training.smoke import smallest

ROOT = Path(__file__).parents[2]
RECIPES = {p.stem: p for p in sorted((ROOT / "configs" / "peers").glob("*.yaml"))}
STEPS = {p.stem: p for p in sorted((Path(__file__).parent / "authors_steps").glob("*.npz"))}
# the weights that the file of MotionBERT with every term was made with
EVERY_TERM = {"limb_variation": 3.0, "limb_length": 0.7, "angle": 0.3, "angle_velocity": 0.9}


def of_the_step(name: str, facts: dict, frames: int) -> FitConfig:
    """The recipe with the sizes of the authors' step."""
    config = read_config(str(RECIPES[name.removesuffix("-terms")]))
    objective = config.objective
    if name.endswith("-terms"):
        objective = replace(objective, terms=replace(objective.terms, **EVERY_TERM))
    arguments = {**config.network.arguments, **facts["arguments"]}
    return replace(
        config,
        network=replace(config.network, arguments=arguments),
        data=replace(config.data, windows=replace(config.data.windows, frames=frames, batch=2)),
        objective=objective,
    )


def with_the_authors_weights(module: LiftingModule, facts: dict) -> list:
    """Give a module the weights by rule; returns its slots with the prefix of their part."""
    slots = [("network.", slot) for slot in module.network.layout()]
    if not isinstance(module, MaskedModule):
        state = weights(facts["network"], facts["arguments"], facts["seed"])
        published = from_published(facts["network"], state, **facts["arguments"])
        module.network.load_state_dict(published.state_dict())
        return slots
    slots = [(part, slot) for part, slot in slots if slot.published.startswith(("encoder.", "Transformer."))]
    slots += [("masked.", slot) for slot in module.masked.layout()]
    own = module.state_dict()
    for part, slot in slots:
        entry = slot.part(own[part + slot.own])
        value = filled({slot.published: slot.published_shape(own[part + slot.own])}, facts["seed"])
        entry.copy_(value[slot.published].reshape(entry.shape))
    return slots


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_the_authors(name, monkeypatch):
    with np.load(STEPS[name], allow_pickle=False) as file:
        step = {key: file[key] for key in file.files}
    facts, keys = json.loads(str(step["facts"])), json.loads(str(step["keys"]))
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_, **__: x)
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda _, x: x)
    monkeypatch.setattr(CrissCrossAttention, "_drop_part", lambda _, part, scale: part * scale)
    config = of_the_step(name, facts, step["input"].shape[1])
    module = training_module(config, steps_per_epoch=1, total_steps=1)
    slots = with_the_authors_weights(module, facts)
    if "frames" in step:  # what they hid
        hidden = torch.from_numpy(step["frames"]), torch.from_numpy(step["joints"])
        drawn = hidden_parts(9, 17, config.objective.masked.frames, config.objective.masked.joints)
        assert [int(m.sum()) for m in hidden] == [int(m.sum()) for m in drawn]
        monkeypatch.setattr(masked, "hidden_parts", lambda *_: hidden)
    for part in module.modules():
        for rate in ("drop_path", "rate"):
            if isinstance(getattr(part, rate, None), float):
                setattr(part, rate, 0.0)
    given, target = (torch.from_numpy(step[key]) for key in ("input", "target"))
    if "frames" not in step:
        target = target.expand(-1, given.shape[1], -1, -1)
    batch = {"input": given, "target": target}
    if "reference" in step:  # CA-PF's
        batch |= {key: torch.from_numpy(step[key])[:, None] for key in step if key.startswith(("reference", "map"))}
    terms = module.train().losses(batch)
    assert terms.get("sum", terms["loss"]).item() == pytest.approx(float(step["loss"]), rel=1e-5)
    terms["loss"].backward()
    own = {n: p.grad for n, p in module.named_parameters()}
    found = {slot.published: slot.part(g) for part, slot in slots if (g := own.get(part + slot.own)) is not None}
    assert set(keys) <= set(found)
    theirs = step["products"]
    ours = np.stack([products(key, found[key]) for key in keys])
    whole = np.linalg.norm(theirs[:, 0])
    np.testing.assert_allclose(np.linalg.norm(ours[:, 0]), whole, rtol=1e-4)
    for key, a, b in zip(keys, theirs, ours, strict=True):
        # biases before a batch norm have no gradient but what rounding leaves
        assert np.abs(a - b).max() <= 1e-4 * a[0] + 1e-5 * whole, key


@pytest.mark.parametrize("path", RECIPES.values(), ids=RECIPES)
def test_every_recipe_names_its_source_and_trains(path):
    text = path.read_text(encoding="utf-8")
    assert "# Theirs: " in text
    assert "# Deviations:" in text
    assert f"configs/peers/{path.name}" in text
    config = smallest(read_config(str(path)))
    module = training_module(config, steps_per_epoch=1, total_steps=1)
    windows = config.data.windows
    shape = (2, windows.frames, 17)
    batch = {"input": torch.randn(*shape, windows.in_channels), "target": torch.randn(*shape, 3)}
    for i, channels in enumerate(module.network.image_channels):  # CA-PF's
        batch |= {"reference": torch.rand(*shape, 2), f"map{i}": torch.randn(*shape[:2], channels, 8 >> i, 8 >> i)}
    module.losses(batch)["loss"].backward()
    assert sum(float(p.grad.abs().sum()) for p in module.parameters() if p.grad is not None) > 0


def test_options_of_the_peers_leave_the_records_of_other_runs_alone():
    record = record_of(FitConfig())
    assert not {"lambda_pose", "consistency", "squared", "terms", "masked"} & set(record["objective"])
    assert not {"step_every", "step_decay", "lowest"} & set(record["optimiser"])
    hidden = record_of(FitConfig(objective=ObjectiveConfig(masked=MaskedConfig(frames=0.5))))
    assert hidden["objective"]["masked"] == {"frames": 0.5}
    set_ = record_of(FitConfig(objective=ObjectiveConfig(terms=TermsConfig(velocity=2.0))))
    assert set_["objective"]["terms"] == {"velocity": 2.0}


def test_all_frames_needs_a_network_that_has_them():
    config = read_config(str(RECIPES["poseformerv2"]), ["--objective.terms.all_frames=1"])
    with pytest.raises(PrmlError, match=r"objective\.terms\.all_frames is for networks .* poseformerv2 has not"):
        LiftingModule(smallest(config), steps_per_epoch=1, total_steps=1)


def test_only_pstmo_is_trained_on_masked_poses():
    config = read_config(str(RECIPES["mixste"]), ["--objective.masked.frames=0.5"])
    with pytest.raises(
        PrmlError, match=r"objective\.masked is the pre-training of pstmo and pstmo-s, which mixste has"
    ):
        training_module(smallest(config), steps_per_epoch=1, total_steps=1)


def test_what_is_hidden_is_as_much_as_stated_and_never_the_last_joint():
    frames, joints = hidden_parts(243, 17, 0.6, 3, torch.Generator().manual_seed(0))
    assert int(frames.sum()) == int(243 * 0.6)
    assert set(joints.sum(1).tolist()) == {3}
    assert not joints[:, 16].any()
    assert joints[:, :16].any(0).all()
    again = hidden_parts(243, 17, 0.6, 3, torch.Generator().manual_seed(1))
    assert not torch.equal(frames, again[0])
    all_but_one, none = hidden_parts(9, 17, 0.99, 0)
    assert int(all_but_one.sum()) == 8
    assert not none.any()


def test_masked_poses_do_not_depend_on_what_is_hidden():
    module = training_module(smallest(read_config(str(RECIPES["pstmo-masked"]))), steps_per_epoch=1, total_steps=1)
    module.eval()
    frames, joints = hidden_parts(9, 17, 0.6, 3, torch.Generator().manual_seed(0))
    x, other = torch.randn(2, 9, 17, 2), torch.randn(2, 9, 17, 2)
    hidden = frames[:, None] | joints
    predicted = module.masked(module.network, x, frames, joints)
    changed = module.masked(module.network, torch.where(hidden[..., None], other, x), frames, joints)
    assert torch.equal(predicted, changed)
    assert not torch.allclose(
        predicted, module.masked(module.network, torch.where(hidden[..., None], x, other), frames, joints)
    )
    heads = [p for n, p in module.network.named_parameters() if n.startswith(("head", "shrinking"))]
    assert heads
    assert not any(p.requires_grad for p in heads)
