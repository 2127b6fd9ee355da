"""BVH as other programs write it: the same joints, whatever the case, prefix or frame count."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fixtures import mocap_files as files
from fixtures.moving import moving
from prml.datasets.importing import ImportOptions, import_all, import_files
from prml.errors import PrmlError
from prml.io.bvh import read_bvh
from prml.io.joint_map import joint_map
from prml.io.registry import load_file, save_file
from prml.rig import to_rig
from prml.rotations import to_matrix
from prml.skeleton import H36M17


@pytest.fixture
def plain(tmp_path):
    files.write_bvh(tmp_path / "plain.bvh", frames=60)
    text = (tmp_path / "plain.bvh").read_text()
    (tmp_path / "plain.bvh").write_text(text.replace("mixamorig:", ""))
    return tmp_path / "plain.bvh"


def _wrapped(text):
    return re.sub(r"CHANNELS (\d) ", r"CHANNELS \1\n\t\t", text)


def _lower(text):
    head, frames = text.split("MOTION")
    for word in ("HIERARCHY", "ROOT", "JOINT", "End Site", "OFFSET", "CHANNELS"):
        head = head.replace(word, word.lower())
    return head + "motion" + frames.replace("Frames", "frames").replace("Frame Time", "frame time")


DIALECTS = {
    "numbered mixamo": lambda t: re.sub(r"(ROOT|JOINT) ", r"\1 mixamorig7:", t),
    "underscore": lambda t: re.sub(r"(ROOT|JOINT) ", r"\1 mixamorig_", t),
    "namespace": lambda t: re.sub(r"(ROOT|JOINT) ", r"\1 Actor01:", t),
    "nested namespace": lambda t: re.sub(r"(ROOT|JOINT) ", r"\1 Scene:Actor01:", t),
    "MOTION in a prefix": lambda t: re.sub(r"(ROOT|JOINT) ", r"\1 LOCOMOTION:", t),
    "MOTION in the root's name": lambda t: t.replace("ROOT Hips", "ROOT MOTION_Root"),
    "lower case": _lower,
    "upper case channels": lambda t: re.sub(r"[XYZ](position|rotation)", lambda m: m[0].upper(), t),
    "wrapped channels": _wrapped,
    "space before the colon": lambda t: t.replace("Frames:", "Frames :"),
    "braces on the same line": lambda t: re.sub(r"\n\s*{", " {", t),
    "carriage returns": lambda t: t.replace("\n", "\r\n"),
    "another key word": lambda t: t.replace("HIERARCHY", "HIERARCHY\nVERSION 2"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_gives_the_same_joints(plain, dialect):
    (expected,) = import_files([plain], joint_map("mixamo"))
    other = plain.with_name("other.bvh")
    other.write_bytes(DIALECTS[dialect](plain.read_text()).encode())
    made = import_all([other])
    assert made.maps == {other: "mixamo"}
    assert made.findings == []
    np.testing.assert_array_equal(made.clips[0].joints_m, expected.joints_m)
    assert made.clips[0].findings == ()


def test_a_frame_count_that_is_too_low_is_said_and_all_frames_are_read(plain):
    plain.write_text(plain.read_text().replace("Frames: 60", "Frames: 59"))
    motion = read_bvh(plain)
    assert len(motion) == 60
    assert motion.notes == ("states 59 frames but has 60; all are read",)
    made = import_all([plain])
    assert [(f.level, f.where) for f in made.findings] == [("warning", "plain.bvh")]


def test_a_rate_slower_than_motion_is_recorded_is_questioned(plain):
    plain.write_text(re.sub(r"Frame Time: \S+", "Frame Time: 1.0", plain.read_text()))
    (finding,) = import_all([plain]).findings
    assert finding.level == "warning"
    assert "says 1 frames per second" in finding.text
    assert "file_fps=" in finding.text
    made = import_all([plain], options=ImportOptions(file_fps=30.0))
    assert made.findings == []
    assert len(made.clips[0].joints_m) == int(59 / 30 * 50) + 1


def test_a_frame_time_of_zero_asks_for_the_rate(plain):
    plain.write_text(re.sub(r"Frame Time: \S+", "Frame Time: 0", plain.read_text()))
    with pytest.raises(PrmlError, match=r"plain\.bvh: does not say its frame rate; pass file_fps="):
        import_files([plain])


def test_two_people_of_one_file_are_two_clips(plain):
    """A second ROOT with the same names, two metres to the side."""
    head, motion = plain.read_text().split("MOTION\n")
    tree = head.removeprefix("HIERARCHY\n")
    count, step, *rows = motion.strip().splitlines()
    aside = [row.split() for row in rows]
    for words in aside:
        words[0] = str(float(words[0]) + 200)
    both = [f"{row} {' '.join(other)}" for row, other in zip(rows, aside, strict=True)]
    plain.write_text("\n".join([f"HIERARCHY\n{tree}{tree}MOTION", count, step, *both]))
    one, two = import_files([plain])
    assert (one.name, two.name) == ("plain", "plain:2")
    np.testing.assert_allclose(two.joints_m - one.joints_m, np.broadcast_to([2.0, 0, 0], one.joints_m.shape), atol=1e-9)


def _with_more_joints(text, names):
    head, motion = text.split("MOTION\n")
    more = "".join(f"\tJOINT {name}\n\t{{\n\t\tOFFSET 0 1 0\n\t\tCHANNELS 0\n\t}}\n" for name in names)
    return f"{head.rstrip().removesuffix('}')}{more}}}\nMOTION\n{motion}"


def test_a_name_that_two_joints_of_one_body_carry_is_refused(plain):
    plain.write_text(_with_more_joints(plain.read_text(), ["LeftLeg", "Prop", "Prop"]))
    assert read_bvh(plain).duplicates == {"LeftLeg", "Prop"}
    with pytest.raises(PrmlError, match=r"plain\.bvh: several points are called 'LeftLeg'"):
        import_files([plain])
    plain.write_text(
        plain.read_text().replace("\tJOINT LeftLeg\n\t{\n\t\tOFFSET 0 1 0", "\tJOINT Other\n\t{\n\t\tOFFSET 0 1 0")
    )
    assert len(import_files([plain])) == 1, "a name that no joint is made of may occur twice"


def test_a_cut_file_is_named_and_the_others_are_imported(plain):
    cut = plain.with_name("cut.bvh")
    cut.write_text(plain.read_text()[:9000])
    made = import_all([cut, plain])
    assert [clip.name for clip in made.clips] == ["plain"]
    assert list(made.failed) == [cut]
    (finding,) = made.findings
    assert (finding.level, finding.where) == ("error", "cut.bvh")
    assert "truncated" in finding.text
    with pytest.raises(PrmlError, match=r"cut\.bvh: .*truncated"):
        import_files([cut, plain])


# ---------------------------------------------------------------------------------- names of other programs
LIMBS = ("UpLeg", "Leg", "Foot", "Arm", "ForeArm", "Hand")
NAMES = {
    "biovision": (("Hip", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist"), {"Spine": "Chest", "Spine1": "Chest2"}),
    "biovision_limbs": (("UpLeg", "LowLeg", "Foot", "UpArm", "LowArm", "Hand"), {"Spine": "Chest", "Spine1": "Chest2"}),
    "rokoko_newton": (("Thigh", "Shin", "Foot", "Arm", "ForeArm", "Hand"), {"Spine": "Spine1", "Spine1": "Spine4"}),
    "mixamo": (LIMBS, {}),
}


def _renamed(text, limbs, trunk):
    names = {
        f"{side}{a}": f"{side}{b}" for side in ("Left", "Right") for a, b in zip(LIMBS, limbs, strict=True)
    } | trunk
    return re.sub(r"(ROOT|JOINT) (\w+)", lambda m: f"{m[1]} {names.get(m[2], m[2])}", text)


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_map_is_chosen_by_the_names(plain, name):
    """The limbs equal those of the same figure with Mixamo names; the trunk is within a hand's breadth."""
    (expected,) = import_files([plain], joint_map("mixamo"))
    plain.write_text(_renamed(plain.read_text(), *NAMES[name]))
    made = import_all([plain])
    assert made.maps == {plain: name}
    (clip,) = made.clips
    assert clip.findings == ()
    limbs = [i for i, joint in enumerate(H36M17.joints) if joint[0] in "LR"]
    np.testing.assert_allclose(clip.joints_m[:, limbs], expected.joints_m[:, limbs], atol=1e-9)
    assert np.linalg.norm(clip.joints_m - expected.joints_m, axis=-1).max() < 0.10


