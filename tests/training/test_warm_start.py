"""Starting from a record: what was learned is kept, whatever is longer or deeper in the new network."""

import pytest
import torch

from prml.errors import PrmlError
from prml.training.config import FitConfig, NetworkConfig
from prml.training.module import LiftingModule
from prml.training.warm_start import inherit_terms, resample_frames, start_from
from prml.weights.record import OPEN, Card, save_record

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
