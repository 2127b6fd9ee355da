"""Where a detector puts its points: offsets of the body's frame, the stated mean and spread, targets untouched."""

import numpy as np
import pytest

from prml.batches.convention import LEG_M, body_vectors, displace, measured_conventions, sample_offsets
from prml.batches.options import CameraRanges, MocapWindowOptions, VideoOptions
from prml.batches.training_windows import MocapWindows
from prml.datasets.mocap import load_sets
from prml.skeleton import BODY28, H36M17, MEASURED13, conversion

K = MEASURED13.index


@pytest.fixture(scope="module")
def points():
    clip = load_sets(("ui_prmd",))[0].clip_m(3)[:40].astype(np.float64)
    return conversion(H36M17, MEASURED13).apply(np.stack([clip[:20], clip[20:] + 0.3]))


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


def test_a_share_of_zero_changes_nothing_and_draws_nothing(points):
    rng, untouched = np.random.default_rng(0), np.random.default_rng(0)
    assert displace(VideoOptions(), rng, points, MEASURED13) is points
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


def test_offsets_turn_with_the_person_and_grow_with_it(points):
    offsets, share = sample_offsets(np.random.default_rng(1), len(points), MEASURED13)
    moved = body_vectors(points, offsets, share, MEASURED13)
    R = random_turn(2)
    np.testing.assert_allclose(body_vectors(points @ R.T + 3, offsets, share, MEASURED13), moved @ R.T, atol=1e-9)
    np.testing.assert_allclose(body_vectors(points * 0.6, offsets, share, MEASURED13), moved * 0.6, atol=1e-9)


def test_the_mirror_image_of_a_person_has_mirrored_offsets(points):
    offsets, share = sample_offsets(np.random.default_rng(3), len(points), MEASURED13)
    mirrored = body_vectors(MEASURED13.flip(points), offsets[:, list(MEASURED13.mirror)], share, MEASURED13)
    np.testing.assert_allclose(mirrored, MEASURED13.flip(body_vectors(points, offsets, share, MEASURED13)), atol=1e-9)


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


def test_the_share_of_windows_is_as_told_and_the_same_generator_does_the_same(points):
    many = np.repeat(points[:1, :2], 3000, 0)
    options = VideoOptions(convention=0.3)
    a, b = (displace(options, np.random.default_rng(5), many, MEASURED13) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert (a != many).any((1, 2, 3)).mean() == pytest.approx(0.3, abs=0.03)


def test_offsets_are_constant_through_a_clip(points):
    """In the body's frame: the distance from a shoulder to its landmark stays."""
    moved = displace(VideoOptions(convention=1.0), np.random.default_rng(6), points, MEASURED13) - points
    length = np.linalg.norm(moved[:, :, K("LShoulder")], axis=-1)
    assert (length > 0.001).all()
    np.testing.assert_allclose(length, np.broadcast_to(length[:, :1], length.shape), rtol=1e-6)


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
