"""``prml paper figureN``: every figure in its smallest form, and the laws that its numbers obey."""

import csv
import json
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from fixtures.mocap_npz import write_mocap
from fixtures.networks import small_arguments
from prml.cli import main
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.score import Conditions, score_lifter
from prml.io.registry import save_file
from prml.lifting.lifter import load
from prml.networks import registry
from prml.skeleton import H36M17
from prml.studies.paper import features
from prml.studies.paper.catalogue import diagrams, figure, figures
from prml.studies.paper.diagrams import diagram_of
from prml.studies.paper.figure_setting import FigureSetting
from prml.studies.paper.figures import KINDS, draw, files_of
from prml.weights.record import Card, save_record

FRAMES = 2
OF_KIND = {kind: [one for one in figures().values() if one.kind == kind] for kind in KINDS}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two tiny records, two clips of motion capture and a keypoint file."""
    folder = tmp_path_factory.mktemp("figures")
    torch.manual_seed(0)
    for label, network in (("ours", "prml-xs"), ("peer", "mixste")):
        arguments = small_arguments(network)
        save_record(folder / label, Card(label, network, arguments, window=9), registry.build(network, **arguments))
    data = folder / "data"
    data.mkdir()
    write_mocap(data / "cmu.npz", (14, 9), "test", action=np.array(["walk", "run"]))
    write_mocap(data / "ui_prmd.npz", (4,), "test")
    clip = next(iter(protocols.get("mocap-noisy").sequences(data)))
    save_file(clip.with_(joints_m=None, frame="camera"), folder / "clip.npz", "keypoints")
    return folder


@pytest.fixture(scope="module")
def setting(place):
    weights = tuple(str(next((place / label).glob("*.safetensors"))) for label in ("ours", "peer"))
    return FigureSetting(weights, (), (), "mocap-noisy", place / "data", FRAMES, 3, quick=True)


def _setting(one, setting, place):
    if one.kind == "diagram":
        return FigureSetting()
    if one.kind == "strip":
        return replace(setting, videos=(place / "clip.npz",))
    return replace(setting, every=12) if one.kind == "robustness" else setting


@pytest.fixture(scope="module")
def drawn(setting, place):
    """Every figure, drawn once."""
    return {name: draw(one, _setting(one, setting, place)) for name, one in figures().items()}


# ---------------------------------------------------------------------- all
def test_every_figure_is_drawn_and_has_numbers(drawn):
    assert len(drawn) == 16
    for name, one in drawn.items():
        assert one.drawing.axes, name
        assert one.numbers[""].rows, name
        assert one.told, name
        assert all(len(row) == len(n.columns) for n in one.numbers.values() for row in n.rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_of_each_kind_is_written(drawn, setting, place, kind):
    one = OF_KIND[kind][0]
    drawn[one.name].drawing.set_layout_engine("none")  # most of the time
    files = files_of(one, drawn[one.name], _setting(one, setting, place))
    assert files[f"{one.name}.png"].startswith(b"\x89PNG")
    assert b"<svg" in files[f"{one.name}.svg"]
    table = list(csv.reader(files[f"{one.name}.csv"].splitlines()))
    assert len(table) == 1 + len(drawn[one.name].numbers[""].rows)
    record = json.loads(files[f"{one.name}.json"])
    assert list(record["weights"]) == ([] if kind == "diagram" else ["ours", "peer"])
    assert record["commit"]


# ---------------------------------------------------------------------- t-SNE
def _silhouette(points, labels):
    """Rousseeuw's definition, point by point."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    values = []
    for i, own in enumerate(labels):
        same = (labels == own) & (np.arange(len(labels)) != i)
        a, b = distances[i, same].mean(), distances[i, labels != own].mean()
        values.append((b - a) / max(a, b))
    return float(np.mean(values))


@pytest.mark.parametrize("name", [one.name for one in OF_KIND["embedding"]])
def test_a_point_per_joint_frame_and_set_and_silhouettes_by_their_definition(drawn, name):
    numbers, told = drawn[name].numbers, figure(name).options
    points = [dict(zip(numbers[""].columns, row, strict=True)) for row in numbers[""].rows]
    panels = {row["panel"] for row in points}
    assert len(panels) == (2 if told["choose"] == "situations" else 1)
    assert len(points) == len(panels) * FRAMES * 17 * 3  # 2D and depth of ours, and the peer's
    for panel, one, other, space, plane in numbers["-silhouette"].rows:
        assert all(-1 <= value <= 1 for value in (space, plane) if value is not None)
        if plane is None:
            continue
        sets = [
            np.array([(r["x"], r["y"]) for r in points if r["panel"] == panel and _label(r) == label])
            for label in (one, other)
        ]
        labels = np.repeat([0, 1], [len(s) for s in sets])
        assert plane == pytest.approx(_silhouette(np.concatenate(sets), labels), abs=1e-4)
    pairs = [frozenset(row[1:3]) for row in numbers["-silhouette"].rows]
    kinds = sorted({_label(r) for r in points})
    together = [frozenset(pair) for pair in combinations(kinds, 2)]
    assert set(pairs) == (set(together) if not told.get("own_spaces") else {frozenset(kinds[:1] + kinds[1:2])})


