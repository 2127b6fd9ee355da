"""Contacts, floor, gravity and held feet of a body that is known."""

import numpy as np
import pytest

from fixtures.standing import standing
from prml.camera import Camera, look_at
from prml.filters.bones import bone_spread_m
from prml.filters.contacts import ANKLE_M, SOLE_M, find_contacts, foot_points
from prml.filters.floor import floor_level, lowest_level, standing_heights
from prml.filters.gates import gates_of, slides_m
from prml.filters.gravity import estimate_gravity, stated_gravity, upright_frames
from prml.filters.legs import hold_feet, reached
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17

UP = np.array([0.0, 0.0, 1.0])
FEET, _ = foot_points(BODY28)


def _still(frames=60):
    return np.repeat(standing()[None], frames, 0)


def test_feet_are_heels_and_toes_or_ankles():
    assert [BODY28.joints[k] for k in foot_points(BODY28)[0]] == ["LHeel", "LToe", "RHeel", "RToe"]
    assert foot_points(BODY28)[1] == SOLE_M
    undetected = np.ones(28, bool)
    undetected[17:21] = False
    for found, height in (foot_points(H36M17), foot_points(BODY28, undetected)):
        assert found == (6, 6, 3, 3)
        assert height == ANKLE_M


def test_a_foot_in_the_air_does_not_stand_though_it_is_still():
    body = _still()
    left = [BODY28.index(n) for n in ("LAnkle", "LHeel", "LToe")]
    body[:, left, 2] += 0.3
    found = find_contacts(body[:, list(FEET)], np.arange(60) / 30, up=UP)
    assert not found[:, :2].any()
    assert found[:, 2:].all()


def test_a_foot_that_trembles_about_a_threshold_stands_on():
    times = np.arange(120) / 60
    feet = np.zeros((120, 4, 3))
    speed = 0.45 + 0.2 * np.sin(times * 12)  # above and below the speed at which a foot comes to stand
    speed[:20] = 0.0
    feet[..., 0] = (np.cumsum(speed) / 60)[:, None]
    found = find_contacts(feet, times)
    assert (np.diff(found[:, 0].astype(int)) != 0).sum() <= 1


def test_a_short_rest_is_no_contact():
    times = np.arange(60) / 30
    feet = np.zeros((60, 4, 3))
    feet[..., 2] = np.abs(2.0 * (times - 1) ** 2)[:, None]  # rests for an instant
    feet[..., 0] = 3 * times[:, None]
    assert not find_contacts(feet, times).any()


def test_the_floor_is_where_feet_stand_most():
    heights = np.concatenate([np.full(50, 0.1), np.full(20, 0.6)])[:, None]
    stands = np.ones((70, 1), bool)
    level = floor_level(heights, stands)
    assert level == pytest.approx(0.1)
    ground = standing_heights(heights, stands, level)
    assert ground[:50] == pytest.approx(0.1)
    both = standing_heights(heights, stands & (np.arange(70) != 50)[:, None], level)
    assert both[60] == pytest.approx(0.6)
    assert floor_level(heights, ~stands) is None
    assert lowest_level(heights) == pytest.approx(0.1)


@pytest.mark.parametrize("roll", [-40, 0, 20])
def test_gravity_of_a_standing_body_through_a_tilted_camera(roll):
    R, t = look_at(np.array([4.0, 1.0, 2.5]), np.array([0.0, 0.0, 1.0]), np.radians(roll))
    world = _still(30) + np.random.default_rng(0).normal(size=(30, 28, 3)) * 0.005
    camera = world @ R.T + t
    found = estimate_gravity(camera, camera[:, list(FEET)], np.ones((30, 4), bool), BODY28)
    off = np.degrees(np.arccos(found.up @ (R @ UP)))
    assert off < 5, "a body whose centre is over its ankles leans back by 4 degrees"
    assert found.source == "person"
    assert found.upright_frames == 30


def test_feet_all_over_a_floor_say_where_up_is():
    R, t = look_at(np.array([6.0, 1.0, 2.0]), np.array([0.0, 0.0, 1.0]), np.radians(10))
    rng, frames = np.random.default_rng(1), 200
    world = _still(frames)
    place = np.repeat(rng.uniform(-2, 2, (20, 2)), 10, 0)
    world[..., :2] += place[:, None]
    stands = np.ones((frames, 4), bool)
    stands[9::10] = False
    leaning = world.copy()
    leaning[..., 0] += 0.15 * leaning[..., 2]  # as a network that tilts bodies would have it
    found = estimate_gravity(leaning @ R.T + t, (world @ R.T + t)[:, list(FEET)], stands, BODY28)
    assert np.degrees(np.arccos(found.up @ (R @ UP))) < 2
    assert found.std_deg < 2


