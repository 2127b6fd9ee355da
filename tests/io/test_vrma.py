"""VRMA files against the specification of VRMC_vrm_animation 1.0."""

import numpy as np
import pytest

import prml
from fixtures.gltf import Glb
from fixtures.moving import moving
from prml.errors import PrmlError
from prml.io.vrma import HUMAN_BONES
from prml.rig.rig import y_up
from prml.scene import Scene
from prml.skeleton import BODY28, H36M17

REQUIRED = {"hips", "spine", "head"} | {
    side + bone
    for side in ("left", "right")
    for bone in ("UpperLeg", "LowerLeg", "Foot", "UpperArm", "LowerArm", "Hand")
}


@pytest.fixture(params=[BODY28, H36M17], ids=lambda s: s.name)
def person(request):
    return moving(40, seed=8, fps=30).to_skeleton(request.param)


@pytest.fixture
def file(person, tmp_path):
    prml.save_file(person, tmp_path / "x.vrma")
    return Glb((tmp_path / "x.vrma").read_bytes())


def test_all_required_bones_are_there(file):
    (extension,) = file.json["extensions"].items()
    assert extension[0] == "VRMC_vrm_animation"
    assert file.json["extensionsUsed"] == ["VRMC_vrm_animation"]
    assert extension[1]["specVersion"] == "1.0"
    human = extension[1]["humanoid"]["humanBones"]
    assert len(REQUIRED) == 15
    assert set(human) >= REQUIRED
    assert not {"leftEye", "rightEye"} & set(human)
    nodes = [entry["node"] for entry in human.values()]
    assert len(set(nodes)) == len(nodes) == len(HUMAN_BONES)


def test_it_rests_in_a_t_pose_on_its_soles_facing_ahead(file):
    nodes, human = file.json["nodes"], file.json["extensions"]["VRMC_vrm_animation"]["humanoid"]["humanBones"]
    at = {}

    def visit(node, place):
        at[node] = place + np.array(nodes[node].get("translation", [0, 0, 0]))
        assert not {"rotation", "scale", "matrix"} & set(nodes[node])
        for child in nodes[node].get("children", []):
            visit(child, at[node])

    visit(file.json["scenes"][0]["nodes"][0], np.zeros(3))
    place = {bone: at[entry["node"]] for bone, entry in human.items()}
    assert place["hips"][1] == pytest.approx(0.93, abs=0.03)  # NaN in the loader if it were 0
    for side, sign in (("left", 1), ("right", -1)):
        arm = place[f"{side}Hand"] - place[f"{side}UpperArm"]
        assert sign * arm[0] > 0.4
        np.testing.assert_allclose(arm[1:], 0, atol=1e-6)
        leg = place[f"{side}Foot"] - place[f"{side}UpperLeg"]
        np.testing.assert_allclose(leg[[0, 2]], 0, atol=1e-6)
        assert place[f"{side}Toes"][2] - place[f"{side}Foot"][2] > 0.05
        assert 0.04 < place[f"{side}Foot"][1] < 0.12


def test_only_the_hips_move_and_nothing_is_scaled(file):
    hips = file.json["extensions"]["VRMC_vrm_animation"]["humanoid"]["humanBones"]["hips"]["node"]
    targets = [channel["target"] for channel in file.json["animations"][0]["channels"]]
    assert [t["node"] for t in targets if t["path"] == "translation"] == [hips]
    assert {t["path"] for t in targets} == {"translation", "rotation"}
    assert len(file.json["animations"]) == 1


def test_the_joints_are_where_they_were(file, person):
    places = file.places(np.arange(40) / 30)
    for joint, bone in {"LWrist": "LeftHand", "RAnkle": "RightFoot", "Nose": "Head"}.items():
        at = y_up(person.joints_m[:, person.skeleton.index(joint)])
        np.testing.assert_allclose(places[bone][0], at, atol=1e-3)


def test_two_people_are_refused(tmp_path):
    pair = Scene((moving(5, track_id=1), moving(5, 1, track_id=2)))
    with pytest.raises(PrmlError, match="a VRMA file holds one person"):
        prml.save_file(pair, tmp_path / "x.vrma")
