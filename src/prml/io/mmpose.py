"""MMPose predictions: people per frame, as its demos (``instance_info``) and its inferencer (a list) write them.

A person has ``keypoints`` (x, y in pixels), ``keypoint_scores`` and perhaps ``track_id``. ``meta_info`` may name the
points; otherwise their number tells the joint set (17: COCO, 26: Halpe, 133: COCO-WholeBody).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prml.errors import PrmlError
from prml.filters.tracks import Sight
from prml.io.coco import named_sight, same_kind
from prml.io.found import Found, by_count, frame_numbers, head_of, keypoint_format, on_clip, parsed_json, sight
from prml.io.joint_names import Named, by_names

_HEAD = re.compile(r'"(instance_info|keypoint_scores|instances)"\s*:')


def find_mmpose(path: Path) -> Found:
    """Read MMPose predictions; raise PrmlError if the file is damaged or holds 3D points."""
    return parsed_json(path, _parsed, "it is not an MMPose prediction")


def _parsed(record: Any) -> Found:
    frames, meta = (
        (record["instance_info"], record.get("meta_info") or {}) if isinstance(record, dict) else (record, {})
    )
    if not isinstance(frames, list) or not frames:
        raise PrmlError("expected a list of frames")
    if not any("instances" in frame for frame in frames):
        frames = [{"frame_id": 0, "instances": frames}]  # one picture
    names = meta.get("keypoint_id2name")
    named = _named(names) if isinstance(names, Mapping) and names else None
    numbers, notes = frame_numbers(frame["frame_id"] for frame in frames)
    found = [(numbers[f["frame_id"]], _person(person, named)) for f in frames for person in f["instances"]]
    kind = named.skeleton if named is not None else same_kind(found)
    return Found("MMPose predictions", kind, on_clip(found, max(numbers.values()) + 1), notes=notes)


def _named(names: Mapping[str, str]) -> Named | None:
    """Return how the points are named, or None if their number alone tells: for 133 points, whose hands have names."""
    count = len(names)
    if count > 33:
        by_count(count)
        return None
    return by_names([str(names[str(index)]) for index in range(count)])


def _person(person: Mapping[str, Any], named: Named | None) -> Sight:
    points = np.asarray(person["keypoints"], np.float64)
    points = points[0] if points.ndim == 3 and len(points) == 1 else points
    if points.ndim != 2 or points.shape[1] != 2:
        if points.ndim == 2 and points.shape[1] == 3:
            raise PrmlError("its points have three coordinates: they are lifted; give the 2D predictions")
        raise PrmlError(f"expected x, y of every point, got an array of shape {points.shape}")
    scores = np.asarray(person["keypoint_scores"], np.float64).reshape(-1, 1)
    table = np.concatenate([points, scores], axis=1)
    track = person.get("track_id")
    identity = track if isinstance(track, int) and not isinstance(track, bool) and track >= 0 else None
    return sight(table, identity) if named is None else named_sight(table, named, identity)


def is_mmpose(path: Path) -> bool:
    """Whether a JSON file looks like MMPose predictions."""
    return bool(_HEAD.search(head_of(path)))


FORMAT = keypoint_format(
    "mmpose",
    (".json",),
    "2D predictions of MMPose",
    find_mmpose,
    detect=is_mmpose,
)
