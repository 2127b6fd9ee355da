"""Keep a native library quiet, offline, and from importing packages that it does not need."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import IO, Any

# libcurl fails at once, before any DNS lookup, on a proxy with an unknown scheme.
_NO_PROXY_THERE = "refused://prml-asks-nothing"
_READ_BY_CURL = ("https_proxy", "no_proxy", "NO_PROXY")


class _Diversion:
    """Redirection of file descriptor 2, shared by the process; the last user restores it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved = -1
        self._sink: IO[bytes] | None = None

    def _divert(self) -> IO[bytes] | None:
        if sys.stderr is None:  # closed, as for a daemon; descriptor 2 may belong to another file
            return None
        try:
            sys.stderr.flush()
            self._saved = os.dup(2)
        except (OSError, ValueError):
            return None
        try:
            sink = tempfile.TemporaryFile()  # noqa: SIM115  (open until the last user leaves)
        except OSError:  # nowhere to store the output, so let it through
            os.close(self._saved)
            return None
        os.dup2(sink.fileno(), 2)
        return sink

    def enter(self) -> int:
        """Add a user; return the byte offset where their output starts, or -1 if nothing is redirected."""
        with self._lock:
            if not self._users:
                self._sink = self._divert()
            if self._sink is None:
                return -1
            self._users += 1
            return os.fstat(self._sink.fileno()).st_size

    def leave(self, start: int) -> str:
        """Remove a user; return the output since ``start``."""
        with self._lock:
            if start < 0 or self._sink is None:
                return ""
            file = self._sink.fileno()
            text = os.pread(file, os.fstat(file).st_size - start, start).decode(errors="replace")
            self._users -= 1
            if not self._users:
                os.dup2(self._saved, 2)
                os.close(self._saved)
                self._sink.close()
                self._sink = None
            return text


_DIVERSION = _Diversion()


@contextmanager
def quiet_stderr() -> Iterator[list[str]]:
    """Capture what native libraries write to file descriptor 2; the list holds the text afterwards.

    glog, absl and TFLite bypass Python, so replacing ``sys.stderr`` does not affect them. Blocks in several threads may
    overlap; each captures what any of them writes. Without a standard error nothing is captured.
    """
    caught: list[str] = []
    start = _DIVERSION.enter()
    try:
        yield caught
    finally:
        caught.append(_DIVERSION.leave(start))


class Offline:
    """Keeps libcurl in this process from making https requests, including DNS lookups, while anyone holds it.

    It sets the variables that libcurl reads, but only in the C library's environment: ``os.environ`` and Python's own
    requests are unaffected. Programs started meanwhile without an explicit environment inherit the variables. The last
    holder restores the values of ``os.environ``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0

    def hold(self) -> None:
        """Block requests until the matching :meth:`release`."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                os.putenv("https_proxy", _NO_PROXY_THERE)
                os.unsetenv("no_proxy")
                os.unsetenv("NO_PROXY")

    def release(self) -> None:
        """Allow requests again if this was the last holder."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                for name in _READ_BY_CURL:
                    value = os.environ.get(name)
                    os.unsetenv(name) if value is None else os.putenv(name, value)


OFFLINE = Offline()


class _Deferred(ModuleType):
    """Placeholder for a module until one of its attributes is used."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


@contextmanager
def deferred_imports(*names: str) -> Iterator[None]:
    """Defer the import of modules in the block until one of their attributes is first used.

    Args:
        names: module names, parents before their children; modules that are already loaded are left alone.
    """
    stand_ins = {name: _Deferred(name) for name in names if name not in sys.modules}
    for name, module in stand_ins.items():
        parent, _, child = name.rpartition(".")
        if parent in stand_ins:
            setattr(stand_ins[parent], child, module)
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
