"""The laws of a rig: its joints are those given, a mirrored motion is mirrored, a turn of the world turns the root."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fixtures.moving import body, moving
from prml.errors import PrmlError
from prml.rig import forward, to_rig
from prml.rig.mannequin import mannequin
from prml.rig.rig import y_up
from prml.skeleton import BODY28, COCO17, H36M17

SEEDS = range(5)


def turn(motion, bone):
    """Rotation of a bone against its parent."""
    return Rotation.from_quat(motion.rotations[:, motion.rig.index(bone)], scalar_first=True)


@pytest.mark.parametrize("rest", ["t", "a"])
@pytest.mark.parametrize("skeleton", [BODY28, H36M17], ids=lambda s: s.name)
def test_joints_of_a_body_of_constant_size_are_returned(skeleton, rest):
    for seed in SEEDS:
        given = moving(seed=seed).to_skeleton(skeleton)
        made = to_rig(given, rest)
        np.testing.assert_allclose(forward(made), given.joints_m, atol=1e-3)  # all 28, or all 17
        assert made.rig.rest == rest


def test_a_mirrored_motion_has_mirrored_rotations():
    given = moving(seed=1)
    mirrored = given.with_(joints_m=BODY28.flip(given.joints_m))
    a, b = to_rig(given), to_rig(mirrored)
    names = a.rig.names
    other = {"L": ("Left", "Right"), "R": ("Right", "Left")}
    twin = [names.index(n.replace(*other[n[0]]) if n[0] in other else n) for n in names]
    seen = a.rotations[:, twin] * [1, 1, -1, -1]  # across the plane of symmetry, x = 0
    np.testing.assert_allclose(np.abs((seen * b.rotations).sum(-1)), 1, atol=1e-9)
    np.testing.assert_allclose(b.root_m, a.root_m * [-1, 1, 1], atol=1e-12)


def test_a_turn_of_the_world_changes_the_root_only():
    given = moving(seed=2)
    R = Rotation.from_rotvec([0.4, -1.1, 2.0])
    away = to_rig(given.with_(joints_m=given.joints_m @ R.as_matrix().T + [3, -2, 1]))
    here = to_rig(given)
    np.testing.assert_allclose(away.rotations[:, 1:], here.rotations[:, 1:], atol=1e-9)
    up = Rotation.from_rotvec(y_up(R.as_rotvec()))
    np.testing.assert_allclose((turn(away, "Hips") * turn(here, "Hips").inv() * up.inv()).magnitude(), 0, atol=1e-6)


def test_the_rest_pose_has_no_rotation():
    """Somebody who stands as the rig does at rest: all rotations are the identity, in T and in A pose."""
    for rest in ("t", "a"):
        made = to_rig(moving(seed=3), rest)
        heads, rig = made.rig.heads_m, made.rig
        places = {j: heads[rig.index(b)] + at for j, (b, at) in rig.points.items()}
        joints = np.stack([places[j] for j in BODY28.joints])[None, :, [0, 2, 1]] * [1, -1, 1]
        again = to_rig(body().with_(joints_m=joints), rest)
        degrees = np.degrees(2 * np.arccos(np.clip(again.rotations[0, :, 0], -1, 1)))
        assert degrees.max() < 0.1, dict(zip(rig.names, degrees, strict=True))
        np.testing.assert_allclose(again.rig.offsets_m, rig.offsets_m, atol=1e-6)


@pytest.mark.parametrize(
    ("part", "bone", "axis", "limits"),
    [
        ("Lfore", "LeftForeArm", (0, -1, 0), (25, 120)),
        ("Rfore", "RightForeArm", (0, 1, 0), (25, 120)),
        ("Lshin", "LeftLeg", (1, 0, 0), (25, 120)),
        ("head", "Head", (1, 0, 0), (-40, 40)),
        ("Lfoot", "LeftFoot", (1, 0, 0), (-30, 30)),
        ("Rthigh", "RightUpLeg", (1, 0, 0), (-60, 60)),
        ("Lupper", "LeftArm", (0, 0, 1), (-80, 80)),
    ],
)
def test_a_bone_turns_as_its_part_does_and_no_other_one(part, bone, axis, limits):
    degrees = np.linspace(*limits, 40)
    still = to_rig(body({"pelvis": Rotation.from_rotvec(np.zeros((40, 3)))}))
    made = to_rig(body({part: Rotation.from_rotvec(np.radians(degrees)[:, None] * np.array(axis))}))
    for name in made.rig.names:
        seen = (turn(still, name).inv() * turn(made, name)).as_rotvec(degrees=True)
        wanted = degrees[:, None] * np.array(axis) if name == bone else np.zeros(3)
        np.testing.assert_allclose(seen, np.broadcast_to(wanted, seen.shape), atol=0.6, err_msg=name)


@pytest.mark.parametrize("degrees", [-100, -60, 60, 100])
def test_the_forearm_takes_half_of_the_twist_of_the_hand(degrees):
    made = to_rig(body({"Lhand": Rotation.from_rotvec([degrees, 0, 0], degrees=True)}))
    for bone in ("LeftForeArm", "LeftHand"):
        np.testing.assert_allclose(turn(made, bone).as_rotvec(degrees=True), [[degrees / 2, 0, 0]], atol=0.2)


def test_a_turning_hand_never_jumps():
    degrees = np.linspace(0, 720, 361)[:, None] * [1, 0, 0]
    made = to_rig(body({"Lhand": Rotation.from_rotvec(degrees, degrees=True)}))
    for bone in ("LeftForeArm", "LeftHand"):
        step = (turn(made, bone)[:-1].inv() * turn(made, bone)[1:]).magnitude()
        assert np.degrees(step.max()) < 6.5  # the hand turns by 2 degrees a frame, the forearm back by up to 2 x 2


def test_neck_and_spine_take_half_of_the_twist():
    made = to_rig(body({"neck": Rotation.from_rotvec([0, 0.8, 0]), "chest": Rotation.from_rotvec([0, 0.6, 0])}))
    for bone, radians in (("Neck", 0.4), ("Head", 0.4), ("Spine", 0.3), ("Spine1", 0.3)):
        assert turn(made, bone).magnitude()[0] == pytest.approx(radians, abs=0.06)


def quiet(motion):
    """The largest step of a bone from frame to frame, degrees."""
    q = motion.rotations
    return np.degrees(2 * np.arccos(np.clip(np.abs((q[1:] * q[:-1]).sum(-1)), 0, 1))).max()


def test_quaternions_are_unit_and_do_not_jump():
    for seed in SEEDS:
        made = to_rig(moving(400, seed, size=0.7))
        np.testing.assert_allclose(np.linalg.norm(made.rotations, axis=-1), 1, atol=1e-12)
        assert ((made.rotations[1:] * made.rotations[:-1]).sum(-1) > 0.9).all()
        assert quiet(made) < 12


def _arm(bend_deg, tilt_deg=60.0):
    """A left arm whose elbow bends about an axis tilted against that of the rest pose."""
    hinge = Rotation.from_rotvec([tilt_deg, 0, 0], degrees=True)
    bends = Rotation.from_rotvec(np.asarray(bend_deg)[:, None] * [0, -1.0, 0], degrees=True)
    return body({"Lupper": hinge, "Lfore": bends, "Lhand": Rotation.identity()})


def _twist(made):
    """Of the left upper arm, degrees."""
    return turn(made, "LeftArm").as_rotvec(degrees=True)[:, 0]


def test_a_limb_that_is_straight_for_a_moment_keeps_its_axis():
    made = to_rig(_arm([*np.linspace(40, 0, 20), *np.zeros(5), *np.linspace(0, 40, 20)]))
    np.testing.assert_allclose(_twist(made), 60, atol=3)


def test_a_limb_that_is_straight_for_long_comes_to_rest_and_returns():
    twist = _twist(to_rig(_arm([*np.full(10, 40.0), *np.zeros(500), *np.full(10, 40.0)])))
    np.testing.assert_allclose(twist[[0, 9, -10, -1]], 60, atol=1.5)
    assert abs(twist[260]) < 4
    assert np.abs(np.diff(twist)).max() < 2


def test_a_limb_at_the_edge_of_straight_does_not_flicker():
    """A bend between the two thresholds counts if it was more before, and does not if it was less."""
    more = _twist(to_rig(_arm([*np.full(10, 30.0), *np.full(50, 14.0)])))
    less = _twist(to_rig(_arm([*np.zeros(10), *np.full(50, 14.0)])))
    np.testing.assert_allclose(more, 60, atol=0.5)
    np.testing.assert_allclose(less, 0, atol=0.5)


def test_noise_does_not_turn_a_straight_leg():
    given = body({"pelvis": Rotation.from_rotvec(np.zeros((200, 3)))})
    noise = np.random.default_rng(0).normal(0, 0.004, given.joints_m.shape)
    noise[:, [BODY28.index(f"{s}{j}") for s in "LR" for j in ("Heel", "Toe", "Hand", "Thumb")]] = 0
    made = to_rig(given.with_(joints_m=given.joints_m + noise))
    for bone in ("LeftUpLeg", "RightUpLeg", "LeftArm"):
        assert np.degrees(turn(made, bone).magnitude().max()) < 12


def test_noise_hardly_turns_a_limb_that_is_bent_a_little():
    """Of an elbow bent by 20 degrees, 8 mm at the wrist turn the plane by 6 degrees each; the axis by a third of it."""
    given = _arm(np.full(300, 20.0), 0)
    rng, joints = np.random.default_rng(1), given.joints_m.copy()
    wrist = BODY28.index("LWrist")
    joints[:, wrist, 2] += rng.normal(0, 0.008, 300)
    twist = _twist(to_rig(given.with_(joints_m=joints)))
    plane = np.degrees(np.arctan2(joints[:, wrist, 2] - given.joints_m[0, wrist, 2], 0.25 * np.sin(np.radians(20))))
    assert 4 < plane.std() < 7
    assert twist.std() < plane.std() / 2
    assert np.diff(twist).std() < np.diff(plane).std() / 8


def test_a_thumb_that_does_not_keep_its_distance_turns_the_hand_less():
    given = body({"pelvis": Rotation.from_rotvec(np.zeros((200, 3)))})
    joints, thumb = given.joints_m.copy(), BODY28.index("LThumb")
    joints[:, thumb] += np.random.default_rng(2).normal(0, 0.012, (200, 3))
    made = to_rig(given.with_(joints_m=joints))
    twist = sum(turn(made, f"Left{bone}").as_rotvec(degrees=True)[:, 0] for bone in ("ForeArm", "Hand"))
    seen = np.degrees(np.arctan2(*(joints - given.joints_m[:, [BODY28.index("LWrist")]])[:, thumb, [2, 1]].T))
    assert np.diff(seen).std() > 10
    assert np.diff(twist).std() < 2
    k = BODY28.index("LHand")
    np.testing.assert_allclose(forward(made)[:, k], given.joints_m[:, k], atol=1e-3)


def test_a_knee_bent_backwards_a_little_does_not_turn_the_leg_round():
    back = Rotation.from_rotvec(np.linspace(0, -30, 30)[:, None] * [1, 0, 0], degrees=True)
    made = to_rig(body({"Lshin": back}))
    assert np.degrees(turn(made, "LeftUpLeg").magnitude().max()) < 1
    np.testing.assert_allclose(turn(made, "LeftLeg").as_rotvec(degrees=True)[-1], [-30, 0, 0], atol=0.5)


def test_toes_bend_where_the_tip_comes_nearer_to_the_ankle():
    flat = to_rig(body({"pelvis": Rotation.from_rotvec(np.zeros((60, 3)))}))
    rig, given = flat.rig, np.repeat(body().joints_m, 60, 0)
    ball, tip = rig.offsets_m[rig.index("LeftToeBase")], rig.ends_m["LeftToeBase"]
    degrees = np.concatenate([np.zeros(40), np.linspace(0, 50, 20)])
    bent = Rotation.from_rotvec(-degrees[:, None] * [1, 0, 0], degrees=True)
    ankle = given[:, BODY28.index("LAnkle")]
    given[:, BODY28.index("LToe")] = ankle + (ball + bent.apply(tip))[:, [0, 2, 1]] * [1, -1, 1]
    made = to_rig(body({"pelvis": Rotation.from_rotvec(np.zeros((60, 3)))}).with_(joints_m=given))
    np.testing.assert_allclose(turn(made, "LeftToeBase").as_rotvec(degrees=True)[:, 0], -degrees, atol=0.5)
    assert np.degrees(turn(made, "LeftFoot").magnitude().max()) < 0.5
    np.testing.assert_allclose(forward(made), given, atol=1e-3)


def test_without_feet_hands_and_face_they_follow_and_that_is_said():
    made = to_rig(moving().to_skeleton(H36M17))
    assert set(made.rig.inferred) == {"Head"} | {
        side + part for side in ("Left", "Right") for part in ("Hand", "Foot", "ToeBase")
    }
    for bone in set(made.rig.inferred) - {"Head"}:
        assert turn(made, bone).magnitude().max() < 1e-6
    assert any("follow their parent" in note for note in made.rig.notes)
    assert not to_rig(moving()).rig.inferred


def test_bones_that_change_length_have_their_median_and_that_is_said():
    given = moving(200)
    joints = given.joints_m.copy()
    way = joints[:, BODY28.index("LKnee")] - joints[:, BODY28.index("LHip")]
    for joint in ("LKnee", "LAnkle", "LHeel", "LToe"):
        joints[::4, BODY28.index(joint)] += 0.05 * way[::4]
    made = to_rig(given.with_(joints_m=joints))
    assert np.linalg.norm(made.rig.offsets_m[made.rig.index("LeftLeg")]) == pytest.approx(0.43, abs=1e-3)
    assert any("medians" in note and "mm" in note for note in made.rig.notes)
    assert not to_rig(given).rig.notes
    lengths = np.linalg.norm(np.diff(forward(made)[:, [BODY28.index("LHip"), BODY28.index("LKnee")]], axis=1), axis=-1)
    np.testing.assert_allclose(lengths, 0.43, atol=1e-3)


def test_gaps_stay_gaps_and_are_held_for_files():
    given = moving(60)
    joints = given.joints_m.copy()
    joints[:5], joints[20:30, 3] = np.nan, np.nan
    there = np.ones(60, bool)
    there[50:] = False
    made = to_rig(given.with_(joints_m=joints, has_person=there))
    gap = ~made.present
    np.testing.assert_array_equal(np.flatnonzero(gap), [*range(5), *range(20, 30), *range(50, 60)])
    assert np.isnan(made.rotations[gap]).all()
    assert np.isnan(forward(made)[gap]).all()
    held = made.held()
    for frame, source in ((0, 5), (4, 5), (25, 19), (59, 49)):
        np.testing.assert_allclose(np.abs((held.rotations[frame] * made.rotations[source]).sum(-1)), 1, atol=1e-12)
        np.testing.assert_array_equal(held.root_m[frame], made.root_m[source])


def test_a_hand_that_is_lost_for_a_while_is_filled():
    given = moving(60)
    joints = given.joints_m.copy()
    joints[20:30, [BODY28.index("LHand"), BODY28.index("LThumb")]] = np.nan
    made = to_rig(given.with_(joints_m=joints))
    assert made.present.all()
    assert np.isfinite(made.rotations).all()
    assert quiet(made) < 12


def test_uneven_times_become_a_regular_grid():
    given = moving(100, fps=50.0)
    times = given.times_s.copy()
    times[1:-1] += np.random.default_rng(0).uniform(-0.008, 0.008, 98)
    uneven = to_rig(given.with_(times_s=times + 7.0)).regular()
    assert len(uneven) == 100
    np.testing.assert_allclose(uneven.times_s, np.arange(100) / 50, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(uneven.rotations, axis=-1), 1, atol=1e-12)
    even = to_rig(given)
    np.testing.assert_array_equal(even.regular().rotations, even.rotations)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("joint", "other"),
    [("LKnee", "LHip"), ("LThumb", "LWrist"), ("LToe", "LHeel"), ("LEar", "REar"), ("Head", "Nose"), ("LHip", "RHip")],
)
@pytest.mark.parametrize("frames", [slice(None), slice(5, 9)], ids=["always", "for a while"])
def test_joints_that_coincide_leave_numbers_everywhere(joint, other, frames):
    given = moving(30)
    joints = given.joints_m.copy()
    joints[frames, BODY28.index(joint)] = joints[frames, BODY28.index(other)]
    made = to_rig(given.with_(joints_m=joints))
    assert np.isfinite(made.rotations).all()
    np.testing.assert_allclose(np.linalg.norm(made.rotations, axis=-1), 1, atol=1e-9)
    assert np.isfinite(mannequin(made.rig).points_m).all()


def test_a_single_frame():
    given = moving(1)
    np.testing.assert_allclose(forward(to_rig(given).regular()), given.joints_m, atol=1e-3)


def test_the_hips_are_as_high_as_somebody_who_stands():
    made = to_rig(body())
    assert made.rig.hip_height_m == pytest.approx(0.93, abs=1e-3)


def test_upside_down_and_lying_people():
    for turned in ([np.pi, 0, 0], [np.pi / 2, 0, 0], [0, 0, np.pi / 2]):
        given = body({"pelvis": Rotation.from_rotvec(turned)})
        np.testing.assert_allclose(forward(to_rig(given)), given.joints_m, atol=1e-3)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda s: s.with_(frame="camera"), "world frame"),
        (lambda s: s.relative_to_root(), "world frame"),
        (lambda s: s.with_(joints_m=None), "world frame"),
        (lambda s: s.with_(skeleton=COCO17, joints_m=s.joints_m[:, :17]), "coco17"),
        (lambda s: s.with_(joints_m=s.joints_m * np.nan), "none"),
        (lambda s: s.with_(has_person=np.zeros(len(s), bool)), "none"),
    ],
)
def test_what_cannot_be_a_rig_is_refused(wrong, told):
    with pytest.raises(PrmlError, match=told):
        to_rig(wrong(moving(5)))


@pytest.mark.misfit
def test_an_unknown_rest_pose_is_refused():
    with pytest.raises(PrmlError, match="'t' or 'a'"):
        to_rig(moving(2), "y")
