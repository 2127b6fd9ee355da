"""How many threads torch computes with: set for one thread and for a while, never for the whole process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread

_LOCK = Lock()


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let the calling thread compute with ``count`` torch threads inside the block.

    Other threads, running or new, keep what they have; afterwards the calling thread has again what it had before.

    Args:
        count: at least 1; None or 0 changes nothing.
    """
    import torch

    if not count:
        yield
        return
    before = torch.get_num_threads()
    _set(count)
    try:
        yield
    finally:
        _set(before)


def _set(count: int) -> None:
    """Set the calling thread's number.

    Torch keeps one number per thread and one that new threads begin with. ``torch.set_num_threads`` changes the
    caller's and the latter, so a thread made for the purpose puts the latter back.
    """
    import torch

    with _LOCK:
        begin: list[int] = []
        _elsewhere(lambda: begin.append(torch.get_num_threads()))
        torch.set_num_threads(count)
        _elsewhere(lambda: torch.set_num_threads(begin[0]))


def _elsewhere(function: Callable[[], None]) -> None:
    thread = Thread(target=function, name="prml-threads")
    thread.start()
    thread.join()
