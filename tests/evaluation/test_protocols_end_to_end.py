"""Every named protocol from files in the official layout to a result record, through the command line."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures import human36m, mpi_inf_3dhp, pw3d
from fixtures.made_up import Wrong, given, image_space, moving, write_mesh_files
from prml.cli import main
from prml.evaluation import protocols
from prml.evaluation.predictor import predictor_of
from prml.evaluation.protocols.rules import CutWindows, ImageSpace, WholeVideo
from prml.evaluation.result import read_result
from prml.evaluation.run import evaluate
from prml.networks import registry
from prml.weights.record import Card, save_record

LICENSED = [n for n in protocols.names() if not n.startswith(("mocap", "hdm05", "own"))]
TINY = {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1, "in_channels": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The folder with each protocol's files."""
    root = tmp_path_factory.mktemp("data")
    actions = ("Directions", "Walking", "SittingDown 2", "Photo")
    human36m.write_npz_pair(root / "npz", subjects=("S9", "S11"), actions=actions, frames=20)
    human36m.write_cameras_json(root / "npz" / "camera-parameters.json")
    (root / "sh").mkdir()
    human36m.write_sh_pickle(root / "sh" / "h36m_sh_conf_cam_source_final.pkl", frames=22)
    mpi_inf_3dhp.write_test_npz(root / "3dhp", frames=24)
    pw3d.write(root / "3dpw", frames=24)
    write_mesh_files(root / "mesh")
    kinds = {"h36m-cpn": "npz", "h36m-gt-projected": "npz", "3dhp-gt": "3dhp", "3dpw": "3dpw", "3dpw-mesh": "mesh"}
    return {name: root / kinds.get(name, "sh") for name in LICENSED}


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRML_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Untrained records: one predicts metres, one image space."""
    folder = tmp_path_factory.mktemp("weights")
    card = Card("metres", "prml-xs", TINY, window=9)
    image = replace(card, name="image", normalisation="screen", output="image")
    return {c.name: save_record(folder, c, registry.build("prml-xs", **TINY)) for c in (card, image)}


@pytest.mark.parametrize("name", LICENSED)
def test_from_files_to_a_result(name, data, weights, tmp_path, capsys):
    out = tmp_path / "result.json"
    kind = "image" if "2.5d" in name or name in ("h36m-gt-orthographic", "h36m-gt-pasted") else "metres"
    arguments = ["evaluate", "--weights", str(weights[kind]), "--protocol", name, "--data", str(data[name])]
    assert main([*arguments, "--json", str(out), "--limit", "6"]) == 0
    result, printed = read_result(out), capsys.readouterr().out
    assert set(result.scores) == set(protocols.get(name).metrics)
    assert all(np.isfinite(v) for v in result.scores.values())
    assert 20 < result.scores["mpjpe"] < 2000  # untrained
    assert result.frames > 30
    assert result.protocol["limit"] == 6
    assert result.weights["sha256"]
    assert result.protocol["id"] == protocols.get(name).id
    assert result.protocol["data"]
    assert name in printed
    if protocols.get(name).actions is not None:
        assert "WalkT." in printed
        assert set(result.per_action) <= {a for a, _ in human36m_columns()}


def human36m_columns():
    return protocols.get("h36m-cpn").actions.columns


@pytest.mark.parametrize("name", LICENSED)
def test_the_truth_scores_nothing_wrong(name, data):
    protocol = protocols.get(name)
    clips = [protocol.with_(root=protocol.root).frames.select(s) for s in protocol.sequences(data[name])]
    truth = Wrong(*[c.with_(joints_m=protocol.space.target(c)) for c in clips], size_m=0.0)
    scores = evaluate(truth, protocol, data=data[name], window=9).scores.overall
    assert scores["mpjpe"] == pytest.approx(0, abs=1e-3)
    assert scores.get("pck", 100) == 100
    assert scores.get("pckh", 100) == pytest.approx(100)


def test_three_videos_of_s9_are_not_scored_under_the_2_5d_rules(data):
    names = [s.name for s in protocols.get("h36m-sh-2.5d").sequences(data["h36m-sh-2.5d"])]
    everything = protocols.get("h36m-sh-2.5d").source.read(data["h36m-sh-2.5d"], None)
    left_out = {s.name[:-6] for s in everything} - {n[:-6] for n in names}
    assert left_out == {"s_09_act_05_subact_02", "s_09_act_10_subact_02", "s_09_act_13_subact_01"}


def test_windows_of_3dhp_reach_over_all_frames_and_the_valid_ones_are_scored(data):
    """The rule of P-STMO's generator_3dhp.py: edge-padded windows over the whole video, one for every valid frame."""
    pad, errors, seen = 4, [], []

    def mean_of_window(px):  # a "network" whose answer depends on every frame of its window
        around = np.clip(np.arange(len(px))[:, None] + np.arange(-pad, pad + 1), 0, len(px) - 1)
        flat = px[around].mean(1) / 1000
        return np.concatenate([flat, flat[..., :1]], -1)

    def predictor(sequence):
        seen.append(len(sequence))
        return mean_of_window(np.asarray(sequence.keypoints_px, np.float64))

    protocol = protocols.get("3dhp-gt")
    result = evaluate(predictor, protocol, data=data["3dhp-gt"])
    file = np.load(data["3dhp-gt"] / "data_test_3dhp.npz", allow_pickle=True)["data"].item()
    for video in file.values():
        prediction = mean_of_window(np.asarray(video["data_2d"], np.float64))
        target = (video["data_3d"] - video["data_3d"][:, 14:15]) / 1000
        prediction[:, 14] = 0
        error = np.linalg.norm(prediction - target, axis=-1).mean(1) * 1000
        errors.append(error[np.asarray(video["valid"]).reshape(-1) != 0])
    assert seen == [len(video["data_2d"]) for video in file.values()]
    assert result.tally.frames == sum(map(len, errors)) < sum(seen)
    assert result.scores.overall["mpjpe"] == pytest.approx(np.concatenate(errors).mean(), rel=1e-5)


