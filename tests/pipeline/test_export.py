"""prml export: which files, from what, and what is said."""

from dataclasses import replace

import numpy as np
import pytest

from fixtures.detections import seen
from fixtures.walks import walk
from prml.cli import main
from prml.errors import PrmlError
from prml.io.keypoints import write_keypoints
from prml.io.motion_file import write_motion
from prml.io.poses import write_poses
from prml.io.registry import get_format, load_file, save_file
from prml.motion import Motion
from prml.pipeline.export import export, formats_named, parts_of, writable
from prml.pipeline.lift import lift
from prml.scene import Scene
from prml.skeleton import H36M17


@pytest.fixture
def folder(tmp_path):
    """A result folder: a motion and the poses it came from."""
    place = tmp_path / "jump"
    place.mkdir()
    person = walk(24, 30.0)
    write_motion(Motion(person, person.contacts), place / "motion.npz", {})
    flat = seen("h36m17", 24, gap=False)
    joints = person.joints_m[:, :17] - person.joints_m[:, :1]
    lifted = flat.with_(joints_m=joints.astype("f4"), frame="camera", root_relative=True, filled=np.zeros(24, bool))
    write_poses(lifted, place / "poses.npz", {"input": "jump.mp4"})
    return place


def test_a_folder_becomes_files_beside_its_results(folder, capsys):
    assert main(["export", str(folder), "--to", "trc, csv,csv_long,bvh,glb,coco,openpose"]) == 0
    made = {p.name for p in folder.iterdir()} - {"motion.npz", "poses.npz"}
    assert made == {
        *("motion.trc", "motion.csv", "motion_long.csv", "motion.bvh", "motion.glb"),
        *("motion_coco.json", "motion_openpose_json"),
    }
    assert capsys.readouterr().out.count("wrote ") == 7
    back = load_file(folder / "motion.csv").prominent
    np.testing.assert_allclose(back.joints_m, walk(24, 30.0).joints_m[:, :17], atol=1e-6)
    assert main(["export", str(folder), "--to", "trc"]) == 2
    assert "motion.trc exists; pass --overwrite to replace it" in capsys.readouterr().err
    assert main(["export", str(folder), "--to", "trc", "--overwrite"]) == 0


def test_a_motion_file_becomes_others(tmp_path):
    save_file(walk(24), tmp_path / "a.csv")
    (made,) = export(tmp_path / "a.csv", "bvh", tmp_path / "out")
    assert made == tmp_path / "out" / "a.bvh"
    with pytest.raises(PrmlError, match="is the input, and the export would replace it; give another folder"):
        export(tmp_path / "a.csv", "csv", overwrite=True)


def test_gaps_people_and_lengths_become_files(tmp_path):
    said = []
    one = Scene.of(walk(gaps=True))
    names = [part.name for part in parts_of(one, get_format("trc"), "m", said.append)]
    assert names == ["m_part1.trc", "m_part2.trc"]
    assert said == [
        "m_part1.trc to m_part2.trc: 2 files (a file without gaps), frames 0 to 19, 21 to 59, at the motion's times"
    ]
    said.clear()
    two = Scene((walk(gaps=True, track_id=0), walk(track_id=4)))
    assert [p.name for p in parts_of(two, get_format("trc"), "m")] == [
        "m_person0_part1.trc",
        "m_person0_part2.trc",
        "m_person4.trc",
    ]
    assert [p.name for p in parts_of(two, get_format("c3d"), "m", said.append)] == ["m.c3d"]
    assert said == ["m.c3d: a person is absent in up to 1 of 60 frames: points at zero with residual -1 there"]
    long = Scene.of(walk(70_000, 120.0))
    parts = parts_of(long, get_format("c3d"), "m", said.append)
    assert [(p.name, len(p.scene.times_s)) for p in parts] == [("m_part1.c3d", 65534), ("m_part2.c3d", 4466)]
    assert said[-1].startswith("m_part1.c3d to m_part2.c3d: 2 files (at most 65534 frames a file)")
    said.clear()
    late = walk()
    late.joints_m[:7] = np.nan
    (part,) = parts_of(Scene.of(late), get_format("trc"), "m", said.append)
    assert part.scene.times_s[0] == late.times_s[7]
    assert said == ["m.trc: frames 7 to 59 of 60, in which the person is there"]


