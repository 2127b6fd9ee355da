"""The options of a verb: its function's signature is what may be typed, its docstring the help."""

import re
from collections.abc import Callable, Sequence
from inspect import getdoc, signature
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from prml.errors import PrmlError

Command = Callable[..., int | None]
_WORDS = {float: "a number", int: "a whole number", bool: "true or false"}


def _spelled_out(command: Command, arguments: Sequence[str]) -> list[str]:
    """The arguments in jsonargparse's words: ``--flip`` -> ``--flip=true``, ``--no-flip`` -> ``--flip=false``.

    Dashes inside a name may stand for underscores; a list option may be repeated (``--weights A --weights B``); a
    boolean one may still be followed by true or false.
    """
    kinds = {name: given.annotation for name, given in signature(command).parameters.items()}
    switches = {f"--{name}": f"--{name}=true" for name, kind in kinds.items() if kind in (bool, bool | None)}
    switches |= {f"--no_{word[2:]}": f"{word}=false" for word in switches}
    repeated = [name for name, kind in kinds.items() if list in [get_origin(k) for k in (kind, *get_args(kind))]]
    lists = {f"--{name}": f"--{name}+" for name in repeated}
    spelled = []
    for word, follower in zip(arguments, [*arguments, ""][1:], strict=True):
        option, equals, value = word.partition("=")
        option = f"--{option[2:].replace('-', '_')}" if option.startswith("--") else option
        if option in switches and not equals and follower not in ("true", "false"):
            spelled.append(switches[option])
        elif option[2:] in kinds or option in lists:
            spelled.append(lists.get(option, option) + equals + value)
        else:
            spelled.append(word)
    return spelled


def _wanted(kind: Any) -> str:
    """What an annotation asks for, in words."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_wanted(part) for part in get_args(kind) if part is not type(None))
    return _WORDS.get(kind, "a text")


def _one_line(error: Exception, command: Command, verb: str) -> PrmlError:
    """What the option parser found wrong, in one line with a next step."""
    from difflib import get_close_matches

    text, parameters = " ".join(str(error).split()), signature(command).parameters
    unknown = re.match(r"unrecognized arguments: (--[^\s=]+)", text)
    if unknown and (near := get_close_matches(unknown[1], [f"--{name}" for name in parameters], n=1)):
        return PrmlError(f"unknown option {unknown[1]}; did you mean {near[0]}?")
    wrong = re.match(r'Parser key "(\w+)":.* value: (.*)$', text)
    if wrong and wrong[1] in parameters:
        text = f"--{wrong[1]}: expected {_wanted(parameters[wrong[1]].annotation)}, got {wrong[2]}"
    return PrmlError(f"{text}; 'prml {verb} --help' shows what it takes")


def parse(command: Command, verb: str, arguments: Sequence[str]) -> dict[str, Any]:
    """The options of a verb by name; raises PrmlError, in one line, for what it does not take."""
    from argparse import ArgumentError

    from jsonargparse import ArgumentParser

    text = (getdoc(command) or "").split("\nArgs:")[0]
    parser = ArgumentParser(prog=f"prml {verb}", description=text, exit_on_error=False)
    parser.add_function_arguments(command, as_group=False, as_positional=True, fail_untyped=True)
    try:
        parsed = parser.parse_args(_spelled_out(command, arguments))
        instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes  # renamed in jsonargparse 4.49
        return dict(vars(instantiate(parsed)))
    except ArgumentError as error:
        raise _one_line(error, command, verb) from error
