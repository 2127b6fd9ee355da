"""MediaPipe pose landmarks as JSON: the shapes in which scripts and web pages store its 33 points.

MediaPipe has no file format; these are read::

    [frame, ...]                                        a list of frames
    {"fps": 30, "width": 1920, "height": 1080, "frames": [frame, ...]}    the same with what belongs to the clip

    frame = [landmark, ... 33]  or  []  or  null        one person or nobody
    frame = [[landmark, ... 33], ...]                   several people, as the landmarker gives them
    frame = {"landmarks": ...}                          also pose_landmarks, poseLandmarks, keypoints, pose
    landmark = {"x": 0.5, "y": 0.4, "visibility": 0.9}  also score, presence, confidence; or [x, y, z, visibility]

x and y are shares of width and height, or pixels (values beyond 4, as of TensorFlow.js). A frame may state
``timestamp_ms`` or ``time_s``, from which the frame rate follows. World landmarks, which are 3D, are refused.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.found import Found, head_of, keypoint_format, parsed_json, sight
from prml.io.joint_names import by_names
from prml.skeleton import BLAZEPOSE33

_POINTS = ("landmarks", "pose_landmarks", "poseLandmarks", "keypoints", "pose")
_SCORES = ("visibility", "score", "presence", "confidence", "v")
_TIMES = {"timestamp_ms": 1e-3, "timestampMs": 1e-3, "time_ms": 1e-3, "time_s": 1.0, "time": 1.0, "t": 1.0}
_NORMALISED = 4.0
_FLAT = 0.05  # of the hips' middle from the origin, as world landmarks have it


def find_mediapipe(path: Path) -> Found:
    """Read landmarks in one of the shapes of this module; raise PrmlError for damaged ones or world landmarks."""
    return parsed_json(path, _parsed, "it holds no MediaPipe landmarks")


def _parsed(record: Any) -> Found:
    about = record if isinstance(record, dict) else {}
    frames = next((about[key] for key in ("frames", "results", "data", *_POINTS) if key in about), record)
    if not isinstance(frames, list) or not frames:
        raise PrmlError("expected a list of frames with 33 landmarks each")
    if _is_landmarks(frames):
        frames = [frames]  # one picture
    people = [_people(frame) for frame in frames]
    points = np.array([person for found in people for person in found])
    if not len(points):
        raise PrmlError("no frame has landmarks; there is nobody to lift")
    normalised = bool(np.nanquantile(np.abs(points[..., :2]), 0.99) <= _NORMALISED)
    if normalised:
        _refuse_world(points)
    size = _size(about)
    scored = bool((points[..., 2] != 1).any())
    frames_found = [[sight(person) for person in found] for found in people]
    return Found("MediaPipe landmarks", BLAZEPOSE33, frames_found, _rate(about, frames), size, normalised, scored)


def _refuse_world(points: Float[np.ndarray, "N 33 3"]) -> None:
    hips = points[:, [BLAZEPOSE33.index("LHip"), BLAZEPOSE33.index("RHip")], :2].mean(axis=1)
    if np.abs(np.nanmedian(hips, axis=0)).max() < _FLAT:
        raise PrmlError("its landmarks lie around the hips: they are world landmarks (3D); store pose_landmarks")


def _inner(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a file says of its clip, one level down."""
    inner = (about.get(key) for key in ("image", "video", "metadata", "meta"))
    return next((entry for entry in inner if isinstance(entry, dict)), {})


def _size(about: Mapping[str, Any]) -> tuple[int, int] | None:
    for source in (about, _inner(about)):
        for names in (("width", "height"), ("image_width", "image_height"), ("frame_width", "frame_height")):
            size = tuple(source.get(name) for name in names)
            if all(isinstance(side, int) and not isinstance(side, bool) and 0 < side <= 100_000 for side in size):
                return size[0], size[1]  # type: ignore[return-value]
    return None


