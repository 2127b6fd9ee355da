"""Which code made a result: commit and package versions, and files that are never half-written."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

from prml import __version__
from prml.errors import PrmlError

PACKAGES = ("torch", "lightning", "numpy", "scipy", "mediapipe", "av")


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def commit() -> str:
    """Commit of the checkout that this package runs from, "+" if it has changes; "" outside a checkout of its own."""
    here = Path(__file__)
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != here.resolve().parents[2]:
            return ""  # installed below somebody else's project, whose commit says nothing of this code
        _git("ls-files", "--error-unmatch", here.name)
        return _git("describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return ""


def versions() -> dict[str, str]:
    """Versions that results depend on."""
    found = {"prml-pose": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Name of the processor that speeds were measured on; "" if the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        import platform

        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def check_writable(path: Path, overwrite: bool) -> None:
    """Raise PrmlError if ``path`` exists and may not be replaced, or cannot be a file there: for before the work."""
    try:
        if path.is_dir():
            raise PrmlError(f"expected a file name, {path} is a folder; give a name in it")
        if path.exists() and not overwrite:
            raise PrmlError(f"{path} exists; add --overwrite to replace it, or choose another name")
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise PrmlError(f"cannot write {path}: {error.strerror}; choose another place") from error
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Raise PrmlError if files cannot be made in ``folder``, which need not be there yet. Nothing is made here."""
    there = next((p for p in (folder, *folder.parents) if os.path.lexists(p)), folder)
    if not there.is_dir():
        raise PrmlError(f"cannot write into {folder}: {there} is no folder; choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PrmlError(f"cannot write into {there}: no permission to; choose another place")


def write_file(path: Path, data: str | bytes | Callable[[BinaryIO], None], overwrite: bool = False) -> None:
    """Write under a temporary name beside ``path``, then rename; raises PrmlError if it exists or cannot be written.

    ``data`` may be a function that writes to the open file: for what should not be in memory as a whole. Whatever goes
    wrong, ``path`` is as it was and nothing lies beside it.
    """
    check_writable(path, overwrite)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            if callable(data):
                data(file)
            else:
                file.write(data.encode() if isinstance(data, str) else data)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files; a result may be read by others
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise PrmlError(f"cannot write {path}: {reason}; free some space or choose another place") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
