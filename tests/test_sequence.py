"""Laws of PoseSequence, the currency of the system."""

import pickle
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from prml.camera import Camera, look_at
from prml.errors import PrmlError
from prml.sequence import DetectionLog, Event, GroundTruth, PoseSequence, SmplMotion
from prml.skeleton import BLAZEPOSE33, BODY28, COCO_WHOLEBODY133, H36M17, MEASURED24, conversion


def _walk(frames=12, joints=17, seed=0):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(size=(frames, joints, 3)) * 0.02, 0) + rng.normal(size=(1, joints, 3)) * 0.4 + [0, 0, 1]


def _camera():
    R, t = look_at(np.array([4.0, 1.0, 1.5]), np.array([0.0, 0.0, 1.0]))
    return Camera(640, 480, 600.0, 600.0, 320.0, 240.0, R_world_to_camera=R, t_m=t)


def _everything(frames=12, joints=17, skeleton=H36M17):
    """A sequence with every field set; arrays of one entry per frame hold the frame's number."""

    def numbered(*shape, dtype=float):
        return np.broadcast_to(np.arange(frames).reshape(-1, *[1] * len(shape)), (frames, *shape)).astype(dtype)

    smpl = SmplMotion(numbered(72), np.arange(10.0), numbered(3), numbered(24, 3), "f")
    image = numbered(joints, 3)
    return PoseSequence.regular(
        frames,
        30.0,
        skeleton,
        keypoints_px=numbered(joints, 2),
        confidence=numbered(joints) / frames,
        joints_m=numbered(joints, 3),
        std_m=numbered(joints, 3),
        has_person=np.arange(frames) % 2 == 0,
        filled=np.arange(frames) % 3 == 0,
        inferred=numbered(joints) % 2 == 0,
        detected=np.arange(joints) % 2 == 0,
        camera=Camera.from_fov(640, 480),
        name="clip",
        subject="S1",
        action="walking",
        source="made up",
        track_id=3,
        valid=np.arange(frames) % 5 == 0,
        mm_per_px=numbered(),
        contacts=numbered(4) % 2 == 0,
        labels={"split": "test"},
        truth=GroundTruth(image, 2 * image, numbered(4, 4), numbered(dtype=int), smpl),
        detection=DetectionLog(
            "mine",
            (Event(0.1, "lost", 3),),
            np.arange(frames) % 4 == 0,
            {"detect": 1.5},
            90,
            numbered(33, 3),
            2,
            numbered() > 3,
        ),
        provenance={"prml": "1"},
    )


def _leaves(item, path=""):
    """Every field of a dataclass and of the dataclasses in it, by its dotted name; those of named types stay whole."""
    for each in fields(item):
        value = getattr(item, each.name)
        if is_dataclass(value) and not isinstance(value, Camera | type(H36M17)):
            yield from _leaves(value, f"{path}{each.name}.")
        else:
            yield f"{path}{each.name}", value


PER_CLIP = {"truth.smpl.betas", "detected"}


@pytest.mark.parametrize(
    "rows", [slice(2, 9), slice(None, None, 3), np.array([0, 4, 10]), np.arange(12) % 2 == 1], ids=str
)
@pytest.mark.parametrize("frames", [12, 10], ids=["T 12", "T 10, as many as shape numbers"])
def test_some_frames_are_those_frames_of_every_field(rows, frames):
    whole = _everything(frames)
    if isinstance(rows, np.ndarray):
        rows = rows[:frames] if rows.dtype == bool else rows[rows < frames]
    part = whole.take(rows)
    before, after = dict(_leaves(whole)), dict(_leaves(part))
    assert before.keys() == after.keys()
    assert all(value is not None for value in before.values()), "the law is empty for a field that is not set"
    for name, value in before.items():
        if isinstance(value, np.ndarray) and name not in PER_CLIP:
            np.testing.assert_array_equal(after[name], value[rows], err_msg=name)
        elif name == "image_size":
            assert after[name] == value
        else:
            assert after[name] is value, name


