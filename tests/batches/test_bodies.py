"""Other bodies and postures: what is scaled and what is kept, who may sit, and that shares are what they say."""

import numpy as np
import pytest

from prml.batches.bodies import (
    _CHILD,
    _PARTS,
    sample_proportions,
    sample_seats,
    sit,
    skeleton_of,
    stands_still,
    stretch,
    vary_people,
)
from prml.batches.options import VideoOptions
from prml.datasets.mocap import load_sets
from prml.skeleton import BODY28, H36M17

J = H36M17.index
LEGS = [J(side + name) for side in "LR" for name in ("Knee", "Ankle")]


def standing(count=3, frames=6, lean_deg=0.0):
    """People of straight legs who face +x, their left side at +y; ``lean_deg`` to the front about the hip."""
    pose = np.zeros((17, 3))
    for name, z in {"Hip": 0.9, "Spine": 1.15, "Thorax": 1.4, "Nose": 1.55, "Head": 1.65}.items():
        pose[J(name), 2] = z
    for side, y in (("L", 0.15), ("R", -0.15)):
        for name, z in {"Hip": 0.9, "Knee": 0.5, "Ankle": 0.1, "Shoulder": 1.4, "Elbow": 1.1, "Wrist": 0.8}.items():
            pose[J(side + name)] = (0, y, z)
    c, s = np.cos(np.radians(lean_deg)), np.sin(np.radians(lean_deg))
    pose = (pose - pose[0]) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T + pose[0]
    return np.tile(pose, (count, frames, 1, 1))


@pytest.fixture(scope="module")
def world():
    clip = next(iter(load_sets(("ui_prmd",))[0].sequences("train"))).joints_m
    return np.stack([clip[:20], clip[20:40] + 0.4, clip[40:60] * 1.1]).astype(np.float32)


def bones(joints):
    start, end = np.array(skeleton_of(joints).bones).T
    return joints[..., end, :] - joints[..., start, :]


def lengths(joints):
    return np.linalg.norm(bones(joints), axis=-1)


def directions(joints):
    return bones(joints) / np.maximum(lengths(joints)[..., None], 1e-9)


def test_shares_of_zero_change_nothing_and_draw_nothing(world):
    rng, untouched = np.random.default_rng(1), np.random.default_rng(1)
    np.testing.assert_array_equal(vary_people(VideoOptions(), rng, world), world)
    assert rng.random() == untouched.random()


def test_the_same_generator_makes_the_same_people(world):
    options = VideoOptions(bodies=0.5, children=0.3, sitting=0.7)
    a, b = (vary_people(options, np.random.default_rng(4), world) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - world).max() > 0.01


