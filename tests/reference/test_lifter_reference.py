"""Lifting in absolute numbers: deviations against Monte Carlo; axes, mirrored halves and sizes by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from prml.camera import Camera
from prml.lifting.lifter import Lifter, LiftOptions
from prml.networks.base import Network
from prml.networks.prml import PrML
from prml.objectives.uncertainty import PoseUncertainty
from prml.pipeline.result import residual_px
from prml.sequence import PoseSequence
from prml.skeleton import H36M17
from prml.weights.record import Card, Record

J = H36M17.index
CAMERA = Camera.from_fov(1920, 1080, 100)
HALF = 2**-0.5


class Fixed(Network):
    """Returns the same six numbers of every joint, pose and variance; keeps what it was given."""

    def __init__(self, pose, variance):
        super().__init__(frames=9)
        both = [np.broadcast_to(np.asarray(part, np.float32), (17, 3)) for part in (pose, variance)]
        self.answer = torch.from_numpy(np.concatenate(both, -1))
        self.given = []

    def forward(self, x):
        self.given.append(x)
        return self.answer.expand(*x.shape[:2], 17, 6)


def lifter_of(network, uncertainty=None, **options):
    card = Card(name="t", network="prml-s", window=9, sha256="0")
    return Lifter(Record(network.eval(), uncertainty or nn.Identity(), card), LiftOptions(**{"flip": False, **options}))


def symmetrical():
    """A person on the optical axis at z = 1, symmetrical about it; its ten long bones sum to 2 there."""
    plane = np.zeros((17, 2))
    for side, x in (("L", 0.1), ("R", -0.1)):
        for name, y in {"Shoulder": -0.2, "Hip": 0.2, "Knee": 0.4, "Ankle": 0.5, "Elbow": -0.05, "Wrist": 0.1}.items():
            plane[J(side + name)] = (x, y)
    return np.concatenate([plane, np.ones((17, 1))], -1)


# The rows are the axes of a camera that looks at somebody 45 degrees to the right.
RIGHTWARDS = np.array([[HALF, 0, -HALF], [0, 1, 0], [HALF, 0, HALF]])


def seen_along(axes=None, frames=12, confidence=None, fps=50.0):
    rays = symmetrical() if axes is None else symmetrical() @ axes
    return PoseSequence.regular(
        frames,
        fps,
        H36M17,
        keypoints_px=np.repeat(CAMERA.project(rays)[None], frames, 0),
        camera=CAMERA,
        confidence=np.ones((frames, 17)) if confidence is None else confidence,
    )


def test_deviations_turn_back_to_the_cameras_axes():
    """Against Monte Carlo, and by hand: at 45 degrees the variances of x and z mix half and half."""
    deviation = np.array([0.01, 0.02, 0.10])
    std = lifter_of(Fixed(0, deviation**2)).lift(seen_along(RIGHTWARDS)).std_m
    drawn = np.random.default_rng(0).normal(size=(200_000, 3)) * deviation  # along the axes of the network's frame
    in_camera = drawn[:, :1] * RIGHTWARDS[0] + drawn[:, 1:2] * RIGHTWARDS[1] + drawn[:, 2:] * RIGHTWARDS[2]
    np.testing.assert_allclose(std[5, 3], in_camera.std(0), rtol=0.01)
    mixed = np.sqrt((0.01**2 + 0.10**2) / 2)
    np.testing.assert_allclose(std[5, 3], (mixed, 0.02, mixed), rtol=1e-4)


def test_deviations_turn_the_right_way_off_both_axes():
    """Somebody to the right and below: three different variances, all mixed; against Monte Carlo."""
    z = np.array([0.6, 0.4, 1.0]) / np.sqrt(1.52)
    x = np.array([z[2], 0, -z[0]]) / np.hypot(z[0], z[2])
    axes = np.stack([x, np.cross(z, x), z])
    deviation = np.array([0.03, 0.01, 0.10])
    std = lifter_of(Fixed(0, deviation**2)).lift(seen_along(axes)).std_m
    drawn = (np.random.default_rng(1).normal(size=(200_000, 3)) * deviation) @ axes
    np.testing.assert_allclose(std[5, 8], drawn.std(0), rtol=0.01)


def test_poses_turn_back_to_the_cameras_axes():
    """A joint that the network puts a metre ahead of the hip lies to the right and ahead in the camera's frame."""
    pose = np.zeros((17, 3))
    pose[J("Head")], pose[J("LHip")], pose[J("Nose")] = (0, 0, 1), (1, 0, 0), (0, 1, 0)
    joints = lifter_of(Fixed(pose, 1)).lift(seen_along(RIGHTWARDS)).joints_m[4]
    np.testing.assert_allclose(joints[J("Head")], (HALF, 0, HALF), atol=1e-5)
    np.testing.assert_allclose(joints[J("LHip")], (HALF, 0, -HALF), atol=1e-5)
    np.testing.assert_allclose(joints[J("Nose")], (0, 1, 0), atol=1e-5)


def test_flip_averages_variances_of_both_sides():
    """Joint j has variance (j + 1) 1e-4: left wrist 14e-4, right one 17e-4, the mean of both is 15.5e-4."""
    variance = (np.arange(17)[:, None] + 1) * np.array([1e-4, 2e-4, 3e-4])
    std = lifter_of(Fixed(0, variance), flip=True).lift(seen_along()).std_m[3]
    np.testing.assert_allclose(std[J("LWrist")], np.sqrt(15.5e-4 * np.array([1, 2, 3])), rtol=1e-4)
    np.testing.assert_allclose(std[J("RWrist")], np.sqrt(15.5e-4 * np.array([1, 2, 3])), rtol=1e-4)
    np.testing.assert_allclose(std[J("Head")], np.sqrt(11e-4 * np.array([1, 2, 3])), rtol=1e-4)


