"""Check plain values from JSON or YAML against type hints; errors name the wrong value and its position."""

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from prml.errors import PrmlError
from prml.io.guard import one_line

_NAMES: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "names and values",
    list: "a list",
    type(None): "nothing",
}


def check_values(values: Mapping[str, Any], hints: Mapping[str, Any], what: str) -> None:
    """Raise PrmlError for the first value of the wrong type.

    Args:
        values: values by name; names without a hint are ignored.
        hints: name -> type: str, int, float (whole numbers are accepted), bool, None, Any, lists and dictionaries of
            these, and unions.
        what: the file, for messages.
    """
    for name, hint in hints.items():
        if name in values and (wrong := _misfit(values[name], hint, name)):
            raise PrmlError(f"{what}: {wrong}")


def _misfit(value: Any, hint: Any, where: str) -> str | None:
    """Return what was expected and given if a value has the wrong type, else None."""
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, types.UnionType):
        return None if any(_misfit(value, part, where) is None for part in parts) else _told(value, parts, where)
    if origin is Any:
        return None
    kinds = (int, float) if origin is float else origin
    if not isinstance(value, kinds) or (isinstance(value, bool) and origin in (int, float)):
        return _told(value, (origin,), where)
    if isinstance(value, dict) and parts:
        if parts == (str, Any) and all(type(key) is str for key in value):
            return None  # most of what a result of many sequences holds
        for key, item in value.items():
            if wrong := _misfit(key, parts[0], f"{where}, a name") or _misfit(item, parts[1], f"{where}.{key}"):
                return wrong
    if isinstance(value, list) and parts:
        return next((w for i, v in enumerate(value) if (w := _misfit(v, parts[0], f"{where}[{i}]"))), None)
    return None


def _told(value: Any, hints: tuple[Any, ...], where: str) -> str:
    wanted = " or ".join(_NAMES.get(get_origin(hint) or hint, str(hint)) for hint in hints)
    return f"expected {wanted} in {one_line(where, 80)!r}, got {one_line(ascii(value), 60)}"
