"""Translate library messages to command line options."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def as_typed(text: str, flags: Mapping[str, str], words: Sequence[str] = ()) -> str:
    """Replace parameters (``fps=...``, ``overwrite=True``) in a library message by command line options.

    Args:
        text: the message.
        flags: parameter -> option of the command; other names are left unchanged.
        words: the user's arguments, which are left unchanged, since a file may be called ``fps=30.mp4``.
    """
    quoted = [m.span() for word in words if "=" in word for m in re.finditer(re.escape(word), text)]

    def typed(match: re.Match[str]) -> str:
        name, value = match.groups()
        if name not in flags or any(start <= match.start() < end for start, end in quoted):
            return match[0]
        if not flags[name].startswith("--"):  # positional
            return flags[name] if value == "..." else match[0]
        if value == "False":
            return f"--no-{flags[name][2:]}"
        ends = value in ("True", "...") or text[match.end() : match.end() + 1] in ("", *" ,;.)?")
        return flags[name] if ends else f"{flags[name]} "

    return re.sub(r"(?<![\w./\\-])([a-z][a-z0-9_]*)=(True\b|False\b|\.\.\.)?", typed, text)


def notes(console: "Console", options: Any) -> Callable[[str], None]:
    """Return a function that prints library warnings as notes, for a command called with these options."""
    from prml.commands._parser import CommandLine

    line = CommandLine(type(options), "")
    words = [str(getattr(options, name)) for name in line.given]
    return lambda text: console.print(f"note: {as_typed(text, line.flags, words)}", soft_wrap=True)
