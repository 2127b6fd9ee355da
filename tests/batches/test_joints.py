"""Windows of 28 joints: what is measured, what a clip lacks, what is hidden, and what the masks say of it."""

import numpy as np
import pytest
import torch

from fixtures.mocap_npz import write_mocap
from prml.batches.joints import fill_missing, hide, may_be_lost, rule_of
from prml.batches.noise import measured_noise, swap_sides
from prml.batches.options import CameraRanges, HideOptions, MocapWindowOptions, MotionOptions
from prml.batches.training_windows import MocapWindows
from prml.datasets.mocap import MISSING, MocapSet, load_sets
from prml.skeleton import BODY28, H36M17, MEASURED13, MEASURED24

HIDE = HideOptions(feet=0.3, hands=0.3, face=0.3, limb=0.3, lower_body=0.3)
FEET, HANDS = ("Heel", "Toe"), ("Hand", "Thumb")
ARM, LEG = ("Elbow", "Wrist", *HANDS), ("Knee", "Ankle", *FEET)


@pytest.fixture(scope="module")
def sets():
    return load_sets(("ui_prmd", "open_more"))


def _windows(sets, noise=True, **options):
    return MocapWindows(
        sets,
        MocapWindowOptions(frames=9, batch=8, **options),
        measured_noise() if noise else None,
        seed=3,
        skeleton=BODY28,
    )


def _columns(*names):
    return [BODY28.index(name) for name in names]


def test_a_batch_is_a_function_of_seed_epoch_and_number_masks_too(sets):
    a, b = _windows(sets, hide=HIDE)[2, 5], _windows(sets, hide=HIDE)[2, 5]
    assert a.keys() == {"input", "target", "joint_known", "joint_seen"}
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert a["input"].shape == a["target"].shape == (8, 9, 28, 3)
    assert a["joint_known"].shape == a["joint_seen"].shape == (8, 28)
    assert a["joint_known"].dtype == a["joint_seen"].dtype == torch.bool


def test_what_is_not_seen_is_zero_and_everything_is_finite(sets):
    data = _windows(sets, hide=HIDE, motion=MotionOptions(arms=0.5, legs=0.5, bones=0.05, tilt=0.2))
    for number in range(6):
        batch = data[0, number]
        unseen = ~batch["joint_seen"][:, None].expand(-1, 9, -1)
        assert unseen.any()
        assert (batch["input"][unseen] == 0).all()
        assert (batch["input"][~unseen][:, 2] > 0).all()
        assert torch.isfinite(batch["input"]).all()
        assert torch.isfinite(batch["target"]).all()
        assert not (batch["joint_seen"] & ~batch["joint_known"]).any()


def test_what_is_hidden_still_has_a_truth(sets):
    batch = _windows(sets, hide=HideOptions(feet=1, hands=1, face=1))[0, 0]
    assert not batch["joint_seen"][:, 17:].any()
    assert batch["joint_seen"][:, :17].all()
    known = batch["joint_known"]
    assert known[:, 17:].any()
    heel, ankle = (batch["target"][:, :, BODY28.index(f"R{name}")] for name in ("Heel", "Ankle"))
    lengths = (heel - ankle).norm(dim=-1)[known[:, BODY28.index("RHeel")]]
    assert ((lengths > 0.04) & (lengths < 0.14)).all()


@pytest.mark.parametrize("name", ["feet", "hands", "face", "feet_and_hands", "beyond_17", "limb", "lower_body"])
def test_groups_are_hidden_as_often_as_stated(name):
    """4,000 windows: the standard deviation of a share of 0.3 is 0.7 %."""
    seen = hide(HideOptions(**{name: 0.3}), np.random.default_rng(0), 4000)
    gone = ~seen
    assert abs(gone.any(1).mean() - 0.3) < 0.03
    index = MEASURED24.index
    groups = {
        "feet": [{s + n for s in "LR" for n in FEET}],
        "hands": [{s + n for s in "LR" for n in HANDS}],
        "face": [{"NoseTip", "LEar", "REar"}],
        "limb": [{s + n for n in part} for s in "LR" for part in (ARM, LEG)],
    }
    legs = {s + n for s in "LR" for n in LEG}
    groups["feet_and_hands"] = [groups["feet"][0] | groups["hands"][0]]
    groups["beyond_17"] = [set(BODY28.joints[17:])]
    groups["lower_body"] = [legs, legs | {"LHip", "RHip"}]
    wanted = {tuple(sorted(index(j) for j in group)) for group in groups[name]}
    assert {tuple(np.flatnonzero(row)) for row in gone if row.any()} == wanted


def test_what_follows_from_a_hidden_joint_is_hidden_too():
    """By the trunk rule a hip carries the Hip and the whole trunk; a foot carries nothing else."""
    rule = rule_of(BODY28)
    for joint, wanted in (("LHip", {"LHip", "Hip", "Spine", "Thorax", "Nose", "Head"}), ("LToe", {"LToe"})):
        seen = np.ones((1, len(MEASURED24)), bool)
        seen[0, MEASURED24.index(joint)] = False
        assert {n for n, given in zip(BODY28.joints, rule.given(seen)[0], strict=True) if not given} == wanted


def test_a_joint_that_a_clip_lacks_is_masked_in_its_windows_alone(tmp_path):
    has = np.ones((2, 28), bool)
    has[1, _columns("LHand", "LThumb", "LEar")] = False
    own = MocapSet.read(write_mocap(tmp_path / "own.npz", (60, 60), has_joint=has))
    data = _windows([own], stride=9, flip=0.0)
    of = (data.index[:, 0] >= own.clip_start[1] - 6).astype(int)  # the second clip: six frames are held out of each
    batch = data.make(np.random.default_rng(0), data.index)
    np.testing.assert_array_equal(batch["joint_known"], has[of])
    mirrored = _windows([own], stride=9, flip=1.0).make(np.random.default_rng(0), data.index)
    np.testing.assert_array_equal(mirrored["joint_known"], has[of][:, list(BODY28.mirror)])
    mixed = may_be_lost(has, arms=True, legs=True)
    np.testing.assert_array_equal(mixed, has[[0, 0]] & has[[1, 1]] | (np.arange(28) == BODY28.index("LEar")) & has)


