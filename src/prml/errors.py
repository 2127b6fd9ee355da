"""Errors that speak to the user, and how a terminal shows them."""

import re
from unicodedata import category

_MAX_LENGTH = 1000


class PrmlError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what was expected, what came, what to do. It names parameters as Python writes them
    (``fps=...``, ``overwrite=True``). The command line prints it without a traceback and exits with code 2.

    Args:
        message: what files and systems say may be in it: line breaks become blanks, control characters are escaped, and
            the middle of a very long text is left out.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(re.sub(r"\s*[\r\n]\s*", " ", str(message)), _MAX_LENGTH))


def printable(text: str, limit: int | None = None, keep: str = "") -> str:
    """A text for a terminal: control characters and lone surrogates are escaped, the middle of a long text is left out.

    Args:
        text: may hold names and metadata from files.
        limit: most characters that are returned.
        keep: control characters that stay, such as line feeds.
    """
    shown = (c if c.isprintable() or c in keep or category(c) == "Zs" else _escaped(c) for c in text)
    escaped = "".join(shown)
    if limit is None or len(escaped) <= limit:
        return escaped
    tail = limit // 3
    return f"{escaped[: limit - tail - 5]} ... {escaped[-tail:]}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
