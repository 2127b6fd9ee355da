"""Keypoint files: 2D poses from any detector, in the schema ``prml.keypoints/1`` (docs/file_schema.md)."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from prml.errors import PrmlError
from prml.filters.repair import seen_joints
from prml.io.entries import Entries, load_entries, stated_schema
from prml.io.files import write_file
from prml.io.keypoint_checks import check_keypoints, placeholders
from prml.io.registry import Format, only_person
from prml.scene import Scene
from prml.sequence import PoseSequence, check_fps
from prml.skeleton import Skeleton, skeleton

Array = np.ndarray
Warn = Callable[[str], None]
SCHEMA = "prml.keypoints/1"
_JSON_FRAMES = 256
ENTRIES = (
    "schema",
    "skeleton",
    "fps",
    "times_s",
    "width",
    "height",
    "keypoints_px",
    "confidence",
    "has_person",
    "camera",
    "name",
)


def read_keypoints(path: str | Path, *, fps: float | None = None, warn: Warn | None = None) -> PoseSequence:
    """Read a keypoint file.

    Args:
        path: ``.npz`` or ``.json`` in the schema ``prml.keypoints/1``.
        fps: capture rate, instead of the rate and times in the file.
        warn: called with one line for each thing that looks wrong (rules in :mod:`prml.io.keypoint_checks`).

    Returns:
        A sequence with keypoints in pixels (NaN in frames without a person and for joints at exactly (0, 0) or
        (-1, -1); other joints as in the file), confidence (1 if the file has none), times and rate, ``has_person``,
        the camera if given, and ``image_size``. Gaps are not filled: see :func:`filled_in`.

    Raises:
        PrmlError: the file is invalid; the message names the file and the entry.
    """
    record = load_entries(path)
    record.check_schema(SCHEMA)
    record.check_names(ENTRIES)

    def tell(text: str) -> None:
        if warn:
            warn(f"{record.path.name}: {text}")

    points, joints = _points(record, tell)
    frames = len(points)
    confidence = _confidence(record, (frames, len(joints)))
    has_person = _has_person(record, points, confidence)
    confidence = np.where(has_person[:, None] & ~np.isnan(points).any(axis=2), confidence, 0.0)
    if not np.all((confidence >= 0) & (confidence <= 1)):
        raise record.fail("'confidence' must be between 0 and 1 for every joint that has a position")
    times_s, rate = _times_and_fps(record, frames, fps)
    size, camera = (record.whole("width"), record.whole("height")), record.camera()
    if camera is not None and size != (camera.width, camera.height):
        raise record.fail(
            f"'camera' is for {camera.width} x {camera.height} pixels, 'width' and 'height' say {size[0]} x {size[1]}"
        )
    sequence = PoseSequence(
        skeleton=joints,
        times_s=times_s,
        keypoints_px=points,
        confidence=confidence,
        fps=rate,
        has_person=has_person,
        filled=np.zeros(frames, dtype=bool),
        camera=camera,
        name=record.text("name", record.path.stem),
        source=record.path.name,
        image_size=size,
    )
    return checked(sequence, "confidence" in record, record.fail, tell)


def checked(sequence: PoseSequence, sure: bool, fail: Callable[[str], PrmlError], tell: Warn) -> PoseSequence:
    """Return keypoints that a file holds, NaN in frames without a person, after the rules for everything that is read.

    Args:
        sequence: with keypoints, confidence, ``has_person`` and ``image_size``.
        sure: whether the confidence is the file's own.
        fail: makes the error of a text.
        tell: called with each doubt (rules in :mod:`prml.io.keypoint_checks`).

    Raises:
        PrmlError: from ``fail``, if the positions cannot be right.
    """
    points, confidence = np.asarray(sequence.keypoints_px), np.asarray(sequence.confidence)
    points = np.where(np.asarray(sequence.has_person)[:, None, None], points, np.nan)
    for doubt in check_keypoints(sequence.skeleton, points, confidence if sure else None, sequence.image_size):
        if doubt.level == "error":
            raise fail(doubt.text)
        tell(doubt.text)
    return sequence.with_(keypoints_px=points)


def _points(record: Entries, tell: Warn) -> tuple[Array, Skeleton]:
    """Return the keypoints (T, J, 2), NaN for placeholders, and their skeleton."""
    try:
        joints = skeleton(record.text("skeleton"))
    except PrmlError as error:
        raise record.fail(str(error)) from None
    points = record.numbers("keypoints_px", (None, None, 2), nan=True)
    if len(points) == 0:
        raise record.fail("'keypoints_px' has no frames")
    if points.shape[1] != len(joints):
        raise record.fail(f"{joints.name} has {len(joints)} joints, 'keypoints_px' has {points.shape[1]}")
    lost = placeholders(points)
    if lost.any():
        points = np.where(lost[..., None], np.nan, points)
        known = "confidence" in record and not (_confidence(record, lost.shape)[lost] > 0).any()
        if not known:
            share = f"{int(lost.sum())} of {lost.size} joints"
            tell(f"{share} are at exactly (0, 0) or (-1, -1): treated as not found; write null for such a joint")
    return points, joints


def _confidence(record: Entries, shape: tuple[int, ...]) -> Array:
    return record.numbers("confidence", shape, nan=True) if "confidence" in record else np.ones(shape)


def _times_and_fps(record: Entries, frames: int, fps: float | None) -> tuple[Array, float]:
    """Return times and rate of the file, or of a given rate, in which case those of the file are not checked."""
    if fps is None:
        return record.times_and_fps(frames)
    rate = check_fps(fps, "fps")
    return np.arange(frames) / rate, rate


def _has_person(record: Entries, points: Array, confidence: Array) -> Array:
    """Return frames with a person according to the file and with at least one joint found."""
    seen = np.asarray(seen_joints(points, confidence).any(axis=1))
    if "has_person" in record:
        stated = record.flags("has_person", len(points))
        if (wrong := stated & np.isnan(points).any(axis=2).all(axis=1)).any():
            raise record.fail(f"'keypoints_px' is NaN in frame {int(wrong.argmax())}, where 'has_person' is true")
        if not stated.any():
            raise record.fail("'has_person' is false in every frame; there is nobody to lift")
        seen &= stated
    if not seen.any():
        raise record.fail("no joint was found in any frame (all are NaN or have confidence 0); there is nobody to lift")
    return seen


def write_keypoints(sequence: PoseSequence, path: str | Path, overwrite: bool = False) -> None:
    """Write the 2D part of a sequence as npz or JSON; :func:`read_keypoints` reads it back.

    Args:
        sequence: with ``keypoints_px`` and ``image_size`` or ``camera``.
        path: ends with ``.npz`` or ``.json``.
        overwrite: whether to replace an existing file.

    Raises:
        PrmlError: something is missing, or the file exists or cannot be written.
    """
    path = Path(path)
    if sequence.keypoints_px is None:
        raise PrmlError("the sequence has no keypoints_px to write; detect them first")
    if sequence.image_size is None:
        raise PrmlError("the size of the image is not known; give the sequence an image_size (width, height)")
    entries: dict[str, Any] = {
        "schema": SCHEMA,
        "skeleton": sequence.skeleton.name,
        "fps": float(sequence.fps),
        "times_s": sequence.times_s,
        "width": sequence.image_size[0],
        "height": sequence.image_size[1],
        "keypoints_px": sequence.keypoints_px,
    }
    optional = {"confidence": sequence.confidence, "has_person": sequence.has_person, "name": sequence.name or None}
    entries |= {k: v for k, v in optional.items() if v is not None}
    if sequence.camera is not None:
        entries["camera"] = sequence.camera.to_dict()
    write_record(entries, path, overwrite)


def write_record(entries: dict[str, Any], path: Path, overwrite: bool = False) -> None:
    """Write names and values (texts, numbers, arrays, plain mappings) as npz or JSON, atomically.

    Raises:
        PrmlError: the path has another suffix, the file exists, or the disk is full.
    """
    if path.suffix == ".npz":
        write_file(path, partial(_npz, entries), overwrite)
    elif path.suffix == ".json":
        write_file(path, partial(_json, entries), overwrite)
    else:
        raise PrmlError(f"{path.name}: expected the suffix .npz or .json; choose one of them")


def _npz(entries: dict[str, Any], file: BinaryIO) -> None:
    packed = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in entries.items()}
    np.savez_compressed(file, allow_pickle=False, **packed)


def _json(entries: dict[str, Any], file: BinaryIO) -> None:
    """Write one entry per line; NaN, which JSON lacks, becomes null."""
    for index, (name, value) in enumerate(entries.items()):
        file.write(f"{',' if index else '{'}\n {json.dumps(name)}: ".encode())
        for text in _json_array(value) if isinstance(value, np.ndarray) else [json.dumps(value)]:
            file.write(text.encode())
    file.write(b"\n}\n")


def _json_array(values: Array) -> Iterator[str]:
    """Yield the JSON text of an array with at least one axis, a few hundred frames at a time to save memory."""
    yield "["
    for first in range(0, len(values), _JSON_FRAMES):
        part = values[first : first + _JSON_FRAMES]
        rounded = np.round(part.astype(np.float64), 6) if part.dtype.kind == "f" else part
        text = json.dumps(rounded.tolist(), separators=(",", ":")).replace("NaN", "null")
        yield ("," if first else "") + text[1:-1]
    yield "]"


def _write_scene(scene: Scene, path: Path, overwrite: bool) -> None:
    write_keypoints(only_person(scene, f"a file in the schema {SCHEMA}"), path, overwrite)


FORMAT = Format(
    "keypoints",
    (".npz", ".json"),
    f"2D poses of one person from any detector ({SCHEMA})",
    lambda path, fps=None, warn=None: Scene.of(read_keypoints(path, fps=fps, warn=warn)),
    _write_scene,
    holds=lambda scene: all(person.keypoints_px is not None and person.joints_m is None for person in scene),
    detect=lambda path: stated_schema(path) == SCHEMA,
    options=("fps", "warn"),
)