def test_missing_joints_lie_where_arithmetic_is_safe():
    rng = np.random.default_rng(1)
    clip = rng.integers(-2000, 2000, (5, 28, 3)).astype(np.int16)
    has = np.ones(28, bool)
    has[_columns("RHand", "NoseTip")] = False
    clip[:, ~has] = MISSING
    filled = fill_missing(clip, has)
    np.testing.assert_array_equal(filled[:, has], clip[:, has])
    np.testing.assert_array_equal(filled[:, BODY28.index("RHand")], clip[:, BODY28.index("RWrist")])
    middle = (clip[:, BODY28.index("Nose")].astype(float) + clip[:, BODY28.index("Head")]) / 2
    assert np.abs(filled[:, BODY28.index("NoseTip")] - middle).max() <= 0.5
    assert fill_missing(clip, np.ones(28, bool)) is clip


def test_exact_input_is_the_scaled_projection_of_the_target(sets):
    """Without noise and lens errors the input of every measured joint is the target's projection."""
    far = CameraRanges(distance_m=(60, 80), misjudged_focal=0, distortion_k1=0)
    batch = _windows(sets[:1], noise=False, cameras=far, motion=MotionOptions(arms=0.5, legs=0.5, bones=0.05))[0, 0]
    measured = [j for j, name in enumerate(BODY28.joints) if name not in ("Hip", "Spine", "Thorax", "Nose", "Head")]
    given = batch["input"][..., measured, :2] - batch["input"][..., [0], :2]
    wanted = batch["target"][..., measured, :2]
    known = batch["joint_known"][:, None, measured, None].expand_as(given)
    ratio = (given * wanted * known).sum((2, 3)) / (wanted**2 * known).sum((2, 3))
    assert ((given - ratio[..., None, None] * wanted) * known).abs().max() < 0.03


def test_the_centre_of_the_head_is_the_middle_of_the_ears_where_both_are_seen():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(2, 3, 24, 2))
    before, rule = points.copy(), rule_of(BODY28)
    seen = np.ones((2, 24), bool)
    seen[1, MEASURED24.index("LEar")] = False
    rule.centre_head(points, seen, "mean")
    centre, left, right = (MEASURED24.index(n) for n in ("HeadCentre", "LEar", "REar"))
    np.testing.assert_allclose(points[0, :, centre], (before[0, :, left] + before[0, :, right]) / 2)
    np.testing.assert_array_equal(points[1], before[1])
    confidence = rng.random((2, 3, 24))
    lowest = np.minimum(confidence[0, :, left], confidence[0, :, right])
    rule.centre_head(confidence, seen, "min")
    np.testing.assert_array_equal(confidence[0, :, centre], lowest)
    rule_of(H36M17).centre_head(points, seen, "mean")  # a skeleton without ears: nothing to do
    np.testing.assert_array_equal(points[1], before[1])


def test_the_first_17_joints_of_a_window_are_those_of_a_window_of_17(sets):
    options = MocapWindowOptions(frames=9, batch=8, flip=0.5, motion=MotionOptions(arms=0.5, legs=0.5))
    small, large = (MocapWindows(sets, options, None, seed=3, skeleton=s)[1, 2] for s in (H36M17, BODY28))
    turned = [i for i in range(8) if torch.allclose(small["target"][i], large["target"][i, :, :17], atol=1e-4)]
    assert len(turned) >= 3  # the same people and cameras; which are mirrored is another draw
    for i in turned:
        limbs = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
        assert torch.allclose(small["input"][i][:, limbs], large["input"][i][:, limbs], atol=1e-4)


# ------------------------------------------------------------------------------------------ noise
def test_the_first_13_joints_err_on_24_as_they_do_on_13():
    noise = measured_noise()
    longer = noise.on(MEASURED24)
    assert MEASURED24.joints[:13] == MEASURED13.joints
    for name in ("jitter_mm", "drift_mm", "offset_mm", "burst_rate", "burst_mm", "drop_rate", "confidence_logit"):
        np.testing.assert_array_equal(getattr(longer, name)[:13], getattr(noise, name))
        assert getattr(longer, name).shape == (24,)
        np.testing.assert_array_equal(getattr(longer, name)[13:], getattr(noise.ends, name)[13:])
    assert longer.on(MEASURED24) is longer
    assert noise.on(MEASURED13) is noise


def test_swapped_sides_take_their_feet_and_hands_along():
    points = np.random.default_rng(3).normal(size=(1, 2, 24, 2))
    swapped = swap_sides(points, np.array([[[1.0, 0.0], [0.0, 1.0]]]))
    legs = [MEASURED24.index(s + n) for s in "LR" for n in ("Hip", "Knee", "Ankle", *FEET)]
    arms = [MEASURED24.index(s + n) for s in "LR" for n in ("Shoulder", "Elbow", "Wrist", *HANDS)]
    mirrored = points[:, :, list(MEASURED24.mirror)]
    for frame, moved in enumerate((legs, arms)):
        rest = [j for j in range(24) if j not in moved]
        np.testing.assert_array_equal(swapped[0, frame, moved], mirrored[0, frame, moved])
        np.testing.assert_array_equal(swapped[0, frame, rest], points[0, frame, rest])
