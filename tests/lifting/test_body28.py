"""A network of 28 joints: what it is given, what it lacks, and that both ways lead through the same code."""

import numpy as np
import pytest
import torch

from prml.camera import Camera
from prml.datasets.mocap import load_sets
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.predictor import predictor_of
from prml.lifting.body28 import measured_joints, on_body28
from prml.lifting.lifter import Lifter
from prml.networks import registry
from prml.objectives.uncertainty import PoseUncertainty
from prml.sequence import PoseSequence
from prml.skeleton import BLAZEPOSE33, BODY28, COCO17, H36M17, MEASURED24, SKELETONS, conversion
from prml.weights.record import Card, Record

SMALL = {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1, "joints": 28}
TRUNK = [BODY28.index(name) for name in ("Hip", "Spine", "Thorax", "Nose", "Head")]


@pytest.fixture(scope="module")
def lifter():
    torch.manual_seed(0)
    network = registry.build("prml-xs", **SMALL).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    card = Card(name="test", network="prml-xs", arguments=SMALL, window=9, skeleton="body28", fps=50.0)
    return Lifter(Record(network, PoseUncertainty(width_2d=32, width_depth=32, joints=28).eval(), card))


def _seen(skeleton, frames=40, fps=50.0):
    """A walking person seen by a camera, on a skeleton that BODY28 can become (its points where BODY28 has them)."""
    camera = Camera.from_fov(1280, 720, 50.0)
    joints = load_sets(("cmu",))[0].clip_m(3, BODY28)[:frames].astype(np.float64)
    cam = joints @ np.array([[0, 0, -1.0], [-1, 0, 0], [0, -1, 0]]).T[[1, 2, 0]].T + [0, 1.0, 4.5]
    pixels = camera.project(cam)
    table, points = conversion(skeleton, BODY28), np.zeros((frames, len(skeleton), 2))
    for row in np.flatnonzero(~table.absent):
        for column in np.flatnonzero(table.matrix[row]):
            points[:, column] = pixels[:, row]
    return PoseSequence.regular(
        frames, fps, skeleton, keypoints_px=points, confidence=np.full(points.shape[:2], 0.9), camera=camera
    )


def test_what_comes_out_has_28_joints_and_their_spread(lifter):
    lifted = lifter.lift(_seen(BLAZEPOSE33))
    assert lifted.skeleton == BODY28
    assert lifted.joints_m.shape == lifted.std_m.shape == (40, 28, 3)
    assert np.isfinite(lifted.joints_m).all()
    assert (lifted.std_m > 0).all()
    assert np.abs(lifted.joints_m[:, 0]).max() == 0


@pytest.mark.parametrize("name", ["blazepose33", "coco17", "halpe26", "openpose25", "openpose18", "coco_wholebody133"])
def test_what_a_detector_lacks_is_given_to_no_network(lifter, name):
    seen = _seen(SKELETONS[name])
    inputs = lifter.inputs(seen, seen.times_s)
    absent = conversion(SKELETONS[name], BODY28).absent.copy()
    absent[TRUNK] = False  # derived from hips, shoulders and ears
    assert (inputs[:, absent] == 0).all()
    assert (inputs[:, ~absent, 2] > 0).all()
    assert np.isfinite(lifter.lift(seen).joints_m).all()
    kept = lifter.lift(seen)
    np.testing.assert_array_equal(np.isnan(kept.keypoints_px).all((0, 2)), absent)
    assert not (measured_joints(seen) & absent).any()
    assert not measured_joints(seen)[TRUNK[1:]].any()


def test_the_trunk_is_derived_as_in_training():
    """The rule of training windows: from the measured joints by MEASURED24, whose head centre lies between the ears."""
    given = on_body28(_seen(BLAZEPOSE33), bridge=True)
    measured = conversion(BODY28, MEASURED24).apply(given.keypoints_px)
    wanted = conversion(MEASURED24, BODY28).apply(measured)
    np.testing.assert_allclose(given.keypoints_px, wanted, atol=1e-9)
    seen = _seen(H36M17)
    own = on_body28(seen, bridge=True)
    np.testing.assert_allclose(own.keypoints_px[:, :17], seen.keypoints_px)  # a given trunk stays
    assert np.isnan(own.keypoints_px[:, 17:]).all()


def test_where_an_unseen_joint_lay_does_not_matter(lifter):
    seen = _seen(BLAZEPOSE33)
    at = [BLAZEPOSE33.index(name) for name in ("LKnee", "LAnkle", "LHeel", "LFootIndex")]
    results = []
    for value in (np.nan, 5.0, 900.0):
        points, confidence = seen.keypoints_px.copy(), seen.confidence.copy()
        points[:, at], confidence[:, at] = value, 0.0
        results.append(lifter.lift(seen.with_(keypoints_px=points, confidence=confidence)).joints_m)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    assert np.abs(results[0] - lifter.lift(seen).joints_m).max() > 1e-3


