"""Laws of skeletons and of the conversions between them."""

from itertools import product

import numpy as np
import pytest
import torch

from prml.errors import PrmlError
from prml.skeleton import BLAZEPOSE33, BODY28, COCO17, H36M17, MEASURED13, SKELETONS, Skeleton, conversion, skeleton


def _known_conversions():
    for source, target in product(SKELETONS.values(), repeat=2):
        try:
            yield conversion(source, target)
        except PrmlError:
            continue


CONVERSIONS = list(_known_conversions())
everyone = pytest.mark.parametrize("joints", SKELETONS.values(), ids=list(SKELETONS))
every_table = pytest.mark.parametrize("table", CONVERSIONS, ids=lambda t: f"{t.source.name}->{t.target.name}")


def _similarity(rng):
    """A random rotation (never a mirror), scale and translation in 3D."""
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return rotation * np.sign(np.linalg.det(rotation)), rng.uniform(0.2, 5), rng.normal(size=3)


@everyone
def test_the_mirror_is_an_involution(joints):
    mirror = np.array(joints.mirror)
    assert np.array_equal(mirror[mirror], np.arange(len(joints)))
    assert set(joints.left).isdisjoint(joints.right)


KINDS = {"points": (4, 2, 5), "spreads": (4, 2, 5), "scalars": (4, 2)}


@everyone
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_to_flip_twice_is_the_identity(joints, kind, library):
    shape = (*KINDS[kind][:2], len(joints), *KINDS[kind][2:])
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values = torch.from_numpy(values) if library == "torch" else values
    before, once = values + 0, joints.flip(values, kind)
    assert (type(once), once.dtype, once.shape) == (type(values), values.dtype, values.shape)
    assert (values == before).all()
    assert (joints.flip(once, kind) == values).all()
    assert not (once == values).all()


def test_to_flip_is_to_look_into_a_mirror():
    """By hand: somebody who raises the left hand raises the right one in a mirror in the plane x = 0."""
    points = np.zeros((17, 3))
    left, right = H36M17.index("LWrist"), H36M17.index("RWrist")
    points[left], points[right], points[0] = (0.5, -0.75, 2.0), (-0.25, 0.125, 2.5), (1.0, 2.0, 3.0)
    flipped = H36M17.flip(points)
    np.testing.assert_array_equal(flipped[[left, right, 0]], [(0.25, 0.125, 2.5), (-0.5, -0.75, 2.0), (-1.0, 2.0, 3.0)])
    spreads = H36M17.flip(np.abs(points), "spreads")
    np.testing.assert_array_equal(spreads[[left, right, 0]], [(0.25, 0.125, 2.5), (0.5, 0.75, 2.0), (1.0, 2.0, 3.0)])
    confidence = H36M17.flip(points[:, 2], "scalars")
    np.testing.assert_array_equal(confidence[[left, right, 0]], [2.5, 2.0, 3.0])


@pytest.mark.misfit
@pytest.mark.parametrize(("shape", "kind"), [((16, 3), "points"), ((17,), "points"), ((17, 3), "scalars")])
def test_a_wrong_number_of_joints_is_not_flipped(shape, kind):
    with pytest.raises(PrmlError, match="expected 17 joints of h36m17, got an array of shape"):
        H36M17.flip(np.zeros(shape), kind)


@everyone
def test_the_mirror_keeps_the_tree_up_to_trunk_joints(joints):
    """A left bone's mirror image is the right bone of the same name, wherever both ends are off the middle."""
    sided = {*joints.left, *joints.right}
    for parent, child in joints.bones:
        if parent in sided and child in sided and joints.mirror[parent] != child:
            twin = joints.parents[joints.mirror[child]]
            assert twin in (joints.mirror[parent], parent), (joints.joints[parent], joints.joints[child])


