"""TRC: dialects of various programs, and the names of Pose2Sim and OpenSim."""

import numpy as np
import pytest

from fixtures import mocap_files as files
from fixtures.motion import clips
from prml.datasets.importing import import_all, import_files
from prml.errors import PrmlError
from prml.io.motion import turn_z_up
from prml.io.registry import load_file
from prml.io.trc import read_trc
from prml.skeleton import H36M17

LIMBS = [joint for joint in H36M17.joints if joint[0] in "LR"]


def _halpe(clip):
    """HALPE_26 as Pose2Sim writes it (y up): limbs, crown, nose, and the neck between shoulders and ears."""
    at = {name: clip[:, i] @ turn_z_up("y") for i, name in enumerate(H36M17.joints)}
    points = {name: at[name] for name in LIMBS}
    ears = (at["Nose"] + at["Head"]) / 2
    points["Neck"] = at["Thorax"] + 0.07 * (ears - at["Thorax"]) / 0.2
    points["Head"] = 2 * ears - points["Neck"]
    return points | {"Nose": ears}


@pytest.fixture(scope="module")
def body():
    (clip,) = clips(1, 90)
    return clip


@pytest.fixture
def trc(tmp_path, body):
    files.write_trc(tmp_path / "a.trc", _halpe(body))
    return tmp_path / "a.trc"


def test_pose2sims_names_become_the_17_joints(trc, body):
    made = import_all([trc])
    assert made.maps == {trc: "halpe26"}
    (clip,) = import_files([trc], fps=60.0)
    assert not [f for f in clip.findings if f.level == "error"]
    limbs = [H36M17.index(j) for j in LIMBS]
    np.testing.assert_allclose(clip.joints_m[:, limbs], body[:, limbs], atol=1e-6)
    assert np.median(np.linalg.norm(clip.joints_m - body, axis=-1), axis=0).max() < 0.06


def test_millimetres_are_read_as_the_header_says(trc, tmp_path, body):
    files.write_trc(tmp_path / "mm.trc", _halpe(body), unit="mm")
    a, b = (read_trc(path) for path in (trc, tmp_path / "mm.trc"))
    assert (a.unit_m, b.unit_m, a.fps) == (1.0, 0.001, 60.0)
    np.testing.assert_allclose(b.points["LKnee"] * 0.001, a.points["LKnee"], atol=1e-9)


def test_a_unit_that_the_people_contradict_is_judged_by_their_size(trc):
    """One converter labels metres as mm."""
    trc.write_text(trc.read_text().replace("\tm\t", "\tmm\t"))
    (clip,) = import_files([trc])
    assert [f.level for f in clip.findings] == ["warning"]
    assert "read as metres instead of 0.001 m" in clip.findings[0].text