def test_taking_in_two_steps_is_taking_in_one():
    whole = _everything()
    twice, once = whole.take(slice(2, 10)).take(slice(1, 5)), whole.take(slice(3, 7))
    for (name, a), (_, b) in zip(_leaves(twice), _leaves(once), strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_a_pickled_sequence_is_the_same():
    before = _everything()
    for (name, a), (_, b) in zip(_leaves(before), _leaves(pickle.loads(pickle.dumps(before))), strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=name)
        elif not isinstance(a, Camera | type(H36M17)):
            assert a == b, name


def test_the_image_has_the_size_of_its_camera():
    assert PoseSequence.regular(2, 30).image_size is None
    first = PoseSequence.regular(2, 30, camera=Camera.from_fov(640, 480))
    assert first.image_size == (640, 480)
    assert first.with_(camera=Camera.from_fov(300, 400)).image_size == (300, 400)
    assert first.with_(camera=None).image_size == (640, 480)
    film = PoseSequence.regular(2, 30, image_size=(640, 480))
    assert film.with_(camera=Camera.from_fov(640, 480)).image_size == (640, 480)
    with pytest.raises(PrmlError, match=r"camera is for 300 x 400 pixels, image_size says 640 x 480"):
        film.with_(camera=Camera.from_fov(300, 400))


def test_another_joint_set_converts_the_truth_and_keeps_what_has_no_joints():
    whole = _everything(joints=33, skeleton=BLAZEPOSE33)
    ours, table = whole.to_skeleton(H36M17), conversion(BLAZEPOSE33, H36M17)
    np.testing.assert_array_equal(ours.truth.joints_image_px, table.apply(whole.truth.joints_image_px))
    np.testing.assert_array_equal(ours.truth.joints_25d_mm, table.apply(whole.truth.joints_25d_mm))
    assert ours.truth.smpl is whole.truth.smpl
    for name in ("track_id", "valid", "mm_per_px", "labels", "detection", "provenance"):
        assert getattr(ours, name) is getattr(whole, name), name


def test_the_same_joint_set_changes_no_bit():
    rng, whole = np.random.default_rng(0), _everything()
    image = rng.normal(0, 400, (12, 17, 3)).astype(np.float32)
    same = whole.with_(truth=replace(whole.truth, joints_image_px=image)).to_skeleton(H36M17)
    assert same.truth.joints_image_px.dtype == np.float32
    np.testing.assert_array_equal(same.truth.joints_image_px, image)


def test_another_root_or_camera_keeps_what_is_said_of_the_person():
    whole = _everything()
    for other in (whole.relative_to_root(), whole.with_(frame="world").in_camera(_camera())):
        for name in ("track_id", "valid", "labels", "provenance"):
            assert getattr(other, name) is getattr(whole, name), name
    moved = whole.with_(frame="world").in_camera(Camera.from_fov(300, 400))
    assert moved.image_size == (300, 400)
    assert (moved.mm_per_px, moved.truth, moved.detection) == (None, None, None), "they belong to the other picture"


def test_an_event_s_record_is_what_result_files_hold():
    assert Event(1 / 3, "lost", 2).record() == {"time_s": 0.3333, "kind": "lost"}


def test_regular_times_are_evenly_spaced_from_zero():
    sequence = PoseSequence.regular(10, 25.0)
    np.testing.assert_allclose(sequence.times_s, np.arange(10) / 25)
    assert (len(sequence), sequence.fps, sequence.skeleton) == (10, 25.0, H36M17)


def test_relative_to_root_is_idempotent_and_forgets_the_place():
    joints = _walk()
    here = PoseSequence.regular(12, 50, joints_m=joints).relative_to_root()
    there = PoseSequence.regular(12, 50, joints_m=joints + [3, -2, 1]).relative_to_root()
    np.testing.assert_allclose(here.joints_m, there.joints_m, atol=1e-12)
    np.testing.assert_array_equal(here.joints_m[:, 0], 0)
    assert here.root_relative
    assert here.relative_to_root() is here


def test_in_camera_sees_what_the_camera_sees():
    camera, joints = _camera(), _walk()
    seen = PoseSequence.regular(12, 50, joints_m=joints, frame="world").in_camera(camera)
    assert (seen.frame, seen.camera) == ("camera", camera)
    np.testing.assert_allclose(camera.to_world(seen.joints_m), joints, atol=1e-12)
    np.testing.assert_allclose(seen.keypoints_px, camera.project(seen.joints_m))
    np.testing.assert_array_equal(seen.confidence, 1)


def test_a_change_makes_a_copy_and_leaves_the_original():
    first = PoseSequence.regular(3, 30, name="a")
    second = first.with_(name="b")
    assert (first.name, second.name) == ("a", "b")


def test_another_skeleton_converts_every_array_alike():
    rng = np.random.default_rng(1)
    pixels, confidence = rng.uniform(0, 500, (6, 33, 2)), rng.uniform(0, 1, (6, 33))
    sequence = PoseSequence.regular(6, 30, BLAZEPOSE33, keypoints_px=pixels, confidence=confidence).to_skeleton(H36M17)
    table = conversion(BLAZEPOSE33, H36M17)
    np.testing.assert_allclose(sequence.keypoints_px, table.apply(pixels))
    np.testing.assert_allclose(sequence.confidence, table.apply_confidence(confidence))
    assert sequence.skeleton is H36M17


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            lambda: {"keypoints_px": np.zeros((4, 17, 2))},
            r"keypoints_px of h36m17 over 5 frames must be \(5, 17, 2\), got \(4,",
        ),
        (lambda: {"joints_m": np.zeros((5, 16, 3))}, r"joints_m .* must be \(5, 17, 3\), got \(5, 16, 3\)"),
        (lambda: {"confidence": np.zeros((5, 17, 1))}, r"confidence .* must be \(5, 17\)"),
        (lambda: {"has_person": np.ones(6, bool)}, r"has_person .* must be \(5,\), got \(6,\)"),
        (lambda: {"valid": np.ones(4, bool)}, r"valid .* must be \(5,\), got \(4,\)"),
        (lambda: {"mm_per_px": np.ones((5, 1))}, r"mm_per_px .* must be \(5,\), got \(5, 1\)"),
        (
            lambda: {"truth": GroundTruth(np.zeros((5, 16, 3)))},
            r"joints_image_px of a ground truth of 17 joints .* \(5, 17, 3\)",
        ),
        (lambda: {"truth": GroundTruth(joints_25d_mm=np.zeros((4, 17, 3)))}, r"joints_25d_mm .* got \(4, 17, 3\)"),
        (
            lambda: {"truth": GroundTruth(world_to_camera=np.zeros((5, 3, 4)))},
            r"world_to_camera .* must be \(5, 4, 4\)",
        ),
        (lambda: {"truth": GroundTruth(activity=np.zeros(6, int))}, r"activity .* must be \(5,\)"),
        (
            lambda: {"truth": GroundTruth(smpl=SmplMotion(np.zeros((5, 72)), np.zeros(16), np.zeros((5, 3))))},
            r"betas of an SMPL motion over 5 frames must be \(10,\), got \(16,\)",
        ),
        (
            lambda: {"detection": DetectionLog("d", swapped=np.zeros(4, bool))},
            r"swapped of a detection log over 5 frames",
        ),
        (
            lambda: {"detection": DetectionLog("d", points_px=np.zeros((5, 18, 2)))},
            r"points_px .* must be \(5, 18, 3\)",
        ),
        (lambda: {"detection": DetectionLog("d", points_px=np.zeros(5))}, r"points_px .* got \(5,\)"),
        (
            lambda: {"image_size": (640, 480.5)},
            r"image_size must be width and height in whole pixels above 0, got \(640, 480.5",
        ),
        (lambda: {"image_size": (0, 480)}, r"image_size must be .* got \(0, 480\)"),
        (lambda: {"image_size": (640,)}, r"image_size must be .* got \(640,\)"),
        (lambda: {"track_id": -1}, "track_id must be a whole number from 0 on, got -1"),
        (lambda: {"track_id": True}, "track_id must be a whole number from 0 on, got True"),
        (lambda: {"labels": {"take": 1}}, "labels are texts by name, got 'take': 1"),
    ],
)
@pytest.mark.misfit
def test_arrays_that_do_not_fit_are_named(fields, message):
    with pytest.raises(PrmlError, match=message):
        PoseSequence.regular(5, 50, **fields())


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "NaN where keypoints_px is not"), (50.0, "between 0 and 1, got 50; divide percent")]
)
def test_confidence_is_checked(value, message):
    points, confidence = np.zeros((5, 17, 2)), np.full((5, 17), 0.5)
    confidence[2, 3] = value
    with pytest.raises(PrmlError, match=message):
        PoseSequence.regular(5, 50, keypoints_px=points, confidence=confidence)
    points[2, 3], confidence[2, 3] = np.nan, np.nan
    PoseSequence.regular(5, 50, keypoints_px=points, confidence=confidence)


