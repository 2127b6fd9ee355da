"""Motions as npz or JSON: schema ``prml.motion/1`` (docs/file_schema.md).

Metres, Z up, right-handed, the floor at z = 0; the camera has its pose in that world.
"""

from pathlib import Path
from typing import Any

import numpy as np

from prml.io.entries import Entries, load_entries, stated_schema
from prml.io.keypoints import write_record
from prml.io.poses import blank, read_skeleton, shared_fields, skeleton_record
from prml.io.registry import Format
from prml.motion import Motion, Stage
from prml.scene import Scene
from prml.sequence import CONTACTS, PoseSequence

Array = np.ndarray
SCHEMA = "prml.motion/1"
ENTRIES = (
    "schema",
    "joints_m",
    "std_m",
    "contacts",
    "stages",
    "gates",
    "keypoints_px",
    "confidence",
    "times_s",
    "has_person",
    "filled",
    "inferred",
    "detected",
    "fps",
    "skeleton",
    "camera",
    "provenance",
    "name",
)


def entries_of_motion(motion: Motion, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a motion file."""
    sequence, frames = motion.sequence, len(motion)
    present = np.isfinite(np.asarray(sequence.joints_m)).all((1, 2))
    entries: dict[str, Any] = {
        "schema": SCHEMA,
        "joints_m": blank(sequence.joints_m, present),
        "std_m": blank(sequence.std_m, present),
        "contacts": motion.contacts,
        "stages": {
            stage.name: {"on": stage.on, "assumption": stage.assumption, "figures": _plain(stage.figures)}
            for stage in motion.stages
        },
        "gates": _plain(motion.gates),
        "keypoints_px": blank(sequence.keypoints_px, present),
        "confidence": None if sequence.confidence is None else np.asarray(sequence.confidence, np.float32),
        "times_s": np.asarray(sequence.times_s, np.float64),
        "has_person": present,
        "filled": np.zeros(frames, bool) if sequence.filled is None else sequence.filled,
        "inferred": sequence.inferred,
        "detected": sequence.detected,
        "fps": float(sequence.fps),
        "skeleton": skeleton_record(sequence.skeleton),
        "camera": None if sequence.camera is None else sequence.camera.to_dict(),
        "provenance": provenance,
        "name": sequence.name or None,
    }
    return {k: v for k, v in entries.items() if v is not None}


def _plain(figures: Any) -> dict[str, float | None]:
    """Numbers for JSON, which has no NaN."""
    return {name: float(value) if np.isfinite(value) else None for name, value in figures.items()}


def write_motion(motion: Motion, path: str | Path, provenance: dict[str, Any], overwrite: bool = False) -> None:
    """Write a motion file atomically.

    Args:
        motion: the motion.
        path: ends with ``.npz`` or ``.json``.
        provenance: plain values, as for :func:`prml.io.poses.write_poses`.
        overwrite: whether to replace an existing file.

    Raises:
        PrmlError: the path has another suffix, the file exists, or the disk is full.
    """
    write_record(entries_of_motion(motion, provenance), Path(path), overwrite)


def read_motion(path: str | Path) -> Motion:
    """Read a motion file; raise PrmlError if it is not a complete one. Frames without a person are NaN."""
    record = load_entries(path)
    record.check_schema(SCHEMA)
    record.check_names(ENTRIES)
    joints = read_skeleton(record)
    points = record.numbers("joints_m", (None, len(joints), 3), nan=True)
    frames, count = points.shape[:2]
    times_s, fps = record.times_and_fps(frames)
    has_person = record.flags("has_person", frames)
    if (wrong := np.isnan(points).any(axis=(1, 2)) & has_person).any():
        raise record.fail(f"'joints_m' is NaN in frame {int(wrong.argmax())}, where 'has_person' is true")

    contacts = record.flags("contacts", frames, len(CONTACTS))
    sequence = PoseSequence(
        skeleton=joints,
        times_s=times_s,
        joints_m=points.astype(np.float32),
        frame="world",
        root_relative=False,
        fps=fps,
        has_person=has_person,
        **shared_fields(record, frames, count),
        detected=record.flags("detected", count) if "detected" in record else None,
        contacts=contacts,
        name=record.text("name", ""),
        source=record.path.name,
        provenance=record.mapping("provenance"),
    )
    return Motion(sequence, contacts, _read_stages(record), _read_figures(record, record.mapping("gates"), "gates"))


def _read_stages(record: Entries) -> tuple[Stage, ...]:
    found = []
    for name, told in record.mapping("stages").items():
        whole = isinstance(told, dict) and {"on", "assumption", "figures"} <= set(told)
        if not whole or not isinstance(told["on"], bool) or not isinstance(told["assumption"], str):
            raise record.fail(f"expected 'on', 'assumption' and 'figures' of the stage {name!r}")
        found.append(Stage(name, told["on"], told["assumption"], _read_figures(record, told["figures"], name)))
    return tuple(found)


def _read_figures(record: Entries, told: Any, what: str) -> dict[str, float]:
    values = told.values() if isinstance(told, dict) else [""]
    if not all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values):
        raise record.fail(f"expected numbers by name in {what!r}")
    return {name: float("nan") if value is None else float(value) for name, value in told.items()}


FORMAT = Format(
    "motion",
    (".npz", ".json"),
    f"a person's motion in a room as prml lift writes it ({SCHEMA})",
    lambda path: Scene.of(read_motion(path).sequence),
    detect=lambda path: stated_schema(path) == SCHEMA,
)
