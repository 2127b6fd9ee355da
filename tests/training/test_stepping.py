"""A step that fits: in parts where memory is short, compiled where that works, the same gradients either way."""

from types import SimpleNamespace

import pytest
import torch

from prml.batches.options import MocapWindowOptions
from prml.errors import PrmlError
from prml.training.config import FitConfig, MocapData, NetworkConfig, ObjectiveConfig, RunConfig
from prml.training.module import LiftingModule

SMALL = {"frames": 3, "width": 16, "heads": 2, "branch_blocks": 1}


def _module(mutual_information: str = "none", **run) -> LiftingModule:
    torch.manual_seed(0)
    config = FitConfig(
        network=NetworkConfig("prml-xs", SMALL),
        data=MocapData(windows=MocapWindowOptions(frames=3)),
        objective=ObjectiveConfig(mutual_information=mutual_information),
        run=RunConfig(**run),
    )
    module = LiftingModule(config, steps_per_epoch=1, total_steps=1)
    module._trainer = SimpleNamespace(world_size=1, precision="32-true", global_step=0)
    return module


def _batch(windows: int = 6):
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(windows, 3, 17, 3, generator=generator) for name in ("input", "target")}


def _gradients(module: LiftingModule):
    return [p.grad.clone() for p in module.network.parameters() if p.grad is not None]


def _short_of_memory(module: LiftingModule, monkeypatch, most: int):
    """A device that holds ``most`` windows: the loss of more is out of memory, as torch reports it."""
    losses, sizes = module.losses, []

    def limited(batch):
        sizes.append(len(batch["input"]))
        if len(batch["input"]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return losses(batch)

    monkeypatch.setattr(module, "losses", limited)
    return sizes


@pytest.mark.parametrize(("most", "sizes"), [(3, [6, 3, 3]), (2, [6, 3, 2, 2, 2]), (1, [6, 3, 2, 1, 1, 1, 1, 1, 1])])
def test_a_device_without_memory_takes_the_batch_in_parts_with_the_same_gradients(monkeypatch, most, sizes):
    whole, parts = _module(), _module()
    terms = whole.step_terms(_batch())
    seen = _short_of_memory(parts, monkeypatch, most)
    with pytest.warns(
        UserWarning, match=rf"batch of 6 windows is now taken {most} at a time, with their gradients added"
    ):
        found = parts.step_terms(_batch())
    assert seen == sizes
    for name, value in terms.items():
        torch.testing.assert_close(found[name], value.detach())
    for a, b in zip(_gradients(parts), _gradients(whole), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    seen.clear()
    parts.step_terms(_batch())
    assert max(seen) <= most, "the next step knows"


def test_the_number_of_parts_survives_a_resume(monkeypatch):
    module, other, checkpoint = _module(), _module(), {}
    _short_of_memory(module, monkeypatch, 3)
    with pytest.warns(UserWarning, match="ran out of memory"):
        module.step_terms(_batch())
    module.on_save_checkpoint(checkpoint)
    other.on_load_checkpoint(checkpoint)
    assert other.parts == 2
    other.on_load_checkpoint({})
    assert other.parts == 1, "checkpoints of before"


@pytest.mark.filterwarnings("ignore")
def test_a_device_without_memory_for_a_window_ends_the_run_in_one_line(monkeypatch):
    module = _module()
    _short_of_memory(module, monkeypatch, 0)
    with pytest.raises(PrmlError, match="too little memory for one window of 3 frames") as refused:
        module.step_terms(_batch(2))
    assert "\n" not in str(refused.value)


def test_where_the_compiler_fails_training_goes_on_without_it(monkeypatch):
    plain, compiled = _module(), _module()
    expected = plain.step_terms(_batch())["loss"].detach()

    def broken(*_, **__):
        raise RuntimeError("no compiler\nfound here")

    compiled.compile_network()
    compiled.network._compiled_call_impl = broken
    with pytest.warns(UserWarning, match="the network is not compiled, which would be faster: no compiler found here"):
        found = compiled.step_terms(_batch())["loss"]
    torch.testing.assert_close(found, expected)
    for a, b in zip(_gradients(compiled), _gradients(plain), strict=True):
        torch.testing.assert_close(a, b)
    monkeypatch.setattr(compiled, "losses", lambda _: (_ for _ in ()).throw(RuntimeError("a fault of ours")))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        compiled.step_terms(_batch())


def test_a_compiled_network_keeps_the_names_of_its_weights():
    module = _module()
    names = list(module.state_dict())
    module.compile_network()
    assert list(module.state_dict()) == names


@pytest.mark.parametrize(("wanted", "compiles"), [("auto", False), ("always", True), ("never", False)])
def test_on_a_cpu_the_compiler_is_asked_only_where_the_configuration_says_so(monkeypatch, wanted, compiles):
    module, asked = _module(compile=wanted), []
    monkeypatch.setattr(module, "compile_network", lambda: asked.append(True))
    module.on_train_start()
    assert bool(asked) is compiles


def test_among_several_processes_lightning_computes_the_gradients(monkeypatch):
    module = _module()
    module._trainer.world_size = 2
    loss = module.step_terms(_batch())["loss"]
    assert loss.requires_grad
    assert not _gradients(module)
