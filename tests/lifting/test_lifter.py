"""Laws of lifting, on an instant network: windows, blending, frame rates, flips, gaps, cameras."""

import numpy as np
import pytest
import torch

from prml.camera import Camera, rotation_towards
from prml.datasets.mocap import load_sets
from prml.errors import PrmlError
from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.filters.resample import interpolate, interpolate_smooth, network_times
from prml.filters.root import solve_root
from prml.filters.scale import bone_sum, to_metres
from prml.lifting.lifter import Lifter, LiftOptions, load
from prml.lifting.windows import blend_weights, predict_blended, predict_frames, window_starts
from prml.networks.base import Network
from prml.sequence import PoseSequence
from prml.skeleton import BLAZEPOSE33, H36M17
from prml.weights.record import Card, Record, bundled, load_record


class PerFrame(Network):
    """A lifter without memory: depth is a fixed function of the frame's x and y."""

    def __init__(self):
        super().__init__(frames=27)

    def forward(self, x):
        xy = x[..., :2]
        return torch.cat([xy, 0.3 * xy[..., :1] * xy[..., 1:] + 0.1 * xy[..., 1:]], -1)


@pytest.mark.parametrize("wrong", [{"overlap": 0}, {"overlap": -1}, {"batch": 0}])
def test_options_that_leave_no_windows_are_refused(wrong):
    with pytest.raises(PrmlError, match=r"(overlap|batch) must be at least 1, got"):
        LiftOptions(**wrong)


def _lifter(network=None, **options) -> Lifter:
    card = Card(name="t", network="prml-s", window=27, sha256="0")
    return Lifter(Record(network or PerFrame(), None, card), LiftOptions(**{"flip": False, **options}))


def _motion(frames=200, at=(0.0, 0.0, 4.0)):
    clip = load_sets(("cmu",))[0].clip_m(3)[:frames].astype(np.float64)
    clip = clip[..., [1, 2, 0]] * np.array([1, -1, 1])
    return clip - clip.mean((0, 1)) + np.array(at)


def _sequence(joints, camera, fps=50.0):
    return PoseSequence.regular(
        len(joints),
        fps,
        H36M17,
        keypoints_px=camera.project(joints),
        camera=camera,
        confidence=np.ones(joints.shape[:2]),
    )


CAMERA = Camera.from_fov(1920, 1080, 60)


