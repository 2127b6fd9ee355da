"""Processes that lift one input after another, and tell what they do."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

_TELL_S = 0.2  # between two messages on progress
_STOP_S = 15.0  # for a process to save its 2D track before it is killed
UNIT = "prml.pipeline.unit:LiftVideo"


class Worker:
    """A process with a :class:`prml.pipeline.unit.LiftVideo` of its own.

    Args:
        out: folder for the results, or an address.
        settings: fields of :class:`prml.pipeline.settings.LiftSettings`.
        threads: threads that torch computes with.
        unit: ``module:NAME`` of the unit of work, made and called as LiftVideo is.
    """

    def __init__(self, out: str | Path, settings: Mapping[str, Any], threads: int, unit: str = UNIT) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that another thread holds
        self.pipe, child = context.Pipe()
        given = (child, str(out), dict(settings), threads, unit)
        self.process = context.Process(target=_work, args=given, name="prml-lift")
        self.process.start()
        child.close()
        self.task: dict[str, Any] | None = None

    def start(self, task: dict[str, Any]) -> None:
        """Send a task; a process that has died is noticed when its answer is read."""
        self.task = task
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(task)

    def read(self) -> tuple[Any, ...] | None:
        """Return the next message, ("progress", stage, done, total) or ("row", row); None if the process has died."""
        try:
            message: tuple[Any, ...] = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return None
        return message

    def end(self) -> str:
        """Wait for a process that has died, and say how."""
        self.process.join(_STOP_S)
        self.pipe.close()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"was killed by {name}" + (" (perhaps it ran out of memory)" if name == "SIGKILL" else "")

    def ask_to_stop(self) -> None:
        """End the process: after its task if it has none, else at once, with its 2D track saved."""
        if self.task is None:
            with suppress(OSError):
                self.pipe.send(None)
        else:
            self.process.terminate()

    def stop(self) -> None:
        """Wait for the end that was asked for, and enforce it."""
        self.process.join(_STOP_S)
        self.kill()

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


def _work(pipe: Connection, out: str, settings: dict[str, Any], threads: int, named: str) -> None:
    """Lift what comes through the pipe until None comes, or the parent process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    Thread(target=_follow_parent, name="prml-parent", daemon=True).start()
    module, _, name = named.partition(":")
    unit = getattr(import_module(module), name)(out, **settings)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        _answer(pipe, unit)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left to save


def _answer(pipe: Connection, unit: Any) -> None:
    """Lift what comes through the pipe until None comes."""
    told_s = 0.0

    def progress(stage: str, done: int, total: int | None) -> None:
        nonlocal told_s
        if done == total or monotonic() - told_s > _TELL_S:
            told_s = monotonic()
            pipe.send(("progress", stage, done, total))

    while (task := pipe.recv()) is not None:
        pipe.send(("row", unit(task, progress, task["overwrite"])))


def _follow_parent() -> None:
    """End this process, saving its track, when the parent has ended without a word."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
