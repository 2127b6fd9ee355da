"""The one check of constructor arguments: refused in one line before a network allocates anything."""

import math
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from prml.errors import PrmlError

# lower and upper limit of a number, by the name of the argument; beyond it a network only exhausts memory
LIMITS: dict[str, tuple[float, float]] = {
    "in_channels": (2, 4),
    "joints": (1, 1000),
    "width": (1, 8192),
    "heads": (1, 1024),
    "depth": (0, 1000),
    "shared_blocks": (0, 1000),
    "branch_blocks": (0, 1000),
    "mlp_ratio": (0.01, 64),
    "dropout": (0, 0.99),
    "drop_path": (0, 0.99),
    "layer_scale": (0, 1),
}
_OTHERS = (1, 10_000)  # frames, hidden, representation, kernels, ...
_BLOCKS = ("depth", "shared_blocks", "branch_blocks")
MAX_WEIGHTS = 2**31  # estimated from width and blocks: 8 GB


def check_arguments(network: str, constructor: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Check values against the types of a constructor's parameters and the limits of their names.

    Whole numbers, numbers, booleans, texts, choices (``Literal``), sequences of whole numbers and unions of them are
    checked; parameters of other types, and arguments that are no parameters, are left to the constructor.

    Args:
        network: its name, for the message.
        constructor: with annotated parameters.
        arguments: by name.

    Raises:
        PrmlError: a value of another type or beyond its limits, heads that do not divide the width, or a network that
            would be too large; one line that says what was expected.
    """
    try:
        kinds = get_type_hints(constructor)
    except NameError:  # annotations of an outside package that only type checkers resolve
        kinds = {}
    for name, value in arguments.items():
        if name in kinds and (wanted := _wanted(name, kinds[name], value)):
            raise PrmlError(f"{network}: {name} must be {wanted}, got {str(value)[:60]!r}")
    width, heads = arguments.get("width"), arguments.get("heads")
    if isinstance(width, int) and isinstance(heads, int) and width % heads:
        raise PrmlError(f"{network}: heads must divide the width, {heads} does not divide {width}")
    blocks = max(1, sum(given for name in _BLOCKS if isinstance(given := arguments.get(name), int)))
    if isinstance(width, int) and 12 * width**2 * blocks > MAX_WEIGHTS:
        raise PrmlError(f"{network}: width {width} with {blocks} blocks is too large; lower one of them")


def with_defaults(constructor: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, and the defaults of those that are not given."""
    usual = {n: p.default for n, p in signature(constructor).parameters.items() if p.default is not p.empty}
    return {**usual, **arguments}


def _wanted(name: str, kind: Any, value: Any) -> str:
    """What the argument must be, if the value is not that; else an empty text."""
    alternatives = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    found = [_describe(name, alternative) for alternative in alternatives]
    if any(fits is None or fits(value) for _, fits in found):
        return ""
    return " or ".join(words for words, _ in found if words)


def _describe(name: str, kind: Any) -> tuple[str, Callable[[Any], bool] | None]:
    """A type as text, and what tells whether a value is of it; None for a type that is not checked."""
    low, high = LIMITS.get(name, _OTHERS)
    between = f"from {low:g} to {high:g}"

    def whole(value: Any) -> bool:
        return isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high

    def number(value: Any) -> bool:
        real = isinstance(value, Real) and not isinstance(value, bool)
        return real and math.isfinite(value) and low <= value <= high

    if kind is int:
        return f"a whole number {between}", whole
    if kind is float:
        return f"a number {between}", number
    if kind is bool:
        return "true or false", lambda value: isinstance(value, bool)
    if kind is str:
        return "a text", lambda value: isinstance(value, str)
    if kind is NoneType:
        return "", lambda value: value is None
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}", lambda value: value in get_args(kind)
    if get_origin(kind) is Sequence and get_args(kind) == (int,):
        return (
            f"a list of whole numbers {between}",
            lambda value: (
                isinstance(value, Sequence)
                and not isinstance(value, str)
                and 0 < len(value) <= 64
                and all(map(whole, value))
            ),
        )
    return "", None
