"""The page's bytes decoded by hand: half millimetres, sixteenths of pixels, 255ths of confidence, 2 mm of deviation."""

import json
import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from prml.camera import Camera
from prml.sequence import PoseSequence
from prml.skeleton import H36M17
from prml.view.overlay.compose import Layout
from prml.view.page.pack import facts, quantise
from prml.view.page.page import write_viewer
from prml.view.stage import Stage, sides, view_rotation
from prml.view.thumbnails import Thumbnails
from prml.view.trust import Trust, measured_in, person_in

J = H36M17.index
STANDING = np.zeros((17, 3))
for _side, _x in (("L", 0.15), ("R", -0.15)):
    for _joint, _y in {"Hip": 0, "Knee": 0.43, "Ankle": 0.87, "Shoulder": -0.45, "Elbow": -0.2, "Wrist": 0.05}.items():
        STANDING[J(_side + _joint)] = (_x, _y, 0)
STANDING[[J("Spine"), J("Thorax"), J("Nose"), J("Head")], 1] = -0.2, -0.5, -0.6, -0.7


def sequence(frames=4, **changes):
    camera = Camera(640, 360, 500.0, 500.0, 320.0, 180.0)
    joints = np.repeat(STANDING[None], frames, 0)
    given = {
        "joints_m": joints,
        "keypoints_px": camera.project(joints + [0, 0, 4.0]),
        "camera": camera,
        "confidence": np.full((frames, 17), 0.9),
        "std_m": np.full((frames, 17, 3), 0.02) * [1, 1.1, 3],
        "has_person": np.ones(frames, bool),
        "filled": np.zeros(frames, bool),
        "root_relative": True,
    }
    return PoseSequence.regular(frames, 25.0, H36M17, **given | changes)


def page_of(tmp_path, shown):
    """The record of the page, and its arrays as bytes."""
    page = write_viewer(shown, tmp_path / "v.html", title="t").read_text("utf-8")
    meta = json.loads(re.search(r'id="meta">(.*?)</script>', page, re.S)[1])
    return meta, {name: b64decode(text) for name, text in re.findall(r'id="data-([\w-]+)">([^<]*)</script>', page)}


def test_joints_are_half_millimetres_in_little_endian_16_bits(tmp_path):
    meta, found = page_of(tmp_path, sequence())
    assert meta["unit"]["joints"] == 0.0005
    values = np.frombuffer(found["joints"], "<i2").reshape(4, 17, 3)
    assert values[2, J("LAnkle")].tolist() == [300, 1740, 0]
    assert values[2, J("Head")].tolist() == [0, -1400, 0]
    at = (2 * 17 + J("Head")) * 6  # -1400 is 0xFA88
    assert found["joints"][at + 2 : at + 4] == b"\x88\xfa"


def test_deviations_are_bytes_of_two_millimetres(tmp_path):
    """20, 22 and 60 mm are 10, 11 and 30; nothing is above 510 mm."""
    shown = sequence()
    shown.std_m[1, 3] = (0.51, 0.6, 0.0009)
    meta, found = page_of(tmp_path, shown)
    values = np.frombuffer(found["std"], np.uint8).reshape(4, 17, 3)
    assert meta["unit"]["std"] == 0.002
    assert values[0, 0].tolist() == [10, 11, 30]
    assert values[1, 3].tolist() == [255, 255, 0]
    np.testing.assert_allclose(values * meta["unit"]["std"], np.minimum(shown.std_m, 0.51), atol=0.00101)


def test_keypoints_are_sixteenths_of_pixels(tmp_path):
    """The left ankle stands at x = 320 + 500 x 0.15 / 4 = 338.75 and y = 180 + 500 x 0.87 / 4 = 288.75."""
    meta, found = page_of(tmp_path, sequence())
    values = np.frombuffer(found["keypoints"], "<i2").reshape(4, 17, 2)
    assert meta["unit"]["keypoints"] == 0.0625
    assert values[1, J("LAnkle")].tolist() == [5420, 4620]
    assert meta["image"] == [640, 360]


def test_confidence_is_255ths(tmp_path):
    shown = sequence()
    shown.confidence[1, :4] = (0, 0.5, 1, 0.2)
    _, found = page_of(tmp_path, shown)
    assert np.frombuffer(found["confidence"], np.uint8).reshape(4, 17)[1, :4].tolist() == [0, 128, 255, 51]


