"""Root position from 2D, 3D and the camera, frame by frame (perspective-n-point with known rotation)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.camera import Camera
from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.spans import blocks

Array = np.ndarray
MIN_DEPTH_M = 0.3  # nearer than this no joint is taken to be
_BLOCK = 1024  # frames solved together


def solve_root(
    joints_m: Float[Array, "T J 3"], plane: Float[Array, "T J 2"], confidence: Float[Array, "T J"]
) -> Float[Array, "T 3"]:
    """Solve for the root position, in the camera frame, that projects root-relative joints onto image-plane points.

    For every joint (X + t_x) - u (Z + t_z) = 0 and (Y + t_y) - v (Z + t_z) = 0: linear least squares in t. Both
    equations of a joint are multiplied by its confidence, so the squared error is weighted by confidence squared. The
    pose keeps its scale: a person predicted too tall is placed too far away.

    Args:
        joints_m: root-relative, metres, camera frame.
        plane: undistorted points at z = 1; NaN for joints that were not found, which are ignored.
        confidence: factors of the equations, at least 0.001.
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


def refine_root(
    joints_m: Float[Array, "T J 3"],
    plane: Float[Array, "T J 2"],
    share: Float[Array, "T J"],
    root_m: Float[Array, "T 3"],
    steps: int = 3,
) -> Float[Array, "T 3"]:
    """Root positions at which projections are nearest to the points, by Gauss-Newton steps from ``root_m``.

    :func:`solve_root` has noisy points on both sides of its equations and puts people too near, the more so the further
    away they are. Here distances are measured in the image plane, times the depth from which a step starts.

    Args:
        joints_m: root-relative, metres, camera frame.
        plane: undistorted points at z = 1; anything where their share is 0.
        share: weights of squared distances.
        root_m: to start from.
        steps: number of steps.
    """
    root = root_m
    points = np.where(share[..., None] > 0, plane, 0.0)
    for _ in range(steps):
        normal, right = point_equations(joints_m, points, share, root)
        root = np.linalg.solve(normal + 1e-9 * np.eye(3), (right + 1e-9 * root)[..., None])[..., 0]
    return root


def point_equations(
    joints_m: Float[Array, "T J 3"],
    points: Float[Array, "T J 2"],
    share: Float[Array, "T J"],
    root_m: Float[Array, "T 3"],
) -> tuple[Float[Array, "T 3 3"], Float[Array, "T 3"]]:
    """Normal equations of the root for distances in the image plane, linearised at ``root_m``; see refine_root."""
    seen, away = projected(joints_m, points, root_m)
    total, first = share.sum(1), np.einsum("tj,tjc->tc", share, seen)
    normal = np.zeros((len(root_m), 3, 3))
    normal[:, 0, 0] = normal[:, 1, 1] = total
    normal[:, :2, 2] = normal[:, 2, :2] = -first
    normal[:, 2, 2] = np.einsum("tj,tjc->t", share, seen**2)
    target = root_m[:, None, :2] - seen * root_m[:, None, 2:] - away
    across = np.einsum("tj,tjc->tc", share, target)
    along = -np.einsum("tj,tjc,tjc->t", share, seen, target)
    return normal, np.concatenate([across, along[:, None]], 1)


def projected(
    joints_m: Float[Array, "T J 3"], points: Float[Array, "T J 2"], root_m: Float[Array, "T 3"]
) -> tuple[Float[Array, "T J 2"], Float[Array, "T J 2"]]:
    """Projections onto the plane at z = 1, and their distances from the points in metres at the joints' depth."""
    whole = joints_m + root_m[:, None]
    depth = np.maximum(whole[..., 2:], MIN_DEPTH_M)
    seen = whole[..., :2] / depth
    return seen, (seen - points) * depth


@dataclass(frozen=True)
class Placement:
    """Where the joints of a sequence are in its camera's frame: ``joints_m @ rotation.T + origins_m``.

    Attributes:
        rotation: (3, 3) from the frame of ``joints_m`` to the camera's.
        origins_m: (T, 3) origin of ``joints_m``, metres, camera frame; NaN where there is no pose.
        camera: the sequence's camera.
    """

    rotation: Float[Array, "3 3"]
    origins_m: Float[Array, "T 3"]
    camera: Camera

    @classmethod
    def of(cls, sequence: PoseSequence) -> "Placement":
        """Placement of a sequence: solved by :func:`solve_root` if root-relative, otherwise as stated.

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
        """Project joints of the sequence to pixels; NaN without a pose and behind the camera."""
        return self.camera.project(joints_m @ self.rotation.T + self.origins_m[:, None])
