"""Runs on 28 joints: what they leave, how they go on, and what is refused in one line."""

import re
from pathlib import Path

import pytest
import torch

from prml.errors import PrmlError
from prml.lifting.lifter import load
from prml.training.config import load_config, record_of
from prml.training.datamodule import WindowsDataModule
from prml.training.engine import fit
from prml.training.module import LiftingModule, validation_errors
from prml.weights.record import read_card

ROOT = Path(__file__).parents[2]
TEXT = """
network: {name: prml-xs, arguments: {frames: 9, width: 16, heads: 2, branch_blocks: 1}}
data:
  sets: [ui_prmd, open_more]
  skeleton: body28
  workers: 0
  validation_windows: 8
  windows: {frames: 9, step: 3, batch: 4, hide: {feet: 0.2, hands: 0.2, face: 0.2, limb: 0.2, lower_body: 0.2}}
run: {max_steps: 4, validate_every: 2, progress: false, accelerator: cpu, threads: 1, log_every: 1}
"""


def _config(tmp_path, text=TEXT):
    (tmp_path / "run.yaml").write_text(text)
    return load_config(tmp_path / "run.yaml")


def test_a_run_leaves_a_record_of_28_joints_that_lifts_and_goes_on_as_if_it_had_not_stopped(tmp_path):
    config = _config(tmp_path)
    whole = fit(config, tmp_path / "whole")
    config.run.max_steps = 2
    fit(config, tmp_path / "parts")
    config.run.max_steps = 4
    parts = fit(config, tmp_path / "parts", resume=True)
    card = read_card(whole / "last.yaml")
    assert (card.skeleton, card.arguments["joints"], card.uncertainty["joints"]) == ("body28", 28, 28)
    assert card.scores["validation"].keys() == {"mpjpe", "p_mpjpe", "x", "y", "z", "beyond_17"}
    one, two = (load(folder / "last.safetensors") for folder in (whole, parts))
    assert one.skeleton.name == "body28"
    for (name, a), b in zip(one.network.state_dict().items(), two.network.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-2, msg=name)


def test_every_loss_and_the_validation_leave_unknown_joints_out(tmp_path):
    """Whatever stands in the target of a joint that is not known, nothing changes."""
    config = _config(tmp_path)
    data = WindowsDataModule(config)
    torch.manual_seed(0)
    module = LiftingModule(config, steps_per_epoch=1, total_steps=1)
    batch = data.train[0, 0]
    batch["joint_known"][0, 20:] = batch["joint_known"][1, 25] = False
    other = batch | {"target": torch.where(batch["joint_known"][:, None, :, None], batch["target"], 9.0)}
    assert not torch.equal(other["target"], batch["target"])
    for kind in ("variational", "infonce", "jsd", "conditional", "none"):
        config.objective.mutual_information = kind
        torch.manual_seed(0)
        module = LiftingModule(config, steps_per_epoch=1, total_steps=1)
        one = module.losses(batch)
        torch.manual_seed(0)
        two = LiftingModule(config, steps_per_epoch=1, total_steps=1).losses(other)
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, msg=f"{kind} {name}")
        one["loss"].backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in module.parameters())
    prediction = torch.randn_like(batch["target"])
    errors = [validation_errors(prediction, b["target"], b["joint_known"]) for b in (batch, other)]
    torch.testing.assert_close(*errors, equal_nan=True)


def test_errors_beyond_17_joints_are_a_column_of_their_own():
    target = torch.zeros(2, 3, 28, 3)
    prediction = target.clone()
    prediction[..., 17:, 0] = 0.02
    known = torch.ones(2, 28, dtype=torch.bool)
    known[1, 17:] = False
    found = validation_errors(prediction, target, known)
    assert found.shape == (2, 6)
    assert found[:, :5].abs().max() < 1e-3
    assert found[0, 5].item() == pytest.approx(20)
    assert torch.isnan(found[1, 5])
    assert validation_errors(prediction[:, :, :17], target[:, :, :17]).shape == (2, 5)


@pytest.mark.misfit
@pytest.mark.parametrize("name", ["joint_known", "joint_seen"])
def test_a_mask_of_another_shape_is_named(tmp_path, name):
    config = _config(tmp_path)
    module = LiftingModule(config, steps_per_epoch=1, total_steps=1)
    batch = WindowsDataModule(config).train[0, 0]
    batch[name] = batch[name][:, :17]
    with pytest.raises(PrmlError, match=rf"{name} must be bool \(4, 28\).*, got bool \(4, 17\)"):
        module.losses(batch)


@pytest.mark.misfit
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("skeleton: body28", "skeleton: h36m17"), "data.windows.hide is for networks of 28 joints; set data.skeleton"),
        (
            ("frames: 9, width", "joints: 17, frames: 9, width"),
            "network.arguments.joints is 17, but data.skeleton body28",
        ),
        (("skeleton: body28", "skeleton: body29"), "body29"),
        (("feet: 0.2", "feet: 1.2"), "data.windows.hide.feet"),
    ],
)
def test_what_does_not_fit_28_joints_is_refused(tmp_path, change, told):
    with pytest.raises(PrmlError, match=told) as caught:
        _config(tmp_path, TEXT.replace(*change))
    assert "\n" not in str(caught.value)


def test_runs_on_17_joints_are_recorded_as_before(tmp_path):
    text = re.sub(r", hide: \{.*?\}", "", TEXT.replace("skeleton: body28", "skeleton: h36m17"))
    before = _config(tmp_path, text)
    record = record_of(before)
    assert "skeleton" not in record["data"]
    assert "hide" not in record["data"]["windows"]
    assert record_of(_config(tmp_path))["data"]["skeleton"] == "body28"


def test_the_shipped_run_on_28_joints_hides_what_detectors_lack():
    config = load_config(ROOT / "configs/mocap/prml-xs28.yaml")
    hide = config.data.windows.hide
    assert config.data.skeleton == "body28"
    assert min(hide.feet, hide.hands, hide.face, hide.beyond_17, hide.feet_and_hands, hide.limb, hide.lower_body) > 0
