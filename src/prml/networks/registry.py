"""Every network by name. ``build`` is the only door; ``from_published`` is the door for the authors' own weights."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from torch import Tensor, device, nn

from prml.errors import PrmlError
from prml.networks.catalogue import ALIASES, ENTRIES, NetworkEntry

__all__ = [
    "NetworkEntry",
    "build",
    "entry",
    "from_published",
    "names",
    "published_arguments",
    "published_keys",
    "published_state",
    "regression_heads",
]

# in front of every key of the lifter in a CA-PF checkpoint; its frozen 2D backbone is under the other
_LIFTER, _BACKBONE = "volume_net.", "backbone."


def names() -> tuple[str, ...]:
    """Registered names."""
    return tuple(ENTRIES)


def entry(name: str) -> NetworkEntry:
    """The record of a name; raises PrmlError with the nearest known name."""
    known = name.lower().replace("_", "-")
    known = ALIASES.get(known, known)
    if known not in ENTRIES:
        near = get_close_matches(known, ENTRIES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(ENTRIES)}"
        raise PrmlError(f"unknown network {name!r}; {hint}")
    return ENTRIES[known]


def regression_heads(arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split "single" or "dual" regression heads from the arguments of a constructor.

    ``regression_heads: dual`` is the argument; ``heads: dual`` says the same (a number there means attention heads).

    Raises:
        PrmlError: neither "single" nor "dual".
    """
    rest = dict(arguments)
    kind = rest.pop("regression_heads", None)
    if isinstance(rest.get("heads"), str):
        kind = rest.pop("heads")
    if kind not in (None, "single", "dual"):
        raise PrmlError(f"regression heads are 'single' or 'dual', not {kind!r} (attention heads are a number)")
    return kind or "single", rest


def _class(record: NetworkEntry) -> Any:
    module, _, attribute = record.builder.partition(":")
    return getattr(import_module(module), attribute)


def build(name: str, **arguments: Any) -> nn.Module:
    """Build a network.

    Args:
        name: registry name.
        arguments: override those of the named size; ``regression_heads="dual"`` gives any network a head for (x, y) and
            one for depth instead of its single one (see ``prml.networks.dual_head``).

    Raises:
        PrmlError: unknown name or argument, or a value that the network cannot have.
    """
    record = entry(name)
    kind, own = regression_heads({**record.arguments, **arguments})
    try:
        network: nn.Module = _class(record)(**own)
    except (TypeError, ValueError) as error:
        raise PrmlError(f"network {name!r} cannot be built: {error}") from error
    if kind == "dual":
        from prml.networks.dual_head import use_dual

        use_dual(network)
    return network


def _published_class(name: str) -> tuple[NetworkEntry, Any]:
    record = entry(name)
    if not record.published:
        raise PrmlError(f"{record.name!r} has no published layout; load its own records with prml.load")
    return record, _class(record)


def published_arguments(name: str, state_dict: Mapping[str, Tensor], **arguments: Any) -> dict[str, Any]:
    """Arguments for the network of a published state_dict: the named size's, what the shapes tell, ``arguments``.

    Names of the authors' constructors are accepted beside ours (each network's ``ARGUMENTS`` is the mapping).
    """
    from prml.networks.published import translate

    record, network = _published_class(name)
    try:
        told = network.sizes({key: tuple(value.shape) for key, value in _lifter_part(state_dict).items()})
    except (KeyError, IndexError, ValueError, TypeError, ZeroDivisionError):
        told = {}  # not this network's layout: loading will say which keys are wrong
    return {**record.arguments, **told, **translate(network, arguments)}


def _lifter_part(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys without the prefixes of wrappers; of a whole CA-PF checkpoint, those of the lifter."""
    from prml.networks.published import strip_common

    state = strip_common(state_dict)
    if any(key.startswith(_LIFTER) for key in state):
        state = {key: value for key, value in state.items() if not key.startswith(_BACKBONE)}
        state = {key.removeprefix(_LIFTER): value for key, value in state.items()}
    return state


def from_published(name: str, state_dict: Mapping[str, Tensor], **arguments: Any) -> nn.Module:
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
    from prml.networks.published import load

    _published_class(name)
    state = _lifter_part(state_dict)
    network = build(name, **published_arguments(name, state, **arguments))
    load(network, state)  # type: ignore[arg-type]
    return network.eval()


def published_keys(name: str, **arguments: Any) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the authors' state_dict, in their order, for a network of these arguments (ours or theirs)."""
    from prml.networks.published import keys, translate

    record, network = _published_class(name)
    with device("meta"):
        built = build(name, **{**record.arguments, **translate(network, arguments)})
    return keys(built)  # type: ignore[arg-type]


def published_state(network: nn.Module) -> dict[str, Tensor]:
    """Weights of a peer in its authors' layout: what their own code loads.

    Raises:
        PrmlError: the network is no peer, or has two regression heads.
    """
    from prml.networks.dual_head import DualHead
    from prml.networks.published import Network, save

    if not isinstance(network, Network) or isinstance(network.head, DualHead):
        raise PrmlError(f"{type(network).__name__} with these heads has no published layout")
    return save(network)
