"""Custom data: one schema, as npz or Parquet, for 3D, 2D or both.

An npz file with these arrays (F frames of all clips in sequence, N clips, J joints)::

    format           text                     prml-sequences/1
    skeleton         text                     joint set and order, e.g. h36m17, coco17 (prml.skeleton.SKELETONS)
    clip_start       (N + 1)                  clip i is frames clip_start[i] to clip_start[i + 1]; absent: one clip
    fps              number or (N)            frames a second
    joints           (F, J, 3)                3D; needs unit and frame
    unit             text                     m or mm
    frame            text                     camera (x right, y down, z forward) or world (z up)
    root_relative    0 or 1                   1 if every frame is relative to the root joint; absent: 0
    keypoints_px     (F, J, 2)                2D in pixels from the top-left corner, NaN if unknown; needs image_size
    confidence       (F, J)                   0 to 1; absent: not known
    image_size       (2) or (N, 2)            width, height
    intrinsics       (4) or (N, 4)            fx, fy, cx, cy in pixels; absent: 55 degrees over the longer side
    world_to_camera  (3, 4) or (N, 3, 4)      rotation and translation (metres), for frame = world with 2D
    valid            (F)                      0 for frames to leave out of every score; absent: 1
    clip_name, subject, action, split  (N)    texts; absent: clip0 and so on, empty, empty, train

Either ``joints`` or ``keypoints_px`` is required. A Parquet file (needs pyarrow, ``pip install prml-pose[parquet]``)
has one row per frame, with clips as runs of equal ``clip_name``. The columns ``joints``, ``keypoints_px`` and
``confidence`` contain flat lists of a frame's numbers; ``valid``, ``subject``, ``action``, ``split`` and ``fps`` are
plain values. Entries per file are JSON in the file's metadata under the key ``prml``. ``prml data check PATH`` reports
what is wrong with a file.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from prml.camera import Camera
from prml.errors import PrmlError
from prml.io.files import write_file
from prml.io.guard import guarded
from prml.io.npz import load_npz, npz_keys
from prml.io.registry import Format
from prml.io.sandbox import Limits, run_isolated
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import SKELETONS, Skeleton, skeleton

SCHEMA = "prml-sequences/1"
UNITS_M = {"m": 1.0, "mm": 0.001}
PER_FRAME = ("joints", "keypoints_px", "confidence", "valid")
LABELS = ("clip_name", "subject", "action", "split")
PER_CLIP = ("fps", "image_size", "intrinsics", "world_to_camera")
PER_FILE = ("format", "skeleton", "unit", "frame", "root_relative")
KEYS = (*PER_FILE, "clip_start", *PER_FRAME, *PER_CLIP, *LABELS)
_SINGLE = str | bytes | int | float | None
_CLIP_SHAPE: Mapping[str, tuple[int, ...]] = {
    "fps": (),
    "image_size": (2,),
    "intrinsics": (4,),
    "world_to_camera": (3, 4),
}


# ------------------------------------------------------------------------------------------------ reading
def read_sequences(path: Path | str, split: str | None = None) -> Iterator[PoseSequence]:
    """Read the clips of a file in the schema of this module.

    Args:
        path: ``.npz`` or ``.parquet``.
        split: only clips of this split; None for all.

    Yields:
        Sequences in metres and pixels; ``valid`` (T,) and ``labels["split"]``.

    Raises:
        PrmlError: the file has :func:`problems` (the first is reported), or the split has no clips.
    """
    path = Path(path)
    record = load_arrays(path)
    if found := problems(record):
        more = f" ({len(found) - 1} more: prml data check {path.name})" if len(found) > 1 else ""
        raise PrmlError(f"{path.name}: {found[0]}{more}")
    splits = _labels(record, "split")
    chosen = [i for i in range(len(splits)) if split is None or splits[i] == split]
    if not chosen:
        raise PrmlError(f"{path.name}: no clip of the split {split!r}; it has {', '.join(sorted(set(splits)))}")
    return (_sequence(record, i, path.stem) for i in chosen)


def load_arrays(path: Path) -> dict[str, Any]:
    """Return the raw, unchecked arrays of an npz or Parquet file by key; raise PrmlError if it cannot be read."""
    if path.suffix == ".parquet":
        return _load_parquet(path)
    present = npz_keys(path)
    held = load_npz(path, tuple(k for k in present if k in KEYS))
    record: dict[str, Any] = guarded(
        path.name, lambda: {k: _plain(v) if k in PER_FILE else np.asarray(v) for k, v in held.items()}
    )
    return {**record, "unknown": [k for k in present if k not in KEYS]}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.ndarray) and value.size == 1 else value


def _load_parquet(path: Path) -> dict[str, Any]:
    if find_spec("pyarrow") is None:
        raise PrmlError("Parquet needs pyarrow: pip install 'prml-pose[parquet]', or give an npz file")
    if not path.is_file():
        raise PrmlError(f"{path.name}: no such file")
    record: dict[str, Any] = run_isolated(_parsed, str(path.absolute()), what=path.name, limits=Limits.for_file(path))
    return record


def _parsed(path: str) -> dict[str, Any]:
    """What is read of a Parquet file; called in a process of its own, since a small one can hold a billion rows."""
    import pyarrow.parquet as pq

    name = Path(path)
    return guarded(name, lambda: _from_table(pq.read_table(path, use_threads=False), name.stem))


def _from_table(table: Any, stem: str) -> dict[str, Any]:
    """Convert a pyarrow table to the arrays of an npz file."""
    said = json.loads((table.schema.metadata or {}).get(b"prml", b"{}"))
    record: dict[str, Any] = {k: v for k, v in said.items() if k in PER_FILE} | {"unknown": []}
    record |= {k: np.asarray(v) for k, v in said.items() if k in PER_CLIP}
    columns = {name: table.column(name).to_pylist() for name in table.column_names if name in KEYS}
    names = columns.get("clip_name", [stem] * table.num_rows)
    starts = [i for i in range(len(names)) if i == 0 or names[i] != names[i - 1]]
    record["clip_start"] = np.array([*starts, len(names)])
    record |= {k: np.array([columns[k][i] for i in starts]) for k in (*LABELS, "fps") if k in columns}
    joints = len(SKELETONS[record["skeleton"]]) if record.get("skeleton") in SKELETONS else 1
    for key, width in (("joints", 3), ("keypoints_px", 2), ("confidence", 1), ("valid", 0)):
        if key in columns:
            rows = np.array(
                [[np.nan if v is None else v for v in r] if width else r for r in columns[key]], dtype=float
            )
            wide = width > 0 and rows.ndim == 2 and rows.shape[1] == joints * width
            record[key] = rows.reshape(len(rows), joints, width) if wide and width > 1 else rows
    return record


def problems(record: Mapping[str, Any]) -> list[str]:
    """Return everything that is wrong with a record (expected and got), empty if it is valid."""
    found = [f"unknown key {k!r}; known are {', '.join(KEYS)}" for k in record.get("unknown", [])]
    wrong = [f"{k}: expected a single value" for k in PER_FILE if not isinstance(record.get(k), _SINGLE)]
    wrong += [f"{k}: expected an array" for k in PER_FRAME if k in record and np.ndim(record[k]) == 0]
    if wrong:
        return [*found, *wrong]
    if record.get("format") != SCHEMA:
        found.append(f"expected format = {SCHEMA!r}, got {record.get('format')!r}")
    if record.get("skeleton") not in SKELETONS:
        return [*found, f"expected skeleton = one of {', '.join(SKELETONS)}, got {record.get('skeleton')!r}"]
    if "joints" not in record and "keypoints_px" not in record:
        return [*found, "'joints' (3D) and 'keypoints_px' (2D) are both missing"]
    found += _array_problems(record, skeleton(str(record["skeleton"])))
    if "fps" not in record:
        found.append("'fps' is missing: frames per second, one number or one per clip")
    if "joints" in record:
        for key, allowed in (("unit", tuple(UNITS_M)), ("frame", ("camera", "world"))):
            if record.get(key) not in allowed:
                found.append(f"expected {key} = {' or '.join(allowed)}, got {record.get(key)!r}")
    if record.get("root_relative", 0) not in (0, 1):
        found.append(f"expected root_relative = 0 or 1, got {record['root_relative']!r}")
    if "keypoints_px" in record and "image_size" not in record:
        found.append("'image_size' (width, height) is missing; 2D in pixels needs it")
    return found if found else _value_problems(record)


def _frames(record: Mapping[str, Any]) -> int:
    return len(record["joints"] if "joints" in record else record["keypoints_px"])


def _starts(record: Mapping[str, Any]) -> np.ndarray:
    return np.asarray(record.get("clip_start", [0, _frames(record)])).reshape(-1)


def _array_problems(record: Mapping[str, Any], joints: Skeleton) -> list[str]:
    found = []
    F, J, starts = _frames(record), len(joints), _starts(record)
    wanted = {"joints": (F, J, 3), "keypoints_px": (F, J, 2), "confidence": (F, J), "valid": (F,)}
    for key, shape in wanted.items():
        if key in record:
            array = np.asarray(record[key])
            if array.dtype.kind not in "fiub" or array.shape != shape:
                found.append(
                    f"{key}: expected numbers of shape {shape} for {joints.name}, got {array.dtype} {array.shape}"
                )
    if (
        starts.dtype.kind not in "iu"
        or len(starts) < 2
        or starts[0] != 0
        or starts[-1] != F
        or np.any(np.diff(starts) <= 0)
    ):
        found.append(f"clip_start: expected whole numbers that increase from 0 to {F}, got {starts[:5].tolist()} ...")
    N = len(starts) - 1
    for key in PER_CLIP:
        if key in record:
            one, array = _CLIP_SHAPE[key], np.asarray(record[key])
            if array.shape not in (one, (1, *one), (N, *one)):
                found.append(f"{key}: expected shape {one} or {(N, *one)}, got {array.shape}")
            elif array.dtype.kind not in "fiu" or (key != "fps" and not np.isfinite(array).all()):
                found.append(f"{key}: expected finite numbers, got {array.dtype} {array.reshape(-1)[:4].tolist()}")
    for key in LABELS:
        if key in record and np.asarray(record[key]).reshape(-1).shape != (N,):
            found.append(f"{key}: expected {N} texts, one per clip, got {np.asarray(record[key]).size}")
    return found


def _value_problems(record: Mapping[str, Any]) -> list[str]:
    found, starts = [], _starts(record)
    for i, name in enumerate(_labels(record, "clip_name")):
        fps = float(_of_clip(record, "fps", i))
        if not np.isfinite(fps) or fps <= 0:
            found.append(f"fps of {name}: expected a positive number, got {fps}")
        for key in ("joints", "confidence"):
            if key in record:
                bad = ~np.isfinite(np.asarray(record[key], dtype=float)[starts[i] : starts[i + 1]])
                if bad.any():
                    frame, joint = np.argwhere(bad)[0][:2]
                    found.append(
                        f"{key} of {name}: not a number in frame {frame}, joint {joint} ({int(bad.sum())} in all)"
                    )
    if "confidence" in record and not found:
        low, high = np.min(record["confidence"]), np.max(record["confidence"])
        if low < 0 or high > 1:
            found.append(f"confidence: expected 0 to 1, got {low:g} to {high:g}")
    return found


def _labels(record: Mapping[str, Any], key: str) -> list[str]:
    N = len(_starts(record)) - 1
    if key in record:
        return [str(v) for v in np.asarray(record[key]).reshape(-1)]
    return [f"clip{i}" for i in range(N)] if key == "clip_name" else ["train" if key == "split" else ""] * N


def _of_clip(record: Mapping[str, Any], key: str, clip: int) -> np.ndarray:
    value = np.asarray(record[key])
    return value if value.shape == _CLIP_SHAPE[key] else np.asarray(value[clip if len(value) > 1 else 0])


def _camera(record: Mapping[str, Any], clip: int) -> Camera | None:
    if "image_size" not in record:
        return None
    width, height = (int(v) for v in _of_clip(record, "image_size", clip))
    camera = Camera.from_fov(width, height)
    if "intrinsics" in record:
        fx, fy, cx, cy = (float(v) for v in _of_clip(record, "intrinsics", clip))
        camera = Camera(width, height, fx, fy, cx, cy, source="own file")
    if "world_to_camera" in record:
        Rt = _of_clip(record, "world_to_camera", clip).astype(float)
        camera = replace(camera, R_world_to_camera=Rt[:, :3], t_m=Rt[:, 3])
    return camera


def _sequence(record: Mapping[str, Any], clip: int, source: str) -> PoseSequence:
    cut = slice(*(int(v) for v in _starts(record)[clip : clip + 2]))
    fields: dict[str, Any] = {}
    if "joints" in record:
        metres = np.asarray(record["joints"][cut]) * UNITS_M[record["unit"]]
        fields |= {"joints_m": metres.astype(np.float32), "frame": record["frame"]}
        fields["root_relative"] = bool(record.get("root_relative", False))
    for key in ("keypoints_px", "confidence"):
        if key in record:
            fields[key] = np.asarray(record[key][cut], dtype=np.float32)
    frames = cut.stop - cut.start
    valid = np.asarray(record["valid"][cut]) != 0 if "valid" in record else np.ones(frames, dtype=bool)
    name, subject, action, split = (_labels(record, key)[clip] for key in LABELS)
    return PoseSequence.regular(
        frames,
        float(_of_clip(record, "fps", clip)),
        skeleton(str(record["skeleton"])),
        camera=_camera(record, clip),
        name=name,
        subject=subject,
        action=action,
        source=source,
        valid=valid,
        labels={"split": split},
        **fields,
    )


# ------------------------------------------------------------------------------------------------ writing
def write_sequences(path: Path | str, sequences: Sequence[PoseSequence], overwrite: bool = False) -> None:
    """Write sequences of one skeleton, frame and kind in the schema of this module (npz or Parquet, by suffix).

    Raises:
        PrmlError: there are no sequences, they differ in kind, or the file already exists.
    """
    path = Path(path)
    kinds = {
        (s.skeleton.name, s.frame, s.root_relative, s.joints_m is None, s.keypoints_px is None, s.confidence is None)
        for s in sequences
    }
    if len(kinds) != 1:
        raise PrmlError(f"expected sequences of one skeleton, frame and kind, got {len(kinds)} kinds")
    record = _record(sequences)
    pack = _write_parquet if path.suffix == ".parquet" else _write_npz
    write_file(path, partial(pack, record), overwrite)


def _record(sequences: Sequence[PoseSequence]) -> dict[str, Any]:
    first = sequences[0]
    record: dict[str, Any] = {
        "format": np.array(SCHEMA),
        "skeleton": np.array(first.skeleton.name),
        "fps": np.array([s.fps for s in sequences]),
        "clip_start": np.cumsum([0, *map(len, sequences)]),
        "clip_name": np.array([s.name for s in sequences]),
        "subject": np.array([s.subject for s in sequences]),
        "action": np.array([s.action for s in sequences]),
        "split": np.array([s.labels.get("split", "train") for s in sequences]),
        "valid": np.concatenate([np.ones(len(s), bool) if s.valid is None else s.valid for s in sequences]).astype(
            np.int8
        ),
    }
    if first.joints_m is not None:
        record |= {
            "unit": np.array("m"),
            "frame": np.array(first.frame),
            "root_relative": np.array(int(first.root_relative)),
        }
    for key, name in (("joints", "joints_m"), ("keypoints_px", "keypoints_px"), ("confidence", "confidence")):
        if getattr(first, name) is not None:
            record[key] = np.concatenate([getattr(s, name) for s in sequences]).astype(np.float32)
    cameras = [s.camera for s in sequences if s.camera is not None]
    if len(cameras) == len(sequences):
        record["image_size"] = np.array([[c.width, c.height] for c in cameras])
        record["intrinsics"] = np.array([[c.fx, c.fy, c.cx, c.cy] for c in cameras])
        record["world_to_camera"] = np.array([np.column_stack([c.R_world_to_camera, c.t_m]) for c in cameras])
    return record


def _write_npz(record: Mapping[str, Any], file: BinaryIO) -> None:
    np.savez_compressed(file, **record)


def _write_parquet(record: Mapping[str, Any], file: BinaryIO) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise PrmlError("Parquet needs pyarrow: pip install 'prml-pose[parquet]', or write an npz file") from None
    lengths = np.diff(record["clip_start"])
    columns: dict[str, Any] = {k: np.repeat(record[k], lengths) for k in (*LABELS, "fps")}
    columns |= {k: list(np.asarray(record[k]).reshape(_frames(record), -1)) for k in PER_FRAME[:3] if k in record}
    columns["valid"] = record["valid"]
    said = {k: np.asarray(record[k]).tolist() for k in (*PER_FILE, *PER_CLIP) if k in record and k != "fps"}
    table = pa.table({k: pa.array(v) for k, v in columns.items()})
    pq.write_table(table.replace_schema_metadata({"prml": json.dumps(said)}), file)


def _read_scene(path: Path) -> Scene:
    sequences = list(read_sequences(path))
    if len(sequences) > 1:
        raise PrmlError(
            f"{path.name}: has {len(sequences)} clips, expected one; read them with prml.io.sequences.read_sequences"
        )
    return Scene.of(sequences[0])


def _is_sequences(path: Path) -> bool:
    return path.suffix.lower() == ".parquet" or "format" in npz_keys(path)


FORMAT = Format(
    "sequences",
    (".npz", ".parquet"),
    "custom clips, 3D, 2D or both (prml-sequences/1)",
    _read_scene,
    lambda scene, path, overwrite: write_sequences(path, scene.people, overwrite),
    detect=_is_sequences,
)
