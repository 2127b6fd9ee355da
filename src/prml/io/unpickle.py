"""Read untrusted pickles without running code: numpy arrays and plain containers only.

Datasets in this field are distributed as pickles and as npz files with pickled object arrays. A pickle is a program;
this reader allows the few names that numpy data need and refuses any other before it could be called.
"""

import io
import math
import mmap
import pickle
import re
import sys
from collections import OrderedDict
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from prml.errors import PrmlError
from prml.io.guard import guarded, one_line
from prml.io.pickle_scan import Data, scan

MAX_AXES = 32
MAX_EMPTY = 1_000_000  # length of an array without values
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_PLAIN_KIND = re.compile(r"[biufcSUO]\d{0,9}")
_NDARRAY = object()  # a placeholder: numpy's class would accept any buffer and state


class _Dtype:
    """Stand-in for ``numpy.dtype``, as numpy trusts a pickled dtype's state and wrong flags turn bytes into pointers.

    It supports what real data need: a kind and a byte order, without fields, sub-arrays or metadata.
    """

    def __init__(self, kind: bytes | str, *_: Any) -> None:
        text = kind.decode("latin1") if isinstance(kind, bytes) else kind
        if not isinstance(text, str) or not _PLAIN_KIND.fullmatch(text):
            raise PrmlError(f"refused to unpickle an array of {text!r}; only numbers, strings and objects are read")
        self.plain = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        if not (type(state) is tuple and len(state) == 8 and state[0] == 3 and state[2:5] == (None, None, None)):
            raise PrmlError("refused to unpickle a numpy dtype with fields, sub-arrays or metadata")
        if state[1] not in ("<", ">", "|", "="):
            raise PrmlError(f"refused to unpickle the byte order {state[1]!r}")
        self.plain = self.plain.newbyteorder(state[1])


def check_shape(shape: Any, dtype: np.dtype[Any]) -> int:
    """Return the number of values of an array in a file; raise PrmlError for an implausible shape.

    The length of an array without values is limited too, since iterating over it would take forever.
    """
    if not (type(shape) is tuple and len(shape) <= MAX_AXES and all(type(n) is int and 0 <= n < 2**62 for n in shape)):
        raise PrmlError(f"refused an array of shape {one_line(shape, 60)}")
    count = math.prod(shape)
    if max(shape, default=0) > max(count, MAX_EMPTY) or (count and not dtype.itemsize):
        raise PrmlError(f"refused an array of shape {one_line(shape, 60)} of {dtype}, which has no content")
    return count


def check_texts(array: np.ndarray) -> None:
    """Raise PrmlError if texts contain invalid code points, which would otherwise fail much later."""
    if array.dtype.kind == "U" and array.size:
        codes = array.reshape(-1, order="A").view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if int(codes.max()) > sys.maxunicode:
            raise PrmlError("its texts contain invalid code points; it is damaged")


class _Array(np.ndarray):
    """An array while it is read; numpy's own ``__setstate__`` checks neither the dtype nor the length of a list."""

    def __setstate__(self, state: Any) -> None:
        if not (type(state) is tuple and len(state) == 5 and state[0] == 1 and isinstance(state[2], _Dtype)):
            raise PrmlError("refused to unpickle an array with an unusual state; only plain numpy arrays are read")
        _, shape, kind, fortran, data = state
        dtype, count = kind.plain, check_shape(shape, kind.plain)
        if not dtype.hasobject:
            data = _bytes(data)
        elif type(data) is not list:
            raise PrmlError("refused to unpickle an array of objects, as its content is not a list")
        held, due = len(data), count * (1 if dtype.hasobject else dtype.itemsize)
        if held != due:
            raise PrmlError(f"refused to unpickle an array of shape {shape}: {held} instead of {due} values or bytes")
        super().__setstate__((1, shape, dtype, bool(fortran), data))  # type: ignore[arg-type]  # the stub errs: a bool
        check_texts(self)


def _bytes(data: Any) -> bytes:
    return data.encode("latin1") if isinstance(data, str) else bytes(memoryview(data))  # Python 2 wrote bytes as str


def _reconstruct(subtype: Any, shape: tuple[int, ...], typecode: Any) -> np.ndarray:
    """Create the empty array that the pickled state then fills, as numpy does; subclasses are refused."""
    if subtype is not _NDARRAY or tuple(shape) != (0,):
        raise PrmlError("refused to unpickle an array of an unusual kind; only plain numpy arrays are read")
    return np.ndarray.__new__(_Array, (0,), np.int8)


def _scalar(dtype: _Dtype, data: bytes | str = b"") -> Any:
    """Create a numpy number or string; scalars that contain objects are refused."""
    if not isinstance(dtype, _Dtype) or dtype.plain.hasobject:
        raise PrmlError("refused to unpickle a numpy scalar that contains a Python object")
    plain = dtype.plain
    return np.frombuffer(_bytes(data), dtype=plain, count=1)[0] if plain.itemsize else plain.type()


