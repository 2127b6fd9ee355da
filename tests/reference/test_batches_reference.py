"""Training batches in absolute numbers: metres, cameras, noise, shares, and positions of windows in a clip."""

from pathlib import Path

import numpy as np
import pytest

from prml.batches.augment import vary_motion
from prml.batches.noise import NoiseModel
from prml.batches.options import CameraRanges, MocapWindowOptions, MotionOptions
from prml.batches.sequence_windows import SequenceRule
from prml.batches.training_windows import MocapWindows, before_held_out, mirror
from prml.batches.virtual_camera import CameraBatch, sample_cameras
from prml.camera import Camera
from prml.datasets.mocap import MocapSet, load_sets
from prml.sequence import GroundTruth, PoseSequence
from prml.skeleton import H36M17

J = H36M17.index
ZERO = np.zeros(13, np.float32)
STILL = CameraRanges(misjudged_focal=0.0, distortion_k1=0.0, roll_deg=0.0)


def still_set(clips=40, frames=120):
    """People of 3.8 m of long bones who stand still; 0.5 mm a unit, z up."""
    pose = np.zeros((17, 3))
    heights = {"Hip": 0.9, "Spine": 1.15, "Thorax": 1.4, "Nose": 1.55, "Head": 1.65}
    for name, z in heights.items():
        pose[J(name), 2] = z
    for side, y in (("L", 0.2), ("R", -0.2)):
        for name, z in {"Hip": 0.9, "Knee": 0.5, "Ankle": 0.1, "Shoulder": 1.4, "Elbow": 1.1, "Wrist": 0.8}.items():
            pose[J(side + name)] = (0, y, z)
    units = np.zeros((28, 3), np.int16)
    units[:17] = np.round(pose / 0.0005)
    has_joint = np.tile(np.arange(28) < 17, (clips, 1))
    labels = np.array(["a"] * clips)
    return MocapSet(
        "still",
        np.repeat(units[None], clips * frames, 0),
        has_joint,
        np.arange(clips + 1) * frames,
        labels,
        labels,
        labels,
        labels,
        np.array(["train"] * clips),
        np.zeros((clips, 3)),
        50.0,
        0.0005,
        Path("still.npz"),
    )


def noise_of(**values):
    quiet = {
        "jitter_mm": ZERO,
        "drift_mm": ZERO,
        "drift_time_s": 0.3,
        "offset_mm": ZERO,
        "burst_rate": ZERO,
        "burst_mm": ZERO,
        "burst_s": 0.1,
        "swap_rate": 0.0,
        "swap_s": 0.1,
        "drop_rate": ZERO,
        "drop_s": 0.3,
        "confidence_logit": ZERO,
        "confidence_slope": 0.0,
        "confidence_sigma": 0.0,
        "severity_sigma": 0.0,
    }
    return NoiseModel(**quiet | values)


def batches(noise, count=2, **options):
    given = MocapWindowOptions(**{"frames": 27, "batch": 20, "flip": 0.0, "clean": 0.0, "cameras": STILL, **options})
    windows = MocapWindows([still_set()], given, noise, seed=0)
    found = [windows[0, n] for n in range(count)]
    return [np.concatenate([b[name].numpy().astype(np.float64) for b in found]) for name in ("input", "target")]


def test_noise_of_a_batch_has_the_spread_that_the_model_states():
    """12 mm on the wrists, seen through cameras, normalisation and all: 12 mm in the units of the target."""
    wrists = ZERO.copy()
    wrists[[9, 12]] = 12
    exact, target = batches(None, scale=(1.0, 1.0))
    noisy, _ = batches(noise_of(jitter_mm=wrists), scale=(1.0, 1.0))
    # metres per unit of the input, window by window: what maps the exact input to the target (least squares)
    at_hip = exact[..., :2] - exact[..., :1, :2]
    metres = (at_hip * target[..., :2]).sum((1, 2, 3)) / (at_hip**2).sum((1, 2, 3))
    wrist = [J("LWrist"), J("RWrist")]
    error_m = (noisy - exact)[..., wrist, :2] * metres[:, None, None, None]
    assert error_m.std() == pytest.approx(0.012, rel=0.1)


