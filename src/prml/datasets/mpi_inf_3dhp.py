"""MPI-INF-3DHP: the field's two npz files, and the official download.

**npz** (P-STMO's, used by all later lifters): ``data_train_3dhp.npz`` maps ``"S1 Seq1"`` (one blank) to ``[cameras,
fps]``, 25 or 50 fps, eight cameras each; ``data_test_3dhp.npz`` maps ``"TS1"`` .. ``"TS6"`` to arrays with a
``valid`` flag. **Official**: ``S1/Seq1/annot.mat`` (28 joints, 14 cameras, MATLAB v5) with ``camera.calibration``,
and ``TS1/annot_data.mat`` (MATLAB v7.3 = HDF5: needs h5py, ``pip install prml-pose[h5]``).

Joints are ``univ_annot3``: millimetres in the camera's frame, scaled to one universal skeleton; what the field trains
on and scores. Nothing is resampled. Frames of 1920 x 1080 in TS5 and TS6, 2048 x 2048 elsewhere.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from prml.camera import Camera
from prml.datasets.base import Dataset
from prml.datasets.cache import Table, cached
from prml.datasets.checks import (
    MAX_COORDINATE,
    any_array,
    as_array,
    as_list,
    entry,
    fit_pinhole,
    need_finite,
    need_unit,
    single,
)
from prml.errors import PrmlError
from prml.io.guard import guarded
from prml.io.npz import load_npz
from prml.io.sandbox import Limits, run_isolated
from prml.sequence import GroundTruth, PoseSequence
from prml.skeleton import MPI_INF_3DHP17, MPI_INF_3DHP28, conversion

# Cameras 3 and 9 to 13 (too high, or chest-height copies) are left out by the whole field.
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
TEST_SIZE = {"TS5": (1920, 1080), "TS6": (1920, 1080)}
TRAIN_SIZE = (2048, 2048)
TEST_FPS = 25.0
# Frame rates of the training videos; the annotation files do not hold them.
_FPS_50 = {"S1 Seq2", "S3 Seq1", "S3 Seq2", "S5 Seq1", "S5 Seq2"}


def read_3dhp_train(folder: Path | str, cache_dir: Path | None = None) -> Iterator[PoseSequence]:
    """Every training video: eight cameras of two sequences of eight subjects (as far as they are there).

    Args:
        folder: holds ``data_train_3dhp.npz``, or the official ``S1/Seq1/annot.mat`` tree.
        cache_dir: where the parsed arrays are kept; ``None`` for the usual place.

    Yields:
        Sequences of MPI_INF_3DHP17 with ``joints_m`` (T, 17, 3) float32 camera-frame metres (universal skeleton,
        absolute,
        root = joint 14), ``keypoints_px`` (T, 17, 2) pixels of 2048 x 2048, ``fps`` 25 or 50, ``name`` ``"S1 Seq1/0"``,
        ``subject`` ``"S1"``, ``camera`` from ``camera.calibration`` or fitted to the file (its ``source`` tells),
        ``labels["camera_id"]`` ``"0"``. Convert with ``to_skeleton(H36M17)`` for a Human3.6M network.

    Raises:
        PrmlError: files absent or broken, wrong keys, joint counts or units, numbers missing, no sequence.
    """
    folder = Path(folder)
    npz = folder / "data_train_3dhp.npz"
    if npz.is_file():
        table = cached("3dhp-train", 1, [npz], lambda: guarded(npz, lambda: _parse_train(npz)), cache_dir)
    else:
        files = sorted(p for p in folder.glob("S[1-8]/Seq[12]/annot.mat") if p.is_file())
        if not files:
            raise PrmlError(f"{folder}: expected data_train_3dhp.npz or S1/Seq1/annot.mat; neither is there")
        table = cached("3dhp-train-mat", 1, files, lambda: guarded("annot.mat", lambda: _parse_annot(files)), cache_dir)
    return (_sequence(clip, table, "3dhp-train") for clip in table.meta["clips"])


def read_3dhp_test(folder: Path | str, cache_dir: Path | None = None) -> Iterator[PoseSequence]:
    """The six test sequences (as far as they are there), all frames, with the flag that says which are scored.

    Args:
        folder: holds ``data_test_3dhp.npz``, or the official ``TS1/annot_data.mat`` tree (also below
            ``mpi_inf_3dhp_test_set``).
        cache_dir: where the parsed arrays are kept; ``None`` for the usual place.

    Yields:
        As :func:`read_3dhp_train`, with ``name`` and ``subject`` ``"TS1"``, ``fps`` 25, ``valid`` (T,):
        the frames that the official script scores; from the official files also ``truth.activity`` (T,) 1 to 7.

    Raises:
        PrmlError: as :func:`read_3dhp_train`; also if h5py is needed and not installed.
    """
    folder = Path(folder)
    npz = folder / "data_test_3dhp.npz"
    if npz.is_file():
        table = cached("3dhp-test", 1, [npz], lambda: guarded(npz, lambda: _parse_test(npz)), cache_dir)
    else:
        patterns = ("TS[1-6]/annot_data.mat", "mpi_inf_3dhp_test_set/TS[1-6]/annot_data.mat")
        files = sorted(p for pattern in patterns for p in folder.glob(pattern))
        if not files:
            raise PrmlError(f"{folder}: expected data_test_3dhp.npz or TS1/annot_data.mat; neither is there")
        table = cached(
            "3dhp-test-mat", 1, files, lambda: guarded("annot_data.mat", lambda: _parse_annot_data(files)), cache_dir
        )
    return (_sequence(clip, table, "3dhp-test") for clip in table.meta["clips"])


# ------------------------------------------------------------------------------------------------ gathering
class _Gather:
    """Clips, one after the other, checked as they come."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.parts: dict[str, list[np.ndarray]] = {}
        self.clips: list[dict[str, Any]] = []
        self.frames = 0

    def add(self, what: str, points_px: Any, joints_mm: Any, *, flags: dict[str, Any], **labels: Any) -> None:
        what = f"{self.what}: {what}"
        px = single(as_array(points_px, (None, 17, 2), f"{what}, data_2d"))
        joints = single(as_array(joints_mm, (len(px), 17, 3), f"{what}, data_3d"))
        need_finite(px, f"{what}, data_2d")
        need_finite(joints, f"{what}, data_3d")
        need_unit(joints, MPI_INF_3DHP17, "millimetres", what)
        if np.median(joints[:, 14, 2]) <= 0:
            raise PrmlError(f"{what}: the person stands behind the camera; expected the camera's frame, z forward")
        arrays = {"keypoints_px": px, "joints_m": joints / np.float32(1000)}
        for name, values in flags.items():
            flat = any_array(values, f"{what}, {name}").reshape(-1)
            flat = as_array(flat, (len(px),), f"{what}, {name}")
            if not ((flat >= 0) & (flat < 128)).all():
                raise PrmlError(f"{what}, {name}: expected a flag or a small number per frame")
            arrays[name] = flat.astype(np.int8)
        for name, array in arrays.items():
            self.parts.setdefault(name, []).append(array)
        self.clips.append({**labels, "start": self.frames, "stop": self.frames + len(px)})
        self.frames += len(px)

    def table(self) -> Table:
        if not self.clips or not self.frames:
            raise PrmlError(f"{self.what}: the split is empty, it holds no sequence")
        return Table({name: np.concatenate(parts) for name, parts in self.parts.items()}, {"clips": self.clips})


