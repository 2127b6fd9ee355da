"""Scores in absolute numbers: exclusions, averages, units, joints, groups."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prml.errors import PrmlError
from prml.evaluation import metrics as m
from prml.evaluation.protocols.catalogue import get
from prml.evaluation.scoring import JOINTS_3DHP, METRICS, Metric, Scored, Tally, metric, plain, scores, values_of
from prml.skeleton import H36M17

NAN = float("nan")


def test_frames_that_cannot_be_judged_are_left_out():
    """Of 10, NaN and 40 mm the mean is 25 mm over two frames; a NaN joint leaves the others of its frame."""
    tally = Tally()
    joints = torch.tensor([[1.0, 3], [NAN, 10], [3, 5], [NAN, NAN]])
    tally.add(["all"], {"reprojection": torch.tensor([10.0, NAN, 40]), "joints": joints})
    tally.add(["all"], {"reprojection": torch.tensor([NAN])})
    assert tally.mean("all", "reprojection") == pytest.approx(25)
    assert tally.counts["all"]["reprojection"] == 2
    np.testing.assert_array_equal(tally.counts["all"]["joints"], [2, 3])
    np.testing.assert_allclose(tally.mean("all", "joints"), [2, 6])
    tally.add(["all"], {"joints": torch.tensor([[5.0, 2]])})
    np.testing.assert_allclose(tally.mean("all", "joints"), [3, 5])
    other = Tally()
    other.merge(tally)
    np.testing.assert_allclose(other.mean("all", "joints"), [3, 5])
    tally.add(["none"], {"joints": torch.tensor([[NAN, 4.0]])})
    np.testing.assert_array_equal(tally.mean("none", "joints"), [NAN, 4])
    assert tally.mean("nobody", "reprojection") is None


def test_an_unseen_frame_does_not_spoil_the_score():
    """The second frame has no pixel: the error in the image is that of the first, 5 px, and no NaN."""
    zero = torch.zeros(2, 17, 3)
    px = torch.zeros(2, 17, 2)
    px[1] = NAN
    found = values_of(Scored(zero, zero, px + torch.tensor([3.0, 4]), px), ["reprojection"])
    tally = Tally(frames=2)
    tally.add(["all"], found)
    assert tally.mean("all", "reprojection") == pytest.approx(5)


@pytest.mark.parametrize(("over", "expected"), [("frames", 20.0), ("actions", 25.0)])
def test_averages_over_frames_and_over_actions(over, expected):
    """Walking: three frames of 10, 15 and 20 mm; Sitting: one of 35 mm. 80 / 4 or (15 + 35) / 2."""
    protocol = get("h36m-cpn" if over == "actions" else "mocap-gt")
    assert protocol.averaging.over == over
    tally = Tally(frames=4)
    for action, errors in (("Walking", [10.0, 15, 20]), ("Sitting", [35.0])):
        values = {name: torch.tensor(errors) for name in ("mpjpe", "x", "y", "z")}
        joints = torch.tensor(errors)[:, None].expand(-1, 17)
        tally.add(["all", f"action:{action}"], values | {"joints": joints})
    found = scores(tally, protocol)
    assert found.overall["mpjpe"] == pytest.approx(expected)
    assert found.per_joint["Hip"] == pytest.approx(expected)
    assert found.per_action["Walking"]["mpjpe"] == pytest.approx(15)


def test_the_joints_of_the_official_scripts():
    """3DHP: no pelvis (0), spine (7) and head (9); 3DPW: no Hip, Spine and Nose either."""
    assert JOINTS_3DHP == (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)
    assert get("3dpw").joints == JOINTS_3DHP
    assert get("h36m-cpn").joints == tuple(range(17))


def test_metrics_are_of_those_joints():
    """Hip, Spine and Nose are a metre off and one wrist 100 mm: PCK 100 %, AUC of 14 joints, MPJPE of all 17."""
    prediction, target = torch.zeros(1, 17, 3), torch.zeros(1, 17, 3)
    prediction[0, [0, 7, 9], 0], prediction[0, 16, 2] = 1.0, -0.1
    found = values_of(Scored(prediction, target), METRICS)
    assert found["pck"].item() == 100
    assert found["auc"].item() == pytest.approx(100 * (13 * 30 + 10) / 14 / 31)
    assert found["mpjpe"].item() == pytest.approx(3100 / 17)
    assert [found[a].item() for a in "xyz"] == pytest.approx([3000 / 17, 0, 100 / 17], abs=1e-4)
    chosen = values_of(Scored(prediction, target, joints=JOINTS_3DHP), ["mpjpe"])
    assert chosen["mpjpe"].item() == pytest.approx(100 / 14)


# As printed in tables: label, unit, and whether more is better.
OF_28 = {"all28", "feet", "hands", "face", "head_deg", "hand_deg", "foot_deg"}  # not of 17 joints
PRINTED = {
    "mpjpe": ("MPJPE", "mm", False),
    "p_mpjpe": ("P-MPJPE", "mm", False),
    "n_mpjpe": ("N-MPJPE", "mm", False),
    "velocity": ("MPJVE", "mm/frame", False),
    "acceleration": ("Accel", "mm/frame²", False),
    "x": ("X", "mm", False),
    "y": ("Y", "mm", False),
    "z": ("Z", "mm", False),
    "pck": ("PCK", "%", True),
    "auc": ("AUC", "%", True),
    "pckh": ("PCKh@0.5", "%", True),
    "reprojection": ("Reproj", "px", False),
    "bone": ("Bone", "mm", False),
    "bone_variation": ("Bone var", "mm", False),
    "all28": ("MPJPE 28", "mm", False),
    "feet": ("Feet", "mm", False),
    "hands": ("Hands", "mm", False),
    "face": ("Face", "mm", False),
    "head_deg": ("Head", "deg", False),
    "hand_deg": ("Hand", "deg", False),
    "foot_deg": ("Foot", "deg", False),
    "knee": ("Knee", "deg", False),
    "knee_straight": ("Knee 0-10", "deg", False),
    "knee_deep": ("Knee 90+", "deg", False),
    "elbow": ("Elbow", "deg", False),
    "elbow_straight": ("Elbow 0-10", "deg", False),
    "elbow_deep": ("Elbow 90+", "deg", False),
}
KNEES, ELBOWS = ((4, 5, 6), (1, 2, 3)), ((11, 12, 13), (14, 15, 16))  # hip, knee, ankle; shoulder, elbow, wrist


def bends_by_hand(joints, limbs):
    """180 degrees minus the angle at the middle joint, by the cosine rule."""
    found = []
    for a, b, c in limbs:
        ab, bc, ac = ((joints[:, i] - joints[:, j]).norm(dim=-1) for i, j in ((a, b), (b, c), (a, c)))
        found.append(180 - torch.rad2deg(torch.arccos((ab**2 + bc**2 - ac**2) / (2 * ab * bc))))
    return torch.stack(found, -1)


def bias_by_hand(p, g, limbs, low, high):
    true = bends_by_hand(g, limbs)
    return torch.where((true >= low) & (true <= high), bends_by_hand(p, limbs) - true, torch.nan).nanmean(-1)


def test_labels_and_units_of_the_tables():
    assert {name: (one.label, one.unit, one.higher_is_better) for name, one in METRICS.items()} == PRINTED


def _scored(frames=4, joints=JOINTS_3DHP, px=True):
    rng = np.random.default_rng(0)
    prediction, target = (torch.from_numpy(rng.normal(size=(frames, 17, 3)) * 0.1) for _ in range(2))
    pictures = [torch.from_numpy(rng.normal(size=(frames, 17, 2)) * 100) for _ in range(2)] if px else [None, None]
    return Scored(prediction, target, *pictures, joints=joints)


def test_every_metric_is_what_its_name_says():
    s = _scored()
    p, g = s.prediction, s.target
    rows = list(JOINTS_3DHP)
    errors = 1000 * ((p - g) ** 2).sum(-1).sqrt()
    by_hand = {
        "joints": errors,
        "mpjpe": errors[:, rows].mean(-1),
        "p_mpjpe": m.p_mpjpe(p[:, rows], g[:, rows]),
        "n_mpjpe": m.n_mpjpe(p[:, rows], g[:, rows]),
        "velocity": m.velocity_error(p[:, rows], g[:, rows]),
        "acceleration": m.acceleration_error(p[:, rows], g[:, rows]),
        "x": 1000 * (p - g)[:, rows, 0].abs().mean(-1),
        "y": 1000 * (p - g)[:, rows, 1].abs().mean(-1),
        "z": 1000 * (p - g)[:, rows, 2].abs().mean(-1),
        "pck": 100 * (errors[:, rows] < 150).double().mean(-1),
        "auc": torch.stack([100 * (errors[:, rows] < 5 * i).double().mean(-1) for i in range(31)]).mean(0),
        "pckh": m.pckh(s.prediction_px, s.target_px),
        "reprojection": ((s.prediction_px - s.target_px) ** 2).sum(-1).sqrt().mean(-1),
        "bone": m.bone_length_error(p, g),
        "bone_variation": m.bone_length_variation(p).expand(4),  # one number of a cut, for each of its frames
    }
    for joint, limbs in (("knee", KNEES), ("elbow", ELBOWS)):
        by_hand[joint] = (bends_by_hand(p, limbs) - bends_by_hand(g, limbs)).abs().mean(-1)
        by_hand[f"{joint}_straight"] = bias_by_hand(p, g, limbs, 0, 10)
        by_hand[f"{joint}_deep"] = bias_by_hand(p, g, limbs, 90, 150)
    found = values_of(s, METRICS)
    assert found.keys() == by_hand.keys()
    for name, values in by_hand.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, err_msg=name)
        assert (found[name].dtype, found[name].device.type) == (torch.float64, "cpu")


def test_without_pictures_there_are_no_scores_of_pictures():
    both = _scored()
    for s in (_scored(px=False), replace(both, prediction_px=None), replace(both, target_px=None)):
        assert METRICS.keys() - values_of(s, METRICS).keys() == {"pckh", "reprojection", *OF_28}
        kept = s.frames(np.array([True, False, False, True]))
        np.testing.assert_array_equal(kept.prediction, s.prediction[[0, 3]])
        np.testing.assert_array_equal(kept.target, s.target[[0, 3]])
        assert [kept.prediction_px is None, kept.target_px is None] == [s.prediction_px is None, s.target_px is None]
        assert kept.joints == JOINTS_3DHP
    kept = both.frames(np.array([2]))
    np.testing.assert_array_equal(kept.prediction_px, both.prediction_px[2:3])
    np.testing.assert_array_equal(kept.target_px, both.target_px[2:3])


def test_all_joints_or_some_of_them():
    s = _scored(joints=(16, 3))
    np.testing.assert_array_equal(s.chosen()[0], s.prediction[:, [16, 3]])
    np.testing.assert_array_equal(s.chosen()[1], s.target[:, [16, 3]])
    whole = Scored(s.prediction, s.target)
    assert whole.chosen() == (s.prediction, s.target)


def test_an_unknown_metric_is_named():
    assert metric("auc") is METRICS["auc"]
    with pytest.raises(PrmlError, match="unknown metric 'mpjp'; known are mpjpe, p_mpjpe"):
        metric("mpjp")


def test_metrics_of_other_packages_have_an_entry_point_of_their_own(monkeypatch):
    monkeypatch.setattr("prml.evaluation.scoring.plugin", lambda *asked: asked)
    assert metric("theirs") == ("prml.metrics", "theirs", Metric)


def test_nothing_was_counted_yet():
    assert Tally() == Tally(sums={}, counts={}, frames=0, sequences=0)
    zero = torch.zeros(1, 17, 3)
    assert (Scored(zero, zero).prediction_px, Scored(zero, zero).target_px) == (None, None)
    assert Scored(zero, zero).joints == tuple(range(17))


def _tally():
    """Two cuts: walking of S1, 10 and 20 mm; sitting of S2, 60 mm, where the steps say nothing."""
    tally = Tally(frames=3, sequences=2)
    joints = torch.arange(17.0, dtype=torch.float64)
    for groups, errors in ((["all", "action:Walking", "subject:S1"], [10.0, 20]), (["all", "subject:S2"], [60.0])):
        values = {name: torch.tensor(errors, dtype=torch.float64) for name in ("mpjpe", "x", "y", "z")}
        steps = torch.tensor(errors[1:], dtype=torch.float64)
        tally.add(groups, {"velocity": steps} | values | {"joints": joints + values["mpjpe"][:, None]})
    return tally


def test_a_single_frame_has_no_step_and_is_counted_all_the_same():
    tally = _tally()
    assert tally.counts["all"] == {"velocity": 1, "mpjpe": 3, "x": 3, "y": 3, "z": 3, "joints": 3}
    assert tally.counts["subject:S2"] == {"mpjpe": 1, "x": 1, "y": 1, "z": 1, "joints": 1}
    assert (tally.mean("all", "velocity"), tally.mean("subject:S2", "velocity")) == (20, None)
    assert (tally.mean("all", "mpjpe"), tally.mean("subject:S1", "mpjpe")) == (30, 15)
    np.testing.assert_allclose(tally.mean("all", "joints"), 30 + np.arange(17))


def test_two_tallies_are_one():
    """Of the same frames twice the sums and the counts are double; a group that was not there comes along."""
    one, other = _tally(), _tally()
    other.add(["action:Sitting"], {"mpjpe": torch.tensor([7.0])})
    one.merge(other)
    assert (one.frames, one.sequences) == (6, 4)
    assert one.counts["all"]["mpjpe"] == 6
    assert one.sums["all"]["mpjpe"] == 180
    assert (one.sums["action:Sitting"], one.counts["action:Sitting"]) == ({"mpjpe": 7}, {"mpjpe": 1})
    np.testing.assert_allclose(one.sums["subject:S2"]["joints"], 2 * (60 + np.arange(17)))
    other.sums["action:Sitting"]["mpjpe"] += 1
    assert one.sums["action:Sitting"]["mpjpe"] == 7
    before = other.sums["all"]["mpjpe"].copy()
    one.add(["all"], {"mpjpe": torch.tensor([1.0])})
    assert other.sums["all"]["mpjpe"] == before


def test_names_of_groups_are_sorted_by_kind():
    tally = Tally()
    tally.add(["subject:S9", "all", "subject:S11", "action:subject:x", "source:cmu"], {"mpjpe": torch.tensor([1.0])})
    assert tally.groups("subject") == ["S11", "S9"]
    assert tally.groups("action") == ["subject:x"]
    assert tally.groups("nothing") == []


def _of_actions(**errors):
    tally = Tally(frames=sum(map(len, errors.values())), sequences=len(errors))
    for i, (action, values) in enumerate(errors.items()):
        one = torch.tensor(values, dtype=torch.float64)
        found = {"mpjpe": one, "x": one + 1, "y": one + 2, "z": one + 3, "joints": one[:, None] + torch.arange(17.0)}
        tally.add(["all", f"action:{action}", f"source:cam{i % 2}", f"subject:S{i}"], found)
    return tally


def test_every_table_by_hand():
    """Sitting 40; an action that the paper does not know 70; Directions 10 and 20. The hard ones are shown by axis."""
    found = scores(_of_actions(Sitting=[40.0], Juggling=[70.0], Directions=[10.0, 20]), get("h36m-cpn"))
    assert list(found.per_action) == ["Directions", "Sitting", "Juggling"]  # the paper's order, then the rest
    assert {name: row["mpjpe"] for name, row in found.per_action.items()} == {
        "Directions": 15,
        "Sitting": 40,
        "Juggling": 70,
    }
    mean = (15 + 40 + 70) / 3
    assert list(found.overall) == ["mpjpe", "x", "y", "z"]  # in the protocol's order, what was not measured is left out
    assert list(found.overall.values()) == pytest.approx([mean, mean + 1, mean + 2, mean + 3])
    assert found.per_axis.keys() == {"all", "Sitting"}
    assert found.per_axis["Sitting"] == {"x": 41, "y": 42, "z": 43}
    assert found.per_axis["all"] == pytest.approx({"x": mean + 1, "y": mean + 2, "z": mean + 3})
    assert list(found.per_source) == ["cam0", "cam1"]
    assert found.per_source["cam0"]["mpjpe"] == pytest.approx(70 / 3)
    assert {name: row["x"] for name, row in found.per_subject.items()} == {"S0": 41, "S1": 71, "S2": 16}
    assert list(found.per_joint) == list(H36M17.joints)
    assert list(found.per_joint.values()) == pytest.approx([mean + j for j in range(17)])
    assert (found.frames, found.sequences) == (4, 3)
    assert plain(found) == {
        name: getattr(found, name)
        for name in (
            "overall",
            "per_action",
            "per_source",
            "per_subject",
            "per_joint",
            "per_axis",
            "per_sequence",
            "frames",
            "sequences",
        )
    }
    assert all(type(value) is float for value in found.overall.values())


def test_a_metric_of_some_actions_is_the_mean_of_those():
    """Frames without a projection in one action: the other one's mean counts, not half of it."""
    tally = _of_actions(Sitting=[40.0], Eating=[20.0])
    tally.add(["all", "action:Eating"], {"pckh": torch.tensor([80.0])})
    assert scores(tally, get("h36m-cpn")).overall["pckh"] == 80


def test_without_a_table_of_actions_they_come_in_alphabetical_order():
    protocol = replace(get("mocap-gt"), metrics=("mpjpe",))
    assert protocol.actions is None
    found = scores(_of_actions(Walk=[40.0, 40], Dance=[10.0]), protocol)
    assert list(found.per_action) == ["Dance", "Walk"]
    assert found.overall == {"mpjpe": 30}
    assert found.per_axis == {"all": {"x": 31, "y": 32, "z": 33}}  # the axes are always there
    assert found.per_action["Walk"] == {"mpjpe": 40, "x": 41, "y": 42, "z": 43}


def test_nothing_scored_is_said():
    with pytest.raises(PrmlError, match="protocol mocap-gt found no frame to score"):
        scores(Tally(), get("mocap-gt"))
