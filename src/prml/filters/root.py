"""Where the root is: solved from 2D, 3D and the camera, frame by frame (perspective-n-point with known rotation)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.camera import Camera
from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.spans import blocks

Array = np.ndarray
_BLOCK = 1024  # frames that are solved at a time


def solve_root(
    joints_m: Float[Array, "T J 3"], plane: Float[Array, "T J 2"], confidence: Float[Array, "T J"]
) -> Float[Array, "T 3"]:
    """Camera-frame place of the root that makes root-relative joints project onto given image-plane points.

    For every joint (X + t_x) - u (Z + t_z) = 0 and (Y + t_y) - v (Z + t_z) = 0: linear least squares in t. Both
    equations of a joint are multiplied by its confidence, so that its square weights the squared error. The scale of
    the pose is taken as it is: a person predicted too tall is put too far away.

    Args:
        joints_m: root-relative, metres, camera frame.
        plane: undistorted points at z = 1; NaN where a joint was not found, which then does not count.
        confidence: factors of the equations; below 0.001 they count as 0.001.
    """
    T, J, _ = joints_m.shape
    known = np.isfinite(plane).all(-1)
    points: Array = np.where(known[..., None], plane, 0.0)
    A: Array = np.zeros((T, J, 2, 3))
    A[..., 0, 0] = A[..., 1, 1] = 1
    A[..., 2] = -points
    b: Array = points * joints_m[..., 2:] - joints_m[..., :2]
    w: Array = np.where(known, np.maximum(confidence, 1e-3), 0.0)[..., None]
    A, b = (A * w[..., None]).reshape(T, 2 * J, 3), (b * w).reshape(T, 2 * J)
    normal = np.swapaxes(A, 1, 2) @ A + 1e-9 * np.eye(3)
    return np.linalg.solve(normal, np.einsum("tji,tj->ti", A, b)[..., None])[..., 0]


@dataclass(frozen=True)
class Placement:
    """How the joints of a sequence stand before its camera: ``joints_m @ rotation.T + origins_m``.

    Attributes:
        rotation: (3, 3) from the frame of ``joints_m`` to the camera's.
        origins_m: (T, 3) metres, camera frame: where the origin of ``joints_m`` lies; NaN where there is no pose.
        camera: the sequence's camera.
    """

    rotation: Float[Array, "3 3"]
    origins_m: Float[Array, "T 3"]
    camera: Camera

    @classmethod
    def of(cls, sequence: PoseSequence) -> "Placement":
        """The place of a sequence: for root-relative joints solved by :func:`solve_root`, otherwise as it is stated.

        Raises:
            PrmlError: no 3D joints or no camera; or root-relative joints without 2D keypoints.
        """
        joints, camera = sequence.joints_m, sequence.camera
        if joints is None or camera is None or (sequence.root_relative and sequence.keypoints_px is None):
            raise PrmlError("placing a pose before its camera takes joints_m, camera and, for the root, keypoints_px")
        in_world = sequence.frame == "world"
        rotation = np.asarray(camera.R_world_to_camera) if in_world else np.eye(3)
        origins = np.full((len(sequence), 3), np.nan)
        present = np.flatnonzero(np.isfinite(joints).all((1, 2)))
        if not sequence.root_relative:
            origins[present] = camera.t_m if in_world else 0.0
            return cls(rotation, origins, camera)
        confidence = np.ones(joints.shape[:2]) if sequence.confidence is None else sequence.confidence
        points = np.asarray(sequence.keypoints_px)
        for block, _, _ in blocks(len(present), _BLOCK):
            at = present[block]
            posed = joints[at].astype(np.float64) @ rotation.T
            origins[at] = solve_root(posed, camera.unproject(points[at]), confidence[at])
        return cls(rotation, origins, camera)

    def project(self, joints_m: Float[Array, "T J 3"]) -> Float[Array, "T J 2"]:
        """Joints of the sequence as the camera sees them, pixels; NaN without a pose and behind the camera."""
        return self.camera.project(joints_m @ self.rotation.T + self.origins_m[:, None])
