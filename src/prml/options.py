"""Options as dataclasses, with bounds in the metadata of fields that apply to Python, YAML files and the command line.

A field is declared as ``radius: float = option(1.0, minimum=0)`` and described under ``Attributes:`` in the docstring
of its class. Then ``check(Blur(radius=-1))`` raises ``PrmlError``: radius must be at least 0, got -1; and
``build(Blur, {"radius": 2})`` builds one from a mapping, for example from a YAML file.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from inspect import cleandoc
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from prml.errors import PrmlError

T = TypeVar("T")
Label = Callable[[str], str]
_NEAR = 0.65  # minimum similarity for suggesting a known name


def option(
    default: Any = MISSING,
    *,
    factory: Callable[[], Any] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    unless: Mapping[Any, str] | None = None,
    required: str = "",
    positional: bool = False,
    local: bool = False,
    parameter: str = "",
    metavar: str = "",
    from_file: str = "",
    variants: Mapping[str, type[Any]] | None = None,
) -> Any:
    """Declare a field of an options dataclass.

    Args:
        default: as for ``dataclasses.field``; without a default the option is required.
        factory: makes the default.
        minimum: smallest allowed value, for every number of a list and both ends of a range (a pair).
        maximum: largest allowed value, likewise.
        unless: allowed values outside the bounds, and their meaning.
        required: what a list must name at least one of.
        positional: whether it is a positional argument on the command line.
        local: whether the text may name a file; URLs are then refused, as for paths.
        parameter: another name for it in messages of the library.
        metavar: placeholder for its value in the help of a command, such as DEGREES.
        from_file: name of the positional option with the YAML file for the values of this dataclass.
        variants: alternative dataclasses by the value of their field ``kind``; the first is the default.
    """
    metadata = {
        "minimum": minimum,
        "maximum": maximum,
        "unless": unless or {},
        "required": required,
        "positional": positional,
        "local": local,
        "parameter": parameter,
        "metavar": metavar,
        "from_file": from_file,
        "variants": variants or {},
    }
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Leaf:
    """An option with a value, not with further options.

    Attributes:
        name: dotted path.
        hint: its annotation.
        default: its default; ``MISSING`` if it is required.
        rules: metadata of the field, from :func:`option`.
        description: from the class docstring.
        only: variants that have it; empty if all do.
    """

    name: str
    hint: Any
    default: Any
    rules: Mapping[str, Any]
    description: str
    only: tuple[str, ...] = ()


def hints(kind: type[Any]) -> dict[str, Any]:
    """Return the resolved annotations of a dataclass."""
    return get_type_hints(kind)


def descriptions(kind: type[Any]) -> dict[str, str]:
    """Return the descriptions of fields under ``Attributes:`` in the docstrings of a class and its ancestors."""
    found: dict[str, str] = {}
    for ancestor in reversed(kind.__mro__):
        block = cleandoc(ancestor.__doc__ or "").partition("\nAttributes:\n")[2]
        for names, text in re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", block, re.MULTILINE):
            found |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return found


def leaves(kind: type[Any]) -> dict[str, Leaf]:
    """Return options by dotted name, including those of all variants of a field."""
    found: dict[str, Leaf] = {}
    for f in fields(kind):
        hint, variants = hints(kind)[f.name], f.metadata.get("variants", {})
        if variants or is_dataclass(hint):
            inner = _merged(variants) if variants else leaves(hint)
            found |= {f"{f.name}.{name}": replace(leaf, name=f"{f.name}.{name}") for name, leaf in inner.items()}
        else:
            default = f.default if f.default_factory is MISSING else f.default_factory()
            found[f.name] = Leaf(f.name, hint, default, f.metadata, descriptions(kind).get(f.name, ""))
    return found


def _merged(variants: Mapping[str, type[Any]]) -> dict[str, Leaf]:
    """Return the options of all variants; ``only`` lists the variants if not all have an option."""
    parts = {variant: leaves(kind) for variant, kind in variants.items()}
    found: dict[str, Leaf] = {}
    for part in parts.values():
        for name, leaf in part.items():
            having = tuple(variant for variant, other in parts.items() if name in other)
            found.setdefault(name, replace(leaf, only=having if len(having) < len(parts) else ()))
    kind = Literal[tuple(variants)]  # type: ignore[valid-type]
    return found | {"kind": replace(found["kind"], hint=kind)}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to a mistyped one; None if none is similar."""
    near = get_close_matches(name, list(known), n=1, cutoff=_NEAR)
    return near[0] if near else None


class _MisfitError(Exception):
    """A value does not match its annotation."""