def test_flip_averages_poses_of_both_sides():
    """Left wrist (0.5, 0.1, 0.2), right wrist (-0.3, 0.3, 0.4): mirrored and averaged (0.4, 0.2, 0.3)."""
    pose = np.zeros((17, 3))
    pose[J("LWrist")], pose[J("RWrist")] = (0.5, 0.1, 0.2), (-0.3, 0.3, 0.4)
    joints = lifter_of(Fixed(pose, 1), flip=True).lift(seen_along()).joints_m[3]
    np.testing.assert_allclose(joints[J("LWrist")], (0.4, 0.2, 0.3), atol=1e-5)
    np.testing.assert_allclose(joints[J("RWrist")], (-0.4, 0.2, 0.3), atol=1e-5)


def test_the_mirrored_input_has_x_negated_and_sides_swapped():
    network = Fixed(0, 1)
    confidence = np.ones((12, 17))
    confidence[:, J("LKnee")] = 0.25
    lifter_of(network, flip=True, overlap=1).lift(seen_along(confidence=confidence))
    plain, mirrored = (half[-1, 4].numpy() for half in network.given[-1].chunk(2))
    np.testing.assert_allclose(plain[J("LKnee")], (0.15, 0.6, 0.25), atol=1e-5)  # divided by 2 / 3
    np.testing.assert_allclose(plain[J("RAnkle")], (-0.15, 0.75, 1), atol=1e-5)
    np.testing.assert_allclose(mirrored[J("RKnee")], (-0.15, 0.6, 0.25), atol=1e-5)


def test_the_head_of_deviations_speaks_metres():
    """An untrained head claims the label's own spread: 30, 40 and 120 mm stated, the same reported."""
    torch.manual_seed(0)
    network = PrML(frames=9, width=16, heads=2, branch_blocks=1)
    head = PoseUncertainty(width_2d=network.support_widths[0], width_depth=network.support_widths[1])
    head.pose_2d.marginal.covariance.copy_(torch.diag(torch.tensor([0.03**2, 0.04**2])).expand(17, 2, 2))
    head.depth.marginal.covariance.fill_(0.12**2)
    std = lifter_of(network, head).lift(seen_along()).std_m
    np.testing.assert_allclose(std[6], np.broadcast_to([0.03, 0.04, 0.12], (17, 3)), rtol=1e-3)


def test_joints_are_relative_to_the_predicted_root_unless_asked_otherwise():
    pose = np.zeros((17, 3))
    pose[0], pose[1] = (0.1, 0.2, 0.3), (0.5, 0.5, 0.5)
    relative = lifter_of(Fixed(pose, 1)).lift(seen_along()).joints_m[0]
    absolute = lifter_of(Fixed(pose, 1), relative=False).lift(seen_along()).joints_m[0]
    np.testing.assert_allclose(relative[:2], [(0, 0, 0), (0.4, 0.3, 0.2)], atol=1e-6)
    np.testing.assert_allclose(absolute[:2], pose[:2], atol=1e-6)


def test_long_sequences_are_normalised_as_short_ones():
    """Somebody who crosses the picture: the inputs of frame 1100 are those of a cut of 200 frames around it."""
    at = np.linspace(-1, 1, 1200)[:, None] * [1.0, 0.2]
    plane = symmetrical()[None, :, :2] + at[:, None]
    whole = PoseSequence.regular(
        1200,
        50,
        H36M17,
        camera=CAMERA,
        confidence=np.ones((1200, 17)),
        keypoints_px=CAMERA.project(np.concatenate([plane, np.ones((1200, 17, 1))], -1)),
    )
    part = whole.with_(**{n: getattr(whole, n)[924:1124] for n in ("times_s", "keypoints_px", "confidence")})
    lifter = lifter_of(Fixed(0, 1))
    for frame in (1023, 1024, 1030):
        np.testing.assert_allclose(
            lifter.inputs(whole, whole.times_s)[frame], lifter.inputs(part, part.times_s)[frame - 924], atol=1e-5
        )


def test_the_residual_is_a_mean_distance_in_pixels():
    """One joint of seventeen, of no confidence, 51 pixels off: 3 pixels on average."""
    joints = symmetrical() * 4 + np.random.default_rng(3).normal(0, 0.1, (2, 17, 3))
    pixels = CAMERA.project(joints)
    pixels[:, 16] += (51, 0)
    confidence = np.ones((2, 17))
    confidence[:, 16] = 0
    sequence = PoseSequence.regular(
        2, 50, H36M17, joints_m=joints - joints[:, :1], keypoints_px=pixels, confidence=confidence, camera=CAMERA
    )
    assert residual_px(sequence) == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize(("overlap", "windows"), [(1, 3), (3, 11), (9, 35)])
def test_overlap_is_the_windows_that_a_frame_lies_in(overlap, windows):
    """27 frames in windows of 9, 9 / overlap frames apart: from minus 9 plus one such step to 27."""
    network = Fixed(0, 1)
    lifter_of(network, overlap=overlap).lift(seen_along(frames=27))
    assert sum(len(x) for x in network.given) == windows
