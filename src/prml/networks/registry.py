"""Every network by name, with what its paper says of it. ``build`` is the only door."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Literal

from torch import nn

from prml.errors import PrmlError


@dataclass(frozen=True)
class NetworkEntry:
    """A named network.

    Attributes:
        name: registry name.
        builder: "module:Class"; imported when the network is built.
        arguments: constructor arguments of this named size.
        window: T that the named size is meant for.
        output: "sequence" (one pose per input frame) or "centre" (one pose for the window's middle frame).
        any_length: whether shorter windows are accepted.
        paper, year, venue: reference.
        code_licence: licence of the authors' code ("none" = no licence file; read for facts only).
        paper_parameters_m, paper_macs_g, paper_macs_per_frame_m: as the PrML paper prints them (Table 2), None if not printed.
        notes: known oddities.
    """

    name: str
    builder: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    window: int = 243
    output: Literal["sequence", "centre"] = "sequence"
    any_length: bool = True
    paper: str = ""
    year: int = 0
    venue: str = ""
    code_licence: str = ""
    paper_parameters_m: float | None = None
    paper_macs_g: float | None = None
    paper_macs_per_frame_m: float | None = None
    notes: str = ""


_PRML = "prml.networks.prml.network:PrML"
_ENTRIES: dict[str, NetworkEntry] = {
    entry.name: entry
    for entry in (
        NetworkEntry(
            "prml", _PRML, {}, 243, paper="PrML: progressive multi-task learning for monocular 3D human pose estimation",
            code_licence="Apache-2.0", paper_parameters_m=13.0, paper_macs_g=49.3, paper_macs_per_frame_m=203,
            notes="K = 1 and N = 13 are not printed in the paper; they reproduce its cost.",
        ),
        NetworkEntry(
            "prml-s", _PRML, {"frames": 81, "width": 64, "heads": 4, "branch_blocks": 3}, 81, code_licence="Apache-2.0",
            notes="for CPUs; bundled weights",
        ),
        NetworkEntry(
            "prml-xs", _PRML, {"frames": 27, "width": 48, "heads": 4, "branch_blocks": 2}, 27, code_licence="Apache-2.0",
            notes="for live use; bundled weights",
        ),
    )
}  # fmt: skip


def names() -> tuple[str, ...]:
    """Registered names."""
    return tuple(_ENTRIES)


def entry(name: str) -> NetworkEntry:
    """The record of a name; raises PrmlError with the nearest known name."""
    if name not in _ENTRIES:
        near = get_close_matches(name, _ENTRIES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_ENTRIES)}"
        raise PrmlError(f"unknown network {name!r}; {hint}")
    return _ENTRIES[name]


def build(name: str, **arguments: Any) -> nn.Module:
    """Build a network; ``arguments`` override those of the named size. Raises PrmlError for an unknown argument."""
    record = entry(name)
    module, _, attribute = record.builder.partition(":")
    builder = getattr(import_module(module), attribute)
    try:
        network: nn.Module = builder(**{**record.arguments, **arguments})
    except (TypeError, ValueError) as error:
        raise PrmlError(f"network {name!r} cannot be built: {error}") from error
    return network
