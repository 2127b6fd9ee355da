"""3DPW: the official ``sequenceFiles/<split>/*.pkl`` (pickles of Python 2, read by the restricted unpickler).

A file holds a moving camera and one or two people: SMPL's 24 joints in the world frame (metres), 30 frames per second;
18 OpenPose detections in pixels where at least six were found; one camera pose a frame with a flag that says whether
it was aligned. The SMPL model itself is not needed here, and not in the files: the joints come ready-made.

Both joint sets are turned into H36M17 by the tables of :mod:`prml.skeleton`. Limb joints have counterparts (SMPL's lie
inside the body, a few centimetres from those of Human3.6M); Spine, Thorax, Nose and Head are only approximated. The
published rule of MotionBERT (14 joints regressed from SMPL's mesh) needs the SMPL files; ``truth.smpl`` carries
what it takes.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from prml.camera import Camera
from prml.datasets.base import Dataset
from prml.datasets.checks import MAX_COORDINATE, any_array, as_array, as_list, entry, need_finite, need_unit
from prml.errors import PrmlError
from prml.io.guard import guarded
from prml.io.unpickle import load_pickle
from prml.sequence import DetectionLog, GroundTruth, PoseSequence, SmplMotion
from prml.skeleton import H36M17, OPENPOSE18, SMPL24, conversion

FPS = 30.0
SPLITS = ("train", "validation", "test")


def read_3dpw(folder: Path | str, split: str = "test") -> Iterator[PoseSequence]:
    """Every person of every sequence of a split, in the order of the file names.

    Args:
        folder: holds ``sequenceFiles`` (or is it).
        split: ``"train"``, ``"validation"`` or ``"test"``.

    Yields:
        Sequences of H36M17 with ``joints_m`` (T, 17, 3) float32 metres in the camera's frame of each moment, absolute;
        ``keypoints_px`` (T, 17, 2) detections in pixels, NaN where one is missing; ``confidence`` (T, 17);
        ``has_person`` (T,) whether anything was detected; ``camera``: intrinsics (the camera moves, see ``truth``);
        ``fps`` 30; ``name`` ``"downtown_arguing_00/0"``, the last figure being the person. ``valid`` (T,): the camera
        was aligned. ``truth``: ``world_to_camera`` (T, 4, 4), and ``smpl`` with ``pose`` (T, 72), ``betas`` (10,),
        ``trans_m`` (T, 3), ``joints_world_m`` (T, 24, 3), ``gender``. ``detection.points_px`` (T, 18, 3): OpenPose's x,
        y, confidence.

    Raises:
        PrmlError: no such split or no file in it; per file: broken, wrong keys or shapes, numbers missing, wrong units.
    """
    if split not in SPLITS:
        raise PrmlError(f"3DPW has the splits {', '.join(SPLITS)}, not {split!r}")
    folder = Path(folder)
    base = folder if folder.name == "sequenceFiles" else folder / "sequenceFiles"
    files = sorted((base / split).glob("*.pkl"))
    if not files:
        raise PrmlError(f"{base / split}: no .pkl file; give the folder that holds 3DPW's sequenceFiles/{split}/*.pkl")
    return (person for file in files for person in guarded(file, partial(_people, file)))


def _people(file: Path) -> list[PoseSequence]:
    data = load_pickle(file)
    positions = as_list(entry(data, "jointPositions", file.name), f"{file.name}: jointPositions")
    if not len(positions):
        raise PrmlError(f"{file.name}: jointPositions must list one array per person, got none")
    return [_person(data, person, file) for person in range(len(positions))]


def _of(data: dict[str, Any], key: str, person: int, file: Path) -> Any:
    values = as_list(entry(data, key, file.name), f"{file.name}: {key}")
    if len(values) <= person:
        raise PrmlError(f"{file.name}: {key} lists {len(values)} people, jointPositions at least {person + 1}")
    return values[person]


def _person(data: dict[str, Any], person: int, file: Path) -> PoseSequence:
    what = f"{file.name}, person {person}"
    flat = as_array(_of(data, "jointPositions", person, file), (None, 72), f"{what}: jointPositions")
    frames = len(flat)
    world = flat.reshape(frames, 24, 3).astype(float)
    need_finite(world, f"{what}: jointPositions")
    need_unit(world, SMPL24, "metres", what)
    poses = as_array(entry(data, "cam_poses", file.name), (None, 4, 4), f"{what}: cam_poses")
    if len(poses) < frames:
        raise PrmlError(f"{what}: {frames} frames of joints but {len(poses)} camera poses")
    poses = poses[:frames].astype(float)
    need_finite(poses, f"{what}: cam_poses")
    valid = any_array(_of(data, "campose_valid", person, file), f"{what}: campose_valid").reshape(-1)[:frames]
    valid = as_array(valid, (frames,), f"{what}: campose_valid").astype(bool)
    cam = np.einsum("tij,tkj->tki", poses[:, :3, :3], world) + poses[:, None, :3, 3]
    detected = as_array(_of(data, "poses2d", person, file), (frames, 3, 18), f"{what}: poses2d").transpose(0, 2, 1)
    detected = np.where((np.abs(detected) < MAX_COORDINATE).all(-1, keepdims=True), detected, 0)  # else not detected
    px, confidence = _detections(detected)
    return PoseSequence.regular(
        frames,
        FPS,
        H36M17,
        keypoints_px=px,
        confidence=confidence,
        has_person=(detected[..., 2] > 0).any(1),
        joints_m=conversion(SMPL24, H36M17).apply(cam).astype(np.float32),
        camera=_camera(data, file),
        name=f"{data.get('sequence', file.stem)}/{person}",
        subject=f"person {person}",
        source="3dpw",
        action=str(data.get("sequence", file.stem)),
        valid=valid,
        truth=GroundTruth(world_to_camera=poses, smpl=_smpl(data, person, file, world)),
        detection=DetectionLog("openpose", points_px=detected),
    )


def _smpl(data: dict[str, Any], person: int, file: Path, joints_world_m: np.ndarray) -> SmplMotion:
    frames, what = len(joints_world_m), f"{file.name}, person {person}"

    def of(key: str, width: int) -> np.ndarray:
        values = as_array(_of(data, key, person, file), (None, width), f"{what}: {key}")
        need_finite(values, f"{what}: {key}")
        if len(values) < frames:
            raise PrmlError(f"{what}: {frames} frames of joints but {len(values)} of {key}")
        return values[:frames]

    betas = any_array(_of(data, "betas", person, file), f"{what}: betas").reshape(-1)[:10]
    return SmplMotion(
        pose=of("poses", 72),
        betas=as_array(betas, (10,), f"{what}: betas"),
        trans_m=of("trans", 3),
        joints_world_m=joints_world_m,
        gender=str(_of(data, "genders", person, file)),
    )


def _detections(detected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """OpenPose's 18 points (T, 18, 3) to H36M17: pixels with NaN where a needed point is missing, and confidence."""
    table = conversion(OPENPOSE18, H36M17)
    score = detected[..., 2].astype(np.float32)
    confidence = table.apply_confidence(score)
    px = table.apply(detected[..., :2].astype(np.float32))
    return np.where((confidence > 0)[..., None], px, np.nan).astype(np.float32), np.clip(confidence, 0, 1)


