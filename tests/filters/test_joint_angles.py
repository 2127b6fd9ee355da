"""Angles of a body that is built with them."""

import numpy as np
import pytest

from fixtures.standing import STANDING, standing
from prml.errors import PrmlError
from prml.filters.joint_angles import UNOBSERVABLE, JointAngles
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, COCO17, H36M17


def _body(**moved):
    joints = standing(**moved)[None]
    return PoseSequence.regular(1, 30.0, BODY28, joints_m=joints, frame="world", std_m=np.full((1, 28, 3), 0.01))


def _turned(names, about, axis, degrees):
    """Joints turned about a joint by the right-hand rule."""
    k, centre, t = np.array(axis, float), np.array(STANDING[about], float), np.radians(degrees)
    out = {}
    for name in names:
        v = np.array(STANDING[name], float) - centre
        out[name] = centre + v * np.cos(t) + np.cross(k, v) * np.sin(t) + k * (k @ v) * (1 - np.cos(t))
    return out


def _angle(sequence, name):
    return float(JointAngles.of(sequence, deviations=False).column(name)[0])


LEG, SHANK = ["RKnee", "RAnkle", "RHeel", "RToe"], ["RAnkle", "RHeel", "RToe"]
ARM, FOREARM = ["RElbow", "RWrist", "RHand", "RThumb"], ["RWrist", "RHand", "RThumb"]
UPPER = ["Thorax", "Nose", "Head", "RShoulder", *ARM, "NoseTip", "REar"]
FORWARD, LEFT, UP = (1, 0, 0), (0, 1, 0), (0, 0, 1)


@pytest.mark.parametrize(
    ("moved", "name", "degrees"),
    [
        (_turned(LEG, "RHip", LEFT, -30), "hip_flexion_right", 30),
        (_turned(LEG, "RHip", LEFT, 20), "hip_flexion_right", -20),
        (_turned(LEG, "RHip", FORWARD, -25), "hip_abduction_right", 25),
        (_turned(SHANK, "RKnee", LEFT, 60), "knee_flexion_right", 60),
        (_turned(["RHeel", "RToe"], "RAnkle", LEFT, -15), "ankle_dorsiflexion_right", 15),
        (_turned(ARM, "RShoulder", LEFT, -70), "shoulder_elevation_right", 70),
        (_turned(ARM, "RShoulder", LEFT, -70), "shoulder_plane_right", 90),
        (_turned(ARM, "RShoulder", FORWARD, -70), "shoulder_plane_right", 0),
        (_turned(FOREARM, "RElbow", LEFT, -90), "elbow_flexion_right", 90),
        (_turned(FOREARM, "RElbow", LEFT, -90), "shoulder_rotation_right", 0),
        (_turned(FOREARM, "RElbow", FORWARD, 90), "shoulder_rotation_right", 90),
        (_turned(FOREARM, "RElbow", LEFT, -90), "forearm_pronation_right", 0),
        (_turned(["RHand"], "RWrist", FORWARD, 30), "wrist_flexion_right", 30),
        (_turned(["RHand"], "RWrist", LEFT, -20), "wrist_radial_deviation_right", 20),
    ],
)
def test_a_joint_that_is_turned_shows_its_angle(moved, name, degrees):
    assert _angle(_body(**moved), name) == pytest.approx(degrees, abs=0.01)


def test_a_standing_body_is_at_zero():
    found = JointAngles.of(_body())
    known = np.nan_to_num(found.degrees)
    np.testing.assert_allclose(known, 0, atol=1e-6)
    assert not set(UNOBSERVABLE) & {name.rsplit("_", 1)[0] for name in found.names}


def test_the_trunk_bends_forward_and_aside():
    turn = _turned([n for n in UPPER if n[0] != "R"], "Spine", LEFT, 40)
    right = _turned([n for n in UPPER if n[0] == "R"], "Spine", LEFT, 40)
    left = {"L" + n[1:]: p * [1, -1, 1] for n, p in right.items()}
    assert _angle(_body(**turn, **right, **left), "trunk_flexion") == pytest.approx(40)
    assert _angle(_body(**turn, **right, **left), "neck_flexion") == pytest.approx(0, abs=1e-6)


def test_a_mirrored_body_has_mirrored_angles():
    body = _body(**(_turned(LEG, "RHip", (0.6, 0.64, 0.48), -35) | _turned(FOREARM, "RElbow", (0, 0.8, 0.6), -80)))
    mirrored = body.with_(joints_m=body.joints_m[:, list(BODY28.mirror)] * [1, -1, 1])
    one, other = JointAngles.of(body, deviations=False), JointAngles.of(mirrored, deviations=False)
    for name in one.names:
        swapped = name.replace("_left", "_?").replace("_right", "_left").replace("_?", "_right")
        if name.split("_")[0] not in ("trunk", "neck"):
            np.testing.assert_allclose(one.column(name), other.column(swapped), atol=1e-9)


def test_a_turned_room_changes_no_angle():
    body, turn = _body(**_turned(LEG, "RHip", LEFT, -30)), np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    moved = body.with_(joints_m=body.joints_m @ turn.T + [1, 2, 3])
    np.testing.assert_allclose(JointAngles.of(moved).degrees, JointAngles.of(body).degrees, atol=1e-6)


def test_deviations_are_those_of_many_draws():
    body, rng = _body(**_turned(SHANK, "RKnee", LEFT, 60)), np.random.default_rng(0)
    draws = body.joints_m + rng.normal(size=(4000, 28, 3)) * 0.01
    many = PoseSequence.regular(4000, 30.0, BODY28, joints_m=draws, frame="world")
    for name in ("knee_flexion_right", "hip_flexion_left", "elbow_flexion_right", "ankle_dorsiflexion_left"):
        found = JointAngles.of(body)
        told = found.std_deg[0, found.names.index(name)]
        seen = JointAngles.of(many).column(name).std()
        if name != "elbow_flexion_right":  # straight: an angle that is never negative has no first order
            assert told == pytest.approx(seen, rel=0.1)


def test_seventeen_joints_have_no_hands_and_feet():
    names = JointAngles.of(_body().to_skeleton(H36M17)).names
    assert "knee_flexion_left" in names
    assert not any(name.startswith(("wrist", "ankle", "neck", "forearm")) for name in names)


def test_other_joints_are_refused():
    with pytest.raises(PrmlError, match="h36m17 or body28"):
        JointAngles.of(PoseSequence.regular(1, 30.0, COCO17, joints_m=np.zeros((1, 17, 3))))
    with pytest.raises(PrmlError, match="3D joints"):
        JointAngles.of(PoseSequence.regular(1, 30.0, BODY28))
