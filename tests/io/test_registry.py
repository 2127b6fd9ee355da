"""load_file and save_file: by ending and content, and with a format that an outside package adds."""

import numpy as np
import pytest

import prml
from fixtures import mocap_files as files
from fixtures.outside import outside_package
from prml.errors import PrmlError
from prml.io.joint_map import joint_map
from prml.io.poses import read_poses
from prml.io.registry import format_names, format_of, formats, get_format, load_file, save_file
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

RNG = np.random.default_rng(0)


def _lifted(frames=6, **fields):
    joints = RNG.normal(size=(frames, 17, 3)).astype(np.float32)
    joints -= joints[:, :1]
    return PoseSequence.regular(
        frames, 25.0, H36M17, joints_m=joints, root_relative=True, has_person=np.ones(frames, bool), name="a", **fields
    )


def _keypoints(frames=6):
    return PoseSequence.regular(
        frames,
        25.0,
        H36M17,
        keypoints_px=RNG.uniform(0, 400, (frames, 17, 2)),
        confidence=np.ones((frames, 17)),
        has_person=np.ones(frames, bool),
        image_size=(640, 480),
        name="a",
    )


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_poses_come_back_as_they_were(tmp_path, ending):
    poses = _lifted(provenance={"weights": "none"})
    save_file(poses, tmp_path / f"a{ending}")
    assert format_of(tmp_path / f"a{ending}").name == "poses"
    back = load_file(tmp_path / f"a{ending}").prominent
    np.testing.assert_allclose(back.joints_m, poses.joints_m, atol=1e-6)
    assert back.provenance == {"weights": "none"}


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_a_shared_ending_goes_by_what_is_held(tmp_path, ending):
    poses = _keypoints()
    save_file(poses, tmp_path / f"a{ending}")
    assert format_of(tmp_path / f"a{ending}").name == "keypoints"
    back = load_file(tmp_path / f"a{ending}", fps=50.0).prominent
    np.testing.assert_allclose(back.keypoints_px, poses.keypoints_px, atol=1e-6)
    assert back.fps == 50.0


def test_world_poses_become_clips_of_ones_own(tmp_path):
    walk = PoseSequence.regular(5, 25.0, H36M17, joints_m=RNG.normal(size=(5, 17, 3)).astype("f4"), frame="world")
    save_file(walk, tmp_path / "a.npz")
    assert format_of(tmp_path / "a.npz").name == "sequences"
    np.testing.assert_array_equal(load_file(tmp_path / "a.npz").prominent.joints_m, walk.joints_m)
    two = Scene((walk.with_(track_id=1), walk.with_(track_id=2, joints_m=walk.joints_m + 1)))
    save_file(two, tmp_path / "two.npz")
    with pytest.raises(PrmlError, match=r"two\.npz: has 2 clips, expected one"):
        load_file(tmp_path / "two.npz")


def test_a_motion_file_becomes_people_in_metres(tmp_path):
    files.write_bvh(tmp_path / "a.bvh", frames=20)
    (person,) = prml.load_file(tmp_path / "a.bvh")
    assert (person.frame, person.skeleton) == ("world", H36M17)
    assert person.fps == pytest.approx(30)
    assert person.labels["map"] == "mixamo"
    files.write_bvh(tmp_path / "b.bvh", frames=20)
    (tmp_path / "b.bvh").write_text((tmp_path / "b.bvh").read_text().replace("Frames: 20", "Frames: 19"))
    said = []
    prml.load_file(tmp_path / "b.bvh", warn=said.append)
    assert said == ["b.bvh: states 19 frames but has 20; all are read"]
    by_name = load_file(tmp_path / "a.bvh", skeleton="mixamo", fps=60.0).prominent
    np.testing.assert_array_equal(by_name.joints_m, person.joints_m)
    assert by_name.fps == 60.0
    thigh = np.linalg.norm(
        person.joints_m[:, H36M17.index("LHip")] - person.joints_m[:, H36M17.index("LKnee")], axis=-1
    )
    np.testing.assert_allclose(thigh, 0.42, atol=1e-5)


