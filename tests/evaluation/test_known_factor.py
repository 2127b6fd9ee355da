"""Image-space predictions in camera metres: the true image-space pose becomes the true pose, and nothing is mixed."""

from dataclasses import replace

import numpy as np
import pytest

from fixtures.made_up import given, moving
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.predictor import predictor_of
from prml.evaluation.protocols.known_factor import KnownFactorSpace, converted
from prml.evaluation.run import evaluate
from prml.lifting.lifter import Lifter
from prml.networks import registry
from prml.weights.record import Card, Record


def image_metres(sequence):
    """The 2.5D metres of a perfect image-space network: pixels without distortion, z in pixels at the root's depth."""
    joints, camera = np.asarray(sequence.joints_m), sequence.camera
    root = joints[:, :1]
    px = joints[..., :2] / joints[..., 2:] - root[..., :2] / root[..., 2:]
    factor = root[..., 2:] / camera.fx  # metres per pixel
    xy = px * np.array([camera.fx, camera.fy]) * factor
    return np.concatenate([xy, joints[..., 2:] - root[..., 2:]], -1)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_true_image_space_pose_is_the_true_pose(seed):
    """With lens distortion, two focal lengths, and a person off the axis; without the perspective it is centimetres."""
    sequence = moving(seed)
    rules = converted(given(sequence))
    assert evaluate(lambda _: image_metres(sequence), rules).scores.overall["mpjpe"] == pytest.approx(0, abs=1e-4)
    copy = evaluate(lambda _: image_metres(sequence), given(sequence)).scores.overall["mpjpe"]
    assert copy > 5
    assert rules.id == "given/1+space"


def test_what_the_network_sees_has_no_depth_of_its_joints():
    sequence = moving(3)
    seen = []
    evaluate(lambda s: seen.append(s) or image_metres(sequence), converted(given(sequence)))
    assert seen[0].joints_m is None
    np.testing.assert_allclose(seen[0].mm_per_px, 1000 * sequence.joints_m[:, 0, 2] / sequence.camera.fx)


def test_it_is_for_image_space_weights_under_camera_metres_only():
    with pytest.raises(PrmlError, match="scores in image space itself; leave convert=True out"):
        converted(protocols.get("h36m-sh-2.5d"))
    rules = converted(protocols.get("h36m-cpn"))
    assert isinstance(rules.space, KnownFactorSpace)
    network = registry.build("motionbert", **registry.entry("motionbert").small).eval()
    card = Card(name="t", network="motionbert", window=9, sha256="0", normalisation="screen", output="image")
    image, metres = (Lifter(Record(network, None, c)) for c in (card, replace(card, output="camera_m")))
    predictor_of(image, rules)
    with pytest.raises(PrmlError, match="or convert=True to convert by the root's true depth"):
        predictor_of(image, protocols.get("h36m-cpn"))
    with pytest.raises(PrmlError, match=r"does not predict in Human3\.6M's image space; leave convert=True out"):
        predictor_of(metres, rules)


def test_a_sequence_without_the_true_depth_of_its_root_is_refused():
    sequence = moving(1)
    relative = sequence.with_(joints_m=sequence.joints_m - sequence.joints_m[:, :1], root_relative=True)
    with pytest.raises(PrmlError, match="needs a camera and the root's true depth"):
        KnownFactorSpace().prepare(relative)