@everyone
def test_the_parents_make_trees(joints):
    """A tree for what is lifted to 3D; detectors may leave the face apart from the body."""
    roots = [index for index, parent in enumerate(joints.parents) if parent < 0]
    assert joints.root in roots
    assert len(roots) == (2 if joints.name in ("blazepose33", "measured13", "measured24") else 1)
    for index in range(len(joints)):
        seen = {index}
        while (index := joints.parents[index]) >= 0:
            assert index not in seen
            seen.add(index)
    assert len(joints.bones) == len(joints) - len(roots)
    assert len(set(joints.joints)) == len(joints)


@every_table
def test_rows_sum_to_one(table):
    np.testing.assert_allclose(table.matrix.sum(1), ~table.absent, atol=1e-12)


@every_table
def test_a_conversion_commutes_with_similarity_transforms(table):
    rng = np.random.default_rng(7)
    points = rng.normal(size=(5, len(table.source), 3))
    rotation, scale, shift = _similarity(rng)
    moved = scale * points @ rotation.T + shift
    np.testing.assert_allclose(table.apply(moved), scale * table.apply(points) @ rotation.T + shift, atol=1e-9)


@every_table
def test_a_conversion_commutes_with_the_mirror(table):
    points = np.random.default_rng(8).normal(size=(4, len(table.source), 2))
    first_mirror = table.apply(points[:, table.source.mirror])
    np.testing.assert_allclose(first_mirror, table.apply(points)[:, table.target.mirror], atol=1e-12)


@every_table
def test_a_joint_that_both_have_is_copied_unless_marked(table):
    for row, joint in enumerate(table.target.joints):
        weights = table.matrix[row]
        if joint in table.source.joints and weights.max() == 1.0 and not table.synthesised[row]:
            other = ("Thorax", "Neck", "Nose") if table.source.name == "body28" else ("Thorax", "Neck")
            assert weights[table.source.index(joint)] == 1.0 or joint in other


@every_table
def test_full_confidence_stays_full_and_dtype_is_kept(table):
    ones = np.ones((3, len(table.source)), np.float32)
    converted = table.apply_confidence(ones)
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted, np.tile(~table.absent, (3, 1)))
    assert table.apply(np.zeros((3, len(table.source), 2), np.float32)).dtype == np.float32


def test_identity_converts_nothing():
    points = np.random.default_rng(1).normal(size=(2, 17, 3))
    np.testing.assert_array_equal(conversion(H36M17, H36M17).apply(points), points)


def test_confidence_is_that_of_the_weakest_source():
    table = conversion(COCO17, MEASURED13)
    confidence = np.ones((1, 17))
    confidence[0, COCO17.index("LEar")] = 0.25
    converted = table.apply_confidence(confidence)[0]
    assert converted[MEASURED13.index("HeadCentre")] == 0.25
    assert converted[MEASURED13.index("LKnee")] == 1.0


@everyone
def test_every_skeleton_can_be_lifted(joints):
    table = conversion(joints, H36M17)
    if joints.name == "mpi_inf_3dhp28":
        assert joints.joints[int(table.matrix[H36M17.index("Thorax")].argmax())] == "Neck"


def test_whole_numbers_convert_as_their_floats_do():
    table = conversion(COCO17, H36M17)
    points = np.random.default_rng(2).integers(0, 900, (4, 17, 2))
    np.testing.assert_array_equal(table.apply(points), table.apply(points.astype(float)))
    sure = np.ones((4, 17), int)
    assert table.apply_confidence(sure).dtype == np.float64


def test_an_unknown_joint_spoils_only_what_is_made_of_it():
    table = conversion(COCO17, H36M17)
    points = np.random.default_rng(3).uniform(0, 900, (4, 17, 2))
    whole = table.apply(points)
    for joint, unknown in (("LEye", []), ("LWrist", ["LWrist"]), ("LEar", ["Spine", "Thorax", "Nose", "Head"])):
        broken = points.copy()
        broken[1, COCO17.index(joint)] = np.nan
        rows = [H36M17.index(j) for j in unknown]
        expected = whole.copy()
        expected[1, rows] = np.nan
        np.testing.assert_array_equal(table.apply(broken), expected)


