"""Every network by name: ours, those that outside packages add, and classes by their module. Imports no torch."""

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from prml.errors import PrmlError
from prml.networks.catalogue import ALIASES, ENTRIES, NetworkEntry
from prml.plugins import plugin, plugin_names

if TYPE_CHECKING:
    from prml.networks.base import Network

GROUP = "prml.networks"


def names() -> tuple[str, ...]:
    """Registered names: ours, then those of outside packages."""
    return (*ENTRIES, *(name for name in plugin_names(GROUP) if name not in ENTRIES))


def entry(name: str, *, may_import: bool = True) -> NetworkEntry:
    """The entry of a network.

    Args:
        name: of one of our networks, of one that an outside package adds (a :class:`NetworkEntry` in its entry points
            ``prml.networks``), or ``my_package.module:Class``.
        may_import: whether ``my_package.module`` may be imported. Where the name comes from a file it may not: a file
            does not choose which code runs; the caller has imported the module, or its package is installed with an
            entry point.

    Raises:
        PrmlError: an unknown name, with the nearest known one, or a class that is no network.
    """
    if ":" in name:
        return _declared(_load_class(name, may_import), name)  # type: ignore[arg-type]  # classes are hashable
    known = name.lower().replace("_", "-")
    known = ALIASES.get(known, known)
    if known in ENTRIES:
        return ENTRIES[known]
    outside = plugin(GROUP, name, NetworkEntry) or plugin(GROUP, known, NetworkEntry)
    if outside is not None and outside.name not in (name, known):
        raise PrmlError(f"the entry point {name!r} of {GROUP} leads to a network called {outside.name!r}; rename one")
    if outside is not None:
        return outside
    near = get_close_matches(known, names(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names())}, or a class as 'module:Class'"
    raise PrmlError(f"unknown network {name!r}; {hint}")


def network_class(name: str) -> "type[Network]":
    """The class of a network; raises PrmlError for an unknown name."""
    return _load_class(entry(name).builder, True)


def build(name: str, **arguments: Any) -> "Network":
    """Build a network.

    Args:
        name: see :func:`entry`.
        arguments: override those of the named size; ``regression_heads="dual"`` gives any network a head for (x, y) and
            one for depth instead of its single one (see ``prml.networks.heads``).

    Raises:
        PrmlError: unknown name or argument, or a value that the network cannot have.
    """
    found = entry(name)
    kind, own = regression_heads({**found.arguments, **arguments})
    try:
        network = _load_class(found.builder, True)(**own)
    except PrmlError:
        raise
    except (TypeError, ValueError, ArithmeticError, RuntimeError, LookupError, AttributeError) as error:
        raise PrmlError(f"network {name!r} cannot be built: {error}") from error  # numbers that a network cannot have
    if kind == "dual":
        from prml.networks.heads import use_dual

        use_dual(network)
    return network


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


def _load_class(place: str, may_import: bool) -> "type[Network]":
    """The class at ``module:Class``."""
    from prml.networks.base import Network

    module, _, attribute = place.partition(":")
    if not may_import and module not in sys.modules:
        raise PrmlError(
            f"the network {place!r} is code that is not part of prml; import {module} before, or install its package "
            f"with an entry point of the group {GROUP}"
        )
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise PrmlError(f"no network at {place!r}: {error}; expected module:Class") from error
    if not (isinstance(found, type) and issubclass(found, Network)):
        raise PrmlError(f"{place} is no network: expected a subclass of prml.networks.base.Network")
    return found


@cache
def _declared(network: "type[Network]", name: str) -> NetworkEntry:
    """The entry of a class without one: what a network of its default arguments declares."""
    import torch

    try:
        try:
            with torch.device("meta"):
                built = network()  # type: ignore[call-arg]
        except RuntimeError:  # it looks at values while it is built
            built = network()  # type: ignore[call-arg]
    except TypeError as error:
        raise PrmlError(f"{name} cannot be built without arguments ({error}); give all of them defaults") from error
    return NetworkEntry(
        name,
        name,
        window=built.frames,
        output=built.output,
        any_length=built.any_length,
        image_features=bool(built.image_channels),
    )