def test_a_scene_of_two_is_refused_by_a_format_for_one(tmp_path):
    two = Scene((_lifted(track_id=1), _lifted(track_id=2)))
    with pytest.raises(PrmlError, match=r"holds one person, the scene has 2"):
        save_file(two, tmp_path / "a.npz")
    assert not (tmp_path / "a.npz").exists()


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda d: save_file(_lifted(), d / "a.fbx"), r"a\.fbx: no format to write has this suffix; known are .*\.npz"),
        (lambda d: save_file(None, d / "a.npz"), "takes a PoseSequence or Scene, then a path, got NoneType first"),
        (lambda d: save_file(str(d / "a.npz"), _lifted()), "takes a PoseSequence or Scene, then a path, got str first"),
        (lambda d: save_file(_lifted(), None), "expected the path of a file, got NoneType"),
        (lambda d: save_file(_lifted(), d / "a.amc", "asf_amc"), "asf_amc can only be read"),
        (lambda d: save_file(_lifted(), d / "a.npz", "fbx"), "unknown format 'fbx'; expected one of poses, keypoints"),
        (lambda d: load_file(d / "a.fbx"), r"no such file"),
        (lambda d: load_file(d / "other.txt"), r"other\.txt: no format to read has this suffix; known are \.amc"),
        (
            lambda d: load_file(d / "other.json"),
            "expected one of the formats poses, keypoints, motion, openpose, .* by its content",
        ),
        (lambda d: load_file(d / "lifted.npz", up="z"), r"lifted\.npz: up= is not an option of the format poses"),
        (lambda d: load_file(d / "lifted.npz", fps=20), r"lifted\.npz: fps= is not an option of the format poses"),
        (lambda d: save_file(_lifted(), d / "lifted.npz"), "exists"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, call, line):
    (tmp_path / "other.txt").write_text("x")
    (tmp_path / "other.json").write_text('{"schema": "other"}')
    save_file(_lifted(), tmp_path / "lifted.npz")
    with pytest.raises(PrmlError, match=line) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)


def test_every_format_describes_itself():
    assert [f.name for f in formats()] == list(format_names())
    for each in formats():
        assert each.description
        assert each.read is not None or each.write is not None
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in each.suffixes)


def test_a_result_saves_itself_with_its_provenance(tmp_path):
    from prml.pipeline.lift import LiftResult

    result = LiftResult(Scene.of(_lifted()), 0.0, {}, provenance={"weights": "none"})
    result.save(tmp_path / "a.json")
    assert read_poses(tmp_path / "a.json").provenance == {"weights": "none"}


# ---------------------------------------------------------------------------------- a package from outside
CODE = """
from pathlib import Path

import numpy as np

from prml.io.files import write_file
from prml.io.motion import Motion
from prml.io.registry import Format
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import H36M17


def read(path: Path) -> Scene:
    rows = np.loadtxt(path, delimiter=",").reshape(-1, 17, 3)
    return Scene.of(PoseSequence.regular(len(rows), 25.0, H36M17, joints_m=rows, root_relative=True))


def write(scene: Scene, path: Path, overwrite: bool) -> None:
    rows = scene.prominent.joints_m.reshape(len(scene.prominent), -1)
    write_file(path, "\\n".join(",".join(map(repr, map(float, row))) for row in rows), overwrite)


FORMAT = Format("table", (".tab",), "a row of numbers per frame", read, write)


def read_points(path: Path) -> Motion:
    rows = np.loadtxt(path, delimiter=",").reshape(-1, 17, 3)
    return Motion({name: rows[:, i] for i, name in enumerate(H36M17.joints)}, 25.0, 1.0, "z")


MOTION = Format("points", (".pts",), "the 17 points by name", read_points, kind="motion")
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    outside_package(monkeypatch, tmp_path, CODE, {"prml.formats": {"table": "FORMAT", "points": "MOTION"}})


@pytest.mark.usefixtures("installed")
def test_a_format_from_outside_writes_and_reads(tmp_path):
    poses = _lifted()
    prml.save_file(poses, tmp_path / "a.tab")
    back = prml.load_file(tmp_path / "a.tab").prominent
    np.testing.assert_array_equal(back.joints_m.astype("f4"), poses.joints_m)
    assert get_format("table").suffixes == (".tab",)
    with pytest.raises(PrmlError, match="exists"):
        prml.save_file(poses, tmp_path / "a.tab")


@pytest.mark.usefixtures("installed")
def test_a_motion_format_from_outside_is_imported(tmp_path):
    from fixtures.motion import clips
    from prml.datasets.importing import import_files

    (body,) = clips(1, 50)
    np.savetxt(tmp_path / "a.pts", body.reshape(50, -1), delimiter=",")
    record = (tmp_path / "map.yaml").open("w")
    record.write("format: points\njoints:\n" + "".join(f"  {name}: {name}\n" for name in H36M17.joints))
    record.close()
    (clip,) = import_files([tmp_path / "a.pts"], joint_map(str(tmp_path / "map.yaml")), fps=25.0)
    np.testing.assert_allclose(clip.joints_m, body, atol=1e-9)
    assert not [f for f in clip.findings if f.level == "error"]
