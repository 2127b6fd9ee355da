"""Errors for users, and how to print them on a terminal."""

import re
from unicodedata import category

_MAX_LENGTH = 1000


class PrmlError(ValueError):
    """Input from the user cannot be used.

    The message is one line: what was expected, what was given, what to do. It names parameters in Python syntax
    (``fps=...``, ``overwrite=True``). The command line prints it without a traceback and exits with code 2.

    Args:
        message: may contain text from files and the system: line breaks become blanks, control characters are escaped,
            and the middle of a very long text is left out.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(re.sub(r"\s*[\r\n]\s*", " ", str(message)), _MAX_LENGTH))


def printable(text: str, limit: int | None = None, keep: str = "") -> str:
    """Make text safe for a terminal: escape control characters and lone surrogates, cut the middle of a long text.

    Args:
        text: may contain names and metadata from files.
        limit: maximum number of characters returned.
        keep: control characters to keep, such as line feeds.
    """
    shown = (c if c.isprintable() or c in keep or category(c) == "Zs" else _escaped(c) for c in text)
    escaped = "".join(shown)
    if limit is None or len(escaped) <= limit:
        return escaped
    tail = limit // 3
    return f"{escaped[: limit - tail - 5]} ... {escaped[-tail:]}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
