"""Two rule sets scored on the same predictions differ by exactly the stated rule."""

import numpy as np
import pytest
import torch

from fixtures.made_up import Wrong, given, image_space, moving
from prml.errors import PrmlError
from prml.evaluation import metrics as m
from prml.evaluation import protocols
from prml.evaluation.protocols.base import ActionTable
from prml.evaluation.protocols.rules import (
    AccelerationRule,
    Averaging,
    CameraSpace,
    CutWindows,
    FrameRule,
    ImageSpace,
    KeypointsAsRead,
    KeypointsFilled,
    KeypointsFromLabel,
    LeaveOut,
    RootRule,
    VelocityRule,
)
from prml.evaluation.run import evaluate

PLAIN = ("mpjpe", "x", "y", "z")


def overall(predictor, protocol, **options):
    return evaluate(predictor, protocol, **options).scores.overall


def frame_errors(predictor, sequence, zero_root=True):
    """MPJPE of every frame, by hand."""
    prediction, target = predictor.answers[sequence.name][1].copy(), sequence.joints_m - sequence.joints_m[:, :1]
    if zero_root:
        prediction[:, 0] = 0
    return np.linalg.norm(prediction - target, axis=-1).mean(1) * 1000


def test_root_rule_own_adds_the_root_error_over_17(people):
    predictor = Wrong(*people)
    zero, own = (overall(predictor, given(*people, root=RootRule(k)))["mpjpe"] for k in ("zero", "own"))
    root = np.concatenate([np.linalg.norm(predictor.answers[p.name][1][:, 0], axis=-1) for p in people])
    assert own - zero == pytest.approx(root.mean() * 1000 / 17, rel=1e-9)


def test_root_rule_subtract_is_zero_rule_on_predictions_moved_to_their_root(people):
    predictor, moved = Wrong(*people), Wrong(*people)
    moved.answers = {name: (t, a - a[:, :1]) for name, (t, a) in predictor.answers.items()}
    a = overall(predictor, given(*people, root=RootRule("subtract")))
    b = overall(moved, given(*people, root=RootRule("zero")))
    assert a == pytest.approx(b)


def test_left_out_videos_are_the_whole_difference(people):
    predictor = Wrong(*people)
    rule = LeaveOut(("s_09_act_03_subact_01",), "a test")
    with_rule = evaluate(predictor, given(*people, leave_out=rule))
    kept = [p for p in people if not p.name.startswith("s_09_act_03_subact_01")]
    assert len(kept) == 5
    assert with_rule.scores.overall == evaluate(predictor, given(*kept)).scores.overall
    assert with_rule.tally.sequences == 5


@pytest.mark.parametrize(("tail", "scored"), [("drop", [0, 8]), ("last", [0, 8, 12])])
def test_the_tail_is_dropped_or_made_of_the_last_frames(tail, scored):
    clip = moving(1, 20)
    predictor = Wrong(clip)
    result = evaluate(predictor, given(clip, windows=CutWindows(tail)), window=8)
    errors = frame_errors(predictor, clip)
    expected = np.concatenate([errors[s : s + 8] for s in scored]).mean()
    assert result.scores.overall["mpjpe"] == pytest.approx(expected, rel=1e-9)
    assert [len(s) for s in predictor.seen] == [8] * len(scored)
    assert np.allclose([s.times_s[0] * 50 for s in predictor.seen], scored)


@pytest.mark.parametrize(("frames", "window"), [(5, 8), (8, 8), (16, 8), (17, 8), (3, 243)])
def test_windows_never_overlap_but_at_the_last_and_never_leave_the_video(frames, window):
    for tail in ("drop", "last"):
        cuts = CutWindows(tail).cuts(frames, window)
        seen = np.zeros(frames, int)
        for cut in cuts:
            assert 0 <= cut.start < cut.stop <= frames
            seen[cut] += 1
        assert seen[: frames - frames % window if frames >= window else frames].min() == 1
        if tail == "last":
            assert seen.min() >= 1


