"""BVH files that we write, read by our reader and, where they are installed, by bvhio and pybvh."""

import re

import numpy as np
import pytest

import prml
from fixtures.moving import moving
from prml.errors import PrmlError
from prml.io.bvh import read_bvh, write_bvh
from prml.rig import to_rig
from prml.scene import Scene
from prml.skeleton import BODY28, H36M17


def heads(person):
    """Bone -> (T, 3) place of its start in centimetres, Y up: what a reader must find."""
    made = to_rig(person)
    return dict(zip(made.rig.names, np.moveaxis(100 * made.pose()[1], 1, 0), strict=True))


@pytest.fixture(params=[BODY28, H36M17], ids=lambda s: s.name)
def person(request):
    return moving(60, seed=4, fps=59.94).to_skeleton(request.param)


def test_our_reader_finds_the_joints(person, tmp_path):
    path = tmp_path / "x.bvh"
    prml.save_file(person, path)
    motion = read_bvh(path)
    assert motion.fps == pytest.approx(59.94, abs=2e-5)
    for bone, place in heads(person).items():
        np.testing.assert_allclose(motion.points[bone], place, atol=2e-4)  # 2 micrometres
    (again,) = prml.load_file(path)  # by the joint map "mixamo"
    for joint in (f"{s}{j}" for s in "LR" for j in ("Hip", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist")):
        k = H36M17.index(joint)
        np.testing.assert_allclose(again.joints_m[:, k], person.joints_m[:, k], atol=1e-3)


def test_the_form_that_readers_ask_for(person, tmp_path):
    write_bvh(Scene.of(person), tmp_path / "x.bvh")
    text = (tmp_path / "x.bvh").read_text()
    head, motion = text.split("MOTION\n")
    names = re.findall(r"(?:ROOT|JOINT) (.*)", head)
    assert len(set(names)) == len(names) == 21
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names)
    assert re.search(r"ROOT Hips\n{\n\tOFFSET 0.000000 0.000000 0.000000\n\tCHANNELS 6 Xpos", head)
    assert head.count("CHANNELS 6") == 1
    assert head.count("CHANNELS 3") == len(names) - 1
    ends = re.findall(r"End Site\n\t*{\n\t*OFFSET (.*)", head)
    assert all(np.linalg.norm(np.array(end.split(), float)) > 1 for end in ends)
    assert not re.search(r"[ \t]\n|  ", text)
    assert re.match(r"Frames: 60\nFrame Time: 0\.\d{8}\n", motion)
    assert {len(line.split(" ")) for line in motion.splitlines()[2:]} == {6 + 3 * (len(names) - 1)}


def test_a_gap_holds_the_last_pose(tmp_path):
    person = moving(30)
    joints = person.joints_m.copy()
    joints[10:20] = np.nan
    write_bvh(Scene.of(person.with_(joints_m=joints)), tmp_path / "x.bvh")
    rows = (tmp_path / "x.bvh").read_text().splitlines()[-30:]
    assert len(set(rows[9:20])) == 1
    assert len(set(rows)) == 20


def test_two_people_and_joints_of_a_camera_are_refused(tmp_path):
    pair = Scene((moving(5, track_id=1), moving(5, 1, track_id=2)))
    with pytest.raises(PrmlError, match="one person"):
        write_bvh(pair, tmp_path / "x.bvh")
    with pytest.raises(PrmlError, match="world frame"):
        write_bvh(Scene.of(moving(5).with_(frame="camera")), tmp_path / "x.bvh")
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / "x.bvh"
    path.write_text("mine")
    with pytest.raises(PrmlError, match="overwrite=True"):
        write_bvh(Scene.of(moving(5)), path)
    assert path.read_text() == "mine"


def test_bvhio_finds_the_joints(person, tmp_path):
    bvhio = pytest.importorskip("bvhio", reason="bvhio is not installed")
    write_bvh(Scene.of(person), tmp_path / "x.bvh")
    assert bvhio.readAsBvh(str(tmp_path / "x.bvh")).FrameCount == 60
    root = bvhio.readAsHierarchy(str(tmp_path / "x.bvh"))
    wanted = heads(person)
    for frame in (0, 17, 59):
        root.loadPose(frame)
        for joint, _, _ in root.layout():
            np.testing.assert_allclose(np.array(joint.PositionWorld), wanted[joint.Name][frame], atol=1e-2)


def test_pybvh_finds_the_joints(person, tmp_path):
    pybvh = pytest.importorskip("pybvh", reason="pybvh is not installed")
    write_bvh(Scene.of(person), tmp_path / "x.bvh")
    read = pybvh.read_bvh_file(str(tmp_path / "x.bvh"))
    wanted = heads(person)
    assert read.fps == pytest.approx(59.94, abs=1e-4)
    places = np.asarray(read.joint_positions())
    for k, name in enumerate(read.joint_names):
        np.testing.assert_allclose(places[:, k], wanted[name], atol=1e-2)
