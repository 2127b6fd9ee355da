"""Files of motion for other programs, read by those programs' libraries and by ourselves."""

import importlib
import sys

import numpy as np
import pytest

from fixtures.walks import walk
from prml.errors import PrmlError
from prml.filters.joint_angles import JointAngles
from prml.io.c3d_write import MAX_EVENTS, MAX_FRAMES
from prml.io.motion import axis_rotation
from prml.io.registry import get_format, load_file, save_file
from prml.io.trc import read_trc
from prml.io.world import evenly, file_times, is_even, y_up
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17

WORLD = ("trc", "mot", "c3d", "csv", "csv_long", "parquet", "parquet_long", "holosoma", "bvh", "glb")
TRC = {
    "Hip RHip RKnee RAnkle RBigToe RHeel LHip LKnee LAnkle LBigToe LHeel Neck Head Nose RShoulder RElbow RWrist "
    "LShoulder LElbow LWrist": "Hip RHip RKnee RAnkle RToe RHeel LHip LKnee LAnkle LToe LHeel Thorax Head NoseTip "
    "RShoulder RElbow RWrist LShoulder LElbow LWrist"
}
MARKERS, SOURCES = (text.split() for text in next(iter(TRC.items())))


def _library(name):
    return pytest.importorskip(name, reason=f"needs {name}, which is not installed")


def _trc_truth(person):
    joints = person.joints_m[:, [BODY28.index(name) for name in SOURCES]]
    return np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], -1)


# ------------------------------------------------------------------------------------------------ rules of all
@pytest.mark.parametrize("name", WORLD)
def test_only_motions_in_the_world_are_written(tmp_path, name):
    chosen = get_format(name)
    path = tmp_path / f"a{chosen.suffixes[0]}"
    person = walk(12)
    for wrong in (person.with_(frame="camera"), person.relative_to_root(), person.with_(joints_m=None)):
        with pytest.raises(PrmlError, match="world"):
            save_file(wrong, path, name)
    with pytest.raises(PrmlError, match=r"nobody|a frame in which all joints"):
        save_file(person.with_(joints_m=np.full((12, 28, 3), np.nan)), path, name)
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []
    save_file(person, path, name)
    before = path.read_bytes()
    with pytest.raises(PrmlError, match="exists; pass overwrite=True"):
        save_file(person, path, name)
    assert path.read_bytes() == before
    save_file(person, path, name, overwrite=True)


@pytest.mark.parametrize("name", ["trc", "mot", "holosoma", "bvh"])
def test_a_file_of_one_person_refuses_two(tmp_path, name):
    two = Scene((walk(12, track_id=0), walk(12, track_id=1)))
    with pytest.raises(PrmlError, match="holds one person, the scene has 2"):
        save_file(two, tmp_path / f"a{get_format(name).suffixes[0]}", name)


@pytest.mark.parametrize("name", ["trc", "mot", "holosoma"])
def test_a_file_without_gaps_refuses_them(tmp_path, name):
    with pytest.raises(PrmlError, match=r"holds no gaps, and the person is absent in 1 of 60 frames \(from frame 20\)"):
        save_file(walk(gaps=True), tmp_path / f"a{get_format(name).suffixes[0]}", name)


def test_times_are_exact_and_uneven_ones_are_resampled():
    person = walk(60, 59.94)
    assert file_times(person)[7] == 7 / 59.94
    later = person.take(slice(10, None))
    assert file_times(later)[0] == 10 / 59.94
    times = np.arange(60) / 59.94 + np.random.default_rng(0).uniform(0, 0.006, 60)
    uneven = person.with_(times_s=times)
    np.testing.assert_array_equal(file_times(uneven), times)
    assert not is_even(times, 59.94)
    even = evenly(uneven)
    assert is_even(even.times_s, 59.94)
    line = np.repeat(times[:, None, None], 28, 1) * [1.0, 2.0, 3.0]
    straight = evenly(uneven.with_(joints_m=line, has_person=None)).joints_m
    np.testing.assert_allclose(straight[:, 0, 0], even.times_s, atol=1e-12)
    gap = uneven.with_(joints_m=np.where(np.arange(60)[:, None, None] == 20, np.nan, line))
    assert np.isnan(evenly(gap).joints_m).any()