@pytest.mark.parametrize(
    ("added", "name"),
    [
        (("Chest3", "Chest4"), "xsens"),
        (("LHipJoint", "RHipJoint", "Neck1"), "cmu_bvh"),
        (("LeftInHandIndex", "RightInHandIndex"), "perception_neuron"),
    ],
)
def test_a_signature_tells_maps_with_the_same_limbs_apart(plain, added, name):
    text = plain.read_text()
    if name == "xsens":
        text = _renamed(text, *NAMES["biovision"])
    plain.write_text(_with_more_joints(text, added))
    assert import_all([plain]).maps == {plain: name}


def test_names_that_fit_no_map_are_listed(plain):
    plain.write_text(plain.read_text().replace("LeftLeg", "Schienbein"))
    with pytest.raises(
        PrmlError, match=r"plain\.bvh: no joint map fits its names \(Hips, .*known for bvh are .*mixamo"
    ):
        import_files([plain])


# ---------------------------------------------------------------------------------- units and axes
@pytest.mark.parametrize(("scale", "unit"), [(0.01, "metres"), (10.0, "millimetres"), (1 / 2.54, "inches")])
def test_units_are_judged_on_the_raw_numbers(plain, scale, unit):
    (expected,) = import_files([plain])
    head, motion = plain.read_text().split("MOTION\n")
    scaled = lambda m: f"{m[1]} " + " ".join(f"{float(v) * scale:.8f}" for v in m[2].split())  # noqa: E731
    head = re.sub(r"(OFFSET) ([-\d. ]+)", scaled, head)
    lines = motion.splitlines()
    rows = [line.split() for line in lines[2:]]
    moved = [" ".join([*(f"{float(v) * scale:.8f}" for v in row[:3]), *row[3:]]) for row in rows]
    plain.write_text("\n".join([f"{head}MOTION", *lines[:2], *moved]))
    (clip,) = import_files([plain])
    np.testing.assert_allclose(clip.joints_m, expected.joints_m, atol=1e-6)
    (finding,) = clip.findings
    assert f"read as {unit} instead of 0.01 m" in finding.text
    (given,) = import_files([plain], unit_m=0.01 / scale)
    assert given.findings == ()


