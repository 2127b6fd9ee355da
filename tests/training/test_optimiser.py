"""Optimisers: each parameter has one, one schedule drives all, and a restored state goes on as if never stopped."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from prml.errors import PrmlError
from prml.networks import registry
from prml.training.config import OptimiserConfig
from prml.training.muon import Muon, orthogonalise
from prml.training.optimiser import Together, build_optimiser, hidden_matrices

MUON = OptimiserConfig(kind="muon", learning_rate=1e-2, muon_rate=2.0)


def _network():
    torch.manual_seed(0)
    return registry.build("prml-xs", frames=3, width=16, heads=2)


def _steps(network, optimiser, count, first=0):
    for i in range(first, first + count):
        x = torch.randn(2, 3, 17, 3, generator=torch.Generator().manual_seed(i))
        optimiser.zero_grad()
        (network(x) - x).square().mean().backward()
        optimiser.step()


def test_every_parameter_has_exactly_one_optimiser():
    network = _network()
    optimiser = build_optimiser(network, network.parameters(), MUON)
    given = [id(p) for group in optimiser.param_groups for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in network.parameters())
    assert isinstance(optimiser, Together)
    muon, adamw = optimiser.parts
    assert [id(p) for p in muon.param_groups[0]["params"]] == [id(p) for p in hidden_matrices(network)]
    assert muon.param_groups[0]["lr"] == pytest.approx(2 * adamw.param_groups[0]["lr"])


def test_hidden_matrices_are_matrices_within_encoders():
    network = _network()
    names = {id(p): n for n, p in network.named_parameters()}
    chosen = [names[id(p)] for p in hidden_matrices(network)]
    assert len(chosen) == len(set(chosen))
    assert all(("attention" in n or "mlp" in n) and n.endswith("weight") for n in chosen)
    assert {n for n in names.values() if ".fc1.weight" in n} <= set(chosen)


def test_a_schedule_drives_all_parts():
    network = _network()
    optimiser = build_optimiser(network, network.parameters(), MUON)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 0.5**step)
    rates = []
    for _ in range(3):
        rates.append([part.param_groups[0]["lr"] for part in optimiser.parts])
        optimiser.step()
        schedule.step()
    for before, after in pairwise(rates):
        assert after == pytest.approx([0.5 * r for r in before])


def test_a_restored_state_goes_on_as_if_never_stopped():
    network = _network()
    optimiser = build_optimiser(network, network.parameters(), MUON)
    _steps(network, optimiser, 2)
    weights, state = copy.deepcopy(network.state_dict()), copy.deepcopy(optimiser.state_dict())
    _steps(network, optimiser, 2, first=2)
    other = _network()
    other.load_state_dict(weights)
    resumed = build_optimiser(other, other.parameters(), MUON)
    resumed.load_state_dict(state)
    _steps(other, resumed, 2, first=2)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_the_loss_falls(kind):
    network = _network()
    optimiser = build_optimiser(network, network.parameters(), OptimiserConfig(kind=kind, learning_rate=3e-3))
    x = torch.randn(4, 3, 17, 3, generator=torch.Generator().manual_seed(1))
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = (network(x) - x).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def _matrices(count: int = 3):
    torch.manual_seed(3)
    shapes = [(8, 8), (24, 8), (8, 32), (8, 8), (32, 8), (16, 16)]
    return [[nn.Parameter(torch.randn(shape)) for shape in shapes] for _ in range(count)]


def _give_gradients(*lists):
    for group in zip(*lists, strict=True):
        gradient = torch.randn_like(group[0])
        for p in group:
            p.grad = gradient.clone()


def test_muon_orthogonalises():
    stack = torch.randn(3, 8, 32, generator=torch.Generator().manual_seed(0))
    U, _, Vh = torch.linalg.svd(stack, full_matrices=False)
    found = orthogonalise(stack).float()
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6
    assert values.max() < 1.3
    aligned = (found * (U @ Vh)).sum((1, 2)) / (found.norm(dim=(1, 2)) * (U @ Vh).norm(dim=(1, 2)))
    assert aligned.min() > 0.97


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch before 2.9")
def test_muon_is_that_of_torch_and_goes_on_from_its_checkpoints():
    mine, theirs, _ = _matrices()
    with torch.no_grad():
        for a, b in zip(mine, theirs, strict=True):
            b.copy_(a)
    rates = {"lr": 1e-2, "weight_decay": 0.1}
    ours, reference = Muon(mine, **rates), torch.optim.Muon(theirs, adjust_lr_fn="match_rms_adamw", **rates)
    for _ in range(3):
        _give_gradients(mine, theirs)
        ours.step()
        reference.step()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=3 * 0.02 * 1e-2)  # bfloat16 of three steps
    resumed = Muon(mine, **rates)
    resumed.load_state_dict(reference.state_dict())
    assert resumed.param_groups[0].keys() == reference.param_groups[0].keys()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(resumed.state[a]["momentum_buffer"], reference.state[b]["momentum_buffer"])


def test_muon_leaves_what_has_no_gradient():
    (matrices,) = _matrices(1)
    before = [p.detach().clone() for p in matrices]
    optimiser = Muon(matrices, lr=1e-2, weight_decay=0.1)
    optimiser.step()
    matrices[0].grad = torch.ones_like(matrices[0])
    optimiser.step()
    assert [torch.equal(a, b) for a, b in zip(matrices, before, strict=True)] == [False] + [True] * 5


def test_what_muon_cannot_do_is_said():
    network = torch.nn.Linear(3, 3)
    with pytest.raises(PrmlError, match="use adamw"):
        build_optimiser(network, network.parameters(), MUON)
