"""Processes that follow a person through the later stretches of a video while this one follows through the first."""

import json
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Queue
from threading import Thread
from typing import Any

from prml.detect.stretch import Found, Sought, Stretch
from prml.media.frames import VideoInfo
from prml.media.seek import FrameIndex

_STOP_S = 2.0  # for a process to end by itself
_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from prml.detect.child import main; main()"


@dataclass(frozen=True)
class Job:
    """What a process needs to know about a video.

    Attributes:
        info: the video.
        index: its frames.
        fps: as for :func:`prml.media.read.read_frames`.
        detector: name of the detector.
        model: its model.
    """

    info: VideoInfo
    index: FrameIndex | None
    fps: float | None
    detector: str
    model: str | None


@dataclass
class _Process:
    """A process and the stretch it works on."""

    process: "subprocess.Popen[bytes]"
    stretch: Stretch | None = None
    done: int = 0
    listener: Thread | None = None


def can_start() -> bool:
    """Whether this program can start Python."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


@dataclass
class Pool:
    """Processes, started as Python by itself, so that the main module of this program is not run again.

    They end when this one does, whatever ends it. A process that dies leaves its stretch to the caller.

    Args:
        job: what they are told first.
        size: how many there are.
        stretches: what is to be followed, in order.
        tell: called while :meth:`take` waits, when one of them has got further.
    """

    job: Job
    size: int
    stretches: Sequence[Stretch]
    tell: Callable[[], None] = lambda: None
    _waiting: "deque[Stretch]" = field(default_factory=deque)
    _processes: list[_Process] = field(default_factory=list)
    _found: dict[int, Found | str] = field(default_factory=dict)
    _messages: "Queue[tuple[_Process, tuple[Any, ...] | None]]" = field(default_factory=Queue)
    _sought: Sought | None = None

    def __post_init__(self) -> None:
        self._waiting.extend(self.stretches)
        for _ in range(min(self.size, len(self.stretches))):
            self._start()

    def _start(self) -> None:
        # a session of its own, so that Ctrl-C in a terminal reaches only this process, which decides what it means
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ),
            start_new_session=True,
        )
        one = _Process(process)
        self._processes.append(one)
        self._send(one, self.job)
        one.listener = Thread(target=self._listen, args=(one,), name="prml-pool", daemon=True)
        one.listener.start()

    def _send(self, one: _Process, message: object) -> None:
        if one.process.stdin is not None:
            with suppress(OSError):  # a process that has died is noticed when it says nothing more
                pickle.dump(message, one.process.stdin)
                one.process.stdin.flush()

    def _listen(self, one: _Process) -> None:
        source = one.process.stdout
        while source is not None:
            try:
                self._messages.put((one, pickle.load(source)))
            except (EOFError, OSError, ValueError, pickle.UnpicklingError):
                break
        self._messages.put((one, None))

    def seek(self, sought: Sought) -> None:
        """Say which person to follow; the processes begin with the first call."""
        self._sought = sought
        for one in self._processes:
            self._assign(one)

    def grow(self) -> None:
        """Start one more process if there are stretches that nobody has begun."""
        if self._waiting:
            self._start()
            self._assign(self._processes[-1])

    def _assign(self, one: _Process) -> None:
        if one.stretch is None and self._waiting and self._sought is not None:
            one.stretch, one.done = self._waiting.popleft(), 0
            self._send(one, (one.stretch, self._sought))

    @property
    def done(self) -> int:
        """Frames done in stretches that were not yet taken."""
        while not self._messages.empty():
            self._hear()
        found = sum(len(f.times_s) - f.early for f in self._found.values() if isinstance(f, Found))
        return found + sum(one.done for one in self._processes if one.stretch is not None)

    def take(self, number: int) -> Found | None:
        """Wait for a stretch and return it; None if it could not be followed, or has not been begun."""
        while number not in self._found:
            if not any(one.stretch is not None and one.stretch.number == number for one in self._processes):
                self._waiting = deque(stretch for stretch in self._waiting if stretch.number != number)
                return None
            self._hear()
            self.tell()
        found = self._found.pop(number)
        return found if isinstance(found, Found) else None

    def _hear(self) -> None:
        """Wait for a message of any process."""
        one, message = self._messages.get()
        if message is None:
            if one in self._processes:
                self._processes.remove(one)
                self._end(one)
        elif message[0] == "progress":
            one.done = message[2]
        else:
            self._found[message[1]] = message[2]
            one.stretch, one.done = None, 0
            self._assign(one)

    def close(self) -> None:
        """End all processes."""
        for one in self._processes:
            if one.process.stdin is not None:
                with suppress(OSError):
                    one.process.stdin.close()
        while self._processes:
            self._end(self._processes.pop())

    @staticmethod
    def _end(one: _Process) -> None:
        try:
            one.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()
        if one.listener is not None:
            one.listener.join()
        for pipe in (one.process.stdin, one.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
