"""Build the command line and help of a dataclass of options.

argparse splits the arguments; ``prml.options`` converts and checks the values. Neither imports anything heavy.
"""

from argparse import SUPPRESS, Action, ArgumentParser, BooleanOptionalAction, HelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from inspect import cleandoc
from pathlib import Path
from types import UnionType
from typing import Any, Generic, Literal, NoReturn, TypeVar, Union, get_args, get_origin

from prml import options
from prml.errors import PrmlError
from prml.options import Leaf

O = TypeVar("O")  # noqa: E741
_METAVARS = {int: "N", float: "X", Path: "PATH"}


def parse(kind: type[O], command: str, words: Sequence[str]) -> O:
    """Parse the options of a command; raise PrmlError for invalid arguments, SystemExit after ``--help``.

    Args:
        kind: dataclass of options.
        command: name of the command, for help and messages.
        words: arguments after the name.
    """
    return CommandLine(kind, command).parse(words)


def part_of(given: Any, kind: type[O]) -> O:
    """Return the options of the base class ``kind`` from those of a command."""
    return kind(**{f.name: getattr(given, f.name) for f in fields(kind)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Given:
    """One command line option.

    Attributes:
        leaf: the option.
        inside: the field of dotted options that it belongs to, such as a training configuration; empty for options of
            the command itself.
    """

    leaf: Leaf
    inside: str = ""

    @property
    def flag(self) -> str:
        """The option string."""
        return f"--{self.leaf.name if self.inside else self.leaf.name.replace('_', '-')}"

    @property
    def kinds(self) -> tuple[Any, ...]:
        """Its annotation, or the members of a union other than None."""
        hint = self.leaf.hint
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        return tuple(part for part in parts if part is not type(None))

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value."""
        return bool in self.kinds

    @property
    def is_list(self) -> bool:
        """Whether it may be given several times."""
        return any(get_origin(kind) is list or get_args(kind)[1:] == (...,) for kind in self.kinds)

    @property
    def is_mapping(self) -> bool:
        """Whether its entries may be given separately, as ``--name.entry``."""
        return any(get_origin(kind) is dict for kind in self.kinds)

    @property
    def is_positional(self) -> bool:
        """Whether it is a positional argument."""
        return bool(self.leaf.rules.get("positional"))

    @property
    def metavar(self) -> str:
        """Placeholder for the value in the help."""
        if stated := self.leaf.rules.get("metavar"):
            return str(stated)
        kind = get_args(self.kinds[0])[0] if self.is_list else self.kinds[0]
        if get_origin(kind) is Literal:
            return f"{{{','.join(map(str, get_args(kind)))}}}"
        if get_origin(kind) is tuple:
            return "[LOW,HIGH]"
        return _METAVARS.get(kind, self.leaf.name.rpartition(".")[2].upper())

    @property
    def help(self) -> str:
        """Its description, the variants it applies to, and its default."""
        leaf = self.leaf
        notes = [f"only {' and '.join(leaf.only)}"] if leaf.only else []
        unsaid = any(leaf.default is value for value in (MISSING, None, False)) or leaf.default in ("", [], {})
        if not unsaid and "default" not in leaf.description:
            notes.append(f"default: {_shown(leaf.default)}")
        return (leaf.description.rstrip(".") + (f" ({'; '.join(notes)})" if notes else "")).replace("%", "%%")


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, bool):
        return "yes"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


class _Formatter(HelpFormatter):
    """Shows the placeholder of a value only once per option."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)

    def _format_action_invocation(self, action: Action) -> str:
        strings = ", ".join(action.shown if isinstance(action, _Switch) else action.option_strings)
        if not action.option_strings:
            return super()._format_action_invocation(action)
        return strings if action.nargs == 0 else f"{strings} {action.metavar}"


class _Switch(BooleanOptionalAction):
    """``--name`` and ``--no-name``; the help omits the second if it is the default."""

    def __init__(self, *args: Any, usual: bool | None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.shown = self.option_strings[:1] if usual is False else self.option_strings


class _Parser(ArgumentParser):
    """An ``ArgumentParser`` that raises PrmlError instead of printing usage and exiting."""

    def error(self, message: str) -> NoReturn:
        raise PrmlError(f"{message}; '{self.prog} --help' shows the options")


class CommandLine(Generic[O]):
    """The command line of a dataclass of options.

    Dashes in a name may replace underscores. ``--name`` and ``--no-name`` set a switch, which may also be followed by
    true or false. A list option may be repeated. The dotted options of a field with ``from_file`` are read from that
    YAML file, and may be overridden on the command line.

    Args:
        kind: dataclass of options.
        command: name of the command.
    """

    def __init__(self, kind: type[O], command: str) -> None:
        self.kind, self.command = kind, command
        self.given: dict[str, _Given] = {}
        self.files: dict[str, tuple[str, type[Any]]] = {}  # field of dotted options -> (option with its file, its type)
        own = options.leaves(kind)
        for f in fields(kind):  # type: ignore[arg-type]
            if file := f.metadata.get("from_file"):
                inner = options.hints(kind)[f.name]
                self.files[f.name] = (file, inner)
                self.given |= {name: _Given(leaf, f.name) for name, leaf in options.leaves(inner).items()}
            else:
                self.given[f.name] = _Given(own[f.name])

    @property
    def flags(self) -> dict[str, str]:
        """Parameter -> option string; dotted options use the last part of their name if it is unique."""
        own = {name: given for name, given in self.given.items() if not given.inside}
        own |= {g.leaf.rules["parameter"]: g for g in own.values() if g.leaf.rules.get("parameter")}
        ends = [name.rpartition(".")[2] for name in self.given]
        dotted = {end: g for end, g in zip(ends, self.given.values(), strict=True) if ends.count(end) == 1}
        return {name: g.leaf.name if g.is_positional else g.flag for name, g in (dotted | own).items()}

    # ------------------------------------------------------------------ reading
    def parse(self, words: Sequence[str]) -> O:
        """Parse arguments, as :func:`parse` does."""
        spelled, entries = self._spelled(list(words))
        typed = vars(self._argparse(entries).parse_intermixed_args(spelled))
        values: dict[str, Any] = {}
        for name, given in self.given.items():  # options of the command come first, including names of files
            if not given.inside and name in typed:
                values[name] = self._value(given, typed[name])
        for name, (file, kind) in self.files.items():
            values[name] = _read(Path(values[file]), kind)
        for name, value in typed.items():
            given = self.given[entries.get(name, name)]
            if given.inside or name in entries:
                value = options.read_text(value) if name in entries else self._value(given, value)
                options.put(values[given.inside] if given.inside else values, name, value)
        made = options.build(self.kind, values, self._label)
        options.check(made, self._label)
        return made

    def _label(self, name: str) -> str:
        """Return the name of an option in messages."""
        first, _, rest = name.partition(".")
        return rest if first in self.files else self.flags.get(name, name)

    def _value(self, given: _Given, value: Any) -> Any:
        for text in value if isinstance(value, list) else [value]:
            local = given.leaf.rules.get("local") or Path in given.kinds or list[Path] in given.kinds
            if local and isinstance(text, str) and ":/" in text:
                from prml.io.files import refuse_url

                refuse_url(text)
        if given.is_list and isinstance(value, list):
            parts = [options.read_text(text) if text.startswith("[") else text for text in value]
            return [entry for part in parts for entry in (part if isinstance(part, list) else [part])]
        return value

    def _spelled(self, words: list[str]) -> tuple[list[str], dict[str, str]]:
        """Return the arguments as argparse expects them, and the entries of mapping options among them."""
        known = {name.replace("-", "_"): given for name, given in self.given.items()}
        spelled: list[str] = []
        entries: dict[str, str] = {}
        while words:
            word = words.pop(0)
            if word == "--":
                return [*spelled, word, *words], entries
            option, equals, value = word.partition("=")
            name = option[2:].replace("-", "_")
            if not option.startswith("--") or name == "help":
                spelled.append(word)
            elif name in known and known[name].is_switch:
                value = value if equals else words.pop(0) if words and words[0].lower() in ("true", "false") else "true"
                spelled.append(_switch(known[name], value))
            elif name.startswith("no_") and name[3:] in known and known[name[3:]].is_switch and not equals:
                spelled.append(_switch(known[name[3:]], "false"))
            elif name in known and known[name].is_positional:
                spelled += [value] if equals else []  # otherwise the next word is the value, as a positional
            elif name in known:
                if not equals and words and words[0].startswith("-") and not words[0].startswith("--"):
                    equals, value = "=", words.pop(0)  # argparse would treat "-x" as an option
                spelled.append(known[name].flag + equals + value)
            elif owner := next((n for n, g in known.items() if g.is_mapping and name.startswith(f"{n}.")), None):
                entries[name] = owner
                spelled.append(f"--{name}{equals}{value}")
            else:
                raise self._unknown(option)
        return spelled, entries

    def _unknown(self, option: str) -> PrmlError:
        flags = [given.flag for given in self.given.values() if not given.is_positional]
        flags += [f"--no-{flag[2:]}" for flag in flags]
        near = options.nearest(option[2:].replace("_", "-"), {flag[2:].replace("_", "-"): flag for flag in flags})
        if near is None:
            return PrmlError(f"unknown option {option}; 'prml {self.command} --help' shows the options")
        meant = next(flag for flag in flags if flag[2:].replace("_", "-") == near)
        return PrmlError(f"unknown option {option}; did you mean {meant}?")

    # ------------------------------------------------------------------ argparse
    def _argparse(self, entries: Mapping[str, str]) -> ArgumentParser:
        """Return the parser; ``entries`` are the given entries of mapping options."""
        description = cleandoc(self.kind.__doc__ or "").split("\nAttributes:")[0]
        must = [g for g in self.given.values() if g.leaf.default is MISSING and not g.inside]
        usage = " ".join(
            [f"prml {self.command} [options]"]
            + [f"{g.flag} {g.metavar}" for g in must if not g.is_positional]
            + [_usage(g) for g in self.given.values() if g.is_positional]
        )
        parser = _Parser(
            f"prml {self.command}",
            usage=usage,
            description=description,
            formatter_class=_Formatter,
            allow_abbrev=False,
            argument_default=SUPPRESS,
        )
        groups: dict[str, Any] = {}
        for name, given in self.given.items():
            section = name.partition(".")[0] if given.inside else ""
            if section and section not in groups:
                groups[section] = parser.add_argument_group(section)
            _add(groups[section] if section else parser, name, given)
        for name in entries:
            parser.add_argument(f"--{name}", dest=name, help=SUPPRESS)
        return parser


def _usage(given: _Given) -> str:
    text = given.leaf.name + " ..." * given.is_list
    return text if given.leaf.default is MISSING else f"[{text}]"


def _switch(given: _Given, value: str) -> str:
    if value.lower() not in ("true", "false"):
        raise PrmlError(f"{given.flag}: expected true or false, got {value}")
    return given.flag if value.lower() == "true" else f"--no-{given.flag[2:]}"


def _add(group: Any, name: str, given: _Given) -> None:
    """Add an option to argparse."""
    required = given.leaf.default is MISSING
    if given.is_positional:
        many = {True: "+", False: "*"}[required] if given.is_list else {True: None, False: "?"}[required]
        group.add_argument(name, nargs=many, help=given.help)
    elif given.is_switch:
        usual = None if required else given.leaf.default
        group.add_argument(given.flag, dest=name, action=_Switch, help=given.help, required=required, usual=usual)
    else:
        action = "append" if given.is_list else "store"
        group.add_argument(
            given.flag, dest=name, action=action, metavar=given.metavar, help=given.help, required=required
        )


# ---------------------------------------------------------------------- files
def _read(path: Path, kind: type[Any]) -> dict[str, Any]:
    """Return the values of a configuration file; raise PrmlError if the file is invalid."""
    from prml.io.plain_yaml import read_yaml

    if not path.is_file():
        raise PrmlError(f"no configuration file {path}; the provided ones are in configs/")
    values = read_yaml(path)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise PrmlError(f"{path} must contain a mapping of options to values")
    recorded = values.get("config")
    if isinstance(recorded, dict) and "config" not in options.hints(kind):  # run.yaml, the record of a run
        values = recorded
    try:
        options.build(kind, values)
    except PrmlError as error:
        raise PrmlError(f"{path}: {error}") from None
    return values
