"""BVH for particular programs: their names, bones, and axes; the motion is the same in all."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import prml
from fixtures.moving import body, moving
from prml.io.bvh import read_bvh
from prml.io.bvh_flavours import as_lafan1, as_mixamo, as_rokoko
from prml.io.registry import get_format
from prml.rig import to_rig

PAIRS = {"LWrist": "LeftHand", "RAnkle": "RightFoot", "Nose": "Head", "Hip": "Hips", "RShoulder": "RightArm"}


@pytest.mark.parametrize(
    ("name", "prefix", "joint_map", "bones"),
    [
        ("mixamo", "mixamorig_", "mixamo", {"Spine", "Spine1", "Spine2", "LeftUpLeg", "LeftToeBase"}),
        ("rokoko", "", "rokoko_newton", {"Spine1", "Spine2", "Spine3", "Spine4", "LeftThigh", "LeftShin", "LeftToe"}),
        ("lafan1", "", "mixamo", {"Spine", "Spine1", "Spine2", "LeftUpLeg", "LeftToe", "RightToe"}),
    ],
)
def test_the_same_motion_under_other_names(name, prefix, joint_map, bones, tmp_path):
    person = moving(50, seed=6)
    path = tmp_path / "x.bvh"
    prml.save_file(person, path, f"bvh_{name}")
    assert get_format(f"bvh_{name}").suffixes == (".bvh",)
    motion = read_bvh(path)
    names = {point.removeprefix(prefix) for point in motion.points if not point.endswith("_end")}
    assert bones <= names
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", point) for point in motion.points)
    for joint, bone in PAIRS.items():
        at = person.joints_m[:, person.skeleton.index(joint)]
        np.testing.assert_allclose(
            motion.points[prefix + bone] / 100, np.stack([at[:, 0], at[:, 2], -at[:, 1]], -1), atol=1e-3
        )
    (again,) = prml.load_file(path)
    assert again.labels["map"] == joint_map


def _as_gmr_reads(text):
    """Bone -> places (metres, z up) and rotations, by the rules of GMR's reader of LAFAN1: its own patterns."""
    names, parents, offsets, active, end, order = [], [], [], -1, False, None
    lines = iter(text.splitlines())
    for line in lines:
        if found := re.match(r"\s*(?:ROOT|JOINT)\s+(\w+)", line):
            names.append(found[1])
            parents.append(active)
            offsets.append(None)
            active = len(names) - 1
        elif "}" in line:
            active, end = (active, False) if end else (parents[active], False)
        elif found := re.match(r"\s*OFFSET\s+([\-\d\.e]+)\s+([\-\d\.e]+)\s+([\-\d\.e]+)", line):
            if not end:
                offsets[active] = np.array([float(x) for x in found.groups()])
        elif re.match(r"\s*CHANNELS\s+(\d+)", line):
            order = "".join(word[0] for word in line.split()[-3:])  # the last one counts for all
        elif "End Site" in line:
            end = True
        elif re.match(r"\s*Frame Time:\s+([\d\.]+)", line):
            break
    rows = np.array([[float(x) for x in line.strip().split(" ")] for line in lines])
    assert all(offset is not None for offset in offsets)
    out, z_up = {}, np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    turns, places = [], []
    for bone, parent in enumerate(parents):
        local = Rotation.from_euler(order, rows[:, 3 + 3 * bone :][:, :3], degrees=True)
        turns.append(local if parent < 0 else turns[parent] * local)
        places.append(rows[:, :3] if parent < 0 else places[parent] + turns[parent].apply(offsets[bone]))
        out[names[bone]] = places[bone] @ z_up.T / 100, Rotation.from_matrix(z_up) * turns[bone]
    return out


# axes of a robot (x ahead, y left, z up, standing with hanging arms) in those of a bone, as GMR's tables have them
_ROBOT = {
    "Hips": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "Spine2": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "LeftUpLeg": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
    "RightLeg": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
    "LeftToe": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "RightToe": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "LeftArm": ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
    "RightArm": ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
}


def test_lafan1_is_what_gmr_expects(tmp_path):
    """Somebody who stands with hanging arms and faces -y of the world gives a robot that stands and faces there too."""
    arms = {f"{s}upper": Rotation.from_rotvec([0, 0, -x * np.pi / 2]) for s, x in (("L", 1), ("R", -1))}
    person = body(arms)
    prml.save_file(person, tmp_path / "x.bvh", "bvh_lafan1")
    read = _as_gmr_reads((tmp_path / "x.bvh").read_text())
    assert {"Spine2", "Neck", "Head", "LeftShoulder", "LeftForeArm", "LeftHand", "LeftFoot", "RightToe"} <= set(read)
    for bone, axes in _ROBOT.items():
        ahead, left, up = (read[bone][1].apply(axis)[0] for axis in axes)
        np.testing.assert_allclose([ahead, left, up], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=0.12, err_msg=bone)


def test_lafan1_has_the_joints_for_gmr(tmp_path):
    person = moving(30, seed=7)
    prml.save_file(person, tmp_path / "x.bvh", "bvh_lafan1")
    read = _as_gmr_reads((tmp_path / "x.bvh").read_text())
    for joint, bone in PAIRS.items():
        np.testing.assert_allclose(read[bone][0], person.joints_m[:, person.skeleton.index(joint)], atol=1e-3)


def test_gaps_may_be_held_before_or_after_bones_are_changed():
    person = moving(30)
    joints = person.joints_m.copy()
    joints[10:20] = np.nan
    made = to_rig(person.with_(joints_m=joints))
    for convert in (as_mixamo, as_rokoko, as_lafan1):
        a, b = convert(made).held(), convert(made.held())
        np.testing.assert_allclose(np.abs((a.rotations * b.rotations).sum(-1)), 1, atol=1e-12)


def test_a_split_bone_changes_no_joint():
    made = to_rig(moving(20))
    more = made.split("Spine1", "Spine2", 0.3)
    assert len(more.rig) == len(made.rig) + 1
    assert more.rig.names[:5] == ("Hips", "Spine", "Spine1", "Spine2", "Neck")
    for bone in made.rig.names:
        a, b = (m.pose()[1][:, m.rig.index(bone)] for m in (made, more))
        np.testing.assert_allclose(a, b, atol=1e-12)
    way = np.linalg.norm(more.rig.offsets_m[[more.rig.index("Spine2"), more.rig.index("Neck")]], axis=-1)
    assert way[0] / way.sum() == pytest.approx(0.3)