def test_targets_are_metres():
    """Thighs and shins of 0.4 m, upper arms of 0.3 m; 0.92 to 1.08 times that where sizes are varied."""
    _, target = batches(None, scale=(1.0, 1.0))
    for parent, child, length in (("LHip", "LKnee", 0.4), ("RKnee", "RAnkle", 0.4), ("LShoulder", "LElbow", 0.3)):
        bone = np.linalg.norm(target[..., J(parent), :] - target[..., J(child), :], axis=-1)
        np.testing.assert_allclose(bone, length, atol=1e-5)
    np.testing.assert_array_equal(target[..., 0, :], 0)
    _, varied = batches(None, count=4)
    factor = np.linalg.norm(varied[:, 0, J("LHip")] - varied[:, 0, J("LKnee")], axis=-1) / 0.4
    assert 0.92 <= factor.min() < 0.94
    assert 1.06 < factor.max() <= 1.08


def test_inputs_are_near_metres_and_upright():
    """The head is up, which is minus y, and about as far from the hip as in the target."""
    given, target = batches(None)
    for array in (given, target):
        head = (array[..., J("Head"), 1] - array[..., 0, 1]).mean()
        assert -0.95 < head < -0.55
    assert 0.7 < np.median(np.abs(given[..., :2])) / np.median(np.abs(target[..., :2])) < 1.4


def test_confidence_of_clean_windows_is_one_and_their_share_is_as_told():
    given, _ = batches(noise_of(), count=10, clean=0.3)
    clean = (given[..., 2] == 1).all((1, 2))
    assert ((given[..., 2] == 0.5).all((1, 2)) | clean).all()
    assert clean.mean() == pytest.approx(0.3, abs=0.09)


def test_lost_joints_carry_low_confidence_into_the_batch():
    """Every joint lost in every frame: logit 3 - 4, confidence 0.269."""
    given, _ = batches(noise_of(confidence_logit=ZERO + 3, drop_rate=ZERO + 1000), count=1)
    np.testing.assert_allclose(given[..., 2], 1 / (1 + np.e), rtol=1e-5)


def test_cameras_stand_where_their_ranges_say():
    """2.2 to 8 m away, 0.3 to 2.6 m high, sigma of roll 4 degrees, of the focal length's logarithm 0.1, of k1 0.02."""
    hip = np.zeros((4000, 2, 3)) + [0.5, -0.3, 0.9]
    cameras = sample_cameras(np.random.default_rng(0), hip)
    position = -np.einsum("bji,bj->bi", cameras.R_world_to_camera, cameras.t_m)
    distance = np.linalg.norm(position[:, :2] - [0.5, -0.3], axis=-1)
    for values, low, high in ((distance, 2.2, 8.0), (position[:, 2], 0.3, 2.6)):
        assert low <= values.min() < low + 0.05
        assert high - 0.05 < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, rel=0.03)
    up = cameras.R_world_to_camera[:, :, 2]
    roll = np.degrees(np.arctan2(up[:, 0], -up[:, 1]))
    assert roll.std() == pytest.approx(4, rel=0.05)
    assert np.log(cameras.focal_ratio).std() == pytest.approx(0.1, rel=0.05)
    assert cameras.k1.std() == pytest.approx(0.02, rel=0.05)
    yaw = np.arctan2(position[:, 1] + 0.3, position[:, 0] - 0.5)
    assert np.abs(np.exp(1j * yaw).mean()) < 0.05  # from all sides


def test_the_person_stands_off_centre_by_at_most_seven_tenths_of_half_the_view():
    hip = np.zeros((4000, 1, 3)) + [0, 0, 0.9]
    ranges = CameraRanges(fov_deg=(60, 60), roll_deg=0, distance_m=(4, 4), height_m=(0.9, 0.9))
    cam = sample_cameras(np.random.default_rng(1), hip, ranges).to_camera(hip[:, :, None])[:, 0, 0]
    across = np.abs(cam[:, 0] / cam[:, 2])
    most = 0.7 * np.tan(np.radians(30))
    assert 0.95 * most < across.max() <= most + 1e-9


def test_nobody_is_nearer_than_a_good_metre():
    hip = np.zeros((500, 2, 3))
    hip[:, 0, 0], hip[:, 1, 0] = 3, -3  # three metres to both sides of the middle
    cameras = sample_cameras(np.random.default_rng(2), hip, CameraRanges(distance_m=(2.2, 2.2)))
    position = -np.einsum("bji,bj->bi", cameras.R_world_to_camera, cameras.t_m)
    np.testing.assert_allclose(np.linalg.norm(position[:, :2], axis=-1), 4.2)


