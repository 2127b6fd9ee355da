"""Make frame times strictly increasing, though a file may omit them, set them back or repeat them."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_MAX_HELD = 4  # frames held until the clock advances; if it takes longer, the clock was set back
MIN_STEP_S = 1e-5  # a shorter step is rounding: the time is repeated
_MAX_STEP_S = 1.0  # a longer step is a pause and says nothing about the frame rate


def steady(frames: Iterable[tuple[float | None, T]], step_s: float) -> Iterator[tuple[float, T]]:
    """Yield the same frames with strictly increasing times.

    A missing time is set one step after the previous one. Up to four frames that repeat a time or step back before the
    clock advances (a coarse clock, bad times, damaged B-frames) are placed evenly between their neighbours. If it takes
    longer, the clock was set back (joined transport streams), and the new count goes on one step after the last frame.

    Args:
        frames: pairs of a time in seconds (None if missing) and any item.
        step_s: initial step, used until the times show one.
    """
    offset_s, raw_s, last_s = 0.0, -step_s, -float("inf")
    held: list[T] = []
    for stated_s, item in frames:
        raw_s = raw_s + step_s if stated_s is None else stated_s
        held.append(item)
        time_s = raw_s + offset_s
        if time_s < last_s + MIN_STEP_S:
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
    """Place frames at even steps after ``last_s``, the last one at ``time_s``."""
    for number, item in enumerate(held, 1):
        yield time_s if number == len(held) else last_s + (time_s - last_s) * number / len(held), item