def test_pasting_removes_the_error_of_x_and_y_and_nothing_else():
    clips = [image_space(moving(i, name=f"v{i}")) for i in range(3)]
    predictor = Wrong(*clips)
    rules = {"keypoints": KeypointsFromLabel(), "metrics": PLAIN}
    free, pasted = (overall(predictor, given(*clips, space=ImageSpace(p), **rules)) for p in (False, True))
    assert pasted["x"] == pytest.approx(0, abs=1e-6)
    assert pasted["y"] == pytest.approx(0, abs=1e-6)
    assert pasted["z"] == pytest.approx(free["z"], rel=1e-12)
    assert free["x"] > 10
    assert pasted["mpjpe"] == pytest.approx(pasted["z"], abs=1e-6)  # what is left is depth alone


def test_image_space_and_camera_space_differ_by_their_labels_alone():
    clips = [moving(i, name=f"v{i}") for i in range(3)]
    labels = [image_space(c) for c in clips]
    truth = Wrong(*clips, size_m=0.0)
    assert overall(truth, given(*clips, space=CameraSpace()))["mpjpe"] == pytest.approx(0, abs=1e-9)
    scored = overall(truth, given(*labels, space=ImageSpace()))["mpjpe"]
    apart = [
        m.mpjpe(torch.tensor(a.joints_m - a.joints_m[:, :1]), torch.tensor(b.joints_m))
        for a, b in zip(clips, labels, strict=True)
    ]
    assert scored == pytest.approx(torch.cat(apart).mean().item(), rel=1e-9)
    assert 5 < scored < 60


def test_averaging_over_actions_weighs_actions_and_over_frames_frames(people):
    predictor, table = Wrong(*people), ActionTable((("Walking", "Walk"), ("Photo", "Photo"), ("Sitting", "Sit")))
    by_frame, by_action = (
        evaluate(predictor, given(*people, averaging=Averaging(k), actions=table)).scores for k in ("frames", "actions")
    )
    assert by_frame.per_action == by_action.per_action
    assert list(by_action.per_action) == ["Walking", "Photo", "Sitting"]  # the table's order, not the alphabet's
    means = {
        a: np.concatenate([frame_errors(predictor, p) for p in people if p.action == a]) for a in by_frame.per_action
    }
    assert by_frame.overall["mpjpe"] == pytest.approx(np.concatenate(list(means.values())).mean())
    assert by_action.overall["mpjpe"] == pytest.approx(np.mean([v.mean() for v in means.values()]))
    assert by_frame.overall["mpjpe"] != pytest.approx(by_action.overall["mpjpe"], rel=1e-6)


def test_joints_that_do_not_count_are_the_whole_difference(people):
    predictor, chosen = Wrong(*people), (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)
    result = evaluate(predictor, given(*people, joints=chosen)).scores
    per_joint = list(result.per_joint.values())
    assert len(per_joint) == 17
    assert result.overall["mpjpe"] == pytest.approx(np.mean([per_joint[j] for j in chosen]))
    everything = evaluate(predictor, given(*people)).scores
    assert everything.per_joint == pytest.approx(result.per_joint)
    assert everything.overall["mpjpe"] == pytest.approx(np.mean(per_joint))


def test_frames_that_are_not_valid_are_never_seen_or_never_scored():
    clip = moving(2, 20)
    valid = np.arange(20) % 3 != 0
    flagged = clip.with_(valid=valid)
    predictor = Wrong(clip)
    scored = overall(predictor, given(flagged, frames=FrameRule("score-valid", "flagged")))["mpjpe"]
    assert scored == pytest.approx(frame_errors(predictor, clip)[valid].mean())
    assert len(predictor.seen[-1]) == 20

    only = flagged.with_(joints_m=clip.joints_m, name="only")
    answers = Wrong(clip).answers[clip.name][1][valid]
    predictor.answers["only"] = (np.arange(valid.sum()) / 50, answers)
    removed = overall(predictor, given(only, frames=FrameRule("valid", "flagged")))["mpjpe"]
    assert removed == pytest.approx(scored)
    assert len(predictor.seen[-1]) == valid.sum()


