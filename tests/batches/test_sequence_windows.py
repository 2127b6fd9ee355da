"""Training windows from sequences with their own cameras: laws of SequenceRule and SequenceWindows."""

import numpy as np
import pytest
import torch

from prml.batches.options import SequenceWindowOptions, WindowOptions
from prml.batches.sequence_windows import SequenceRule, SequenceWindows
from prml.camera import Camera
from prml.errors import PrmlError
from prml.evaluation.predictor import image_to_metres
from prml.sequence import GroundTruth, PoseSequence
from prml.skeleton import H36M17, MPI_INF_3DHP17
from prml.training.module import validation_errors

CAMERA = Camera(1000, 1002, 1145.0, 1143.0, 512.0, 515.0)
OPTIONS = WindowOptions(frames=8, stride=4, batch=3, flip=0.5)
MIRROR = list(H36M17.mirror)
RULES = [
    SequenceRule(),
    SequenceRule(in_channels=3),
    SequenceRule("image", in_channels=3),
    SequenceRule("image", input_from_label=True),
]


def person(frames: int = 20, seed: int = 0, **fields) -> PoseSequence:
    """Somebody 4 m away, with the label of the Stacked-Hourglass pickle and detections that are a little off it."""
    rng = np.random.default_rng(seed)
    joints = rng.normal(0, 0.4, (frames, 17, 3)) + [0, 0, 4]
    per_m = CAMERA.fx / joints[:, :1, 2] + 1 / 2
    image = np.concatenate([CAMERA.project(joints), (per_m * (joints[..., 2] - joints[:, :1, 2]))[..., None]], -1)
    factor = 1000 / per_m[:, 0]
    return PoseSequence.regular(
        frames,
        fields.pop("fps", 50.0),
        **{
            "joints_m": joints,
            "keypoints_px": image[..., :2] + rng.normal(0, 3, (frames, 17, 2)),
            "confidence": rng.uniform(0.2, 1, (frames, 17)),
            "camera": CAMERA,
            "name": f"clip{seed}",
            "mm_per_px": factor,
            "truth": GroundTruth(joints_image_px=image, joints_25d_mm=image * factor[:, None, None]),
            **fields,
        },
    )


def mirrored(sequence: PoseSequence) -> PoseSequence:
    """The same person in a mirror: the image's x counted from the other side, left and right swapped."""
    width = sequence.camera.width
    image = sequence.truth.joints_image_px[:, MIRROR] * [-1, 1, 1] + [width, 0, 0]
    return sequence.with_(
        joints_m=sequence.joints_m[:, MIRROR] * [-1, 1, 1],
        keypoints_px=sequence.keypoints_px[:, MIRROR] * [-1, 1] + [width, 0],
        confidence=sequence.confidence[:, MIRROR],
        mm_per_px=None,
        truth=GroundTruth(joints_image_px=image),
    )


def windows(*sequences: PoseSequence, rule: SequenceRule = RULES[0], seed: int = 0, **options) -> SequenceWindows:
    values = {**vars(OPTIONS), **options}
    return SequenceWindows(sequences, rule, WindowOptions(**values), seed=seed)


# ------------------------------------------------------------------------------------------------ SequenceRule
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_shapes_and_a_target_whose_root_is_the_origin(rule):
    given, target = rule.arrays(person())
    assert given.shape == (20, 17, rule.in_channels)
    assert target.shape == (20, 17, 3)
    assert given.dtype == target.dtype == np.float32
    assert not target[:, 0].any()


def test_the_image_label_comes_back_as_the_protocol_scores_it():
    sequence = person()
    _, target = SequenceRule("image").arrays(sequence)
    image = sequence.truth.joints_image_px
    np.testing.assert_allclose(target * 500 + image[:, :1], image, atol=1e-3)
    label = sequence.truth.joints_25d_mm
    np.testing.assert_allclose(image_to_metres(target, sequence), (label - label[:, :1]) / 1000, atol=1e-5)


