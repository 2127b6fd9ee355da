"""Gait events of true walking, and of somebody who does not walk."""

from itertools import pairwise

import numpy as np
import pytest

from prml.datasets.mocap import load_sets
from prml.errors import PrmlError
from prml.filters.gait import gait_of
from prml.sequence import PoseSequence
from prml.skeleton import BODY28


def _clip(name):
    cmu = load_sets(("cmu",))[0]
    return cmu.sequence(int(np.flatnonzero(cmu.clip_name == name)[0]), BODY28)


def test_a_walk_has_alternating_steps_of_a_walker():
    walk = _clip("02_01")
    gait = gait_of(walk)
    strikes = [event for event in gait.events if event.kind == "strike"]
    assert len(strikes) >= 3
    assert all(a.side != b.side for a, b in pairwise(strikes))
    assert 90 < gait.cadence < 150
    assert 0.4 < gait.step_length_m < 1.0
    path = walk.joints_m[:, 0, :2]
    speed = np.linalg.norm(path[-1] - path[0]) / walk.times_s[-1]
    assert gait.speed_m_s == pytest.approx(speed, rel=0.15)
    assert gait.step_length_m * gait.cadence / 60 == pytest.approx(speed, rel=0.2), "steps make up the way"


def test_events_do_not_depend_on_the_direction():
    walk = _clip("02_01")
    turn = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])
    moved = walk.with_(joints_m=walk.joints_m @ turn.T + [3, -1, 0])
    assert [(e.side, e.kind) for e in gait_of(walk).events] == [(e.side, e.kind) for e in gait_of(moved).events]


def test_the_mirror_image_steps_with_the_other_foot():
    walk = _clip("02_01")
    mirrored = walk.with_(joints_m=walk.joints_m[:, list(BODY28.mirror)] * np.float32([1, -1, 1]))
    for one, other in zip(gait_of(walk).events, gait_of(mirrored).events, strict=True):
        assert (one.time_s, one.kind) == (other.time_s, other.kind)
        assert one.side != other.side


def test_nobody_walks_while_standing():
    still = _clip("02_01").take(slice(0, 60))
    still = still.with_(joints_m=np.broadcast_to(still.joints_m[:1], still.joints_m.shape))
    gait = gait_of(still)
    assert gait.events == ()
    assert gait.walking_s == 0
    assert np.isnan(gait.cadence)


def test_gait_needs_a_path():
    with pytest.raises(PrmlError, match="world frame"):
        gait_of(_clip("02_01").relative_to_root())


def test_hops_on_both_feet_are_no_division_by_zero():
    times = np.arange(150) / 50
    hop = np.zeros((150, 28, 3))
    hop[..., 0] = times[:, None]
    hop[:, 17:21, 0] += 0.3 * np.sin(times * 8)[:, None]  # both feet alike
    gait = gait_of(PoseSequence.regular(150, 50.0, BODY28, joints_m=hop, frame="world"))
    assert gait.events
    assert not np.isinf(gait.cadence)
