"""Turn any error that a damaged file causes into a one-line error that names the file.

Only parsing is guarded: a function given to :func:`guarded` turns bytes into plain values and does nothing else, so
bugs in the code that uses them are not hidden. The cause is kept in the exception chain.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from prml.errors import PrmlError, printable

R = TypeVar("R")
_HEAD = 512


def one_line(text: object, limit: int = 120) -> str:
    """Return untrusted text as one short line of printable characters."""
    plain = printable(" ".join(str(text).split())[: limit + 1])
    return plain if len(plain) <= limit else plain[: limit - 3] + "..."


def guarded(what: str | Path, read: Callable[[], R], reason: str = "it is truncated or of another format") -> R:
    """Run ``read`` and turn any exception into a PrmlError.

    Args:
        what: the file, or a name for messages; for a file, a web page or git-lfs pointer in its place is recognised.
        read: parses and does nothing else.
        reason: what is probably wrong.

    Raises:
        PrmlError: ``read`` failed; a PrmlError from ``read`` is raised again with ``what`` in front.
    """
    name = what.name if isinstance(what, Path) else what
    try:
        return read()
    except PrmlError as error:
        text = str(error)
        raise PrmlError(text if text.startswith(name) else f"{name}: {text}") from error.__cause__
    except FileNotFoundError:
        raise PrmlError(f"{name}: no such file") from None
    except RecursionError as error:
        raise PrmlError(f"{name}: cannot be read: nested too deeply for data; {reason}, get it again") from error
    except Exception as error:
        if isinstance(what, Path) and (instead := what_instead(what)):
            raise PrmlError(f"{name}: {instead}") from None
        because = one_line(getattr(error, "strerror", None) or error) or type(error).__name__
        raise PrmlError(f"{name}: cannot be read ({because}); {reason}, get it again") from error


def what_instead(path: Path) -> str | None:
    """Describe a failed download (web page, git-lfs pointer or empty file) and the remedy; None for other files."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    except OSError:
        return None
    if head.startswith((b"<!doctype html", b"<html", b"<head")) or (head.startswith(b"<?xml") and b"<html" in head):
        return "it is a web page, not the file that its name suggests; download the file again"
    if head.startswith(b"version https://git-lfs"):
        return "it is a git-lfs pointer, not the file itself; download the file again, in a clone with 'git lfs pull'"
    return "it is empty (0 bytes); download the file again" if not head else None
