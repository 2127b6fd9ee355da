"""The paper's experiments: every file is read, builds, trains and is documented; every protocol is run end to end."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from fixtures import human36m, mpi_inf_3dhp
from fixtures.made_up import write_mesh_files
from prml import load
from prml.commands.fit import read_config
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.predictor import image_to_metres, predictor_of
from prml.evaluation.result import describe_weights, make_result, read_result
from prml.evaluation.run import evaluate
from prml.networks import registry
from prml.studies.paper.catalogue import tables
from prml.training.config import FitConfig
from prml.training.data import open_source
from prml.training.engine import fit
from prml.training.module import LiftingModule

ROOT = Path(__file__).parents[2]
# compare.yaml is a comparison of runs; tests/training/test_compare.py reads it
CONFIGS = [p for p in sorted((ROOT / "configs").rglob("*.yaml")) if p.stem != "compare"]
PAPER = {p.stem: p for p in CONFIGS if p.parent.name == "paper"}
FULL = PAPER["h36m-sh-2.5d"]
# protocols that only score: data never trained on (hdm05) or of the user (own), a mesh task (3dpw), none of the paper
ONLY_SCORED = ("hdm05", "3dpw", "own", "mocap28", "mocap-views")
TRAINED = [n for n in protocols.names() if not n.startswith(ONLY_SCORED)]
TINY = {
    "prml": {"width": 16, "heads": 2, "branch_blocks": 1},
    "mixste": {"width": 16, "heads": 2, "depth": 1},
    "motionbert": {"width": 16, "heads": 2, "depth": 1, "representation": 16},
    "capf": {"width": 16, "heads": 2, "features": [4, 6, 8, 10]},
}
FRAMES = 9


def header(path: Path) -> dict[str, str]:
    """What the comments at the top of a file say: row, score, command, protocol."""
    first, command, scored = (line.removeprefix("# ") for line in path.read_text().splitlines()[:3])
    row, _, score = first.removesuffix(".").rpartition(": ")
    return {"row": row, "score": score, "command": command, "evaluate": scored, "protocol": scored.split()[5]}


@cache
def as_shipped(path: Path) -> FitConfig:
    """A file as the command reads it; not to be changed."""
    return read_config(str(path))


@cache
def parameters(path: Path) -> int:
    """Parameters of a file's network, built without memory."""
    config = as_shipped(path)
    arguments = {**registry.entry(config.network.name).arguments, **config.network.arguments}
    arguments.setdefault("in_channels", config.data.windows.in_channels)
    with torch.device("meta"):
        return sum(p.numel() for p in registry.build(config.network.name, **arguments).parameters())


def small(path: Path, *overrides: str) -> FitConfig:
    """The configuration with a narrow network and short windows; everything else as in the file."""
    config = read_config(
        str(path),
        [
            f"--data.windows.frames={FRAMES}",
            "--data.windows.stride=3",
            "--data.windows.batch=2",
            "--data.workers=0",
            "--data.validation_windows=4",
            "--run.max_steps=2",
            "--run.progress=false",
            *overrides,
        ],
    )
    config.network.arguments |= {"frames": FRAMES, **TINY[config.network.name]}
    return config


# ------------------------------------------------------------------------------------------------ the files
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: "/".join(p.parts[-2:]))
def test_every_file_is_accepted_and_its_network_builds(path):
    as_shipped(path).check()
    assert parameters(path) > 500_000


@pytest.mark.parametrize("path", PAPER.values(), ids=lambda p: p.stem)
def test_the_recipe_is_the_paper_s(path):
    config = as_shipped(path)
    o, w = config.optimiser, config.data.windows
    if config.network.name == "capf":  # single frames: CA-PF's own recipe, for the paper names none
        assert (o.learning_rate, o.weight_decay, w.batch, w.frames, w.stride) == (6.4e-4, 0.1, 512, 1, 1)
        assert (w.flip, w.in_channels, o.decay, o.clip, o.ema) == (0.5, 2, 0.99, 0, 0)
        return
    assert (o.learning_rate, o.weight_decay, o.schedule, o.decay, o.warmup_steps) == (
        5e-4,
        0.01,
        "exponential",
        0.99,
        0,
    )
    assert (o.clip, o.ema) == (0, 0)  # the paper names neither
    assert (config.run.epochs, config.run.max_steps, w.batch, w.flip) == (90, -1, 16, 0.5)
    assert w.stride == w.frames // 3
    detected = config.data.kind == "human36m-sh" and not config.data.input_from_label
    images = path.stem.startswith("table13_image-")  # their cache is made of the same detections
    detected = detected or images or config.data.kind in ("mocap", "3dpw-mesh")
    assert w.in_channels == (3 if detected else 2)
    if path.stem.startswith("table"):
        expected = "features" if images else "3dpw-mesh" if path.stem.startswith("table15_") else "human36m-sh"
        assert config.data.kind == expected
    lambda_mi = {"table11_lambda1": 1.0, "table11_lambda0.1": 0.1}.get(path.stem, 0.01)
    assert config.objective.lambda_mi == lambda_mi


