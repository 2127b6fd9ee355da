"""From lifted joints to a person in a room: what the true motion of a known camera gives, and the cases that differ."""

import numpy as np
import pytest

from prml.camera import Camera, look_at
from prml.datasets.mocap import load_sets
from prml.errors import PrmlError
from prml.io.motion_file import read_motion, write_motion
from prml.pipeline.motion import to_motion
from prml.pipeline.motion_settings import MotionSettings
from prml.sequence import CONTACTS, PoseSequence
from prml.skeleton import BODY28, H36M17

UP = np.array([0.0, 0.0, 1.0])


def _clip(name, skeleton=BODY28):
    cmu = load_sets(("cmu",))[0]
    return cmu.sequence(int(np.flatnonzero(cmu.clip_name == name)[0]), skeleton)


def seen(clip, roll_deg=0.0, known=False, height_m=1.4, fov=60.0):
    """A clip before a camera that looks at it, as lifting would give it if the network were perfect."""
    centre = np.nanmean(clip.joints_m, axis=(0, 1)).astype(float)
    R, t = look_at(np.array([centre[0] + 4.5, centre[1] + 1.0, height_m]), centre, np.radians(roll_deg))
    lens = Camera.from_fov(1000, 1000, fov)
    posed = Camera(1000, 1000, lens.fx, lens.fy, 500, 500, R_world_to_camera=R, t_m=t)
    given = clip.in_camera(posed)
    camera = posed if known else lens
    return given.relative_to_root().with_(camera=camera, std_m=np.full(given.joints_m.shape, 0.03)), posed


def tilt_deg(motion, posed):
    """Degrees between the true up direction and the motion's."""
    true, found = posed.R_world_to_camera @ UP, motion.sequence.camera.R_world_to_camera @ UP
    return float(np.degrees(np.arccos(np.clip(true @ found, -1, 1))))


@pytest.fixture(scope="module")
def walk():
    return _clip("02_01")


@pytest.fixture(scope="module")
def jump():
    return _clip("49_02").take(slice(0, 400))


@pytest.mark.parametrize("roll", [0, 40])
def test_a_walk_covers_ground_upright_on_the_floor(walk, roll):
    given, posed = seen(walk, roll)
    motion = to_motion(given)
    true = walk.joints_m[:, 0].astype(float)
    walked = np.linalg.norm(true[-1, :2] - true[0, :2])
    assert tilt_deg(motion, posed) < 3
    path = motion.root_m
    assert np.linalg.norm(path[-1, :2] - path[0, :2]) == pytest.approx(walked, rel=0.05)
    np.testing.assert_allclose(path[0, :2], 0, atol=0.03)
    assert motion.gates["foot_slide_mm"] < 10
    assert motion.gates["below_floor_mm"] < 10
    assert motion.gates["bone_spread_mm"] < 0.1
    assert motion.contacts.any(0).all()
    assert np.abs(path[:, 2] - true[:, 2]).max() < 0.06


def test_a_jump_leaves_the_floor_and_lands_where_it_began(jump):
    given, posed = seen(jump)
    motion = to_motion(given)
    feet = [BODY28.index(name) for name in CONTACTS]
    lowest, true = motion.sequence.joints_m[:, feet, 2].min(1), jump.joints_m[:, feet, 2].min(1)
    assert tilt_deg(motion, posed) < 3
    assert lowest.max() > 0.6 * true.max() > 0.05, "it leaves the floor"
    assert lowest[motion.contacts.any(1)] == pytest.approx(0.02, abs=0.01), "it stands on the floor"


def test_given_extrinsics_say_where_up_is(walk):
    given, posed = seen(walk, 35, known=True)
    motion = to_motion(given)
    assert tilt_deg(motion, posed) < 1e-6
    assert motion.stage("gravity").figures["std_deg"] == 0
    assert tilt_deg(to_motion(given, MotionSettings(gravity="level")), posed) > 30