def test_a_result_of_3dhp_from_before_is_refused_beside_a_new_one(data, weights, tmp_path, capsys):
    new, old = tmp_path / "new.json", tmp_path / "old.json"
    argv = ["evaluate", "--weights", str(weights["metres"]), "--protocol", "3dhp-gt", "--data", str(data["3dhp-gt"])]
    assert main([*argv, "--json", str(new)]) == 0
    old.write_text(new.read_text().replace('"3dhp-gt/2"', '"3dhp-gt/1"'))
    assert main(["compare", str(new), str(old)]) == 2
    assert "the protocols differ: 3dhp-gt/1, 3dhp-gt/2" in capsys.readouterr().err


def test_results_of_one_protocol_compare_and_others_do_not(data, weights, tmp_path, capsys):
    files = {}
    for name in ("h36m-gt-orthographic", "h36m-gt-pasted"):
        for flip in ("--flip", "--no-flip"):
            out = files[name, flip] = tmp_path / f"{name}{flip}.json"
            arguments = ["--weights", str(weights["image"]), "--protocol", name, "--data", str(data[name]), flip]
            assert main(["evaluate", *arguments, "--json", str(out), "--limit", "4"]) == 0
    capsys.readouterr()
    same = [str(files["h36m-gt-pasted", f]) for f in ("--flip", "--no-flip")]
    assert main(["compare", *same]) == 0
    printed = capsys.readouterr().out
    assert "image (no flip)" in printed
    mixed = [same[0], str(files["h36m-gt-orthographic", "--flip"])]
    assert main(["compare", *mixed]) == 2
    assert "not comparable: the protocols differ" in capsys.readouterr().err
    assert main(["compare", *mixed, "--mix"]) == 0
    assert "MIXED" in capsys.readouterr().out
    a, b = (json.loads(files[n, "--flip"].read_text())["scores"] for n in ("h36m-gt-orthographic", "h36m-gt-pasted"))
    assert b["x"] == pytest.approx(0, abs=0.01)
    assert b["z"] == pytest.approx(a["z"])  # the same network on the same input: depth is not touched


def test_image_space_weights_are_refused_where_metres_are_scored(data, weights, capsys):
    arguments = ["--weights", str(weights["image"]), "--protocol", "h36m-cpn", "--data", str(data["h36m-cpn"])]
    assert main(["evaluate", *arguments]) == 2
    assert "predicts in image space" in capsys.readouterr().err


def test_an_existing_result_is_not_replaced_and_nothing_is_computed(weights, tmp_path, capsys):
    out = tmp_path / "kept.json"
    out.write_text("kept")
    arguments = ["--weights", str(weights["metres"]), "--protocol", "mocap-gt", "--json", str(out)]
    assert main(["evaluate", *arguments]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text() == "kept"


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "it is not JSON"), ("[]", "is not a result file"), ('{"schema": "prml.result/1"}', "does not fit")],
)
def test_files_that_are_no_results_are_refused(text, message, tmp_path, capsys):
    path = tmp_path / "bad.json"
    path.write_text(text)
    assert main(["compare", str(path)]) == 2
    assert message in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "absent.json")]) == 2


def test_robustness_from_files_to_table_record_and_figure(data, weights, tmp_path, capsys):
    out, drawn = tmp_path / "r.json", tmp_path / "r.png"
    command = ["robustness", "--weights", str(weights["metres"]), "--weights", str(weights["metres"])]
    where = ["--protocol", "3dhp-gt", "--data", str(data["3dhp-gt"]), "--every", "3"]
    chosen = ["--changes", "noise", "--changes", "portrait-crop"]
    assert main([*command, *where, *chosen, "--json", str(out), "--figure", str(drawn)]) == 0
    record = json.loads(out.read_text())
    assert {o["family"] for o in record["outcomes"]} == {"none", "noise", "portrait-crop"}
    assert len(record["weights"]) == 2
    assert record["weights"][0]["macs_per_frame"] > 1e3
    assert drawn.read_bytes().startswith(b"\x89PNG")
    assert "untouched" in capsys.readouterr().out