@pytest.mark.parametrize("length", [1, 5, 27, 28, 100])
@pytest.mark.parametrize("hop", [1, 9, 27])
def test_every_frame_lies_in_equally_many_windows(length, hop):
    for phase in range(0, hop, 4):
        starts = window_starts(length, 27, hop, phase)
        covered = np.zeros(length, int)
        for s in starts:
            covered[max(s, 0) : s + 27] += 1
        assert (covered == 27 // hop).all()


def test_blending_reproduces_what_all_windows_agree_on():
    inputs = np.random.default_rng(0).normal(size=(83, 17, 3))
    out = predict_blended(inputs, lambda x: 2 * x, frames=27, hop=9, batch=4)
    np.testing.assert_allclose(out, 2 * inputs, atol=1e-12)
    assert (blend_weights(27) > 0).all()
    np.testing.assert_allclose(blend_weights(27), blend_weights(27)[::-1])


def test_single_poses_come_from_the_right_frame_of_their_windows():
    inputs = np.arange(40.0)[:, None, None] * np.ones((1, 17, 3))
    np.testing.assert_allclose(predict_frames(inputs, lambda x: x[:, 4:5], frames=9, batch=7), inputs)
    np.testing.assert_allclose(predict_frames(inputs, lambda x: x[:, -1:], frames=9, batch=7, causal=True), inputs)


@pytest.mark.parametrize("name", sorted(bundled()))
def test_result_does_not_depend_on_where_windows_start(name):
    """Bundled weights on noisy benchmark input: shifted windows agree to 2 mm on average, far from the ends.

    The input shows 17 joints; those that a network adds are guessed and do not count.
    """
    sequence = next(s for s in benchmark_sequences(("ui_prmd",), True, cameras=1) if len(s) >= 110)
    record = load_record(name)
    results = [Lifter(record, LiftOptions(flip=False, phase=p)).lift(sequence).joints_m for p in (0, 5, 11)]
    inner = np.s_[40:-40, :17]
    for other in results[1:]:
        assert np.linalg.norm(results[0][inner] - other[inner], axis=-1).mean() < 2e-3


def test_position_in_the_image_and_format_do_not_matter():
    """The same motion in the middle, near the edge, portrait or landscape: the same pose in a common frame (1e-3 m)."""
    joints = _motion()
    plain = _lifter().lift(_sequence(joints, CAMERA)).joints_m
    for pan in (-0.4, 0.45):
        turn = rotation_towards(np.array([np.tan(pan), 0.0, 1.0]))
        for camera in (CAMERA, Camera.from_fov(1080, 1920, 100)):
            seen = _lifter().lift(_sequence(joints @ turn.T, camera)).joints_m
            np.testing.assert_allclose(seen @ turn, plain, atol=1e-3)


@pytest.mark.parametrize("fps", [23.976, 25, 30, 60, 120])
def test_frame_rates_are_resampled_and_put_back(fps):
    joints = _motion()
    times = np.arange(int(3.9 * fps)) / fps
    at_rate = interpolate(joints, np.arange(200) / 50, times)
    sequence = _sequence(at_rate, CAMERA, fps)
    out = _lifter().lift(sequence)
    assert len(out) == len(times)
    reference = interpolate(_lifter().lift(_sequence(joints, CAMERA)).joints_m, np.arange(200) / 50, times)
    assert np.linalg.norm(out.joints_m - reference, axis=-1).mean() < 0.01


def test_variable_frame_rate_keeps_its_times():
    joints = _motion()
    rng = np.random.default_rng(0)
    keep = np.sort(rng.choice(200, 120, replace=False))
    keep[0], keep[-1] = 0, 199
    keep = np.unique(keep)
    full = _sequence(joints, CAMERA)
    part = full.with_(
        times_s=full.times_s[keep], keypoints_px=full.keypoints_px[keep], confidence=full.confidence[keep]
    )
    out = _lifter().lift(part)
    np.testing.assert_array_equal(out.times_s, full.times_s[keep])
    error = np.linalg.norm(out.joints_m - _lifter().lift(full).joints_m[keep], axis=-1)
    assert error.mean() < 0.02


def test_network_times_are_the_given_ones_when_they_fit():
    times = np.arange(100) / 50 + 0.003 * np.sin(np.arange(100)) / 50
    assert network_times(times, 50) is times
    assert len(network_times(np.arange(60) / 30, 50)) == 99


def test_gaps_stay_gaps_and_do_not_spoil_their_neighbours():
    sequence = _sequence(_motion(), CAMERA)
    broken = sequence.keypoints_px.copy()
    broken[80:120] = np.nan
    out = _lifter().lift(sequence.with_(keypoints_px=broken)).joints_m
    assert np.isnan(out[80:120]).all()
    assert np.isfinite(out[:80]).all()
    assert np.isfinite(out[120:]).all()


def test_a_joint_that_was_not_found_does_not_pull_the_others():
    """A joint at the origin with confidence 0 counts as lost, unless ``bridge`` is False."""
    sequence = _sequence(_motion(), CAMERA)
    points, confidence = sequence.keypoints_px.copy(), sequence.confidence.copy()
    points[50:55, 16], confidence[50:55, 16] = 0, 0
    lost, whole = sequence.with_(keypoints_px=points, confidence=confidence), _lifter().lift(sequence).joints_m
    assert np.abs(_lifter().lift(lost).joints_m - whole).max() < 0.02
    assert np.abs(_lifter().lift(lost, bridge=False).joints_m - whole).max() > 0.2
    points[50:90, 16] = np.nan
    out = _lifter().lift(sequence.with_(keypoints_px=points))
    assert np.isnan(out.joints_m[50:90]).all()
    assert out.has_person.sum() == len(out) - 40


def test_flip_averaging_makes_the_result_symmetric():
    """Lifting a mirrored person is the mirror of lifting the person, exactly, when both flips are averaged."""
    joints = _motion()
    mirrored = joints[:, list(H36M17.mirror)] * np.array([-1, 1, 1])
    a = _lifter(flip=True).lift(_sequence(joints, CAMERA)).joints_m
    b = _lifter(flip=True).lift(_sequence(mirrored, CAMERA)).joints_m
    np.testing.assert_allclose(b[:, list(H36M17.mirror)] * np.array([-1, 1, 1]), a, atol=1e-5)


def test_the_root_is_solved_from_exact_projections():
    joints = _motion(at=(0.7, -0.3, 5.0))
    root = solve_root(joints - joints[:, :1], joints[..., :2] / joints[..., 2:], np.ones(joints.shape[:2]))
    np.testing.assert_allclose(root, joints[:, 0], atol=1e-6)


def test_what_is_missing_is_said():
    empty = PoseSequence.regular(4, 30, BLAZEPOSE33)
    with pytest.raises(PrmlError, match="2D keypoints"):
        _lifter().lift(empty)
    nobody = PoseSequence.regular(4, 30, H36M17, keypoints_px=np.full((4, 17, 2), np.nan), camera=CAMERA)
    with pytest.raises(PrmlError, match="no frame has a person"):
        _lifter().lift(nobody)
    with pytest.raises(PrmlError, match="camera"):
        _lifter().lift(nobody.with_(camera=None))


@pytest.mark.parametrize("device", ["vulkan:3", "abacus", "cuda:99"])
def test_a_device_that_is_not_there_is_said_in_one_line(device):
    with pytest.raises(PrmlError, match=f"cannot compute on the device '{device}'") as caught:
        load("prml-xs", device=device)
    assert "\n" not in str(caught.value)


def test_image_space_output_gets_an_adults_size_and_nothing_else():
    joints = _motion() - _motion()[:, :1]
    sequence = PoseSequence.regular(200, 50.0, H36M17, joints_m=joints * 0.31, root_relative=True)
    scaled, factor = to_metres(sequence)
    assert np.quantile(bone_sum(scaled.joints_m), 0.9) == pytest.approx(3.8)
    np.testing.assert_allclose(scaled.joints_m, sequence.joints_m * factor)
    again, one = to_metres(scaled)
    assert one == pytest.approx(1.0)
    np.testing.assert_allclose(again.joints_m, scaled.joints_m)


def test_splines_follow_a_curve_better_than_lines_and_meet_the_given_points():
    slow, fast = np.arange(0, 4, 0.06), np.arange(0, 3.9, 0.02)
    curve = np.stack([np.sin(3 * slow), np.cos(5 * slow)], 1)
    wanted = np.stack([np.sin(3 * fast), np.cos(5 * fast)], 1)
    smooth, straight = interpolate_smooth(curve, slow, fast), interpolate(curve, slow, fast)
    assert np.abs(smooth - wanted)[10:-10].max() < 0.2 * np.abs(straight - wanted)[10:-10].max()
    np.testing.assert_allclose(interpolate_smooth(curve, slow, slow.copy()), curve, atol=1e-12)
    np.testing.assert_allclose(interpolate_smooth(curve[:2], slow[:2], np.array([0.03])), curve[:2].mean(0)[None])


def test_a_joint_outside_the_lens_counts_as_not_found():
    """A joint outside the lens in some frames counts as not found."""
    lens = Camera(640, 480, 350.0, 350.0, 320.0, 240.0, radial=(-0.2, 0.0, 0.0))
    seen = _sequence(_motion(at=(0.0, 0.0, 6.0)), lens)
    hand, rows = H36M17.index("RWrist"), slice(40, 45)
    points, confidence = seen.keypoints_px.copy(), seen.confidence.copy()
    points[rows, hand] = (700.0, 240.0)
    outside = _lifter().lift(seen.with_(keypoints_px=points))
    points[rows, hand], confidence[rows, hand] = np.nan, 0.0
    missing = _lifter().lift(seen.with_(keypoints_px=points, confidence=confidence))
    np.testing.assert_array_equal(outside.joints_m, missing.joints_m)
    assert np.isfinite(outside.joints_m).all()
    assert (outside.confidence[rows, hand] == 0).all()


def test_a_joint_that_a_conversion_puts_outside_the_lens_is_not_found_either():
    """The top of the head is extrapolated from the ears, here beyond the edge of the image."""
    lens = Camera(640, 480, 350.0, 350.0, 320.0, 240.0, radial=(-0.2, 0.0, 0.0))
    points = np.tile(np.linspace(0, 1, 33)[:, None] * [20.0, 60.0] + [320.0, 10.0], (50, 1, 1))
    points[20:25, [BLAZEPOSE33.index("LEar"), BLAZEPOSE33.index("REar")], 1] = -58.0
    seen = PoseSequence.regular(50, 50.0, BLAZEPOSE33, keypoints_px=points, camera=lens, confidence=np.ones((50, 33)))
    lost = ~np.isfinite(lens.unproject(seen.to_skeleton(H36M17).keypoints_px)).all(-1)
    assert lost.any()
    assert np.isfinite(lens.unproject(points)).all()
    lifted = _lifter().lift(seen)
    assert np.isfinite(lifted.joints_m).all()
    assert (lifted.confidence[lost] == 0).all()


def test_weights_that_give_no_numbers_are_named():
    class Broken(PerFrame):
        def forward(self, x):
            return super().forward(x) * float("nan")

    with pytest.raises(PrmlError, match="the weights t give non-finite values in 100 % of the frames"):
        _lifter(Broken()).lift(_sequence(_motion(), CAMERA, fps=30.0))


@pytest.mark.parametrize("gap_s", [1.1, 580.0, 1e5])
def test_the_two_sides_of_a_jump_are_lifted_apart(gap_s):
    joints = _motion(80)
    left, right = _sequence(joints[:40], CAMERA), _sequence(joints[40:], CAMERA)
    times = np.concatenate([left.times_s, left.times_s[-1] + gap_s + right.times_s])
    lifter = load("prml-xs", flip=False)
    lifted = lifter.lift(_sequence(joints, CAMERA).with_(times_s=times)).joints_m
    apart = np.concatenate([lifter.lift(side).joints_m for side in (left, right)])
    assert np.abs(lifted - apart).max() < 1e-5


def test_a_last_time_beyond_all_measure_costs_nothing():
    sequence = _sequence(_motion(41), CAMERA)
    far = sequence.with_(times_s=np.append(sequence.times_s[:-1], 1e300))
    assert np.isfinite(_lifter().lift(far).joints_m).all()


@pytest.mark.parametrize("given", [np.zeros((9, 17, 2)), [1, 2], None, "poses.json"], ids=lambda g: type(g).__name__)
def test_what_is_not_a_sequence_is_refused_with_the_way_to_make_one(given):
    with pytest.raises(PrmlError, match=r"takes a PoseSequence, got \w+; .*PoseSequence\.regular\(") as caught:
        _lifter().lift(given)
    assert "\n" not in str(caught.value)


def test_the_way_that_is_named_works():
    pixels = _sequence(_motion(), CAMERA).keypoints_px
    camera = Camera.from_fov(640, 480)
    assert len(_lifter().lift(PoseSequence.regular(len(pixels), 50.0, keypoints_px=pixels, camera=camera)))


def test_weights_are_named_not_given_as_arrays():
    with pytest.raises(PrmlError, match="the name or path of weights, got ndarray"):
        load(np.zeros(3))


def test_bfloat16_products_move_a_pose_by_less_than_a_centimetre():
    sequence = _sequence(_motion(60), Camera.from_fov(1000, 1000, 55))
    exact = load("prml-xs", flip=False).lift(sequence)
    rounded = load("prml-xs", flip=False, precision="bf16").lift(sequence)
    moved = np.linalg.norm(rounded.joints_m - exact.joints_m, axis=-1)
    assert 0 < moved.mean() < 0.005
    assert rounded.joints_m.dtype == exact.joints_m.dtype
    np.testing.assert_allclose(rounded.std_m, exact.std_m, rtol=0.2)
    with pytest.raises(PrmlError, match="precision"):
        LiftOptions(precision="bf8")