def _parse_train(path: Path) -> Table:
    data = load_npz(path, ("data",))["data"]
    gather = _Gather(path.name)
    for key, value in _items(data, path.name, r"S\d+ Seq\d+", "'S1 Seq1'"):
        if len(as_list(value, f"{path.name}: {key}")) != 2 or not isinstance(value[0], dict):
            raise PrmlError(f"{path.name}: {key} must be [cameras, fps], got {type(value).__name__}")
        cameras, fps = {str(c): arrays for c, arrays in value[0].items()}, value[1]
        if set(cameras) - {str(c) for c in CAMERAS}:
            raise PrmlError(f"{path.name}: {key} has cameras {sorted(cameras)}; expected '0' to '8' without '3'")
        if not isinstance(fps, int | float | np.number) or float(fps) not in (25.0, 50.0):
            raise PrmlError(f"{path.name}: {key} has {fps} frames per second; expected 25 or 50")
        for camera_id, arrays in cameras.items():
            what = f"{key} camera {camera_id}"
            px, joints = (entry(arrays, k, f"{path.name}: {what}") for k in ("data_2d", "data_3d"))
            gather.add(
                what,
                px,
                joints,
                flags={},
                name=f"{key}/{camera_id}",
                subject=key.split(" ")[0],
                fps=float(fps),
                camera_id=camera_id,
                size=list(TRAIN_SIZE),
                camera=None,
            )
    return gather.table()


