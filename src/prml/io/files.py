"""Files: whether one is there, whether one may be written, and writing that never leaves half a file."""

import glob
import os
import re
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from prml.errors import PrmlError
from prml.io.locks import is_held, is_running, try_lock

DRAFT = ".tmp"  # ending of a file that is not finished


def existing(path: str | Path, what: str = "video") -> Path:
    """The path; raises PrmlError unless it is there and not empty."""
    path = Path(path)
    try:
        if not path.exists():
            raise PrmlError(f"no such file: {path}; give the path of a {what}")
        if path.is_file() and path.stat().st_size == 0:
            raise PrmlError(f"{path} is empty (0 bytes); give the path of a {what}")
    except (OSError, ValueError) as error:
        if isinstance(error, PrmlError):
            raise
        raise PrmlError(f"cannot read {str(path)!r}: {reason_of(error)}") from None
    return path


def refuse_url(source: str) -> None:
    """Raise PrmlError for a URL where a file is expected: nothing is fetched from a network."""
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:/", source) and not os.path.lexists(source):
        raise PrmlError(f"{source} is a URL; prml reads local files: download it first")


def reason_of(error: Exception) -> str:
    """What the system or a library says of an error, in its first line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]


def check_writable(path: Path, overwrite: bool) -> None:
    """Raise PrmlError if ``path`` exists and may not be replaced, or cannot be a file there: for before the work."""
    try:
        if path.is_dir():
            raise PrmlError(f"expected a file name, {path} is a folder; give a name in it")
        if path.exists() and not overwrite:
            raise PrmlError(f"{path} exists; pass overwrite=True to replace it, or choose another name")
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise PrmlError(f"cannot write {path}: {error.strerror}; choose another place") from error
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Raise PrmlError if files cannot be made in ``folder``, which need not be there yet. Nothing is made here."""
    there = next((p for p in (folder, *folder.parents) if os.path.lexists(p)), folder)
    if not there.is_dir():
        raise PrmlError(f"cannot write into {folder}: {there} is not a folder; choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PrmlError(f"cannot write into {there}: no permission to; choose another place")


def draft_beside(path: Path) -> tuple[Path, int]:
    """A new, empty file beside ``path`` under a hidden name that nobody can guess, open for writing and locked.

    It is made exclusively, so that nothing planted under its name is followed, with the modes that the process gives to
    new files. The name holds the number of this process: what dead ones left beside ``path`` is removed first.

    Returns:
        The file, to be given ``path``'s name or unlinked, and its descriptor, to be closed.
    """
    clear_drafts(path)
    draft = path.with_name(f"{_draft_prefix(path)}{os.getpid()}-{token_hex(8)}{DRAFT}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(draft, flags, 0o666)
    try_lock(descriptor)
    return draft, descriptor


def _draft_prefix(path: Path) -> str:
    return f".{path.name[:40]}."


def clear_drafts(path: Path) -> None:
    """Remove drafts of ``path`` whose process is dead; one that is still written to is never touched."""
    for left in path.parent.glob(f"{glob.escape(_draft_prefix(path))}*{DRAFT}"):
        pid = left.name[len(_draft_prefix(path)) :].partition("-")[0]
        if pid.isdigit() and not is_running(int(pid)) and not is_held(left):
            left.unlink(missing_ok=True)


def write_file(path: Path, data: str | bytes | Callable[[BinaryIO], None], overwrite: bool = False) -> None:
    """Write under a temporary name beside ``path``, then rename; raises PrmlError if it exists or cannot be written.

    ``data`` may be a function that writes to the open file: for what should not be in memory as a whole. Whatever goes
    wrong, ``path`` is as it was and nothing lies beside it.
    """
    check_writable(path, overwrite)
    draft: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft, descriptor = draft_beside(path)
        with os.fdopen(descriptor, "wb") as file:
            if callable(data):
                data(file)
            else:
                file.write(data.encode() if isinstance(data, str) else data)
        check_writable(path, overwrite)  # somebody may have been quicker
        draft.replace(path)
    except OSError as error:
        raise PrmlError(f"cannot write {path}: {reason_of(error)}; free some space or choose another place") from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