def _frombuffer(buffer: Any, dtype: _Dtype, shape: tuple[int, ...], order: str = "C") -> np.ndarray:
    """Create a protocol 5 array with in-band bytes."""
    check_shape(shape, dtype.plain)
    flat = np.frombuffer(buffer, dtype=dtype.plain)
    return flat.reshape(shape, order="F" if order == "F" else "C").copy(order="K")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Encode latin-1 text, as Python 2 and protocol 2 write bytes; other codecs are refused."""
    if encoding not in ("latin1", "latin-1", "iso-8859-1"):
        raise PrmlError(f"refused to unpickle text with the codec {encoding!r}; only latin1 is admitted")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Return an empty byte string, which protocols 0 to 2 write as a call."""
    return b""


def _admitted() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): _NDARRAY,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _encode,
        ("builtins", "bytes"): _no_bytes,
        ("__builtin__", "bytes"): _no_bytes,
        ("collections", "OrderedDict"): OrderedDict,
    }
    for kind in (set, frozenset, complex, list, dict, tuple):
        table["builtins", kind.__name__] = table["__builtin__", kind.__name__] = kind
    for module in _MULTIARRAY:
        table[module, "_reconstruct"] = _reconstruct
        table[module, "scalar"] = _scalar
    for module in _NUMERIC:
        table[module, "_frombuffer"] = _frombuffer
    return table


_ADMITTED = _admitted()


def _admit(module: str, name: str) -> Any:
    """Return the stand-in for a name; raise PrmlError for all but the few that data need."""
    try:
        return _ADMITTED[module, name]
    except KeyError:
        raise PrmlError(
            f"refused to unpickle {one_line(f'{module}.{name}')}: a data file needs numpy arrays and plain containers "
            "only, and anything else could run code; convert the file with a program that you trust"
        ) from None


class _Restricted(pickle.Unpickler):
    """An unpickler that finds only what :data:`_ADMITTED` lists."""

    def find_class(self, module: str, name: str) -> Any:
        found = _admit(module, name)
        # a pickle can set attributes of a function it receives, so give it a temporary one
        return (lambda *given: found(*given)) if isinstance(found, FunctionType) else found

    def persistent_load(self, pid: Any) -> Any:
        raise PrmlError("refused to unpickle a reference to outside data (a persistent id); expected plain data")


_SCALARS = (type(None), bool, int, float, complex, str, bytes, bytearray, np.generic)


def _plain(value: Any, done: dict[int, tuple[Any, Any]]) -> Any:
    """Replace stand-in arrays in ``value`` by plain numpy arrays; containers other than tuples change in place.

    ``done`` maps ids to values seen so far and their replacements, since containers may contain themselves.
    """
    kind = type(value)
    if kind is _Dtype:
        return value.plain
    if kind not in (_Array, np.ndarray, dict, OrderedDict, list, tuple):
        if not isinstance(value, (*_SCALARS, set, frozenset)):  # a bare reference to a class or function
            raise PrmlError("refused to unpickle a class or a function; expected numpy arrays and plain containers")
        return value
    if id(value) in done:
        return done[id(value)][1]
    new = value.view(np.ndarray) if kind is _Array else value
    done[id(value)] = value, new
    if kind is tuple:
        new = tuple(_plain(v, done) for v in value)
        done[id(value)] = value, new
    elif kind in (dict, OrderedDict):
        for key, item in value.items():
            value[key] = _plain(item, done)
    elif kind is list or new.dtype == object:
        flat = value if kind is list else new.reshape(-1, order="A")  # a view, since the array is contiguous
        for i, item in enumerate(flat):
            flat[i] = _plain(item, done)
    return new


def unpickle(data: Data, stream: Any = None) -> Any:
    """Scan and unpickle data; if they are a memory-mapped file, ``stream`` is the file to read from."""
    scan(data, admit=_admit)
    source = stream or io.BufferedReader(io.BytesIO(data))  # mmap comes with a stream
    return _plain(_Restricted(source, encoding="latin1").load(), {})


def loads(data: bytes) -> Any:
    """Unpickle bytes with numpy arrays and plain containers; raise PrmlError for anything else."""
    return guarded("pickle", lambda: unpickle(data))


def load_pickle(path: Path | str) -> Any:
    """Read a pickle file (protocols 0 to 5, Python 2 ones as latin-1) of numpy arrays and plain containers.

    Raises:
        PrmlError: the file is missing or damaged, refers to anything but numpy data and plain containers, or exceeds a
            limit of :mod:`prml.io.pickle_scan`.
    """
    path = Path(path)

    def read() -> Any:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as held:
            return unpickle(held, stream)

    return guarded(path, read)
