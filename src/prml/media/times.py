"""Times of frames that increase: from what a file says, which may lack times, set them back or repeat them."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_MAX_HELD = 4  # frames that wait for the clock to go on; what takes longer has been set back
_MIN_STEP_S = 1e-5  # shorter ones are rounding: the time is repeated
_MAX_STEP_S = 1.0  # a longer one is a pause, and says nothing of the frame rate


def steady(frames: Iterable[tuple[float | None, T]], step_s: float) -> Iterator[tuple[float, T]]:
    """The same frames with times that increase strictly.

    A missing time is one step after the one before. Up to four frames that repeat a time or step back before the clock
    goes on (a coarse clock, bad times, damage among B-frames) are placed evenly between their neighbours. If it takes
    longer, the clock was set back (joined transport streams): the new count goes on one step after the last frame.

    Args:
        frames: seconds, None where there is none, and anything.
        step_s: the step until the times have shown one.
    """
    offset_s, raw_s, last_s = 0.0, -step_s, -float("inf")
    held: list[T] = []
    for stated_s, item in frames:
        raw_s = raw_s + step_s if stated_s is None else stated_s
        held.append(item)
        time_s = raw_s + offset_s
        if time_s < last_s + _MIN_STEP_S:
            if len(held) <= _MAX_HELD:
                continue
            time_s = last_s + step_s * len(held)
            offset_s = time_s - raw_s
        elif (time_s - last_s) / len(held) <= _MAX_STEP_S:
            step_s = (time_s - last_s) / len(held)
        yield from _spread(held, last_s, time_s)
        last_s, held = time_s, []
    yield from _spread(held, last_s, last_s + step_s * len(held))


def _spread(held: list[T], last_s: float, time_s: float) -> Iterator[tuple[float, T]]:
    """Frames at even steps after ``last_s``, the last of them at ``time_s``."""
    for number, item in enumerate(held, 1):
        yield time_s if number == len(held) else last_s + (time_s - last_s) * number / len(held), item
