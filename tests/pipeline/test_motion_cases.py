"""People and cameras for which a motion differs: what is done then is said in docs/motion.md."""

import numpy as np
import pytest

from fixtures.standing import standing
from prml.camera import Camera, look_at
from prml.datasets.mocap import load_sets
from prml.pipeline.motion import doubts_of, to_motion
from prml.pipeline.motion_settings import MotionSettings
from prml.sequence import PoseSequence
from prml.skeleton import BODY28

UP = np.array([0.0, 0.0, 1.0])
FPS = 30.0
LEGS = [k for k, name in enumerate(BODY28.joints) if name[1:] in ("Knee", "Ankle", "Heel", "Toe")]


def _sway(frames, pose=None, seed=0):
    """A person who stands, with a little sway above the ankles."""
    body = np.repeat((standing() if pose is None else pose)[None], frames, 0)
    t = np.arange(frames)[:, None] / FPS
    phase = np.random.default_rng(seed).uniform(0, 6, 2)
    body[..., :2] += (0.01 * np.sin(2 * t + phase))[:, None] * np.clip(body[..., 2:] / 1.5, 0, 1)
    return body


def _seen(world, known=False, **fields):
    """A person before a camera at 4 m that is held level, as lifting would give it if the network were perfect."""
    centre = world.reshape(-1, 3).mean(0)
    R, t = look_at(centre + [4.0, 0.5, 0.0], centre)
    lens = Camera.from_fov(1000, 1000, 60)
    posed = Camera(1000, 1000, lens.fx, lens.fy, 500, 500, R_world_to_camera=R, t_m=t)
    sequence = PoseSequence.regular(len(world), FPS, BODY28, joints_m=world, frame="world").in_camera(posed)
    given = sequence.relative_to_root().with_(camera=posed if known else lens, **fields)
    return given.with_(std_m=np.full(world.shape, 0.03)), posed


def _tilt_deg(motion, posed):
    true, found = posed.R_world_to_camera @ UP, motion.sequence.camera.R_world_to_camera @ UP
    return float(np.degrees(np.arccos(np.clip(true @ found, -1, 1))))


def test_a_person_who_stands_stands():
    given, posed = _seen(_sway(90))
    motion = to_motion(given)
    assert _tilt_deg(motion, posed) < 4
    assert motion.contacts.all()
    assert np.ptp(motion.root_m[:, :2], axis=0).max() < 0.05
    assert not doubts_of(motion)


