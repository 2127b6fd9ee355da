"""The rule of the paper's Table 15: 14 joints regressed from the SMPL mesh, given the licensed files.

This package contains no part of SMPL. Given ``SMPL_NEUTRAL.npz`` (or a ``.pkl`` of plain arrays), the 17-joint
regressor and MotionBERT's ``mesh_det_pw3d.pkl``, targets are computed as published: shape and pose blend shapes, linear
blend skinning (Loper et al. 2015), and joints from vertices by the regressor.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from prml.camera import Camera
from prml.errors import PrmlError
from prml.evaluation.protocols.data import need_folder, sizes
from prml.sequence import PoseSequence

Array = np.ndarray
DETECTIONS, REGRESSOR, MODEL = "mesh_det_pw3d.pkl", "J_regressor_h36m_correct.npy", "SMPL_NEUTRAL"
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
        from prml.io.npz import load_npz
        from prml.io.unpickle import load_pickle

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


@dataclass(frozen=True)
class Pw3dMesh:
    """MotionBERT's test split of 3DPW, with targets from SMPL's mesh."""

    description: str = (
        "3DPW, test split as in MotionBERT's mesh_det_pw3d.pkl (35,515 frames with a detection), 30 frames/s"
    )
    files: str = f"{DETECTIONS}, {REGRESSOR} (17 x 6890) and {MODEL}.npz, in one folder"

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """Yield one sequence per person and video."""
        folder = need_folder(data, self.files)
        return islice(self._sequences(folder), limit)

    def _sequences(self, folder: Path) -> Iterator[PoseSequence]:
        from prml.io.unpickle import load_pickle

        model, regressor = BodyModel.read(folder), _regressor(folder / REGRESSOR)
        if regressor.shape != (17, len(model.template_m)):
            raise PrmlError(f"{REGRESSOR} must be (17, {len(model.template_m)}), got {regressor.shape}")
        test = load_pickle(folder / DETECTIONS)
        test = test.get("test") if isinstance(test, dict) else None
        if not isinstance(test, dict) or (missing := [k for k in _NEEDED if k not in test]):
            raise PrmlError(
                f"{DETECTIONS}: expected test with {', '.join(_NEEDED)}, got {missing if test else 'no test'}"
            )
        source = [str(s) for s in test["source"]]
        cuts = [0, *(i for i in range(1, len(source)) if source[i] != source[i - 1]), len(source)]
        for start, stop in pairwise(cuts):
            yield _sequence(test, source[start], slice(start, stop), model, regressor)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Sizes of the files."""
        folder = need_folder(data, self.files)
        return sizes([folder / n for n in (DETECTIONS, REGRESSOR, f"{MODEL}.npz", f"{MODEL}.pkl")])


_NEEDED = ("joint_2d", "confidence", "smpl_pose", "smpl_shape", "source")


def _regressor(path: Path) -> Array:
    try:
        return np.load(path, allow_pickle=False).astype(np.float64)  # type: ignore[no-any-return]
    except (OSError, ValueError) as error:
        raise PrmlError(f"{path.name} is not a readable .npy file: {error}") from None


def _sequence(test: dict[str, Any], name: str, rows: slice, model: BodyModel, regressor: Array) -> PoseSequence:
    def part(key: str, *shape: int) -> Array:
        values = np.asarray(test[key][rows], dtype=np.float64)
        if values.size != len(values) * int(np.prod(shape)) or not np.isfinite(values).all():
            raise PrmlError(f"{DETECTIONS}: {key} of {name} must be finite (T, {', '.join(map(str, shape))})")
        return values.reshape(-1, *shape)

    joints = model.regress(regressor, part("smpl_pose", 72), part("smpl_shape", 10))
    px, confidence = part("joint_2d", 17, 2), part("confidence", 17)
    nominal = Camera.from_fov(1920, 1920, 55.0, source="nominal: the file says 1920 x 1920 and no calibration")
    return PoseSequence.regular(
        len(joints),
        30.0,
        joints_m=joints - joints[:, :1],
        root_relative=True,
        keypoints_px=px,
        confidence=confidence,
        camera=nominal,
        name=name,
        action=name.rsplit("_", 1)[0],
        source="3dpw",
    )
