"""Keypoint checks: every kind of fault is noticed, without false alarms."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from prml.camera import Camera, look_at
from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.io.keypoint_checks import check_keypoints, placeholders
from prml.skeleton import BLAZEPOSE33, COCO17, H36M17, HALPE26, MPI_INF_3DHP17, OPENPOSE25, SKELETONS

SIZE = (1920, 1080)
MIRROR = list(H36M17.mirror)
# metres, standing at the origin, facing +y, the left side towards -x; z up
STANDING = {
    "Nose": (0, 0.12, 1.6), "Head": (0, 0.02, 1.75), "Neck": (0, 0, 1.45), "Thorax": (0, 0, 1.45), "Hip": (0, 0, 0.95),
    "Spine": (0, 0, 1.2), "Eye": (0.03, 0.1, 1.65), "Ear": (0.07, 0.02, 1.63), "Shoulder": (0.18, 0, 1.42),
    "Elbow": (0.24, -0.02, 1.14), "Wrist": (0.26, 0.1, 0.9), "Hip_": (0.12, 0, 0.93), "Knee": (0.12, 0.03, 0.5),
    "Ankle": (0.12, -0.02, 0.09), "Heel": (0.12, -0.07, 0.03), "BigToe": (0.11, 0.16, 0.02),
    "SmallToe": (0.16, 0.13, 0.02), "FootIndex": (0.12, 0.16, 0.02), "NoseTip": (0, 0.12, 1.6),
    "Toe": (0.11, 0.16, 0.02),
}  # fmt: skip


def body(skeleton):
    """(J, 3) of somebody who stands; of joints that are not named here the nearest that is."""
    out = np.zeros((len(skeleton), 3))
    for i, name in enumerate(skeleton.joints):
        side = {"L": -1, "R": 1}.get(name[0], 0) if name[1:2].isupper() else 0
        plain = name[1:] if side else name
        plain = "Hip_" if side and plain == "Hip" else plain
        if plain == "Nose" and "NoseTip" in skeleton.joints:  # the neck
            plain = "Neck"
        near = next((k for k in STANDING if plain.startswith(k)), {"Mouth": "Nose"}.get(plain, "Wrist"))
        out[i] = STANDING[plain if plain in STANDING else near]
        out[i, 0] *= side
    return out


def seen(skeleton, path_m, turn_deg, height_m=1.5, frames=60, swap=False):
    """An upright person seen from the origin along +y, at a changing distance; turned away from the camera at 0."""
    camera = Camera.from_fov(*SIZE)
    R, t = look_at(np.array([0.0, 0, height_m]), np.array([0.0, 5, 1.0]))
    angle = np.radians(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    sway = 0.01 * np.sin(np.arange(frames) / 5)[:, None, None]
    at = np.linspace(*path_m, frames)[:, None] * [0, 1, 0]
    points = camera.project((body(skeleton) @ turn.T + at[:, None] + sway) @ R.T + t)
    return points[:, list(skeleton.mirror)] if swap else points


def told(skeleton, points, confidence=None, size=SIZE):
    return [(d.level, d.text) for d in check_keypoints(skeleton, points, confidence, size)]


@cache
def benchmark(every):
    return list(benchmark_sequences(("cmu", "ui_prmd", "hdm05"), True))[::every]


# ---------------------------------------------------------------------------------- sound keypoints
def test_no_test_clip_of_motion_capture_raises_a_doubt():
    """All viewpoints, acrobatics, people on the floor and in handstands; the whole set raises no doubt either."""
    count = 0
    for s in benchmark(9):
        count += 1
        assert told(H36M17, s.keypoints_px, s.confidence, s.image_size) == [], s.name
    assert count > 50


@pytest.mark.slow
def test_no_test_clip_at_all_raises_a_doubt():
    for s in benchmark(1):
        assert told(H36M17, s.keypoints_px, s.confidence, s.image_size) == [], s.name


@pytest.mark.parametrize("name", SKELETONS)
@pytest.mark.parametrize("turn_deg", [0, 30, 90, 150, 180, 270])
def test_whoever_stands_before_a_camera_raises_no_doubt(name, turn_deg):
    """From the front, from behind and from the side, with high and low confidence."""
    points = seen(SKELETONS[name], (4, 4), turn_deg)
    rng = np.random.default_rng(1)
    for confidence in (None, np.ones(points.shape[:2]), rng.uniform(0.4, 1, points.shape[:2])):
        assert told(SKELETONS[name], points, confidence) == []


@pytest.mark.parametrize("turn_deg", [0, 180])
def test_a_handstand_is_no_flipped_axis(turn_deg):
    """Rotated by 180 degrees in the image, with hands on the floor."""
    points = seen(COCO17, (4, 4), turn_deg)
    for side in "LR":
        shoulder, elbow, wrist = (COCO17.index(side + j) for j in ("Shoulder", "Elbow", "Wrist"))
        points[:, elbow] = points[:, shoulder] - [0, 70]
        points[:, wrist] = points[:, shoulder] - [0, 140]
    assert told(COCO17, points) == []
    assert told(COCO17, np.array(SIZE) - points) == []


def test_whoever_walks_forward_raises_no_doubt():
    for path, turn in (((9, 3), 180), ((3, 9), 0)):
        assert told(H36M17, seen(H36M17, path, turn)) == []


def test_nobody_raises_no_doubt():
    assert told(H36M17, np.full((5, 17, 2), np.nan)) == []
    assert told(H36M17, seen(H36M17, (4, 4), 0), np.zeros((60, 17))) == []


# ---------------------------------------------------------------------------------- wrong keypoints
@pytest.mark.parametrize(
    "change", [lambda p: p / SIZE, lambda p: 2 * p / SIZE - 1, lambda p: p / SIZE[0] * 2 - [1, 0.5]]
)
def test_normalised_values_are_refused(change):
    ((level, text),) = told(H36M17, change(seen(H36M17, (4, 4), 0)))
    assert level == "error"
    assert "they look normalised, expected pixels; multiply by width and height" in text


def test_points_of_another_image_size_are_noticed():
    points = seen(H36M17, (4, 4), 0)
    ((level, text),) = told(H36M17, points, size=(960, 540))
    assert level == "warning"
    outside = ((points < 0) | (points > (960, 540))).any(-1).mean()
    assert text.startswith(f"{100 * outside:.0f} % of the joints lie outside the image of 960 x 540 pixels")
    ((level, text),) = told(H36M17, -points)
    assert level == "error"
    assert "every joint lies outside the image of 1920 x 1080" in text


def test_whoever_leaves_the_picture_is_noticed():
    points = seen(H36M17, (4, 4), 0)
    points[50:] += [1400, 0]
    ((level, text),) = told(H36M17, points)
    assert level == "warning"
    assert "most joints in 17 % of the frames" in text


def test_y_that_points_up_is_noticed():
    """In nine of ten test clips; in the others people are mostly on the floor or have their hands above the head."""
    found = [
        "y points up" in "".join(t for _, t in told(H36M17, [0, s.image_size[1]] + s.keypoints_px * [1, -1]))
        for s in benchmark(9)
    ]
    assert np.mean(found) > 0.85


@pytest.mark.parametrize("skeleton", [COCO17, HALPE26, OPENPOSE25], ids=lambda s: s.name)
def test_swapped_sides_are_noticed_by_the_face(skeleton):
    """Low confidence means an unseen joint, so eyes with high confidence belong to a person facing the camera."""
    points = seen(skeleton, (4, 4), 180, swap=True)
    confidence = np.full(points.shape[:2], 0.95)
    confidence[:, skeleton.index("LWrist")] = 0.4
    ((level, text),) = told(skeleton, points, confidence)
    assert level == "warning"
    assert "eyes and nose are seen in 60 frames with the back turned: left and right look swapped" in text
    confidence[:, skeleton.index("Nose")] = 0.5
    assert "eyes" not in str(told(skeleton, points, confidence))


@pytest.mark.parametrize("skeleton", [HALPE26, OPENPOSE25, BLAZEPOSE33], ids=lambda s: s.name)
def test_swapped_sides_are_noticed_by_the_feet(skeleton):
    ((_, text),) = told(skeleton, seen(skeleton, (4, 4), 180, swap=True))
    assert "both feet point at the camera in 60 frames with the back turned" in text


def test_swapped_sides_are_noticed_by_the_hidden_limbs():
    """A person who heads to the right of the image shows the right arm and leg."""
    points = seen(COCO17, (4, 4), 90)
    if (points[:, COCO17.index("Nose"), 0] < points[:, COCO17.index("LEar"), 0]).all():
        points = [SIZE[0], 0] + points[:, list(COCO17.mirror)] * [-1, 1]
    confidence = np.full(points.shape[:2], 0.9)
    for joint in ("Elbow", "Wrist", "Knee", "Ankle"):
        confidence[:, COCO17.index("L" + joint)] = 0.4
    assert told(COCO17, points, confidence) == []
    mirror = list(COCO17.mirror)
    ((_, text),) = told(COCO17, points[:, mirror], confidence[:, mirror])
    assert "in 60 frames from the side the limbs that should be hidden have the higher confidence" in text


@pytest.mark.parametrize("skeleton", [H36M17, MPI_INF_3DHP17], ids=lambda s: s.name)
@pytest.mark.parametrize(("path_m", "turn_deg"), [((9, 3), 180), ((3, 9), 0)])
def test_swapped_sides_are_noticed_by_walking(skeleton, path_m, turn_deg):
    ((_, text),) = told(skeleton, seen(skeleton, path_m, turn_deg, swap=True))
    assert "the person walks backwards throughout: left and right look swapped" in text


def test_arms_that_are_swapped_alone_are_noticed():
    points = seen(H36M17, (4, 4), 0)
    points[:, 11:17] = points[:, [14, 15, 16, 11, 12, 13]]
    ((_, text),) = told(H36M17, points)
    assert "shoulders and hips point opposite ways" in text


def test_placeholders_are_exact():
    points = np.array([[[0, 0], [0, 1e-9], [-1, -1], [-1, 0]]])
    assert placeholders(points).tolist() == [[True, False, True, False]]


@pytest.mark.slow
def test_the_example_clip_raises_no_doubt_unless_its_sides_are_swapped():
    from prml.detect.run import detect

    s = detect(Path(__file__).parents[2] / "examples" / "jump.mp4")
    mirror = list(s.skeleton.mirror)
    assert told(s.skeleton, s.keypoints_px, s.confidence, s.image_size) == []
    ((_, text),) = told(s.skeleton, s.keypoints_px[:, mirror], s.confidence[:, mirror], s.image_size)
    assert "left and right look swapped" in text
