import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prml.camera import Camera
from prml.errors import PrmlError
from prml.filters.angles import BendAngles, bends_of
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17, Skeleton

UPPER_M, LOWER_M = 0.45, 0.44


def body(bend_deg, turn=None):
    """(17, 3) metres: trunk upright, arms and legs hanging, all elbows and knees bent by an angle, then turned."""
    joints = np.zeros((17, 3))
    index, a = H36M17.index, np.radians(bend_deg)
    joints[index("Thorax")] = [0, -0.5, 0]
    for side, x in (("L", 0.15), ("R", -0.15)):
        for names, top, upper, lower in (
            (("Hip", "Knee", "Ankle"), 0.0, UPPER_M, LOWER_M),
            (("Shoulder", "Elbow", "Wrist"), -0.5, 0.28, 0.25),
        ):
            first, middle, last = (index(side + name) for name in names)
            joints[first] = [x, top, 0]
            joints[middle] = joints[first] + [0, upper, 0]
            joints[last] = joints[middle] + [lower * np.sin(a), lower * np.cos(a), 0]
    return joints if turn is None else joints @ turn.T


def sequence(joints, std=None):
    return PoseSequence.regular(len(joints), 25, joints_m=joints, std_m=std)


def column(angles, name, side="left"):
    return next(k for k, b in enumerate(angles.bends) if (b.name, b.side) == (name, side))


def law_of_cosines(joints, first, middle, last):
    """The bend of a limb in degrees, from three lengths (independent of the library's formula)."""
    a, b, c = (
        np.linalg.norm(joints[..., p, :] - joints[..., q, :], axis=-1)
        for p, q in ((first, middle), (middle, last), (first, last))
    )
    return 180 - np.degrees(np.arccos(np.clip((a**2 + b**2 - c**2) / (2 * a * b), -1, 1)))


def turns(count, seed=0):
    return Rotation.random(count, random_state=seed).as_matrix()


def test_bends_of_limbs_whose_angles_are_known():
    wanted = np.array([0.0, 30.0, 90.0, 150.0])
    angles = BendAngles.of(sequence(np.stack([body(w) for w in wanted])))
    for side in ("left", "right"):
        for name in ("Elbow", "Knee"):
            np.testing.assert_allclose(angles.degrees[:, column(angles, name, side)], wanted, atol=1e-5)
        for name in ("Shoulder", "Hip"):  # arms along the trunk, thighs in line with it
            np.testing.assert_allclose(angles.degrees[:, column(angles, name, side)], 0, atol=1e-5)


def test_bends_do_not_change_when_the_body_is_turned_moved_or_scaled():
    joints = np.random.default_rng(0).normal(size=(8, 17, 3))
    plain = BendAngles.of(sequence(joints)).degrees
    moved = 1.3 * np.einsum("tij,tnj->tni", turns(8), joints) + [1.0, -2.0, 5.0]
    np.testing.assert_allclose(BendAngles.of(sequence(moved)).degrees, plain, atol=1e-6)


def test_a_mirrored_body_swaps_left_and_right():
    joints = np.random.default_rng(1).normal(size=(5, 17, 3))
    mirrored = joints[:, list(H36M17.mirror)] * [-1, 1, 1]
    here, there = BendAngles.of(sequence(joints)), BendAngles.of(sequence(mirrored))
    for name in ("Shoulder", "Elbow", "Hip", "Knee"):
        left, right = column(here, name, "left"), column(here, name, "right")
        np.testing.assert_allclose(there.degrees[:, [left, right]], here.degrees[:, [right, left]], atol=1e-9)


def sampled_std(joints, std, middles, count=60_000):
    """Standard deviation of bends over bodies drawn around a pose."""
    drawn = joints + std * np.random.default_rng(7).normal(size=(count, 17, 3))
    return [law_of_cosines(drawn, *limb).std() for limb in middles]


LIMBS = {
    "Knee": tuple(H36M17.index(j) for j in ("LHip", "LKnee", "LAnkle")),
    "Elbow": tuple(H36M17.index(j) for j in ("LShoulder", "LElbow", "LWrist")),
}


@pytest.mark.parametrize("bend", [0, 4, 10, 25, 60, 90, 140, 172])
@pytest.mark.parametrize("axis", ["across", "towards the camera"])
def test_standard_deviations_agree_with_bodies_drawn_at_random(bend, axis):
    turn = None if axis == "across" else Rotation.from_euler("y", 90, degrees=True).as_matrix()
    joints = body(bend, turn)
    std = np.full((17, 3), 0.01) * [1, 1, 2.5]  # depth is the least certain
    angles = BendAngles.of(sequence(joints[None], std[None]))
    wanted = sampled_std(joints, std, LIMBS.values())
    got = [angles.std_deg[0, column(angles, name)] for name in LIMBS]
    np.testing.assert_allclose(got, wanted, rtol=0.12)


