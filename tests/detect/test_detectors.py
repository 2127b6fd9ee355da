"""The detector registry, with a detector from another package."""

import numpy as np
import pytest

from fixtures.boxes import BOXES, POINTS, box_video
from fixtures.outside import outside_package
from prml.cli import main
from prml.detect.mediapipe import MediaPipeDetector
from prml.detect.registry import detector_names, get_detector
from prml.detect.run import detect
from prml.errors import PrmlError
from prml.io.poses import read_poses
from prml.skeleton import BLAZEPOSE33, COCO17


@pytest.fixture
def clip(tmp_path):
    return box_video(tmp_path / "box.mp4")


@pytest.fixture
def boxes(tmp_path, monkeypatch):
    outside_package(monkeypatch, tmp_path, BOXES, POINTS)


def test_an_outside_detector_lifts_a_video(boxes, clip, tmp_path, capsys):
    words = ["lift", str(clip), "--out", str(tmp_path / "out"), "--weights", "prml-xs", "--detector", "boxes"]
    assert main([*words, "--model", "box", "--no-overlay", "--no-viewer"]) == 0, capsys.readouterr().err
    lifted = read_poses(tmp_path / "out/poses.npz")
    assert lifted.provenance["detector"] == "bright boxes"
    assert np.isfinite(lifted.joints_m).all()
    seen = detect(clip, "boxes")
    assert seen.skeleton == COCO17
    middle = seen.keypoints_px[:, [COCO17.index("LHip"), COCO17.index("RHip")]].mean(1)
    np.testing.assert_allclose(middle[:, 0], 130 + 2 * np.arange(20), atol=2)
    np.testing.assert_allclose(middle[:, 1], 40 + 0.55 * 160, atol=2)


def test_known_names_and_what_is_wrong_with_others(boxes, clip):
    assert detector_names()[0] == "mediapipe"
    assert "boxes" in detector_names()
    assert get_detector().skeleton == BLAZEPOSE33
    with pytest.raises(PrmlError, match="unknown detector 'yolo'; expected one of mediapipe, boxes"):
        get_detector("yolo")
    with pytest.raises(PrmlError, match="cannot be imported"):
        get_detector("broken")
    with pytest.raises(PrmlError, match="expected DetectorKind, got int"):
        get_detector("wrong")
    with pytest.raises(PrmlError, match="no model 'sphere'; expected box"):
        detect(clip, "boxes", model="sphere")


def test_every_detector_says_what_its_models_and_joints_are():
    for name in detector_names():
        kind = get_detector(name)
        assert kind.name == name
        assert {"LShoulder", "RShoulder", "LHip", "RHip"} <= set(kind.skeleton.joints)
    kind = get_detector("mediapipe")
    assert kind.models[0] == "full"
    with kind.open("lite") as detector:
        assert isinstance(detector, MediaPipeDetector)
        assert detector.skeleton == kind.skeleton
