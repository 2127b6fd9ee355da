"""Parse a big file once, keep it as .npy, and memory-map it from then on.

The first start on a dataset pays for unpickling. Later ones open memory maps, which takes seconds, and several
processes share the memory. A cache entry belongs to the source files by path, size and time of change, and
to the version of the code that built it; anything else makes a new one.
"""

import atexit
import hashlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from prml.errors import PrmlError
from prml.io.typed import check_values

log = logging.getLogger(__name__)

_VERSION = 1


@dataclass(frozen=True)
class Table:
    """Arrays over all frames of a dataset, one clip after the other, and what is known about the clips.

    Attributes:
        arrays: name -> array; memory-mapped and read-only if it came from the cache.
        meta: plain JSON values (lists of clips and labels).
    """

    arrays: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]


def cache_root() -> Path:
    """Where cached arrays live: ``$PRML_CACHE``, else ``$XDG_CACHE_HOME/prml``, else ``~/.cache/prml``.

    A user without a home gets a temporary folder that lasts as long as the process.
    """
    if chosen := os.environ.get("PRML_CACHE"):
        return Path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "prml"
    try:
        return Path.home() / ".cache" / "prml"
    except RuntimeError:  # HOME is not set, and the system knows no such user
        return _temporary_root()


@cache
def _temporary_root() -> Path:
    folder = tempfile.mkdtemp(prefix="prml-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    warnings.warn("this user has no home folder: caching in a temporary one; set PRML_CACHE to keep it", stacklevel=2)
    return Path(folder)


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def _stamp(source: Path) -> tuple[str, int, int]:
    try:
        status = source.stat()
    except OSError:
        raise PrmlError(f"{source}: no such file; give the folder that holds the dataset's files") from None
    return str(source.resolve()), status.st_size, status.st_mtime_ns


def _open(entry: Path) -> Table | None:
    """The cached table, or None if the entry is absent or was damaged."""
    try:
        record = json.loads((entry / "meta.json").read_text())
        check_values(record, {"arrays": list[str], "meta": dict[str, Any]}, entry.name)
        arrays: dict[str, np.ndarray] = {}
        for name in record["arrays"]:
            file = entry / f"{name}.npy"
            array = np.load(file, mmap_mode="r", allow_pickle=False) if file.stat().st_size > 128 else np.load(file)
            arrays[name] = array
        return Table(arrays, record["meta"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
        return None


def _write(entry: Path, table: Table) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=entry.parent))
    try:
        for name, array in table.arrays.items():
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
        (draft / "meta.json").write_text(json.dumps({"arrays": list(table.arrays), "meta": dict(table.meta)}))
        for old in entry.parent.iterdir():  # entries of an earlier state of the same file
            if not old.name.startswith(".draft-"):
                shutil.rmtree(old, ignore_errors=True)
        draft.rename(entry)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def cached(
    kind: str, version: int, sources: Sequence[Path], build: Callable[[], Table], folder: Path | None = None
) -> Table:
    """The table that ``build`` makes of ``sources``, from the cache if it is there.

    Args:
        kind: name of the dataset reader, e.g. ``"human36m-sh"``.
        version: version of that reader; raise it when ``build`` changes.
        sources: the files that ``build`` reads; a change of path, size or time of change makes a new entry.
        build: reads the files; its arrays must not hold objects.
        folder: where to keep the entry; ``None`` for :func:`cache_root`.

    Raises:
        PrmlError: a source is absent, or ``build`` finds it unusable. A cache that cannot be written is only logged.
    """
    stamps = [_stamp(s) for s in sources]
    place = (folder or cache_root()) / f"{kind}-{_digest(*[s[0] for s in stamps])}"
    entry = place / _digest(_VERSION, version, *stamps)
    if found := _open(entry):
        return found
    table = build()
    try:
        _write(entry, table)
    except OSError as error:
        if found := _open(entry):  # another process was faster
            return found
        log.warning("the cache at %s cannot be written (%s); the next start will parse the files again", place, error)
        return table
    return _open(entry) or table
