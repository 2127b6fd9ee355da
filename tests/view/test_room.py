"""A motion in its room: footprints, path, stage and mannequin, and what the overlay draws of them."""

import numpy as np
import pytest
from view_people import walker

from prml.skeleton import BODY28, COCO17, H36M17
from prml.view.mannequin import Mannequin, bodies
from prml.view.overlay.compose import Composer, Layout
from prml.view.overlay.room import RoomPanel
from prml.view.raster import Image
from prml.view.room import Footprints, in_room, path_on_floor
from prml.view.stage import LEFT, RIGHT, Stage, path_note


def like(image: Image, colour):
    return np.abs(image.astype(float) - np.array(colour)).max(-1) < 40


def turn(degrees):
    a = np.radians(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])


def test_a_motion_is_in_a_room_and_poses_are_not(make_person):
    motion = walker(10)
    assert in_room(motion)
    assert "floor at 0" in path_note(motion)
    assert not in_room(make_person())
    assert not in_room(motion.with_(contacts=None))
    assert not in_room(motion.relative_to_root())


@pytest.mark.parametrize("skeleton", [BODY28, H36M17])
def test_the_floor_of_a_room_is_at_zero_whoever_floats_or_sinks(skeleton):
    motion = walker(30, skeleton)
    for lift in (-0.2, 0.0, 0.5):
        stage = Stage.of(motion.with_(joints_m=motion.joints_m + [0, 0, lift]))
        assert stage.floor_m == 0
        assert stage.top_m == pytest.approx(np.max(motion.joints_m[..., 2]) + lift, abs=0.02)
    assert Stage.of(motion.with_(joints_m=np.full_like(motion.joints_m, np.nan))).floor_m == 0


def test_the_stage_holds_the_whole_path_and_knows_how_far_a_person_reaches():
    short, long = (Stage.of(walker(frames)) for frames in (10, 100))
    assert long.radius_m > 0.99 > short.radius_m  # half of 99 steps of 2 cm
    assert long.reach_m == pytest.approx(short.reach_m, abs=0.02)


@pytest.mark.parametrize("degrees", [0, 90, 200])
def test_a_room_is_seen_from_the_side_of_its_camera(degrees):
    motion, R = walker(10), turn(degrees)
    camera = motion.camera
    turned = motion.with_(
        joints_m=motion.joints_m @ R.T,
        camera=type(camera)(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy,
                            R_world_to_camera=camera.R_world_to_camera @ R.T, t_m=camera.t_m),
    )  # fmt: skip
    a, b = Stage.of(motion), Stage.of(turned)
    np.testing.assert_allclose(motion.joints_m @ a.R_view.T, turned.joints_m @ b.R_view.T, atol=1e-9)


def test_every_stretch_of_a_standing_foot_is_a_footprint_on_the_ground_below_it():
    motion = walker(60)
    prints = Footprints.of(motion)
    count = np.diff(motion.contacts.astype(int), axis=0, prepend=0)
    assert len(prints) == (count > 0).sum()
    np.testing.assert_allclose(prints.places_m[:, 2], 0, atol=1e-6)
    for frame in range(60):
        assert sorted(prints.columns[list(prints.at(frame))]) == np.flatnonzero(motion.contacts[frame]).tolist()
    assert len(Footprints.of(motion.with_(contacts=np.zeros((60, 4), bool)))) == 0


def test_ankles_that_stand_for_heel_and_toe_leave_one_footprint():
    motion = walker(20, H36M17)
    both = motion.with_(contacts=np.ones((20, 4), bool))
    assert sorted(Footprints.of(both).columns) == [0, 2]


def test_the_path_is_below_the_pelvis_and_breaks_at_gaps():
    motion = walker(60)
    joints = motion.joints_m.copy()
    joints[20:25] = np.nan
    pieces = path_on_floor(motion.with_(joints_m=joints))
    assert len(pieces) == 2
    assert all((piece[:, 2] == 0).all() for piece in pieces)
    np.testing.assert_allclose(pieces[1][0], joints[25, 0] * [1, 1, 0])
    assert len(path_on_floor(motion.with_(joints_m=joints[:1].repeat(60, 0)))[0]) == 1  # who stands goes nowhere


