"""Mocap files to the project's npz: kinematics by law, maps as data, checks that find faults."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fixtures import mocap_files as files
from fixtures.motion import clips
from prml.datasets.importing import import_files, resample, write_mocap_npz
from prml.datasets.inspect import bone_lengths
from prml.datasets.mocap import MocapSet
from prml.errors import PrmlError
from prml.io.asf_amc import read_amc, read_asf
from prml.io.bvh import read_bvh
from prml.io.c3d import read_c3d
from prml.io.joint_map import joint_map, map_names
from prml.io.markers import NEEDED, plug_in_gait
from prml.io.motion import z_up
from prml.skeleton import H36M17


# ---------------------------------------------------------------------------------- BVH
def test_bvh_kinematics_agree_with_scipy_s_rotations(tmp_path):
    """Independent forward kinematics: products of scipy rotations, joint by joint."""
    turned = files.write_bvh(tmp_path / "a.bvh", frames=20)
    motion = read_bvh(tmp_path / "a.bvh")
    assert motion.fps == pytest.approx(30)
    at, R = {}, {}
    for name, parent, offset in files.TREE:
        local = Rotation.from_euler("ZXY", turned[name], degrees=True)
        if parent is None:
            at[name] = np.stack([np.zeros(20), np.full(20, 95.0), np.linspace(0, 80, 20)], -1)
            R[name] = local
        else:
            at[name] = at[parent] + R[parent].apply(np.array(offset, float))
            R[name] = R[parent] * local
        np.testing.assert_allclose(motion.points[f"mixamorig:{name}"], at[name], atol=1e-5)


def test_bvh_becomes_a_person_who_faces_forward(tmp_path):
    files.write_bvh(tmp_path / "a.bvh")
    (clip,) = import_files([tmp_path / "a.bvh"], joint_map("mixamo"), fps=50.0)
    assert clip.findings == ()
    assert clip.joints_m.shape[1:] == (17, 3)
    assert len(clip.joints_m) == int((59 / 30) * 50) + 1
    head, ankle = H36M17.index("Head"), H36M17.index("LAnkle")
    assert (clip.joints_m[:, head, 2] > clip.joints_m[:, ankle, 2] + 1).all(), "z is up"
    lengths = bone_lengths(clip.joints_m)
    for side in ("left", "right"):
        np.testing.assert_allclose(lengths[f"{side} thigh"], 0.42, atol=1e-3)
        np.testing.assert_allclose(lengths[f"{side} forearm"], 0.25, atol=1e-3)


def test_lost_offset_is_put_back_only_where_it_is_lost(tmp_path):
    files.write_bvh(tmp_path / "a.bvh", frames=2)
    text = (tmp_path / "a.bvh").read_text()
    (tmp_path / "b.bvh").write_text(text.replace("OFFSET 0 24 0", "OFFSET 0 0 0"))
    lost = {"mixamorig:Neck": "mixamorig:Spine1", "mixamorig:LeftArm": "mixamorig:Spine1"}
    repaired, sound = read_bvh(tmp_path / "b.bvh", lost).points, read_bvh(tmp_path / "a.bvh").points
    length = np.linalg.norm(repaired["mixamorig:Neck"] - repaired["mixamorig:Spine1"], axis=-1)
    np.testing.assert_allclose(length, 14)
    np.testing.assert_allclose(repaired["mixamorig:LeftArm"], sound["mixamorig:LeftArm"])


# ---------------------------------------------------------------------------------- ASF / AMC
def test_asf_amc_kinematics_agree_with_scipy_s_rotations(tmp_path):
    (amc,) = files.write_asf_amc(tmp_path, frames=15)
    skeleton = read_asf(tmp_path / "07.asf")
    motion = read_amc(amc, skeleton)
    assert skeleton.unit_m == pytest.approx(0.0254 / 0.45)
    rows = [line.split() for line in amc.read_text().splitlines()[3:]]
    at, R = {}, {}
    values = {}
    for row in rows:
        if len(row) > 1:
            values.setdefault(row[0], []).append([float(v) for v in row[1:]])
    root = np.array(values["root"])
    at["root"], R["root"] = root[:, :3], Rotation.from_euler("xyz", root[:, 3:], degrees=True)
    for name, parent, direction, length, dof, axis in files.BONES:
        C = Rotation.from_euler("xyz", axis, degrees=True)
        angles = np.zeros((15, 3))
        for column, axis_name in enumerate(dof.split()):
            angles[:, "xyz".index(axis_name[1])] = np.array(values[name])[:, column]
        R[name] = R[parent] * C * Rotation.from_euler("xyz", angles, degrees=True) * C.inv()
        unit = np.array(direction) / np.linalg.norm(direction)
        at[name] = at[parent] + R[name].apply(unit * length)
        np.testing.assert_allclose(motion.points[name], at[name], atol=1e-4)


def test_amc_finds_its_skeleton_beside_it_or_among_the_files(tmp_path):
    (amc,) = files.write_asf_amc(tmp_path / "a")
    (clip,) = import_files([amc], joint_map("cmu"))
    assert (clip.name, clip.subject, clip.fps) == ("07_01", "07", 50)
    assert clip.findings == ()
    apart = tmp_path / "b" / amc.name
    apart.parent.mkdir()
    apart.write_text(amc.read_text())
    with pytest.raises(PrmlError, match=r"07_01\.amc: no skeleton; give the subject's \.asf"):
        import_files([apart], joint_map("cmu"))
    (again,) = import_files([apart, tmp_path / "a" / "07.asf"], joint_map("cmu"))
    np.testing.assert_array_equal(again.joints_m, clip.joints_m)


# ---------------------------------------------------------------------------------- C3D
def test_c3d_of_gait_markers_gives_back_the_joints(tmp_path):
    pytest.importorskip("ezc3d")
    (clip,) = clips(1, 120)
    files.write_c3d(tmp_path / "walk.c3d", files.gait_markers(clip))
    motion = read_c3d(tmp_path / "walk.c3d")
    assert (motion.fps, motion.unit_m) == (100.0, 0.001)
    assert set(NEEDED) <= set(motion.points)
    (made,) = import_files([tmp_path / "walk.c3d"], joint_map("plug_in_gait"), fps=100.0)
    limbs = [H36M17.index(s + n) for s in "LR" for n in ("Knee", "Ankle", "Elbow", "Wrist", "Shoulder")]
    error = np.linalg.norm(made.joints_m - clip, axis=-1)
    assert np.median(error[:, limbs]) < 0.005
    assert np.median(error[:, [1, 4]]) < 0.06, "the hips by regression: the body behind the markers is not the rule's"


def test_markers_that_were_not_seen_cut_the_take(tmp_path):
    pytest.importorskip("ezc3d")
    (clip,) = clips(1, 200)
    markers = {name: clip[:, i].copy() for i, name in enumerate(H36M17.joints)}
    markers["LWrist"][50:55] = np.nan  # 0.05 s: bridged
    markers["RKnee"][100:130] = np.nan  # 0.3 s: cut
    files.write_c3d(tmp_path / "take.c3d", markers)
    made = import_files([tmp_path / "take.c3d"], joint_map("h36m17"), fps=100.0)
    assert [(c.name, len(c.joints_m)) for c in made] == [("take#1", 100), ("take#2", 70)]
    assert all(np.isfinite(c.joints_m).all() for c in made)
    np.testing.assert_allclose(made[1].joints_m, clip[130:], atol=1e-5)


def test_gait_rules_move_with_the_body():
    """Rotating and shifting the markers rotates and shifts every joint centre."""
    (clip,) = clips(1, 40)
    markers = files.gait_markers(clip)
    R = Rotation.from_euler("zyx", [40, 10, -5], degrees=True).as_matrix()
    still = plug_in_gait(markers)
    moved = plug_in_gait({n: m @ R.T + [1, 2, 3] for n, m in markers.items()})
    for name, centre in still.items():
        np.testing.assert_allclose(moved[name], centre @ R.T + [1, 2, 3], atol=1e-9)


# ---------------------------------------------------------------------------------- maps, axes, time
@pytest.mark.parametrize("name", map_names())
def test_every_shipped_map_is_whole(name):
    shipped = joint_map(name)
    assert set(shipped.joints) == set(H36M17.joints)
    for joint, weights in shipped.joints.items():
        assert sum(weights.values()) == pytest.approx(1), joint
    for left, right in zip(H36M17.left, H36M17.right, strict=True):
        assert shipped.joints[H36M17.joints[left]] != shipped.joints[H36M17.joints[right]]


def test_a_map_may_be_copied_and_edited(tmp_path):
    import yaml

    files.write_bvh(tmp_path / "a.bvh", frames=30)
    record = {"format": "bvh", "unit_m": 0.01, "up": "y", "drop_prefix": "mixamorig:"}
    record["joints"] = {j: dict(w) for j, w in joint_map("mixamo").joints.items()}
    record["joints"]["Head"] = "Head_end"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(record))
    (mine,) = import_files([tmp_path / "a.bvh"], joint_map(str(tmp_path / "mine.yaml")), fps=30.0)
    (shipped,) = import_files([tmp_path / "a.bvh"], joint_map("mixamo"), fps=30.0)
    different = np.abs(mine.joints_m - shipped.joints_m).max((0, 2)) > 1e-9
    assert [H36M17.joints[i] for i in np.flatnonzero(different)] == ["Head"]


def test_y_up_to_z_up_is_a_rotation():
    points = np.random.default_rng(0).normal(size=(50, 3))
    turned = z_up(points, "y")
    np.testing.assert_allclose(turned[:, 2], points[:, 1])
    np.testing.assert_allclose(np.cross(turned[0], turned[1]), z_up(np.cross(points[0], points[1]), "y"))


def test_resampling_keeps_the_path():
    t = np.arange(121) / 120
    path = np.stack([np.sin(2 * t), t**2, np.cos(t)], -1)[:, None].repeat(17, 1)
    made = resample(path, 120.0, 50.0)
    s = np.arange(len(made)) / 50
    np.testing.assert_allclose(made[:, 0], np.stack([np.sin(2 * s), s**2, np.cos(s)], -1), atol=1e-6)
    np.testing.assert_array_equal(resample(path, 50.0, 50.0), path)


# ---------------------------------------------------------------------------------- checks
@pytest.mark.parametrize(
    ("unit_m", "said"),
    [(1.0, "42.5 m long"), (0.001, "0.0425 m long"), (0.0001, "0.00425 m long")],
)
def test_a_wrong_unit_is_seen(tmp_path, unit_m, said):
    files.write_bvh(tmp_path / "a.bvh")
    (clip,) = import_files([tmp_path / "a.bvh"], joint_map("mixamo"), unit_m=unit_m)
    assert [f.level for f in clip.findings] == ["error"]
    assert said in clip.findings[0].text
    assert "the file's numbers (42.5) look like centimetres" in clip.findings[0].text


def _edited(joints_m, tmp_path, change):
    record = joint_map("mixamo")
    joints = {j: dict(w) for j, w in record.joints.items()}
    return type(record)(**{**record.__dict__, **change(joints)})


def test_swapped_sides_are_seen(tmp_path):
    files.write_bvh(tmp_path / "a.bvh")

    def swap(joints):
        return {"joints": {H36M17.joints[H36M17.mirror[i]]: joints[j] for i, j in enumerate(H36M17.joints)}}

    (clip,) = import_files([tmp_path / "a.bvh"], _edited(None, tmp_path, swap))
    assert any("left and right are swapped" in f.text for f in clip.findings)


def test_wrong_up_axis_is_seen(tmp_path):
    files.write_bvh(tmp_path / "a.bvh")
    (clip,) = import_files([tmp_path / "a.bvh"], _edited(None, tmp_path, lambda joints: {"up": "z"}))
    assert any("heads are above feet along +y, expected +z" in f.text for f in clip.findings)


# ---------------------------------------------------------------------------------- writing
def test_what_is_written_is_the_projects_mocap_format(tmp_path):
    amcs = files.write_asf_amc(tmp_path, takes=3)
    made = import_files(amcs, joint_map("cmu"), action="bending")
    out = tmp_path / "sets" / "mine.npz"
    write_mocap_npz(made, out, {"07": "test"}, "CC0", "nobody", noncommercial=False)
    back = MocapSet.read(out)
    assert len(back) == 3
    assert back.fps == 50
    for i, clip in enumerate(made):
        sequence = back.sequence(i)
        shift = [*clip.joints_m[0, 0, :2], 0]
        np.testing.assert_allclose(sequence.joints_m, clip.joints_m - shift, atol=0.0003)
        assert (sequence.subject, sequence.action) == ("07", "bending")
    assert list(back.split) == ["test"] * 3
    with pytest.raises(PrmlError, match="exists; pass overwrite=True"):
        write_mocap_npz(made, out)
    write_mocap_npz(made[:1], out, overwrite=True)
    assert len(MocapSet.read(out)) == 1


# ---------------------------------------------------------------------------------- bad files
def _cut_frames(text):
    return text[: int(0.8 * len(text))].rsplit("\n", 1)[0]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (_cut_frames, r"expected 60 frames of 54 values, got \d+ values; it is truncated"),
        (lambda t: t[:600], r"not a BVH file: expected the words HIERARCHY and MOTION"),
        (lambda t: t.replace("HIERARCHY", "MESH"), r"not a BVH file"),
        (lambda t: t.replace("Zrotation", "Wrotation"), r"has the channel 'Wrotation'; expected Xposition"),
        (
            lambda t: t.replace("OFFSET 0 24 0", "OFFSET 0 x 0"),
            r"OFFSET of mixamorig:Neck: expected numbers, got '0 x 0'",
        ),
        (lambda t: t.replace("Frame Time", "Rate"), r"no 'Frames:' and 'Frame Time:'"),
        (lambda t: t.replace("Frame Time: ", "Frame Time: 1000"), r"the frame rate must be between 0.1 and 1000"),
        (
            lambda t: t.replace("LeftLeg", "LeftShin"),
            r"the map 'mixamo' makes LKnee from 'LeftLeg', which the file does not",
        ),
    ],
)
def test_bad_bvh_gives_one_line(tmp_path, change, line):
    files.write_bvh(tmp_path / "a.bvh")
    (tmp_path / "a.bvh").write_text(change((tmp_path / "a.bvh").read_text()))
    with pytest.raises(PrmlError, match=rf"a\.bvh: .*{line}|a\.bvh: {line}") as caught:
        import_files([tmp_path / "a.bvh"], joint_map("mixamo"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("07_01.amc", _cut_frames, r"07_01\.amc: .* rows of .*truncated|unequal length"),
        (
            "07_01.amc",
            lambda t: t.replace("lfemur", "lthigh"),
            r"bone 'lthigh' is not in the skeleton; give the subject's own",
        ),
        ("07_01.amc", lambda t: "", r"not an AMC take"),
        ("07.asf", lambda t: t[:100], r"07\.asf: not an ASF skeleton: expected :bonedata"),
        ("07.asf", lambda t: t.replace("root lowerback", "nowhere lowerback"), r"lowerback has no path to the root"),
    ],
)
def test_bad_asf_amc_gives_one_line(tmp_path, name, change, line):
    (amc,) = files.write_asf_amc(tmp_path)
    (tmp_path / name).write_text(change((tmp_path / name).read_text()))
    with pytest.raises(PrmlError, match=line) as caught:
        import_files([amc], joint_map("cmu"))
    assert "\n" not in str(caught.value)


def _mutations(text, count, rng):
    """The text truncated, or with a few words dropped, changed or swapped."""
    words = re.split(r"(\s+)", text)
    for _ in range(count):
        if rng.random() < 0.2:
            yield text[: rng.integers(len(text))]
            continue
        made = list(words)
        for at in 2 * rng.integers(len(words) // 2, size=2):  # every second one is white space
            other = words[rng.integers(len(words))]
            made[at] = str(rng.choice(["", "0", "-1", "1e300", "nan", "{", "}", "XYQ", other]))
        yield "".join(made)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numbers beyond all bounds
@pytest.mark.parametrize(("kind", "skeleton"), [("bvh", "mixamo"), ("asf", "cmu"), ("amc", "cmu")])
def test_whatever_is_wrong_in_a_file_it_is_one_line_or_well(tmp_path, kind, skeleton):
    files.write_bvh(tmp_path / "a.bvh", frames=4)
    (amc,) = files.write_asf_amc(tmp_path, frames=4)
    damaged = {"bvh": tmp_path / "a.bvh", "asf": tmp_path / "07.asf", "amc": amc}[kind]
    whole, said = damaged.read_text(), []
    for text in _mutations(whole, 40, np.random.default_rng(0)):
        damaged.write_text(text)
        try:
            clips = import_files([tmp_path / "a.bvh" if kind == "bvh" else amc], joint_map(skeleton), file_fps=30.0)
            write_mocap_npz(clips, tmp_path / "out.npz", overwrite=True)
        except PrmlError as error:
            said.append(str(error))
    assert len(said) > 5
    assert not any("\n" in line for line in said)


def test_bad_c3d_gives_one_line(tmp_path):
    pytest.importorskip("ezc3d")
    (tmp_path / "a.c3d").write_bytes(b"no c3d" * 200)
    with pytest.raises(PrmlError, match=r"a\.c3d: not a readable C3D file"):
        read_c3d(tmp_path / "a.c3d")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("joints: {Hip: a}", r"joints must be exactly .*'Head' is missing"),
        ("about: x", r"needs the entry 'joints'"),
        ("scale: 2\njoints: {}", r"unknown entry 'scale'; known are about"),
        ("[", r"not YAML"),
    ],
)
def test_bad_maps_give_one_line(tmp_path, text, line):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(PrmlError, match=line):
        joint_map(str(tmp_path / "m.yaml"))


def test_unknown_map_and_wrong_format_are_named(tmp_path):
    with pytest.raises(PrmlError, match=r"no joint map 'vicon'; expected one of .*mixamo.*plug_in_gait"):
        joint_map("vicon")
    with pytest.raises(PrmlError, match=r"the map 'mixamo' reads \.bvh files, and none was given"):
        import_files([tmp_path / "a.c3d"], joint_map("mixamo"))
