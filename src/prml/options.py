"""Options as dataclasses: the bounds in a field's metadata hold for Python, YAML files and the command line alike.

A field says ``radius: float = option(1.0, minimum=0)``, the docstring of its class has a sentence about it under
``Attributes:``. Then ``check(Blur(radius=-1))`` raises ``PrmlError``: radius must be at least 0, got -1; and
``build(Blur, {"radius": 2})`` makes one from a mapping, such as a YAML file holds.
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
_NEAR = 0.65  # similarity from which a known name is suggested for a mistyped one


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
    from_file: str = "",
    variants: Mapping[str, type[Any]] | None = None,
) -> Any:
    """A field of an options dataclass.

    Args:
        default: as of ``dataclasses.field``; without one the option must be given.
        factory: makes the default.
        minimum: least value that is allowed; of every number of a list, and of both ends of a range (a pair).
        maximum: greatest value that is allowed, likewise.
        unless: values outside the bounds that are allowed, and what each stands for.
        required: what a list must name at least one of.
        positional: on the command line the value stands by itself, without ``--name``.
        local: a text that may name a file: a URL is refused, as it is where a path is expected.
        parameter: another name under which messages of the library speak of it.
        from_file: name of the positional option whose YAML file holds the values of this dataclass.
        variants: dataclasses that this one may be, by the value of their field ``kind``; the first is the default.
    """
    metadata = {
        "minimum": minimum,
        "maximum": maximum,
        "unless": unless or {},
        "required": required,
        "positional": positional,
        "local": local,
        "parameter": parameter,
        "from_file": from_file,
        "variants": variants or {},
    }
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Leaf:
    """An option that holds a value, not further options.

    Attributes:
        name: dotted path.
        hint: its annotation.
        default: its default; ``MISSING`` if it must be given.
        rules: metadata of the field, as :func:`option` keeps it.
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
    """Annotations of a dataclass, resolved."""
    return get_type_hints(kind)


def descriptions(kind: type[Any]) -> dict[str, str]:
    """Field -> sentence, from the ``Attributes:`` of a class and of those it inherits from."""
    found: dict[str, str] = {}
    for ancestor in reversed(kind.__mro__):
        block = cleandoc(ancestor.__doc__ or "").partition("\nAttributes:\n")[2]
        for names, text in re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", block, re.MULTILINE):
            found |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return found


def leaves(kind: type[Any]) -> dict[str, Leaf]:
    """Dotted name -> option; those of all variants where a field has some."""
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
    """The options of all variants; what only some have says which."""
    parts = {variant: leaves(kind) for variant, kind in variants.items()}
    found: dict[str, Leaf] = {}
    for part in parts.values():
        for name, leaf in part.items():
            having = tuple(variant for variant, other in parts.items() if name in other)
            found.setdefault(name, replace(leaf, only=having if len(having) < len(parts) else ()))
    kind = Literal[tuple(variants)]  # type: ignore[valid-type]
    return found | {"kind": replace(found["kind"], hint=kind)}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a mistyped one most likely means; None if none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=_NEAR)
    return near[0] if near else None


class _MisfitError(Exception):
    """A value that is not what the annotation asks for."""


def wanted(hint: Any) -> str:
    """What an annotation asks for, as text."""
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
    """A value as its annotation asks for it.

    Args:
        value: of Python, a YAML file or the command line.
        hint: annotation of an option.
        texts: whether texts may stand for numbers, lists and so on, as on the command line.

    Raises:
        PrmlError: what was expected and what came.
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
    """Lists, tuples and mappings."""
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
    """A text of the command line as YAML has it: [1, 2], {a: b}, 3, true; itself if it is none of these."""
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
    """Whether every option of a dataclass, and of those inside it, is of its kind and within its bounds.

    Args:
        settings: an instance of a dataclass.
        label: how the message names an option, from its dotted name.
        prefix: in front of the names of its fields.

    Raises:
        PrmlError: the first option that is not, with what it must be.
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
    """The rule that a value breaks, as text; None if it breaks none."""
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
    """A dataclass from nested mappings, each value as its annotation asks for it. Bounds are left to :func:`check`.

    Args:
        kind: the dataclass.
        values: field -> value, or mapping for a field that is a dataclass itself.
        label: how a message names an option, from its dotted name.
        prefix: in front of the names of its fields.

    Raises:
        PrmlError: an unknown name (with the nearest known one), a missing or a wrong value.
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
    """The values that a variant has. Those of others may be there if they are the defaults, as old runs record them."""
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
    """Dotted name and value of every entry of nested mappings; the value of a known name is not entered."""
    for name, value in values.items():
        dotted = f"{prefix}{name}"
        if isinstance(value, Mapping) and value and dotted not in known:
            yield from paths(value, known, f"{dotted}.")
        else:
            yield dotted, value


def put(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Set an entry of nested mappings; mappings on the way are made, or copied."""
    first, _, rest = dotted.partition(".")
    if rest:
        inside = values.get(first)
        values[first] = dict(inside) if isinstance(inside, Mapping) else {}
        put(values[first], rest, value)
    else:
        values[first] = value
