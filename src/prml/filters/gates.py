"""Figures of quality of a motion: what a user may refuse it by."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from prml.filters.bones import bone_spread_m
from prml.filters.contacts import foot_points
from prml.filters.smooth import jitter_m
from prml.sequence import PoseSequence
from prml.spans import runs

Array = np.ndarray
MM_PER_M = 1e3
# gate -> what it means; the unit is its suffix
GATES: Mapping[str, str] = {
    "jitter_mm": "mean distance of a joint from the middle of its neighbours in time, at 30 frames/s",
    "foot_slide_mm": "mean distance that a standing point of a foot moves in a contact",
    "below_floor_mm": "how far the lowest foot lies below the floor",
    "bone_spread_mm": "largest standard deviation of a bone's length",
    "residual_px": "mean distance of projected joints from the 2D input",
    "unseen_share": "share of joints and frames with a person that no picture shows: filled or inferred",
}


def slides_m(feet_m: Float[Array, "T 4 3"], contacts: Bool[Array, "T 4"]) -> list[float]:
    """How far a point of a foot gets from where it began in every contact, along the floor, metres."""
    found = []
    for column in range(contacts.shape[1]):
        for run in runs(contacts[:, column]):
            path = feet_m[run, column, :2]
            found.append(float(np.linalg.norm(path - path[0], axis=-1).max()))
    return found


def gates_of(sequence: PoseSequence, contacts: Bool[Array, "T 4"]) -> dict[str, float]:
    """The gates of a sequence in the world frame; NaN where one cannot be measured."""
    joints = np.asarray(sequence.joints_m, np.float64)
    columns, sole_m = foot_points(sequence.skeleton, sequence.detected)
    feet = joints[:, list(columns)]
    moved = slides_m(feet, contacts)
    lowest = feet[..., 2][np.isfinite(feet[..., 2])]
    found = {
        "jitter_mm": MM_PER_M * jitter_m(joints, sequence.times_s),
        "foot_slide_mm": MM_PER_M * float(np.mean(moved)) if moved else float("nan"),
        "below_floor_mm": MM_PER_M * max(0.0, sole_m - float(lowest.min())) if len(lowest) else float("nan"),
        "bone_spread_mm": MM_PER_M * bone_spread_m(joints, sequence.skeleton),
        "residual_px": _residual_px(sequence, joints),
        "unseen_share": _unseen(sequence),
    }
    return {name: round(value, 6) for name, value in found.items()}  # what is smaller is rounding


def _residual_px(sequence: PoseSequence, joints: Float[Array, "T J 3"]) -> float:
    camera, points = sequence.camera, sequence.keypoints_px
    if camera is None or points is None:
        return float("nan")
    away = np.linalg.norm(camera.project(camera.to_camera(joints)) - points, axis=-1)
    if sequence.inferred is not None:
        away = away[~sequence.inferred]
    away = away[np.isfinite(away)]
    return float(away.mean()) if len(away) else float("nan")


def _unseen(sequence: PoseSequence) -> float:
    present = np.isfinite(np.asarray(sequence.joints_m)).all((1, 2))
    if sequence.inferred is None or not present.any():
        return float("nan")
    return float(sequence.inferred[present].mean())
