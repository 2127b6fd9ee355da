from pathlib import Path

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import H36M17
from prml.view.trust import FAINT, MAX_BONE_CHANGE_M, MAX_DISTANCE_SHARE, MAX_SPEED_M_S, RULES, Trust

LEFT_WRIST, LEFT_ELBOW = H36M17.index("LWrist"), H36M17.index("LElbow")


def frames(mask):
    return np.flatnonzero(mask).tolist()


def still(make_person, count=30):
    """A person who does not move at all."""
    sequence = make_person(count)
    repeated = {name: np.repeat(getattr(sequence, name)[:1], count, 0) for name in ("joints_m", "keypoints_px")}
    return sequence.with_(**repeated)


def test_somebody_in_full_view_is_trusted(make_person):
    trust = Trust.of(make_person(40))
    assert trust.person.all()
    assert trust.measured.all()
    assert not trust.faint.any()
    assert not trust.implausible.any()
    assert (trust.opacity == 1).all()
    np.testing.assert_allclose(trust.distance_px, 0, atol=1e-3)


def test_measured_means_found_and_not_filled(make_person):
    trust = Trust.of(make_person(10, gap=[2], filled=[4, 5]))
    assert frames(~trust.measured) == [2, 4, 5]
    assert frames(~trust.person) == [2]
    assert frames(trust.faint.all(1)) == [2, 4, 5]
    assert set(trust.opacity[[0, 4]].ravel()) == {1.0, FAINT}


def test_joints_without_confidence_without_a_place_or_outside_the_picture_are_inferred(make_person):
    sequence = make_person(6, 640, 360)
    points, confidence = sequence.keypoints_px.copy(), sequence.confidence.copy()
    confidence[1, 3] = 0
    points[2, 4] = np.nan
    points[3, 5], points[3, 6], points[3, 7], points[3, 8] = (-0.5, 90), (640.5, 90), (90, -0.5), (90, 360.5)
    points[4, 5], points[4, 6] = (0, 0), (640, 360)  # on the edge
    inferred = Trust.of(sequence.with_(keypoints_px=points, confidence=confidence)).inferred
    assert np.argwhere(inferred).tolist() == [[1, 3], [2, 4], [3, 5], [3, 6], [3, 7], [3, 8]]
    trust = Trust.of(sequence.with_(confidence=confidence))
    assert np.argwhere(trust.opacity < 1).tolist() == [[1, 3]]


def test_marks_that_a_sequence_brings_along_are_taken(make_person):
    marks = np.zeros((6, 17), bool)
    marks[2, :9], marks[4, 1] = True, True
    trust = Trust.of(make_person(6).with_(inferred=marks, confidence=np.full((6, 17), 0.9)))
    np.testing.assert_array_equal(trust.inferred, marks)
    assert frames(trust.invented) == [2]
    assert frames(trust.faint.all(1)) == [2]


def test_a_frame_is_invented_if_more_than_half_of_its_joints_are_inferred(make_person):
    sequence = make_person(4)
    confidence = sequence.confidence.copy()
    confidence[1, :8], confidence[2, :9] = 0, 0
    trust = Trust.of(sequence.with_(confidence=confidence))
    assert frames(trust.invented) == [2]
    assert frames(trust.faint.all(1)) == [2]
    assert trust.faint[1].sum() == 8


@pytest.mark.parametrize(("change", "wanted"), [(0.9, []), (1.1, [7])])
def test_a_bone_of_another_length_is_implausible(make_person, change, wanted):
    sequence = still(make_person).with_(keypoints_px=None)  # judged by its bones alone
    joints = sequence.joints_m.copy()
    bone = joints[7, LEFT_WRIST] - joints[7, LEFT_ELBOW]
    joints[7, LEFT_WRIST] += bone / np.linalg.norm(bone) * MAX_BONE_CHANGE_M * change
    times = np.arange(30) * 1.0  # slow
    assert frames(Trust.of(sequence.with_(joints_m=joints, times_s=times)).implausible) == wanted


