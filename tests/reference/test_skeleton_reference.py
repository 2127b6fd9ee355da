"""Joint orders as their authors publish them, and the conversion rules against sums worked by hand."""

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import (
    BLAZEPOSE33,
    COCO17,
    H36M17,
    HALPE26,
    MEASURED13,
    MPI_INF_3DHP17,
    MPI_INF_3DHP28,
    OPENPOSE18,
    OPENPOSE25,
    SMPL24,
    Conversion,
    Skeleton,
    conversion,
    skeleton,
)

LIMBS = [side + limb for side in "LR" for limb in ("Hip", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist")]


@pytest.mark.parametrize(
    ("joints", "order"),
    [
        # left and right of: hip, knee, ankle, shoulder, elbow, wrist
        (H36M17, (4, 5, 6, 11, 12, 13, 1, 2, 3, 14, 15, 16)),
        (COCO17, (11, 13, 15, 5, 7, 9, 12, 14, 16, 6, 8, 10)),
        (HALPE26, (11, 13, 15, 5, 7, 9, 12, 14, 16, 6, 8, 10)),
        (OPENPOSE18, (11, 12, 13, 5, 6, 7, 8, 9, 10, 2, 3, 4)),
        (OPENPOSE25, (12, 13, 14, 5, 6, 7, 9, 10, 11, 2, 3, 4)),
        (BLAZEPOSE33, (23, 25, 27, 11, 13, 15, 24, 26, 28, 12, 14, 16)),
        (MPI_INF_3DHP17, (11, 12, 13, 5, 6, 7, 8, 9, 10, 2, 3, 4)),
        (MPI_INF_3DHP28, (18, 19, 20, 9, 10, 11, 23, 24, 25, 14, 15, 16)),
        (SMPL24, (1, 4, 7, 16, 18, 20, 2, 5, 8, 17, 19, 21)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_limbs_lie_where_the_authors_put_them(joints, order):
    assert tuple(joints.index(name) for name in LIMBS) == order
    mirrored = [joints.mirror[i] for i in order]
    assert mirrored == [*order[6:], *order[:6]]


@pytest.mark.parametrize(
    ("joints", "places"),
    [
        (H36M17, {"Hip": 0, "Spine": 7, "Thorax": 8, "Nose": 9, "Head": 10}),
        (COCO17, {"Nose": 0, "LEye": 1, "REye": 2, "LEar": 3, "REar": 4}),
        (HALPE26, {"LEar": 3, "REar": 4, "Head": 17, "Neck": 18, "Hip": 19, "LBigToe": 20, "LHeel": 24, "RHeel": 25}),
        (OPENPOSE18, {"Nose": 0, "Neck": 1, "REye": 14, "LEye": 15, "REar": 16, "LEar": 17}),
        (OPENPOSE25, {"Neck": 1, "Hip": 8, "REye": 15, "LEye": 16, "REar": 17, "LEar": 18, "LHeel": 21, "RHeel": 24}),
        (BLAZEPOSE33, {"LEar": 7, "REar": 8, "LHeel": 29, "RHeel": 30, "LFootIndex": 31, "RFootIndex": 32}),
        (MPI_INF_3DHP17, {"Head": 0, "Neck": 1, "Hip": 14, "Spine": 15, "Nose": 16}),
        (SMPL24, {"Pelvis": 0, "Spine1": 3, "Spine2": 6, "Spine3": 9, "Neck": 12, "Head": 15}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_trunk_lies_where_the_authors_put_it(joints, places):
    assert {name: joints.index(name) for name in places} == places


@pytest.mark.parametrize(
    ("joints", "root"), [(H36M17, 0), (HALPE26, 19), (OPENPOSE25, 8), (MPI_INF_3DHP17, 14), (MPI_INF_3DHP28, 4)]
)
def test_the_root_is_the_hip(joints, root):
    assert joints.root == root


def test_the_tree_of_human36m():
    assert H36M17.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)


def _placed(joints, places):
    points = np.zeros((len(joints), 2))
    for name, place in places.items():
        points[joints.index(name)] = place
    return points


TRUNK = {
    "Hip": (1, 0),
    "Spine": (1.08, 2.9),
    "Thorax": (2.35, 11.3),
    "Nose": (3.61, 17.9),
    "Head": (4.39, 22.1),
}


def test_the_trunk_rule_by_hand():
    """Hips' middle (1, 0), shoulders' middle (2, 10), head centre (4, 20).

    Spine 0.50, 0.71, -0.21; Thorax 0.09, 0.69, 0.22; Nose 0.03, 0.15, 0.82; Head -0.03, -0.15, 1.18 of the three.
    """
    places = {"LHip": (2, 0), "RHip": (0, 0), "LShoulder": (3, 10), "RShoulder": (1, 10)}
    measured = conversion(MEASURED13, H36M17).apply(_placed(MEASURED13, places | {"HeadCentre": (4, 20)}))
    ears = {"LEar": (5, 19), "REar": (3, 21)}
    found = conversion(BLAZEPOSE33, H36M17).apply(_placed(BLAZEPOSE33, places | ears))
    for name, expected in TRUNK.items():
        np.testing.assert_allclose(measured[H36M17.index(name)], expected, atol=1e-12)
        np.testing.assert_allclose(found[H36M17.index(name)], expected, atol=1e-12)


def test_the_trunk_of_smpl_by_hand():
    places = {"LHip": (2, 0), "RHip": (0, 0), "Spine1": (0, 4), "Spine2": (4, 8), "Spine3": (0, 10), "Neck": (5, 20)}
    found = conversion(SMPL24, H36M17).apply(_placed(SMPL24, places | {"Head": (6, 24)}))
    expected = {"Hip": (1, 0), "Spine": (1, 5), "Thorax": (3, 16), "Nose": (6, 24), "Head": (7, 28)}
    for name, place in expected.items():
        np.testing.assert_allclose(found[H36M17.index(name)], place, atol=1e-12)


def test_seventeen_of_twenty_eight_are_those_of_the_official_script():
    """mpii_get_joint_set, "relevant": [8 6 15 16 17 10 11 12 24 25 26 19 20 21 5 4 7], counted from one."""
    relevant = [8, 6, 15, 16, 17, 10, 11, 12, 24, 25, 26, 19, 20, 21, 5, 4, 7]
    matrix = conversion(MPI_INF_3DHP28, MPI_INF_3DHP17).matrix
    np.testing.assert_array_equal(matrix.argmax(1) + 1, relevant)
    np.testing.assert_array_equal(matrix.sum(1), 1)


def test_confidence_counts_joints_of_at_least_a_tenth():
    """The hips (0.045 each) do not matter to the Thorax, the shoulders (-0.075) not to the Head; to the Spine both."""
    sure = np.ones(13)
    sure[[MEASURED13.index("LHip"), MEASURED13.index("RShoulder")]] = 0.2, 0.5
    sure = conversion(MEASURED13, H36M17).apply_confidence(sure)
    named = dict(zip(H36M17.joints, sure, strict=True))
    assert named | {"Hip": 0.2, "Spine": 0.2, "Thorax": 0.5, "Nose": 1.0, "Head": 1.0, "LHip": 0.2} == named


def test_the_root_becomes_the_origin():
    joints = np.arange(51.0).reshape(1, 17, 3)
    relative = PoseSequence.regular(1, 50, H36M17, joints_m=joints).relative_to_root().joints_m
    np.testing.assert_array_equal(relative[0, :2], [[0, 0, 0], [3, 3, 3]])


PAIR = Skeleton("pair", ("Hip", "LKnee", "RKnee"), (-1, 0, 0), (1,), (2,))


def test_a_skeleton_of_three_joints():
    assert (PAIR.root, PAIR.bones, PAIR.mirror, len(PAIR)) == (0, ((0, 1), (0, 2)), (0, 2, 1), 3)
    assert PAIR.index("RKnee") == 2
    with pytest.raises(PrmlError, match="skeleton pair has no joint 'Knee'; it has Hip, LKnee, RKnee"):
        PAIR.index("Knee")
    for parents, left, right in (((-1, 0), (1,), (2,)), ((-1, 0, 0), (1,), ()), ((-1, 0, 0), (), (2,))):
        with pytest.raises(PrmlError, match="do not fit each other"):
            Skeleton("odd", PAIR.joints, parents, left, right)


@pytest.mark.parametrize(
    ("joints", "pairs"),
    [(H36M17, 6), (COCO17, 8), (HALPE26, 11), (OPENPOSE25, 11), (OPENPOSE18, 8), (BLAZEPOSE33, 16), (SMPL24, 9)],
)
def test_pairs_of_left_and_right_and_the_names_of_skeletons(joints, pairs):
    assert [joints.joints[i] for i in joints.right] == ["R" + joints.joints[i][1:] for i in joints.left]
    assert all(joints.joints[i][0] == "L" for i in joints.left)
    assert len(joints.left) == pairs
    assert skeleton(joints.name) is joints


def test_seventeen_joints_have_two_orders():
    """The same joints as Human3.6M's; MPI-INF-3DHP calls the Thorax the Neck. There, and back again."""
    there, back = conversion(H36M17, MPI_INF_3DHP17), conversion(MPI_INF_3DHP17, H36M17)
    points = np.arange(34.0).reshape(17, 2)
    moved = there.apply(points)
    for name in MPI_INF_3DHP17.joints:
        np.testing.assert_array_equal(
            moved[MPI_INF_3DHP17.index(name)], points[H36M17.index("Thorax" if name == "Neck" else name)]
        )
    np.testing.assert_array_equal(back.apply(moved), points)
    assert not there.synthesised.any()
    assert not back.synthesised.any()


@pytest.mark.parametrize(
    ("source", "target", "made_up"),
    [
        (MEASURED13, H36M17, {"Spine", "Thorax", "Nose", "Head"}),
        (COCO17, H36M17, {"Spine", "Thorax", "Nose", "Head"}),
        (SMPL24, H36M17, {"Spine", "Thorax", "Nose", "Head"}),
        (H36M17, MEASURED13, {"HeadCentre"}),
        (HALPE26, MEASURED13, set()),
        (MPI_INF_3DHP28, H36M17, set()),
        (COCO17, COCO17, set()),
    ],
)
def test_which_joints_are_made_up(source, target, made_up):
    table = conversion(source, target)
    assert (table.source, table.target, table.synthesised.dtype) == (source, target, bool)
    assert {name for name, one in zip(target.joints, table.synthesised, strict=True) if one} == made_up
    assert table.matrix.shape == (len(target), len(source))
    np.testing.assert_allclose(table.matrix.sum(1), 1)


def test_the_centre_of_the_head_is_between_nose_and_head_or_between_the_ears():
    points = _placed(H36M17, {"Nose": (2, 4), "Head": (6, 10)})
    np.testing.assert_array_equal(conversion(H36M17, MEASURED13).apply(points)[MEASURED13.index("HeadCentre")], (4, 7))
    for joints in (BLAZEPOSE33, COCO17, HALPE26, OPENPOSE18, OPENPOSE25):
        found = conversion(joints, MEASURED13).apply(_placed(joints, {"LEar": (1, 5), "REar": (3, 11)}))
        np.testing.assert_array_equal(found[MEASURED13.index("HeadCentre")], (2, 8))


def test_what_is_not_known_spoils_what_is_made_of_it():
    """One ear of one frame of one clip: trunk and head there are NaN, limbs are not, and other frames are whole."""
    points = np.random.default_rng(0).normal(size=(2, 3, 17, 2))
    points[1, 2, COCO17.index("LEar"), 0] = np.nan
    found = conversion(COCO17, H36M17).apply(points)
    lost = np.isnan(found)
    assert {H36M17.joints[j] for j in np.flatnonzero(lost[1, 2].all(-1))} == {"Spine", "Thorax", "Nose", "Head"}
    assert lost.sum() == 4 * 2
    known = np.where(np.isnan(points), 0, points)
    np.testing.assert_array_equal(found[~lost], conversion(COCO17, H36M17).apply(known)[~lost])


def test_a_weight_of_a_tenth_counts_for_confidence():
    table = Conversion(PAIR, PAIR, np.array([[0.9, 0.1, 0], [0.91, 0.09, 0], [0, -0.1, 1.1]]), np.zeros(3, bool))
    confidence = np.array([[0.8, 0.5, 0.9], [0.2, 0.3, 0.1]])
    np.testing.assert_array_equal(table.apply_confidence(confidence), [[0.5, 0.8, 0.5], [0.2, 0.2, 0.1]])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_precision_is_kept_and_whole_numbers_become_double(kind):
    table = conversion(COCO17, H36M17)
    points = np.full((5, 17, 2), 3, kind)
    points[0, 3] = np.nan
    assert (table.apply(points).dtype, table.apply_confidence(points[..., 0]).dtype) == (kind, kind)
    whole = np.full((17, 2), 3)
    assert (table.apply(whole).dtype, table.apply_confidence(whole[:, 0]).dtype) == (np.float64, np.float64)
    np.testing.assert_allclose(table.apply(whole), 3)


def test_what_cannot_be_converted_is_refused():
    with pytest.raises(PrmlError, match="expected 17 joints of coco17, got 16"):
        conversion(COCO17, H36M17).apply(np.zeros((16, 2)))
    with pytest.raises(PrmlError, match="unknown skeleton 'h36m'; expected one of h36m17, body28, coco17"):
        skeleton("h36m")
    with pytest.raises(PrmlError, match="no conversion from coco17 to halpe26; there is one from no other skeleton"):
        conversion(COCO17, HALPE26)
    with pytest.raises(PrmlError, match="no conversion from pair to h36m17; there is one from body28, coco17"):
        conversion(PAIR, H36M17)
    with pytest.raises(PrmlError, match="to mpi_inf_3dhp17; there is one from h36m17, "):
        conversion(PAIR, MPI_INF_3DHP17)