def test_the_unit_of_an_image_target_is_the_protocol_s():
    sequence, rule = person(), SequenceRule("image")
    _, target = rule.arrays(sequence)
    np.testing.assert_allclose(
        target * rule.unit_m(sequence)[:, None, None], image_to_metres(target, sequence), rtol=1e-5
    )
    assert SequenceRule().unit_m(sequence) is None
    assert rule.unit_m(sequence.with_(mm_per_px=None)) is None
    both = windows(sequence, person(seed=1), rule=rule, frames=10, stride=10)
    batch = both.make(np.random.default_rng(0), both.index)
    np.testing.assert_array_equal(batch["unit_m"][0], rule.unit_m(sequence)[:10])
    silent = person(seed=1).with_(mm_per_px=None)
    assert windows(sequence, silent, rule=rule).unit_m is None


def test_input_from_label_is_the_label_s_x_and_y():
    given, target = SequenceRule("image", input_from_label=True, in_channels=3).arrays(person())
    np.testing.assert_allclose(given[..., :2] - given[:, :1, :2], target[..., :2], atol=1e-6)
    assert (given[..., 2] == 1).all()
    detected, same = SequenceRule("image").arrays(person())
    assert np.abs(detected - given[..., :2]).max() > 1e-3
    np.testing.assert_array_equal(same, target)


def test_camera_target_is_the_pose_and_the_third_channel_the_confidence():
    sequence = person()
    given, target = SequenceRule(in_channels=3).arrays(sequence)
    np.testing.assert_allclose(target, sequence.joints_m - sequence.joints_m[:, :1], atol=1e-6)
    np.testing.assert_allclose(given[..., 2], sequence.confidence, atol=1e-6)
    np.testing.assert_allclose((given[..., :2] + [1, 1.002]) * 500, sequence.keypoints_px, atol=1e-3)
    without = SequenceRule(in_channels=3).arrays(sequence.with_(confidence=None))[0]
    assert (without[..., 2] == 1).all()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_mirroring_the_arrays_is_mirroring_the_world(rule):
    straight, turned = (
        windows(s, rule=rule, frames=20, stride=20, flip=f) for s, f in ((person(), 1), (mirrored(person()), 0))
    )
    rng = np.random.default_rng(0)
    a, b = (w.make(rng, w.index) for w in (straight, turned))
    for key in ("input", "target"):
        torch.testing.assert_close(a[key], b[key], atol=2e-6, rtol=0)


def test_joints_of_another_data_set_are_brought_into_order():
    order = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]  # H36M17 -> the 17 of MPI-INF-3DHP
    sequence = person()
    other = np.empty_like(sequence.joints_m), np.empty_like(sequence.keypoints_px)
    for array, given in zip(other, (sequence.joints_m, sequence.keypoints_px), strict=True):
        array[:, order] = given
    there = PoseSequence.regular(20, 25.0, MPI_INF_3DHP17, joints_m=other[0], keypoints_px=other[1], camera=CAMERA)
    for a, b in zip(RULES[0].arrays(there), RULES[0].arrays(sequence), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "lacking", "message"),
    [
        (SequenceRule(), {"keypoints_px": None}, "needs 2D keypoints"),
        (SequenceRule(), {"camera": None}, "image size"),
        (SequenceRule(), {"joints_m": None}, "no 3D joints"),
        (SequenceRule("image"), {"truth": None}, "no image-space label"),
        (SequenceRule(input_from_label=True), {"truth": None}, "no image-space label"),
    ],
)
def test_a_sequence_that_lacks_what_the_rule_needs_is_named(rule, lacking, message):
    with pytest.raises(PrmlError, match=message):
        rule.arrays(person().with_(**lacking))


# ------------------------------------------------------------------------------------------------ SequenceWindows
def test_a_batch_is_a_function_of_seed_epoch_and_number():
    made, again = (windows(person(), person(31, seed=1), seed=5) for _ in range(2))
    for epoch, number in ((0, 0), (3, 1)):
        for key, value in made[epoch, number].items():
            assert torch.equal(value, again[epoch, number][key])
    assert not torch.equal(made[0, 0]["input"], made[1, 0]["input"])
    assert not torch.equal(made[0, 0]["input"], windows(person(), person(31, seed=1), seed=6)[0, 0]["input"])


def test_an_epoch_shows_every_window_at_most_once_and_leaves_out_less_than_a_batch():
    made = windows(person(20), person(31, seed=1), flip=0.0)
    assert len(made.index) == 4 + 6  # starts 0, 4, ... as long as 8 frames are left
    shown = torch.cat([made[2, n]["input"] for n in range(len(made))])
    assert len(made.index) - len(shown) < OPTIONS.batch
    whole = made.make(np.random.default_rng(0), made.index)["input"]
    places = [[i for i, w in enumerate(whole) if torch.equal(w, s)] for s in shown]
    assert all(len(p) == 1 for p in places)
    assert len({p[0] for p in places}) == len(shown)


