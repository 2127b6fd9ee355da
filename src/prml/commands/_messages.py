"""Messages of the library in the words of the command line."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def as_typed(text: str, flags: Mapping[str, str], words: Sequence[str] = ()) -> str:
    """A message of the library, in which parameters (``fps=...``, ``overwrite=True``) become what may be typed.

    Args:
        text: the message.
        flags: parameter -> how it is typed, of the command's options; other names stay as they are.
        words: what the user has typed, which is quoted as it is: a file may be called ``fps=30.mp4``.
    """
    quoted = [m.span() for word in words if "=" in word for m in re.finditer(re.escape(word), text)]

    def typed(match: re.Match[str]) -> str:
        name, value = match.groups()
        if name not in flags or any(start <= match.start() < end for start, end in quoted):
            return match[0]
        if not flags[name].startswith("--"):  # it stands by itself
            return flags[name] if value == "..." else match[0]
        if value == "False":
            return f"--no-{flags[name][2:]}"
        ends = value in ("True", "...") or text[match.end() : match.end() + 1] in ("", *" ,;.)?")
        return flags[name] if ends else f"{flags[name]} "

    return re.sub(r"(?<![\w./\\-])([a-z][a-z0-9_]*)=(True\b|False\b|\.\.\.)?", typed, text)


def notes(console: "Console", options: Any) -> Callable[[str], None]:
    """What prints a warning of the library as a note, for a command that was called with these options."""
    from prml.commands._parser import CommandLine

    line = CommandLine(type(options), "")
    words = [str(getattr(options, name)) for name in line.given]
    return lambda text: console.print(f"note: {as_typed(text, line.flags, words)}", soft_wrap=True)
