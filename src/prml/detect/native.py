"""A native library kept to its work: quiet, without the network, without packages that it loads and never uses."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import IO, Any

# libcurl fails at once, before any look-up, on a proxy whose scheme it does not know.
_NO_PROXY_THERE = "refused://prml-asks-nothing"
_READ_BY_CURL = ("https_proxy", "no_proxy", "NO_PROXY")


class _Diversion:
    """Where file descriptor 2 leads while somebody wants quiet: it is the process's, the last user puts it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved = -1
        self._sink: IO[bytes] | None = None

    def _divert(self) -> IO[bytes] | None:
        if sys.stderr is None:  # closed, as for a daemon: the number 2 may belong to another file by now
            return None
        try:
            sys.stderr.flush()
            self._saved = os.dup(2)
        except (OSError, ValueError):
            return None
        try:
            sink = tempfile.TemporaryFile()  # noqa: SIM115  (open until the last user leaves)
        except OSError:  # nowhere to keep it: let it be seen
            os.close(self._saved)
            return None
        os.dup2(sink.fileno(), 2)
        return sink

    def enter(self) -> int:
        """Start of what a new user will catch, in bytes; -1 where there is nothing to divert."""
        with self._lock:
            if not self._users:
                self._sink = self._divert()
            if self._sink is None:
                return -1
            self._users += 1
            return os.fstat(self._sink.fileno()).st_size

    def leave(self, start: int) -> str:
        """What has come since ``start``."""
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
    """Keep what native libraries write to file descriptor 2 away from the terminal; the list holds it afterwards.

    glog, absl and TFLite write below Python, so that replacing ``sys.stderr`` does not reach them. Uses may overlap in
    several threads, each catches what any of them writes meanwhile; without a standard error nothing is caught.
    """
    caught: list[str] = []
    start = _DIVERSION.enter()
    try:
        yield caught
    finally:
        caught.append(_DIVERSION.leave(start))


class Offline:
    """While anybody holds it, libcurl in this process asks for nothing over https, not even for a name.

    It sets the variables that libcurl reads in the environment of the C library only: ``os.environ``, and with it all
    that Python itself asks for, stays as it is. Programs that are started meanwhile without an environment of their own
    inherit them. The last holder puts back what ``os.environ`` says.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0

    def hold(self) -> None:
        """Refuse; to be followed by one :meth:`release`."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                os.putenv("https_proxy", _NO_PROXY_THERE)
                os.unsetenv("no_proxy")
                os.unsetenv("NO_PROXY")

    def release(self) -> None:
        """Stop refusing, if this was the last holder."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                for name in _READ_BY_CURL:
                    value = os.environ.get(name)
                    os.unsetenv(name) if value is None else os.putenv(name, value)


OFFLINE = Offline()


class _Deferred(ModuleType):
    """Stands for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


@contextmanager
def deferred_imports(*names: str) -> Iterator[None]:
    """Within the block these modules are imported in name only; they load when something of them is first used.

    Args:
        names: of modules, parents before their children; those that are loaded already are left alone.
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