@pytest.mark.parametrize(("change", "wanted"), [(0.9, []), (1.1, [11, 12])])
def test_a_joint_that_jumps_is_implausible_before_and_after(make_person, change, wanted):
    sequence = still(make_person).with_(keypoints_px=None)
    joints, elbow = sequence.joints_m.copy(), sequence.joints_m[0, LEFT_ELBOW]
    reach = np.linalg.norm(joints[0, LEFT_WRIST] - elbow)
    at, to = np.array([1.0, 0, 0]), np.array([0.6, 0.8, 0])  # the bone keeps its length
    joints[:12, LEFT_WRIST], joints[12:, LEFT_WRIST] = elbow + reach * at, elbow + reach * to
    step_m = reach * np.linalg.norm(to - at)
    times = np.arange(30) * step_m / (MAX_SPEED_M_S * change)
    assert frames(Trust.of(sequence.with_(joints_m=joints, times_s=times)).implausible) == wanted


def test_the_speed_of_the_whole_body_does_not_count(make_person):
    sequence = still(make_person).with_(keypoints_px=None, root_relative=False)
    moved = sequence.joints_m + np.arange(30)[:, None, None] * [2.0, 0, 0]  # 50 m/s
    assert not Trust.of(sequence.with_(joints_m=moved)).implausible.any()


@pytest.mark.parametrize(("change", "wanted"), [(0.9, []), (1.1, [3])])
def test_a_reprojection_beside_the_detection_is_implausible(make_person, change, wanted):
    sequence = still(make_person)
    absolute = sequence.with_(root_relative=False, joints_m=sequence.joints_m + [0, 0, 4.0])
    points = absolute.keypoints_px.copy()
    size = np.ptp(points[3], axis=0).max()
    points[3] += [MAX_DISTANCE_SHARE * size * change, 0]
    assert frames(Trust.of(absolute.with_(keypoints_px=points)).implausible) == wanted


def test_an_inferred_joint_far_off_does_not_make_its_frame_implausible(make_person):
    sequence = still(make_person)
    points, confidence = sequence.keypoints_px.copy(), sequence.confidence.copy()
    points[5, LEFT_WRIST], confidence[5, LEFT_WRIST] = (5000, 4000), 0
    assert not Trust.of(sequence.with_(keypoints_px=points, confidence=confidence)).implausible.any()


def test_noise_instead_of_a_person_is_implausible(make_person):
    rng = np.random.default_rng(0)
    sequence = make_person(40)
    noise = sequence.with_(joints_m=rng.normal(size=(40, 17, 3)), keypoints_px=rng.uniform(0, 360, (40, 17, 2)))
    assert Trust.of(noise).implausible.mean() > 0.9


def test_nobody_anywhere_one_frame_and_no_2d(make_person):
    assert not Trust.of(make_person(4, gap=range(4))).implausible.any()
    assert not Trust.of(make_person(1)).faint.any()
    alone = Trust.of(make_person(4).with_(keypoints_px=None, confidence=None, camera=None))
    assert alone.distance_px is None
    assert alone.placement is None
    assert alone.faint.shape == (4, 17)
    assert not alone.faint.any()


def test_two_dimensional_sequences_are_refused():
    with pytest.raises(PrmlError, match="lift it first"):
        Trust.of(PoseSequence.regular(3, 25, keypoints_px=np.zeros((3, 17, 2))))


def test_the_rule_that_is_shown_states_the_limits_that_hold():
    documented = (Path(__file__).parents[2] / "docs/file_schema.md").read_text("utf-8").replace(" %", "%")
    for limit in (f"{MAX_BONE_CHANGE_M * 100:g} cm", f"{MAX_SPEED_M_S:g} m/s", f"{MAX_DISTANCE_SHARE:.0%}"):
        assert limit in dict(RULES)["Implausible"]
        assert limit in documented
