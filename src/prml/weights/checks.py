"""Whether tensors and a card go together, asked before anything large is allocated."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks import registry
from prml.networks.meta import on_meta
from prml.weights.card import Card

_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64, torch.bool)
_MAX_FREE = 1000  # what an argument may be whatever the tensors are: windows, hidden sizes, temperatures


def check_tensors(state: Mapping[str, Tensor], origin: str) -> None:
    """Raise PrmlError that names the first tensor of an odd type or with values that are not numbers."""
    for name, tensor in state.items():
        if tensor.dtype not in _TYPES or tensor.layout != torch.strided:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise PrmlError(f"{origin}: the tensor {name!r} is of the type {kind}, which no network here has")
        if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
            raise PrmlError(f"{origin}: the tensor {name!r} states more values than it holds")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise PrmlError(
                f"{origin}: the tensor {name!r} holds values that are not numbers (NaN or infinite); these weights are "
                "of a training that failed, get others"
            )


def check_names(tensors: Mapping[str, Tensor], prefixes: tuple[str, ...], origin: str) -> None:
    """Raise PrmlError for a tensor that belongs to nothing the card names."""
    for name in tensors:
        if not name.startswith(prefixes):
            raise PrmlError(f"{origin} holds the tensor {name!r}, which its card does not account for")


def check_window(card: Card, frames: int, origin: str) -> None:
    """Raise PrmlError unless the network takes windows of the card's length."""
    fixed = registry.entry(card.network).fixed_window
    if card.window > frames or (fixed and card.window < frames):
        takes = f"{frames} frames only" if fixed else f"at most {frames} frames"
        raise PrmlError(f"{origin} says window {card.window}, but its network takes windows of {takes}")


def check_shapes(
    wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], prefix: str, origin: str
) -> dict[str, Tensor]:
    """The tensors under a prefix, without it; raises PrmlError unless names and shapes are the wanted ones."""
    state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    wrong = [k for k in wanted if k not in state or state[k].shape != wanted[k].shape]
    wrong += [k for k in state if k not in wanted]
    if wrong:
        raise PrmlError(
            f"{origin} does not fit its weights: {len(wrong)} tensors differ, the first is {prefix}{wrong[0]}"
        )
    if odd := [k for k in wanted if wanted[k].is_floating_point() != state[k].is_floating_point()]:
        raise PrmlError(f"{origin} does not fit its weights: {prefix}{odd[0]} is of the type {state[odd[0]].dtype}")
    return state


def check_arguments(card: Card, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Raise PrmlError unless the card's network and head have the shapes of the tensors; nothing is allocated.

    An outside network that cannot be built without memory is compared once it has been built.

    No whole number of a card is larger than both the largest side and the count of its tensors: a million blocks would
    take minutes to build even without memory.
    """
    largest = max([_MAX_FREE, len(tensors), *(side for tensor in tensors.values() for side in tensor.shape)])
    for name, value in _numbers({**card.arguments, **card.uncertainty}):
        if not (math.isfinite(value) and abs(value) <= largest):
            raise PrmlError(f"{origin} does not fit its weights: {name} of {value:g} is larger than anything in them")
    with on_meta():
        if (state := _network_state(card)) is not None:
            check_shapes(state, tensors, "network.", origin)
        if card.uncertainty:
            check_shapes(build_head(card, origin).state_dict(), tensors, "uncertainty.", origin)


def _network_state(card: Card) -> dict[str, Tensor] | None:
    """The network's tensors without memory; None for an outside network that looks at values while it is built."""
    try:
        state: dict[str, Tensor] = registry.build(card.network, **card.arguments).state_dict()
    except PrmlError as error:
        if isinstance(error.__cause__, RuntimeError):  # NotImplementedError among them
            return None
        raise
    return state


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """All numbers in plain values, with the names they stand under."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value if abs(value) < 1e300 else math.inf


def build_head(card: Card, origin: str) -> nn.Module:
    """The head that predicts standard deviations; raises PrmlError if it cannot have the card's arguments."""
    from prml.objectives.uncertainty import PoseUncertainty

    try:
        return PoseUncertainty(**card.uncertainty)
    except (TypeError, ValueError, RuntimeError) as error:
        raise PrmlError(f"{origin}: the head of 'uncertainty' cannot be built: {error}") from error
