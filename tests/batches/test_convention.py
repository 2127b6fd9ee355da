"""Where a detector puts its points: offsets of the body's frame, the stated mean and spread, targets untouched."""

import numpy as np
import pytest
import torch

from prml.batches.convention import LEG_M, body_vectors, displace, measured_conventions, sample_offsets
from prml.batches.noise import measured_noise
from prml.batches.options import CameraRanges, MocapWindowOptions, MotionOptions, VideoOptions
from prml.batches.training_windows import MocapWindows
from prml.datasets.mocap import load_sets
from prml.skeleton import BODY28, H36M17, MEASURED13, MEASURED24, conversion

K = MEASURED13.index


@pytest.fixture(scope="module", params=[(H36M17, MEASURED13), (BODY28, MEASURED24)], ids=["13", "24"])
def pair(request):
    return request.param


@pytest.fixture(scope="module")
def measured(pair):
    return pair[1]


@pytest.fixture(scope="module")
def points(pair):
    clip = load_sets(("ui_prmd",))[0].clip_m(3, pair[0])[:40].astype(np.float64)
    return conversion(*pair).apply(np.stack([clip[:20], clip[20:] + 0.3]))


def upright():
    """A person who faces +x, left at +y, of thighs and shins of half LEG_M, arms hanging."""
    pose = np.zeros((1, 1, 13, 3))
    for side, y in (("L", 0.15), ("R", -0.15)):
        heights = {"Hip": LEG_M, "Knee": LEG_M / 2, "Ankle": 0.0, "Shoulder": 1.4, "Elbow": 1.1, "Wrist": 0.8}
        for name, z in heights.items():
            pose[0, 0, K(side + name)] = (0, y, z)
    pose[0, 0, K("HeadCentre")] = (0, 0, 1.6)
    return pose


def offset_of(part, value):
    offsets = np.zeros((1, 13, 3))
    offsets[:, [K(side + part) for side in "LR"]] = value
    return offsets