def test_the_trunk_is_synthesised_from_a_detector_and_the_limbs_are_not():
    table = conversion(BLAZEPOSE33, H36M17)
    synthesised = {H36M17.joints[i] for i in np.flatnonzero(table.synthesised)}
    assert synthesised == {"Spine", "Thorax", "Nose", "Head"}
    hips = np.zeros(33)
    hips[[BLAZEPOSE33.index("LHip"), BLAZEPOSE33.index("RHip")]] = 0.5
    np.testing.assert_array_equal(table.matrix[0], hips)


def test_the_trunk_rule_stands_upright():
    """On a standing figure the derived joints climb from hip to head, in the order of the tree."""
    body = np.zeros((13, 3))
    heights = {"Hip": 0.9, "Knee": 0.5, "Ankle": 0.08, "Shoulder": 1.42, "Elbow": 1.1, "Wrist": 0.85}
    for index, joint in enumerate(MEASURED13.joints):
        side = {"H": 0.0, "L": 0.15, "R": -0.15}[joint[0]]
        body[index] = (0, side, 1.62 if joint == "HeadCentre" else heights[joint[1:]])
    h36m = conversion(MEASURED13, H36M17).apply(body)[:, 2]
    order = [H36M17.index(j) for j in ("Hip", "Spine", "Thorax", "Nose", "Head")]
    assert np.all(np.diff(h36m[order]) > 0.05)


def test_the_h36m_order_is_the_documented_one():
    assert H36M17.joints == (
        "Hip",
        "RHip",
        "RKnee",
        "RAnkle",
        "LHip",
        "LKnee",
        "LAnkle",
        "Spine",
        "Thorax",
        "Nose",
        "Head",
        "LShoulder",
        "LElbow",
        "LWrist",
        "RShoulder",
        "RElbow",
        "RWrist",
    )


def test_messages_name_what_is_known():
    with pytest.raises(PrmlError, match=r"unknown skeleton 'coco'; expected one of .*coco17"):
        skeleton("coco")
    with pytest.raises(PrmlError, match=r"h36m17 has no joint 'Toe'; it has Hip, RHip"):
        H36M17.index("Toe")
    with pytest.raises(PrmlError, match="no conversion from h36m17 to halpe26; there is one from no other skeleton"):
        conversion(H36M17, SKELETONS["halpe26"])
    with pytest.raises(
        PrmlError, match=r"to mpi_inf_3dhp17; there is one from h36m17, body28, mpi_inf_3dhp28, smpl24, measured13$"
    ):
        conversion(COCO17, SKELETONS["mpi_inf_3dhp17"])
    with pytest.raises(PrmlError, match="expected 17 joints of h36m17, got 16"):
        conversion(H36M17, MEASURED13).apply(np.zeros((2, 16, 3)))
    with pytest.raises(PrmlError, match="do not fit"):
        Skeleton("broken", ("a", "b"), (-1,), (), ())


FEET = {"RHeel", "RToe", "LHeel", "LToe"}
HANDS = {"LHand", "LThumb", "RHand", "RThumb"}
FACE = {"NoseTip", "LEar", "REar"}
TRUNK = {"Spine", "Thorax", "Nose", "Head"}


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("blazepose33", TRUNK),
        ("coco_wholebody133", TRUNK),
        ("halpe26", TRUNK | HANDS),
        ("openpose25", TRUNK | HANDS),
        ("coco17", TRUNK | HANDS | FEET),
        ("openpose18", TRUNK | HANDS | FEET),
        ("h36m17", HANDS | FEET | FACE),
        ("smpl24", HANDS | FEET | FACE),
    ],
)
def test_what_a_skeleton_lacks_of_28_joints_is_absent_and_not_invented(name, absent):
    table = conversion(SKELETONS[name], BODY28)
    assert {joint for joint, none in zip(BODY28.joints, table.absent, strict=True) if none} == absent
    points = table.apply(np.random.default_rng(1).normal(size=(3, len(table.source), 2)))
    np.testing.assert_array_equal(np.isnan(points).any((0, 2)), table.absent)
    np.testing.assert_array_equal(table.apply_confidence(np.ones((3, len(table.source))))[0], ~table.absent)


