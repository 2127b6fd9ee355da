"""Lifting in absolute numbers: deviations against Monte Carlo, roots against scipy, windows and rates by hand."""

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from torch import nn

from prml.camera import Camera
from prml.filters.resample import interpolate, interpolate_smooth, network_times
from prml.filters.root import solve_root
from prml.filters.scale import to_metres
from prml.lifting.lifter import Lifter, LiftOptions
from prml.lifting.windows import blend_weights, predict_blended, predict_frames, window_starts
from prml.networks.prml import PrML
from prml.objectives.uncertainty import PoseUncertainty
from prml.pipeline.lift import residual_px
from prml.sequence import PoseSequence
from prml.skeleton import H36M17
from prml.spans import blocks
from prml.weights.record import Card, Record

J = H36M17.index
CAMERA = Camera.from_fov(1920, 1080, 100)
HALF = 2**-0.5


class Fixed(nn.Module):
    """Returns the same six numbers of every joint, pose and variance; keeps what it was given."""

    in_channels = 3

    def __init__(self, pose, variance):
        super().__init__()
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


def test_the_mirrored_input_has_x_negated_and_sides_exchanged():
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


# ------------------------------------------------------------------------------------------------ the root
def _weighted_case():
    rng = np.random.default_rng(2)
    joints = rng.normal(0, 0.4, (3, 17, 3))
    root = np.array([[0.3, -0.2, 4.0], [-1, 0.5, 6.0], [0, 0, 2.5]])
    placed = joints + root[:, None]
    plane = placed[..., :2] / placed[..., 2:] + rng.normal(0, 0.02, (3, 17, 2))
    plane[:, 5] += 0.3  # a wild joint
    confidence = rng.uniform(0.2, 1, (3, 17))
    confidence[:, 5] = 0.05
    return joints, plane, confidence


def test_the_root_minimises_the_weighted_squares():
    """Residuals (X + tx) - u (Z + tz) and (Y + ty) - v (Z + tz), times the confidence; scipy finds the least sum."""
    joints, plane, confidence = _weighted_case()
    root = solve_root(joints, plane, confidence)
    for t in range(3):

        def residuals(at, t=t):
            placed = joints[t] + at
            return (confidence[t][:, None] * (placed[:, :2] - plane[t] * placed[:, 2:])).ravel()

        np.testing.assert_allclose(root[t], least_squares(residuals, np.array([0, 0, 3.0])).x, atol=1e-5)
    assert np.abs(root - solve_root(joints, plane, np.ones_like(confidence))).max() > 0.05


def test_the_root_of_two_joints_by_hand():
    """Two joints at the hip, seen at u = 0.1 (weight 1) and 0.2 (weight 0.5), and one 1 m above, seen at v = -0.25.

    With the depth held by a heavy pair above and below, tx is (1 x 0.1 + 0.25 x 0.2) / 1.25 of the depth.
    """
    joints = np.zeros((1, 4, 3))
    joints[0, 2:, 1] = 1, -1
    plane = np.array([[[0.1, 0], [0.2, 0], [0.12, 0.25], [0.12, -0.25]]])
    root = solve_root(joints, plane, np.array([[1, 0.5, 1000, 1000]]))
    np.testing.assert_allclose(root, [[0.48, 0, 4.0]], atol=1e-4)
    # the pair agrees with what the two say together: 0.15 / 1.25 = 0.12. Unweighted they would say 0.15.
    alone = solve_root(joints[:, :, :], plane, np.array([[1, 0.5, 1e-3, 1e-3]]))
    assert alone[0, 0] / alone[0, 2] == pytest.approx(0.12, abs=1e-3)


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


# --------------------------------------------------------------------------------------- windows and rates
def test_window_starts_by_hand():
    assert window_starts(10, 6, 2).tolist() == [-4, -2, 0, 2, 4, 6, 8]
    assert window_starts(10, 6, 2, 1).tolist() == [-5, -3, -1, 1, 3, 5, 7, 9]
    assert window_starts(5, 4, 4).tolist() == [0, 4]