@pytest.mark.parametrize("fps", [0.0, -25.0, float("nan"), float("inf")])
def test_an_absurd_frame_rate_is_refused(fps):
    with pytest.raises(PrmlError, match="frame rate must be positive"):
        PoseSequence.regular(5, fps)
    with pytest.raises(PrmlError, match="frame rate must be positive"):
        PoseSequence(H36M17, np.arange(5.0), fps=fps)


@pytest.mark.parametrize("times", [[0, 1, 1], [0, 2, 1], [0, float("nan"), 1]])
def test_time_must_go_on(times):
    with pytest.raises(PrmlError, match="times_s must increase"):
        PoseSequence(H36M17, np.array(times, dtype=float))


def test_in_camera_wants_absolute_world_joints():
    for sequence in (
        PoseSequence.regular(2, 50),
        PoseSequence.regular(2, 50, joints_m=np.zeros((2, 17, 3)), frame="camera"),
        PoseSequence.regular(2, 50, joints_m=np.zeros((2, 17, 3)), frame="world").relative_to_root(),
    ):
        with pytest.raises(PrmlError, match="absolute joints in the world frame"):
            sequence.in_camera(_camera())


def test_no_conversion_is_said_so():
    with pytest.raises(PrmlError, match="no conversion from h36m17 to coco_wholebody133"):
        PoseSequence.regular(2, 50).to_skeleton(COCO_WHOLEBODY133)


