"""Input normalisation against independent sums: kernels in seconds, cut at 0.8 s; sizes; boxes; rotations."""

import numpy as np
import pytest

from prml import normalise
from prml.skeleton import H36M17

FPS = 50.0
J = H36M17.index
LONG_BONES = [
    ("LHip", "LKnee"),
    ("LKnee", "LAnkle"),
    ("LShoulder", "LElbow"),
    ("LElbow", "LWrist"),
    ("LShoulder", "LHip"),
    ("RHip", "RKnee"),
    ("RKnee", "RAnkle"),
    ("RShoulder", "RElbow"),
    ("RElbow", "RWrist"),
    ("RShoulder", "RHip"),
]


def gaussian_mean(values, sigma_s, fps, reach_s=0.8):
    """At every time the mean of all that lies within ``reach_s``, weighted by exp(-dt^2 / 2 sigma^2)."""
    at = np.arange(len(values)) / fps
    apart = at[:, None] - at[None]
    weight = np.where(np.abs(apart) <= reach_s + 1e-9, np.exp(-(apart**2) / (2 * sigma_s**2)), 0)
    return weight @ values / weight.sum(1, keepdims=True)


@pytest.mark.parametrize("fps", [50.0, 25.0])
@pytest.mark.parametrize("sigma_s", [0.2, 0.4])
def test_smoothing_is_a_gaussian_mean_cut_at_eight_tenths_of_a_second(sigma_s, fps):
    values = np.random.default_rng(0).normal(size=(200, 3))
    np.testing.assert_allclose(normalise.smooth(values, sigma_s, fps), gaussian_mean(values, sigma_s, fps), atol=1e-12)


def test_a_frame_is_felt_up_to_forty_frames_away_and_not_beyond():
    values = np.zeros((201, 1))
    values[100] = 1
    felt = np.flatnonzero(normalise.smooth(values, 0.4, FPS)[:, 0])
    assert (felt.min(), felt.max()) == (60, 140)


def _standing():
    """A person on the optical axis, symmetrical about it: long bones of 0.2 + 0.1 + 0.15 + 0.15 + 0.4, both sides."""
    plane = np.zeros((17, 2))
    for side, x in (("L", 0.1), ("R", -0.1)):
        for name, y in {"Shoulder": -0.2, "Hip": 0.2, "Knee": 0.4, "Ankle": 0.5, "Elbow": -0.05, "Wrist": 0.1}.items():
            plane[J(side + name)] = (x, y)
    return plane