def test_a_stretched_person_has_the_stated_bones_directions_and_floor(world):
    factors = sample_proportions(np.random.default_rng(0), len(world), 1.0, 0.3, H36M17)
    out = stretch(world, factors)
    child = [c for _, c in H36M17.bones]
    np.testing.assert_allclose(lengths(out), lengths(world) * factors[:, None, child], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(directions(out), directions(world), atol=1e-3)
    np.testing.assert_allclose(out[..., 2].min((1, 2)), world[..., 2].min((1, 2)), atol=1e-6)


def test_steps_are_scaled_like_the_legs():
    walk = standing(frames=5) + np.arange(5)[:, None, None] * np.array([0.3, 0, 0])
    factors = np.ones((3, 17))
    factors[:, LEGS] = 0.5
    out = stretch(walk, factors)
    np.testing.assert_allclose(np.diff(out[:, :, 0, 0], axis=1), 0.15)
    np.testing.assert_allclose(out[:, :, J("LAnkle"), 2], 0.1)


def test_proportions_are_equal_on_both_sides_and_their_shares_as_told():
    factors = sample_proportions(np.random.default_rng(2), 4000, 0.5, 0.2, H36M17)
    np.testing.assert_array_equal(factors, H36M17.flip(factors, "scalars"))
    captured = (factors == 1).all(1)
    assert captured.mean() == pytest.approx(0.5 * 0.8, abs=0.03)
    one_of = {part: factors[:, J(next(n for n in names if n in H36M17.joints))] for part, names in _PARTS.items()}
    for names in _PARTS.values():  # a part is scaled as a whole
        columns = [J(n) for n in names if n in H36M17.joints]
        assert (factors[:, columns] == factors[:, columns[:1]]).all()
    small = one_of["legs"] < 0.7
    assert 0.05 < small.mean() < 0.2
    ratio = np.median(one_of["head"][small] / one_of["legs"][small])
    assert 1.4 < ratio < _CHILD["head"] / _CHILD["legs"]  # a child's head is large, its legs are short


def test_children_span_from_two_years_to_grown():
    """0.87 m to 1.74 m for a corpus of 1.74 m: legs, trunk, neck and head one above the other."""
    factors = sample_proportions(np.random.default_rng(3), 4000, 0.0, 1.0, H36M17)
    tall = stretch(standing(len(factors), 1), factors)
    stature = tall[:, 0, J("Head"), 2] - tall[:, 0, J("LAnkle"), 2]
    whole = 1.55
    assert 0.45 < np.quantile(stature, 0.01) / whole < 0.55
    assert 0.95 < np.quantile(stature, 0.99) / whole < 1.1


def test_adults_reach_more_than_two_metres():
    factors = sample_proportions(np.random.default_rng(5), 4000, 1.0, 0.0, H36M17)
    people = stretch(standing(len(factors), 1), factors)
    stature = (people[:, 0, J("Head"), 2] - people[:, 0, J("LAnkle"), 2]) / 1.55
    assert 1.74 * np.quantile(stature, 0.98) > 1.95
    assert 1.74 * np.quantile(stature, 0.02) < 1.62


def test_hips_and_knees_at_right_angles_are_a_chair():
    """Thighs ahead, shins upright, feet where the floor was: the hips are as high as shins and ankles."""
    right = np.full((3, 2), np.pi / 2)
    out = sit(standing(), right, right, np.zeros((3, 2)))
    np.testing.assert_allclose(lengths(out), lengths(standing()))
    for side, y in (("L", 0.15), ("R", -0.15)):
        np.testing.assert_allclose(out[0, 0, J(side + "Hip")], (0, y, 0.5), atol=1e-12)
        np.testing.assert_allclose(out[0, 0, J(side + "Knee")], (0.4, y, 0.5), atol=1e-12)
        np.testing.assert_allclose(out[0, 0, J(side + "Ankle")], (0.4, y, 0.1), atol=1e-12)
    upper = [j for j in range(17) if j not in LEGS]
    np.testing.assert_allclose(out[:, :, upper], standing()[:, :, upper] - [0, 0, 0.4])


def test_stretched_knees_are_the_floor():
    out = sit(standing(), np.full((3, 2), np.pi / 2), np.zeros((3, 2)), np.zeros((3, 2)))
    np.testing.assert_allclose(out[0, 0, J("LAnkle")], (0.8, 0.15, 0.1), atol=1e-12)
    np.testing.assert_allclose(out[0, 0, J("Hip"), 2], 0.1)


def test_thighs_apart_go_outwards_on_both_sides():
    quarter = np.full((3, 2), np.pi / 2)
    out = sit(standing(), quarter, quarter, np.full((3, 2), np.pi / 6))
    np.testing.assert_allclose(out[0, 0, J("LKnee"), :2], (0.4 * 3**0.5 / 2, 0.15 + 0.2))
    np.testing.assert_allclose(out[0, 0, J("RKnee"), :2], (0.4 * 3**0.5 / 2, -0.15 - 0.2))


def test_sitting_commutes_with_turning_about_the_vertical(world):
    """In the body's frame: to turn the person and to seat it may change places."""
    seats = sample_seats(np.random.default_rng(6), len(world))
    c, s = np.cos(0.7), np.sin(0.7)
    R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)
    np.testing.assert_allclose(sit(world @ R.T, *seats), sit(world, *seats) @ R.T, atol=1e-5)
    np.testing.assert_allclose(lengths(sit(world, *seats)), lengths(world), atol=1e-5)


def test_feet_follow_the_shins():
    """Twenty-eight joints: a foot keeps its angle to the shin, hands and face stay as they were."""
    world = np.concatenate([standing(), np.zeros((3, 6, 11, 3))], 2)
    for child in range(17, 28):
        ahead = 0.2 if BODY28.joints[child].endswith("Toe") else -0.05
        world[:, :, child] = world[:, :, BODY28.parents[child]] + [ahead, 0, -0.06]
    right = np.full((3, 2), np.pi / 2)
    stretched = sit(world, right, np.zeros((3, 2)), np.zeros((3, 2)))
    toe = stretched[0, 0, BODY28.index("LToe")] - stretched[0, 0, J("LAnkle")]
    np.testing.assert_allclose(toe, (0.06, 0, 0.2), atol=1e-12)  # what was ahead is up
    rest = [c for c in range(17, 28) if not BODY28.joints[c].endswith(("Heel", "Toe"))]
    np.testing.assert_allclose(stretched[:, :, rest] - world[:, :, rest], np.broadcast_to([0, 0, -0.8], (3, 6, 7, 3)))


def test_only_people_who_stand_still_are_seated():
    walking = standing()
    walking[1, 3, J("LKnee"), 0] += 0.3
    walking[1, 3, J("LAnkle"), 0] += 0.6
    bent = standing(lean_deg=40)
    assert stands_still(walking).tolist() == [True, False, True]
    assert not stands_still(bent).any()
    out = vary_people(VideoOptions(sitting=1.0), np.random.default_rng(7), walking)
    np.testing.assert_array_equal(out[1], walking[1])
    assert (out[[0, 2], :, 0, 2] < 0.85).all()


def test_seats_lie_in_their_ranges():
    hips, knees, apart = (np.degrees(a) for a in sample_seats(np.random.default_rng(8), 5000))
    assert np.quantile(hips, 0.02) > 60
    assert np.quantile(hips, 0.98) < 130
    assert knees.min() >= 0
    assert (knees < 30).mean() == pytest.approx(1 / 3 * 30 / 130, abs=0.03)
    assert -3 <= apart.min() < -2
    assert 24 < apart.max() <= 25


def test_the_share_that_sits_is_as_told():
    many = standing(count=2000, frames=2)
    out = vary_people(VideoOptions(sitting=0.3), np.random.default_rng(9), many)
    assert (np.abs(out - many).max((1, 2, 3)) > 0).mean() == pytest.approx(0.3, abs=0.03)