def test_keypoint_rules_change_what_is_seen_and_not_what_is_scored():
    clip = image_space(moving(3)).with_(confidence=np.full((20, 17), 0.3))
    predictor = Wrong(clip)
    scores = [
        overall(predictor, given(clip, space=ImageSpace(), keypoints=k))
        for k in (KeypointsAsRead("detected"), KeypointsFromLabel())
    ]
    assert scores[0] == scores[1]
    detected, label = predictor.seen
    assert (detected.confidence == 0.3).all()
    assert (label.confidence == 1).all()
    assert np.allclose(label.keypoints_px, clip.truth.joints_image_px[..., :2])


def test_missing_detections_are_interpolated_and_not_trusted():
    clip = moving(4)
    px = clip.keypoints_px.copy()
    px[5, 3] = px[:, 9] = np.nan
    filled = KeypointsFilled("detections").apply(clip.with_(keypoints_px=px))
    assert np.isfinite(filled.keypoints_px).all()
    assert np.allclose(filled.keypoints_px[5, 3], (clip.keypoints_px[4, 3] + clip.keypoints_px[6, 3]) / 2)
    assert filled.confidence[5, 3] == 0
    assert filled.confidence[5, 4] == 1
    assert (filled.confidence[:, 9] == 0).all()


def motion(predictor, clip, cuts):
    """Errors of steps and of second differences in every cut, by hand; mm."""
    target = clip.joints_m - clip.joints_m[:, :1]
    error = predictor.answers[clip.name][1] - target
    error[:, 0] = 0
    return [tuple(1000 * np.linalg.norm(np.diff(error[c], n=n, axis=0), axis=-1).mean(1) for n in (1, 2)) for c in cuts]


def test_motion_is_averaged_over_steps_or_as_other_authors_do():
    clips = [moving(1, 20), moving(2, 11)]
    predictor = Wrong(*clips)
    cuts = [[slice(0, 6), slice(6, 12), slice(12, 18), slice(14, 20)], [slice(0, 6), slice(5, 11)]]
    windows = CutWindows("last", 6)
    rules = {"metrics": ("velocity", "acceleration"), "windows": windows}
    by_hand = [motion(predictor, clip, c) for clip, c in zip(clips, cuts, strict=True)]

    def score(**more):
        found = overall(predictor, given(*clips, **rules, **more))
        return found["velocity"], found["acceleration"]

    steps, second = ([part[n] for video in by_hand for part in video] for n in (0, 1))
    assert score() == pytest.approx([np.concatenate(steps).mean(), np.concatenate(second).mean()])
    weighted = np.mean([part.mean() for part in steps])  # all cuts have six frames
    assert score(velocity=VelocityRule("as-videopose3d"))[0] == pytest.approx(weighted)
    zeros = np.mean([part.sum() / 6 for part in second])
    assert score(acceleration=AccelerationRule("as-motionagformer"))[1] == pytest.approx(zeros)
    whole, frames = [], [24, 12]
    for clip, parts in zip(clips, cuts, strict=True):
        order = np.concatenate([np.arange(20)[c] for c in parts])
        target = (clip.joints_m - clip.joints_m[:, :1])[order]
        error = predictor.answers[clip.name][1][order] - target
        error[:, 0] = 0
        whole.append(1000 * np.linalg.norm(np.diff(error, axis=0), axis=-1).mean())
    assert score(velocity=VelocityRule("as-mixste"))[0] == pytest.approx(np.average(whole, weights=frames))


def test_rules_of_motion_mark_the_result_and_need_their_metric():
    rules = protocols.get("h36m-cpn")
    assert rules.with_kinds(velocity="as-mixste").id == "h36m-cpn/1+velocity"
    assert "velocity" in rules.with_kinds(velocity="as-mixste").describe()
    assert "velocity" not in rules.describe()
    assert rules.with_kinds(velocity="steps", acceleration="steps").id == rules.id
    assert rules.with_kinds(velocity="steps").id == rules.id
    with pytest.raises(PrmlError, match="3dhp-gt does not report velocity"):
        protocols.get("3dhp-gt").with_kinds(velocity="as-mixste")
