"""Reading what others wrote: whatever a broken file provokes becomes one line that names the file.

Only parsing is guarded: a function given to :func:`guarded` turns bytes into plain values and does nothing else, so an
error in what the project makes of them stays an error. The cause is kept for whoever looks for it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from prml.errors import PrmlError

R = TypeVar("R")
_HEAD = 512


def one_line(text: object, limit: int = 120) -> str:
    """Text of others as one short line of printable characters."""
    words = " ".join(str(text).split())
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words[: limit + 1])
    return plain if len(plain) <= limit else plain[: limit - 3] + "..."


def guarded(what: str | Path, read: Callable[[], R], reason: str = "it is truncated or of another format") -> R:
    """Run ``read``; whatever a broken file provokes becomes one PrmlError.

    Args:
        what: the file, or a name for messages; of a file it is told if it is a web page or a git-lfs pointer.
        read: parses, and does nothing else.
        reason: what is probably wrong.

    Raises:
        PrmlError: those of ``read`` with ``what`` in front, and one for everything else.
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
    """What stands in place of a data file where a download went wrong, and what to do; None if it is neither."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    except OSError:
        return None
    if head.startswith((b"<!doctype html", b"<html", b"<head")) or (head.startswith(b"<?xml") and b"<html" in head):
        return "it is a web page, not the file that it is named after; download the file again"
    if head.startswith(b"version https://git-lfs"):
        return "it is a git-lfs pointer, not the file itself; download the file again, in a clone with 'git lfs pull'"
    return "it is empty (0 bytes); download the file again" if not head else None