def _about_x(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


@pytest.mark.parametrize("degrees", [90, 180], ids=["lying", "upside down"])
def test_somebody_who_is_not_upright_does_not_turn_the_room(degrees):
    body = _sway(60) @ _about_x(degrees).T
    body[..., 2] -= body[..., 2].min() - 0.1
    given, posed = _seen(body)
    motion = to_motion(given)
    assert _tilt_deg(motion, posed) < 5
    assert motion.stage("gravity").figures["std_deg"] > 12
    assert any("upright" in doubt for doubt in doubts_of(motion))
    assert motion.sequence.joints_m[..., 2].min() > -0.1


def test_somebody_who_lies_down_after_standing_lies_on_the_floor():
    hdm = load_sets(("hdm05",))[0]
    number = int(np.flatnonzero(hdm.action == "lieDownFloor")[0])
    clip = hdm.sequence(number, BODY28)
    given, posed = _seen(np.asarray(clip.joints_m, float))
    motion = to_motion(given)
    assert _tilt_deg(motion, posed) < 4
    height = motion.root_m[:, 2]
    assert height[:10].mean() - height.min() > 0.5


def test_nobody_stands_in_the_air():
    t = np.arange(30)[:, None, None] / FPS
    flight = standing()[None] + np.concatenate([2.0 * t, 0 * t, 1 + 3 * t - 4.9 * t**2], -1)
    motion = to_motion(_seen(flight)[0])
    assert not motion.contacts.any()
    assert not motion.stage("floor").on
    assert "no foot" in motion.stage("floor").assumption
    assert np.isnan(motion.gates["foot_slide_mm"])
    assert motion.sequence.joints_m[..., 2].min() >= 0


def test_a_person_cut_at_the_waist_has_no_contacts():
    body = _sway(60)
    inferred = np.zeros((60, 28), bool)
    inferred[:, LEGS] = True
    given, posed = _seen(body, inferred=inferred)
    points = given.keypoints_px.copy()
    points[:, LEGS] = np.nan
    motion = to_motion(given.with_(keypoints_px=points))
    assert not motion.contacts.any()
    assert np.isfinite(motion.sequence.joints_m).all()
    assert motion.stage("gravity").figures["std_deg"] > 5
    assert _tilt_deg(motion, posed) < 6
    assert not any("camera moves" in doubt for doubt in doubts_of(motion)), "it is known why no foot stands"


def test_a_step_up_leaves_the_floor_where_it_was():
    body = _sway(150)
    rise = np.clip((np.arange(150) - 75) / 12, 0, 1)
    body += rise[:, None, None] * np.array([0.3, 0, 0.4])
    motion = to_motion(_seen(body, known=True)[0])
    height = motion.root_m[:, 2]
    assert height[130:].mean() - height[:60].mean() == pytest.approx(0.4, abs=0.05)
    assert height[:60].mean() == pytest.approx(1.0, abs=0.03), "the floor is where they stood first or longest"
    assert motion.contacts[:60].all()
    assert motion.contacts[110:].all()
    assert 0.2 < motion.stage("floor").figures["raised_share"] < 0.6
    feet = [BODY28.index(name) for name in ("LHeel", "RToe")]
    assert motion.sequence.joints_m[120:, feet, 2] == pytest.approx(0.42, abs=0.05)


def test_a_beam_is_taken_for_the_floor():
    motion = to_motion(_seen(_sway(60) + [0, 0, 0.5], known=True)[0])
    assert motion.sequence.joints_m[:, BODY28.index("LHeel"), 2] == pytest.approx(0.02, abs=0.005)


def test_a_camera_that_follows_is_noticed():
    cmu = load_sets(("cmu",))[0]
    walk = cmu.sequence(int(np.flatnonzero(cmu.clip_name == "02_01")[0]), BODY28)
    world = np.asarray(walk.joints_m, float)
    followed = world - world[:, :1] * [1, 1, 0]  # in place, as a camera that goes along sees it
    given, _ = _seen(followed)
    given = given.with_(times_s=walk.times_s, fps=walk.fps)
    assert any("static_camera=False" in doubt for doubt in doubts_of(to_motion(given)))
    steady = _seen(world)[0].with_(times_s=walk.times_s, fps=walk.fps)
    assert not doubts_of(to_motion(steady))


def test_a_distorting_lens_and_uneven_times_change_little():
    given, _ = _seen(_sway(90))
    lens = given.camera
    bent = Camera(1000, 1000, lens.fx, lens.fy, 500, 500, radial=(-0.2, 0.03, 0.0))
    plane = lens.unproject(given.keypoints_px)
    points = bent.distort(plane) * lens.fx + 500
    uneven = given.times_s + 0.008 * np.sin(np.arange(90))
    straight = to_motion(given)
    other = to_motion(given.with_(camera=bent, keypoints_px=points, times_s=uneven))
    np.testing.assert_allclose(other.root_m, straight.root_m, atol=0.05)


def test_stages_that_are_off_say_so():
    settings = MotionSettings(refine=False, smooth="off", hold_feet=False)
    motion = to_motion(_seen(_sway(40))[0], settings)
    off = {stage.name for stage in motion.stages if not stage.on}
    assert off == {"size", "skeleton", "smoothing", "feet", "gait"}
    live = to_motion(_seen(_sway(40))[0], MotionSettings(smooth="one-euro"))
    assert live.stage("smoothing").on
