"""Set the number of torch threads temporarily and for one thread, never for the whole process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread

_LOCK = Lock()


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let the calling thread compute with ``count`` torch threads inside the block.

    Other threads, running or new, keep their number; the calling thread's is restored afterwards.

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
    """Set the number of the calling thread only.

    Torch has one number per thread and a default for new threads. ``torch.set_num_threads`` changes that of the caller
    and the default, so another thread restores the default.
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