def _camera(data: dict[str, Any], file: Path) -> Camera:
    K = as_array(entry(data, "cam_intrinsics", file.name), (3, 3), f"{file.name}: cam_intrinsics").astype(float)
    need_finite(K, f"{file.name}: cam_intrinsics")
    # The files do not hold the image size; the principal point is its middle (1080 x 1920 or 1920 x 1080).
    width, height = round(2 * K[0, 2]), round(2 * K[1, 2])
    return Camera(width, height, K[0, 0], K[1, 1], K[0, 2], K[1, 2], source="cam_intrinsics")


def _read(folder: Path, split: str | None = None) -> Iterator[PoseSequence]:
    if split is not None:
        return read_3dpw(folder, split)
    base = folder if folder.name == "sequenceFiles" else folder / "sequenceFiles"
    return chain.from_iterable(read_3dpw(folder, s) for s in SPLITS if any((base / s).glob("*.pkl")))


def _stamp(folder: Path) -> dict[str, str]:
    """How many files of how many bytes."""
    found = list(folder.rglob("test/*.pkl"))
    return {"sequenceFiles/test": f"{len(found)} files, {sum(p.stat().st_size for p in found)} bytes"}


PW3D = Dataset(
    "3dpw",
    "3DPW",
    lambda path: any((path / name).exists() for name in ("sequenceFiles", "test")),
    _read,
    files=("sequenceFiles/*/*.pkl",),
    stamp=_stamp,
)