def test_extrinsics_are_believed_unless_they_are_the_identity():
    R, t = look_at(np.array([4.0, 1.0, 2.5]), np.array([0.0, 0.0, 1.0]), 0.3)
    lens = Camera.from_fov(640, 480)
    assert stated_gravity(lens) is None
    assert stated_gravity(None) is None
    posed = Camera(640, 480, lens.fx, lens.fy, 320, 240, R_world_to_camera=R, t_m=t)
    np.testing.assert_allclose(stated_gravity(posed).up, R @ UP)


def test_a_body_that_sits_is_not_upright():
    sitting = standing(
        LKnee=(0.45, 0.1, 1.0), LAnkle=(0.45, 0.1, 0.53), RKnee=(0.45, -0.1, 1.0), RAnkle=(0.45, -0.1, 0.53)
    )
    assert upright_frames(standing()[None], BODY28).all()
    assert not upright_frames(sitting[None], BODY28).any()


def test_held_feet_stay_in_place_and_bones_keep_their_lengths():
    frames = 90
    body = _still(frames)
    body[:, :, 2] -= 0.02 * np.clip(body[:, :, 2], 0, 1)  # knees a little bent below
    body[:, BODY28.index("LKnee"), 0] += 0.08
    body[:, BODY28.index("RKnee"), 0] += 0.08
    body[..., 0] += 0.04 * np.sin(np.arange(frames) / 8)[:, None]  # slides to and fro
    stands = np.zeros((frames, 4), bool)
    stands[20:70] = True
    held = hold_feet(body, stands, np.where(stands, SOLE_M, np.nan), np.arange(frames) / 30, BODY28, FEET, SOLE_M)
    assert max(slides_m(body[:, list(FEET)], stands)) > 0.05
    assert max(slides_m(held[:, list(FEET)], stands)) < 1e-6
    assert held[20:70][:, list(FEET), 2] == pytest.approx(SOLE_M, abs=1e-6)
    legs = [j for j, name in enumerate(BODY28.joints) if name[1:] in ("Knee", "Ankle", "Heel", "Toe")]
    for joint in legs:
        parent = BODY28.parents[joint]
        was, now = (np.linalg.norm(x[:, joint] - x[:, parent], axis=-1) for x in (body, held))
        np.testing.assert_allclose(now, was, atol=1e-6)
    others = [j for j in range(28) if j not in legs]
    np.testing.assert_array_equal(held[:, others], body[:, others])
    step = np.abs(np.diff(held - body, axis=0)).max()
    assert step < 0.02, "corrections fade in and out"


def test_a_foot_out_of_reach_is_let_go_at_the_end():
    body = _still(60)
    body[40:, :, 0] += np.linspace(0, 0.6, 20)[:, None]
    stands = np.ones((60, 4), bool)
    held = hold_feet(body, stands, np.full((60, 4), SOLE_M), np.arange(60) / 30, BODY28, FEET, SOLE_M)
    kept = reached(held[:, list(FEET)], stands)
    assert kept[:40].all()
    assert not kept[-5:].any()


def test_nothing_of_a_foot_lies_below_the_floor():
    body = _still(30) - [0, 0, 0.1]
    none = np.zeros((30, 4), bool)
    held = hold_feet(body, none, np.full((30, 4), np.nan), np.arange(30) / 30, BODY28, FEET, SOLE_M)
    assert held[:, list(FEET), 2].min() > SOLE_M - 1e-6


def test_gates_of_a_still_body_are_zero():
    sequence = PoseSequence.regular(40, 30.0, BODY28, joints_m=_still(40), frame="world")
    gates = gates_of(sequence, np.ones((40, 4), bool))
    for name in ("jitter_mm", "foot_slide_mm", "below_floor_mm", "bone_spread_mm"):
        assert gates[name] == pytest.approx(0, abs=1e-6)
    assert np.isnan(gates["residual_px"])
    sunk = gates_of(sequence.with_(joints_m=_still(40) - [0, 0, 0.03]), np.zeros((40, 4), bool))
    assert sunk["below_floor_mm"] == pytest.approx(30)
    assert np.isnan(sunk["foot_slide_mm"])
    assert bone_spread_m(_still(1), BODY28) != bone_spread_m(_still(1), BODY28), "NaN: one frame has no spread"