@pytest.mark.parametrize(("overlap", "windows"), [(1, 3), (3, 11), (9, 35)])
def test_overlap_is_the_windows_that_a_frame_lies_in(overlap, windows):
    """27 frames in windows of 9, 9 / overlap frames apart: from minus 9 plus one such step to 27."""
    network = Fixed(0, 1)
    lifter_of(network, overlap=overlap).lift(seen_along(frames=27))
    assert sum(len(x) for x in network.given) == windows


def test_blend_weights_are_a_raised_cosine():
    """sin^2 of 22.5 and 67.5 degrees, plus a thousandth."""
    np.testing.assert_allclose(blend_weights(4), [0.14744661, 0.85455339, 0.85455339, 0.14744661], atol=1e-8)


def test_blending_by_hand():
    """Four frames 0, 10, 20, 30 in windows of 4 from -2, 0 and 2; each says what it sees last: 10, 30, 30."""
    out = predict_blended(
        np.arange(0.0, 40, 10)[:, None, None], lambda x: np.repeat(x[:, -1:], 4, 1), frames=4, hop=2, batch=2
    )
    np.testing.assert_allclose(out[:, 0, 0], [12.9430461, 27.0569540, 30, 30], atol=1e-6)


def test_single_poses_of_even_and_odd_windows():
    """The pose is that of frame T // 2 of its window, or of the last one; ends are repeated."""
    inputs = np.arange(5.0)[:, None, None]
    for frames, causal, first in ((5, False, [0, 0, 0, 1, 2]), (4, False, [0, 0, 0, 1]), (3, True, [0, 0, 0])):
        given = []
        predict_frames(inputs, lambda x, g=given: (g.append(x), x[:, :1])[1], frames=frames, batch=5, causal=causal)
        assert given[0][0, :, 0, 0].tolist() == first


def test_blocks_by_hand():
    cut = [(b.start, b.stop, n.start, n.stop, i.start, i.stop) for b, n, i in blocks(10, 4, 3)]
    assert cut == [(0, 4, 0, 7, 0, 4), (4, 8, 1, 10, 3, 7), (8, 10, 5, 10, 3, 5)]


def test_times_of_the_network():
    np.testing.assert_allclose(network_times(np.arange(3) / 25, 50), [0, 0.02, 0.04, 0.06, 0.08])
    np.testing.assert_allclose(network_times(1 + np.arange(5) / 100, 50), [1, 1.02, 1.04])
    near, far = (np.array([0, 0.02 + 0.02 * off, 0.04]) for off in (0.09, 0.11))  # a tenth of a step is allowed
    assert network_times(near, 50) is near
    np.testing.assert_allclose(network_times(far, 50), [0, 0.02, 0.04], atol=1e-12)


def test_interpolation_by_hand():
    times, values = np.array([0, 1.0, 3.0]), np.array([0.0, 10, 30])
    np.testing.assert_allclose(interpolate(values, times, np.array([-1, 0.25, 2, 5])), [0, 2.5, 20, 30])


def test_splines_are_natural_cubics():
    """Through 0, 1, 0, 1: the second derivatives are 0, -4, 4, 0, and half-way lie 0.75, 0.5 and 0.25."""
    curve = interpolate_smooth(np.array([0.0, 1, 0, 1]), np.arange(4.0), np.array([0.5, 1.5, 2.5, 3.5]))
    np.testing.assert_allclose(curve, [0.75, 0.5, 0.25, 1], atol=1e-12)


def test_metres_for_an_adult_of_long_bones_of_three_metres_eighty():
    """Sizes 1, 2, ..., 11: the 90th percentile is 10, so that all is multiplied by 0.38."""
    joints = np.zeros((11, 17, 3))
    joints[:, J("LAnkle"), 1] = joints[:, J("RAnkle"), 1] = np.arange(1, 12) / 2  # two shins of half the size each
    sequence = PoseSequence.regular(11, 50, H36M17, joints_m=joints, std_m=np.ones((11, 17, 3)))
    scaled, factor = to_metres(sequence)
    assert factor == pytest.approx(0.38)
    assert scaled.joints_m[9, J("LAnkle"), 1] == pytest.approx(1.9)
    np.testing.assert_allclose(scaled.std_m, 0.38)