def _parse_test(path: Path) -> Table:
    data = load_npz(path, ("data",))["data"]
    gather = _Gather(path.name)
    for key, value in _items(data, path.name, r"TS\d", "'TS1'"):
        px, joints, valid = (entry(value, k, f"{path.name}: {key}") for k in ("data_2d", "data_3d", "valid"))
        gather.add(
            key,
            px,
            joints,
            flags={"valid": valid},
            name=key,
            subject=key,
            fps=TEST_FPS,
            camera_id="",
            size=list(TEST_SIZE.get(key, TRAIN_SIZE)),
            camera=None,
        )
    return gather.table()


def _items(data: Any, what: str, pattern: str, example: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(data, dict):
        raise PrmlError(f"{what}: expected a dictionary with keys like {example}, got {type(data).__name__}")
    for key, value in data.items():
        if not re.fullmatch(pattern, str(key)):
            raise PrmlError(f"{what}: expected keys like {example}, got {key!r}")
        yield str(key), value


# ------------------------------------------------------------------------------------------------ official files
def _parse_annot(files: list[Path]) -> Table:
    gather = _Gather("annot.mat")
    to17 = conversion(MPI_INF_3DHP28, MPI_INF_3DHP17)
    for file in files:
        key = f"{file.parent.parent.name} {file.parent.name}"
        mat = _isolated(_cells_of_mat, file)
        px, joints = (entry(mat, k, key) for k in ("annot2", "univ_annot3"))
        calibration = file.parent / "camera.calibration"
        cameras = read_calibration(calibration) if calibration.is_file() else {}
        for c in CAMERAS:
            if c >= len(px):
                raise PrmlError(f"{key}: annot.mat holds {len(px)} cameras, expected 14")
            flat_px, flat_mm = (as_array(a[c], (None, 28 * n), f"{key} camera {c}") for a, n in ((px, 2), (joints, 3)))
            gather.add(
                f"{key} camera {c}",
                to17.apply(flat_px.reshape(-1, 28, 2)),
                to17.apply(flat_mm.reshape(-1, 28, 3)),
                flags={},
                name=f"{key}/{c}",
                subject=key.split(" ")[0],
                fps=50.0 if key in _FPS_50 else 25.0,
                camera_id=str(c),
                size=list(TRAIN_SIZE),
                camera=cameras[c].to_dict() if c in cameras else None,
            )
    return gather.table()


def _parse_annot_data(files: list[Path]) -> Table:
    if find_spec("h5py") is None:
        raise PrmlError("annot_data.mat is HDF5: install h5py (pip install 'prml-pose[h5]')")
    gather = _Gather("annot_data.mat")
    for file in files:
        key = file.parent.name
        arrays = _isolated(_datasets_of_h5, file)
        px, joints, valid = (entry(arrays, k, key) for k in ("annot2", "univ_annot3", "valid_frame"))
        flags = {"valid": valid}
        if "activity_annotation" in arrays:
            flags["activity"] = arrays["activity_annotation"]
        gather.add(
            key,
            _without_person_axis(px),
            _without_person_axis(joints),
            flags=flags,
            name=key,
            subject=key,
            fps=TEST_FPS,
            camera_id="",
            size=list(TEST_SIZE.get(key, TRAIN_SIZE)),
            camera=None,
        )
    return gather.table()


def _without_person_axis(array: np.ndarray) -> np.ndarray:
    """(F, 1, 17, d), as MATLAB's reversed axes come out of HDF5, to (F, 17, d)."""
    return array[:, 0] if array.ndim == 4 and array.shape[1] == 1 else array


def _isolated(read: Callable[[str], dict[str, Any]], file: Path) -> dict[str, Any]:
    """What ``read`` gives, called in a process of its own: the parsers of MATLAB and HDF5 files are native code."""
    made: dict[str, Any] = run_isolated(
        read, str(file.absolute()), what=f"{file.parent.name}/{file.name}", limits=Limits.for_file(file)
    )
    return made


def _cells_of_mat(path: str) -> dict[str, Any]:
    """The cells of annot.mat: a list of arrays, one per camera, for each of two names."""
    from scipy.io import loadmat

    with _damage_named():
        held = loadmat(path, variable_names=["annot2", "univ_annot3"])
        return {k: list(np.asarray(v).reshape(-1)) for k, v in held.items() if not k.startswith("__")}


def _datasets_of_h5(path: str) -> dict[str, Any]:
    import h5py

    with _damage_named(), h5py.File(path, "r") as h5:
        return {k: np.asarray(h5[k]) for k in h5 if isinstance(h5[k], h5py.Dataset)}


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:120]
        raise PrmlError(f"cannot be read ({reason}); it is truncated, get it again") from None