def _rate(about: Mapping[str, Any], frames: Sequence[Any]) -> float | None:
    stated = about.get("fps", about.get("frame_rate", _inner(about).get("fps")))
    if stated is not None:
        return float(stated)
    for key, unit in _TIMES.items():
        first, last = (frame.get(key) if isinstance(frame, dict) else None for frame in (frames[0], frames[-1]))
        if isinstance(first, int | float) and isinstance(last, int | float) and last > first:
            return round((len(frames) - 1) / ((last - first) * unit), 6)  # times are often rounded
    return None


def _is_landmarks(values: Any) -> bool:
    """Whether a list holds the landmarks of one person."""
    if not isinstance(values, list) or len(values) < len(BLAZEPOSE33):
        return False
    first = values[0]
    if isinstance(first, dict):
        return "x" in first
    return isinstance(first, list) and 2 <= len(first) <= 5 and all(isinstance(v, int | float) for v in first)


def _people(frame: Any) -> list[Float[np.ndarray, "33 3"]]:
    if isinstance(frame, dict):
        frame = next((frame[key] for key in _POINTS if key in frame), None)
    if not frame:
        return []
    if isinstance(frame, dict):  # {"landmarks": {"landmark": [...]}}, or points by name
        inner = next((frame[key] for key in ("landmark", *_POINTS) if key in frame), None)
        frame = inner if inner is not None else [{**point, "name": name} for name, point in frame.items()]
    if _is_landmarks(frame):
        return [_table(frame)]
    if isinstance(frame, list) and len(frame) == 1 and isinstance(frame[0], dict) and "x" not in frame[0]:
        return _people(frame[0])
    if isinstance(frame, list) and all(_is_landmarks(person) for person in frame):
        return [_table(person) for person in frame]
    if isinstance(frame, list) and all(isinstance(p, dict) and "x" not in p for p in frame):
        return [person for entry in frame for person in _people(entry)]
    count = len(frame) if isinstance(frame, list) else 0
    raise PrmlError(f"a frame has {count} landmarks, expected the {len(BLAZEPOSE33)} of MediaPipe Pose")


def _table(landmarks: list[Any]) -> Float[np.ndarray, "33 3"]:
    """Return x, y and score of a person."""
    if isinstance(landmarks[0], dict) and all(isinstance(p.get("name"), str) for p in landmarks):
        named = by_names([p["name"] for p in landmarks])
        if named.skeleton == BLAZEPOSE33:
            landmarks = [landmarks[index] for index in named.source]
    if len(landmarks) != len(BLAZEPOSE33):
        raise PrmlError(f"a person has {len(landmarks)} landmarks, expected the {len(BLAZEPOSE33)} of MediaPipe Pose")
    return np.array([_point(landmark) for landmark in landmarks], dtype=np.float64)


def _point(landmark: Any) -> tuple[float, float, float]:
    if isinstance(landmark, list):
        return landmark[0], landmark[1], landmark[3] if len(landmark) > 3 else 1.0
    if landmark.get("x") is None or landmark.get("y") is None:
        return np.nan, np.nan, 0.0
    score = next((landmark[key] for key in _SCORES if landmark.get(key) is not None), 1.0)
    return landmark["x"], landmark["y"], score


def is_mediapipe(path: Path) -> bool:
    """Whether a JSON file looks like landmarks: points with x and y, or lists of 33 times three to five numbers."""
    head = head_of(path)
    if re.search(r'"(pose_landmarks|poseLandmarks|landmarks|landmark)"\s*:', head):
        return True
    if re.search(r'"x"\s*:\s*-?[\d.]', head) and re.search(r'"y"\s*:\s*-?[\d.]', head):
        return True
    return bool(re.match(r"^\s*\[\s*(\[\s*\]\s*,\s*|null\s*,\s*)*\[\s*(\[\s*)?\[\s*-?\d", head))


FORMAT = keypoint_format(
    "mediapipe",
    (".json",),
    "2D landmarks of MediaPipe Pose, in the shapes that scripts store",
    find_mediapipe,
    detect=is_mediapipe,
)