def test_what_cannot_be_exported_is_one_line(folder, tmp_path):
    (folder / "motion.npz").unlink()
    with pytest.raises(PrmlError, match=r"jump has no motion in the world \(motion.npz\), which trc needs; lift"):
        export(folder, "trc")
    assert export(folder, "coco")[0].name == "motion_coco.json"
    save_file(walk(24), tmp_path / "a.csv")
    with pytest.raises(PrmlError, match=r"a\.csv has no 2D keypoints, which coco needs"):
        export(tmp_path / "a.csv", "coco")
    with pytest.raises(PrmlError, match=r"no format 'fbx' to export to; known are openpose, "):
        export(folder, "trc,fbx")
    with pytest.raises(PrmlError, match=r"no format 'poses' to export to"):
        export(folder, "poses")
    with pytest.raises(PrmlError, match="name at least one format, such as bvh,glb,trc"):
        formats_named(" , ")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(PrmlError, match="expected a folder of files of one of the formats openpose"):
        export(empty, "trc")
    blinking = walk(200)
    blinking.joints_m[::3] = np.nan
    with pytest.raises(PrmlError, match="trc holds no gaps, and the person comes and goes 66 times"):
        parts_of(Scene.of(blinking), get_format("trc"), "m")


def test_without_formats_they_are_listed(folder, capsys):
    assert main(["export", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(writable())


def test_seventeen_joints_are_enough_for_most(tmp_path):
    person = walk(24).to_skeleton(H36M17)
    save_file(person, tmp_path / "a.npz")
    made = export(tmp_path / "a.npz", "trc,c3d,csv,bvh,glb")
    assert [p.suffix for p in made] == [".trc", ".c3d", ".csv", ".bvh", ".glb"]


def test_a_lift_exports_what_is_named(tmp_path, capsys):
    write_keypoints(seen("coco17", 40, gap=False), tmp_path / "k.npz")
    plain = ["lift", str(tmp_path / "k.npz"), "--weights", "prml-xs", "--no-viewer", "--out", str(tmp_path / "o")]
    assert main([*plain, "--export", "trc,c3d,holosoma,csv_long"]) == 0
    assert {p.name for p in (tmp_path / "o").iterdir()} == {
        *("poses.npz", "poses.json", "motion.npz", "motion.trc", "motion.c3d", "motion_long.csv")
    }
    assert "motion_holosoma.npz is not written: a file for holosoma needs the feet" in " ".join(
        capsys.readouterr().out.split()
    )
    (tmp_path / "o" / "notes.csv").write_text("mine")
    assert main([*plain, "--export", "none", "--overwrite"]) == 0
    assert {p.name for p in (tmp_path / "o").iterdir()} == {"poses.npz", "poses.json", "motion.npz", "notes.csv"}
    assert main([*plain, "--overwrite", "--export", "fbx"]) == 2
    assert "no format 'fbx' to export to" in capsys.readouterr().err
    assert main([*plain, "--overwrite", "--export", "openpose"]) == 2
    assert "--export openpose writes a folder" in capsys.readouterr().err


def test_a_result_saves_its_motion(tmp_path):
    write_keypoints(seen("coco17", 40, gap=False), tmp_path / "k.npz")
    result = lift(tmp_path / "k.npz", weights="prml-xs")
    for name in ("a.trc", "a.bvh", "a.glb", "a.csv"):
        result.save(tmp_path / name)
    again = export(_saved(result, tmp_path), "trc", tmp_path / "b")[0]
    first, second = (np.loadtxt(path, skiprows=6) for path in (again, tmp_path / "a.trc"))
    np.testing.assert_allclose(first, second, atol=2e-6)  # motion.npz holds 32 bits
    with pytest.raises(PrmlError, match=r"a\.c3d holds a motion, and this result has none; its warnings say why"):
        replace(result, motion=None).save(tmp_path / "a.c3d")


def _saved(result, folder):
    write_motion(result.motion, folder / "motion.npz", {})
    return folder / "motion.npz"