def read_calibration(path: Path | str) -> dict[int, Camera]:
    """The cameras of a Skeletool ``camera.calibration`` file: number -> camera (millimetres turned to metres).

    Raises:
        PrmlError: the file is not of that format.
    """
    path = Path(path)
    return guarded(path, lambda: _parse_calibration(path.read_text(encoding="utf-8", errors="replace"), path.name))


def _parse_calibration(text: str, name: str) -> dict[int, Camera]:
    cameras: dict[int, Camera] = {}
    record: dict[str, list[str]] = {}
    for line in [*text.splitlines()[1:], "name end"]:
        words = line.split()
        if words and words[0] == "name" and record:
            try:
                number, camera = _calibrated(record)
            except (KeyError, ValueError, IndexError, OverflowError):
                raise PrmlError(f"{name}: not a Skeletool calibration file; a camera is incomplete") from None
            cameras[number] = camera
            record = {}
        if words:
            record[words[0]] = words[1:]
    if not cameras:
        raise PrmlError(f"{name}: not a Skeletool calibration file: no camera in it")
    return cameras


def _calibrated(record: dict[str, list[str]]) -> tuple[int, Camera]:
    K = np.array(record["intrinsic"], dtype=float).reshape(4, 4)
    E = np.array(record["extrinsic"], dtype=float).reshape(4, 4)
    width, height = (int(float(v)) for v in record["size"][:2])
    if not (np.abs(K) < MAX_COORDINATE).all() or not (np.abs(E) < MAX_COORDINATE).all():
        raise ValueError
    camera = Camera(
        width,
        height,
        K[0, 0],
        K[1, 1],
        K[0, 2],
        K[1, 2],
        R_world_to_camera=E[:3, :3],
        t_m=E[:3, 3] / 1000,
        source="camera.calibration",
    )
    return int(record["name"][0]), camera


def _sequence(clip: dict[str, Any], table: Table, source: str) -> PoseSequence:
    cut = {name: np.array(array[clip["start"] : clip["stop"]]) for name, array in table.arrays.items()}
    px, joints_m = cut["keypoints_px"], cut["joints_m"]
    camera = Camera.from_dict(clip["camera"]) if clip["camera"] else fit_pinhole(joints_m, px, *clip["size"])
    return PoseSequence.regular(
        len(px),
        clip["fps"],
        MPI_INF_3DHP17,
        keypoints_px=px,
        joints_m=joints_m,
        camera=camera,
        name=clip["name"],
        subject=clip["subject"],
        source=source,
        valid=cut["valid"] != 0 if "valid" in cut else None,
        labels={"camera_id": clip["camera_id"]},
        truth=GroundTruth(activity=cut["activity"]) if "activity" in cut else None,
    )


_MARKS = ("data_test_3dhp.npz", "data_train_3dhp.npz", "TS1", "S1/Seq1/annot.mat", "mpi_inf_3dhp_test_set")
_PARTS = {
    "test": (read_3dhp_test, ("data_test_3dhp.npz", "TS1", "mpi_inf_3dhp_test_set")),
    "train": (read_3dhp_train, ("data_train_3dhp.npz", "S1")),
}


def _read(folder: Path, split: str | None = None) -> Iterator[PoseSequence]:
    if split is not None:
        return _PARTS[split][0](folder)
    return chain.from_iterable(
        read(folder) for read, names in _PARTS.values() if any((folder / n).exists() for n in names)
    )


def _stamp(folder: Path) -> dict[str, str]:
    """Size of the npz file, or of the six official ones."""
    npz = folder / "data_test_3dhp.npz"
    official = {f"{p.parent.name}/{p.name}": p for p in sorted(folder.rglob("TS[1-6]/annot_data.mat"))}
    return {k: f"{p.stat().st_size} bytes" for k, p in ({npz.name: npz} if npz.is_file() else official).items()}


MPI_INF_3DHP = Dataset(
    "3dhp",
    "MPI-INF-3DHP",
    lambda path: any((path / name).exists() for name in _MARKS),
    _read,
    files=("data_*_3dhp.npz", "S[1-8]/Seq[12]/annot.mat", "TS[1-6]/annot_data.mat", "*/TS[1-6]/annot_data.mat"),
    label="camera_m",
    validation="3dhp-gt",
    stamp=_stamp,
)
