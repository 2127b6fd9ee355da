"""GLB files, read by the specification, and by pygltflib and trimesh where they are installed."""

import io

import numpy as np
import pytest

import prml
from fixtures.gltf import Glb
from fixtures.moving import moving
from prml.errors import PrmlError
from prml.io.glb import glb_data, write_glb
from prml.rig import to_rig
from prml.rig.rig import y_up
from prml.scene import Scene
from prml.skeleton import BODY28, H36M17


@pytest.mark.parametrize("skeleton", [BODY28, H36M17], ids=lambda s: s.name)
def test_the_bones_are_where_the_joints_are(skeleton, tmp_path):
    person = moving(40, fps=59.94).to_skeleton(skeleton)
    prml.save_file(person, tmp_path / "x.glb")
    file = Glb((tmp_path / "x.glb").read_bytes())
    times = np.arange(40) / 59.94
    places = file.places(times)
    for joint, bone in (
        ("LWrist", "LeftHand"),
        ("RAnkle", "RightFoot"),
        ("Nose", "Head"),
        ("Hip", "Hips"),
        ("Thorax", "Neck"),
    ):
        np.testing.assert_allclose(places[bone][0], y_up(person.joints_m[:, skeleton.index(joint)]), atol=1e-3)
    keys = file.array(file.json["animations"][0]["samplers"][0]["input"])[:, 0]
    np.testing.assert_allclose(keys, times, atol=1e-7)
    assert keys[0] == 0


def test_two_people_move_in_one_file():
    pair = [to_rig(moving(30, seed)) for seed in (0, 1)]
    file = Glb(glb_data(pair))
    places = file.places(np.arange(30) / 50)
    for prefix, motion in zip(("", "P2_"), pair, strict=True):
        heads = motion.pose()[1]
        for bone, name in enumerate(motion.rig.names):
            np.testing.assert_allclose(places[prefix + name][0], heads[:, bone], atol=1e-5)
    assert len(file.json["animations"]) == 1
    nodes = file.json["nodes"]
    wrappers = [nodes[n] for n in file.json["scenes"][0]["nodes"] if "children" in nodes[n]]
    assert [w["name"] for w in wrappers] == ["Person1", "Person2"]  # a node around every skeleton
    assert all(not {"rotation", "translation", "scale"} & set(w) for w in wrappers)


def test_the_mesh_is_around_the_bones():
    """The skin moves the mesh with the body: feet on soles, the nose where it is, all near a bone."""
    person = moving(20, seed=2)
    motion = to_rig(person)
    file = Glb(glb_data([motion]))
    points = file.skinned(0, np.arange(20) / 50)
    heads = motion.pose()[1]
    for t in (0, 19):
        assert np.linalg.norm(points[t][:, None] - heads[t], axis=-1).min(1).max() < 0.35
    for joint in ("NoseTip", "LToe", "RHeel", "LThumb", "LElbow", "Head"):
        at = y_up(person.joints_m[:, BODY28.index(joint)])
        assert np.linalg.norm(points - at[:, None], axis=-1).min(1).max() < 0.08, joint


def test_quaternions_are_of_length_one_and_keep_their_sign():
    file = Glb(glb_data([to_rig(moving(200, 3))]))
    for channel in file.json["animations"][0]["channels"]:
        values = file.array(file.json["animations"][0]["samplers"][channel["sampler"]]["output"]).astype(float)
        if channel["target"]["path"] == "rotation":
            np.testing.assert_allclose(np.linalg.norm(values, axis=-1), 1, atol=1e-6)
            assert ((values[1:] * values[:-1]).sum(-1) > 0).all()
    assert {c["target"]["path"] for c in file.json["animations"][0]["channels"]} == {"rotation", "translation"}


def test_somebody_who_is_never_whole_is_left_out(tmp_path):
    here, gone = moving(10, track_id=1), moving(10, 1, track_id=2)
    joints = gone.joints_m.copy()
    joints[:, 3] = np.nan
    prml.save_file(Scene((gone.with_(joints_m=joints), here)), tmp_path / "x.glb")
    assert len(Glb((tmp_path / "x.glb").read_bytes()).json["skins"]) == 1
    with pytest.raises(PrmlError, match="has none"):
        prml.save_file(gone.with_(joints_m=joints), tmp_path / "y.glb")


def test_joints_of_a_camera_are_refused(tmp_path):
    with pytest.raises(PrmlError, match="world frame"):
        write_glb(Scene.of(moving(3).with_(frame="camera")), tmp_path / "x.glb")
    assert not list(tmp_path.iterdir())


def test_pygltflib_and_trimesh_read_it():
    pygltflib = pytest.importorskip("pygltflib", reason="pygltflib is not installed")
    trimesh = pytest.importorskip("trimesh", reason="trimesh is not installed")
    data = glb_data([to_rig(moving(5)), to_rig(moving(5, 1))])
    read = pygltflib.GLTF2.load_from_bytes(data)
    assert (len(read.skins), len(read.animations), len(read.meshes)) == (2, 1, 2)
    scene = trimesh.load(io.BytesIO(data), file_type="glb")
    assert scene.extents[1] == pytest.approx(1.72, abs=0.1)  # in T pose on the floor
    assert scene.bounds[0][1] == pytest.approx(0, abs=0.01)
