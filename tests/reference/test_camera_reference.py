"""The camera against OpenCV and hand-computed numbers: coefficients, axes, signs, units."""

import numpy as np
import pytest

from prml.camera import Camera, look_at, normalise, rotation_towards
from prml.errors import PrmlError

LENS = {"radial": (0.1, 0.2, 0.3), "tangential": (0.01, 0.02)}
# Every coefficient differs from every other, and so do the focal lengths.
CAMERA = Camera(1000, 800, 800.0, 400.0, 500.0, 300.0, **LENS)
HALF = 2**-0.5


def test_distortion_worked_by_hand():
    """x = 0.5, y = -0.25: r2 = 0.3125.

    gain = 1 + 0.03125 + 0.01953125 + 0.0091552734375; dx = -0.0025 + 0.01625; dy = 0.004375 - 0.005.
    """
    plane = CAMERA.distort(np.array([0.5, -0.25]))
    np.testing.assert_allclose(plane, (0.54371826171875, -0.265609130859375), rtol=1e-14)


def test_projection_worked_by_hand():
    pixels = CAMERA.project(np.array([1.0, -0.5, 2.0]))
    np.testing.assert_allclose(pixels, (934.974609375, 193.75634765625), rtol=1e-14)
    np.testing.assert_allclose(CAMERA.unproject(pixels), (0.5, -0.25), atol=1e-9)


@pytest.mark.parametrize(
    ("coefficient", "expected"),
    [
        ({"radial": (0.1, 0, 0)}, (0.515625, -0.2578125)),
        ({"radial": (0, 0.1, 0)}, (0.5048828125, -0.25244140625)),
        ({"radial": (0, 0, 0.1)}, (0.50152587890625, -0.250762939453125)),
        ({"tangential": (0.1, 0)}, (0.475, -0.20625)),
        ({"tangential": (0, 0.1)}, (0.58125, -0.275)),
    ],
)
def test_each_coefficient_alone(coefficient, expected):
    """k: x (1 + k r^2n). p1: dx = 2 x y p1, dy = (r2 + 2 y^2) p1. p2: dx = (r2 + 2 x^2) p2, dy = 2 x y p2."""
    camera = Camera(1000, 800, 800.0, 400.0, 500.0, 300.0, **coefficient)
    np.testing.assert_allclose(camera.distort(np.array([0.5, -0.25])), expected, rtol=1e-14)
    np.testing.assert_allclose(camera.undistort(np.array(expected)), (0.5, -0.25), atol=1e-9)


@pytest.mark.parametrize(
    "lens", [LENS, {"radial": (-0.21, 0.24, -0.002), "tangential": (-0.0009, -0.0016)}], ids=["strong", "human36m"]
)
def test_projection_agrees_with_opencv(lens):
    cv2 = pytest.importorskip("cv2")
    R, t = look_at(np.array([3.0, -2.0, 1.5]), np.array([0.2, 0.1, 0.9]), 0.1)
    camera = Camera(1000, 800, 1145.0, 1043.8, 512.5, 415.5, **lens, R_world_to_camera=R, t_m=t)
    world = np.random.default_rng(0).uniform(-0.7, 0.7, (200, 3)) + [0.2, 0.1, 0.9]
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    # OpenCV's order: k1, k2, p1, p2, k3
    coefficients = np.array([*lens["radial"][:2], *lens["tangential"], lens["radial"][2]])
    expected = cv2.projectPoints(world, cv2.Rodrigues(R)[0], t, K, coefficients)[0][:, 0]
    pixels = camera.project(camera.to_camera(world))
    np.testing.assert_allclose(pixels, expected, atol=1e-6)
    plane = cv2.undistortPoints(pixels[:, None], K, coefficients)[:, 0]  # few iterations: near, not exact
    np.testing.assert_allclose(camera.unproject(pixels), plane, atol=1e-3)


def test_axes_of_the_camera_frame():
    """Without distortion: x goes right, y goes down in the picture, depth divides."""
    camera = Camera(200, 100, 100.0, 50.0, 90.0, 40.0)
    points = np.array([[0.0, 0, 1], [1, 0, 2], [0, 1, 2], [-3, -2, 4]])
    np.testing.assert_allclose(camera.project(points), [[90, 40], [140, 40], [90, 65], [15, 15]])