@pytest.mark.parametrize("path", PAPER.values(), ids=lambda p: p.stem)
def test_the_header_s_commands_are_true(path):
    top, config = header(path), as_shipped(path)
    where = "" if config.data.kind == "mocap" else " --data.directory DIR"
    assert top["command"] == f"prml fit configs/paper/{path.name}{where} --out runs/{path.stem}"
    data = "" if config.data.kind == "mocap" else " --data DIR"
    if config.data.kind == "features":
        data = " --data H36M --features DIR"
    assert top["evaluate"] == f"prml evaluate --weights runs/{path.stem} --protocol {top['protocol']}{data}"
    assert protocols.get(top["protocol"])
    if path.stem in protocols.names():
        assert top["protocol"] == path.stem


def test_every_protocol_with_training_data_has_a_file():
    assert set(TRAINED) <= set(PAPER)


def test_no_two_files_are_the_same_experiment_unless_only_the_scoring_differs():
    read = {name: yaml.safe_load(path.read_text()) for name, path in PAPER.items()}
    same = {(a, b) for a in read for b in read if a < b and read[a] == read[b]}
    assert same == {("h36m-gt-orthographic", "h36m-gt-pasted")}


def test_sizes_of_the_ablation_rows():
    """Parts that a row leaves out are gone, parts that it only changes keep their size."""
    size = {name: parameters(path) for name, path in PAPER.items()}
    full, bias = size["h36m-sh-2.5d"], 243 * 17 * 128
    assert full == pytest.approx(13.1e6, rel=0.005)
    # Table 4: the branches are equal and add up, and so does the decoder
    base, decoder = size["table4_baseline"], size["table4_tad"] - size["table4_baseline"]
    branch = size["table4_2d-branch"] - base
    assert size["table4_depth-branch"] == base + branch
    assert size["table4_branches"] == base + 2 * branch
    assert size["table4_branches-tad"] == base + 2 * branch + decoder == full
    assert size["table4_tad-mi"] == size["table4_tad"]
    # Tables 5 and 6: the biases with what reads them, and the alignment's linear layer
    assert full - size["table5_step3"] == size["table5_step2"] - size["table5_step1"] == 2 * (2 * 128) + 2
    assert full - size["table6_step1"] == full - size["table6_step2"] == (full - size["table5_step2"]) / 2 > bias
    # Tables 6, 9, 10: nothing but the start, the freezing or the order
    for name in ("table6_step3", "table9_step1", "table9_step2", "table9_step3", "table10_step4", "table11_lambda1"):
        assert size[name] == full
    assert size["table10_step1"] == size["table10_step2"] < full < size["table10_step3"]
    assert size["table11_c64"] < size["table11_c96"] < full
    # Table 7: two heads read the same feature; MixSTE's head has a norm of its own, which is there twice
    assert size["table7_motionbert_dual"] == size["table7_motionbert_single"]
    assert size["table7_mixste_dual"] - size["table7_mixste_single"] == 2 * 512
    assert size["table7_capf_dual"] - size["table7_capf_single"] == 2 * 640


@pytest.mark.parametrize("path", PAPER.values(), ids=lambda p: p.stem)
def test_every_experiment_takes_a_training_step(path):
    config = small(path)
    torch.manual_seed(0)
    module = LiftingModule(config, steps_per_epoch=10, total_steps=100)
    batch = {
        "input": torch.randn(2, FRAMES, 17, config.data.windows.in_channels),
        "target": torch.randn(2, FRAMES, 17, 3),
    }
    if config.data.kind == "features":
        wanted = module.network.image_channels
        batch |= {f"map{i}": torch.randn(2, FRAMES, c, 8 >> i, 8 >> i) for i, c in enumerate(wanted)}
        batch["reference"] = torch.rand(2, FRAMES, 17, 2) * 2 - 1
    terms = module.losses(batch)
    terms["loss"].backward()
    assert all(torch.isfinite(v) for v in terms.values())
    used = config.objective.mutual_information != "none"
    assert ("mi" in terms) == used
    expected = terms["pose"] + config.objective.lambda_t * terms["temporal"]
    expected = expected + (config.objective.lambda_mi * terms["mi"] if used else 0)
    torch.testing.assert_close(terms["loss"], expected)
    gradients = [p.grad for p in module.network.parameters() if p.requires_grad and p.grad is not None]
    assert sum(float(g.abs().sum()) for g in gradients) > 0


# ------------------------------------------------------------------------------------------------ the documentation
def row_of(path: Path) -> str:
    """The line of the experiment table in docs/training.md."""
    top = header(path)
    return f"| {top['row']} | `{path.name}` | `{top['protocol']}` | {top['score']} |"


def test_the_documentation_lists_the_experiments_that_no_table_has_as_their_files_say():
    text = (ROOT / "docs" / "training.md").read_text()
    listed = [line for line in text.splitlines() if re.match(r"\| .*\.yaml` \|", line)]
    in_tables = {Path(row.config).stem for one in tables().values() for row in one.rows}
    assert sorted(listed) == sorted(row_of(path) for name, path in PAPER.items() if name not in in_tables)


