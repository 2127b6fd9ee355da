"""Increasing times from times that are missing, repeated or set back."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prml.media.times import steady

STEP = 0.04


def times(stated, step=STEP):
    return [time for time, _ in steady(((t, None) for t in stated), step)]


@given(st.lists(st.none() | st.integers(-(10**9), 10**9), max_size=40))
@example([0, *[3] * 9, *[5] * 9])  # repeats that rounding tells apart once the clock has been set back
def test_times_increase_and_no_frame_is_lost_or_moved(milliseconds):
    stated = [ms if ms is None else ms / 1000 for ms in milliseconds]
    out = list(steady(zip(stated, range(len(stated)), strict=True), STEP))
    assert [item for _, item in out] == list(range(len(stated)))
    assert np.all(np.diff([time for time, _ in out]) > 0)


@given(st.lists(st.floats(1e-3, 100), max_size=40))
def test_times_that_increase_are_kept_to_the_bit(steps):
    stated = list(np.cumsum(steps))
    assert times(stated) == stated


def test_missing_times_are_one_step_after_the_one_before():
    assert times([None] * 4) == pytest.approx([0, 0.04, 0.08, 0.12])
    assert times([0.0, 0.1, None, None, 0.4]) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_a_clock_that_is_set_back_goes_on_one_step_later():
    once = [n * STEP for n in range(12)]
    assert times(once + once) == pytest.approx([n * STEP for n in range(24)])
    assert times([100 + t for t in once] + once) == pytest.approx([100 + n * STEP for n in range(24)])


def test_repeated_and_single_bad_times_lie_between_their_neighbours():
    assert times([0.0, 0.0, 0.08, 0.08, 0.16]) == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    assert times([0.0, 0.04, 0.02, 0.12, 0.16]) == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])


def test_a_clock_that_stands_still_counts_by_the_last_step():
    assert times([0.0, 0.1] + [0.1] * 9)[-1] == pytest.approx(1.0)


def test_a_pause_is_not_a_step():
    assert times([0.0, STEP, 600.0, None]) == pytest.approx([0, STEP, 600, 600 + STEP])