def test_y_up_is_a_rotation():
    np.testing.assert_array_equal(y_up(np.eye(3)), [[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    assert np.linalg.det(y_up(np.eye(3))) == pytest.approx(1)


# ------------------------------------------------------------------------------------------------ TRC
def test_trc_follows_the_dialect_that_all_readers_take(tmp_path):
    person = walk(40)
    person.joints_m[3, BODY28.index("LWrist")] = np.nan
    save_file(person, tmp_path / "a.trc")
    lines = (tmp_path / "a.trc").read_text().split("\n")
    assert lines[1].split("\t")[2:5] == ["NumFrames", "NumMarkers", "Units"]
    assert lines[2].split("\t") == ["59.94", "59.94", "40", str(len(MARKERS)), "m", "59.94", "1", "40"]
    assert lines[3].split("\t")[2::3] == MARKERS
    assert lines[5] == ""
    assert lines[-1] == ""
    width = 2 + 3 * len(MARKERS)
    rows = [line.split("\t") for line in lines[6:-1]]
    assert {len(row) for row in (lines[3].split("\t"), lines[4].split("\t"), *rows)} == {width}
    assert all(cell for row in rows for cell in row)
    assert rows[3][-3:] == ["NaN"] * 3
    assert [float(row[1]) for row in rows] == [frame / 59.94 for frame in range(40)]


def test_trc_comes_back(tmp_path):
    person = walk(30, 100.0)
    save_file(person, tmp_path / "a.trc")
    motion = read_trc(tmp_path / "a.trc")
    assert (motion.fps, motion.unit_m) == (100.0, 1.0)
    for name, source in zip(MARKERS, np.moveaxis(_trc_truth(person), 1, 0), strict=True):
        np.testing.assert_allclose(motion.points[name], source, atol=1e-6)
    back = load_file(tmp_path / "a.trc").prominent
    limbs = [i for i, j in enumerate(H36M17.joints) if j[0] in "LR"]
    np.testing.assert_allclose(back.joints_m[:, limbs], person.joints_m[:, limbs], atol=1e-5)
    save_file(person.take(slice(10, 20)), tmp_path / "b.trc")
    first = (tmp_path / "b.trc").read_text().split("\n")[6].split("\t")
    assert first[:2] == ["11", "0.1"]


def test_trc_by_trc_data_reader(tmp_path):
    trc = _library("trc")
    person = walk(30)
    save_file(person, tmp_path / "a.trc")
    data = trc.TRCData()
    data.load(str(tmp_path / "a.trc"))
    assert data["Markers"] == MARKERS
    assert data["NumFrames"] == 30
    read = np.array([data[name] for name in MARKERS]).transpose(1, 0, 2)
    np.testing.assert_allclose(read, _trc_truth(person), atol=1e-6)


# ------------------------------------------------------------------------------------------------ MOT
def _mot(path):
    lines = path.read_text().splitlines()
    end = lines.index("endheader")
    header = dict(line.split("=") for line in lines[1:end])
    rows = np.array([[float(cell) for cell in line.split("\t")] for line in lines[end + 2 :]])
    names = lines[end + 1].split("\t")
    assert (header["nRows"], header["nColumns"]) == (str(len(rows)), str(len(names)))
    assert header["inDegrees"] == "yes"
    return dict(zip(names, rows.T, strict=True))


def test_mot_has_no_gap_and_continuous_angles(tmp_path):
    person = walk(60)
    save_file(person, tmp_path / "a.mot")
    table = _mot(tmp_path / "a.mot")
    assert {"pelvis_ty", "hip_flexion_r", "knee_angle_l", "ankle_angle_r", "lumbar_extension"} <= set(table)
    assert all(np.isfinite(values).all() for values in table.values())
    np.testing.assert_array_equal(table["time"], np.arange(60) / 59.94)
    np.testing.assert_allclose(table["pelvis_ty"], person.joints_m[:, 0, 2], atol=1e-6)
    angles = JointAngles.of(person)
    np.testing.assert_allclose(table["knee_angle_r"], angles.column("knee_flexion_right"), atol=1e-5)
    np.testing.assert_allclose(table["hip_adduction_l"], -angles.column("hip_abduction_left"), atol=1e-5)


def _turn(axis, degrees):
    return axis_rotation(axis, np.radians(degrees))


def test_the_pelvis_turns_with_the_person(tmp_path):
    """Tilt about Z, list about X, rotation about Y, one after the other, as OpenSim's pelvis; past 180 degrees too."""
    person = walk(60)
    save_file(person, tmp_path / "a.mot")
    angle = np.linspace(0, 2 * np.pi, 60)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y, z = np.moveaxis(np.asarray(person.joints_m), -1, 0)
    save_file(person.with_(joints_m=np.stack([c * x - s * y, s * x + c * y, z], -1)), tmp_path / "b.mot")
    before, after = _mot(tmp_path / "a.mot"), _mot(tmp_path / "b.mot")
    first, second = (
        _turn("Z", t["pelvis_tilt"]) @ _turn("X", t["pelvis_list"]) @ _turn("Y", t["pelvis_rotation"])
        for t in (before, after)
    )
    np.testing.assert_allclose(second, _turn("Y", np.degrees(angle)) @ first, atol=1e-5)
    assert np.abs(np.diff(after["pelvis_rotation"])).max() < 20
    for name in set(before) - {"pelvis_tilt", "pelvis_list", "pelvis_rotation", "pelvis_tx", "pelvis_tz"}:
        np.testing.assert_allclose(after[name], before[name], atol=1e-4, err_msg=name)


# ------------------------------------------------------------------------------------------------ C3D
def test_c3d_by_ezc3d(tmp_path):
    ezc3d = _library("ezc3d")
    person = walk(gaps=True)
    save_file(person, tmp_path / "a.c3d")
    file = ezc3d.c3d(str(tmp_path / "a.c3d"))
    point, event = file["parameters"]["POINT"], file["parameters"]["EVENT"]
    assert point["LABELS"]["value"] == list(BODY28.joints)
    assert (point["UNITS"]["value"], point["X_SCREEN"]["value"], point["Y_SCREEN"]["value"]) == (["mm"], ["+X"], ["+Z"])
    assert point["RATE"]["value"][0] == pytest.approx(59.94, abs=1e-4)
    lost = np.isnan(person.joints_m).any(-1)
    read = file["data"]["points"][:3].transpose(2, 1, 0) / 1000
    np.testing.assert_allclose(read[~lost], person.joints_m[~lost], atol=1e-6)
    residuals = file["data"]["meta_points"]["residuals"][0].T
    np.testing.assert_array_equal(residuals < 0, lost)
    assert event["LABELS"]["value"] == ["Foot Strike", "Foot Strike", "Foot Off", "Foot Off"]
    assert event["CONTEXTS"]["value"] == ["Left", "Right", "Left", "Right"]
    np.testing.assert_allclose(60 * event["TIMES"]["value"][0] + event["TIMES"]["value"][1], [
        10 / 59.94, 30 / 59.94, 40 / 59.94, 50 / 59.94
    ], atol=1e-5)  # fmt: skip


def test_c3d_by_python_c3d(tmp_path):
    c3d = _library("c3d")
    person = walk(gaps=True)
    save_file(person, tmp_path / "a.c3d")
    with (tmp_path / "a.c3d").open("rb") as file:
        reader = c3d.Reader(file)
        frames = np.array([points for _, points, _ in reader.read_frames()])
    assert [label.strip() for label in reader.point_labels] == list(BODY28.joints)
    lost = np.isnan(person.joints_m).any(-1)
    np.testing.assert_array_equal(frames[..., 3] < 0, lost)
    np.testing.assert_allclose(frames[..., :3][~lost] / 1000, person.joints_m[~lost], atol=1e-6)


def test_c3d_comes_back_with_its_people(tmp_path):
    _library("ezc3d")
    near, far = walk(gaps=True, track_id=0), walk(shift_m=1.0, track_id=7)
    save_file(Scene((near, far)), tmp_path / "a.c3d")
    scene = load_file(tmp_path / "a.c3d")
    assert [person.name for person in scene] == ["Person0", "Person7"]
    for back, given in zip(scene, (near, far), strict=True):
        np.testing.assert_allclose(back.joints_m, given.joints_m[:, :17], atol=1e-6)


def test_c3d_says_what_it_cannot_hold(tmp_path):
    long = PoseSequence.regular(MAX_FRAMES + 1, 50.0, H36M17, joints_m=np.ones((MAX_FRAMES + 1, 17, 3)), frame="world")
    with pytest.raises(PrmlError, match=r"holds at most 65534 frames .*, the motion has 65535; save parts"):
        save_file(long, tmp_path / "a.c3d")
    save_file(long.take(slice(0, MAX_FRAMES)), tmp_path / "a.c3d")
    if importlib.util.find_spec("ezc3d"):
        assert len(load_file(tmp_path / "a.c3d", unit_m=0.001).times_s) == MAX_FRAMES


def test_many_events_and_points(tmp_path):
    ezc3d = _library("ezc3d")
    person = walk(1200)
    steps = np.zeros((1200, 4), bool)
    steps[np.arange(1200) % 4 < 2] = True
    people = Scene(tuple(person.with_(contacts=steps, track_id=n) for n in range(12)))  # 336 points
    save_file(people, tmp_path / "a.c3d")
    file = ezc3d.c3d(str(tmp_path / "a.c3d"))
    assert file["parameters"]["EVENT"]["USED"]["value"][0] == MAX_EVENTS
    labels = file["parameters"]["POINT"]["LABELS"]["value"] + file["parameters"]["POINT"]["LABELS2"]["value"]
    assert labels[-1] == "Person11:REar"
    assert len(load_file(tmp_path / "a.c3d")) == 12


# ------------------------------------------------------------------------------------------------ tables
@pytest.mark.parametrize("name", ["csv", "csv_long"])
def test_csv_comes_back(tmp_path, name):
    near, far = walk(gaps=True, track_id=0), walk(shift_m=1.0, track_id=7)
    save_file(near, tmp_path / "one.csv", name)
    one = load_file(tmp_path / "one.csv")
    assert one.fps == pytest.approx(59.94)
    np.testing.assert_allclose(one.prominent.joints_m, near.joints_m[:, :17], atol=1e-6)
    save_file(Scene((near, far)), tmp_path / "a.csv", name)
    scene = load_file(tmp_path / "a.csv")
    assert len(scene) == 2
    for back, given in zip(scene, (near, far), strict=True):
        np.testing.assert_allclose(back.joints_m, given.joints_m[:, :17], atol=1e-6)


def test_the_columns_of_a_table(tmp_path):
    save_file(walk(gaps=True), tmp_path / "a.csv")
    head, *rows = (tmp_path / "a.csv").read_text().splitlines()
    names = head.split(",")
    assert names[:6] == ["person", "frame", "time_s", "Hip_x_m", "Hip_y_m", "Hip_z_m"]
    assert names[-4:] == ["contact_LHeel", "contact_LToe", "contact_RHeel", "contact_RToe"]
    assert "knee_flexion_left_deg" in names
    assert len(rows) == 60
    gone = dict(zip(names, rows[20].split(","), strict=True))
    assert (gone["frame"], gone["Hip_x_m"], gone["knee_flexion_left_deg"]) == ("20", "", "")
    assert rows[12].endswith("1,0,0,0")


@pytest.mark.parametrize("name", ["parquet", "parquet_long"])
def test_parquet_holds_what_csv_holds(tmp_path, name):
    pq = _library("pyarrow.parquet")
    csv = _library("pyarrow.csv")
    scene = Scene((walk(gaps=True, track_id=0), walk(shift_m=1.0, track_id=7)))
    save_file(scene, tmp_path / "a.parquet", name)
    save_file(scene, tmp_path / "a.csv", name.replace("parquet", "csv"))
    ours, text = pq.read_table(tmp_path / "a.parquet"), csv.read_csv(tmp_path / "a.csv")
    assert ours.column_names == text.column_names
    assert ours.num_rows == text.num_rows
    for column in ours.column_names:
        left, right = ours[column].to_pylist(), text[column].to_pylist()
        assert [v is None for v in left] == [v is None or v == "" for v in right], column
        if any(isinstance(value, float) for value in left):
            known = [(a, b) for a, b in zip(left, right, strict=True) if a is not None]
            np.testing.assert_allclose(*np.array(known).T, atol=1e-4)
        else:
            assert left == right


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PrmlError, match=r"Parquet needs pyarrow: pip install 'prml-pose\[parquet\]', or write CSV"):
        save_file(walk(5), tmp_path / "a.parquet", "parquet")


def test_tables_of_others(tmp_path):
    points = np.random.default_rng(0).normal(0, 300, (5, 2, 3))
    rows = [",".join(["time", *(f"{n}.{a} (mm)" for n in ("LKnee", "RKnee") for a in "XYZ")])]
    rows += [",".join([f"{i / 50:.3f}", *(f"{v:.4f}" for v in row.ravel())]) for i, row in enumerate(points)]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    from prml.io.table import read_csv

    motion = read_csv(tmp_path / "a.csv")
    assert (motion.fps, motion.unit_m, motion.up) == (50.0, 0.001, None)
    np.testing.assert_allclose(motion.points["RKnee"], points[:, 1], atol=1e-3)
    for text, line in {
        "a,b\n1,2\n": "has no points: expected columns such as LKnee_x",
        "A_x,A_y,A_z\n1,2\n": "line 2 has 2 cells, the header 3",
        "A_x,A_y,A_z\n1,2,p\n": "the column 'A_z' contains a value that is not a number",
        "A_x,A_y,A_z\n": "has no rows of numbers",
        "A_x,A_x,A_y,A_z\n1,2,3,4\n": "has the column 'A_x' twice",
    }.items():
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(PrmlError, match=line):
            read_csv(tmp_path / "a.csv")


# ------------------------------------------------------------------------------------------------ robots
def test_positions_for_holosoma(tmp_path):
    person = walk(20, 30.0)
    save_file(person, tmp_path / "a.npz", "holosoma")
    data = np.load(tmp_path / "a.npz")
    positions = data["global_joint_positions"]
    assert positions.shape == (20, 22, 3)
    for index, name in {0: "Hip", 1: "LHip", 5: "RKnee", 10: "LToe", 12: "Thorax", 19: "RElbow", 21: "RWrist"}.items():
        np.testing.assert_allclose(positions[:, index], person.joints_m[:, BODY28.index(name)], atol=1e-6)
    assert 1.4 < data["height"] < 2.1
    assert data["height"].shape == ()
    with pytest.raises(PrmlError, match="needs the feet, got h36m17; lift with weights of 28 joints"):
        save_file(person.to_skeleton(H36M17), tmp_path / "b.npz", "holosoma")
    part = person.with_(joints_m=person.joints_m.copy())
    part.joints_m[3, BODY28.index("LWrist")] = np.nan
    with pytest.raises(PrmlError, match="L_Wrist is not known in every frame"):
        save_file(part, tmp_path / "b.npz", "holosoma")