def test_look_at_along_world_y():
    """From four metres in front at eye height: right is world x, down is minus world z, forward is world y."""
    R, t = look_at(np.array([0.0, -4, 1]), np.array([0.0, 0, 1]))
    np.testing.assert_allclose(R, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-15)
    np.testing.assert_allclose(t, (0, 1, 4), atol=1e-15)
    camera = Camera(100, 80, 100.0, 100.0, 50.0, 40.0, R_world_to_camera=R, t_m=t)
    np.testing.assert_allclose(camera.to_camera(np.array([1.0, 0, 2])), (1, -1, 4), atol=1e-15)
    np.testing.assert_allclose(camera.project(camera.to_camera(np.array([1.0, 0, 2]))), (75, 15))
    np.testing.assert_allclose(camera.to_world(np.array([1.0, -1, 4])), (1, 0, 2), atol=1e-15)


def test_look_at_down_along_world_x():
    """From (0, 0, 3) at (4, 0, 0): forward (0.8, 0, -0.6), right is minus world y, down (-0.6, 0, -0.8)."""
    R, _ = look_at(np.array([0.0, 0, 3]), np.array([4.0, 0, 0]))
    np.testing.assert_allclose(R, [[0, -1, 0], [-0.6, 0, -0.8], [0.8, 0, -0.6]], atol=1e-15)


def test_a_positive_roll_turns_the_camera_clockwise():
    """By a quarter: what was right of the axis is above it in the picture."""
    R, _ = look_at(np.array([0.0, -4, 1]), np.array([0.0, 0, 1]), np.pi / 2)
    np.testing.assert_allclose(R @ np.array([1.0, 0, 0]), (0, -1, 0), atol=1e-15)
    np.testing.assert_allclose(R @ np.array([0.0, 0, -1]), (1, 0, 0), atol=1e-15)


@pytest.mark.parametrize(
    ("ray", "expected"),
    [
        ((1.0, 0, 1), [[HALF, 0, -HALF], [0, 1, 0], [HALF, 0, HALF]]),
        ((0.0, 3, 4), [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]),
        ((-2.0, 0, 2), [[HALF, 0, HALF], [0, 1, 0], [-HALF, 0, HALF]]),
    ],
)
def test_rotation_towards_a_person(ray, expected):
    np.testing.assert_allclose(rotation_towards(np.array(ray)), expected, atol=1e-15)


def test_focal_length_of_a_field_of_view():
    wide, tall = Camera.from_fov(1920, 1080, 90), Camera.from_fov(1080, 1920, 90)
    assert (wide.fx, wide.fy, wide.cx, wide.cy) == pytest.approx((960, 960, 960, 540))
    assert (tall.fx, tall.fy, tall.cx, tall.cy) == pytest.approx((960, 960, 540, 960))
    assert Camera.from_fov(1920, 1080).fx == pytest.approx(1844.14, abs=0.01)  # 960 / tan 27.5 deg
    assert Camera(600, 800, 100.0, 400.0, 300.0, 400.0).fov_deg == pytest.approx(90)
    assert Camera(800, 600, 400.0, 100.0, 400.0, 300.0).fov_deg == pytest.approx(90)


def test_nothing_at_or_behind_the_camera_has_a_pixel():
    camera = Camera(100, 100, 100.0, 100.0, 50.0, 50.0)
    assert np.isnan(camera.project(np.array([[1e-7, 0, 1e-7], [0.1, 0.1, -1]]))).all()
    np.testing.assert_allclose(camera.project(np.array([1e-3, 0, 1e-3])), (150, 50))
    np.testing.assert_array_equal(
        np.isnan(camera.project(np.array([[0, 0, 1e-6], [0, 0, 1.1e-6]]))[:, 0]), [True, False]
    )


def test_single_precision_stays_single_precision():
    at, to = np.array([0, -4, 1], np.float32), np.array([0, 0, 1], np.float32)
    R, t = look_at(at, to, 0.25)
    assert (R.dtype, t.dtype, rotation_towards(to).dtype) == (np.float32,) * 3
    np.testing.assert_allclose(normalise(np.array([[3, 0, 4], [0, 0, 5]], np.float32)), [[0.6, 0, 0.8], [0, 0, 1]])