def _label(row):
    return f"{row['features']} features of {row['network']}"


def test_the_same_seed_draws_the_same_points_and_another_draws_others(drawn, setting):
    again = draw(figure("figure10"), setting)
    assert again.numbers == drawn["figure10"].numbers
    other = draw(figure("figure10"), replace(setting, seed=1))
    assert other.numbers[""].rows != again.numbers[""].rows


PER_JOINT = ("mixste", "motionbert", "stcformer", "ktpformer", "motionagformer", "glagcn", "mhformer", "pstmo")


@pytest.mark.parametrize("name", [*PER_JOINT, "poseformerv2", "videopose3d"])
@pytest.mark.parametrize("heads", ["single", "dual"])
def test_the_feature_is_what_the_head_turns_into_the_pose(name, heads):
    torch.manual_seed(0)
    network = registry.build(name, **small_arguments(name), regression_heads=heads).eval()
    windows = torch.randn(2, network.frames, 17, network.in_channels)
    feature = torch.from_numpy(features._forward(network, windows)["entangled"])
    with torch.no_grad():
        pose = network(windows)
        found = network.get_submodule(network.HEADS[0])(feature)
    assert torch.allclose(found.reshape(2, 17, 3), pose[:, pose.shape[1] // 2], atol=1e-5)


def test_the_two_features_are_what_the_two_heads_turn_into_the_pose():
    torch.manual_seed(0)
    network = registry.build("prml-xs", **small_arguments("prml-xs")).eval()
    windows = torch.randn(2, 9, 17, 3)
    found = {name: torch.from_numpy(value) for name, value in features._forward(network, windows).items()}
    with torch.no_grad():
        pose = network.heads(found["2D"][:, None], found["depth"][:, None])
        assert torch.allclose(pose[:, 0], network(windows)[:, 4], atol=1e-5)


def test_moments_are_drawn_without_repetition_and_stretches_without_gap(setting):
    sequences = list(replace(setting, every=1).sequences(figure("figure10")))
    frames = sum(len(s) for s in sequences)
    every = features.random_moments(sequences, frames, np.random.default_rng(0))
    assert len({(m.sequence.name, m.frame) for m in every}) == frames
    stretch = features.consecutive_moments(sequences, 9, np.random.default_rng(0))
    assert np.diff([m.frame for m in stretch]).tolist() == [1] * 8
    assert len({m.sequence.name for m in stretch}) == 1
    with pytest.raises(PrmlError, match="longest has 14"):
        features.consecutive_moments(sequences, 15, np.random.default_rng(0))
    with pytest.raises(PrmlError, match="give frames="):
        features.random_moments(sequences, frames + 1, np.random.default_rng(0))


# ---------------------------------------------------------------------- diagrams
@pytest.mark.parametrize("name", [n for n in registry.names() if ":" not in n])
@pytest.mark.parametrize("kind", ["single", "dual", "lifting"])
def test_the_boxes_hold_all_parameters_of_any_network(name, kind):
    small = small_arguments(name)
    if registry.network_class(name).two_heads:
        with pytest.raises(PrmlError, match="figure4"):
            diagram_of(kind, name, name, small)
        return
    built = registry.build(name, **small, regression_heads="dual" if kind == "dual" else "single")
    made = diagram_of(kind, name, name, small)
    assert made.parameters == sum(p.numel() for p in built.parameters())
    if kind == "dual":
        assert made.boxes["head_2d"].parameters > made.boxes["head_depth"].parameters > 0


@pytest.mark.parametrize("kind", ["prml", "framework"])
@pytest.mark.parametrize(
    "changes", [{}, {"branches": "2d"}, {"decoder": False}, {"task_bias": "depth"}, {"coarse_alignment": False}]
)
def test_what_an_ablation_lacks_is_an_empty_box(kind, changes):
    own = {**small_arguments("prml"), **changes}
    made, whole = (diagram_of(kind, "p", "prml", a) for a in (own, small_arguments("prml")))
    assert made.parameters == sum(p.numel() for p in registry.build("prml", **own).parameters())
    lacking = {key for key, box in made.boxes.items() if box.parameters == 0}
    assert bool(lacking) == (bool(changes) and (kind == "prml" or "task_bias" not in changes)) or "coarse" in str(
        changes
    )
    assert all(box.parameters != 0 for box in whole.boxes.values())


def test_boxes_and_arrows_of_the_description_fit_together():
    for told in diagrams().values():
        boxes = set(told["boxes"])
        assert {end for arrow in told["arrows"] for end in arrow[:2]} == boxes
        assert {name for names in told.get("groups", {}).values() for name in names} <= boxes
        places = [tuple(box["at"]) for box in told["boxes"].values()]
        assert len(set(places)) == len(places)


# ---------------------------------------------------------------------- scores and pictures
@pytest.mark.parametrize("name", ["figure2", "figure9"])
def test_projections_are_scored_as_by_evaluate(drawn, setting, name):
    numbers, rules = drawn[name].numbers, protocols.get("mocap-noisy").with_(metrics=("pckh", "reprojection"))
    assert len(numbers[""].rows) == FRAMES * 3 * 17
    scores = {label: (pckh, px) for label, pckh, px in numbers["-scores"].rows}
    assert list(scores) == ["input 2D", "ours", "peer"]
    result = score_lifter(load(setting.weights[0]), Conditions(rules, every=3, data=setting.data))
    assert scores["ours"] == pytest.approx((result.scores["pckh"], result.scores["reprojection"]))
    assert scores["input 2D"][0] > scores["ours"][0]  # random weights


def test_axes_are_those_of_the_result_and_the_hard_actions_the_worst(drawn, setting):
    rules = protocols.get("mocap-noisy")
    result = score_lifter(load(setting.weights[0]), Conditions(rules, every=3, data=setting.data))
    rows = {(g, axis): value for label, g, axis, value in drawn["figure3"].numbers[""].rows if label == "ours"}
    assert [rows["all", axis] for axis in "xyz"] == pytest.approx([result.per_axis["all"][axis] for axis in "xyz"])
    hardest = max(result.per_action, key=lambda action: result.per_action[action]["mpjpe"])
    assert rows[hardest, "z"] == pytest.approx(result.per_action[hardest]["z"])


def test_growth_starts_at_zero(drawn):
    rows = drawn["figure5"].numbers[""].rows
    assert {row[0] for row in rows} == {"ours", "peer"}
    assert all(row[3] == 0 for row in rows if row[1] == 0)


def test_the_joints_that_differ_most_are_circled(drawn):
    rows = drawn["figure7"].numbers[""].rows
    assert len(rows) == FRAMES * 17
    for start in range(0, len(rows), 17):
        apart = sorted((row[4] for row in rows[start : start + 17]), reverse=True)
        assert sorted((row[4] for row in rows[start : start + 17] if row[5]), reverse=True) == apart[:2]
    assert [row[3] for row in rows[:17]] == list(H36M17.joints)


def test_projections_of_a_keypoint_file_are_measured_from_its_input(setting, place):
    made = draw(figure("figure2"), replace(setting, videos=(place / "clip.npz",)))
    assert [row[0] for row in made.numbers["-scores"].rows] == ["ours", "peer"]
    assert all(row[-1] == 0 for row in made.numbers[""].rows if row[3] == "input 2D")


# ---------------------------------------------------------------------- the command
def _refused(capsys, *words):
    assert main(["paper", *map(str, words)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_the_command_writes_a_figure_once(place, setting, tmp_path, capsys):
    words = ["figure4", "--networks", "prml-xs", "--out", tmp_path / "out"]
    assert main(["paper", *map(str, words)]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"figure4.{end}" for end in ("png", "svg", "csv", "json")}
    capsys.readouterr()
    assert "--overwrite" in _refused(capsys, *words)


def test_what_cannot_be_drawn_is_one_line(place, setting, tmp_path, capsys, monkeypatch):
    out, ours = ("--out", tmp_path / "out"), ("--weights", setting.weights[0])
    assert "--out FOLDER" in _refused(capsys, "figure6")
    assert "figure1 to figure16" in _refused(capsys, "figure17", *out)
    assert "for a figure" in _refused(capsys, "table4", "--mocap", *ours)
    assert "gone.mp4" in _refused(capsys, "figure7", "--video", "gone.mp4", *out)
    assert "two networks" in _refused(capsys, "figure7", *ours, *out)
    assert "no row 'Nobody'" in _refused(capsys, "figure13", "--weights", "table7: Nobody", *out)
    assert "two regression heads" in _refused(capsys, "figure8", "--networks", "prml", *out)
    assert "no place for" in _refused(capsys, "figure4", "--networks", "mixste", *out)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    assert "prml-pose[paper]" in _refused(capsys, "figure6", *ours, *out)
    assert not (tmp_path / "out").exists()