def test_short_gaps_are_bridged_and_long_ones_cost_one_joint_not_the_frame(lifter):
    seen, wrist = _seen(COCO17), COCO17.index("LWrist")
    for frames, known in ((8, True), (20, False)):
        points = seen.keypoints_px.copy()
        points[10 : 10 + frames, wrist] = np.nan
        lifted = lifter.lift(seen.with_(keypoints_px=points))
        assert np.isfinite(lifted.joints_m).all()
        gap = lifted.keypoints_px[10 : 10 + frames, BODY28.index("LWrist")]
        assert np.isfinite(gap).all() == known
        assert np.isfinite(lifted.keypoints_px[:10, BODY28.index("LWrist")]).all()


def test_one_ear_serves_for_the_centre_of_the_head_but_not_for_the_other(lifter):
    seen = _seen(COCO17)
    points = seen.keypoints_px.copy()
    points[:, COCO17.index("LEar")] = np.nan
    given = on_body28(seen.with_(keypoints_px=points), bridge=True).keypoints_px
    assert np.isnan(given[:, BODY28.index("LEar")]).all()
    assert np.isfinite(given[:, BODY28.index("Head")]).all()


def test_too_little_of_a_body_is_no_pose(lifter):
    seen = _seen(COCO17)
    points = seen.keypoints_px.copy()
    limbs = [COCO17.index(s + n) for s in "LR" for n in ("Hip", "Knee", "Ankle", "Elbow", "Wrist")]
    points[:15, limbs] = np.nan  # a head and shoulders: no long bone
    lifted = lifter.lift(seen.with_(keypoints_px=points), bridge=False)
    assert np.isnan(lifted.joints_m[:15]).all()
    assert np.isfinite(lifted.joints_m[15:]).all()
    assert not lifted.has_person[:15].any()
    points[:, limbs] = np.nan
    with pytest.raises(PrmlError, match="no frame has enough of the body for lifting: expected two of the hips"):
        lifter.lift(seen.with_(keypoints_px=points))


def test_legs_outside_the_picture_leave_direction_and_size_to_the_rest(lifter):
    seen = _seen(COCO17)
    points = seen.keypoints_px.copy()
    points[:, [COCO17.index(s + n) for s in "LR" for n in ("Hip", "Knee", "Ankle")]] = np.nan
    lifted = lifter.lift(seen.with_(keypoints_px=points))
    assert np.isfinite(lifted.joints_m).all()
    inputs = lifter.inputs(seen.with_(keypoints_px=points), seen.times_s)
    shoulders = np.linalg.norm(inputs[:, 11, :2] - inputs[:, 14, :2], axis=-1)
    whole = lifter.inputs(seen, seen.times_s)
    assert np.median(shoulders / np.linalg.norm(whole[:, 11, :2] - whole[:, 14, :2], axis=-1)) == pytest.approx(
        1, abs=0.4
    )


def test_the_mirror_of_a_person_gives_the_mirror_of_the_pose(lifter):
    seen = _seen(BLAZEPOSE33)
    mirrored = BLAZEPOSE33.flip(seen.keypoints_px) * [1, 1] + [1280, 0]
    straight, turned = (lifter.lift(s).joints_m for s in (seen, seen.with_(keypoints_px=mirrored)))
    np.testing.assert_allclose(turned, BODY28.flip(straight), atol=2e-3)


def test_the_first_17_joints_are_scored_under_protocols_of_17(lifter):
    protocol = protocols.get("mocap-gt")
    seen = _seen(H36M17)
    joints = predictor_of(lifter, protocol)(seen)
    np.testing.assert_allclose(
        joints, lifter.with_options(relative=False, overlap=2).lift(seen).joints_m[:, :17], atol=1e-6
    )


@pytest.mark.misfit
def test_28_joints_in_other_spaces_are_refused():
    card = Card(name="x", network="prml-xs", arguments=SMALL, window=9, skeleton="body28", normalisation="screen")
    with pytest.raises(PrmlError, match="x is of body28 joints"):
        card.check_joints()


@pytest.mark.parametrize("name", ["blazepose33", "coco17", "halpe26"])
def test_a_derived_trunk_is_no_more_inferred_than_what_it_follows_from(name):
    """Nobody sees a spine; it is faint only where a hip or a shoulder was not seen."""
    seen = _seen(SKELETONS[name])
    marks = np.zeros((len(seen), len(seen.skeleton)), bool)
    given = on_body28(seen.with_(inferred=marks), bridge=True)
    np.testing.assert_array_equal(given.inferred, np.tile(np.isnan(given.keypoints_px).any((0, 2)), (len(seen), 1)))
    assert not given.inferred[:, TRUNK].any()
    marks[5:9, seen.skeleton.index("LHip")] = True
    given = on_body28(seen.with_(inferred=marks), bridge=True)
    spine = given.inferred[:, BODY28.index("Spine")]
    assert np.flatnonzero(spine).tolist() == [5, 6, 7, 8]
    assert not given.inferred[:, BODY28.index("Head")].any()  # hips carry hardly any of its weight
