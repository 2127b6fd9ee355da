"""Ranger against its definition, written out for one number at a time."""

import math

import pytest
import torch

from prml.training.ranger import Ranger


def reference(start, gradients, lr, decay=0.0):
    """The published rule: rectified Adam once the variance can be told, and a look back every six steps."""
    p = slow = start
    first = second = 0.0
    bound = 2 / (1 - 0.999) - 1
    for t, g in enumerate(gradients, 1):
        second = 0.999 * second + 0.001 * g * g
        first = 0.95 * first + 0.05 * g
        terms = bound - 2 * t * 0.999**t / (1 - 0.999**t)
        p -= lr * decay * p
        if terms > 5:
            part = (terms - 4) / (bound - 4) * (terms - 2) / terms * bound / (bound - 2)
            size = math.sqrt((1 - 0.999**t) * part) / (1 - 0.95**t)
            p -= lr * size * first / (math.sqrt(second) + 1e-5)
        else:
            p -= lr * first / (1 - 0.95**t)
        if t % 6 == 0:
            slow += 0.5 * (p - slow)
            p = slow
    return p


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_are_those_of_the_definition(decay):
    rng = torch.Generator().manual_seed(3)
    gradients = torch.randn(20, 4, generator=rng, dtype=torch.float64)
    start = torch.randn(4, generator=rng, dtype=torch.float64)
    for steps in (1, 5, 6, 7, 20):
        p = torch.nn.Parameter(start.clone())
        optimiser = Ranger([p], lr=0.01, weight_decay=decay)
        for g in gradients[:steps]:
            p.grad = g.clone()
            optimiser.step()
        wanted = [
            reference(s, g, 0.01, decay) for s, g in zip(start.tolist(), gradients[:steps].T.tolist(), strict=True)
        ]
        assert p.tolist() == pytest.approx(wanted, rel=1e-9)


def test_a_restored_optimiser_goes_on():
    gradients = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    whole, p = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    first, optimiser = Ranger([whole], lr=0.1), Ranger([p], lr=0.1)
    for i, g in enumerate(gradients):
        if i == 4:
            state, optimiser = optimiser.state_dict(), Ranger([p], lr=0.1)
            optimiser.load_state_dict(state)
        for parameter, stepped in ((whole, first), (p, optimiser)):
            parameter.grad = g.clone()
            stepped.step()
    assert torch.equal(whole, p)
    assert not torch.equal(whole, torch.ones(3))