def test_the_size_is_that_of_long_bones_of_three_metres():
    """The ten bones sum to 2.0 on the image plane: everything is divided by 2 / 3."""
    seen = normalise.virtual_camera(np.repeat(_standing()[None], 30, 0), FPS)
    np.testing.assert_allclose(seen.R_camera_to_input, np.broadcast_to(np.eye(3), (30, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(seen.scale, 2 / 3)
    np.testing.assert_allclose(seen.xy[0, J("LAnkle")], (0.15, 0.75))


def test_direction_and_size_are_smoothed_over_their_own_times():
    """Torso directions over 0.2 s, logarithms of size over 0.4 s, by the sums of the definition."""
    rng = np.random.default_rng(1)
    plane = _standing() * rng.uniform(0.7, 1.4, (160, 1, 1)) + rng.normal(0, 0.15, (160, 1, 2))
    seen = normalise.virtual_camera(plane, FPS)
    rays = np.concatenate([plane, np.ones((160, 17, 1))], -1)
    rays /= np.sqrt((rays**2).sum(-1, keepdims=True))
    torso = (rays[:, J("LHip")] + rays[:, J("RHip")] + rays[:, J("LShoulder")] + rays[:, J("RShoulder")]) / 4
    z = gaussian_mean(torso, 0.2, FPS)
    z /= np.sqrt((z**2).sum(-1, keepdims=True))
    x = np.stack([z[:, 2], 0 * z[:, 0], -z[:, 0]], -1)  # level: (0, 1, 0) x z
    x /= np.sqrt((x**2).sum(-1, keepdims=True))
    y = np.cross(z, x)
    np.testing.assert_allclose(seen.R_camera_to_input, np.stack([x, y, z], 1), atol=1e-9)
    depth = (rays * z[:, None]).sum(-1)
    flat = np.stack([(rays * x[:, None]).sum(-1), (rays * y[:, None]).sum(-1)], -1) / depth[..., None]
    length = sum(np.sqrt(((flat[:, J(a)] - flat[:, J(b)]) ** 2).sum(-1)) for a, b in LONG_BONES)
    size = np.exp(gaussian_mean(np.log(length)[:, None], 0.4, FPS)[:, 0]) / 3.0
    np.testing.assert_allclose(seen.scale, size, rtol=1e-9)
    np.testing.assert_allclose(seen.xy, flat / size[:, None, None], atol=1e-9)


def test_the_rotation_goes_from_the_camera_to_the_network():
    """Somebody at 45 degrees to the right: the network's forward is the camera's right and forward, and back."""
    rays = np.concatenate([_standing(), np.ones((17, 1))], -1)
    right, down, forward = np.array([[1, 0, -1], [0, 2**0.5, 0], [1, 0, 1]]) * 2**-0.5
    turned = rays[:, :1] * right + rays[:, 1:2] * down + rays[:, 2:] * forward
    seen = normalise.virtual_camera(np.repeat((turned[:, :2] / turned[:, 2:])[None], 20, 0), FPS)
    axes = np.broadcast_to(np.eye(3), (20, 3, 3))
    np.testing.assert_allclose(seen.to_camera(axes)[0], [right, down, forward], atol=1e-9)
    np.testing.assert_allclose(
        seen.from_camera(np.broadcast_to([right, down, forward], (20, 3, 3)))[0], np.eye(3), atol=1e-9
    )
    np.testing.assert_allclose(seen.xy[0, J("LAnkle")], (0.15, 0.75), atol=1e-9)


def _filled(*frames):
    """(T, 17, 2): the given points, the last one repeated up to seventeen."""
    return np.array([[*points, *[points[-1]] * (17 - len(points))] for points in frames], np.float64)


def test_the_screen_is_two_wide():
    seen = normalise.screen(_filled([(0, 0), (1000, 800), (500, 400), (750, 0)]), 1000, 800)
    np.testing.assert_allclose(seen.xy[0, :4], [[-1, -0.8], [1, 0.8], [0, 0], [0.5, -0.8]])
    np.testing.assert_allclose(seen.scale, 500)


def test_the_crop_is_one_square_of_the_larger_side():
    seen = normalise.crop(_filled([(100, 100), (300, 150)], [(200, 200), (250, 120)]))
    np.testing.assert_allclose(seen.xy[:, :2], [[[-1, -0.5], [1, 0]], [[0, 0.5], [0.5, -0.3]]])
    np.testing.assert_allclose(seen.scale, 100)


def test_the_constants_in_their_units():
    assert (normalise.BODY_SIZE_M, normalise.DIRECTION_SIGMA_S, normalise.SIZE_SIGMA_S) == (3.0, 0.2, 0.4)
    assert normalise.MARGIN_S == 0.8
    assert {frozenset(b) for b in normalise.LONG_BONES} == {frozenset((J(a), J(b))) for a, b in LONG_BONES}


def test_a_slow_film_is_smoothed_over_one_frame_to_either_side():
    """At one frame a second 0.8 s are less than a frame: the neighbours still count, with exp(-1 / 2 0.4^2)."""
    values = np.zeros((9, 1))
    values[4] = 1
    weight = np.exp(-1 / (2 * 0.4**2))
    near = np.array([weight, 1, weight]) / (1 + 2 * weight)
    np.testing.assert_allclose(normalise.smooth(values, 0.4, 1.0)[:, 0], [0, 0, 0, *near, 0, 0, 0], atol=1e-15)


@pytest.mark.parametrize("strategy", ["virtual_camera", "screen", "crop"])
def test_each_clip_of_a_batch_is_normalised_for_itself(strategy):
    clips = np.random.default_rng(2).normal(0, 0.2, (2, 3, 25, 17, 2)) * [[[[[1.0]]]], [[[[3.0]]]]]
    call = {
        "virtual_camera": lambda points: normalise.virtual_camera(points, FPS),
        "screen": lambda points: normalise.screen(points, 8, 6),
        "crop": normalise.crop,
    }[strategy]
    together = call(clips)
    assert (together.scale.shape, together.R_camera_to_input.shape) == ((2, 3, 25), (2, 3, 25, 3, 3))
    for at in np.ndindex(2, 3):
        alone = call(clips[at])
        for name in ("xy", "scale", "R_camera_to_input"):
            np.testing.assert_allclose(getattr(together, name)[at], getattr(alone, name), atol=1e-12)
    turned = together.to_camera(np.ones((2, 3, 25, 17, 3)))
    if strategy == "virtual_camera":
        np.testing.assert_allclose(turned[..., 0, :], together.R_camera_to_input.sum(-2))
    else:
        np.testing.assert_array_equal(turned, 1)


def test_single_precision_stays_single_precision():
    points = np.random.default_rng(3).normal(0, 0.2, (20, 17, 2)).astype(np.float32)
    for seen in (normalise.virtual_camera(points, FPS), normalise.screen(points, 8, 6), normalise.crop(points)):
        assert {array.dtype for array in (seen.xy, seen.R_camera_to_input, seen.scale)} == {np.dtype(np.float32)}
    wide = normalise.virtual_camera(points.astype(np.float64), FPS)
    joints = np.ones((20, 17, 3), np.float32)
    assert (wide.to_camera(joints).dtype, wide.from_camera(joints).dtype) == (np.float32,) * 2


def test_a_small_box_and_a_point():
    """Half a pixel wide; and all joints at one place, which has no size: nothing is divided by zero."""
    seen = normalise.crop(_filled([(0, 0), (0.5, 0.25)]))
    np.testing.assert_allclose(seen.xy[0, :2], [(-1, -0.5), (1, 0.5)])
    np.testing.assert_array_equal(normalise.crop(np.full((2, 17, 2), 7.0)).xy, 0)
    point = normalise.virtual_camera(np.zeros((2, 17, 2)), FPS)
    np.testing.assert_array_equal(point.xy, 0)
    np.testing.assert_allclose(point.scale, 1e-6 / 3)


def test_what_lies_beside_the_camera_is_drawn_at_a_depth_of_a_twentieth():
    """One wrist 90 degrees to the right of the torso's direction; its depth counts as 0.05 of the distance."""
    plane = np.zeros((1, 17, 2))
    plane[0, J("LWrist")] = (1e6, 0)
    size = normalise.virtual_camera(plane, FPS).scale[0]
    np.testing.assert_allclose(size, 20 / 3, rtol=1e-4)  # the forearm alone has a length
    np.testing.assert_allclose(normalise.virtual_camera(plane, FPS).xy[0, J("LWrist")], (3, 0), atol=1e-4)


def test_the_three_strategies_by_name():
    assert [normalise.check_strategy(name) for name in ("virtual_camera", "screen", "crop")] == [
        "virtual_camera",
        "screen",
        "crop",
    ]
