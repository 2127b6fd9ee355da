"""The cameras of Human3.6M from a user's own files: 3D in the world and its exact projection determine them.

Per camera, all subjects at once: one lens (focal lengths, centre, three radial and two tangential coefficients) and one
pose per subject, by a direct linear start and least squares on the pixels. The ground-truth 2D of VideoPose3D was
computed in float32 from the official table, so the solution agrees with that table to a fraction of a millimetre; a
residual above
0.1 pixel means that the files do not belong together, and is refused.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy.linalg import rq
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from prml.camera import Camera
from prml.datasets.human36m_cameras import CAMERA_IDS, IMAGE_SIZE, CameraTable, lens
from prml.errors import PrmlError

Array = np.ndarray
_POINTS = 600  # per subject and camera; the data are free of noise, so more would only take longer
_LENS = 9  # fx, fy, cx, cy, k1, k2, k3 and the tangential pair


def solve_cameras(pairs: Mapping[tuple[str, str], tuple[Array, Array]]) -> CameraTable:
    """The calibration from world points and their pixels.

    Args:
        pairs: (subject, camera id) -> points (N, 3) in world metres and pixels (N, 2), projected with lens distortion.

    Raises:
        PrmlError: too few points, or pixels that are not the projection of the points.
    """
    source = "solved from the ground-truth 2D and 3D of the npz pair"
    table: dict[str, dict[str, Camera]] = {}
    for camera_id in CAMERA_IDS:
        mine = {s: _thin(*pair, IMAGE_SIZE[camera_id]) for (s, c), pair in pairs.items() if c == camera_id}
        for subject, (world, _) in mine.items():
            if len(world) < 60:
                points = f"{subject}, camera {camera_id}: {len(world)} points"
                raise PrmlError(f"{points} are too few to solve for a camera; give a calibration file")
        params, residual = _solve_camera(list(mine.values()))
        if not residual < 0.1:
            raise PrmlError(
                f"camera {camera_id}: data_2d_h36m_gt.npz is not the projection of data_3d_h36m.npz (residual "
                f"{residual:.3g} px); the files do not belong together, or give a calibration file"
            )
        f, c, k, p = np.split(params[:_LENS], [2, 4, 7])
        for subject, pose in zip(mine, params[_LENS:].reshape(-1, 6), strict=True):
            R = Rotation.from_rotvec(pose[:3]).as_matrix()
            table.setdefault(subject, {})[camera_id] = lens(camera_id, f, c, k, p, R, -R.T @ pose[3:], source)
    return CameraTable(table, source)


def _thin(world: Array, pixel: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    """Some of the points inside the image: far outside, the generator clamped them and the lens model folds over."""
    inside = ((pixel > 0) & (pixel < size)).all(-1)
    world, pixel = world[inside], pixel[inside]
    keep = np.linspace(0, len(world) - 1, min(_POINTS, len(world))).astype(int)
    return world[keep].astype(float), pixel[keep].astype(float)


def direct_linear(
    world: Float[Array, "n 3"], pixel: Float[Array, "n 2"]
) -> tuple[Float[Array, "3 3"], Float[Array, "3 3"], Float[Array, " 3"]]:
    """Intrinsic matrix, rotation and translation of the best camera without distortion (direct linear)."""
    mean, scale = world.mean(0), world.std()
    centre, spread = pixel.mean(0), pixel.std()
    X = np.column_stack([(world - mean) / scale, np.ones(len(world))])
    u, v = ((pixel - centre) / spread).T
    zero = np.zeros_like(X)
    A = np.concatenate([np.hstack([X, zero, -u[:, None] * X]), np.hstack([zero, X, -v[:, None] * X])])
    P = np.linalg.svd(A, full_matrices=False)[2][-1].reshape(3, 4)
    to_world = np.eye(4)
    to_world[:3, :3], to_world[:3, 3] = np.eye(3) / scale, -mean / scale
    to_pixel = np.array([[spread, 0, centre[0]], [0, spread, centre[1]], [0, 0, 1.0]])
    P = to_pixel @ P @ to_world
    P = P * np.sign(np.median(world @ P[2, :3] + P[2, 3]))  # in front of the camera
    K, R = rq(P[:, :3])
    signs = np.diag(np.sign(np.diag(K)))
    K, R = K @ signs, signs @ R
    t = np.linalg.solve(K, P[:, 3])
    if np.linalg.det(R) < 0:  # a mirror image: points that do not determine a camera
        raise PrmlError("the 3D and the 2D determine no camera (mirrored or degenerate); give a calibration file")
    return K / K[2, 2], R, t


def _project(shared: Array, pose: Array, world: Array) -> Array:
    cam = Rotation.from_rotvec(pose[:3]).apply(world) + pose[3:]
    plane = cam[:, :2] / np.maximum(cam[:, 2:], 0.05)
    r2 = (plane**2).sum(1, keepdims=True)
    k, p = shared[4:7], shared[7:9]
    radial = 1 + r2 * (k[0] + r2 * (k[1] + r2 * k[2]))
    tangential = plane @ p[::-1, None]  # p1 y + p2 x
    return np.asarray((plane * (radial + tangential) + r2 * p[::-1]) * shared[:2] + shared[2:4])


def _solve_camera(pairs: list[tuple[Array, Array]]) -> tuple[Array, float]:
    """Lens and poses of one camera over all subjects, and the median residual in pixels."""
    starts = [direct_linear(world, pixel) for world, pixel in pairs]
    K = np.median([s[0] for s in starts], axis=0)
    poses = [np.concatenate([Rotation.from_matrix(R).as_rotvec(), t]) for _, R, t in starts]
    start = np.concatenate([[K[0, 0], K[1, 1], K[0, 2], K[1, 2]], np.zeros(5), *poses])

    def errors(params: Array) -> Array:
        each = params[_LENS:].reshape(-1, 6)
        parts = [_project(params[:_LENS], q, w) - px for q, (w, px) in zip(each, pairs, strict=True)]
        return np.concatenate(parts).ravel()

    solution = least_squares(errors, start, x_scale="jac", ftol=1e-14, xtol=1e-14, gtol=1e-14, max_nfev=80)
    return solution.x, float(np.median(np.linalg.norm(solution.fun.reshape(-1, 2), axis=1)))
