"""Networks from their authors' state_dicts, and the other way round."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from prml.errors import PrmlError
from prml.networks import registry
from prml.networks.base import Network
from prml.networks.catalogue import NetworkEntry
from prml.networks.heads import DualHead
from prml.networks.meta import on_meta
from prml.networks.published.layout import PublishedNetwork, translate

# in front of every key of the lifter in a CA-PF checkpoint; its frozen 2D backbone is under the other
_LIFTER, _BACKBONE = "volume_net.", "backbone."
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")  # of DataParallel, torch.compile and Lightning modules


def _few(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def strip_common(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the prefixes that wrappers of a network put before every key, in any nesting."""
    state = dict(state)
    while state and (common := next((p for p in PREFIXES if all(key.startswith(p) for key in state)), None)):
        state = {key.removeprefix(common): value for key, value in state.items()}
    return state


def _load(network: PublishedNetwork, state: Mapping[str, Tensor]) -> None:
    """Copy a state_dict in the authors' layout into the network; every key must fit.

    Raises:
        PrmlError: a key is missing, left over or has another shape; the message names it.
    """
    own, table = network.state_dict(), list(network.layout())
    missing = [slot.published for slot in table if slot.published not in state]
    left_over = sorted(set(state) - {slot.published for slot in table})
    if missing or left_over:
        parts = [f"lacks {_few(missing)}"] * bool(missing) + [f"holds unknown {_few(left_over)}"] * bool(left_over)
        raise PrmlError(f"the state_dict does not fit {type(network).__name__}: it {' and '.join(parts)}")
    for slot in table:
        shape, value = slot.published_shape(own[slot.own]), state[slot.published]
        if tuple(value.shape) != shape:
            raise PrmlError(
                f"the state_dict does not fit {type(network).__name__}: {slot.published!r} should have shape {shape}, "
                f"it has {tuple(value.shape)}; give the arguments that the weights were trained with"
            )
    with torch.no_grad():
        for slot in table:
            part = slot.part(own[slot.own])
            part.copy_(state[slot.published].reshape(part.shape))


def published_state(network: Network) -> dict[str, Tensor]:
    """Weights of a published network in its authors' layout: what their own code loads.

    Raises:
        PrmlError: the network has no published layout, or has two regression heads.
    """
    if not isinstance(network, PublishedNetwork) or isinstance(network.head, DualHead):
        raise PrmlError(f"{type(network).__name__} with these heads has no published layout")
    own = network.state_dict()
    return {
        slot.published: slot.part(own[slot.own]).reshape(slot.published_shape(own[slot.own])).clone()
        for slot in network.layout()
    }


def _published_class(name: str) -> tuple[NetworkEntry, type[PublishedNetwork]]:
    entry, network = registry.entry(name), registry.network_class(name)
    if not issubclass(network, PublishedNetwork):
        raise PrmlError(f"{entry.name!r} has no published layout; load its own records with prml.load")
    return entry, network


def published_arguments(name: str, state_dict: Mapping[str, Tensor], **arguments: Any) -> dict[str, Any]:
    """Arguments for the network of a published state_dict: the named size's, what the shapes tell, ``arguments``.

    Names of the authors' constructors are accepted beside ours (each network's ``ARGUMENTS`` is the mapping).
    """
    entry, network = _published_class(name)
    try:
        told = network.sizes({key: tuple(value.shape) for key, value in _lifter_part(state_dict).items()})
    except (KeyError, IndexError, ValueError, TypeError, ZeroDivisionError):
        told = {}  # not this network's layout: loading will say which keys are wrong
    return {**entry.arguments, **told, **translate(network, arguments)}


def _lifter_part(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys without the prefixes of wrappers; of a whole CA-PF checkpoint, those of the lifter."""
    state = strip_common(state_dict)
    if any(key.startswith(_LIFTER) for key in state):
        state = {key: value for key, value in state.items() if not key.startswith(_BACKBONE)}
        state = {key.removeprefix(_LIFTER): value for key, value in state.items()}
    return state


def from_published(name: str, state_dict: Mapping[str, Tensor], **arguments: Any) -> Network:
    """Build a network and load its authors' weights, strictly. Returned in evaluation mode.

    Args:
        name: registry name.
        state_dict: in the authors' layout, with or without the prefixes of wrappers (``module.``, ``_orig_mod.``,
            ``model.``, ``net.``); a whole CA-PF checkpoint is accepted too, its 2D backbone (``backbone.``) is not part
            of the lifter.
        arguments: ours or the authors' constructor arguments; what the shapes tell (most of them) may be left out.

    Raises:
        PrmlError: a key is missing, left over or has another shape; the message names it.
    """
    _published_class(name)
    state = _lifter_part(state_dict)
    network = cast(PublishedNetwork, registry.build(name, **published_arguments(name, state, **arguments)))
    _load(network, state)
    return network.eval()


def published_keys(name: str, **arguments: Any) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the authors' state_dict, in their order, for a network of these arguments (ours or theirs)."""
    entry, network = _published_class(name)
    with on_meta():
        built = registry.build(name, **{**entry.arguments, **translate(network, arguments)})
    own, layout = built.state_dict(), cast(PublishedNetwork, built).layout()
    return {slot.published: slot.published_shape(own[slot.own]) for slot in layout}
