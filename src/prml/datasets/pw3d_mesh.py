"""3DPW and Human3.6M with SMPL's pose and shape, as MotionBERT's mesh experiment has them (the paper's Table 15).

This package contains no part of SMPL. Given ``SMPL_NEUTRAL.npz`` (or a ``.pkl`` of plain arrays), the 17-joint
regressor and MotionBERT's ``mesh_det_pw3d.pkl``, targets are computed as published: shape and pose blend shapes, linear
blend skinning (Loper et al. 2015), and joints from vertices by the regressor. ``mesh_det_h36m.pkl``, if it is there,
is trained on too, as MotionBERT does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from prml.camera import Camera
from prml.datasets.base import Dataset
from prml.datasets.cache import Table, cached
from prml.datasets.human36m_cameras import CAMERA_IDS, IMAGE_SIZE
from prml.errors import PrmlError
from prml.io.guard import guarded
from prml.io.npz import load_npz
from prml.io.unpickle import load_pickle
from prml.sequence import PoseSequence

Array = np.ndarray
DETECTIONS, REGRESSOR, MODEL = "mesh_det_pw3d.pkl", "J_regressor_h36m_correct.npy", "SMPL_NEUTRAL"
HUMAN36M = "mesh_det_h36m.pkl"
FILES = f"{DETECTIONS}, {REGRESSOR} (17 x 6890) and {MODEL}.npz, in one folder"
_CHUNK = 64  # frames per chunk, with 6890 vertices each in memory
_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")


@dataclass(frozen=True)
class BodyModel:
    """Arrays of a skinned body with V vertices, K joints and S shape coefficients.

    Attributes:
        template_m: (V, 3) rest vertices.
        shape_m: (V, 3, S) displacement per shape coefficient.
        pose_m: (V, 3, 9 (K - 1)) displacement per entry of the rotations minus identity.
        joints: (K, V) joint regressor.
        weights: (V, K) skinning weights.
        parents: (K,) parent of each joint, -1 for the first.
    """

    template_m: Float[Array, "V 3"]
    shape_m: Float[Array, "V 3 S"]
    pose_m: Float[Array, "V 3 P"]
    joints: Float[Array, "K V"]
    weights: Float[Array, "V K"]
    parents: Int[Array, " K"]

    @classmethod
    def read(cls, folder: Path) -> "BodyModel":
        """Read ``SMPL_NEUTRAL.npz`` or ``.pkl`` from a folder; raise PrmlError if it is missing or invalid."""
        npz, pkl = folder / f"{MODEL}.npz", folder / f"{MODEL}.pkl"
        if not npz.is_file() and not pkl.is_file():
            raise PrmlError(
                f"no {MODEL}.npz in {folder}; get SMPL from its makers and save its arrays under their names"
            )
        try:
            values: dict[str, Any] = load_npz(npz, _KEYS) if npz.is_file() else load_pickle(pkl)
            return cls._from(values)
        except KeyError as error:
            raise PrmlError(f"{MODEL} lacks {error}; it needs {', '.join(_KEYS)}") from None
        except PrmlError as error:
            hint = "save its arrays as SMPL_NEUTRAL.npz (chumpy and sparse objects are not read)"
            raise PrmlError(f"{error}; {hint}") from None

    @classmethod
    def _from(cls, values: dict[str, Any]) -> "BodyModel":
        arrays = [np.asarray(values[key]) for key in _KEYS]
        template, shape, pose, joints, weights, tree = arrays
        V, K = weights.shape if weights.ndim == 2 else (0, 0)
        fits = template.shape == (V, 3) and joints.shape == (K, V) and tree.shape[-1] == K
        if not fits or shape.shape[:2] != (V, 3) or pose.shape != (V, 3, 9 * (K - 1)):
            raise PrmlError(f"the arrays of {MODEL} do not fit each other: {[a.shape for a in arrays]}")
        parents = tree.reshape(-1, K)[0].astype(np.int64)
        parents[0] = -1
        template, shape, pose, joints, weights = (a.astype(np.float64) for a in arrays[:5])
        return cls(template, shape, pose, joints, weights, parents)

    def vertices(self, pose_rad: Float[Array, "T K3"], shape: Float[Array, "T S"]) -> Float[Array, "T V 3"]:
        """Return vertices in metres, in the frame of the first joint's rotation.

        Args:
            pose_rad: axis-angle rotation of every joint.
            shape: shape coefficients; there may be fewer than S.
        """
        T, K = len(pose_rad), len(self.parents)
        R = Rotation.from_rotvec(pose_rad.reshape(-1, 3)).as_matrix().reshape(T, K, 3, 3)
        shaped = self.template_m + np.einsum("vcs,ts->tvc", self.shape_m[..., : shape.shape[1]], shape)
        rest = np.einsum("kv,tvc->tkc", self.joints, shaped)
        posed = shaped + np.einsum("vcp,tp->tvc", self.pose_m, (R[:, 1:] - np.eye(3)).reshape(T, -1))
        turn, place = np.empty_like(R), np.empty_like(rest)
        for k, parent in enumerate(self.parents):
            turn[:, k] = R[:, k] if parent < 0 else turn[:, parent] @ R[:, k]
            step = rest[:, k] if parent < 0 else np.einsum("tij,tj->ti", turn[:, parent], rest[:, k] - rest[:, parent])
            place[:, k] = step if parent < 0 else place[:, parent] + step
        shift = place - np.einsum("tkij,tkj->tki", turn, rest)
        blended = np.einsum("vk,tkij->tvij", self.weights, turn)
        moved: Array = np.einsum("tvij,tvj->tvi", blended, posed) + np.einsum("vk,tki->tvi", self.weights, shift)
        return moved

    def regress(
        self, regressor: Float[Array, "J V"], pose_rad: Float[Array, "T K3"], shape: Float[Array, "T S"]
    ) -> Float[Array, "T J 3"]:
        """Return the joints of the mesh, computed a few frames at a time."""
        parts = [
            np.einsum("jv,tvc->tjc", regressor, self.vertices(pose_rad[i : i + _CHUNK], shape[i : i + _CHUNK]))
            for i in range(0, len(pose_rad), _CHUNK)
        ]
        return np.concatenate(parts)


def read_3dpw_mesh(folder: Path | str, split: str = "test", cache_dir: Path | None = None) -> Iterator[PoseSequence]:
    """Every person of every video of a split of MotionBERT's mesh files.

    Args:
        folder: holds the files named in :data:`FILES`; ``mesh_det_h36m.pkl`` is read with the training split if it is
            there.
        split: ``"train"`` or ``"test"``.
        cache_dir: where the joints are kept once they are computed; ``None`` for the usual place.

    Yields:
        Sequences of H36M17 with root-relative ``joints_m`` (T, 17, 3), camera frame, regressed from the mesh;
        ``keypoints_px`` (T, 17, 2) detections, ``confidence`` (T, 17), a nominal camera of the image's size, and the
        name of the file's ``source``.

    Raises:
        PrmlError: a file is missing or broken, or arrays do not fit each other.
    """
    folder = Path(folder)
    if split not in ("train", "test"):
        raise PrmlError(f"{DETECTIONS} has the splits train and test, not {split!r}")
    files = [DETECTIONS] + ([HUMAN36M] if split == "train" and (folder / HUMAN36M).is_file() else [])
    return chain.from_iterable(_read(folder, name, split, cache_dir) for name in files)


def _read(folder: Path, name: str, split: str, cache_dir: Path | None) -> Iterator[PoseSequence]:
    if not (folder / name).is_file():
        raise PrmlError(f"no {name} in {folder}; expected {FILES}")
    sources = [p for p in (folder / name, folder / REGRESSOR, *_models(folder)) if p.is_file()]
    table = cached(
        f"3dpw-mesh-{split}", 1, sources, lambda: guarded(folder / name, lambda: _parse(folder, name, split)), cache_dir
    )
    return (_sequence(video, table) for video in table.meta["videos"])


def _models(folder: Path) -> list[Path]:
    return [folder / f"{MODEL}.npz", folder / f"{MODEL}.pkl"]


def _parse(folder: Path, name: str, split: str) -> Table:
    model, regressor = BodyModel.read(folder), _regressor(folder / REGRESSOR)
    if regressor.shape != (17, len(model.template_m)):
        raise PrmlError(f"{REGRESSOR} must be (17, {len(model.template_m)}), got {regressor.shape}")
    data = load_pickle(folder / name)
    part = data.get(split) if isinstance(data, dict) else None
    if not isinstance(part, dict) or (missing := [k for k in _NEEDED if k not in part]):
        raise PrmlError(f"{name}: expected {split} with {', '.join(_NEEDED)}, got {missing if part else f'no {split}'}")
    source = [str(s) for s in part["source"]]
    arrays = {key: _numbers(part, key, len(source), f"{name}, {split}", *shape) for key, shape in _SHAPES.items()}
    joints = model.regress(regressor, arrays.pop("smpl_pose"), arrays.pop("smpl_shape"))
    arrays["joints_m"] = joints - joints[:, :1]
    cuts = [0, *(i for i in range(1, len(source)) if source[i] != source[i - 1]), len(source)]
    videos = [
        {"name": source[a], "start": a, "stop": b, "width": w, "height": h, "fps": fps}
        for a, b in pairwise(cuts)
        for w, h, fps in [_filming(part, a, name)]
        if b > a
    ]
    return Table({key: value.astype(np.float32) for key, value in arrays.items()}, {"videos": videos})


def _numbers(part: dict[str, Any], key: str, frames: int, what: str, *shape: int) -> Array:
    values = np.asarray(part[key], dtype=np.float64)
    values = values[..., : shape[-1]] if key == "joint_2d" else values
    if values.size != frames * int(np.prod(shape)) or not np.isfinite(values).all():
        raise PrmlError(f"{what}: {key} must be finite ({frames}, {', '.join(map(str, shape))})")
    return values.reshape(-1, *shape)


def _filming(part: dict[str, Any], frame: int, name: str) -> tuple[int, int, float]:
    """Width and height of the images, and frames a second: of 3DPW as MotionBERT takes them, else of the camera."""
    if name == DETECTIONS:
        return 1920, 1920, 30.0
    camera = str(part["camera_name"][frame]) if "camera_name" in part else ""
    if camera not in CAMERA_IDS:
        raise PrmlError(f"{name}: expected a camera_name of Human3.6M in frame {frame}, got {camera!r}")
    width, height = IMAGE_SIZE[camera]
    return width, height, 50.0


_SHAPES = {"joint_2d": (17, 2), "confidence": (17,), "smpl_pose": (72,), "smpl_shape": (10,)}
_NEEDED = (*_SHAPES, "source")


def _regressor(path: Path) -> Array:
    try:
        return np.load(path, allow_pickle=False).astype(np.float64)  # type: ignore[no-any-return]
    except (OSError, ValueError) as error:
        raise PrmlError(f"{path.name} is not a readable .npy file: {error}") from None


def _sequence(video: dict[str, Any], table: Table) -> PoseSequence:
    cut = {name: np.array(array[video["start"] : video["stop"]]) for name, array in table.arrays.items()}
    width, height, name = video["width"], video["height"], video["name"]
    told = f"nominal: the file says {width} x {height} and no calibration"
    return PoseSequence.regular(
        video["stop"] - video["start"],
        video["fps"],
        joints_m=cut["joints_m"],
        root_relative=True,
        keypoints_px=cut["joint_2d"],
        confidence=cut["confidence"],
        camera=Camera.from_fov(width, height, 55.0, source=told),
        name=name,
        action=name.rsplit("_", 1)[0],
        source="3dpw",
    )


PW3D_MESH = Dataset(
    "3dpw-mesh",
    "3DPW with SMPL's mesh, MotionBERT's mesh files (test split)",
    lambda path: (path / DETECTIONS).is_file(),
    lambda folder, split=None: read_3dpw_mesh(folder, split or "test"),
    files=("mesh_det_*.pkl", REGRESSOR, f"{MODEL}.*"),
    label="camera_m",
    validation="3dpw-mesh",
)
