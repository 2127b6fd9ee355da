"""Prefetch items in a background thread, so that decoding (which releases the GIL) overlaps with detection."""

from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], ahead: int = 4) -> Iterator[T]:
    """Yield the same items, with up to ``ahead`` of them produced in advance by a thread.

    An exception in the source is raised in place of the item. Closing the generator stops the thread.
    """
    queue: Queue[tuple[T | None, BaseException | None, bool]] = Queue(maxsize=ahead)
    stop = Event()

    def put(entry: tuple[T | None, BaseException | None, bool]) -> None:
        while not stop.is_set():
            try:
                queue.put(entry, timeout=0.1)
                return
            except Full:
                continue

    def work() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                put((item, None, False))
                if stop.is_set():
                    return
            put((None, None, True))
        except BaseException as error:  # raised in the consuming thread
            put((None, error, True))
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = Thread(target=work, name="prml-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error, done = queue.get()
            if error is not None:
                raise error
            if done:
                return
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        while thread.is_alive():
            try:
                queue.get_nowait()
            except Empty:
                thread.join(timeout=0.1)
