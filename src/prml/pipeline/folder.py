"""The folder that results go into: one writer at a time, all files or none, nothing half-done left behind."""

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

LOCK, WORK, OURS = ".prml-lock", ".prml-work-", ".prml-"


@dataclass(frozen=True)
class ResultsFolder:
    """A folder that this process alone writes results into.

    Attributes:
        path: of the folder.
        names: files that a result may consist of.
        overwrite: whether those that are there may be replaced.
    """

    path: Path
    names: Sequence[str]
    overwrite: bool = False

    def write(self, make: Callable[[Path], None]) -> dict[str, Path]:
        """Let ``make`` write files of ``names`` into a folder of their own, then move them in: all or none.

        Files of a former result that were not made this time go: a folder holds the results of one input.

        Returns:
            The files that were made, by name.

        Raises:
            PrmlError: they cannot be written, or one of them appeared meanwhile and may not be replaced.
        """
        work = self.path / f"{WORK}{os.getpid()}-{token_hex(8)}"
        try:
            work.mkdir(0o700)
            make(work)
            made = [name for name in self.names if (work / name).is_file()]
            for name in made:
                check_writable(self.path / name, self.overwrite)
            for name in made:
                (work / name).replace(self.path / name)
            if self.overwrite:
                for name in set(self.names) - set(made):
                    (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            reason = reason_of(error)
            raise PrmlError(f"cannot write into {self.path}: {reason}; free some space or choose another") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return {name: self.path / name for name in made}


def check_results(
    folder: Path, names: Sequence[str], inputs: Iterable[Path], overwrite: bool, among_others: bool = False
) -> None:
    """Raise PrmlError where results cannot go into ``folder``, or would replace one of ``inputs``; nothing is made."""
    if folder.exists() and not folder.is_dir():
        raise PrmlError(f"{folder} is a file; give a folder for the results")
    for given in inputs:
        if any(_is_same(folder / name, given) for name in names):
            raise PrmlError(f"{given} is the input, and a result would replace it; give another folder for them")
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
    except (OSError, ValueError):  # one of them is not there, or cannot be a name
        return False


@contextmanager
def results_folder(
    folder: Path,
    names: Sequence[str],
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
    among_others: bool = False,
) -> Iterator[ResultsFolder]:
    """Make the folder if need be, and hold it alone until the block ends.

    What a dead process left half-done in it is removed. A folder that was made here and is empty at the end goes again.

    Args:
        folder: where results go.
        names: files that a result may consist of.
        inputs: files that must not be replaced.
        overwrite: whether files of ``names`` may be replaced.
        among_others: whether the folder may hold other files even if nothing may be replaced.

    Raises:
        PrmlError: as :func:`check_results`, or another process holds the folder.
    """
    check_results(folder, names, inputs, overwrite, among_others)
    made: list[Path] = []
    try:
        with _held(folder, made):
            check_results(folder, names, inputs, overwrite, among_others)  # somebody may have been quicker
            for left in folder.glob(f"{WORK}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield ResultsFolder(folder, names, overwrite)
    finally:
        for one in made:
            with suppress(OSError):  # not empty: results are in it
                one.rmdir()


@contextmanager
def _held(folder: Path, made: list[Path]) -> Iterator[None]:
    """Lock the folder; folders that have to be made for it are put into ``made``, the innermost first."""
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
        with suppress(OSError):  # Windows keeps the name of an open file
            lock.unlink()
        os.close(descriptor)
        if os.name == "nt":
            lock.unlink(missing_ok=True)


def _open_lock(folder: Path, lock: Path, made: list[Path]) -> int:
    """Descriptor of the locked file; raises PrmlError where another has it."""
    while True:
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        made += [p for p in missing if p not in made]
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except FileNotFoundError:  # the other one went, with the folder that it had made
            continue
        if not try_lock(descriptor):
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise PrmlError(f"{folder} is being written to by {holder}; wait for it, or give another folder")
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        os.close(descriptor)  # the other one has just removed it