def test_flags_and_gaps(tmp_path):
    """1: there is a pose, 2: it was measured; a missing number is -32768; a missing byte is 0."""
    shown = sequence(has_person=np.array([1, 1, 0, 1], bool), filled=np.array([0, 1, 0, 0], bool))
    for name in ("joints_m", "keypoints_px", "confidence", "std_m"):
        getattr(shown, name)[2] = np.nan
    _, found = page_of(tmp_path, shown)
    assert list(found["flags"]) == [3, 1, 0, 3]
    assert (np.frombuffer(found["joints"], "<i2").reshape(4, 51)[2] == -32768).all()
    assert (np.frombuffer(found["keypoints"], "<i2").reshape(4, 34)[2] == -32768).all()
    assert not any(found["confidence"][34:51])
    assert not any(found["std"][102:153])
    assert person_in(shown).tolist() == [True, True, False, True]
    assert measured_in(shown).tolist() == [True, False, False, True]


def test_times_are_seconds(tmp_path):
    _, found = page_of(tmp_path, sequence())
    np.testing.assert_allclose(np.frombuffer(found["times"], "<f8"), [0, 0.04, 0.08, 0.12])


def test_the_script_reads_what_is_written(tmp_path):
    """The page multiplies by the units in its record, and divides confidence by 255."""
    page = write_viewer(sequence(), tmp_path / "v.html", title="t").read_text("utf-8")
    for reading in (
        "* this.record.unit.joints",
        "* this.record.unit.std",
        "* this.record.unit.keypoints",
        "/ 255",
        "MISSING = -32768",
    ):
        assert reading in page


def test_a_far_value_makes_the_unit_coarser():
    """32.767 m is 65534 half millimetres: the unit doubles."""
    values, unit = quantise(np.array([32.767, -0.002, np.nan]), 0.0005)
    assert (unit, values.tolist()) == (pytest.approx(0.001), [32767, -2, -32768])
    assert quantise(np.array([16.3835]), 0.0005)[1] == pytest.approx(0.0005)


def test_the_page_says_its_frame(tmp_path):
    meta, _ = page_of(tmp_path, sequence())
    assert meta["axes"] == ["right", "down", "forward"]
    assert [meta["sides"][J(name)] for name in ("LKnee", "RKnee", "Head")] == [1, -1, 0]
    assert meta["colours"] == {"left": "#2f7de1", "right": "#e8741e"}
    np.testing.assert_allclose(np.reshape(meta["rotation"], (3, 3)), np.diag([1, -1, -1]))


def test_view_rotations_by_hand():
    """To right, up, towards the spectator: from right, down, forward; and from a world with z up, seen along y."""
    np.testing.assert_allclose(view_rotation(sequence()), np.diag([1, -1, -1]), atol=1e-12)
    world = view_rotation(sequence(frame="world", keypoints_px=None))
    np.testing.assert_allclose(world, [[1, 0, 0], [0, 0, 1], [0, -1, 0]], atol=1e-12)
    tilted = view_rotation(sequence(), np.array([0, -0.8, -0.6]))  # a camera that looks down by 36.9 degrees
    np.testing.assert_allclose(tilted, [[1, 0, 0], [0, -0.8, -0.6], [0, 0.6, -0.8]], atol=1e-12)


def test_the_floor_lies_eight_centimetres_below_the_ankles():
    stage = Stage.of(sequence())
    assert stage.floor_m == pytest.approx(-0.95)
    assert stage.top_m == pytest.approx(0.7)
    np.testing.assert_allclose(stage.centre_m, (0, -0.125, 0), atol=1e-12)
    assert stage.radius_m == 0.3
    assert sides(H36M17)[J("RWrist")] == -1


def test_facts_are_in_millimetres_and_per_second():
    lines = dict(facts(sequence(), Trust.of(sequence())))
    assert lines["Median SD"] == "21 mm across, 60 mm in depth"
    assert lines["Frame rate"] == "25 per second"
    assert lines["Mean confidence"] == "0.90"
    assert lines["Frames"] == "4 in 0.12 s"


def test_panels_by_hand():
    """540 high for a wide video, 720 for an upright one with a figure three quarters as wide; a panorama is lower."""
    assert Layout.of(1920, 1080) == Layout(960, 540, 540)
    assert Layout.of(1080, 1920) == Layout(404, 540, 720)
    assert Layout.of(4000, 1000) == Layout(1296, 324, 324)


def test_thumbnails_are_four_hundred_pixels_wide_and_2_4_megabytes_at_most():
    thumbnails = Thumbnails()
    thumbnails.add(0, np.zeros((300, 800, 3), np.uint8))
    with Image.open(BytesIO(thumbnails.pictures[0])) as picture:
        assert picture.size == (400, 150)
    assert thumbnails.limit_bytes == 2_400_000
