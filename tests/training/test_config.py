"""Configurations: hashes and records stay what they were before each kind of data had a dataclass of its own."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from prml.batches.options import CameraRanges, MocapWindowOptions, VideoOptions, WindowOptions
from prml.commands._parser import parse
from prml.commands.compare_networks import Options as CompareOptions
from prml.commands.fit import read_config
from prml.errors import PrmlError
from prml.options import build, check, leaves
from prml.studies.compare import config_hash
from prml.training.config import DATA_KINDS, FitConfig, Human36mShData, MocapData, load_config, record_of
from prml.training.folder import check_same_run, describe

CONFIGS = Path(__file__).parents[2] / "configs"
RUNS = Path(__file__).parents[1] / "fixtures/runs"  # run.yaml as commit 61e0e92 wrote them
HASHES = {  # of commit 61e0e92
    "mocap/prml-s.yaml": "49495150c2",
    "mocap/prml-xs-start.yaml": "94ea771a3f",
    "mocap/prml-xs.yaml": "8a6ed04517",
    "paper/3dhp-gt-t27.yaml": "12e1ae132c",
    "paper/3dhp-gt-t9.yaml": "277232e531",
    "paper/3dhp-gt.yaml": "e8b1326124",
    "paper/h36m-cpn.yaml": "89202df207",
    "paper/h36m-gt-orthographic.yaml": "f52bdd1295",
    "paper/h36m-gt-pasted.yaml": "f52bdd1295",
    "paper/h36m-gt-projected.yaml": "578c8700fb",
    "paper/h36m-sh-2.5d-t81.yaml": "173194361c",
    "paper/h36m-sh-2.5d.yaml": "288beb8c24",
    "paper/mocap-gt.yaml": "80b2fd0a53",
    "paper/mocap-noisy.yaml": "c6020a3ffd",
    "paper/table10_step1.yaml": "cc2bab0ef2",
    "paper/table10_step2.yaml": "c42e8d3536",
    "paper/table10_step3.yaml": "f7ac1a20e8",
    "paper/table10_step4.yaml": "cfea19cc8e",
    "paper/table11_c64.yaml": "1fb36328de",
    "paper/table11_c96.yaml": "32ccb8b7f1",
    "paper/table11_lambda0.1.yaml": "6b1a26fed1",
    "paper/table11_lambda1.yaml": "55fb3a8258",
    "paper/table13_baseline.yaml": "bb84b4efc2",
    "paper/table4_2d-branch.yaml": "5fd1b10934",
    "paper/table4_baseline.yaml": "247ae1431d",
    "paper/table4_branches-tad.yaml": "d96ddde4a5",
    "paper/table4_branches.yaml": "ec68af8a37",
    "paper/table4_depth-branch.yaml": "4ac664a75e",
    "paper/table4_tad-mi.yaml": "847679dce3",
    "paper/table4_tad.yaml": "0956011ee3",
    "paper/table5_step1.yaml": "a6bb8fc48e",
    "paper/table5_step2.yaml": "08f3dd6395",
    "paper/table5_step3.yaml": "25ab4c0c99",
    "paper/table6_step1.yaml": "a8b571d0be",
    "paper/table6_step2.yaml": "a4f2967a50",
    "paper/table6_step3.yaml": "6c963d7341",
    "paper/table7_capf_dual.yaml": "a186f6abd2",
    "paper/table7_capf_single.yaml": "4e9367b1a9",
    "paper/table7_mixste_dual.yaml": "feee8d0f78",
    "paper/table7_mixste_single.yaml": "532adbb8d7",
    "paper/table7_motionbert_dual.yaml": "317324b22b",
    "paper/table7_motionbert_single.yaml": "357c934bb6",
    "paper/table9_step1.yaml": "a86970dfb9",
    "paper/table9_step2.yaml": "6cecbd2c98",
    "paper/table9_step3.yaml": "d56379231b",
}
NAMES = sorted({part for name in leaves(FitConfig) for part in name.split(".")})
COMPARED = {  # of the runs of mocap/compare.yaml with seed 0, as commit 61e0e92 had them
    "PrML (dual)": "f41105df74",
    "MotionBERT (single)": "0364e689f9",
    "MotionBERT (dual)": "68847b4190",
    "MixSTE (single)": "d31eab7463",
    "MixSTE (dual)": "a8d14d53fc",
    "MotionAGFormer (single)": "848a8c0ed9",
    "MotionAGFormer (dual)": "0526f404cf",
    "STCFormer (single)": "d4e8007837",
    "STCFormer (dual)": "185fe41207",
    "KTPFormer (single)": "d7519f9774",
    "KTPFormer (dual)": "2d9d8f8052",
}


@pytest.mark.parametrize("name", HASHES)
def test_the_hash_of_a_shipped_configuration_stays(name):
    assert config_hash(read_config(str(CONFIGS / name))) == HASHES[name]
    assert load_config(CONFIGS / name) == read_config(str(CONFIGS / name))


def test_options_newer_than_a_hash_are_recorded_where_they_are_set():
    config = FitConfig()
    before = config_hash(config)
    assert "video" not in record_of(config)["data"]["windows"]
    config.data.windows = replace(config.data.windows, video=VideoOptions(wide=0.7))
    assert record_of(config)["data"]["windows"]["video"] == {"wide": 0.7}
    assert config_hash(config) != before
    again = build(FitConfig, record_of(config))
    assert again.data.windows.video == config.data.windows.video


def test_the_runs_of_the_shipped_comparison_keep_their_folders():
    given = parse(CompareOptions, "compare-networks", [str(CONFIGS / "mocap/compare.yaml")]).settings
    assert {e.title: config_hash(given.fit_config(e, 0)) for e in given.entrants()} == COMPARED


# ---------------------------------------------------------------------- runs of before
@pytest.mark.parametrize("path", sorted(RUNS.glob("*.yaml")), ids=lambda p: p.stem)
def test_a_run_of_before_is_read_and_resumed(tmp_path, path):
    config, record = load_config(path), yaml.safe_load(path.read_text())
    assert type(config.data) is DATA_KINDS[path.stem]
    (tmp_path / "run.yaml").write_bytes(path.read_bytes())
    check_same_run(tmp_path, config, record["data"])
    with pytest.raises(PrmlError, match="seed was"):
        check_same_run(tmp_path, replace(config, seed=99), record["data"])


@pytest.mark.parametrize("path", sorted(RUNS.glob("*.yaml")), ids=lambda p: p.stem)
def test_a_run_is_recorded_as_before(tmp_path, path):
    """Every dotted key and value; other kinds' options with their defaults."""
    describe(tmp_path, load_config(path), {"own.npz": "1"})
    now, before = (yaml.safe_load(p.read_text()) for p in (tmp_path / "run.yaml", path))
    assert now["config"] == before["config"]
    assert load_config(tmp_path / "run.yaml") == load_config(path)