def test_the_first_17_of_28_joints_keep_all_that_is_known_of_them():
    whole = _everything(joints=28, skeleton=BODY28)
    part = whole.to_skeleton(H36M17)
    for name in ("keypoints_px", "confidence", "joints_m", "std_m", "inferred"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[:, :17], err_msg=name)
    np.testing.assert_array_equal(part.detected, whole.detected[:17])
    assert whole.to_skeleton(MEASURED24).std_m is None  # a mixed joint has no spread that is known
    assert whole.to_skeleton(MEASURED24).detected[:6].tolist() == whole.detected[1:7].tolist()


def test_a_frame_is_mostly_inferred_if_most_of_what_could_be_detected_is():
    inferred = np.zeros((2, 28), bool)
    inferred[:, 17:] = True  # 17 joints were given
    inferred[1, 3:12] = True
    sequence = PoseSequence.regular(2, 30.0, BODY28, inferred=inferred, detected=np.arange(28) < 17)
    assert sequence.mostly_inferred.tolist() == [False, True]
    assert sequence.with_(detected=None).mostly_inferred.tolist() == [False, True]
    inferred[0, :4] = True
    assert sequence.with_(inferred=inferred).mostly_inferred.tolist() == [False, True]
    assert sequence.with_(inferred=inferred, detected=None).mostly_inferred.tolist() == [True, True]
