"""Read untrusted npz archives: check the directory before unpacking, and each array before allocating it."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from prml.errors import PrmlError
from prml.io.guard import guarded, one_line
from prml.io.unpickle import check_shape, check_texts, unpickle

MAX_MEMBERS = 10_000
FREE_BYTES = 2**28  # unpacked size that is always allowed
MAX_RATIO = 100  # above that, the largest allowed ratio of unpacked to packed size
_KINDS = "biufcSU"
_REASON = "it is not a complete npz file"


def check_directory(archive: zipfile.ZipFile) -> None:
    """Raise PrmlError unless the sizes, compression and names in an archive's directory are those of a data file.

    Python's ``zipfile`` never unpacks more than the directory states.
    """
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise PrmlError(f"it has {len(members)} members; expected at most {MAX_MEMBERS}")
    if len(names := {m.filename for m in members}) < len(members):
        raise PrmlError(f"it has {len(members)} members but only {len(names)} names; write it again")
    if odd := [m.filename for m in members if m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]:
        raise PrmlError(f"{one_line(odd[0], 60)} uses a compression that npz files do not; write it again")
    packed, unpacked = sum(m.compress_size for m in members), sum(m.file_size for m in members)
    if unpacked > max(FREE_BYTES, MAX_RATIO * packed):
        raise PrmlError(
            f"it would unpack to {unpacked / 2**20:.0f} MiB, over {MAX_RATIO} times its size; expected measured numbers"
        )


def _numbers(stream: Any, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any], left: int) -> np.ndarray:
    """Read an array of numbers or texts from the remaining bytes of a member."""
    if dtype.kind not in _KINDS or dtype.hasobject:
        raise PrmlError(f"expected numbers or texts, got {one_line(dtype, 60)}")
    count = check_shape(shape, dtype)
    if count * dtype.itemsize != left:
        raise PrmlError(f"shape {shape} of {dtype} needs {count * dtype.itemsize} bytes, got {left}")
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    flat: Any = array.reshape(-1, order="A").view(np.uint8)  # a view: the array is contiguous
    whole = memoryview(flat)
    done = 0
    while done < len(whole):
        if not (read := stream.readinto(whole[done : done + 2**20])):
            raise EOFError("it ends early")
        done += read
    check_texts(array)
    return array


def _member(archive: zipfile.ZipFile, name: str, objects: bool) -> Any:
    """Read one array; pickled ones, if allowed, with the restricted unpickler."""
    with archive.open(name) as stream:
        return _array(stream, archive.getinfo(name).file_size, objects)


def _array(stream: Any, size: int, objects: bool) -> Any:
    """Read an array in the npy format from a stream of ``size`` bytes."""
    version = npy_format.read_magic(stream)
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    if version not in readers:
        raise PrmlError(f"npy format {version} is not known; expected 1.0 or 2.0")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject and objects:
        return unpickle(stream.read())
    if dtype.hasobject:
        raise PrmlError("it contains a pickled object, which is not read; store plain arrays of numbers")
    return _numbers(stream, shape, fortran, dtype, size - stream.tell())


def _opened(path: Path, keys: Sequence[str] | None, objects: bool) -> dict[str, Any]:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        check_directory(archive)
        present = [n.removesuffix(".npy") for n in archive.namelist()]
        if missing := [k for k in keys or () if k not in present]:
            known = one_line(", ".join(present), 200) or "none"
            raise PrmlError(f"expected the key {missing[0]!r}, the file has {known}")
        names = dict(zip(present, archive.namelist(), strict=True))
        values = {}
        for key in present if keys is None else keys:
            try:
                values[key] = _member(archive, names[key], objects)
            except PrmlError as error:
                raise PrmlError(f"{one_line(key, 60)!r}: {error}" if not objects else str(error)) from error
        return values


def load_npz(path: Path | str, keys: tuple[str, ...]) -> dict[str, Any]:
    """Load the named arrays of an npz file; pickled object arrays are read with the restricted unpickler.

    A 0-d object array (a common wrapper for a dictionary) is returned as the object itself.

    Raises:
        PrmlError: the file is missing or damaged, lacks a key (the message lists those it has), exceeds a limit, or
            contains a pickle that refers to anything but numpy data and plain containers.
    """
    path = Path(path)
    loaded = guarded(path, lambda: _opened(path, keys, objects=True), _REASON)
    return {
        k: v.item() if isinstance(v, np.ndarray) and v.ndim == 0 and v.dtype == object else v for k, v in loaded.items()
    }


def load_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Load all arrays of an npz file of numbers and texts; raise PrmlError as :func:`load_npz` and for any pickle."""
    path = Path(path)
    return guarded(path, lambda: _opened(path, None, objects=False), _REASON)


def read_npy(path: Path | str) -> np.ndarray:
    """Load an npy file of numbers; raise PrmlError if it is missing or damaged, or contains a pickle."""
    path = Path(path)

    def read() -> np.ndarray:
        with path.open("rb") as file:
            return np.asarray(_array(file, path.stat().st_size, objects=False))

    return guarded(path, read, "it is not a complete npy file")


def npz_keys(path: Path | str) -> tuple[str, ...]:
    """Return the names of the arrays in an npz file; raise PrmlError if it is missing or damaged."""
    path = Path(path)

    def read() -> tuple[str, ...]:
        with zipfile.ZipFile(path) as archive:
            check_directory(archive)
            return tuple(n.removesuffix(".npy") for n in archive.namelist())

    return guarded(path, read, _REASON)
