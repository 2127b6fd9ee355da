"""Keypoint files of other programs: recognised by content, and read as our own schema with the same numbers."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from fixtures import detections as made
from fixtures.detections import FPS, HEIGHT, WIDTH, seen
from prml.errors import PrmlError
from prml.io.keypoints import read_keypoints, write_keypoints
from prml.io.registry import format_of, load_file, save_file
from prml.scene import Scene, VideoSource
from prml.skeleton import COCO17

SIZE = (WIDTH, HEIGHT)
DLC = {"LKnee": "left_knee", "RKnee": "Right Knee", "LHip": "hip_l", "Nose": "nose", "RWrist": "wrist_R"}

# file -> format, joint set, writer
FILES = {
    "op25_json": ("openpose", "openpose25", made.write_openpose),
    "op18_json": ("openpose", "openpose18", made.write_openpose),
    "op26_json": ("openpose", "halpe26", made.write_openpose),
    "results.json": ("coco", "coco17", made.write_coco_results),
    "demo.json": ("mmpose", "coco17", made.write_mmpose),
    "inferencer.json": ("mmpose", "coco17", lambda path, *p: made.write_mmpose(path, *p, demo=False)),
    "whole.json": ("mmpose", "coco_wholebody133", made.write_mmpose),
    "alphapose-results.json": ("alphapose", "halpe26", made.write_alphapose),
    "dlc.csv": ("deeplabcut", "coco17", lambda path, *p: made.write_deeplabcut(path, *p, names=DLC)),
    "dlc26.csv": ("deeplabcut", "halpe26", made.write_deeplabcut),
    "a.npz": ("rtmlib", "halpe26", made.write_arrays),
    "a.npy": ("rtmlib", "coco17", made.write_arrays),
}
if find_spec("h5py"):
    FILES["dlc.h5"] = ("deeplabcut", "coco17", made.write_deeplabcut_h5)
MEDIAPIPE = ("list", "frames", "landmarker", "tfjs", "arrays", "named", "poseLandmarks")


def _read(path: Path, **given):
    said = []
    scene = load_file(path, fps=FPS, image_size=SIZE, warn=said.append, **given)
    return scene, said


def _same(read, person, atol=1e-9):
    assert read.skeleton == person.skeleton
    assert read.fps == FPS
    assert read.image_size == SIZE
    np.testing.assert_array_equal(read.has_person, person.has_person)
    np.testing.assert_allclose(read.keypoints_px, person.keypoints_px, atol=atol)
    np.testing.assert_allclose(read.confidence, person.confidence, atol=atol)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognised_and_holds_the_numbers(tmp_path, name):
    kind, joints, write = FILES[name]
    person = seen(joints)
    path = write(tmp_path / name, person)
    assert format_of(path).name == kind
    scene, said = _read(path)
    assert len(scene) == 1
    _same(scene.prominent, person)
    assert said[0].startswith(f"{name}: read as ")
    assert f"{joints}, {len(person)} frames" in said[0]


@pytest.mark.parametrize("shape", MEDIAPIPE)
def test_the_shapes_of_mediapipe_landmarks(tmp_path, shape):
    person = seen("blazepose33")
    path = made.write_mediapipe(tmp_path / "a.json", person, shape)
    assert format_of(path).name == "mediapipe"
    _same(_read(path)[0].prominent, person)
    if shape == "frames":  # states all that is needed
        _same(load_file(path).prominent, person)


def test_pixels_of_sports2d(tmp_path):
    person = seen("halpe26")
    path = made.write_sports2d(tmp_path / "a_px_person00.trc", person)
    assert format_of(path).name == "sports2d"
    read = load_file(path, image_size=SIZE).prominent
    _same(read, person.with_(confidence=np.where(person.confidence > 0, 1.0, 0.0)))
    up = person.with_(keypoints_px=person.keypoints_px * [1, -1])
    said = []
    upside = load_file(made.write_sports2d(tmp_path / "b.trc", up), image_size=SIZE, warn=said.append).prominent
    np.testing.assert_array_equal(upside.keypoints_px, read.keypoints_px)
    assert "b.trc: y counts upwards; it was turned down" in said


def test_annotations_say_names_and_size(tmp_path):
    person = seen("coco17")
    path = made.write_coco_annotations(tmp_path / "a.json", person)
    assert format_of(path).name == "coco"
    read = load_file(path, fps=FPS).prominent
    _same(read, person.with_(confidence=np.where(person.confidence > 0, 1.0, 0.0)))


@pytest.mark.parametrize("name", [n for n in FILES if n not in ("a.npy", "dlc.h5")])
def test_two_people_are_told_apart(tmp_path, name):
    _, joints, write = FILES[name]
    near, far = seen(joints, gap=False), seen(joints, gap=False, shift_m=1.3)
    far = far.with_(keypoints_px=far.keypoints_px * 0.8 + (90, 60))
    scene, said = _read(write(tmp_path / name, near, far))
    assert len(scene) == 2
    np.testing.assert_allclose(scene.people[0].keypoints_px, near.keypoints_px, atol=1e-9)
    np.testing.assert_allclose(scene.people[1].keypoints_px, far.keypoints_px, atol=1e-9)
    assert "2 people, the most prominent first" in said[0]


def test_what_a_file_does_not_state_is_asked_for(tmp_path):
    path = made.write_openpose(tmp_path / "a_json", seen("openpose25"))
    with pytest.raises(PrmlError, match=r"a_json \(OpenPose JSON\) does not state the frame rate; pass fps="):
        load_file(path, image_size=SIZE)
    with pytest.raises(
        PrmlError, match=r"a_json \(OpenPose JSON\) does not state the size of the image; pass image_si"
    ):
        load_file(path, fps=25)
    from prml.io.openpose import FORMAT

    video = VideoSource(tmp_path / "a.mp4", (320, 240), 12.5)
    assert FORMAT.read(path, video=video).prominent.fps == 12.5
    assert FORMAT.read(path, video=video, image_size=SIZE).prominent.image_size == SIZE


def test_a_frame_that_is_missing_is_a_gap(tmp_path):
    path = made.write_openpose(tmp_path / "a_json", seen("openpose25", gap=False))
    (path / "clip_000000000004_keypoints.json").unlink()
    read = _read(path)[0].prominent
    assert np.flatnonzero(~read.has_person).tolist() == [4]
    assert len(read) == 24


def test_without_h5py_the_message_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setattr("prml.io.deeplabcut.find_spec", lambda name: None)
    with pytest.raises(PrmlError, match=r"a\.h5: HDF5 needs h5py: pip install 'prml-pose\[h5\]'; or give the CSV file"):
        _read(tmp_path / "a.h5")


def test_two_clips_in_one_folder_are_refused(tmp_path):
    person = seen("openpose25")
    made.write_openpose(tmp_path, person, name="one")
    made.write_openpose(tmp_path, person, name="two")
    with pytest.raises(PrmlError, match=r"the frames of 2 clips are mixed \('one_', 'two_'\)"):
        _read(tmp_path)


def test_normalised_pixels_are_refused(tmp_path):
    person = seen("openpose25")
    person = person.with_(keypoints_px=person.keypoints_px / SIZE)
    with pytest.raises(PrmlError, match="they look normalised, expected pixels"):
        _read(made.write_openpose(tmp_path / "a_json", person))


def test_world_landmarks_are_refused(tmp_path):
    person = seen("blazepose33", gap=False)
    points = person.keypoints_px - person.keypoints_px[:, [23, 24]].mean(1, keepdims=True)
    path = made.write_mediapipe(tmp_path / "a.json", person.with_(keypoints_px=points / 200 * SIZE))
    with pytest.raises(PrmlError, match="they are world landmarks"):
        _read(path)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.json", "[1, 2", r"a\.json: cannot be read"),
        ("a.json", '{"a": 1}', r"one of the formats poses, .*keypoints.*, openpose"),
        ("a.json", '[{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 1]}]', "a person has 1 points; expected 17"),
        ("a.json", '[{"image_id": 1, "category_id": 1, "keypoints": [1, 2]}]', r"a\.json: cannot be read"),
        ("a.json", '{"version": 1.3, "people": []}', "nobody was found in any frame"),
        ("a.json", '[{"keypoints": [[1, 2, 3]], "keypoint_scores": [1]}]', "they are lifted; give the 2D predictions"),
        ("a.csv", "scorer,a\nbodyparts,tail\ncoords,x\n0,1\n", "no point is called like LShoulder"),
        ("a.csv", "a,b\n1,2\n", "expected one of the formats deeplabcut, csv by its content"),
        ("a.npy", "x", "is none of them|cannot be read"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, name, text, line):
    (tmp_path / name).write_text(text)
    with pytest.raises(PrmlError, match=line) as caught:
        _read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_points_that_are_no_joints_are_said(tmp_path):
    person = seen("coco17")
    path = made.write_deeplabcut(tmp_path / "a.csv", person, names={"LEye": "racket"})
    scene, said = _read(path)
    assert "a.csv: points without a joint are left out: racket" in said
    assert np.isnan(scene.prominent.keypoints_px[:, COCO17.index("LEye")]).all()


# ------------------------------------------------------------------------------------------------ writers
@pytest.mark.parametrize("joints", ["openpose25", "openpose18", "coco17", "halpe26"])
def test_openpose_round_trip(tmp_path, joints):
    person = seen(joints)
    save_file(person, tmp_path / "clip_json", "openpose")
    first = json.loads((tmp_path / "clip_json" / "clip_000000000000_keypoints.json").read_text())
    assert first["version"] == 1.3
    assert len(first["people"][0]["pose_keypoints_2d"]) == 3 * len(person.skeleton)
    assert len(list((tmp_path / "clip_json").iterdir())) == len(person)
    _same(_read(tmp_path / "clip_json")[0].prominent, person)
    with pytest.raises(PrmlError, match="exists and is not empty; pass overwrite=True"):
        save_file(person, tmp_path / "clip_json", "openpose")
    save_file(person.take(slice(0, 10)), tmp_path / "clip_json", "openpose", overwrite=True)
    assert len(list((tmp_path / "clip_json").iterdir())) == 10


def test_coco_round_trip(tmp_path):
    person = seen("coco17")
    two = Scene((person.with_(track_id=0), seen("coco17", shift_m=1.0).with_(track_id=4)))
    save_file(two, tmp_path / "a.json", "coco")
    entries = json.loads((tmp_path / "a.json").read_text())
    assert {e["track_id"] for e in entries} == {0, 4}
    assert len(entries) == 2 * int(person.has_person.sum())
    scene, _ = _read(tmp_path / "a.json")
    by_place = lambda p: float(np.nanmean(p.keypoints_px[..., 0]))  # noqa: E731
    for back, given in zip(sorted(scene, key=by_place), sorted(two, key=by_place), strict=True):
        _same(back, given)


def test_our_own_schema_is_still_first(tmp_path):
    person = seen("coco17")
    save_file(person, tmp_path / "a.json")
    assert format_of(tmp_path / "a.json").name == "keypoints"
    save_file(person, tmp_path / "a.npz")
    assert format_of(tmp_path / "a.npz").name == "keypoints"


def test_rules_of_reading_are_those_of_our_own_schema(tmp_path):
    """The law that a lift relies on: the same sequence from either file."""
    for name, (_, joints, write) in FILES.items():
        person = seen(joints)
        write_keypoints(person, tmp_path / f"{name}.own.npz")
        own = read_keypoints(tmp_path / f"{name}.own.npz")
        other = _read(write(tmp_path / name, person))[0].prominent
        np.testing.assert_array_equal(own.keypoints_px, other.keypoints_px)
        np.testing.assert_array_equal(own.confidence, other.confidence)
        np.testing.assert_array_equal(own.has_person, other.has_person)
        np.testing.assert_array_equal(own.times_s, other.times_s)