@pytest.mark.parametrize("shown", [True, False])
def test_a_body_along_z(plain, shown):
    """Blender writes BVH with z up. The rest pose shows it; where it does not, an error names the axis."""
    (expected,) = import_files([plain])
    text = re.sub(r"OFFSET (\S+) (\S+) (\S+)", lambda m: f"OFFSET {m[1]} {-float(m[3]):g} {m[2]}", plain.read_text())
    text = text.replace("Zrotation Xrotation Yrotation", "Qrotation Xrotation Zrotation")
    head, motion = text.split("MOTION\n")
    lines = motion.splitlines()
    rows = [[float(v) for v in line.split()] for line in lines[2:]]
    turned = []
    for row in rows:
        row[1], row[2] = -row[2], row[1]
        for at in range(3, len(row), 3):
            row[at] = -row[at]  # about y where it was about z, the other way round
        turned.append(" ".join(f"{v:.8f}" for v in row))
    plain.write_text("\n".join([f"{head.replace('Qrotation', 'Yrotation')}MOTION", *lines[:2], *turned]))
    if not shown:
        plain.write_text(re.sub(r"(End Site\s*{\s*OFFSET )\S+", r"\g<1>900", plain.read_text(), count=1))
    (clip,) = import_files([plain])
    if not shown:
        assert [f.level for f in clip.findings] == ["error"]
        assert "pass up='z', or up='y' if the person lies down" in clip.findings[0].text
        (clip,) = import_files([plain], up="z")
    assert clip.findings == ()
    np.testing.assert_allclose(clip.joints_m, expected.joints_m, atol=1e-5)


