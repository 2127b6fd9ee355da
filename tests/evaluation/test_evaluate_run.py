"""Evaluation runs: streaming, merging, hiding the truth, errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fixtures.made_up import Wrong, given, image_space, moving
from prml.cli import main
from prml.errors import PrmlError
from prml.evaluation import metrics as m
from prml.evaluation import protocols
from prml.evaluation.protocols.rules import CutWindows, ImageSpace
from prml.evaluation.result import differences, make_result, read_result
from prml.evaluation.run import Evaluation, evaluate, gather, score_sequence
from prml.evaluation.scoring import JOINTS_3DHP, METRICS
from prml.sequence import SmplMotion
from prml.skeleton import H36M17

OF_28 = {"all28", "feet", "hands", "face", "head_deg", "hand_deg", "foot_deg"}
ALL = tuple(name for name in METRICS if name not in OF_28)


def test_streamed_scores_are_those_of_all_frames_at_once(people):
    predictor = Wrong(*people)
    scores = evaluate(predictor, given(*people, metrics=ALL)).scores
    p = [predictor.answers[s.name][1].copy() for s in people]
    for a in p:
        a[:, 0] = 0
    g = [s.joints_m - s.joints_m[:, :1] for s in people]
    P, G = torch.tensor(np.concatenate(p)), torch.tensor(np.concatenate(g))
    assert scores.overall["mpjpe"] == pytest.approx(m.mpjpe(P, G).mean().item())
    assert scores.overall["p_mpjpe"] == pytest.approx(m.p_mpjpe(P, G).mean().item())
    steps = torch.cat([m.velocity_error(torch.tensor(a), torch.tensor(b)) for a, b in zip(p, g, strict=True)])
    assert scores.overall["velocity"] == pytest.approx(steps.mean().item())
    errors = m.joint_errors(P, G)[:, list(JOINTS_3DHP)]
    assert scores.overall["pck"] == pytest.approx((errors < 150).double().mean().item() * 100)
    rare = {f"{joint}_{bend}" for joint in ("knee", "elbow") for bend in ("straight", "deep")}  # no such limb, no bias
    assert [n for n in scores.overall if n not in rare] == [n for n in ALL if n not in rare]


def test_the_truth_scores_zero_and_full_marks_in_every_space(people):
    clips = [image_space(p) for p in people]
    for protocol, sequences in (
        (given(*people, metrics=ALL), people),
        (given(*clips, metrics=ALL, space=ImageSpace()), clips),
    ):
        overall = evaluate(Wrong(*sequences, size_m=0.0), protocol).scores.overall
        for name, value in overall.items():
            best = {"pck": 100, "auc": 100 * 30 / 31, "pckh": 100}.get(name, 0)
            if name != "bone_variation":
                assert value == pytest.approx(best, abs=1e-6), name


def test_reprojection_puts_the_prediction_at_the_true_root():
    clip = moving(0)
    shifted = Wrong(clip, size_m=0.0)
    times, answer = shifted.answers[clip.name]
    shifted.answers[clip.name] = (times, answer + np.array([0.1, 0, 0]))
    overall = evaluate(shifted, given(clip, metrics=("mpjpe", "reprojection"))).scores.overall
    depth = clip.joints_m[:, 1:, 2]
    expected = (0.1 * clip.camera.fx / depth).mean() * 16 / 17  # the root is set to its place
    assert overall["reprojection"] == pytest.approx(expected, rel=0.05)  # the lens is distorted


def test_single_frames_have_errors_and_no_velocity():
    clips = [moving(0, 1), moving(1, 2)]
    scores = evaluate(Wrong(*clips), given(*clips, metrics=("mpjpe", "velocity", "acceleration"))).scores
    assert scores.frames == 3
    assert set(scores.overall) == {"mpjpe", "velocity"}


def test_workers_give_the_same_sums_in_the_same_order(people):
    predictor, protocol, seen = Wrong(*people), given(*people, metrics=ALL), []
    alone = evaluate(predictor, protocol)
    shared = evaluate(predictor, protocol, workers=3, progress=lambda state: seen.append(state.tally.frames))
    assert shared.scores == alone.scores
    assert seen == np.cumsum([len(p) for p in people]).tolist()
    assert not any(v != v for v in shared.seconds.values())


def test_shards_merge_to_the_whole(people):
    predictor, protocol = Wrong(*people), given(*people, metrics=ALL)
    whole = evaluate(predictor, protocol)
    parts = [evaluate(predictor, protocol, shard=(rank, 4)) for rank in range(4)]
    total = parts[0]
    for part in parts[1:]:
        total.merge(part)
    assert total.tally.frames == whole.tally.frames
    assert total.tally.sequences == 6
    assert total.scores.overall == pytest.approx(whole.scores.overall, rel=1e-12)
    assert total.scores.per_joint == pytest.approx(whole.scores.per_joint, rel=1e-12)
    for action, row in whole.scores.per_action.items():
        assert total.scores.per_action[action] == pytest.approx(row, rel=1e-12)


def test_scores_of_different_protocols_do_not_merge(people):
    a, b = Evaluation(given(*people)), Evaluation(given(*people, windows=CutWindows()).with_(flip=False))
    with pytest.raises(PrmlError, match="cannot merge"):
        a.merge(b)


def _process(rank: int, folder: str) -> None:
    import json
    from pathlib import Path

    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    clips = [moving(i, 10 + i, name=f"c{i}") for i in range(5)]
    total = gather(evaluate(Wrong(*clips), given(*clips), shard=(rank, 2)))
    Path(folder, f"{rank}.json").write_text(json.dumps([total.scores.overall, total.tally.frames]))
    dist.destroy_process_group()


def test_a_share_of_the_sequences_is_not_put_beside_the_whole(people):
    protocol = protocols.get("mocap-gt").with_(source=given(*people).source)
    made = evaluate(Wrong(*people), protocol)
    whole, again, half = (make_result(made, {"name": "a"}, o) for o in ({}, {"every": 1}, {"every": 2}))
    assert differences([whole, again]) == []
    assert differences([whole, half]) == ["the sequences scored differ: one of 1, one of 2"]
    changed = {**whole.protocol, "data": {"file": "x", "clips": 3}, "limit": 4}
    other = {**whole.protocol, "data": {"file": "x", "clips": 5}, "limit": None}
    told = differences([replace(whole, protocol=changed), replace(whole, protocol=other)])
    assert told == ["the numbers of clips differ: 4, all", "the data differ: clips 3 and 5"]
    assert (whole.label, half.label) == ("a (source changed)", "a (source changed) (one sequence of 2)")


def test_two_processes_give_the_figures_of_one(tmp_path):
    import json

    import torch.multiprocessing as mp

    mp.spawn(_process, args=(str(tmp_path),), nprocs=2)
    clips = [moving(i, 10 + i, name=f"c{i}") for i in range(5)]
    alone = evaluate(Wrong(*clips), given(*clips))
    for rank in range(2):
        overall, frames = json.loads((tmp_path / f"{rank}.json").read_text())
        assert frames == alone.tally.frames
        assert overall == pytest.approx(alone.scores.overall, rel=1e-12)
    assert gather(alone) is alone


def test_memory_of_a_tally_grows_by_a_row_of_each_sequence_alone(people):
    predictor = Wrong(*people)
    few, many = (evaluate(predictor, given(*(people * n))) for n in (1, 5))
    assert many.tally.frames == 5 * few.tally.frames

    def numbers(e):
        groups = e.tally.sums.items()
        return sum(v.size for group, row in groups if not group.startswith("sequence:") for v in row.values())

    assert numbers(many) == numbers(few)
    assert many.scores.overall == pytest.approx(few.scores.overall, rel=1e-12)


def test_sequences_are_read_one_at_a_time(people):
    seen = []

    class Lazy:
        description, files = "lazy", "none"

        def read(self, data, limit):
            for person in people:
                seen.append(person.name)
                yield person

        def stamp(self, data):
            return {}

    predictor = Wrong(*people)
    protocol = given(*people)
    lazy = protocol.with_(source=Lazy())

    def check(evaluation):
        assert len(seen) == evaluation.tally.sequences

    evaluate(predictor, lazy, progress=check)
    assert len(seen) == 6


def test_a_predictor_never_sees_the_truth():
    clip = image_space(moving(0))
    smpl = SmplMotion(np.zeros((20, 72)), np.zeros(10), np.zeros((20, 3)))
    clip = clip.with_(truth=replace(clip.truth, smpl=smpl), std_m=np.zeros((20, 17, 3)))
    predictor = Wrong(clip)
    evaluate(predictor, given(clip, space=ImageSpace()))
    seen = predictor.seen[0]
    assert (seen.joints_m, seen.std_m, seen.truth) == (None, None, None)
    np.testing.assert_array_equal(seen.mm_per_px, clip.mm_per_px)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda s: np.full((len(s), 17, 3), np.nan), "NaN or infinity in 20 of 20"),
        (lambda s: np.zeros((len(s), 16, 3)), r"must be \(20, 17, 3\)"),
        (lambda s: np.zeros((1, 17, 3)), r"got \(1, 17, 3\)"),
    ],
)
def test_predictions_that_cannot_be_scored_are_refused(answer, message):
    with pytest.raises(PrmlError, match=message):
        evaluate(answer, given(moving(0)))


def test_nothing_to_score_is_refused():
    with pytest.raises(PrmlError, match="no frame to score"):
        _ = evaluate(lambda s: s, given()).scores


def test_a_sequence_without_3d_or_without_2d_is_refused():
    evaluation = Evaluation(given())
    for missing in ("joints_m", "keypoints_px"):
        with pytest.raises(PrmlError, match="clip0 has no"):
            score_sequence(evaluation, moving(0).with_(**{missing: None}), lambda s: np.zeros((20, 17, 3)))


def test_joints_of_3dhp_are_the_14_of_the_official_script():
    assert len(JOINTS_3DHP) == 14
    assert {H36M17.joints[j] for j in range(17) if j not in JOINTS_3DHP} == {"Hip", "Spine", "Nose"}


# ------------------------------------------------------------------------------------------------ the catalogue
def test_every_protocol_prints_its_rules_in_words():
    for name in protocols.names():
        rules = protocols.get(name).describe()
        assert all(len(text) > 2 for text in rules.values()), name
        assert {"sequences", "2D source", "output space", "root", "flip", "windows", "averaging"} <= set(rules)
        assert protocols.get(name).origin


def test_no_two_protocols_have_the_same_rules():
    rules = [tuple(protocols.get(n).describe().values()) for n in protocols.names()]
    assert len(set(rules)) == len(rules)


def test_a_changed_rule_shows_in_the_id():
    protocol = protocols.get("mocap-gt")
    assert protocol.id == "mocap-gt/1"
    assert protocol.with_(flip=False).with_(windows=CutWindows()).id == "mocap-gt/1+flip+windows"


def test_an_unknown_protocol_is_answered_with_the_nearest():
    with pytest.raises(PrmlError, match="did you mean 'mocap-noisy'"):
        protocols.get("mocap-nosy")


@pytest.mark.parametrize("name", [n for n in protocols.names() if not n.startswith(("mocap", "hdm05"))])
def test_protocols_of_licensed_data_ask_for_the_files(name):
    with pytest.raises(PrmlError, match="data="):
        next(protocols.get(name).sequences())


@pytest.mark.parametrize("name", ["mocap-gt", "mocap-noisy", "hdm05-gt"])
def test_the_mocap_benchmark_from_file_to_score(name):
    def still(sequence):
        assert sequence.joints_m is None
        return np.zeros((len(sequence), 17, 3))

    scores = evaluate(still, protocols.get(name), limit=1).scores
    assert scores.sequences == 4  # one clip, four cameras
    assert 300 < scores.overall["mpjpe"] < 700  # a person at a point: the mean distance of the joints from the hip
    assert list(scores.per_source)
    assert set(scores.overall) == set(protocols.get(name).metrics)


def test_a_result_says_that_it_was_computed_in_bfloat16(tmp_path, capsys):
    record = tmp_path / "a.json"
    words = ["evaluate", "--weights", "prml-xs", "--protocol", "mocap-gt", "--limit", "1", "--precision", "bf16"]
    assert main([*words, "--json", str(record)]) == 0
    assert "prml-xs (bf16)" in capsys.readouterr().out
    assert read_result(record).options["precision"] == "bf16"