def test_image_plane_of_a_misjudged_lens_by_hand():
    """x / z = 0.5, y / z = -0.25, r2 = 0.3125; k1 = 0.2 gives 1.0625; a focal length taken for twice the true one."""
    one = np.ones(1)
    cameras = CameraBatch(np.eye(3)[None], np.zeros((1, 3)), 2 * one, 0.2 * one)
    plane = cameras.plane(np.array([[[[1.0, -0.5, 2]]]]))
    np.testing.assert_allclose(plane[0, 0, 0], (0.265625, -0.1328125))


def test_mirroring_by_hand():
    inputs, targets = np.arange(51.0).reshape(1, 1, 17, 3), 100 + np.arange(51.0).reshape(1, 1, 17, 3)
    x, y = mirror(inputs, targets, np.array([True]))
    np.testing.assert_array_equal(x[0, 0, J("LWrist")], (-48, 49, 50))  # was the right one's
    np.testing.assert_array_equal(x[0, 0, J("RHip")], (-12, 13, 14))
    np.testing.assert_array_equal(x[0, 0, J("Head")], (-30, 31, 32))
    np.testing.assert_array_equal(y[0, 0, J("LWrist")], (-148, 149, 150))


def test_a_tenth_of_a_clip_is_held_out():
    assert [before_held_out(n) for n in (100, 94, 96, 4)] == [90, 85, 86, 3]


def test_bones_are_scaled_by_the_stated_spread():
    world = np.repeat(still_set(1, 1).clip_m(0)[None], 3000, 0)
    changed = vary_motion(MotionOptions(bones=0.1), np.random.default_rng(3), world)
    ratio = np.linalg.norm(changed[:, 0, J("LKnee")] - changed[:, 0, J("LHip")], axis=-1) / 0.4
    assert np.log(ratio).std() == pytest.approx(0.1, rel=0.05)


def test_tilt_by_hand():
    """A quarter about the x axis takes up (z) to minus y and keeps the hip."""
    from prml.batches.augment import tilt

    world = np.zeros((1, 1, 17, 3))
    world[0, 0, :, 2] = 1.0
    world[0, 0, 1] = (0.5, 0, 2)
    turned = tilt(world, np.array([np.pi / 2]), np.array([0.0]))
    np.testing.assert_allclose(turned[0, 0, 1], (0.5, -1, 1), atol=1e-12)


@pytest.mark.parametrize("name", ["cmu", "ui_prmd"])
def test_motion_capture_is_in_metres(name):
    """Adults: hips near a metre high at the start of a clip, long bones of about 3.8 m, z up."""
    clips = [load_sets((name,))[0].clip_m(i) for i in range(0, 40, 4)]
    first = np.array([clip[0] for clip in clips], np.float64)
    assert 0.8 < np.median(first[:, 0, 2]) < 1.1
    assert 1.4 < np.median(first[:, J("Head"), 2]) < 1.9
    pairs = [
        (s + a, s + b)
        for s in "LR"
        for a, b in (("Hip", "Knee"), ("Knee", "Ankle"), ("Shoulder", "Elbow"), ("Elbow", "Wrist"), ("Shoulder", "Hip"))
    ]
    total = sum(np.linalg.norm(first[:, J(a)] - first[:, J(b)], axis=-1) for a, b in pairs)
    assert np.median(total) == pytest.approx(3.8, rel=0.1)


def test_image_space_targets_by_hand():
    """An image 1000 wide: 250 pixels are half a unit, and at 4 mm a pixel a unit is 2 m."""
    image = np.zeros((1, 17, 3))
    image[0, 0], image[0, 1] = (500, 400, 20), (750, 300, -80)
    camera = Camera(1000, 800, 1000.0, 1000.0, 500.0, 400.0)
    sequence = PoseSequence.regular(
        1,
        50,
        H36M17,
        keypoints_px=image[..., :2] + 7,
        confidence=np.full((1, 17), 0.5),
        camera=camera,
        truth=GroundTruth(joints_image_px=image),
        mm_per_px=np.array([4.0]),
    )
    given, target = SequenceRule("image", True, 3).arrays(sequence)
    np.testing.assert_allclose(target[0, 1], (0.5, -0.2, -0.2), atol=1e-6)
    np.testing.assert_allclose(given[0, 1], (0.5, -0.2, 1.0), atol=1e-6)
    np.testing.assert_allclose(
        SequenceRule("image", False, 3).arrays(sequence)[0][0, 1], (0.514, -0.186, 0.5), atol=1e-6
    )
    np.testing.assert_allclose(SequenceRule("image").unit_m(sequence), [2.0])