def test_protocols_verb_prints_names_rules_and_json(capsys):
    assert main(["protocols"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in protocols.names())
    assert main(["protocols", "h36m-gt-pasted"]) == 0
    assert "OVERWRITTEN" in capsys.readouterr().out.replace("\n", " ")
    assert main(["protocols", "3dpw", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "3dpw/1"
    assert main(["protocols", "h36m"]) == 2


def test_the_rule_of_mixste_in_python_and_by_options(data, weights, tmp_path, monkeypatch, capsys):
    """The example in the docs equals the command with --root own --windows last."""
    page = (Path(__file__).parents[2] / "docs/protocols.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?RootRule.*?)```", page, re.DOTALL)[1]
    (tmp_path / "human36m").symlink_to(data["h36m-cpn"])
    save_record(tmp_path / "runs/mixste", Card("best", "prml-xs", TINY, window=9), registry.build("prml-xs", **TINY))
    monkeypatch.chdir(tmp_path)
    made = {}
    exec(example, made)
    assert made["result"].label == "prml-xs/best (root own) (windows last)"
    words = ["evaluate", "--weights", "runs/mixste", "--protocol", "h36m-cpn", "--data", "human36m"]
    assert main([*words, "--root", "own", "--windows", "last", "--json", "own.json"]) == 0
    assert main([*words, "--root", "zero", "--windows", "last", "--json", "zero.json"]) == 0
    own, zero = read_result(Path("own.json")), read_result(Path("zero.json"))
    assert (own.scores, own.protocol, own.options) == (
        made["result"].scores,
        made["result"].protocol,
        made["result"].options,
    )
    assert (own.protocol["id"], zero.protocol["id"]) == ("h36m-cpn/1+root+windows", "h36m-cpn/1+windows")
    assert own.per_joint["Hip"] > 1
    assert own.scores["mpjpe"] - zero.scores["mpjpe"] == pytest.approx(own.per_joint["Hip"] / 17)
    lengths = [len(clip) for clip in protocols.get("h36m-cpn").sequences(data["h36m-cpn"])]
    assert own.frames == sum(-(-n // 9) * 9 for n in lengths) > sum(lengths)  # windows of T = 9, the last one whole
    assert main(["compare", "own.json", "zero.json"]) == 2


def _record(folder, network, fps, **arguments):
    card = Card("best", network, arguments, window=arguments["frames"], fps=fps, normalisation="screen", output="image")
    save_record(folder, card, registry.build(network, **arguments))
    return folder


@pytest.mark.parametrize("fps", [12.5, 50 / 3, 25, 50, 75, 100])
def test_a_cut_fills_the_window_of_a_network_of_another_frame_rate(fps, tmp_path):
    from prml import load

    lifter = load(_record(tmp_path, "prml-xs", fps, **TINY), flip=False)
    predictor = predictor_of(lifter, protocols.get("h36m-sh-2.5d"))
    inputs = []
    predictor.lifter._predict = lambda x: inputs.append(x) or np.zeros((*x.shape[:3], 3))
    evaluate(predictor, given(image_space(moving(1, 60)), windows=CutWindows(), space=ImageSpace()))
    repeated = np.concatenate([(np.abs(np.diff(x, axis=1)).max((2, 3)) == 0).sum(1) for x in inputs])
    assert len(inputs) == len(range(0, 61 - predictor.window_at(50.0), predictor.window_at(50.0)))
    assert repeated.max() <= (0 if fps <= 50 else 1)  # a slower video need not end on a step of the network's


def test_cuts_take_no_context_from_a_network_of_one_pose(tmp_path):
    from prml import load

    clip = image_space(moving(2, 27))
    lifter = load(_record(tmp_path, "videopose3d", 50.0, frames=9, width=16, in_channels=3))
    whole, cut, fixed = (
        evaluate(predictor_of(lifter, rules), rules).scores.overall["mpjpe"]
        for rules in (
            given(clip, space=ImageSpace(), windows=w) for w in (WholeVideo(), CutWindows(), CutWindows(length=9))
        )
    )
    assert cut == pytest.approx(whole)
    assert fixed != pytest.approx(whole, rel=1e-6)  # clips of a fixed length are all that there is to see


def test_a_lifter_is_a_predictor(data, weights):
    from prml import load

    protocol = protocols.get("3dhp-gt")
    lifter = load(weights["metres"], flip=False)
    clip = next(protocol.sequences(data["3dhp-gt"]))
    assert predictor_of(lifter, protocol)(clip).shape == (len(clip), 17, 3)
