"""Keypoint files of other programs are lifted with one command, as our own with the same numbers."""

import numpy as np
import pytest

from fixtures import detections as made
from fixtures.detections import FPS, HEIGHT, WIDTH, seen
from prml.cli import main
from prml.errors import PrmlError
from prml.io.keypoints import write_keypoints
from prml.io.poses import read_poses
from prml.lifting.lifter import Lifter
from prml.pipeline.lift import lift
from prml.weights.record import load_record

FILES = {
    "op_json": ("openpose25", made.write_openpose),
    "coco.json": ("coco17", made.write_coco_results),
    "mmpose.json": ("coco17", made.write_mmpose),
    "alphapose.json": ("halpe26", made.write_alphapose),
    "dlc.csv": ("coco17", made.write_deeplabcut),
    "landmarks.json": ("blazepose33", made.write_mediapipe),
    "a.npz": ("halpe26", made.write_arrays),
    "a.npy": ("coco17", made.write_arrays),
    "a_px.trc": ("halpe26", made.write_sports2d),
}


@pytest.fixture(scope="module")
def lifter():
    return Lifter(load_record("prml-xs"))


@pytest.mark.parametrize("name", FILES)
def test_the_same_numbers_give_the_same_poses(tmp_path, lifter, name):
    joints, write = FILES[name]
    person = seen(joints)
    if name.endswith(".trc"):  # it has no confidence
        person = person.with_(confidence=np.where(person.confidence > 0, 1.0, 0.0))
    write_keypoints(person, tmp_path / "own.npz")
    own = lift(tmp_path / "own.npz", lifter=lifter).sequence
    result = lift(write(tmp_path / name, person), lifter=lifter, fps=FPS, image_size=f"{WIDTH}x{HEIGHT}")
    exact = name != "landmarks.json"  # shares of the image are rounded
    np.testing.assert_allclose(result.sequence.joints_m, own.joints_m, atol=0 if exact else 1e-6)
    np.testing.assert_array_equal(result.sequence.filled, own.filled)
    assert any(f"{name}: read as " in text for text in result.warnings)
    assert result.provenance["detector"].startswith("given keypoints (")


def test_one_command_and_another_person(tmp_path, lifter, capsys):
    near, far = seen("openpose25", gap=False), seen("openpose25", gap=False, shift_m=1.3)
    made.write_openpose(tmp_path / "clip_json", near, far.with_(keypoints_px=far.keypoints_px * 0.8 + (90, 60)))
    plain = ["--fps", "30", "--image-size", "640x480", "--no-viewer", "--weights", "prml-xs"]
    assert main(["lift", str(tmp_path / "clip_json"), "--out", str(tmp_path / "a"), *plain]) == 0
    assert "only the most prominent of 2 people is lifted; give --person N" in capsys.readouterr().out.replace(
        "\n", " "
    )
    assert main(["lift", str(tmp_path / "clip_json"), "--out", str(tmp_path / "b"), "--person", "1", *plain]) == 0
    first, other = (read_poses(tmp_path / d / "poses.npz") for d in "ab")
    assert np.nanmean(np.abs(first.keypoints_px - other.keypoints_px)) > 30
    assert main(["lift", str(tmp_path / "clip_json"), "--out", str(tmp_path / "c"), "--person", "7", *plain]) == 2
    assert "the scene has no track 7" in capsys.readouterr().err


def test_what_needs_no_lifting_or_states_its_size_is_refused(tmp_path, lifter):
    from fixtures import mocap_files

    mocap_files.write_bvh(tmp_path / "a.bvh", frames=6)
    with pytest.raises(
        PrmlError, match=r"a\.bvh \(bvh\) holds 3D motion, which needs no lifting; 'prml export' converts"
    ):
        lift(tmp_path / "a.bvh", lifter=lifter)
    write_keypoints(seen("coco17"), tmp_path / "own.npz")
    with pytest.raises(PrmlError, match=r"own\.npz states the size of its images; leave image_size=\.\.\. out"):
        lift(tmp_path / "own.npz", lifter=lifter, image_size="640x480")
    made.write_openpose(tmp_path / "op", seen("openpose25"))
    for wrong in ("640", "0x480", "640x", "axb", "-1x5", "999999x1"):
        with pytest.raises(PrmlError, match=r"image_size must be like 1920x1080 \(width, height in pixels\), got"):
            lift(tmp_path / "op", lifter=lifter, fps=30, image_size=wrong)
