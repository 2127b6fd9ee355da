"""Custom data: round trip, every error, and ``prml data`` on the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from fixtures import human36m, mocap_files, mpi_inf_3dhp, pw3d
from fixtures.motion import clips
from prml.camera import Camera, look_at
from prml.cli import main
from prml.datasets.inspect import BONES, bone_lengths, inspect_sequence, knees_forward
from prml.datasets.mocap import MocapSet
from prml.datasets.registry import dataset_at, open_any
from prml.datasets.survey import survey
from prml.errors import PrmlError
from prml.io.sequences import load_arrays, problems, read_sequences, write_sequences
from prml.sequence import PoseSequence
from prml.skeleton import COCO17, H36M17

ENDINGS = ["npz", pytest.param("parquet", id="parquet")]


def _camera() -> Camera:
    R, t = look_at(np.array([4.5, 0.5, 1.4]), np.array([0.0, 0, 0.9]))
    return Camera(1920, 1080, 1400.0, 1400.0, 960.0, 540.0, R_world_to_camera=R, t_m=t, source="own file")


@pytest.fixture
def world():
    return [
        PoseSequence.regular(
            len(c),
            50.0,
            H36M17,
            joints_m=c.astype(np.float32),
            frame="world",
            name=f"c{i}",
            action="a",
            subject=f"s{i % 2}",
            labels={"split": "test" if i else "train"},
        )
        for i, c in enumerate(clips(3, 80))
    ]


@pytest.fixture
def seen(world):
    return [s.in_camera(_camera()) for s in world]


def _needs(ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_is_read(tmp_path, seen, ending):
    _needs(ending)
    path = tmp_path / f"mine.{ending}"
    write_sequences(path, seen)
    for a, b in zip(seen, read_sequences(path), strict=True):
        np.testing.assert_allclose(b.joints_m, a.joints_m, atol=1e-6)
        np.testing.assert_allclose(b.keypoints_px, a.keypoints_px, rtol=1e-6)
        np.testing.assert_allclose(b.confidence, a.confidence)
        assert (b.name, b.subject, b.action, b.fps, b.frame) == (a.name, a.subject, a.action, a.fps, a.frame)
        assert (b.camera.width, b.camera.fx) == (1920, 1400.0)
        np.testing.assert_allclose(b.camera.t_m, a.camera.t_m)
    assert [s.name for s in read_sequences(path, "test")] == ["c1", "c2"]
    with pytest.raises(PrmlError, match="no clip of the split 'val'; it has test, train"):
        read_sequences(path, "val")
    with pytest.raises(PrmlError, match="exists; pass overwrite=True"):
        write_sequences(path, seen)


def test_a_file_by_hand_needs_little(tmp_path):
    """3D in millimetres, one clip; 2D of another skeleton with nothing but pixels."""
    np.savez(
        tmp_path / "a.npz",
        format="prml-sequences/1",
        skeleton="h36m17",
        fps=60,
        unit="mm",
        frame="world",
        joints=1000 * clips(1, 30)[0],
    )
    (a,) = read_sequences(tmp_path / "a.npz")
    assert (a.fps, a.name, a.labels["split"], a.camera) == (60, "clip0", "train", None)
    np.testing.assert_allclose(a.joints_m, clips(1, 30)[0], atol=1e-6)
    np.savez(
        tmp_path / "b.npz",
        format="prml-sequences/1",
        skeleton="coco17",
        fps=[25, 30],
        clip_start=[0, 4, 9],
        image_size=[1080, 1920],
        keypoints_px=np.ones((9, 17, 2)),
        valid=[1] * 8 + [0],
    )
    one, two = read_sequences(tmp_path / "b.npz")
    assert (one.fps, two.fps, one.skeleton, one.joints_m) == (25, 30, COCO17, None)
    assert "assumed fov" in one.camera.source
    assert list(two.valid) == [True] * 4 + [False]


def _good(seen, tmp_path):
    write_sequences(tmp_path / "good.npz", seen)
    with np.load(tmp_path / "good.npz") as z:
        return {k: z[k] for k in z.files}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "mine"}, r"expected format = 'prml-sequences/1', got 'mine'"),
        ({"skeleton": "human"}, r"expected skeleton = one of h36m17, .*coco17.*got 'human'"),
        ({"unit": "cm"}, r"expected unit = m or mm, got 'cm'"),
        ({"frame": None}, r"expected frame = camera or world, got None"),
        ({"fps": None}, r"'fps' is missing"),
        ({"fps": np.array([50, 50, -1.0])}, r"fps of c2: expected a positive number, got -1"),
        ({"fps": np.array([50, 50.0])}, r"fps: expected shape \(\) or \(3,\), got \(2,\)"),
        ({"image_size": None}, r"'image_size' \(width, height\) is missing"),
        ({"clip_start": np.array([0, 80, 100])}, r"clip_start: expected whole numbers that increase from 0 to 240"),
        ({"clip_name": np.array(["a"])}, r"clip_name: expected 3 texts, one per clip, got 1"),
        (
            {"joints": np.zeros((240, 16, 3))},
            r"joints: expected numbers of shape \(240, 17, 3\) for h36m17, got",
        ),
        ({"keypoints_px": np.zeros((9, 17, 2))}, r"keypoints_px: expected numbers of shape \(240, 17, 2\)"),
        ({"confidence": np.full((240, 17), 95.0)}, r"confidence: expected 0 to 1, got 95 to 95"),
        ({"pose": np.zeros(3)}, r"unknown key 'pose'; known are format"),
        ({"joints": None, "keypoints_px": None}, r"'joints' \(3D\) and 'keypoints_px' \(2D\) are both missing"),
    ],
)
def test_every_fault_of_the_schema_is_named(tmp_path, seen, change, said):
    record = {**_good(seen, tmp_path), **change}
    np.savez(tmp_path / "bad.npz", **{k: v for k, v in record.items() if v is not None})
    with pytest.raises(PrmlError, match=said) as caught:
        read_sequences(tmp_path / "bad.npz")
    assert "\n" not in str(caught.value)


def test_nan_is_placed_and_all_faults_are_listed(tmp_path, seen):
    record = _good(seen, tmp_path)
    record["joints"] = record["joints"].copy()
    record["joints"][93, 4] = np.nan
    np.savez(tmp_path / "bad.npz", **record)
    with pytest.raises(PrmlError, match=r"joints of c1: not a number in frame 13, joint 4 \(3 in all\)"):
        read_sequences(tmp_path / "bad.npz")
    np.savez(tmp_path / "worse.npz", **{**record, "unit": "ft", "frame": "room", "fps": [1.0, 2.0]})
    assert len(problems(load_arrays(tmp_path / "worse.npz"))) == 3


def test_parquet_faults_are_named(tmp_path, seen):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(PrmlError, match=r"a\.parquet: cannot be read"):
        read_sequences(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    "said", ["{", "[]", '{"unit": ["m"]}', '{"image_size": "wide"}', '{"intrinsics": [1, "a", 2, 3]}']
)
def test_what_a_parquet_file_says_of_itself_may_be_broken(tmp_path, seen, said):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_sequences(tmp_path / "a.parquet", seen)
    table = parquet.read_table(tmp_path / "a.parquet")
    parquet.write_table(table.replace_schema_metadata({"prml": said}), tmp_path / "b.parquet")
    assert main(["data", "check", str(tmp_path / "b.parquet"), "--png", str(tmp_path / "b.png")]) in (1, 2)
    with pytest.raises(PrmlError, match=r"b\.parquet"):
        read_sequences(tmp_path / "b.parquet")


def test_rows_of_unequal_length(tmp_path, seen):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    write_sequences(tmp_path / "a.parquet", seen)
    table = parquet.read_table(tmp_path / "a.parquet")
    rows = table.column("joints").to_pylist()
    rows[5] = rows[5][:-1]
    ragged = table.set_column(table.column_names.index("joints"), "joints", arrow.array(rows))
    parquet.write_table(ragged, tmp_path / "b.parquet")
    with pytest.raises(PrmlError, match=r"b\.parquet: cannot be read"):
        read_sequences(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"joints": np.array(3.0)}, "joints: expected an array"),
        ({"unit": np.array(["m", "mm"])}, "unit: expected a single value"),
        ({"fps": np.array("fast")}, "fps: expected finite numbers"),
        ({"image_size": np.array([np.nan, 480])}, "image_size: expected finite numbers"),
        ({"root_relative": np.array("no")}, "expected root_relative = 0 or 1, got 'no'"),
    ],
)
def test_entries_of_another_kind_are_named(tmp_path, seen, change, told):
    np.savez(tmp_path / "a.npz", **{**_good(seen, tmp_path), **change})
    with pytest.raises(PrmlError, match=told):
        read_sequences(tmp_path / "a.npz")


# ---------------------------------------------------------------------------------- suspicions
def test_sound_motion_raises_no_suspicion(world, seen):
    for s in (*world, *seen, *(s.relative_to_root() for s in seen)):
        assert [f for f in inspect_sequence(s) if "repeat" not in f.text] == []


def _with(s, **changes):
    return s.with_(**changes)


SUSPECT = {
    "millimetres": (lambda s: s.with_(joints_m=s.joints_m * 1000), "look like millimetres"),
    "nan": (
        lambda s: s.with_(joints_m=np.where(np.arange(80)[:, None, None] == 7, np.nan, s.joints_m)),
        "first Hip in frame 7",
    ),
    "sides swapped": (lambda s: s.with_(joints_m=s.joints_m[:, list(H36M17.mirror)]), "left and right are swapped"),
    "y up in the camera": (lambda s: s.with_(joints_m=s.joints_m * [1, -1, 1]), "above feet along +y, expected -y"),
    "behind the camera": (lambda s: s.with_(joints_m=s.joints_m * [1, 1, -1]), "behind the camera"),
    "world said to be camera": (lambda s: s.with_(joints_m=s.camera.to_world(s.joints_m)), "along +z, expected -y"),
    "jump": (
        lambda s: s.with_(joints_m=s.joints_m + (np.arange(80) == 40)[:, None, None] * np.eye(17)[13][:, None]),
        "LWrist jumps",
    ),
    "doubled frames": (lambda s: s.with_(joints_m=s.joints_m[np.arange(80) // 2]), "repeat the frame before"),
    "frame rate": (lambda s: s.with_(fps=5000.0), "frame rate is too high"),
    "2D normalised": (lambda s: s.with_(keypoints_px=s.keypoints_px / 960 - 1), "expected pixels"),
    "2D upside down": (
        lambda s: s.with_(keypoints_px=[0, 1080] + [1, -1] * s.keypoints_px),
        "expected down from the top edge",
    ),
    "3D mirrored against 2D": (lambda s: s.with_(joints_m=s.joints_m * [-1, 1, 1]), "mirrored"),
    "another camera": (lambda s: s.with_(camera=Camera(1920, 1080, 300, 300, 200, 200)), "wrong intrinsics"),
    "joint order": (lambda s: s.with_(joints_m=np.roll(s.joints_m, 3, 1)), "is the joint order right?"),
}


def _knee_bender():
    """A person with bent knees, so that left and right can be told apart."""
    for clip in clips(40, 80, seed=5):
        forward, bent = knees_forward(clip)
        if bent > 60 and forward > 0.9 * bent:
            s = PoseSequence.regular(80, 50.0, H36M17, joints_m=clip.astype(np.float32), frame="world", name="bent")
            return s.in_camera(_camera())
    raise AssertionError("no clip with bent knees in the fixture")


@pytest.mark.parametrize("case", SUSPECT)
def test_what_is_wrong_is_suspected(case):
    change, said = SUSPECT[case]
    texts = [f.text for f in inspect_sequence(change(_knee_bender()))]
    assert any(said in t for t in texts), texts


def test_bone_lengths_and_knees_do_not_depend_on_the_frame():
    s = _knee_bender()
    assert len(bone_lengths(s.joints_m)) == len(BONES) == 10
    assert knees_forward(s.joints_m) == knees_forward(s.camera.to_world(s.joints_m))


# ---------------------------------------------------------------------------------- opening and the command
def test_every_dataset_is_recognised(tmp_path, seen, monkeypatch):
    monkeypatch.setenv("PRML_CACHE", str(tmp_path / "cache"))
    human36m.write_npz_pair(tmp_path / "h36m", ("S9", "S11"), ("Walking",), 60)
    human36m.write_sh_pickle(tmp_path / "sh" / "h36m_sh_conf_cam_source_final.pkl", 30)
    mpi_inf_3dhp.write_test_npz(tmp_path / "3dhp", 30)
    pw3d.write(tmp_path / "3dpw", frames=20)
    write_sequences(tmp_path / "own.npz", seen)
    wanted = {"h36m": "human36m", "sh": "human36m-sh", "3dhp": "3dhp", "3dpw": "3dpw", "own.npz": "custom"}
    for name, kind in wanted.items():
        found, sequences = open_any(tmp_path / name)
        assert found.name == kind
        assert survey(sequences, 3, 0).clips > 0
    with pytest.raises(PrmlError, match="give the folder that holds it"):
        dataset_at(tmp_path / "3dhp" / "data_test_3dhp.npz")
    with pytest.raises(PrmlError, match="no dataset that is known here"):
        dataset_at(tmp_path)


def test_survey_counts_all_and_keeps_some(world):
    out = survey(world * 10, 4, 0)
    assert (out.clips, out.frames, len(out.sample), out.subjects) == (30, 2400, 4, {"s0", "s1"})
    with pytest.raises(PrmlError, match="no clip"):
        survey([], 4, 0)


def test_check_says_what_is_wrong_and_draws(tmp_path, seen, capsys):
    write_sequences(tmp_path / "mine.npz", seen)
    assert main(["data", "check", str(tmp_path / "mine.npz"), "--png", str(tmp_path / "look.png")]) == 0
    out = capsys.readouterr().out
    assert "3 clips, 240 frames" in out
    assert "3D (metres, camera frame, absolute)" in out
    with Image.open(tmp_path / "look.png") as picture:
        colours = {c for _, c in picture.convert("RGB").getcolors(100_000)}
    assert {(0x1F, 0x6F, 0xD6), (0xD1, 0x49, 0x1F)} <= colours, "left and right are drawn"
    wrong = [s.with_(joints_m=s.joints_m * 1000) for s in seen]
    write_sequences(tmp_path / "mm.npz", wrong)
    words = ["data", "check", str(tmp_path / "mm.npz"), "--png", str(tmp_path / "look.png")]
    assert main(words) == 2, "the picture is there"
    assert main([*words, "--overwrite"]) == 1
    assert "look like millimetres" in capsys.readouterr().out


def test_check_lists_the_faults_of_the_schema(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", format="x", skeleton="h36m17", joints=np.ones((3, 17, 3)))
    assert main(["data", "check", str(tmp_path / "a.npz"), "--png", str(tmp_path / "a.png")]) == 1
    out = capsys.readouterr().out
    assert "expected format = 'prml-sequences/1', got 'x'" in out
    assert "'fps' is missing" in out
    assert not (tmp_path / "a.png").exists()


def test_import_makes_a_set_that_the_project_reads(tmp_path, capsys):
    mocap_files.write_asf_amc(tmp_path / "amc", takes=2)
    out = tmp_path / "set.npz"
    assert (
        main(["data", "import", str(tmp_path / "amc"), "--skeleton", "cmu", "--out", str(out), "--split", "val"]) == 0
    )
    assert "2 of 2 clips" in capsys.readouterr().out
    assert len(list(MocapSet.read(out).sequences("val"))) == 2


IMPORT = ["import", "X/a.bvh", "--skeleton", "mixamo", "--out", "X/a.npz"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "X/a.bvh", "--skeleton", "mixamo"], "required: --out"),
        (["import", "--skeleton", "mixamo", "--out", "X/a.npz"], "required: files"),
        (["import", "X/none.bvh", "--skeleton", "mixamo", "--out", "X/a.npz"], "no such file or folder"),
        (["import", "X/a.bvh", "--skeleton", "mix", "--out", "X/a.npz"], "no joint map 'mix'; expected one of"),
        (
            ["import", "X/a.bvh", "--skeleton", "mixamo", "--out", "X/a.npz", "--unit-m", "1"],
            "none of the 1 clips is usable",
        ),
        (
            ["import", "X/a.bvh", "--skeleton", "mixamo", "--out", "X/a.npz", "--split", "dev"],
            "--split: expected one of train, val, test, got dev",
        ),
        ([*IMPORT, "--fps", "0"], "--fps must lie between 0.1 and 1000, got 0"),
        ([*IMPORT, "--fps", "-30"], "--fps must lie between"),
        ([*IMPORT, "--file-fps", "-30"], "--file-fps must lie between"),
        ([*IMPORT, "--unit-m", "-0.01"], "--unit-m must lie between 1e-06 and 1000000, got -0.01"),
        (["check", "X/a.npz", "--clips", "0"], "--clips must be at least 1"),
        (["features", "X/a", "X/b", "--out", "X/c", "--every", "0"], "--every must be at least 1"),
        (["check", "X/none.npz"], "no such file or folder"),
        (["check", "X/a.bvh"], "motion files go through 'prml data import'"),
        (["check", "X/a.npz", "--pgn", "x"], "did you mean --png?"),
        (["cameras", "X/none.xml"], "none.xml: no such file"),
        (["look"], "unknown command 'look'; the commands are: import, check, cameras"),
    ],
)
def test_the_command_answers_in_one_line(tmp_path, capsys, words, said):
    mocap_files.write_bvh(tmp_path / "a.bvh")
    assert main(["data", *[w.replace("X/", f"{tmp_path}/") for w in words]]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_cameras_writes_what_the_reader_reads(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PRML_CACHE", str(tmp_path / "cache"))
    human36m.write_metadata_xml(tmp_path / "metadata.xml")
    human36m.write_npz_pair(tmp_path / "h36m", ("S9",), ("Walking", "Photo"), 80)
    out = tmp_path / "h36m" / "h36m-cameras.json"
    assert main(["data", "cameras", str(tmp_path / "h36m"), "--out", str(tmp_path / "solved.json")]) == 0
    assert main(["data", "cameras", str(tmp_path / "metadata.xml"), "--out", str(out)]) == 0
    assert main(["data", "cameras", str(tmp_path / "metadata.xml"), "--out", str(out)]) == 2
    given, solved = (json.loads(p.read_text())["cameras"]["S9"] for p in (out, tmp_path / "solved.json"))
    for camera_id, camera in given.items():
        np.testing.assert_allclose(camera["t_m"], solved[camera_id]["t_m"], atol=1e-3)


def test_help_names_the_commands(capsys):
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("import", "check", "cameras"))
