import hashlib
import json
import re
from base64 import b64decode, b64encode

import numpy as np
import pytest
from view_people import walker

from prml.errors import PrmlError
from prml.filters.angles import BendAngles
from prml.filters.joint_angles import JointAngles
from prml.filters.root import Placement
from prml.sequence import PoseSequence
from prml.skeleton import H36M17
from prml.view.mannequin import Mannequin
from prml.view.page.pack import facts, printable, quantise
from prml.view.page.page import write_viewer
from prml.view.room import Footprints
from prml.view.thumbnails import Thumbnails
from prml.view.trust import Trust


def carried(path):
    """The record and raw arrays of a page, read back from its text."""
    page = path.read_text("utf-8")
    meta = json.loads(re.search(r'<script type="application/json" id="meta">(.*?)</script>', page)[1])
    arrays = re.findall(r'<script type="application/octet-stream" id="data-([\w-]+)">(.*?)</script>', page, re.DOTALL)
    return meta, {name: b64decode(text) for name, text in arrays if name != "pictures"}


def test_one_file_that_asks_for_nothing(tmp_path, make_person):
    path = write_viewer(make_person(), tmp_path / "v.html", title="A <b>man</b> & {{CSS}} </script>")
    page = path.read_text("utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["v.html"]
    assert "<b>man</b>" not in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    assert not re.search(r"@import|url\(\s*['\"]?https?:", page)
    assert "default-src 'none'" in page
    assert "SPDX-License-Identifier: MIT" in page  # three.js goes along with every page


def test_the_browser_is_told_to_run_the_page_s_own_scripts_only(tmp_path, make_person):
    page = write_viewer(make_person(3), tmp_path / "v.html", title="t").read_text("utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    allowed = re.search(r"script-src ([^;]*)", policy)[1].split()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in scripts]
    assert allowed == [f"'sha256-{value}'" for value in hashes]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("walk.mp4", "walk.mp4"),
        ("caf\u00e9 \u4e2d\u6587 \U0001f600", "caf\u00e9 \u4e2d\u6587 \U0001f600"),
        ("a\udcffb.mp4", "a\ufffdb.mp4"),  # what Python makes of a file name that is not UTF-8
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[31mred\x07\x00", "\ufffd[31mred\ufffd\ufffd"),
        ("gpj.\u202etxt", "gpj.\ufffdtxt"),  # turns the text around
        ("", ""),
    ],
)
def test_names_are_shown_in_one_line_of_valid_text(tmp_path, make_person, given, shown):
    assert printable(given) == shown
    labelled = make_person(3).with_(subject=given, action=given, source=given)
    meta, _ = carried(write_viewer(labelled, tmp_path / "v.html", title=given))
    assert meta["title"] == shown
    assert shown in meta["subtitle"]


def test_long_names_are_cut():
    assert len(printable("x" * 5000)) == 300
    assert printable("x" * 300) == "x" * 300


def test_no_name_ends_the_page_s_data_early(tmp_path, make_person):
    name = "</script><script>alert(1)</script><!--<script>{{META}}"
    meta, _ = carried(write_viewer(make_person(3).with_(source=name), tmp_path / "v.html", title=name))
    assert meta["title"] == name
    assert dict(meta["facts"])["Source"] == name


def test_existing_files_stay_unless_overwriting_is_allowed(tmp_path, make_person):
    path = tmp_path / "v.html"
    path.write_text("precious")
    with pytest.raises(PrmlError, match="exists"):
        write_viewer(make_person(), path, title="t")
    assert path.read_text() == "precious"
    assert write_viewer(make_person(), path, title="t", overwrite=True).stat().st_size > 100_000


def test_what_cannot_be_shown_is_refused(tmp_path, make_person):
    with pytest.raises(PrmlError, match="3D joints"):
        write_viewer(make_person().with_(joints_m=None), tmp_path / "v.html", title="t")
    with pytest.raises(PrmlError, match="at least one frame"):
        write_viewer(PoseSequence.regular(0, 25, joints_m=np.zeros((0, 17, 3))), tmp_path / "v.html", title="t")
    assert list(tmp_path.iterdir()) == []


def test_eighteen_thousand_frames_with_pictures_stay_under_ten_megabytes(tmp_path, make_person):
    sequence = make_person(18_000)
    thumbnails = Thumbnails()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (180, 320, 3), dtype=np.uint8)
    for index in range(3000):
        if thumbnails.wants(index):
            thumbnails.add(index, np.roll(noise, index, 1))
    path = write_viewer(sequence, tmp_path / "v.html", title="long", video_frames=thumbnails)
    assert path.stat().st_size < 10_000_000


def test_packing_is_within_half_a_unit_and_keeps_gaps(make_person):
    values = make_person(30, gap=[4]).joints_m
    packed, unit = quantise(values, 0.0005)
    assert unit == 0.0005
    assert (packed[4] == -32768).all()
    kept = np.isfinite(values)
    assert np.abs(packed[kept] * unit - values[kept]).max() <= unit / 2 + 1e-12
    far, coarser = quantise(np.array([100.0, -100.0, np.nan]), 0.0005)
    assert np.abs(far[:2] * coarser).tolist() == pytest.approx([100, 100])


@pytest.fixture
def uneven(make_person):
    """A sequence with numbers over the whole range that the page can store."""
    rng = np.random.default_rng(0)
    sequence = make_person(30, 1920, 1080, gap=[4], filled=[9])
    return sequence.with_(
        confidence=np.where(np.isnan(sequence.confidence), np.nan, rng.uniform(0, 1, (30, 17))),
        std_m=np.where(np.isnan(sequence.std_m), np.nan, rng.uniform(0, 0.5, (30, 17, 3))),
    )


def test_the_page_carries_the_sequence_to_half_a_millimetre_and_a_millimetre_of_deviation(tmp_path, uneven):
    meta, arrays = carried(write_viewer(uneven, tmp_path / "v.html", title="t"))
    angles, kept = BendAngles.of(uneven), Trust.of(uneven).person
    shapes = {
        # name: type, steps per unit that the page states, true values, greatest error in their units
        "joints": ("<i2", meta["unit"]["joints"], uneven.joints_m, 0.00025),
        "keypoints": ("<i2", meta["unit"]["keypoints"], uneven.keypoints_px, 1 / 32),
        "std": ("u1", meta["unit"]["std"], uneven.std_m, 0.001),
        "confidence": ("u1", 1 / 255, uneven.confidence, 1 / 510),
        "angles": ("<i2", meta["unit"]["angles"], angles.degrees, 0.005),
        "angles-std": ("u1", meta["unit"]["anglesStd"], angles.std_deg, 0.25),
        "origins": ("<f4", 1.0, Placement.of(uneven).origins_m, 1e-5),
        "times": ("<f8", 1.0, uneven.times_s, 0.0),
    }
    for name, (kind, step, wanted, tolerance) in shapes.items():
        got = np.frombuffer(arrays[name], kind).reshape(wanted.shape) * step
        np.testing.assert_allclose(got[kept], wanted[kept], rtol=0, atol=tolerance + 1e-9, err_msg=name)
    assert set(arrays) == {*shapes, "flags", "faint"}


def test_what_is_beyond_a_byte_is_cut_not_wrapped(tmp_path, make_person):
    sequence = make_person(3).with_(std_m=np.full((3, 17, 3), 7.0))
    assert set(carried(write_viewer(sequence, tmp_path / "v.html", title="t"))[1]["std"]) == {255}


def test_every_frame_and_joint_carries_what_is_known_of_it(tmp_path, make_person):
    sequence = make_person(20, gap=[3], filled=[9])
    confidence, joints = sequence.confidence.copy(), sequence.joints_m.copy()
    confidence[5, :12], confidence[6, 2] = 0, 0
    joints[15] *= 2
    _, arrays = carried(
        write_viewer(sequence.with_(confidence=confidence, joints_m=joints), tmp_path / "v.html", title="t")
    )
    flags = list(arrays["flags"])
    wanted = {3: 0, 5: 1 + 2 + 4, 9: 1, 15: 1 + 2 + 8}  # person, measured, mostly inferred, implausible
    assert {t: flags[t] for t in wanted} == wanted
    assert flags[6] == flags[0] == 3
    faint = np.unpackbits(np.frombuffer(arrays["faint"], np.uint8), count=20 * 17).reshape(20, 17).astype(bool)
    assert np.flatnonzero(faint.all(1)).tolist() == [3, 5, 9]
    assert np.argwhere(faint[[0, 6, 15]]).tolist() == [[1, 2]]


def test_a_sequence_with_3d_alone_carries_3d_alone(tmp_path, make_person):
    alone = make_person(3, std=False).with_(keypoints_px=None, confidence=None, camera=None, image_size=None)
    meta, arrays = carried(write_viewer(alone, tmp_path / "v.html", title="t"))
    assert set(arrays) == {"times", "flags", "faint", "joints", "angles"}
    assert meta["camera"] is None
    assert meta["image"] is None


def test_poses_carry_no_room(tmp_path, make_person):
    meta, arrays = carried(write_viewer(make_person(3), tmp_path / "v.html", title="t"))
    assert meta["room"] is meta["stdAxes"] is None
    assert "contacts" not in arrays
    assert meta["curves"] is None
    assert "poses.npz" in meta["rounding"]


def test_a_motion_carries_its_contacts_footprints_and_mannequin(tmp_path):
    motion = walker(40)
    meta, arrays = carried(write_viewer(motion, tmp_path / "v.html", title="t"))
    bits = np.unpackbits(np.frombuffer(arrays["contacts"], np.uint8)[:, None], axis=1)[:, 4:]
    np.testing.assert_array_equal(bits.astype(bool), motion.contacts)
    room, prints = meta["room"], Footprints.of(motion)
    assert [row[:2] for row in room["prints"]] == prints.spans.tolist()
    np.testing.assert_allclose([row[3:] for row in room["prints"]], prints.places_m, atol=1e-4)
    assert {row[2] for row in room["prints"]} == {"left", "right"}
    assert len(room["bodies"]) == len(Mannequin.of(motion).bodies)
    assert meta["floor"] == 0
    assert "motion.npz" in meta["rounding"]
    assert "floor at 0" in meta["note"]
    assert "not measured" not in meta["note"]
    short, _ = carried(write_viewer(walker(4, H36M17), tmp_path / "short.html", title="t"))
    assert "hands, feet and face: an average shape, not measured" in short["note"]


def test_a_motion_adds_little_to_a_page(tmp_path):
    motion = walker(3000)
    pages = (
        write_viewer(sequence, tmp_path / f"{k}.html", title="t").stat().st_size
        for k, sequence in enumerate((motion.with_(contacts=None), motion))
    )
    plain, whole = pages
    assert whole - plain < 15_000 + 0.14 * (plain - 700_000)  # of what grows with the number of frames


def test_a_motion_carries_the_curves_of_its_joint_angles(tmp_path):
    motion = walker(20)
    joints = motion.joints_m.copy()
    joints[4] = np.nan
    motion = motion.with_(joints_m=joints)
    meta, arrays = carried(write_viewer(motion, tmp_path / "v.html", title="t"))
    angles, curves = JointAngles.of(motion), meta["curves"]
    steps = np.frombuffer(arrays["curves"], np.int8).reshape(20, curves["count"])
    assert (steps[4] == -128).all()
    for angle in curves["angles"]:
        for side, column in angle["columns"].items():
            name = angle["name"].lower().replace(" ", "_") + ("" if side == "middle" else f"_{side}")
            wanted, got = angles.column(name), steps[:, column] * curves["unit"]
            known = np.isfinite(wanted)
            assert (steps[~known, column] == -128).all()
            np.testing.assert_allclose(got[known], wanted[known], atol=curves["unit"] / 2 + 1e-9)
    assert {"Knee flexion", "Trunk rotation left"} <= {angle["name"] for angle in curves["angles"]}
    assert sorted(c for angle in curves["angles"] for c in angle["columns"].values()) == list(range(len(angles.names)))


def test_deviations_of_a_motion_are_along_the_axes_of_its_camera(tmp_path):
    motion = walker(5)
    motion = motion.with_(std_m=np.full(motion.joints_m.shape, 0.02) * [1, 1, 3])
    meta, _ = carried(write_viewer(motion, tmp_path / "v.html", title="t"))
    np.testing.assert_allclose(np.reshape(meta["stdAxes"], (3, 3)), motion.camera.R_world_to_camera)


def lines_of(sequence):
    return dict(facts(sequence, Trust.of(sequence)))


def test_facts_count_what_is_there(make_person):
    lines = lines_of(make_person(20, gap=[3, 4], filled=[9]))
    assert lines["Frames"].startswith("20 ")
    assert lines["Person measured"].startswith("17 ")
    assert lines["No person"] == "2 frames"
    assert lines["Filled in"] == "1 frame"
    assert lines["Median SD"] == "20 mm across, 60 mm in depth"
    assert lines["Re-projection"] == "0.0 px off"
    assert not {"Implausible", "Mostly inferred", "Inferred joints"} & set(lines)


def test_deviations_that_are_not_numbers_are_not_told(make_person):
    sequence = make_person(3)
    assert "Median SD" not in lines_of(sequence.with_(std_m=np.full((3, 17, 3), np.nan)))


def test_facts_count_what_cannot_be_relied_on(make_person):
    sequence = make_person(20)
    confidence, joints = sequence.confidence.copy(), sequence.joints_m.copy()
    confidence[5, :], joints[15] = 0, 2 * joints[15]
    lines = lines_of(sequence.with_(confidence=confidence, joints_m=joints))
    assert lines["Mostly inferred"] == "1 frame"
    assert lines["Implausible"] == "3 frames"  # it jumps in and out
    assert lines["Inferred joints"] == "5 %"


def test_a_variable_frame_rate_is_told_by_its_mean(make_person):
    times = [0, 0.1, 0.15, 0.4]
    assert lines_of(make_person(4, times_s=times))["Frame rate"] == "7.5 per second"
