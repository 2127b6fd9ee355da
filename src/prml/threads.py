"""Set the number of torch threads temporarily and for one thread, never for the whole process."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock, Thread
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_AHEAD = 2  # items that wait for each worker

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


def in_order(function: Callable[[_In], _Out], items: Iterable[_In], workers: int) -> Iterator[_Out]:
    """Yield ``function`` of every item in their order, computed by several threads with one torch thread each.

    Items are read in the calling thread, a few ahead. With one worker everything happens in the calling thread, with
    the torch threads that it has.
    """
    if workers < 2:
        yield from map(function, items)
        return
    waiting: deque[Future[_Out]] = deque()
    pool = ThreadPoolExecutor(workers, "prml-worker", initializer=_set, initargs=(1,))
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _set(count: int) -> None:
    """Set the number of the calling thread only.

    Torch has one number per thread and a default for new threads. ``torch.set_num_threads`` changes that of the caller
    and the default, so another thread restores the default.
    """
    import torch

    torch.get_num_threads()  # a thread takes the default when it first asks, and would undo what is set before
    with _LOCK:
        begin: list[int] = []
        _elsewhere(lambda: begin.append(torch.get_num_threads()))
        torch.set_num_threads(count)
        _elsewhere(lambda: torch.set_num_threads(begin[0]))


def _elsewhere(function: Callable[[], None]) -> None:
    thread = Thread(target=function, name="prml-threads")
    thread.start()
    thread.join()
