"""Human3.6M as the Stacked-Hourglass pickle of the field has it.

``h36m_sh_conf_cam_source_final.pkl`` holds per-frame Stacked-Hourglass detections with confidence and
labels in "image space": x, y in pixels of a distortion-free projection, z scaled to pixels at the root's depth. Times
``2.5d_factor`` (mm per pixel) that is a weak-perspective copy of the pose, not the camera-frame pose; what is scored
under that protocol.

Layouts: LCN (Ci et al. 2019), MotionBERT (Zhu et al. 2023); read as facts, no code taken.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from prml.camera import Camera
from prml.datasets.base import Dataset
from prml.datasets.cache import Table, cached
from prml.datasets.checks import any_array, as_array, as_list, entry, need_finite, need_unit, single
from prml.datasets.human36m import FPS
from prml.datasets.human36m_cameras import CAMERA_IDS, IMAGE_SIZE
from prml.errors import PrmlError
from prml.io.guard import guarded
from prml.io.unpickle import load_pickle
from prml.sequence import GroundTruth, PoseSequence
from prml.skeleton import H36M17

PICKLE = "h36m_sh_conf_cam_source_final.pkl"
# Number in "s_09_act_05_subact_02_ca_01" -> the same 15 names.
ACTION_OF_NUMBER = {
    2: "Directions",
    3: "Discussion",
    4: "Eating",
    5: "Greeting",
    6: "Phoning",
    7: "Posing",
    8: "Purchases",
    9: "Sitting",
    10: "SittingDown",
    11: "Smoking",
    12: "Photo",
    13: "Waiting",
    14: "Walking",
    15: "WalkDog",
    16: "WalkTogether",
}
_SOURCE = re.compile(r"s_(\d+)_act_(\d+)_subact_(\d+)_ca_(\d+)$")


def read_human36m_sh(path: Path | str, split: str = "test", cache_dir: Path | None = None) -> Iterator[PoseSequence]:
    """Every video of a split of the Stacked-Hourglass pickle, in the order of the file (videos are runs of ``source``).

    Args:
        path: ``h36m_sh_conf_cam_source_final.pkl``, or the folder that holds it.
        split: ``"train"`` or ``"test"``.
        cache_dir: where the parsed arrays are kept; ``None`` for the usual place.

    Yields:
        Sequences of H36M17 with ``keypoints_px`` (T, 17, 2) detections in pixels, ``confidence`` (T, 17), ``fps`` 50,
        ``name`` ``"s_09_act_05_subact_02_ca_01"``, ``subject`` ``"S9"``, ``action``: the
        string of the file in the test split, the name by act number in the training split. ``camera`` has the true
        image size (1000 x 1002 or 1000 x 1000) and a nominal focal length: the file holds no calibration.
        ``joints_m``: None in the training split; in the test split (T, 17, 3) = ``joints_2.5d_image`` in metres,
        root-relative (weak perspective, see the module's text). ``labels``: ``camera_id``. ``truth``:
        ``joints_image_px`` (T, 17, 3), the raw image-space label; in the test split ``joints_25d_mm`` (T, 17, 3),
        absolute, and beside it ``mm_per_px`` (T,), the file's ``2.5d_factor``.

    Raises:
        PrmlError: file absent or broken, wrong keys, lengths, joint counts or camera names, numbers missing, or a split
            without frames.
    """
    path = Path(path)
    file = path / PICKLE if path.is_dir() else path
    if split not in ("train", "test"):
        raise PrmlError(f"the Stacked-Hourglass pickle has the splits train and test, not {split!r}")
    table = cached(f"human36m-sh-{split}", 1, [file], lambda: guarded(file, lambda: _parse_sh(file, split)), cache_dir)
    return (_sh_sequence(video, table) for video in table.meta["videos"])


def _parse_sh(path: Path, split: str) -> Table:
    what = f"{path.name}, {split}"
    data = entry(load_pickle(path), split, path.name)
    source = as_list(entry(data, "source", what), f"{what}: source")
    frames = len(source)
    if not frames:
        raise PrmlError(f"{what}: the split is empty")
    arrays = {
        "keypoints_px": _first(data, "joint_2d", 2, frames, what),
        "joints_image_px": _first(data, "joint3d_image", 3, frames, what),
        "confidence": np.ones((frames, 17)),
    }
    if "confidence" in data:
        confidence = any_array(data["confidence"], f"{what}: confidence")
        confidence = confidence[..., 0] if confidence.ndim == 3 and confidence.shape[2] else confidence
        arrays["confidence"] = as_array(confidence, (frames, 17), f"{what}: confidence")
    if split == "test":
        factor = any_array(entry(data, "2.5d_factor", what), f"{what}: 2.5d_factor").reshape(-1)
        arrays["mm_per_px"] = as_array(factor, (frames,), f"{what}: 2.5d_factor")
        joints = entry(data, "joints_2.5d_image", what)
        arrays["joints_25d_mm"] = as_array(joints, (frames, 17, 3), f"{what}: joints_2.5d_image")
    arrays = {name: single(array) for name, array in arrays.items()}
    keys = {"keypoints_px": "joint_2d", "joints_image_px": "joint3d_image", "joints_25d_mm": "joints_2.5d_image"}
    for name, array in arrays.items():
        need_finite(array, f"{what}: {keys.get(name, name)}")
    if split == "test":
        need_unit(arrays["joints_25d_mm"], H36M17, "millimetres", f"{what}: joints_2.5d_image")
    return Table(arrays, {"videos": _sh_videos(data, [str(s) for s in source], split, what)})


def _first(data: dict[str, Any], key: str, width: int, frames: int, what: str) -> np.ndarray:
    """The first ``width`` of a point's numbers: files hold a confidence behind them."""
    array = any_array(entry(data, key, what), f"{what}: {key}")
    return as_array(array[..., :width] if array.ndim else array, (frames, 17, width), f"{what}: {key}")


def _sh_videos(data: dict[str, Any], source: list[str], split: str, what: str) -> list[dict[str, Any]]:
    names = _strings(entry(data, "camera_name", what), len(source), f"{what}: camera_name")
    actions = _strings(entry(data, "action", what), len(source), f"{what}: action") if split == "test" else None
    cuts = [0, *(i for i in range(1, len(source)) if source[i] != source[i - 1]), len(source)]
    videos = []
    for start, stop in pairwise(cuts):
        label = source[start]
        match = _SOURCE.search(label)
        if not match or int(match[2]) not in ACTION_OF_NUMBER or not 1 <= int(match[4]) <= len(CAMERA_IDS):
            raise PrmlError(
                f"{what}: expected a source like 's_09_act_05_subact_02_ca_01', got {label!r} in frame {start}"
            )
        wanted = CAMERA_IDS[int(match[4]) - 1]
        if wrong := set(names[start:stop]) - {wanted}:
            raise PrmlError(
                f"{what}: {label} was seen by camera {wanted}, but camera_name says {min(wrong)!r}: shuffled"
            )
        action = ACTION_OF_NUMBER[int(match[2])]
        if actions is not None:
            if len(set(actions[start:stop])) > 1:
                raise PrmlError(f"{what}: {label} has several actions {sorted(set(actions[start:stop]))}; expected one")
            action = actions[start]
        videos.append(
            {
                "source": label,
                "subject": f"S{int(match[1])}",
                "action": action,
                "camera_id": wanted,
                "start": start,
                "stop": stop,
            }
        )
    return videos


def _strings(values: Any, count: int, what: str) -> list[str]:
    texts = [
        v.decode("latin1") if isinstance(v, bytes) else str(v) for v in any_array(values, what).reshape(-1).tolist()
    ]
    if len(texts) != count:
        raise PrmlError(f"{what}: expected {count} strings, one a frame, got {len(texts)}")
    return texts


def _sh_sequence(video: dict[str, Any], table: Table) -> PoseSequence:
    cut = {name: np.array(array[video["start"] : video["stop"]]) for name, array in table.arrays.items()}
    camera_id, joints_m = video["camera_id"], None
    if "joints_25d_mm" in cut:
        joints_m = (cut["joints_25d_mm"] - cut["joints_25d_mm"][:, :1]) / np.float32(1000)
    return PoseSequence.regular(
        video["stop"] - video["start"],
        FPS,
        H36M17,
        keypoints_px=cut["keypoints_px"],
        confidence=cut["confidence"],
        joints_m=joints_m,
        root_relative=joints_m is not None,
        camera=_nominal_camera(camera_id),
        name=video["source"],
        subject=video["subject"],
        action=video["action"],
        source="human36m-sh",
        mm_per_px=cut.get("mm_per_px"),
        labels={"camera_id": camera_id},
        truth=GroundTruth(joints_image_px=cut["joints_image_px"], joints_25d_mm=cut.get("joints_25d_mm")),
    )


def _nominal_camera(camera_id: str) -> Camera:
    width, height = IMAGE_SIZE[camera_id]
    return Camera.from_fov(width, height, 47.2, source="nominal Human3.6M field of view; the file holds no calibration")


def _read(path: Path, split: str | None = None) -> Iterator[PoseSequence]:
    return read_human36m_sh(path, split or "test")


HUMAN36M_SH = Dataset(
    "human36m-sh",
    "Human3.6M, Stacked-Hourglass pickle (test split)",
    lambda path: (path / PICKLE).exists() if path.is_dir() else path.suffix == ".pkl",
    _read,
    files=(PICKLE,),
    label="image",
    validation="h36m-sh-2.5d",
)
