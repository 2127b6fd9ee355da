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
from prml.commands.fit import read_config
from prml.errors import PrmlError
from prml.networks.peers.stcformer import CrissCrossAttention
from prml.networks.published.convert import from_published
from prml.training.config import FitConfig, ObjectiveConfig, TermsConfig, record_of
from prml.training.module import LiftingModule
from prml.training.smoke import smallest

ROOT = Path(__file__).parents[2]
RECIPES = {p.stem: p for p in sorted((ROOT / "configs" / "peers").glob("*.yaml"))}
STEPS = {p.stem: p for p in sorted((Path(__file__).parent / "authors_steps").glob("*.npz"))}
# the weights that the file of MotionBERT with every term was made with
EVERY_TERM = {"limb_variation": 3.0, "limb_length": 0.7, "angle": 0.3, "angle_velocity": 0.9}


def of_the_step(name: str, facts: dict) -> FitConfig:
    """The recipe with the sizes of the authors' step."""
    config = read_config(str(RECIPES[name.partition("-")[0]]))
    frames = facts["arguments"].get("frames", 9)
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


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_the_authors(name, monkeypatch):
    with np.load(STEPS[name], allow_pickle=False) as file:
        step = {key: file[key] for key in file.files}
    facts, keys = json.loads(str(step["facts"])), json.loads(str(step["keys"]))
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_, **__: x)
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda _, x: x)
    monkeypatch.setattr(CrissCrossAttention, "_drop_part", lambda _, part, scale: part * scale)
    config = of_the_step(name, facts)
    module = LiftingModule(config, steps_per_epoch=1, total_steps=1)
    state = weights(facts["network"], facts["arguments"], facts["seed"])
    published = from_published(facts["network"], state, **facts["arguments"])
    module.network.load_state_dict(published.state_dict())
    for part in module.modules():
        for rate in ("drop_path", "rate"):
            if isinstance(getattr(part, rate, None), float):
                setattr(part, rate, 0.0)
    given, target = (torch.from_numpy(step[key]) for key in ("input", "target"))
    terms = module.train().losses({"input": given, "target": target.expand(-1, given.shape[1], -1, -1)})
    assert terms.get("sum", terms["loss"]).item() == pytest.approx(float(step["loss"]), rel=1e-5)
    terms["loss"].backward()
    own = {n: p.grad for n, p in module.network.named_parameters()}
    found = {}
    for slot in module.network.layout():
        if own.get(slot.own) is not None:
            found[slot.published] = slot.part(own[slot.own])
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
    module = LiftingModule(config, steps_per_epoch=1, total_steps=1)
    windows = config.data.windows
    shape = (2, windows.frames, 17)
    batch = {"input": torch.randn(*shape, windows.in_channels), "target": torch.randn(*shape, 3)}
    module.losses(batch)["loss"].backward()
    assert sum(float(p.grad.abs().sum()) for p in module.parameters() if p.grad is not None) > 0


def test_options_of_the_peers_leave_the_records_of_other_runs_alone():
    record = record_of(FitConfig())
    assert not {"lambda_pose", "consistency", "squared", "terms"} & set(record["objective"])
    assert not {"step_every", "step_decay"} & set(record["optimiser"])
    set_ = record_of(FitConfig(objective=ObjectiveConfig(terms=TermsConfig(velocity=2.0))))
    assert set_["objective"]["terms"] == {"velocity": 2.0}


def test_all_frames_needs_a_network_that_has_them():
    config = read_config(str(RECIPES["poseformerv2"]), ["--objective.terms.all_frames=1"])
    with pytest.raises(PrmlError, match=r"objective\.terms\.all_frames is for networks .* poseformerv2 has not"):
        LiftingModule(smallest(config), steps_per_epoch=1, total_steps=1)
