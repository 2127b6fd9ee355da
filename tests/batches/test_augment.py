"""Made-up motion: bones, joints and symmetry are kept as the options say, and what is off changes nothing."""

import numpy as np
import pytest

from prml.batches.augment import (
    _ARMS,
    _CHEST,
    _LEGS,
    _PELVIS,
    exchange_limbs,
    scale_bones,
    tilt,
    torso_frame,
    vary_motion,
)
from prml.batches.options import MocapWindowOptions, MotionOptions
from prml.batches.training_windows import MocapWindows
from prml.datasets.mocap import load_sets
from prml.skeleton import H36M17


@pytest.fixture(scope="module")
def world():
    clip = next(iter(load_sets(("ui_prmd",))[0].sequences("train"))).joints_m
    return np.stack([clip[:20], clip[20:40] + 0.4, clip[40:60] * 1.1]).astype(np.float32)


def _lengths(joints):
    start, end = np.array(H36M17.bones).T
    return np.linalg.norm(joints[..., start, :] - joints[..., end, :], axis=-1)


def _turns(rng, count):
    q, r = np.linalg.qr(rng.standard_normal((count, 3, 3)))
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
    q[:, :, 0] *= np.linalg.det(q)[:, None]
    return q.astype(np.float32)


def test_options_at_zero_change_nothing_and_draw_nothing(world):
    rng, untouched = np.random.default_rng(1), np.random.default_rng(1)
    np.testing.assert_array_equal(vary_motion(MotionOptions(), rng, world), world)
    assert rng.random() == untouched.random()


@pytest.mark.parametrize(("torso", "chains"), [(_CHEST, _ARMS), (_PELVIS, _LEGS)])
def test_exchanged_limbs_keep_bone_lengths_and_the_other_joints(world, torso, chains):
    out = exchange_limbs(world, np.array([True, False, True]), torso, chains)
    np.testing.assert_allclose(_lengths(out), _lengths(world), atol=1e-5)
    moved = [j for chain in chains for j in chain[1:]]
    rest = [j for j in range(17) if j not in moved]
    np.testing.assert_array_equal(out[:, :, rest], world[:, :, rest])
    np.testing.assert_array_equal(out[1], world[1])
    assert np.abs(out[0, :, moved] - world[0, :, moved]).max() > 0.01


def test_limbs_of_the_same_motion_elsewhere_are_ones_own(world):
    """The donor turned, moved and scaled is no other person: limbs come in the frame of the torso."""
    same = np.repeat(world[:1], 3, 0) @ _turns(np.random.default_rng(2), 3)[:, None] * np.float32(1.2) + 3
    for torso, chains in ((_CHEST, _ARMS), (_PELVIS, _LEGS)):
        np.testing.assert_allclose(exchange_limbs(same, np.ones(3, bool), torso, chains), same, atol=2e-4)


def test_torso_frames_are_rotations_that_turn_with_the_person(world):
    turn = _turns(np.random.default_rng(3), 3)[:, None]
    frame = torso_frame(world, _CHEST)
    np.testing.assert_allclose(frame @ np.swapaxes(frame, -1, -2), np.broadcast_to(np.eye(3), frame.shape), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(frame), 1, atol=1e-5)
    np.testing.assert_allclose(torso_frame(world @ np.swapaxes(turn, -1, -2), _CHEST), turn @ frame, atol=1e-4)


def test_bones_are_scaled_and_directions_kept(world):
    factors = np.exp(np.random.default_rng(4).normal(0, 0.1, (3, 17)))
    out = scale_bones(world, factors)
    children = [c for _, c in H36M17.bones]
    np.testing.assert_allclose(_lengths(out), _lengths(world) * factors[:, None, children], rtol=1e-4)
    np.testing.assert_allclose(scale_bones(out, 1 / factors), world, atol=1e-5)


def test_changed_bones_are_symmetric(world):
    out = vary_motion(MotionOptions(bones=0.1), np.random.default_rng(5), world)
    ratio = _lengths(out) / _lengths(world)
    column = {child: i for i, (_, child) in enumerate(H36M17.bones)}
    for left, right in zip(H36M17.left, H36M17.right, strict=True):
        np.testing.assert_allclose(ratio[..., column[left]], ratio[..., column[right]], rtol=1e-3)
    assert ratio.std() > 0.02


def test_a_tilt_is_a_rotation_about_a_horizontal_axis_and_can_be_undone(world):
    rng = np.random.default_rng(6)
    angle, heading = rng.normal(0, 1, 3), rng.uniform(0, 6, 3)
    out = tilt(world, angle, heading)
    np.testing.assert_allclose(_lengths(out), _lengths(world), atol=1e-5)
    np.testing.assert_allclose(tilt(out, -angle, heading), world, atol=1e-5)
    axis = np.stack([np.cos(heading), np.sin(heading), np.zeros(3)], -1)
    spine = world[:, :, 8] - world[:, :, 0]
    turned = out[:, :, 8] - out[:, :, 0]
    np.testing.assert_allclose(np.einsum("btc,bc->bt", turned, axis), np.einsum("btc,bc->bt", spine, axis), atol=1e-5)
    up = np.zeros((1, 1, 17, 3), np.float32)
    up[:, :, 10, 2] = 1.0
    over = tilt(up, np.array([np.pi / 2]), np.array([0.0]))  # about x: up falls to -y
    np.testing.assert_allclose(over[0, 0, 10], [0, -1, 0], atol=1e-6)


def test_input_and_target_of_changed_motion_are_of_one_pose():
    """Exact keypoints of made-up motion lie where the target does, up to perspective."""
    motion = MotionOptions(arms=0.5, legs=0.5, bones=0.1, tilt=0.5)
    options = MocapWindowOptions(frames=9, batch=8, motion=motion)
    batch = MocapWindows(load_sets(("ui_prmd",)), options, None, seed=3)[0, 0]
    limbs = [H36M17.index(j) for j in ("LKnee", "RKnee", "LElbow", "RElbow", "LWrist", "RWrist", "LAnkle", "RAnkle")]
    given, wanted = batch["input"][..., limbs, :2].flatten().numpy(), batch["target"][..., limbs, :2].flatten().numpy()
    assert np.corrcoef(given, wanted)[0, 1] > 0.93
