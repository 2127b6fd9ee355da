"""Starting from a record: what was learned is kept, whatever is longer or deeper in the new network."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from prml.errors import PrmlError
from prml.skeleton import BODY28
from prml.training.config import FitConfig, NetworkConfig
from prml.training.module import LiftingModule
from prml.training.warm_start import inherit_terms, resample_frames, start_from
from prml.weights.record import OPEN, Card, load_record, save_record

SMALL = {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1}


def _module(seed: int, **changes) -> LiftingModule:
    torch.manual_seed(seed)
    config = FitConfig(network=NetworkConfig("prml-xs", {**SMALL, **changes}))
    module = LiftingModule(config, steps_per_epoch=1, total_steps=1).eval()
    for parameter in module.parameters():  # biases too: what a new block adds must not vanish by itself
        torch.nn.init.normal_(parameter, std=0.2)
    return module


@pytest.fixture
def record(tmp_path):
    """A small network's record and what it gives for an input."""
    module, x = _module(1), torch.randn(2, 9, 17, 3)
    card = Card(name="small", network="prml-xs", arguments=module.network_arguments, window=9)
    save_record(tmp_path, card, module.network)
    with torch.no_grad():
        return str(tmp_path / "small.safetensors"), x, module.network(x)


@pytest.mark.parametrize(
    "deeper", [{}, {"branch_blocks": 3}, {"shared_blocks": 2}, {"branch_blocks": 2, "shared_blocks": 3}]
)
def test_a_deeper_network_starts_as_the_function_that_was_learned(record, deeper):
    path, x, wanted = record
    module = _module(2, **deeper)
    start_from(module, path)
    with torch.no_grad():
        torch.testing.assert_close(module.network(x), wanted, atol=1e-5, rtol=1e-4)
    for _ in range(2):  # and its new blocks learn: their last layers at once, the rest from the second step on
        module.network(x).square().sum().backward()
        with torch.no_grad():
            for parameter in module.network.parameters():
                assert parameter.grad is not None
                parameter -= 1e-3 * parameter.grad
    assert all(p.grad.abs().sum() > 0 for p in module.network.parameters() if p.grad.numel() > 2)


def test_a_wider_network_cannot_start_from_it(record):
    with pytest.raises(PrmlError, match="no tensor that fits"):
        start_from(_module(2, width=32), record[0])


def _module28(seed: int, **changes) -> LiftingModule:
    torch.manual_seed(seed)
    config = FitConfig(network=NetworkConfig("prml-xs", {**SMALL, **changes}))
    config.data.skeleton = "body28"
    return LiftingModule(config, steps_per_epoch=1, total_steps=1).eval()


def test_28_joints_start_from_17_and_the_new_ones_as_their_parents(record):
    module = _module28(2)
    start_from(module, record[0])
    small = load_record(record[0]).network.state_dict()
    parents = torch.tensor([*range(17), *BODY28.parents[17:]])
    grown = 0
    for name, tensor in module.network.state_dict().items():
        if tensor.shape == small[name].shape:
            assert torch.equal(tensor, small[name]), name
        else:
            axis = [a == 28 for a in tensor.shape].index(True)
            assert torch.equal(tensor, small[name].index_select(axis, parents)), name
            grown += 1
    assert grown == 5  # joint embedding, the position embeddings of both branches, both biases
    assert module.network(torch.randn(2, 9, 28, 3)).shape == (2, 9, 28, 3)


def test_the_statistics_of_labels_grow_with_the_joints_too(tmp_path):
    small, large = _module(1), _module28(2)
    head = {"width_2d": 32, "width_depth": 32, "joints": 17}
    card = Card(name="small", network="prml-xs", arguments=small.network_arguments, window=9, uncertainty=head)
    small.information.pose_2d.marginal.mean.normal_()
    path = save_record(tmp_path, card, small.network, small.information)
    start_from(large, str(path))
    mean = large.information.pose_2d.marginal.mean
    assert torch.equal(mean[:17], small.information.pose_2d.marginal.mean)
    assert torch.equal(mean[17:], mean[list(BODY28.parents[17:])])


def test_frames_grow_beside_joints(record):
    module = _module28(2, frames=28)  # as many as joints
    start_from(module, record[0])
    bias, small = module.network.decoder.bias_2d.value, load_record(record[0]).network.decoder.bias_2d.value
    torch.testing.assert_close(bias[0, :17], small[0])
    torch.testing.assert_close(bias[-1, 17:], small[-1][list(BODY28.parents[17:])])


@pytest.mark.misfit
def test_17_joints_do_not_start_from_28(tmp_path):
    module = _module28(1)
    card = Card(name="large", network="prml-xs", arguments=module.network_arguments, window=9, skeleton="body28")
    path = save_record(tmp_path, card, module.network)
    with pytest.raises(PrmlError, match=r"it has 28 joints \(body28\), this run 17; set data.skeleton to body28"):
        start_from(_module(2), str(path))
    start_from(_module28(2), str(path))


def test_frames_are_resampled_end_on_end():
    ramp = torch.linspace(0, 1, 9)[:, None].repeat(1, 4)
    out = resample_frames(ramp, torch.zeros(27, 4))
    torch.testing.assert_close(out, torch.linspace(0, 1, 27)[:, None].repeat(1, 4))


def test_terms_of_the_weights_it_began_as_go_on():
    free, bound = (Card("a", "prml-xs", data_licence=d, weights_licence=w) for d, w in (("CC0", OPEN), ("NC", "no")))
    assert inherit_terms(free, free) == free
    for mine, earlier in ((free, bound), (bound, free)):
        card = inherit_terms(mine, earlier)
        assert card.weights_licence == "no"
        assert card.data_licence == f"{mine.data_licence}; of the weights it started from: {earlier.data_licence}"


def test_a_float16_record_is_started_from_and_loaded_as_float32(tmp_path, record):
    full = load_record(record[0])
    save_record(tmp_path, replace(full.card, name="half"), full.network, half=True)
    stored = load_file(tmp_path / "half.safetensors")
    assert {t.dtype for t in stored.values() if t.is_floating_point()} == {torch.float16}
    loaded, module = load_record(tmp_path / "half.safetensors").network, _module(2)
    start_from(module, str(tmp_path / "half.safetensors"))
    wanted = {name: value.half().float() for name, value in full.network.state_dict().items()}
    for found in (loaded, module.network):
        for name, value in found.state_dict().items():
            torch.testing.assert_close(value, wanted[name], rtol=0, atol=0)