def random_turn(seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    q *= np.sign(np.diagonal(r))
    q[:, 0] *= np.linalg.det(q)
    return q


def test_a_share_of_zero_changes_nothing_and_draws_nothing(points, measured):
    rng, untouched = np.random.default_rng(0), np.random.default_rng(0)
    assert displace(VideoOptions(), rng, points, measured) is points
    assert rng.random() == untouched.random()


@pytest.mark.parametrize(
    ("part", "value", "left", "right"),
    [
        ("Hip", (0, 0, -0.05), (0, 0, -0.05), (0, 0, -0.05)),
        ("Hip", (0, 0.02, 0), (0, 0.02, 0), (0, -0.02, 0)),  # outwards on both sides
        ("Shoulder", (0.01, 0, 0), (0.01, 0, 0), (0.01, 0, 0)),
        ("Knee", (0, 0, 0.03), (0, 0, 0.03), (0, 0, 0.03)),
        ("Elbow", (0, 0, 0.04), (0, 0, -0.04), (0, 0, -0.04)),  # along the arm, which hangs
        ("Wrist", (0, 0, 0.04), (0, 0, -0.04), (0, 0, -0.04)),
    ],
)
def test_offsets_of_an_upright_person_are_front_out_and_up(part, value, left, right):
    moved = body_vectors(upright(), offset_of(part, value), np.zeros(1), MEASURED13)[0, 0]
    np.testing.assert_allclose(moved[K("L" + part)], left, atol=1e-9)
    np.testing.assert_allclose(moved[K("R" + part)], right, atol=1e-9)
    rest = [j for j in range(13) if j not in (K("L" + part), K("R" + part))]
    assert not moved[rest].any()


def test_the_hips_of_a_seated_person_lie_between_trunk_and_thigh():
    seat = upright()
    for side in "LR":
        seat[0, 0, K(side + "Knee")] = seat[0, 0, K(side + "Hip")] + [LEG_M / 2, 0, 0]
        seat[0, 0, K(side + "Ankle")] = seat[0, 0, K(side + "Knee")] - [0, 0, LEG_M / 2]
    low = offset_of("Hip", (0, 0, -0.05))
    for share, wanted in ((0.0, (0, 0, -0.05)), (1.0, (0.05, 0, 0)), (0.5, (0.05 / 2**0.5, 0, -0.05 / 2**0.5))):
        moved = body_vectors(seat, low, np.array([share]), MEASURED13)
        np.testing.assert_allclose(moved[0, 0, K("LHip")], wanted, atol=1e-9)


def test_offsets_turn_with_the_person_and_grow_with_it(points, measured):
    offsets, share = sample_offsets(np.random.default_rng(1), len(points), measured)
    moved = body_vectors(points, offsets, share, measured)
    R = random_turn(2)
    np.testing.assert_allclose(body_vectors(points @ R.T + 3, offsets, share, measured), moved @ R.T, atol=1e-9)
    np.testing.assert_allclose(body_vectors(points * 0.6, offsets, share, measured), moved * 0.6, atol=1e-9)


def test_the_mirror_image_of_a_person_has_mirrored_offsets(points, measured):
    offsets, share = sample_offsets(np.random.default_rng(3), len(points), measured)
    other = offsets[:, list(measured.mirror)]
    middle = [j for j, name in enumerate(measured.joints) if name == "NoseTip"]
    other[:, middle, 1] *= -1  # "out" is to the left for a point in the middle
    mirrored = body_vectors(measured.flip(points), other, share, measured)
    np.testing.assert_allclose(mirrored, measured.flip(body_vectors(points, offsets, share, measured)), atol=1e-9)


def test_offsets_have_the_mean_and_the_spread_that_the_models_state():
    offsets, share = sample_offsets(np.random.default_rng(4), 30000, MEASURED13)
    models = measured_conventions()
    assert len(models) == 3
    for joint, part in (("LHip", "hip"), ("RHip", "hip"), ("RAnkle", "ankle"), ("LWrist", "wrist")):
        mean = np.mean([m.mean[part] for m in models], 0)
        variance = np.mean([m.spread[part] ** 2 + m.mean[part] ** 2 for m in models], 0) - mean**2
        np.testing.assert_allclose(offsets[:, K(joint)].mean(0), mean, atol=6e-4)
        np.testing.assert_allclose(offsets[:, K(joint)].std(0), variance**0.5, rtol=0.03)
    both = np.corrcoef(offsets[:, K("LKnee"), 2], offsets[:, K("RKnee"), 2])[0, 1]
    assert both == pytest.approx(0.64, abs=0.03)
    assert (share.min(), share.max()) == pytest.approx((0, 1), abs=0.01)
    exact, _ = sample_offsets(np.random.default_rng(4), 200, MEASURED13, spread=0.0)
    assert {tuple(v) for v in exact[:, K("LHip")]} == {tuple(m.mean["hip"]) for m in models}


def test_hips_and_knees_lie_low_in_every_model():
    """What the issue with bent knees comes from: (thigh + shin) / trunk is too small in the picture."""
    for model in measured_conventions():
        assert -0.08 < model.mean["hip"][2] < -0.03
        assert model.mean["hip"][2] < model.mean["knee"][2] < 0
        assert all((spread > 0).all() and (spread < 0.05).all() for spread in model.spread.values())


def test_the_share_of_windows_is_as_told_and_the_same_generator_does_the_same(points, measured):
    many = np.repeat(points[:1, :2], 3000, 0)
    options = VideoOptions(convention=0.3)
    a, b = (displace(options, np.random.default_rng(5), many, measured) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert (a != many).any((1, 2, 3)).mean() == pytest.approx(0.3, abs=0.03)


def test_offsets_are_constant_through_a_clip(points, measured):
    """In the body's frame: the distance from a shoulder to its landmark stays."""
    moved = displace(VideoOptions(convention=1.0), np.random.default_rng(6), points, measured) - points
    length = np.linalg.norm(moved[:, :, measured.index("LShoulder")], axis=-1)
    assert (length > 0.001).all()
    np.testing.assert_allclose(length, np.broadcast_to(length[:, :1], length.shape), rtol=1e-6)


def test_the_face_and_the_ends_of_limbs_move_in_their_own_frames():
    """A head turned to the left: its ears move along the line between them, its nose to where it points."""
    person = np.zeros((1, 1, 24, 3))
    j = MEASURED24.index
    person[:, :, :13] = upright()
    person[0, 0, j("LEar")], person[0, 0, j("REar")] = (-0.075, 0, 1.6), (0.075, 0, 1.6)
    person[0, 0, j("NoseTip")] = (0, 0.12, 1.6)
    for side, y in (("L", 0.15), ("R", -0.15)):
        person[0, 0, j(side + "Toe")] = (0.2, y, -0.05)
        person[0, 0, j(side + "Heel")] = (-0.05, y, 0)
        person[0, 0, j(side + "Hand")] = person[0, 0, j(side + "Thumb")] = (0, y, 0.7)
    offsets = np.zeros((1, 24, 3))
    offsets[:, [j("LEar"), j("REar")], 1] = 0.01
    offsets[:, j("NoseTip")] = (0.02, 0, 0.03)
    offsets[:, j("LHeel"), 2] = offsets[:, j("RHand"), 2] = 0.04
    moved = body_vectors(person, offsets, np.zeros(1), MEASURED24)[0, 0]
    np.testing.assert_allclose(moved[j("LEar")], (-0.01, 0, 0), atol=1e-9)
    np.testing.assert_allclose(moved[j("REar")], (0.01, 0, 0), atol=1e-9)
    np.testing.assert_allclose(moved[j("NoseTip")], (0, 0.02, 0.03), atol=1e-9)
    np.testing.assert_allclose(moved[j("LHeel")], (-0.04, 0, 0), atol=1e-9)
    np.testing.assert_allclose(moved[j("RHand")], (0, 0, -0.04), atol=1e-9)


@pytest.mark.parametrize("skeleton", [H36M17, BODY28])
def test_every_option_at_once_gives_finite_windows_of_either_skeleton(skeleton):
    video = VideoOptions(wide=0.8, bodies=0.5, children=0.2, sitting=0.5, convention=0.9, lite=0.5)
    options = MocapWindowOptions(frames=9, batch=32, video=video, motion=MotionOptions(arms=0.5, legs=0.5, tilt=0.1))
    data = MocapWindows(load_sets(("ui_prmd",)), options, measured_noise(), seed=1, skeleton=skeleton)
    first, again = data[0, 0], data[0, 0]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["input"].shape[2] == len(skeleton)
    assert all(torch.isfinite(first[name]).all() for name in ("input", "target"))


def test_targets_stay_the_centres_of_the_joints():
    """Legs of the target keep their length, while those of the input become shorter against the trunk."""
    sets = load_sets(("ui_prmd",))
    far = CameraRanges(distance_m=(60, 80), misjudged_focal=0, distortion_k1=0)
    common = {"frames": 9, "batch": 64, "cameras": far, "flip": 0.0, "scale": (1.0, 1.0), "speed": (1.0, 1.0)}
    plain, moved = (
        MocapWindows(sets, MocapWindowOptions(**common, video=VideoOptions(convention=share)), None, seed=2)[0, 0]
        for share in (0.0, 1.0)
    )

    def ratio(name):
        j = BODY28.index
        points = plain[name].numpy()[..., :2], moved[name].numpy()[..., :2]
        legs = [np.linalg.norm(p[:, :, j("LHip")] - p[:, :, j("LAnkle")], axis=-1) for p in points]
        trunk = [np.linalg.norm(p[:, :, j("Hip")] - p[:, :, j("Thorax")], axis=-1) for p in points]
        return np.median(legs[0] / trunk[0]), np.median(legs[1] / trunk[1])

    lengths = [np.linalg.norm(np.diff(b["target"].numpy()[..., [4, 5], :], axis=-2), axis=-1) for b in (plain, moved)]
    np.testing.assert_allclose(*lengths, atol=1e-4)
    before, after = ratio("input")
    assert after < 0.95 * before
    before, after = ratio("target")
    assert after == pytest.approx(before, rel=0.03)
