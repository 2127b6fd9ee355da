"""A process that follows people through stretches of a video, for :mod:`prml.detect.pool`.

It reads pickled tasks from standard input and writes pickled messages to what was standard output. It ends when its
input does: also when the process that started it is killed.
"""

import os
import pickle
import signal
import sys
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, BinaryIO

from prml.detect.elsewhere import follow_stretch
from prml.detect.registry import get_detector
from prml.detect.stretch import Found, Stretch
from prml.errors import PrmlError
from prml.media.seek import UnexpectedFrameError

_TELL_S = 0.2  # between two messages on progress


def main() -> None:
    """Follow people through the stretches that come in, until no more do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this process decides what Ctrl-C means
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is not a message
    tasks: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_receive, args=(sys.stdin.buffer, tasks), daemon=True).start()
    job = tasks.get()
    detector = get_detector(job.detector).open(job.model)
    while True:
        stretch, sought = tasks.get()
        _send(messages, "done", stretch.number, _followed(job, detector, stretch, sought, messages))


def _receive(source: BinaryIO, tasks: "SimpleQueue[Any]") -> None:
    """Pass on what comes in; end the process when nothing more can come."""
    try:
        while True:
            tasks.put(pickle.load(source))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)  # at once: nobody reads what this process would say


def _followed(job: Any, detector: Any, stretch: Stretch, sought: Any, messages: BinaryIO) -> Found | str:
    """Return what was found, or why nothing could be."""
    told_s = monotonic()

    def tell(done: int) -> None:
        nonlocal told_s
        if monotonic() - told_s > _TELL_S:
            told_s = monotonic()
            _send(messages, "progress", stretch.number, max(done, 0))

    try:
        return follow_stretch(job.info, detector, stretch, sought, job.index, job.fps, tell)
    except (PrmlError, UnexpectedFrameError) as error:
        return str(error)


def _send(messages: BinaryIO, *message: object) -> None:
    try:
        pickle.dump(message, messages)
        messages.flush()
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    main()