@pytest.mark.parametrize("skeleton", [BODY28, H36M17])
def test_a_mannequin_turns_and_moves_with_its_joints(skeleton):
    motion = walker(5, skeleton)
    shape, joints = Mannequin.of(motion), motion.joints_m[2]
    R = turn(40) @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    moved = joints @ R.T + [1, -2, 0.5]
    np.testing.assert_allclose(shape.ends(moved), shape.ends(joints) @ R.T + [1, -2, 0.5], atol=1e-9)
    np.testing.assert_allclose(shape.sides(moved), shape.sides(joints) @ R.T, atol=1e-9)


@pytest.mark.parametrize("skeleton", [BODY28, H36M17])
def test_a_mannequin_stands_on_the_floor_and_looks_ahead(skeleton):
    motion = walker(1, skeleton)
    shape, joints = Mannequin.of(motion), motion.joints_m[0]
    ends = shape.ends(joints)
    soles = [n for n, body in enumerate(shape.bodies) if body.side is not None and body.tone in ("left", "right")]
    soles = [n for n in soles if ends[:, n, 2].max() < 0.1]
    assert len(soles) == 2
    bottom = ends[:, soles, 2] - (shape.radii_m[soles] * shape.deep[soles, None]).T
    np.testing.assert_allclose(bottom, 0, atol=0.025)
    eyes = next(n for n, body in enumerate(shape.bodies) if body.tone == "dark")
    head = ends[:, eyes - 2].mean(0)
    assert (ends[:, eyes].mean(0) - head)[1] < -0.04  # the walker comes along -y, towards the camera
    assert ends[0, eyes, 0] > ends[1, eyes, 0]  # its left is at +x


def test_sides_of_the_mannequin_mirror_each_other():
    motion = walker(3)
    shape = Mannequin.of(motion)
    mirrored = motion.joints_m[1][list(BODY28.mirror)] * [-1, 1, 1]
    ends, other = shape.ends(motion.joints_m[1]), shape.ends(mirrored) * [-1, 1, 1]
    tones = [body.tone for body in shape.bodies]
    left = [n for n, tone in enumerate(tones) if tone == "left"]
    right = [n for n, tone in enumerate(tones) if tone == "right"]
    np.testing.assert_allclose(ends[:, left], other[:, right], atol=1e-9)


def test_widths_follow_the_size_of_the_person_and_other_skeletons_have_no_mannequin():
    motion = walker(3)
    small = Mannequin.of(motion.with_(joints_m=motion.joints_m * 0.5))
    np.testing.assert_allclose(small.radii_m, Mannequin.of(motion).radii_m * 0.5, rtol=1e-6)
    assert bodies(COCO17) == ()


@pytest.mark.parametrize("skeleton", [BODY28, H36M17])
def test_the_overlay_shows_a_mannequin_with_its_footprints(skeleton):
    motion = walker(40, skeleton)
    composer = Composer(motion, Layout.of(640, 360))
    assert isinstance(composer.panel, RoomPanel)
    room, there = composer.panel.background, composer.panel.draw(motion.joints_m[20], None, 20)
    assert like(there, LEFT).sum() > 3 * like(room, LEFT).sum() > 0
    standing = composer.panel.draw(None, None, 20).astype(int) - room
    side = LEFT if motion.contacts[20, :2].any() else RIGHT
    assert like(
        np.where(np.abs(standing).max(-1, keepdims=True) > 20, composer.panel.draw(None, None, 20), 0), side
    ).any()
    np.testing.assert_array_equal(composer.panel.draw(None, None, None), room)
    assert composer(20).shape == (composer.layout.height, composer.layout.width, 3)


def test_the_whole_mannequin_is_in_the_panel_at_both_ends_of_the_path():
    motion = walker(80)
    panel = Composer(motion, Layout.of(640, 360)).panel
    for frame in (0, 40, 79):
        changed = np.abs(panel.draw(motion.joints_m[frame]).astype(int) - panel.background).max(-1) > 8
        assert changed.any()
        assert not changed[0].any()
        assert not changed[-1].any()
        assert not changed[:, [0, -1]].any()


def test_a_limb_that_was_not_seen_is_faint():
    motion = walker(3)
    panel = Composer(motion, Layout.of(640, 360)).panel
    opacity = np.ones(28)
    opacity[BODY28.index("LKnee")] = 0.2
    whole, faint = (panel.draw(motion.joints_m[1], o) for o in (np.ones(28), opacity))
    assert like(faint, LEFT).sum() < 0.8 * like(whole, LEFT).sum()
    assert like(faint, RIGHT).sum() == pytest.approx(like(whole, RIGHT).sum(), rel=0.15)
