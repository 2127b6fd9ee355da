"""What is timed is the wait for items, not what is done with them."""

from collections.abc import Iterator
from time import sleep

import pytest

from prml.progress import timed


def slow(count: int) -> Iterator[int]:
    for number in range(count):
        sleep(0.01)
        yield number


def test_items_pass_unchanged_and_only_the_wait_counts() -> None:
    seconds = {"data": 0.0, "other": 0.0}
    found = []
    for number in timed(slow(3), seconds, "data"):
        sleep(0.05)
        found.append(number)
    assert found == [0, 1, 2]
    assert seconds["data"] >= 0.03
    assert seconds["other"] == 0


def test_the_wait_before_an_error_counts() -> None:
    def breaks() -> Iterator[int]:
        sleep(0.01)
        raise ValueError("no data")
        yield 0

    seconds = {"data": 0.0}
    with pytest.raises(ValueError, match="no data"):
        next(timed(breaks(), seconds, "data"))
    assert seconds["data"] >= 0.01
