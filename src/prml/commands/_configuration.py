"""Typed YAML configurations: a dataclass is the schema, and a wrong key is answered with the nearest right one."""

import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from prml.errors import PrmlError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

C = TypeVar("C")


def instantiate(made: "ArgumentParser", options: Any) -> Any:
    """Dataclasses from parsed options."""
    return (getattr(made, "instantiate", None) or made.instantiate_classes)(options)  # renamed in jsonargparse 4.49


def known_keys(made: "ArgumentParser", kind: type[Any]) -> list[str]:
    """Dotted keys of a configuration; those of the entries of a list of dataclasses as ``list.key``."""
    known = [a.dest for a in made._actions if a.dest not in ("help", "config")]
    for name, hint in get_type_hints(kind).items():
        items = [part for part in get_args(hint) if is_dataclass(part)]
        known += [f"{name}.{field.name}" for item in items for field in fields(item)]
    return known


def explain(message: str, known: Sequence[str]) -> str:
    """What the parser found wrong, in one line, with the nearest known key for an unknown one."""
    from difflib import get_close_matches

    group = re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", message)
    entry = re.search(r'Parser key "([\w.]+)":.*Problem with given class_path.*Option \'([\w.]+)\'', message, re.DOTALL)
    alone = re.search(r"(?:unrecognized arguments: --|[Oo]ption '|[Kk]ey ')([\w.\-]+)", message)
    line = " ".join(message.split())
    nested = group or entry
    if not nested and not alone:
        return line
    name = f"{nested[1]}.{nested[2]}" if nested else str(alone and alone[1])
    if name in known:
        return line
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"unknown option {name!r}" + (f"; did you mean {near[0]!r}?" if near else f"; {line}")


def read_file(kind: type[C], path: str) -> C:
    """A YAML file as the dataclass ``kind``; PrmlError for a missing file, a wrong value, or a wrong key."""
    from argparse import ArgumentError
    from pathlib import Path

    from jsonargparse import ActionConfigFile, ArgumentParser  # type: ignore[attr-defined]  # not in its __all__

    if not Path(path).is_file():
        raise PrmlError(f"no configuration file {path}; the shipped ones are in configs/")
    made = ArgumentParser(exit_on_error=False)
    made.add_argument("--config", action=ActionConfigFile)
    made.add_class_arguments(kind, None, as_group=False)
    try:
        options = made.parse_args(["--config", path])
    except ArgumentError as error:
        raise PrmlError(f"{path}: {explain(str(error), known_keys(made, kind))}") from error
    values = vars(instantiate(made, options))
    return kind(**{field.name: values[field.name] for field in fields(kind)})  # type: ignore[arg-type]