def test_the_limits_belong_to_what_is_allowed():
    for fov in (5, 170):
        assert Camera.from_fov(640, 480, fov).fov_deg == pytest.approx(fov)
    for fov in (4.999, 170.001):
        with pytest.raises(PrmlError, match="between 5 and 170 degrees, got"):
            Camera.from_fov(640, 480, fov)
    assert Camera(1, 1, 0.5, 0.5, 0.0, 0.0).fov_deg == pytest.approx(90)
    for change in ({"width": 0}, {"height": -1}, {"fx": 0.0}, {"fy": -1.0}, {"fx": np.inf}):
        with pytest.raises(PrmlError, match="positive image size and focal length"):
            Camera(**{"width": 1, "height": 1, "fx": 0.5, "fy": 0.5, "cx": 0.0, "cy": 0.0} | change)


FEW = {"width": 641, "height": 480, "fx": 900, "fy": 901, "cx": 320, "cy": 240}


def test_a_file_need_not_state_what_is_usual():
    camera = Camera.from_dict(FEW)
    assert (camera.radial, camera.tangential, camera.source) == ((0, 0, 0), (0, 0), "given")
    np.testing.assert_array_equal(camera.R_world_to_camera, np.eye(3))
    np.testing.assert_array_equal(camera.t_m, (0, 0, 0))
    assert not camera.has_distortion
    for coefficients in ({"radial": (0, 0, 1e-9)}, {"tangential": (1e-9, 0)}):
        assert Camera.from_dict(FEW | coefficients).has_distortion


def test_whole_numbers_of_a_file_become_those_of_a_camera():
    written = FEW | {"radial": [1, 2, 3], "tangential": [4, 5], "t_m": [6, 7, 8], "source": "file"}
    camera = Camera.from_dict(written | {"R_world_to_camera": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]})
    assert [type(getattr(camera, name)) for name in FEW] == [int, int, float, float, float, float]
    assert repr((camera.radial, camera.tangential)) == "((1.0, 2.0, 3.0), (4.0, 5.0))"
    for array, shape in ((camera.R_world_to_camera, (3, 3)), (camera.t_m, (3,))):
        assert (type(array), array.dtype, array.shape) == (np.ndarray, np.float64, shape)
    assert camera.to_dict() == written | {"R_world_to_camera": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]}
    assert all(type(value) in (int, float, list, str) for value in camera.to_dict().values())


def test_pictures_of_a_file_are_one_to_a_hundred_thousand_pixels_wide():
    for side in ("width", "height"):
        assert [getattr(Camera.from_dict(FEW | {side: n}), side) for n in (1, 3.0, 100_000)] == [1, 3, 100_000]
        for wrong in (0, 2.5, 100_001):
            with pytest.raises(PrmlError, match=f"from 1 to 100000 in '{side}', got {wrong}"):
                Camera.from_dict(FEW | {side: wrong})


@pytest.mark.parametrize("name", ["fx", "fy", "cx", "cy", "radial", "tangential", "R_world_to_camera", "t_m"])
def test_every_number_of_a_file_has_its_shape_and_is_finite(name):
    shape = {"radial": (3,), "tangential": (2,), "R_world_to_camera": (3, 3), "t_m": (3,)}.get(name, ())
    for wrong in (np.ones((*shape, 2)), np.full(shape, np.inf), np.ones(shape, bool), np.ones(shape, complex)):
        with pytest.raises(PrmlError, match=f"finite numbers? in '{name}', got"):
            Camera.from_dict(FEW | {name: wrong.tolist()})


def test_what_is_wrong_is_quoted_in_eighty_characters():
    def message(value):
        with pytest.raises(PrmlError) as caught:
            Camera.from_dict(FEW | {"cx": value})
        return str(caught.value)

    assert message("9" * 78).endswith(f"got '{'9' * 78}'")
    assert message("9" * 79).endswith(f"got '{'9' * 76}...")
    assert message(np.eye(2)).endswith("got array([[1., 0.], [0., 1.]])")
    assert message("ü").endswith(r"got '\xfc'")