def test_what_another_kind_of_data_would_need_is_not_lost_from_the_record():
    config = FitConfig(data=Human36mShData(input_from_label=True))
    values = record_of(config)["data"]
    assert (values["input_from_label"], values["keypoints"], values["sets"]) == (True, "gt", ["cmu", "ui_prmd"])
    assert values["windows"]["cameras"]["distance_m"] == (2.2, 8.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: {kind: human36m, noise: false}", r"data\.noise is for data\.kind mocap, not human36m"),
        ("data: {kind: human37m}", r"data\.kind: expected one of mocap, .*; did you mean 'human36m'"),
        ("optimiser: {lr: 1}", r"unknown option 'optimiser\.lr'"),
        ("config: {run: {epochs: 0}}", r"run\.epochs must be at least 1"),
        ("3", "must contain a mapping"),
    ],
)
def test_a_file_that_cannot_be_is_named(tmp_path, text, told):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(PrmlError, match=f"c.yaml:? .*{told}"):
        load_config(path)


# ---------------------------------------------------------------------- dataclasses
def test_every_option_is_described():
    for leaf in leaves(FitConfig).values():
        assert leaf.description, leaf.name


def test_each_kind_of_data_has_its_own_options_only():
    found = leaves(FitConfig)
    only = {name: leaf.only for name, leaf in found.items() if leaf.only}
    assert only["data.keypoints"] == ("human36m",)
    assert only["data.windows.cameras.fov_deg"] == ("mocap",)
    assert "data.windows.frames" not in only
    for kind, data in DATA_KINDS.items():
        check(FitConfig(data=data()))
        assert data().kind == kind


def test_ranges_stand_low_before_high():
    windows = MocapWindowOptions(cameras=CameraRanges(fov_deg=(80.0, 30.0)))
    with pytest.raises(PrmlError, match=r"data\.windows\.cameras\.fov_deg must lie between 1 and 179, low before high"):
        FitConfig(data=MocapData(windows=windows)).check()


def test_windows_know_only_what_they_use():
    assert not hasattr(WindowOptions(), "speed")


def test_the_configuration_is_read_without_torch():
    program = "import sys; from prml.training.config import FitConfig; FitConfig(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.floats()
    | st.sampled_from(["mocap", "3dhp", "muon", "[1, 2]", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))
def test_whatever_a_file_says_it_is_a_configuration_or_one_line(values):
    try:
        config = build(FitConfig, values)
        check(config)
    except PrmlError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert record_of(config).keys() == record_of(FitConfig()).keys()


def test_the_record_of_a_run_is_a_configuration_for_another(tmp_path):
    config = read_config(str(CONFIGS / "mocap/prml-xs.yaml"))
    record = {"config": record_of(config), "commit": "0", "versions": {}, "data": {}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(record))
    again = read_config(str(tmp_path / "run.yaml"), ["--run.max_steps=7"])
    assert again.run.max_steps == 7
    assert config_hash(replace(again, run=config.run)) == config_hash(config)