def test_28_joints_begin_with_the_17_of_human36m():
    assert BODY28.joints[:17] == H36M17.joints
    assert BODY28.parents[:17] == H36M17.parents
    assert BODY28.mirror[:17] == H36M17.mirror
    points = np.random.default_rng(2).normal(size=(4, 28, 3))
    np.testing.assert_array_equal(conversion(BODY28, H36M17).apply(points), points[:, :17])


@pytest.mark.parametrize("name", ["blazepose33", "coco17", "halpe26", "openpose25", "coco_wholebody133"])
def test_limbs_by_way_of_28_joints_are_those_of_the_direct_way(name):
    """The trunk apart, which a detector does not see, 17 joints are the same whichever way they come."""
    points = np.random.default_rng(3).normal(size=(4, len(SKELETONS[name]), 2))
    direct = conversion(SKELETONS[name], H36M17).apply(points)
    around = conversion(BODY28, H36M17).apply(conversion(SKELETONS[name], BODY28).apply(points))
    given = np.isfinite(around).all((0, 2))
    assert given.sum() == 13
    np.testing.assert_allclose(around[:, given], direct[:, given], atol=1e-12)


def test_a_hand_is_the_middle_of_its_knuckles_in_every_detector_that_has_them():
    """By hand: index and little finger at (0, 0) and (2, 4), the thumb at (5, 6)."""
    for name, index, pinky, thumb in (
        ("blazepose33", "LIndex", "LPinky", "LThumb"),
        ("coco_wholebody133", "LIndex1", "LPinky1", "LThumb3"),
    ):
        source = SKELETONS[name]
        points = np.zeros((len(source), 2))
        points[source.index(pinky)], points[source.index(thumb)] = (2, 4), (5, 6)
        assert points[source.index(index)].tolist() == [0, 0]
        converted = conversion(source, BODY28).apply(points)
        np.testing.assert_array_equal(converted[[BODY28.index("LHand"), BODY28.index("LThumb")]], [[1, 2], [5, 6]])


def test_whole_body_points_are_where_coco_wholebody_has_them():
    """Places stated by the dataset's annotation format: 17 of COCO, 6 of the feet, 68 of the face, 21 of each hand."""
    joints = SKELETONS["coco_wholebody133"]
    assert len(joints) == 133
    assert joints.joints[:17] == COCO17.joints
    places = {"LBigToe": 17, "LHeel": 19, "RBigToe": 20, "RHeel": 22, "LHandRoot": 91, "LThumb3": 94, "LIndex1": 96}
    places |= {"LPinky1": 108, "RHandRoot": 112, "RThumb3": 115, "RIndex1": 117, "RPinky1": 129, "RPinky4": 132}
    assert {name: joints.index(name) for name in places} == places
    mirror = joints.mirror
    assert [mirror[23 + i] - 23 for i in (0, 8, 16, 17, 27, 31, 36, 41, 48, 51, 57, 67)] == [
        16, 8, 0, 26, 27, 35, 45, 46, 54, 51, 57, 65,
    ]  # fmt: skip


@every_table
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_conversion_is_the_product_with_its_matrix_to_the_last_bit(table, dtype):
    """Frozen scores and batches depend on it, whatever is faster."""
    points = np.random.default_rng(4).normal(size=(3, 7, len(table.source), 3)).astype(dtype)
    whole = np.einsum("ts,...sd->...td", table.matrix.astype(dtype), points)
    found = table.apply(points)
    np.testing.assert_array_equal(found[..., ~table.absent, :], whole[..., ~table.absent, :])
    assert found.dtype == dtype
