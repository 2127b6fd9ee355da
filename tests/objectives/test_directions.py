"""The loss on bone directions: laws."""

import math

import pytest
import torch

from prml.objectives.directions import bone_directions
from prml.skeleton import BODY28, H36M17, Skeleton

SKELETONS = [pytest.param(s, id=s.name) for s in (H36M17, BODY28)]


def poses(skeleton: Skeleton, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 3, len(skeleton), 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_size_and_place_of_the_person_do_not_count(skeleton: Skeleton) -> None:
    target = poses(skeleton)
    assert bone_directions(1.7 * target + 4.0, target, skeleton).item() < 1e-12
    assert bone_directions(-target, target, skeleton).item() == pytest.approx(2.0)


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_a_turn_costs_the_chord_of_its_angle(skeleton: Skeleton) -> None:
    target = poses(skeleton)
    target[..., 2] = 0  # bones in the plane that turns
    for degrees in (1.0, 30.0, 90.0):
        angle = math.radians(degrees)
        turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
        cost = bone_directions(target @ turn.double().T, target, skeleton)
        assert cost.item() == pytest.approx(2 * math.sin(angle / 2), abs=1e-7)


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_bones_without_a_truth_do_not_count(skeleton: Skeleton) -> None:
    target, pred = poses(skeleton), poses(skeleton, 1)
    known = torch.ones(2, len(skeleton), dtype=torch.bool)
    known[0, 5] = False
    with_garbage = target.clone()
    with_garbage[0, :, 5] = 100.0
    assert bone_directions(pred, target, skeleton, known) == bone_directions(pred, with_garbage, skeleton, known)
    assert bone_directions(pred, target, skeleton, known & False) == 0


def test_gradients_are_finite_where_bones_have_no_length_or_no_error() -> None:
    target = poses(H36M17)
    for pred in (target.clone(), torch.zeros_like(target)):
        pred.requires_grad_()
        bone_directions(pred, target, H36M17).backward()
        assert pred.grad is not None
        assert torch.isfinite(pred.grad).all()
