"""Result files of lifting, as npz or JSON (docs/file_schema.md).

Results on 28 joints have the schema ``prml.poses/2``, others ``prml.poses/1``: the same but for ``detected``.
"""

from pathlib import Path
from typing import Any

import numpy as np

from prml.errors import PrmlError
from prml.io.entries import Entries, load_entries, stated_schema
from prml.io.keypoints import write_record
from prml.io.registry import Format, only_person
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, Skeleton, skeleton

Array = np.ndarray
SCHEMA = "prml.poses/1"
SCHEMA_28 = "prml.poses/2"
SCHEMAS = (SCHEMA, SCHEMA_28)
ENTRIES = (
    "schema",
    "joints_cam_m",
    "std_m",
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


def entries_of(sequence: PoseSequence, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a result file; raise PrmlError unless joints are root-relative in the camera frame."""
    if sequence.joints_m is None or sequence.frame != "camera" or not sequence.root_relative:
        raise PrmlError("a result file needs root-relative joints in the camera frame; lift the sequence first")
    frames = len(sequence)
    present = np.ones(frames, bool) if sequence.has_person is None else sequence.has_person
    entries: dict[str, Any] = {
        "schema": SCHEMA_28 if sequence.skeleton == BODY28 else SCHEMA,
        "joints_cam_m": blank(sequence.joints_m, present),
        "std_m": blank(sequence.std_m, present),
        "keypoints_px": blank(sequence.keypoints_px, present),
        "confidence": _float32(sequence.confidence),
        "times_s": np.asarray(sequence.times_s, np.float64),
        "has_person": present,
        "filled": np.zeros(frames, bool) if sequence.filled is None else sequence.filled,
        "inferred": sequence.inferred,
        "detected": _detected(sequence),
        "fps": float(sequence.fps),
        "skeleton": skeleton_record(sequence.skeleton),
        "camera": None if sequence.camera is None else sequence.camera.to_dict(),
        "provenance": provenance,
        "name": sequence.name or None,
    }
    return {k: v for k, v in entries.items() if v is not None}


def write_poses(
    sequence: PoseSequence,
    path: str | Path,
    provenance: dict[str, Any],
    overwrite: bool = False,
) -> None:
    """Write a result file atomically: root-relative camera-frame joints in metres and everything that goes with them.

    Args:
        sequence: a lifted sequence.
        path: ends with ``.npz`` or ``.json``.
        provenance: plain values: version, commit, weights and their hash, detector, options, input, date.
        overwrite: whether to replace an existing file.

    Raises:
        PrmlError: the path has another suffix, the sequence is not lifted, the file exists, or the disk is full.
    """
    write_record(entries_of(sequence, provenance), Path(path), overwrite)


def _detected(sequence: PoseSequence) -> Array | None:
    """Return which of 28 joints the detector measures: as stated, or those that have keypoints; None for 17 joints."""
    if sequence.skeleton != BODY28:
        return None
    if sequence.detected is not None:
        return sequence.detected
    points = sequence.keypoints_px
    return np.zeros(len(BODY28), bool) if points is None else np.isfinite(points).all(-1).any(0)


def _float32(values: Array | None) -> Array | None:
    return None if values is None else np.asarray(values, np.float32)


def blank(values: Array | None, present: Array) -> Array | None:
    """Convert to float32, with NaN in gaps so that hallucinated poses are never mistaken for real ones."""
    return None if values is None else np.where(present[:, None, None], values, np.nan).astype(np.float32)


def skeleton_record(joints: Skeleton) -> dict[str, Any]:
    """A skeleton as it stands in a file."""
    return {
        "name": joints.name,
        "joints": list(joints.joints),
        "parents": list(joints.parents),
        "left": list(joints.left),
        "right": list(joints.right),
        "root": joints.root,
    }


def read_skeleton(record: Entries) -> Skeleton:
    """The skeleton of a file; raises PrmlError unless it is one of this version."""
    stated = record.mapping("skeleton")
    try:
        known = skeleton(str(stated.get("name")))
    except PrmlError as error:
        raise record.fail(str(error)) from None
    if stated != skeleton_record(known):
        raise record.fail(f"its skeleton {known.name} is not the {known.name} of this version; lift the video again")
    return known


def shared_fields(record: Entries, frames: int, joints: int) -> dict[str, Any]:
    """Return fields of a sequence that result files and motion files store alike; raise PrmlError if one is invalid."""

    def optional(name: str, *shape: int) -> Array | None:
        return record.numbers(name, (frames, *shape), nan=True).astype(np.float32) if name in record else None

    return {
        "std_m": optional("std_m", joints, 3),
        "keypoints_px": optional("keypoints_px", joints, 2),
        "confidence": optional("confidence", joints),
        "camera": record.camera(),
        "filled": record.flags("filled", frames),
        "inferred": record.flags("inferred", frames, joints) if "inferred" in record else None,
    }


def read_poses(path: str | Path) -> PoseSequence:
    """Read a result file, npz or JSON.

    Returns:
        Root-relative joints in camera metres, standard deviations, keypoints in pixels, confidence, flags, times,
        camera and ``provenance``. Frames without a person are NaN.

    Raises:
        PrmlError: the file is not a complete result file.
    """
    record = load_entries(path)
    stated = record.entries.get("schema")
    newer = isinstance(stated, str) and stated == SCHEMA_28
    record.check_schema(SCHEMA_28 if newer else SCHEMA)
    record.check_names(ENTRIES if newer else [name for name in ENTRIES if name != "detected"])
    joints = read_skeleton(record)
    if newer != (joints == BODY28):
        raise record.fail(f"results on {joints.name} have the schema {SCHEMA if newer else SCHEMA_28}")
    points = record.numbers("joints_cam_m", (None, len(joints), 3), nan=True)
    frames, count = points.shape[:2]
    times_s, fps = record.times_and_fps(frames)
    has_person = record.flags("has_person", frames)
    if (wrong := np.isnan(points).any(axis=(1, 2)) & has_person).any():
        raise record.fail(f"'joints_cam_m' is NaN in frame {int(wrong.argmax())}, where 'has_person' is true")

    return PoseSequence(
        skeleton=joints,
        times_s=times_s,
        joints_m=points.astype(np.float32),
        frame="camera",
        root_relative=True,
        fps=fps,
        has_person=has_person,
        **shared_fields(record, frames, count),
        detected=record.flags("detected", count) if newer else None,
        name=record.text("name", ""),
        source=record.path.name,
        provenance=record.mapping("provenance"),
    )


def _write_scene(scene: Scene, path: Path, overwrite: bool) -> None:
    person = only_person(scene, "a result file")
    write_poses(person, path, dict(person.provenance), overwrite)


FORMAT = Format(
    "poses",
    (".npz", ".json"),
    f"3D poses of one person as prml lift writes them ({' or '.join(SCHEMAS)})",
    lambda path: Scene.of(read_poses(path)),
    _write_scene,
    holds=lambda scene: all(p.joints_m is not None and p.frame == "camera" and p.root_relative for p in scene),
    detect=lambda path: stated_schema(path) in SCHEMAS,
)
