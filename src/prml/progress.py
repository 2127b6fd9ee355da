"""How far long work is, and how long its stages took."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")

Progress = Callable[[int, int | None], None]
"""Called with the number of items done and the total, or None if it is not known."""

StageProgress = Callable[[str, int, int | None], None]
"""The same of work in stages: called with the name of the stage first."""


def timed(items: Iterator[T], seconds: dict[str, float], name: str) -> Iterator[T]:
    """Yield the items; the time spent waiting for them is added to ``seconds[name]``, which has to exist."""
    while True:
        started = perf_counter()
        try:
            item = next(items)
        except StopIteration:
            return
        finally:
            seconds[name] += perf_counter() - started
        yield item
