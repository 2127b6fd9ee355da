"""Human3.6M as the field uses it: the VideoPose3D npz pair. The Stacked-Hourglass pickle: ``human36m_sh.py``.

``data_3d_h36m.npz`` holds world-frame metres of 32 joints at 50 Hz; ``data_2d_h36m_<keypoints>.npz``
holds pixels of 17 joints for each of the four cameras, sometimes with more frames than the 3D. The reader keeps 17 of
the 32 joints, turns them into every camera's frame, and cuts the 2D to the length of the 3D. The calibration is in
neither file:
see :mod:`prml.datasets.human36m_cameras` for where it is taken from.

Layout: VideoPose3D (Pavllo et al. 2019); read as facts, no code taken.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prml.datasets.base import Dataset
from prml.datasets.cache import Table, cached
from prml.datasets.checks import as_array, as_list, need_finite, need_unit, single
from prml.datasets.human36m_cameras import CAMERA_IDS, CameraTable, find_cameras, from_json
from prml.errors import PrmlError
from prml.io.guard import guarded, one_line
from prml.io.npz import load_npz, npz_keys
from prml.sequence import PoseSequence
from prml.skeleton import COCO17, H36M17, Conversion, Skeleton, conversion

FPS = 50.0
# names that 2D files give the order of their 17 joints: detectors trained on COCO have their own
LAYOUTS: dict[str, Skeleton] = {"h36m": H36M17, "coco": COCO17}
TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
# The joints that move, of the 32 of the recording; the other 15 are copies or ends of hands and feet.
JOINTS_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Photo",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Waiting",
    "WalkDog",
    "Walking",
    "WalkTogether",
)


# ------------------------------------------------------------------------------------------------ the npz pair
def read_human36m_npz(
    folder: Path | str,
    subjects: Sequence[str] = TEST_SUBJECTS,
    keypoints: str = "cpn_ft_h36m_dbb",
    cameras: Path | str | None = None,
    cache_dir: Path | None = None,
) -> Iterator[PoseSequence]:
    """Every clip of the subjects in every camera, in the order of the file: subject, action, camera.

    Args:
        folder: holds ``data_3d_h36m.npz`` and ``data_2d_h36m_<keypoints>.npz``.
        subjects: e.g. ``("S9", "S11")``.
        keypoints: which 2D file, e.g. ``"gt"`` (projected with lens distortion), ``"cpn_ft_h36m_dbb"``, or
            ``"detectron_pt_coco"``, whose joints of COCO are converted.
        cameras: the calibration (see :func:`prml.datasets.human36m_cameras.find_cameras`); ``None`` looks in
            ``folder``, and at last solves for it from the ground-truth 2D.
        cache_dir: where the parsed arrays are kept; ``None`` for the usual place.

    Yields:
        Sequences of H36M17 with ``joints_m`` (T, 17, 3) float32 camera-frame metres, absolute (joint 0 carries the
        trajectory); ``keypoints_px`` (T, 17, 2) pixels, distorted as in the file; ``confidence`` None (the files have
        none); ``camera`` with extrinsics; ``fps`` 50; ``name`` ``"S9/Walking 1/54138969"``; ``action`` one of ACTIONS;
        ``labels`` with ``action_key`` (``"Walking 1"``), ``camera_id`` and ``frames_2d`` (frames in the 2D file).

    Raises:
        PrmlError: files absent or broken, a subject absent, wrong joint counts or units, numbers missing, cameras that
            do not fit the 2D.
    """
    folder = Path(folder)
    pose, image = _npz_tables(folder, keypoints, cache_dir)
    have = {clip["subject"] for clip in pose.meta["clips"]}
    if unknown := [s for s in subjects if s not in have]:
        raise PrmlError(f"data_3d_h36m.npz has no subject {unknown[0]}; it has {', '.join(sorted(have, key=_natural))}")
    views = {(v["subject"], v["action"], v["view"]): v for v in image.meta["views"]}
    clips = [c for c in pose.meta["clips"] if c["subject"] in subjects]
    if not clips:
        raise PrmlError(
            f"no clip of the subjects {', '.join(subjects) or '(none given)'} in {folder.name}; nothing to read"
        )
    for clip in clips:
        _need_views(clip, views, keypoints)
    table = find_cameras(folder, cameras, lambda: solved_cameras(folder, cache_dir))
    for subject in subjects:
        _need_camera_order(next(c for c in clips if c["subject"] == subject), pose, image, views, table)
    return _npz_sequences(sorted(clips, key=lambda c: list(subjects).index(c["subject"])), pose, image, views, table)


def _natural(name: str) -> tuple[int, str]:
    digits = re.sub(r"\D", "", name)
    return (int(digits) if digits else 0, name)


def _npz_tables(folder: Path, keypoints: str, cache_dir: Path | None) -> tuple[Table, Table]:
    file_3d, file_2d = folder / "data_3d_h36m.npz", folder / f"data_2d_h36m_{keypoints}.npz"
    pose = cached("human36m-3d", 1, [file_3d], lambda: guarded(file_3d, lambda: _parse_3d(file_3d)), cache_dir)
    return pose, cached("human36m-2d", 2, [file_2d], lambda: guarded(file_2d, lambda: _parse_2d(file_2d)), cache_dir)


def _parse_3d(path: Path) -> Table:
    positions = load_npz(path, ("positions_3d",))["positions_3d"]
    parts, clips, start = [], [], 0
    for subject, action, value in _subject_actions(positions, path.name):
        what = f"{path.name}: {subject} {action}"
        joints = single(as_array(value, (None, 32, 3), what)[:, JOINTS_OF_32])
        need_finite(joints, what)
        parts.append(joints)
        clips.append({"subject": subject, "action": action, "start": start, "stop": start + len(joints)})
        start += len(joints)
    joints_world_m = np.concatenate(parts)
    need_unit(joints_world_m, H36M17, "metres", path.name)
    return Table({"joints_world_m": joints_world_m}, {"clips": clips})


def _parse_2d(path: Path) -> Table:
    positions = load_npz(path, ("positions_2d",))["positions_2d"]
    to_h36m = _layout(path)
    parts, views, start = [], [], 0
    for subject, action, value in _subject_actions(positions, path.name):
        what = f"{path.name}: {subject} {action}"
        if len(as_list(value, what)) != len(CAMERA_IDS):
            raise PrmlError(f"{what}: expected a list of 4 camera views, got {_describe(value)}")
        for view, points in enumerate(value):
            px = single(as_array(points, (None, 17, 2), f"{what}, camera {CAMERA_IDS[view]}"))
            need_finite(px, f"{what}, camera {CAMERA_IDS[view]}")
            px = px if to_h36m is None else to_h36m.apply(px)
            parts.append(px)
            views.append({"subject": subject, "action": action, "view": view, "start": start, "stop": start + len(px)})
            start += len(px)
    keypoints_px = np.concatenate(parts)
    if np.abs(keypoints_px).max(initial=0.0) <= 2.0:
        raise PrmlError(
            f"{path.name}: expected pixels, but no coordinate exceeds 2: the file is normalised, use the original"
        )
    return Table({"keypoints_px": keypoints_px}, {"views": views})


def _layout(path: Path) -> Conversion | None:
    """What turns the joints of a 2D file into those of H36M17; None if they are these, as in files that do not say."""
    stated = load_npz(path, ("metadata",))["metadata"] if "metadata" in npz_keys(path) else None
    name = str(stated.get("layout_name", "h36m")) if isinstance(stated, dict) else "h36m"
    if name not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise PrmlError(f"{path.name}: expected the joint layout {known}, its metadata says {name[:40]!r}")
    return None if LAYOUTS[name] == H36M17 else conversion(LAYOUTS[name], H36M17)


def _describe(value: Any) -> str:
    sized = isinstance(value, list | tuple | dict) or (isinstance(value, np.ndarray) and value.ndim)
    return f"{type(value).__name__} of length {len(value)}" if sized else type(value).__name__


def _subject_actions(positions: Any, what: str) -> Iterator[tuple[str, str, Any]]:
    if not isinstance(positions, dict) or not positions:
        raise PrmlError(f"{what}: expected a dictionary subject -> action -> positions, got {_describe(positions)}")
    for subject, actions in positions.items():
        if not isinstance(actions, dict) or not actions:
            raise PrmlError(f"{what}: subject {subject} holds no actions; the split is empty")
        for action, value in actions.items():
            yield str(subject), str(action), value


def _need_views(clip: dict[str, Any], views: dict[tuple[str, str, int], dict[str, Any]], keypoints: str) -> None:
    frames, name = clip["stop"] - clip["start"], f"{clip['subject']} {clip['action']}"
    for view, camera_id in enumerate(CAMERA_IDS):
        found = views.get((clip["subject"], clip["action"], view))
        if found is None:
            raise PrmlError(
                f"data_2d_h36m_{keypoints}.npz has no {name}, which data_3d_h36m.npz has; the pair does not fit"
            )
        if (have := found["stop"] - found["start"]) < frames:
            raise PrmlError(f"{name}, camera {camera_id}: the 2D has {have} frames, fewer than the 3D's {frames}")


def solved_cameras(folder: Path, cache_dir: Path | None = None) -> CameraTable:
    """The calibration solved from ``data_3d_h36m.npz`` and ``data_2d_h36m_gt.npz`` in ``folder``; some seconds, once.

    Raises:
        PrmlError: files absent or broken, or the 2D is not the projection of the 3D.
    """
    from prml.datasets.human36m_resection import solve_cameras

    sources = [folder / "data_3d_h36m.npz", folder / "data_2d_h36m_gt.npz"]

    def build() -> Table:
        pairs = _ground_truth_pairs(folder, cache_dir)
        try:
            return Table({}, {"json": solve_cameras(pairs).to_json()})
        except (np.linalg.LinAlgError, ValueError) as error:  # of numbers that no camera has made
            text = f"the cameras cannot be solved for ({one_line(error)}); give a calibration file"
            raise error if isinstance(error, PrmlError) else PrmlError(text) from error

    return from_json(cached("human36m-cameras", 1, sources, build, cache_dir).meta["json"], "solved cameras")


def _ground_truth_pairs(folder: Path, cache_dir: Path | None) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """(subject, camera) -> world points (N, 3) in metres and their pixels (N, 2), thinned: what calibration needs."""
    pose, image = _npz_tables(folder, "gt", cache_dir)
    views = {(v["subject"], v["action"], v["view"]): v for v in image.meta["views"]}
    gathered: dict[tuple[str, str], tuple[list[np.ndarray], list[np.ndarray]]] = {}
    for clip in pose.meta["clips"]:
        _need_views(clip, views, "gt")
        frames = clip["stop"] - clip["start"]
        step = max(1, frames // 20)
        for view, camera_id in enumerate(CAMERA_IDS):
            start = views[clip["subject"], clip["action"], view]["start"]
            world, pixel = gathered.setdefault((clip["subject"], camera_id), ([], []))
            world.append(pose.arrays["joints_world_m"][clip["start"] : clip["stop"] : step].reshape(-1, 3))
            pixel.append(image.arrays["keypoints_px"][start : start + frames : step].reshape(-1, 2))
    return {key: (np.concatenate(w), np.concatenate(p)) for key, (w, p) in gathered.items()}


def _need_camera_order(
    clip: dict[str, Any],
    pose: Table,
    image: Table,
    views: dict[tuple[str, str, int], dict[str, Any]],
    table: CameraTable,
) -> None:
    """Refuse a calibration whose cameras are in another order than the 2D file's views."""
    subject, step = clip["subject"], max(1, (clip["stop"] - clip["start"]) // 25)
    world = pose.arrays["joints_world_m"][clip["start"] : clip["stop"] : step].astype(float)
    seen = [table.camera(subject, c) for c in CAMERA_IDS]
    projected = [camera.project(camera.to_camera(world)) for camera in seen]
    for view, camera_id in enumerate(CAMERA_IDS):
        start = views[subject, clip["action"], view]["start"]
        px = image.arrays["keypoints_px"][start : start + clip["stop"] - clip["start"] : step]
        errors = [_apart(np.linalg.norm(p - px, axis=-1)) for p in projected]
        best = int(np.argmin(errors))
        if errors[view] > 50.0:
            hint = "no camera fits: the calibration, the 3D and the 2D do not belong together, or its joints are in "
            hint += "another order (a layout other than h36m that its metadata does not name)"
            if errors[best] < 50:
                hint = f"camera {CAMERA_IDS[best]} fits it ({errors[best]:.1f} px): the cameras are shuffled"
            where = f"{subject} {clip['action']}, view {view}"
            raise PrmlError(f"{where}: camera {camera_id} puts the 3D {errors[view]:.0f} px from the 2D; {hint}")


def _apart(distances_px: np.ndarray) -> float:
    """Median distance, without points behind the camera; infinite if there are no others."""
    seen = np.isfinite(distances_px)
    return float(np.median(distances_px[seen])) if seen.any() else np.inf


def _npz_sequences(
    clips: list[dict[str, Any]],
    pose: Table,
    image: Table,
    views: dict[tuple[str, str, int], dict[str, Any]],
    table: CameraTable,
) -> Iterator[PoseSequence]:
    for clip in clips:
        world = np.asarray(pose.arrays["joints_world_m"][clip["start"] : clip["stop"]], dtype=np.float64)
        for view, camera_id in enumerate(CAMERA_IDS):
            found = views[clip["subject"], clip["action"], view]
            camera = table.camera(clip["subject"], camera_id)
            yield PoseSequence.regular(
                len(world),
                FPS,
                H36M17,
                keypoints_px=np.array(image.arrays["keypoints_px"][found["start"] : found["start"] + len(world)]),
                joints_m=camera.to_camera(world).astype(np.float32),
                camera=camera,
                name=f"{clip['subject']}/{clip['action']}/{camera_id}",
                subject=clip["subject"],
                action=clip["action"].split(" ")[0],
                source="human36m",
                labels={
                    "action_key": clip["action"],
                    "camera_id": camera_id,
                    "frames_2d": str(found["stop"] - found["start"]),
                },
            )


def _read(folder: Path, split: str | None = None, keypoints: str | None = None) -> Iterator[PoseSequence]:
    if keypoints is None:
        prefix = "data_2d_h36m_"
        kinds = sorted(p.stem.removeprefix(prefix) for p in folder.glob(f"{prefix}*.npz"))
        if not kinds:
            raise PrmlError(f"{folder}: data_3d_h36m.npz is there, but no data_2d_h36m_*.npz")
        keypoints = "gt" if "gt" in kinds else kinds[0]
    return read_human36m_npz(folder, TRAIN_SUBJECTS if split == "train" else TEST_SUBJECTS, keypoints)


# names in Human3.6M's release -> names in the npz files that the field uses
_RELEASED = {"Photo": "TakingPhoto", "WalkDog": "WalkingDog"}


def _video_names(sequence: PoseSequence) -> list[str]:
    """As in the release ("S9/Videos/Walking 1.54138969"), or as the sequence is called."""
    name, camera = sequence.action, sequence.labels["camera_id"]
    number = sequence.labels["action_key"].removeprefix(name)
    released = [f"{sequence.subject}/Videos/{n}{number}.{camera}" for n in (name, _RELEASED.get(name, name))]
    return [*released, sequence.name]


HUMAN36M = Dataset(
    "human36m",
    "Human3.6M, VideoPose3D npz pair (test subjects)",
    lambda path: (path / "data_3d_h36m.npz").exists(),
    _read,
    files=("data_3d_h36m.npz", "data_2d_h36m_{keypoints}.npz"),
    options=("keypoints",),
    label="camera_m",
    video_names=_video_names,
)
