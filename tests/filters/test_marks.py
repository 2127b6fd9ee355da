"""Joints that no picture shows are marked, and stay marked through a change of skeleton."""

import numpy as np

from prml.filters.marks import mark_inferred
from prml.sequence import PoseSequence
from prml.skeleton import COCO17, H36M17


def _sequence(**changes):
    points, confidence = np.full((6, 17, 2), 50.0), np.full((6, 17), 0.8)
    return PoseSequence.regular(
        6, 25, COCO17, **{"keypoints_px": points, "confidence": confidence, "image_size": (100, 80), **changes}
    )


def test_each_reason_marks_its_joints_and_no_others():
    points, confidence = np.full((6, 17, 2), 50.0), np.full((6, 17), 0.8)
    points[0, 3] = (-1.0, 50.0)
    points[1, 4] = (50.0, 81.0)
    points[2, 5] = np.nan
    confidence[3, 6] = 0.0
    points[4, 7] = (100.0, 80.0)  # the corner is in the image
    filled = np.arange(6) == 5
    marked = mark_inferred(_sequence(keypoints_px=points, confidence=confidence, filled=filled))
    wanted = np.zeros((6, 17), bool)
    wanted[[0, 1, 2, 3], [3, 4, 5, 6]] = True
    wanted[5] = True
    np.testing.assert_array_equal(marked.inferred, wanted)
    assert marked.mostly_inferred.tolist() == [False] * 5 + [True]
    assert marked.take(slice(4, 6)).inferred.tolist() == wanted[4:6].tolist()


def test_marks_add_up():
    before = np.zeros((6, 17), bool)
    before[2, 2] = True
    marked = mark_inferred(_sequence(inferred=before, filled=np.arange(6) == 0))
    assert marked.inferred[2, 2]
    assert marked.inferred.sum() == 18


def test_a_joint_is_inferred_if_one_that_it_is_made_of_is():
    inferred = np.zeros((6, 17), bool)
    inferred[0, COCO17.index("LHip")] = True
    converted = _sequence(inferred=inferred).to_skeleton(H36M17)
    assert {H36M17.joints[j] for j in np.flatnonzero(converted.inferred[0])} >= {"Hip", "LHip"}
    assert not converted.inferred[0, [H36M17.index(j) for j in ("RHip", "LKnee", "LWrist", "LShoulder")]].any()
    assert not converted.inferred[1:].any()