def test_small_standard_deviations_of_bent_limbs_are_exact():
    joints = np.stack([body(bend, turn) for bend, turn in zip((40, 70, 110, 150), turns(4), strict=True)])
    std = np.random.default_rng(2).uniform(0.5e-3, 3e-3, (4, 17, 3))
    angles = BendAngles.of(sequence(joints, std))
    for t in range(4):
        wanted = sampled_std(joints[t], std[t], LIMBS.values())
        np.testing.assert_allclose([angles.std_deg[t, column(angles, n)] for n in LIMBS], wanted, rtol=0.02)
    twice = BendAngles.of(sequence(joints, 2 * std)).std_deg
    knee = column(angles, "Knee")
    np.testing.assert_allclose(twice[:, knee], 2 * angles.std_deg[:, knee], rtol=0.01)


def test_two_limbs_without_a_common_joint():
    joints, std = body(0), np.full((17, 3), 2e-3)
    joints[H36M17.index("LElbow")] = joints[H36M17.index("LShoulder")] + [0.2, 0.2, 0]
    angles = BendAngles.of(sequence(joints[None], std[None]))
    # 45 degrees between the trunk (0.5 m) and the upper arm (0.283 m); both ends of both are uncertain
    wanted = np.degrees(np.sqrt(2) * 2e-3 * np.hypot(1 / 0.5, 1 / np.hypot(0.2, 0.2)))
    assert angles.degrees[0, column(angles, "Shoulder")] == pytest.approx(45)
    assert angles.std_deg[0, column(angles, "Shoulder")] == pytest.approx(wanted, rel=0.01)


def test_world_joints_have_the_uncertainty_of_the_same_body_in_the_camera_s_frame():
    joints, std = np.stack([body(70, turn) for turn in turns(3, 5)]), np.full((3, 17, 3), 0.01) * [1, 1, 4]
    camera = Camera(640, 480, 600, 600, 320, 240, R_world_to_camera=turns(1, 9)[0], t_m=np.array([0.1, 0.2, 4.0]))
    seen = BendAngles.of(sequence(joints, std))
    world = sequence(camera.to_world(joints), std).with_(frame="world", camera=camera)
    np.testing.assert_allclose(BendAngles.of(world).std_deg, seen.std_deg, rtol=1e-6)


def test_gaps_certain_joints_and_sequences_without_uncertainty():
    joints = np.stack([body(30), body(0), np.full((17, 3), np.nan)])
    angles = BendAngles.of(sequence(joints, np.zeros((3, 17, 3))))
    np.testing.assert_allclose(angles.std_deg[:2], 0, atol=1e-5)
    assert np.isnan(angles.degrees[2]).all()
    assert np.isnan(angles.std_deg[2]).all()
    assert BendAngles.of(sequence(joints)).std_deg is None
    with pytest.raises(PrmlError, match="lift it first"):
        BendAngles.of(PoseSequence.regular(2, 25, keypoints_px=np.zeros((2, 17, 2))))


def test_long_sequences_are_the_same_block_by_block(monkeypatch):
    joints, std = np.random.default_rng(3).normal(size=(50, 17, 3)), np.full((50, 17, 3), 0.02)
    whole = BendAngles.of(sequence(joints, std))
    monkeypatch.setattr("prml.filters.angles._BLOCK", 7)
    parts = BendAngles.of(sequence(joints, std))
    np.testing.assert_array_equal(parts.degrees, whole.degrees)
    np.testing.assert_array_equal(parts.std_deg, whole.std_deg)


def test_a_skeleton_without_arms_has_bends_of_its_legs_only():
    names = ("Hip", "Thorax", "LHip", "LKnee", "LAnkle", "RHip", "RKnee", "RAnkle")
    legs = Skeleton("legs8", names, (-1, 0, 0, 2, 3, 0, 5, 6), (2, 3, 4), (5, 6, 7))
    assert [(b.name, b.side) for b in bends_of(legs)] == [(n, s) for n in ("Hip", "Knee") for s in ("left", "right")]
    assert bends_of(Skeleton("dot", ("Hip",), (-1,), (), ())) == ()


@pytest.mark.parametrize("toes_down_deg", [0, 35, 60, -20])
def test_the_angle_of_an_ankle_is_a_right_one_in_a_flat_stance_and_less_when_toes_point_down(toes_down_deg):
    joints = np.zeros((1, 28, 3))
    down = np.radians(toes_down_deg)
    for side, y in (("L", 0.1), ("R", -0.1)):
        joints[0, BODY28.index(side + "Knee")] = (0, y, 0.5)
        joints[0, BODY28.index(side + "Ankle")] = (0, y, 0.08)
        heel = np.array([-0.05, y, 0.02])
        joints[0, BODY28.index(side + "Heel")] = heel
        joints[0, BODY28.index(side + "Toe")] = heel + 0.25 * np.array([np.cos(down), 0, -np.sin(down)])
    found = BendAngles.of(PoseSequence.regular(1, 30.0, BODY28, joints_m=joints, frame="world"))
    for side in ("left", "right"):
        assert found.degrees[0, column(found, "Ankle", side)] == pytest.approx(90 - toes_down_deg)


def test_17_joints_have_no_ankle_angle():
    assert {b.name for b in bends_of(H36M17)} == {"Shoulder", "Elbow", "Hip", "Knee"}
    assert {b.name for b in bends_of(BODY28)} == {"Shoulder", "Elbow", "Hip", "Knee", "Ankle"}
