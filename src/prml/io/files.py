"""Check that files exist or can be written, and write them atomically."""

import glob
import os
import re
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from prml.errors import PrmlError
from prml.io.locks import is_held, is_running, try_lock

DRAFT = ".tmp"  # suffix of an unfinished file


def existing(path: str | Path, what: str = "video") -> Path:
    """Return the path; raise PrmlError if it does not exist or is an empty file."""
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
    """Raise PrmlError for a URL where a file is expected; nothing is downloaded."""
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:/", source) and not os.path.lexists(source):
        raise PrmlError(f"{source} is a URL; prml reads local files: download it first")


def reason_of(error: Exception) -> str:
    """Return the first line of an error's message."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]


def check_writable(path: Path, overwrite: bool) -> None:
    """Raise PrmlError if ``path`` exists and must not be replaced, or cannot be created; call it before long work."""
    try:
        if path.is_dir():
            raise PrmlError(f"expected a file name, {path} is a folder; give a name in it")
        if path.exists() and not overwrite:
            raise PrmlError(f"{path} exists; pass overwrite=True to replace it, or choose another name")
    except OSError as error:  # a name that is too long, a folder without permission
        raise PrmlError(f"cannot write {path}: {error.strerror}; choose another place") from error
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Raise PrmlError if files cannot be created in ``folder``, which need not exist; creates nothing."""
    there = next((p for p in (folder, *folder.parents) if os.path.lexists(p)), folder)
    if not there.is_dir():
        raise PrmlError(f"cannot write into {folder}: {there} is not a folder; choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PrmlError(f"cannot write into {there}: permission denied; choose another place")


def draft_beside(path: Path) -> tuple[Path, int]:
    """Create an empty file next to ``path`` under a hidden, unguessable name, open for writing and locked.

    It is created exclusively, so a planted file or link is never followed, with the default permissions of the process.
    The name contains the process id; drafts of ``path`` left by dead processes are removed first.

    Returns:
        The file, to be renamed to ``path`` or unlinked, and its descriptor, to be closed.
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
    """Remove drafts of ``path`` left by dead processes; drafts still being written are never touched."""
    for left in path.parent.glob(f"{glob.escape(_draft_prefix(path))}*{DRAFT}"):
        pid = left.name[len(_draft_prefix(path)) :].partition("-")[0]
        if pid.isdigit() and not is_running(int(pid)) and not is_held(left):
            left.unlink(missing_ok=True)


def write_file(path: Path, data: str | bytes | Callable[[BinaryIO], None], overwrite: bool = False) -> None:
    """Write to a temporary file next to ``path``, then rename it; raise PrmlError if it exists or cannot be written.

    ``data`` may be a function that writes to the open file, for content too large for memory. On any failure ``path``
    is unchanged and nothing is left next to it.
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
        check_writable(path, overwrite)  # it may have appeared meanwhile
        draft.replace(path)
    except OSError as error:
        raise PrmlError(f"cannot write {path}: {reason_of(error)}; free some space or choose another place") from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