def wanted(hint: Any) -> str:
    """Describe the values that an annotation allows."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin in (Union, UnionType):
        return " or ".join(wanted(part) for part in parts if part is not type(None))
    if origin is tuple and Ellipsis not in parts:
        return f"a list of {len(parts)} values, each {wanted(parts[0])}"
    if origin in (list, tuple):
        return f"a list, each {wanted(parts[0])}"
    if origin is dict or is_dataclass(hint):
        return "a mapping of names to values"
    return {float: "a number", int: "a whole number", bool: "true or false", Path: "a path"}.get(hint, "a text")


def convert(value: Any, hint: Any, *, texts: bool = True) -> Any:
    """Convert a value to the type of its annotation.

    Args:
        value: a value from Python, a YAML file or the command line.
        hint: annotation of the option.
        texts: whether texts may represent numbers, lists and so on, as on the command line.

    Raises:
        PrmlError: the value does not match; the message states what was expected.
    """
    try:
        return _convert(value, hint, texts)
    except _MisfitError:
        raise PrmlError(f"expected {wanted(hint)}, got {value}") from None


def _convert(value: Any, hint: Any, texts: bool) -> Any:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _one_of(value, parts, texts)
    if hint is Any or (origin is Literal and isinstance(value, str) and value in parts):
        return value
    if origin in (list, tuple, dict) or is_dataclass(hint):
        return _structure(read_text(value) if texts and isinstance(value, str) else value, hint, texts)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if isinstance(value, str) and texts and hint in (int, float, bool):
        return _read_scalar(value, hint)
    if hint in (int, float) and not isinstance(value, bool):
        if isinstance(value, Integral if hint is int else Real):
            return hint(value)
    elif hint not in (int, float) and origin is not Literal and isinstance(value, hint):
        return value
    raise _MisfitError


def _one_of(value: Any, kinds: Sequence[Any], texts: bool) -> Any:
    if type(None) in kinds and (value is None or (texts and value in ("null", "None"))):
        return None
    for kind in kinds:
        if kind is not type(None):
            try:
                return _convert(value, kind, texts)
            except _MisfitError:
                continue
    raise _MisfitError


def _structure(value: Any, hint: Any, texts: bool) -> Any:
    """Convert lists, tuples and mappings."""
    origin, parts = get_origin(hint), get_args(hint)
    if is_dataclass(hint) and isinstance(value, hint):  # type: ignore[arg-type]
        return value
    if origin is dict or is_dataclass(hint):
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise _MisfitError
        return dict(value) if origin is dict else build(hint, value)
    if not isinstance(value, list | tuple):
        raise _MisfitError
    if origin is tuple and Ellipsis not in parts:
        if len(value) != len(parts):
            raise _MisfitError
        return tuple(_convert(v, part, texts) for v, part in zip(value, parts, strict=True))
    return origin(_convert(v, parts[0], texts) for v in value)


def read_text(text: str) -> Any:
    """Parse a command line text as YAML ([1, 2], {a: b}, 3, true); return it unchanged if it is not YAML."""
    import yaml

    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            return text
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def _read_scalar(text: str, hint: type[Any]) -> Any:
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise _MisfitError
        return text.lower() == "true"
    try:
        return hint(re.sub(r"^([+-]?)\.(inf|nan)$", r"\1\2", text, flags=re.IGNORECASE))
    except ValueError:
        raise _MisfitError from None


def check(settings: Any, label: Label = str, prefix: str = "") -> None:
    """Check that every option of a dataclass, including nested ones, has the right type and is within its bounds.

    Args:
        settings: an instance of a dataclass.
        label: maps the dotted name of an option to its name in messages.
        prefix: prefix of the names of its fields.

    Raises:
        PrmlError: an option is invalid; the message names the first one and states what it must be.
    """
    for f in fields(settings):
        name, value, hint = prefix + f.name, getattr(settings, f.name), hints(type(settings))[f.name]
        variants = f.metadata.get("variants", {})
        if variants or is_dataclass(hint):
            allowed = tuple(variants.values()) or (hint,)
            if type(value) not in (*allowed, variants.get(getattr(value, "kind", None))):
                raise PrmlError(f"{label(name)} must be {' or '.join(k.__name__ for k in allowed)}, got {value!r}")
            check(value, label, f"{name}.")
            continue
        try:
            convert(value, hint, texts=False)
        except PrmlError as error:
            raise PrmlError(f"{label(name)}: {error}") from None
        if broken := _broken(value, f.metadata):
            shown = f"{value:.12g}" if isinstance(value, float) else value
            raise PrmlError(f"{label(name)} must {broken}, got {shown}")
        for entry in value if isinstance(value, list | tuple) else ():
            if is_dataclass(entry):
                check(entry, label, f"{name}.")


def _broken(value: Any, rules: Mapping[str, Any]) -> str | None:
    """Return the rule that a value breaks, as text, or None."""
    many = isinstance(value, list | tuple)
    if not rules or value is None or (isinstance(value, Real) and value in rules["unless"]):
        return None
    if rules["required"] and not value:
        return f"name at least one {rules['required']}"
    numbers = [float(v) for v in (value if many else [value]) if isinstance(v, Real) and not isinstance(v, bool)]
    low = -math.inf if rules["minimum"] is None else rules["minimum"]
    high = math.inf if rules["maximum"] is None else rules["maximum"]
    a_range = isinstance(value, tuple) and len(numbers) == 2
    if all(math.isfinite(v) and low <= v <= high for v in numbers) and (not a_range or numbers[0] <= numbers[1]):
        return None
    rest = [f", or {v} for {text}" for v, text in rules["unless"].items()] + [", low before high"] * a_range
    return _bounds(low, high) + "".join(rest)


def _bounds(low: float, high: float) -> str:
    if math.isinf(low):
        return "be a finite number" if math.isinf(high) else f"be at most {high:.12g}"
    return f"be at least {low:.12g}" if math.isinf(high) else f"lie between {low:.12g} and {high:.12g}"


def build(kind: type[T], values: Mapping[str, Any], label: Label = str, prefix: str = "") -> T:
    """Build a dataclass from nested mappings, with values converted to their types. Bounds are left to :func:`check`.

    Args:
        kind: the dataclass.
        values: field -> value, or a mapping for a field that is itself a dataclass.
        label: maps the dotted name of an option to its name in messages.
        prefix: prefix of the names of its fields.

    Raises:
        PrmlError: a name is unknown (the message suggests the nearest), or a value is missing or wrong.
    """
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := [label(f"{prefix}{name}") for name in values if name not in known]:
        near = nearest(unknown[0], [label(prefix + name) for name in {**leaves(kind), **known}])
        hint = f"did you mean {near!r}?" if near else f"expected one of {', '.join(known)}"
        raise PrmlError(f"unknown option {unknown[0]!r}; {hint}")
    made = {}
    for name, f in known.items():
        if name in values:
            made[name] = _value(f, hints(kind)[name], values[name], label, prefix + name)
        elif f.default is MISSING and f.default_factory is MISSING:
            raise PrmlError(f"{label(prefix + name)} is missing")
    return kind(**made)


def _value(of: "Field[Any]", hint: Any, value: Any, label: Label, name: str) -> Any:
    variants = of.metadata.get("variants", {})
    inner = get_args(hint)[0] if get_origin(hint) is list else None
    if is_dataclass(inner) and isinstance(value, list):
        return [_section(inner, {}, entry, label, name) for entry in value]
    if variants or is_dataclass(hint):
        return _section(hint, variants, value, label, name)
    try:
        return convert(value, hint)
    except PrmlError as error:
        raise PrmlError(f"{label(name)}: {error}") from None


def _section(kind: Any, variants: Mapping[str, type[Any]], value: Any, label: Label, name: str) -> Any:
    values = read_text(value) if isinstance(value, str) else {} if value is None else value
    if not isinstance(values, Mapping):
        raise PrmlError(f"{label(name)}: expected a mapping of names to values, got {value}")
    if not variants:
        return build(kind, values, label, f"{name}.")
    chosen = values.get("kind", next(iter(variants)))
    if not isinstance(chosen, str) or chosen not in variants:
        near = nearest(str(chosen), variants)
        raise PrmlError(
            f"{label(f'{name}.kind')}: expected one of {', '.join(variants)}, got {chosen}"
            + (f"; did you mean {near!r}?" if near else "")
        )
    return build(variants[chosen], _of_variant(variants, chosen, values, label(name)), label, f"{name}.")


def _of_variant(variants: Mapping[str, type[Any]], chosen: str, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the values of a variant; those of other variants are allowed if they are defaults, as in old records."""
    mine, every = leaves(variants[chosen]), _merged(variants)
    kept: dict[str, Any] = {}
    for dotted, value in paths(values, every):
        leaf = every.get(dotted)
        if leaf is None or dotted in mine:
            put(kept, dotted, value)
        elif not _equals(value, leaf):
            only = " or ".join(leaf.only)
            raise PrmlError(f"{name}.{dotted} is for {name}.kind {only}, not {chosen}; leave it out")
    return kept


def _equals(value: Any, leaf: Leaf) -> bool:
    """Whether a value is the default of an option."""
    try:
        return bool(convert(value, leaf.hint) == leaf.default)
    except PrmlError:
        return False


def paths(values: Mapping[str, Any], known: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted names and values of nested mappings, without descending into the value of a known name."""
    for name, value in values.items():
        dotted = f"{prefix}{name}"
        if isinstance(value, Mapping) and value and dotted not in known:
            yield from paths(value, known, f"{dotted}.")
        else:
            yield dotted, value


def put(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Set an entry of nested mappings; mappings along the path are created or copied."""
    first, _, rest = dotted.partition(".")
    if rest:
        inside = values.get(first)
        values[first] = dict(inside) if isinstance(inside, Mapping) else {}
        put(values[first], rest, value)
    else:
        values[first] = value