@pytest.mark.parametrize("name", list(PAPER))
def test_a_file_quotes_the_papers_figure_of_its_row(name):
    of_file = [row.paper for one in tables().values() for row in one.rows if Path(row.config).stem == name]
    quoted = header(PAPER[name])["score"]
    numbers = [float(number) for number in re.findall(r"\d+\.\d+", quoted)]
    assert all(paper["mpjpe"] in numbers for paper in of_file if "mpjpe" in paper)
    assert not of_file or quoted != "not in the paper"


# ------------------------------------------------------------------------------------------------ end to end
@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folder with training and test files for each kind of data, in the official layouts."""
    root = tmp_path_factory.mktemp("data")
    human36m.write_npz_pair(root / "human36m", actions=("Directions", "Walking"), frames=20)
    human36m.write_cameras_json(root / "human36m" / "camera-parameters.json")
    human36m.write_sh_pickle(root / "human36m-sh" / "h36m_sh_conf_cam_source_final.pkl", frames=21)
    mpi_inf_3dhp.write_train_npz(root / "3dhp", frames=20)
    mpi_inf_3dhp.write_test_npz(root / "3dhp", frames=24)
    write_mesh_files(root / "3dpw-mesh", human36m=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRML_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield root


@pytest.mark.parametrize("name", ["table15_prml", "table15_motionbert"])
@pytest.mark.filterwarnings("ignore")
def test_table_15_is_trained_and_scored_on_its_files(name, data, tmp_path):
    folder, place = data / "3dpw-mesh", tmp_path / "run"
    lifter = load(fit(small(PAPER[name], f"--data.directory={folder}"), place))
    assert lifter.card.output == "camera_m"
    assert set(yaml.safe_load((place / "run.yaml").read_text())["data"]) >= {"mesh_det_pw3d.pkl", "SMPL_NEUTRAL.npz"}
    rules = protocols.get("3dpw-mesh")
    scored = evaluate(predictor_of(lifter, rules), rules, data=folder)
    result = make_result(scored, describe_weights(lifter), {}, folder)
    assert 20 < result.scores["mpjpe"] < 2000


def ready(name: str, data: Path) -> FitConfig:
    """A protocol's file, small, on the fixtures."""
    kind = as_shipped(PAPER[name]).data.kind
    where = "--data.sets=[ui_prmd]" if kind == "mocap" else f"--data.directory={data / kind}"
    return small(PAPER[name], where)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.filterwarnings("ignore")
def test_trained_for_two_steps_scored_and_reported(name, data, tmp_path):
    config = ready(name, data)
    folder = fit(config, tmp_path / "run")
    record = yaml.safe_load((folder / "run.yaml").read_text())
    assert record["data"]
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 2
    rules = protocols.get(name)
    lifter = load(folder, flip=rules.flip)
    assert lifter.card.output == ("image" if config.data.kind == "human36m-sh" else "camera_m")
    assert lifter.card.fps == (25 if config.data.kind == "3dhp" else 50)
    place = None if config.data.kind == "mocap" else Path(config.data.directory)
    scored = evaluate(predictor_of(lifter, rules), rules, data=place, limit=4 if place else 1)
    make_result(scored, describe_weights(lifter), {}, place).write(tmp_path / "result.json", False)
    result = read_result(tmp_path / "result.json")
    assert set(result.scores) == set(rules.metrics)
    assert all(np.isfinite(v) for v in result.scores.values())
    assert 20 < result.scores["mpjpe"] < 2000  # two steps teach nothing
    assert result.frames > 30


@pytest.mark.parametrize("name", [n for n in TRAINED if not n.startswith("mocap")])
def test_training_sees_what_the_protocol_scores(name, data):
    """Validation windows hold the protocol's own 2D and target, of the sequences that it scores."""
    config = ready(name, data)
    source, rules = open_source(config), protocols.get(name)
    seen = source.validation
    assert source.weights_licence == "non-commercial, as the data"
    clips = list(rules.sequences(Path(config.data.directory)))
    assert len(seen.targets) == sum(len(c) for c in clips)
    first = rules.keypoints.apply(clips[0])
    half = first.camera.width / 2
    given = (np.asarray(first.keypoints_px) - [half, first.camera.height / 2]) / half
    np.testing.assert_allclose(seen.inputs[: len(first), :, :2], given, atol=1e-5)
    target = seen.targets[: len(first)].numpy()
    metres = image_to_metres(target, first) if config.data.kind == "human36m-sh" else target
    np.testing.assert_allclose(metres, rules.space.target(first), atol=1e-4)


def test_image_features_are_asked_for_at_the_door():
    config = read_config(str(FULL), ["--network.name=capf", "--data.windows.frames=1"])
    with pytest.raises(PrmlError, match="capf needs image features"):
        open_source(config)
    config = read_config(str(PAPER["table7_capf_dual"]))
    with pytest.raises(PrmlError, match="prml data features"):
        open_source(config)