def test_a_motion_meets_its_picture(walk):
    given, _ = seen(walk)
    motion = to_motion(given, MotionSettings(hold_feet=False, smooth="off"))
    camera = motion.sequence.camera
    away = np.linalg.norm(camera.project(camera.to_camera(motion.sequence.joints_m)) - given.keypoints_px, axis=-1)
    assert away.mean() < 3


def test_a_stated_height_scales_everything(walk):
    given, _ = seen(walk)
    small, tall = (to_motion(given, MotionSettings(height=cm)) for cm in (150, 180))
    assert tall.stage("size").figures["stature_m"] == pytest.approx(1.8)
    ratio = np.ptp(tall.root_m[:, :2], axis=0).max() / np.ptp(small.root_m[:, :2], axis=0).max()
    assert ratio == pytest.approx(1.2, rel=0.02)


def test_facing_turns_the_first_frame_to_x(walk):
    given, _ = seen(walk)
    motion = to_motion(given, MotionSettings(facing=True))
    pose = motion.sequence.joints_m[0]
    left = pose[BODY28.index("LHip")] - pose[BODY28.index("RHip")]
    assert left[1] > 0.99 * np.linalg.norm(left[:2])
    assert np.linalg.det(motion.sequence.camera.R_world_to_camera) == pytest.approx(1)


def test_seventeen_joints_stand_on_their_ankles(walk):
    given, _ = seen(walk.to_skeleton(H36M17))
    motion = to_motion(given)
    assert motion.contacts.any()
    np.testing.assert_array_equal(motion.contacts[:, 0], motion.contacts[:, 1])
    assert motion.gates["foot_slide_mm"] < 10


def test_gaps_stay_gaps(walk):
    given, _ = seen(walk)
    holes = given.joints_m.copy()
    holes[60:75] = np.nan
    motion = to_motion(given.with_(joints_m=holes))
    assert np.isnan(motion.sequence.joints_m[60:75]).all()
    assert not motion.contacts[60:75].any()
    assert np.isfinite(np.delete(motion.sequence.joints_m, np.s_[60:75], 0)).all()


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_a_few_frames_are_a_motion(walk, frames):
    given, _ = seen(walk)
    motion = to_motion(given.take(slice(0, frames)))
    assert np.isfinite(motion.sequence.joints_m).all()
    np.testing.assert_allclose(motion.root_m[0, :2], 0, atol=1e-6)


@pytest.mark.parametrize("change", [{"joints_m": None}, {"keypoints_px": None}, {"camera": None}, {"frame": "world"}])
def test_what_cannot_be_placed_is_refused(walk, change):
    given, _ = seen(walk)
    with pytest.raises(PrmlError, match="a motion needs"):
        to_motion(given.with_(**change))


def test_a_moving_camera_is_refused(walk):
    with pytest.raises(PrmlError, match="stands still"):
        to_motion(seen(walk)[0], MotionSettings(static_camera=False))


def test_nobody_is_refused():
    nobody = PoseSequence.regular(
        4,
        25.0,
        joints_m=np.full((4, 17, 3), np.nan),
        keypoints_px=np.full((4, 17, 2), np.nan),
        camera=Camera.from_fov(9, 9),
    )
    with pytest.raises(PrmlError, match="at least one frame"):
        to_motion(nobody)


def test_a_motion_file_gives_the_motion_back(walk, tmp_path):
    motion = to_motion(seen(walk)[0])
    for name in ("motion.npz", "motion.json"):
        write_motion(motion, tmp_path / name, {"weights": "w"})
        again = read_motion(tmp_path / name)
        np.testing.assert_allclose(again.sequence.joints_m, motion.sequence.joints_m, atol=1e-5)
        np.testing.assert_array_equal(again.contacts, motion.contacts)
        assert [(s.name, s.on, s.assumption) for s in again.stages] == [
            (s.name, s.on, s.assumption) for s in motion.stages
        ]
        assert again.gates == pytest.approx(dict(motion.gates), nan_ok=True)
        assert again.sequence.provenance == {"weights": "w"}
