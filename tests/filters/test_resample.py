"""Resampling between video and network times: where a sequence is cut, and how much work results."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prml.errors import PrmlError
from prml.filters.resample import JUMP_S, frame_rate, jumps, network_times, stretches

EVEN = np.arange(50) / 25


def after(*gaps_s):
    """Runs of ten frames at 25 per second, with these gaps between them."""
    times = [np.arange(10) / 25]
    for gap in gaps_s:
        times.append(times[-1][-1] + gap + np.arange(10) / 25)
    return np.concatenate(times)


def test_a_sequence_is_cut_at_jumps_and_nowhere_else():
    everyone = np.ones(30, bool)
    assert stretches(everyone, after(580.0, 0.9 * JUMP_S)) == [slice(0, 10), slice(10, 30)]
    assert stretches(everyone, after(0.04, 1e300)) == [slice(0, 20), slice(20, 30)]
    assert np.flatnonzero(jumps(after(3600.0, 3600.0))).tolist() == [10, 20]
    assert not jumps(np.arange(9) / 1.0).any(), "one frame per second is slow, not full of jumps"
    assert stretches(np.ones(1, bool), np.zeros(1)) == [slice(0, 1)]
    assert stretches(np.zeros(0, bool), np.zeros(0)) == []


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.01, 0.04, 0.9, 1.1, 50.0])), min_size=1, max_size=30))
def test_stretches_are_the_present_frames_in_order_without_jumps(frames):
    present, steps = (np.array(v) for v in zip(*frames, strict=True))
    times = np.cumsum(steps)
    parts = stretches(present, times)
    covered = np.concatenate([np.arange(len(times))[p] for p in parts] or [np.zeros(0, int)])
    assert covered.tolist() == np.flatnonzero(present).tolist()
    assert all(not jumps(times[p]).any() for p in parts)
    joined = [a for a, b in pairwise(parts) if a.stop == b.start]
    assert all(times[p.stop] - times[p.stop - 1] > JUMP_S for p in joined), "cut only where it must be"


@pytest.mark.parametrize("end_s", [10.0, 3600.0, 1e5, 1e300])
def test_work_follows_frames(end_s):
    """However far apart the frames, there is at most one second of network frames per given frame."""
    times = np.append(EVEN, end_s)
    made = sum(len(network_times(times[p], 50.0)) for p in stretches(np.ones(51, bool), times))
    assert made <= 51 * 50 * JUMP_S
    assert made == len(network_times(EVEN, 50.0)) + 1


def test_too_many_network_frames_are_refused_in_one_line():
    with pytest.raises(PrmlError, match="at most 200000 s in one stretch") as caught:
        network_times(np.array([0.0, 1e9]), 50.0)
    assert "\n" not in str(caught.value)
    with pytest.raises(PrmlError):
        network_times(np.array([0.0, 1e300]), 50.0)


def test_the_rate_is_the_mean_of_the_times_between_jumps():
    assert frame_rate(EVEN, 25.0) == 25.0
    assert frame_rate(after(580.0), 0.103) == 25.0
    assert frame_rate(EVEN * 1.01, 25.0) == 25.0, "within 2 % the container is right"
    assert frame_rate(np.arange(20) / 13.16, 30.0) == pytest.approx(13.16)
    assert frame_rate(np.array([0.0, 100.0, 200.0]), 30.0) == 30.0
    assert frame_rate(np.zeros(1), 30.0) == 30.0
