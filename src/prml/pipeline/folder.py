"""The results folder: one writer at a time, all files or none, and no partial files left behind."""

import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from prml.errors import PrmlError
from prml.io.files import check_folder, check_writable, reason_of
from prml.io.locks import try_lock

EXPORTS = (".bvh", ".glb", ".vrma", ".usda", ".trc", ".mot", ".c3d", ".csv", ".parquet", ".npz", ".json")
LOCK, WORK, OURS = ".prml-lock", ".prml-work-", ".prml-"


@dataclass(frozen=True)
class ResultsFolder:
    """A results folder locked by this process.

    Attributes:
        path: path of the folder.
        names: names of the files that a result may have.
        overwrite: whether existing files may be replaced.
    """

    path: Path
    names: Sequence[str]
    overwrite: bool = False

    def write(self, make: Callable[[Path], None]) -> dict[str, Path]:
        """Let ``make`` write files into a temporary folder, then move them into place: all or none.

        With ``overwrite``, files of an earlier result that were not written this time are deleted, its exports
        (``motion.*``, ``motion_*``) too, as a folder holds the results of one input.

        Returns:
            The files that were written, by name.

        Raises:
            PrmlError: the files cannot be written, or one of them appeared meanwhile and must not be replaced.
        """
        work = self.path / f"{WORK}{os.getpid()}-{token_hex(8)}"
        try:
            work.mkdir(0o700)
            make(work)
            there = {file.name for file in work.iterdir() if file.is_file()}
            made = [name for name in self.names if name in there] + sorted(there - set(self.names))
            for name in made:
                check_writable(self.path / name, self.overwrite)
            for name in made:
                (work / name).replace(self.path / name)
            if self.overwrite:
                for name in {*self.names, *self._exports()} - set(made):
                    (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            reason = reason_of(error)
            raise PrmlError(f"cannot write into {self.path}: {reason}; free some space or choose another") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return {name: self.path / name for name in made}

    def _exports(self) -> Iterator[str]:
        """Yield files that an earlier lift exported, if this one is a lift too."""
        if "poses.npz" in self.names:
            exports = (file for pattern in ("motion.*", "motion_*") for file in self.path.glob(pattern))
            yield from (file.name for file in exports if file.suffix in EXPORTS and file.is_file())


def check_results(
    folder: Path, names: Sequence[str], inputs: Iterable[Path], overwrite: bool, among_others: bool = False
) -> None:
    """Raise PrmlError if results cannot be written to ``folder`` or would replace an input; creates nothing."""
    if folder.exists() and not folder.is_dir():
        raise PrmlError(f"{folder} is a file; give a folder for the results")
    for given in inputs:
        if any(_is_same(folder / name, given) for name in names):
            raise PrmlError(f"{given} is the input, and a result would replace it; give another folder for the results")
    full = folder.is_dir() and any(not p.name.startswith(OURS) for p in folder.iterdir())
    if full and not overwrite and not among_others:
        raise PrmlError(
            f"{folder} exists and is not empty; pass overwrite=True to replace the results, or give another out=..."
        )
    for name in names:
        check_writable(folder / name, overwrite)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one of them does not exist or is not a valid path
        return False


@contextmanager
def results_folder(
    folder: Path,
    names: Sequence[str],
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
    among_others: bool = False,
) -> Iterator[ResultsFolder]:
    """Create the folder if needed and lock it until the block ends.

    Partial files left by a dead process are removed. A folder created here is removed again if it is empty at the end.

    Args:
        folder: folder for the results.
        names: names of the files that a result may have.
        inputs: files that must not be replaced.
        overwrite: whether files of ``names`` may be replaced.
        among_others: whether the folder may contain other files even without ``overwrite``.

    Raises:
        PrmlError: as for :func:`check_results`, or another process holds the folder.
    """
    check_results(folder, names, inputs, overwrite, among_others)
    made: list[Path] = []
    try:
        with _held(folder, made):
            check_results(folder, names, inputs, overwrite, among_others)  # another process may have been faster
            for left in folder.glob(f"{WORK}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield ResultsFolder(folder, names, overwrite)
    finally:
        for one in made:
            with suppress(OSError):  # not empty: it has results
                one.rmdir()


@contextmanager
def _held(folder: Path, made: list[Path]) -> Iterator[None]:
    """Lock the folder; folders that are created for it are appended to ``made``, the innermost first."""
    lock = folder / LOCK
    try:
        descriptor = _open_lock(folder, lock, made)
    except OSError as error:
        raise PrmlError(f"cannot write into {folder}: {reason_of(error)}; choose another folder") from error
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        with suppress(OSError):  # Windows cannot delete an open file
            lock.unlink()
        os.close(descriptor)
        if os.name == "nt":
            lock.unlink(missing_ok=True)


def _open_lock(folder: Path, lock: Path, made: list[Path]) -> int:
    """Return the descriptor of the lock file; raise PrmlError if another process holds the lock."""
    while True:
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        made += [p for p in missing if p not in made]
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except FileNotFoundError:  # another process has just removed the folder that it had created
            continue
        if not try_lock(descriptor):
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise PrmlError(f"{folder} is in use by {holder}; wait for it, or give another folder")
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        os.close(descriptor)  # another process has just removed the file