def test_windows_lie_within_one_sequence():
    parts = [person(20), person(9, seed=1)]
    made = windows(*parts, flip=0.0, stride=1)
    rows = [RULES[0].arrays(p)[1] for p in parts]
    targets = made.make(np.random.default_rng(0), made.index)["target"].numpy()
    wanted = [r[a : a + 8] for r in rows for a in range(len(r) - 7)]
    np.testing.assert_array_equal(targets, np.stack(wanted))


def test_a_short_sequence_is_one_window_with_its_last_frame_repeated():
    made = windows(person(5), flip=0.0)
    assert (len(made.index), len(made)) == (1, 1)
    batch, (given, target) = made[0, 0], RULES[0].arrays(person(5))
    at = np.minimum(np.arange(8), 4)
    np.testing.assert_array_equal(batch["input"][0].numpy(), given[at])
    np.testing.assert_array_equal(batch["target"][0].numpy(), target[at])


def test_flip_probability_and_that_twice_is_nothing():
    made = windows(person(400), stride=1, flip=0.5)
    rng = np.random.default_rng(1)
    flipped = made.make(rng, made.index)["input"].numpy()
    plain = windows(person(400), stride=1, flip=0.0).make(rng, made.index)["input"].numpy()
    turned = (flipped != plain).any((1, 2, 3))
    assert 0.4 < turned.mean() < 0.6
    back = flipped[turned][..., MIRROR, :] * [-1, 1]
    np.testing.assert_array_equal(back, plain[turned])


def test_the_frame_rate_is_that_of_most_frames_and_nothing_to_train_on_is_said():
    assert windows(person(20, fps=25.0), person(10, fps=50.0)).fps == 25
    assert windows(person(10, fps=25.0), person(20, fps=50.0)).fps == 50
    with pytest.raises(PrmlError, match="split is empty"):
        windows()


def test_windows_reach_over_frames_that_are_not_valid_and_say_which_are():
    valid = np.arange(20) % 3 == 0
    whole, flagged = (SequenceWindows([s], RULES[0], OPTIONS, seed=1) for s in (person(), person(valid=valid)))
    assert whole.scored is None
    for row in flagged.index[:, None]:
        batch, plain = (w.make(np.random.default_rng(0), row) for w in (flagged, whole))
        assert torch.equal(batch["input"], plain["input"])
        assert batch["scored"][0].tolist() == valid[row[0, 0] : row[0, 0] + 8].tolist()


def test_validation_counts_the_scored_frames_alone():
    target = torch.randn(3, 8, 17, 3, dtype=torch.float64)
    target = target - target[:, :, :1]
    prediction, scored = target.clone(), torch.zeros(3, 8, dtype=torch.bool)
    scored[:2, ::2] = True
    prediction[:, 1::2, 5, 0] += 1.0
    assert validation_errors(prediction, target, None, scored)[:2].abs().max() < 1e-6
    assert validation_errors(prediction, target, None, scored)[2].isnan().all()
    assert validation_errors(prediction, target, None, ~scored)[:2, 0] == pytest.approx(1000 / 17)


def test_windows_of_every_third_frame_span_three_times_as_long():
    options = SequenceWindowOptions(frames=4, stride=5, batch=1, flip=0.0, step=3)
    windows = SequenceWindows([person(23), person(8, seed=1)], RULES[0], options, seed=1)
    assert windows.index[:, 0].tolist() == [0, 5, 10, 23]  # the last one that fits starts at 13; the short video is one
    assert windows.fps == pytest.approx(50 / 3)
    given = RULES[0].arrays(person(23))[0]
    batch = windows.make(np.random.default_rng(0), windows.index[1:2])
    np.testing.assert_array_equal(batch["input"][0], given[[5, 8, 11, 14]])
    short = windows.make(np.random.default_rng(0), windows.index[3:])
    np.testing.assert_array_equal(short["input"][0], RULES[0].arrays(person(8, seed=1))[0][[0, 3, 6, 7]])
