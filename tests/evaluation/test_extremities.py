"""The protocol of 28 joints: what its metrics measure, what is left out, and who may be scored."""

import numpy as np
import pytest
import torch

from prml.errors import PrmlError
from prml.evaluation import extremities, protocols
from prml.evaluation.predictor import predictor_of
from prml.evaluation.protocols.data import Given
from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.evaluation.run import evaluate
from prml.evaluation.scoring import metric
from prml.lifting.lifter import load
from prml.skeleton import BODY28, H36M17, conversion

NAMES = ("all28", "feet", "hands", "face", "head_deg", "hand_deg", "foot_deg")


def _people(seed=0, frames=6):
    return torch.randn((frames, 28, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _turned(joints, angle_deg, axis=2):
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    R = np.eye(3)
    a, b = [i for i in range(3) if i != axis]
    R[a, a], R[b, b], R[a, b], R[b, a] = c, c, -s, s
    return joints @ torch.from_numpy(R).T


def _value(name, prediction, target):
    from prml.evaluation.scoring import Scored

    return metric(name).values(Scored(prediction, target))


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_prediction_has_no_error(name):
    joints = _people()
    assert _value(name, joints, joints).abs().max() < 1e-5


@pytest.mark.parametrize("angle", [0.01, 10.0, 90.0, 179.0])
@pytest.mark.parametrize("name", ["head_deg", "hand_deg", "foot_deg"])
def test_a_whole_body_turned_is_turned_by_that_angle_at_every_end(name, angle):
    """Also a thousandth of a degree from none and one degree from half a turn, where an arccosine would fail."""
    joints = _people()
    for axis in range(3):
        torch.testing.assert_close(
            _value(name, _turned(joints, angle, axis), joints), torch.full((6,), angle, dtype=torch.float64),
            atol=1e-4, rtol=1e-6,
        )  # fmt: skip


@pytest.mark.parametrize("name", ["head_deg", "hand_deg", "foot_deg"])
def test_orientations_do_not_depend_on_place_or_size(name):
    joints, other = _people(0), _people(1)
    moved = 3 * other + torch.tensor([1.0, -2.0, 5.0])
    torch.testing.assert_close(_value(name, moved, joints), _value(name, other, joints))


def test_a_head_that_looks_aside_and_a_foot_that_tips_by_hand():
    """A nose tip that moves from straight ahead to the left is a quarter turn, whichever way the ears then lie."""
    joints = torch.zeros((1, 28, 3), dtype=torch.float64)
    at = BODY28.index
    joints[0, at("LEar")], joints[0, at("REar")] = torch.tensor([[0, 0.07, 0], [0, -0.07, 0]], dtype=torch.float64)
    joints[0, at("NoseTip")] = torch.tensor([0.12, 0, 0], dtype=torch.float64)
    aside = joints.clone()
    aside[0, at("LEar")], aside[0, at("REar")] = torch.tensor([[-0.07, 0, 0], [0.07, 0, 0]], dtype=torch.float64)
    aside[0, at("NoseTip")] = torch.tensor([0, 0.12, 0], dtype=torch.float64)
    assert extremities.head_deg(aside, joints).item() == pytest.approx(90)
    for side in "LR":
        for name, place in {"Heel": (-0.06, 0, 0), "Toe": (0.2, 0, 0), "Ankle": (0, 0, 0.08)}.items():
            joints[0, at(side + name)] = torch.tensor(place, dtype=torch.float64)
    tipped = joints.clone()
    tipped[0, [at("LToe"), at("RToe")]] = torch.tensor([-0.06, 0, 0.26], dtype=torch.float64)  # toes over the heels
    assert extremities.parts_deg(tipped, joints, extremities.FOOT_FRAMES).item() > 80


@pytest.mark.parametrize(("name", "joints"), [("feet", "FEET"), ("hands", "HANDS"), ("face", "FACE")])
def test_each_group_has_its_own_joints_and_what_is_unknown_does_not_count(name, joints):
    target = _people()
    at = [BODY28.index(n) for n in getattr(extremities, joints)]
    moved = target.clone()
    moved[:, at] += torch.tensor([0.03, 0.0, 0.04])
    torch.testing.assert_close(_value(name, moved, target), torch.full((6,), 50.0, dtype=torch.float64))
    assert all(_value(other, moved, target).max() == 0 for other in ("feet", "hands", "face") if other != name)
    torch.testing.assert_close(
        _value("all28", moved, target), torch.full((6,), 50.0 * len(at) / 28, dtype=torch.float64)
    )
    target[:, at[0]] = torch.nan
    moved[:, at[0]] = 7.0
    torch.testing.assert_close(_value(name, moved, target), torch.full((6,), 50.0, dtype=torch.float64))
    target[2, at] = torch.nan
    assert torch.isnan(_value(name, moved, target)).tolist() == [i == 2 for i in range(6)]


@pytest.mark.parametrize("name", NAMES)
def test_17_joints_have_no_feet_to_be_scored(name):
    joints = torch.zeros((2, 17, 3))
    assert _value(name, joints, joints) is None


# ------------------------------------------------------------------------------------------ the sequences
@pytest.fixture(scope="module")
def sequences():
    return list(benchmark_sequences(("ui_prmd",), True, limit=3, cameras=1, skeleton=BODY28))


def test_clips_and_cameras_are_those_of_17_joints(sequences):
    for large, small in zip(sequences, benchmark_sequences(("ui_prmd",), True, limit=3, cameras=1), strict=True):
        assert large.name == small.name
        np.testing.assert_array_equal(large.camera.fx, small.camera.fx)
        np.testing.assert_array_equal(large.camera.R_world_to_camera, small.camera.R_world_to_camera)
        np.testing.assert_allclose(large.joints_m[:, :17], small.joints_m, atol=1e-9)


def test_what_a_clip_lacks_is_absent_from_truth_and_input():
    found = {}
    for s in benchmark_sequences(("ui_prmd",), True, cameras=1, skeleton=BODY28):
        lacking = np.isnan(s.joints_m).any((0, 2))
        assert np.isnan(s.keypoints_px[:, lacking]).all()
        assert (s.confidence[:, lacking] == 0).all()
        assert np.isfinite(s.keypoints_px[:, ~lacking]).mean() > 0.99
        found[s.name] = int(lacking.sum())
    assert max(found.values()) == 2  # a hand with its thumb


def test_exact_keypoints_are_projections_and_trunk_joints_follow_the_rule():
    for s in benchmark_sequences(("ui_prmd",), False, limit=2, cameras=2, skeleton=BODY28):
        exact = s.camera.project(s.joints_m)
        measured = [j for j, n in enumerate(BODY28.joints) if n not in ("Hip", "Spine", "Thorax", "Nose", "Head")]
        np.testing.assert_allclose(s.keypoints_px[:, measured], exact[:, measured], atol=1e-6)
        trunk = conversion(BODY28, H36M17).apply(s.keypoints_px)[:, [7, 8]]
        assert np.abs(trunk - exact[:, [7, 8]]).max() < 80  # near, by the rule, and not at the truth


def test_errors_of_the_new_joints_are_of_a_detectors_size(sequences):
    clean = list(benchmark_sequences(("ui_prmd",), False, limit=3, cameras=1, skeleton=BODY28))
    for exact, noisy in zip(clean, sequences, strict=True):
        mm_per_px = 1000 * exact.joints_m[:, :1, 2] / exact.camera.fx
        error = np.linalg.norm(exact.keypoints_px - noisy.keypoints_px, axis=-1) * mm_per_px
        assert 2 < np.nanmedian(error[:, 17:]) < 90


def test_a_known_answer_is_scored_as_it_is(sequences):
    """A predictor that knows the truth but for feet 50 mm off and a trunk 10 mm off."""
    rules = protocols.get("mocap28-noisy").with_(source=Given(tuple(sequences)))
    truth = {s.name: s.joints_m for s in sequences}

    def predict(seen):
        joints = np.nan_to_num(truth[seen.name] - truth[seen.name][:, :1])
        joints[:, [BODY28.index(n) for n in extremities.FEET]] += [0.03, 0.0, 0.04]
        joints[:, BODY28.index("Spine")] += [0.0, 0.01, 0.0]
        return joints

    found = evaluate(predict, rules).scores
    assert found.overall["feet"] == pytest.approx(50, abs=1e-6)
    assert found.overall["mpjpe"] == pytest.approx(10 / 17, abs=1e-6)
    assert found.overall["hands"] == found.overall["face"] == pytest.approx(0, abs=1e-9)
    assert set(found.per_joint) == set(BODY28.joints)
    assert found.per_joint["LToe"] == pytest.approx(50, abs=1e-6)
    assert found.overall["head_deg"] < 1e-4
    assert found.overall["knee"] < 1e-6


@pytest.mark.misfit
def test_weights_of_17_joints_are_not_scored_on_28():
    with pytest.raises(PrmlError, match="prml-xs has 17 joints, mocap28-noisy scores 28; choose weights of body28, or"):
        predictor_of(load("prml-xs"), protocols.get("mocap28-noisy"))
