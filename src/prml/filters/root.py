"""Where the root is: solved from 2D, 3D and the camera, frame by frame (perspective-n-point with known rotation)."""

import numpy as np
from jaxtyping import Float

Array = np.ndarray


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
