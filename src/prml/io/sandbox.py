"""Run native parsers in a separate process, so that a file that crashes one or fills the memory only raises an error.

C3D, MATLAB and HDF5 files are read by C and C++ libraries that may crash or allocate gigabytes on a damaged file.
:func:`run_isolated` calls such a reader in a fresh Python process with limits on memory, CPU time and wall time, and
returns plain values and arrays. Its answer is never unpickled.
"""

import importlib
import io
import json
import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from prml.errors import PrmlError

log = logging.getLogger(__name__)
MIB = 2**20
_ARRAY = "__array__"


@dataclass(frozen=True)
class Limits:
    """Limits of a child process.

    Attributes:
        memory_mib: address space beyond what Python and its libraries use at the start (Linux only; elsewhere memory
            is not limited, which is logged).
        time_s: seconds of wall time.
        cpu_s: seconds of CPU time, which a busy machine does not shorten.
    """

    memory_mib: int = 2048
    time_s: float = 120.0
    cpu_s: float = 120.0

    @classmethod
    def for_file(cls, path: Path) -> "Limits":
        """Return generous limits for a file: 1 GiB plus 64 times the size (ezc3d needs 13 to 30 times).

        A minute plus 2 s per MiB, of which 4 s plus 2 s per MiB of the processor.
        """
        size = path.stat().st_size / MIB
        return cls(1024 + math.ceil(64 * size), 60.0 + 2.0 * size, 4.0 + 2.0 * size)


def run_isolated(function: Callable[..., Any], *args: str | float | bool, what: str, limits: Limits = Limits()) -> Any:
    """Return ``function(*args)``, called in a fresh Python process.

    Args:
        function: a module-level function that returns texts, numbers, booleans, None, numeric arrays, and lists and
            string-keyed dictionaries of these.
        args: plain values.
        what: what is being read, for messages.
        limits: limits of the child.

    Raises:
        PrmlError: the child raised an error, crashed, or exceeded a limit.
    """
    request = {
        "module": function.__module__,
        "name": function.__qualname__,
        "args": args,
        "path": sys.path,
        "limits": [limits.memory_mib, limits.time_s, limits.cpu_s],
    }
    code = "from prml.io.sandbox import _child; _child()"
    # a large allocator pad, as set for training, would count as memory before the limit is set
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    environment |= {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=limits.time_s + 30,  # the child's own alarm fires first
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PrmlError(_too_slow(what, limits)) from None
    except OSError as error:
        raise PrmlError(f"{what}: the process that reads it cannot be started ({error.strerror})") from None
    if done.returncode != 0:
        raise PrmlError(_how_it_ended(done.returncode, what, limits))
    return _answer(io.BytesIO(done.stdout), what, limits)


def _answer(stream: io.BytesIO, what: str, limits: Limits) -> Any:
    try:
        head = json.loads(stream.readline())
        arrays = [np.lib.format.read_array(stream, allow_pickle=False) for _ in range(head["arrays"])]
        value = _unpacked(head.get("value"), arrays)
    except (ValueError, KeyError, TypeError, IndexError, EOFError, MemoryError):
        raise PrmlError(
            f"{what}: the process that read it gave an incomplete answer; it is damaged, get it again"
        ) from None
    if head.get("memory"):
        raise PrmlError(f"{what}: reading it takes more than {limits.memory_mib} MiB; it is damaged, get it again")
    if "error" in head:
        raise PrmlError(f"{what}: {head['error']}")
    if head.get("unlimited"):
        log.warning("this system cannot limit a process's memory; %s was read without that limit", what)
    return value


def _too_slow(what: str, limits: Limits) -> str:
    seconds = min(limits.time_s, limits.cpu_s)
    return f"{what}: reading it takes more than {seconds:g} s; it is damaged, get it again"


def _how_it_ended(code: int, what: str, limits: Limits) -> str:
    if -code in (getattr(signal, "SIGALRM", 0), getattr(signal, "SIGXCPU", 0)):
        return _too_slow(what, limits)
    try:
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    except ValueError:
        how = f"signal {-code}"
    return f"{what}: its reader crashed ({how}); it is damaged, get it again"


def _packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """Return ``value`` in JSON types; arrays are appended to ``arrays``."""
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return [_packed(item, arrays) for item in value.reshape(-1)]
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {str(key): _packed(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(item, arrays) for item in value]
    return value


def _unpacked(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _unpacked(item, arrays) for key, item in value.items()}
    return [_unpacked(item, arrays) for item in value] if isinstance(value, list) else value


# ------------------------------------------------------------------------------------------------ in the child
def _child() -> None:
    """Read a request from standard input and answer on standard output; output of libraries is discarded."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    request = json.load(sys.stdin)
    sys.path[:] = request["path"]
    arrays: list[np.ndarray] = []
    try:
        function = getattr(importlib.import_module(request["module"]), request["name"])
        unlimited = not _limit(*request["limits"])
        value = _packed(function(*request["args"]), arrays)
        head = json.dumps({"value": value, "unlimited": unlimited, "arrays": len(arrays)})
    except MemoryError:
        head, arrays = json.dumps({"memory": True, "arrays": 0}), []
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        head, arrays = json.dumps({"error": reason, "arrays": 0}), []
    out.write(head.encode() + b"\n")
    for array in arrays:
        np.lib.format.write_array(_Sink(out), array, allow_pickle=False)
    out.close()
    os._exit(0)  # skip destructors, as a damaged file may have corrupted a library's state


class _Sink:
    """A write-only stream that numpy does not treat as a file on disk, since a pipe cannot seek."""

    def __init__(self, stream: BinaryIO) -> None:
        self.write = stream.write


def _limit(memory_mib: int, time_s: float, cpu_s: float) -> bool:
    """Limit this process's time and, if the system supports it, its memory; return whether memory is limited."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, time_s)  # SIGALRM ends the process, whatever it is doing
    try:
        import resource
    except ImportError:
        return False
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = int(cpu_s) + 1 + int(sum(os.times()[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # SIGXCPU at the first, SIGKILL at the second
    held = _address_space()
    if held is None:
        return False
    limit = held + memory_mib * MIB
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ValueError, OSError):
        return False
    return True


def _address_space() -> int | None:
    """Return the address space of this process in bytes; None where unknown (all but Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None