# ---------------------------------------------------------------------------------- a file that Blender wrote
def _as_blender_writes(person, tail=40):
    """The person's BVH as Blender exports it: z up, metres, six channels for all, spaces in names, a still end."""
    motion = to_rig(person)
    rig = motion.rig
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up -> z up
    offsets = rig.offsets_m @ turn.T
    local = turn @ to_matrix(motion.rotations) @ turn.T
    lines, walk = ["HIERARCHY"], []

    def joint(bone, depth):
        walk.append(bone)
        name = rig.names[bone].replace("Left", "Left ").replace("Right", "Right ")
        lines.extend([f"{depth}{'ROOT' if bone == 0 else 'JOINT'} {name}", depth + "{"])
        lines.append(f"{depth}\tOFFSET {' '.join(f'{x:.6f}' for x in offsets[bone])}")
        lines.append(f"{depth}\tCHANNELS 6 Xposition Yposition Zposition Xrotation Yrotation Zrotation")
        for child in rig.children(bone):
            joint(child, depth + "\t")
        if rig.names[bone] in rig.ends_m:
            end = turn @ rig.ends_m[rig.names[bone]]
            lines.extend([f"{depth}\tEnd Site", depth + "\t{"])
            lines.extend([f"{depth}\t\tOFFSET {' '.join(map(str, end))}", depth + "\t}"])
        lines.append(depth + "}")

    joint(0, "")
    angles = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_euler("XYZ", degrees=True).reshape(len(motion), -1, 3)
    places = np.broadcast_to(offsets, angles.shape).copy()
    places[:, 0] = motion.root_m @ turn.T
    rows = np.concatenate([places, angles], -1)[:, walk].reshape(len(motion), -1)
    rows = np.concatenate([rows, np.repeat(rows[-1:], tail, 0)])
    lines += ["MOTION", f"Frames: {len(rows)}", "Frame Time: 0.020000"]
    return "\n".join([*lines, *(" ".join(f"{x:.6f}" for x in row) for row in rows), ""])


def test_a_file_of_blender_stands_upright(tmp_path):
    person = moving(30, seed=9)
    (tmp_path / "x.bvh").write_text(_as_blender_writes(person).replace("Left ", "Left").replace("Right ", "Right"))
    told = []
    (read,) = load_file(tmp_path / "x.bvh", warn=told.append)
    assert any("z up" in line for line in told)
    assert len(read) == 70
    for joint in ("LWrist", "RAnkle", "LHip", "RElbow"):
        k = H36M17.index(joint)
        np.testing.assert_allclose(read.joints_m[:30, k], person.joints_m[:, k], atol=1e-3)


def test_names_with_spaces_are_read_whole(tmp_path):
    (tmp_path / "x.bvh").write_text(_as_blender_writes(moving(5)))
    motion = read_bvh(tmp_path / "x.bvh")
    assert {"Left UpLeg", "Left Arm", "Right ToeBase", "Hips"} <= set(motion.points)
    assert not motion.duplicates


@pytest.mark.parametrize("flavour", ["bvh", "bvh_mixamo", "bvh_rokoko", "bvh_lafan1"])
def test_our_own_files_are_y_up(flavour, tmp_path):
    save_file(moving(5), tmp_path / "x.bvh", flavour)
    assert read_bvh(tmp_path / "x.bvh").up is None