DIALECTS = {
    "a blank line before the data": lambda lines: [*lines[:5], "", *lines[5:]],
    "tabs at the end of every line": lambda lines: [f"{line}\t\t" for line in lines],
    "one tab between names": lambda lines: [*lines[:3], lines[3].replace("\t\t\t", "\t"), *lines[4:]],
    "a wrong count of markers": lambda lines: [*lines[:2], lines[2].replace("\t15\t", "\t99\t"), *lines[3:]],
    "a byte order mark": lambda lines: [f"\ufeff{lines[0]}", *lines[1:]],
    "spaces in the first line": lambda lines: [lines[0].replace("\t", "  "), *lines[1:]],
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_give_the_same_points(trc, dialect):
    expected = read_trc(trc)
    trc.write_text("\n".join(DIALECTS[dialect](trc.read_text().splitlines())), encoding="utf-8")
    made = read_trc(trc)
    assert made.notes == ()
    assert list(made.points) == list(expected.points)
    for name, points in expected.points.items():
        np.testing.assert_array_equal(made.points[name], points)


@pytest.mark.parametrize("gap", ["nan\tnan\tnan", "NaN\tNaN\tNaN", "\t\t", "0.0\t0.0\t0.0"])
@pytest.mark.parametrize("marker", [0, 14])
def test_a_gap_is_a_gap_however_it_is_written(trc, gap, marker):
    lines = trc.read_text().splitlines()
    cells = lines[10].split("\t")
    cells[2 + 3 * marker : 5 + 3 * marker] = gap.split("\t")
    lines[10] = "\t".join(cells)
    trc.write_text("\n".join(lines))
    motion = read_trc(trc)
    for n, points in enumerate(motion.points.values()):
        assert np.isnan(points).any(1).nonzero()[0].tolist() == ([5] if n == marker else [])


def test_a_last_cell_that_was_cut_off_is_a_gap(trc):
    lines = trc.read_text().splitlines()
    lines[10] = "\t".join(lines[10].split("\t")[:-3])
    trc.write_text("\n".join(lines))
    last = list(read_trc(trc).points.values())[-1]
    assert np.isnan(last).any(1).nonzero()[0].tolist() == [5]


def test_a_wrong_frame_count_is_said_and_all_frames_are_read(trc):
    trc.write_text(trc.read_text().replace("\t90\t15\t", "\t88\t15\t"))
    motion = read_trc(trc)
    assert len(motion) == 90
    assert motion.notes == ("states 88 frames but has 90; all are read",)


def test_the_rate_comes_from_the_times_where_the_header_has_none(trc):
    trc.write_text(trc.read_text().replace("60.0\t60.0\t90", "0\t0\t90"))
    assert read_trc(trc).fps == pytest.approx(60)


def test_opensims_markers_become_joints(tmp_path, body):
    """With markers placed around the joints as the map describes, limbs are recovered within the rule's spread."""
    at = {name: body[:, i] @ turn_z_up("y") for i, name in enumerate(H36M17.joints)}
    gait = {name: xyz @ turn_z_up("y") for name, xyz in files.gait_markers(body).items()}
    left = gait["LASI"] - gait["RASI"]
    left = left / np.linalg.norm(left, axis=-1, keepdims=True)
    points = {"V.Sacral": (gait["LPSI"] + gait["RPSI"]) / 2, "Top.Head": at["Head"] + 0.3 * (at["Head"] - at["Nose"])}
    for s, sign in (("L", 1), ("R", -1)):
        points |= {f"{s}.ASIS": gait[f"{s}ASI"], f"{s}.Acromium": gait[f"{s}SHO"]}
        points |= {
            f"{s}.Knee.Lat": at[f"{s}Knee"] + sign * 0.058 * left,
            f"{s}.Elbow": at[f"{s}Elbow"] + sign * 0.042 * left,
        }
        points |= {f"{s}.Ankle.Lat": at[f"{s}Ankle"] + sign * 0.043 * left}
        points |= {f"{s}.Wrist.Med": gait[f"{s}WRA"], f"{s}.Wrist.Lat": gait[f"{s}WRB"]}
    files.write_trc(tmp_path / "walk.trc", points, unit="mm")
    made = import_all([tmp_path / "walk.trc"])
    assert set(made.maps.values()) == {"opensim_gait"}
    (clip,) = import_files([tmp_path / "walk.trc"], fps=60.0)
    apart = np.median(np.linalg.norm(clip.joints_m - body, axis=-1), axis=0)
    for joint in LIMBS:
        limit = 0.06 if joint[1:] == "Hip" else 0.03 if joint[1:] == "Shoulder" else 0.005
        assert apart[H36M17.index(joint)] < limit, joint


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda t: t[:40], "not a TRC file"),
        (lambda t: t.replace("PathFileType", "Path"), "not a TRC file"),
        (lambda t: "\n".join([*t.splitlines()[:5], " "]), "has no frames"),
        (lambda t: t.replace("\n3\t", "\n3\tx"), "frame 3 contains a non-numeric value"),
        (lambda t: t.replace("\n3\t", "\n3\t1\t"), "frame 3 has 48 cells, expected 47"),
        (lambda t: "\n".join([*t.splitlines()[:3], "Frame#\tTime", *t.splitlines()[4:]]), "has no marker names"),
    ],
)
def test_bad_trc_gives_one_line(trc, change, line):
    trc.write_text(change(trc.read_text()))
    with pytest.raises(PrmlError, match=f"^a\\.trc: .*{line}") as caught:
        read_trc(trc)
    assert "\n" not in str(caught.value)


def _named(clip, up):
    return {name: clip[:, i] @ turn_z_up(up) for i, name in enumerate(H36M17.joints)}


def test_a_root_at_zero_throughout_is_no_gap(tmp_path, body):
    at = _named(body - body[:, :1], "y")
    at = {name: xyz.copy() for name, xyz in at.items()}
    for name, xyz in at.items():
        xyz[10:13] = 0 if name != "Nose" else np.nan  # nobody is seen
    at["LWrist"][5] = 0
    files.write_trc(tmp_path / "root.trc", at)
    told = []
    (person,) = load_file(tmp_path / "root.trc", warn=told.append).people
    expected = body - body[:, :1]
    expected[10:13] = np.nan
    expected[5, H36M17.index("LWrist")] = np.nan
    np.testing.assert_allclose(person.joints_m, expected, atol=1e-5)
    assert told == ["root.trc: Hip is at zero throughout: read as the root of root-relative positions"]


def test_a_marker_at_zero_that_is_not_in_the_body_is_a_gap(tmp_path, body):
    at = _named(body + [3, 3, 3], "y")
    at["LWrist"] = np.zeros_like(at["LWrist"])
    files.write_trc(tmp_path / "lost.trc", at)
    assert np.isnan(read_trc(tmp_path / "lost.trc").points["LWrist"]).all()


def test_two_markers_at_zero_throughout_are_gaps(tmp_path, body):
    at = _named(body - body[:, :1], "y") | {"LWrist": np.zeros_like(body[:, 0])}
    files.write_trc(tmp_path / "two.trc", at)
    read = read_trc(tmp_path / "two.trc")
    assert np.isnan(read.points["LWrist"]).all()
    assert np.isnan(read.points["Hip"]).all()


def test_our_own_names_are_y_up_as_in_other_trc_files(tmp_path, body):
    files.write_trc(tmp_path / "ours.trc", _named(body, "y"))
    (person,) = load_file(tmp_path / "ours.trc").people
    np.testing.assert_allclose(person.joints_m, body, atol=1e-5)
    (person,) = load_file(tmp_path / "ours.trc", up="z").people
    np.testing.assert_allclose(person.joints_m, body @ turn_z_up("y"), atol=1e-5)
