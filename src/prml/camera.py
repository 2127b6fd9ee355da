"""Pinhole camera with optional lens distortion, and the rotations that turn a camera towards a person.

Camera frame: x right, y down, z forward, metres. World frame: z up, right-handed, metres. Pixels: origin top-left.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError

Array = np.ndarray
_SHAPES: dict[str, tuple[int, ...]] = {
    "width": (),
    "height": (),
    "fx": (),
    "fy": (),
    "cx": (),
    "cy": (),
    "radial": (3,),
    "tangential": (2,),
    "R_world_to_camera": (3, 3),
    "t_m": (3,),
}
_MAX_PIXELS = 100_000
_MAX_NUMBER, _MIN_FOCAL = 1e9, 1e-3  # of a camera that is read; beyond them rays overflow
_ITERATIONS = 20
_NO_BEND = 1e-12  # coefficients of distortion below this bend nothing that can be measured


def _tolerance(kind: np.dtype) -> float:
    """How far, in focal lengths, a point may be from where its inverse is distorted to."""
    return max(1e-7, 16 * float(np.finfo(kind).eps))


@dataclass(frozen=True)
class Camera:
    """Intrinsics, distortion and pose of one camera.

    Attributes:
        width, height: image size in pixels.
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels.
        radial: k1, k2, k3 of the Brown-Conrady model (as in OpenCV and Human3.6M).
        tangential: p1, p2.
        R_world_to_camera: (3, 3) rotation.
        t_m: (3,) translation in metres: ``X_camera = R_world_to_camera @ X_world + t_m``.
        source: where the numbers come from ("assumed fov 55 deg", "file", "virtual", ...).
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    radial: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)
    R_world_to_camera: Array = field(default_factory=lambda: np.eye(3))
    t_m: Array = field(default_factory=lambda: np.zeros(3))
    source: str = "given"

    def __post_init__(self) -> None:
        numbers = np.array([self.width, self.height, self.fx, self.fy])
        if not np.all(np.isfinite(numbers)) or np.any(numbers <= 0):
            raise PrmlError(f"camera needs a positive image size and focal length, got {numbers.tolist()}")

    @classmethod
    def from_fov(cls, width: int, height: int, fov_deg: float = 55.0, source: str | None = None) -> "Camera":
        """Camera whose longer image side spans ``fov_deg``: centred principal point, square pixels, no distortion.

        The longer side is used so that a phone held upright or on its side has the same focal length.
        """
        if not 5.0 <= fov_deg <= 170.0:
            raise PrmlError(f"field of view must lie between 5 and 170 degrees, got {fov_deg:g}")
        focal = max(width, height) / 2 / np.tan(np.radians(fov_deg) / 2)
        return cls(width, height, focal, focal, width / 2, height / 2, source=source or f"assumed fov {fov_deg:g} deg")

    @property
    def fov_deg(self) -> float:
        """Field of view over the longer image side, in degrees."""
        half, focal = (self.width / 2, self.fx) if self.width >= self.height else (self.height / 2, self.fy)
        return float(np.degrees(2 * np.arctan(half / focal)))

    @property
    def has_distortion(self) -> bool:
        """Whether any distortion coefficient is non-zero."""
        return any(self.radial) or any(self.tangential)

    def to_camera(self, points_world_m: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
        """World metres to camera metres."""
        return np.asarray(points_world_m @ self.R_world_to_camera.T + self.t_m)

    def to_world(self, points_cam_m: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
        """Camera metres to world metres; the inverse of :meth:`to_camera`."""
        return np.asarray((points_cam_m - self.t_m) @ self.R_world_to_camera)

    def project(self, points_cam_m: Float[Array, "*n 3"]) -> Float[Array, "*n 2"]:
        """Camera metres to pixels. Points at or behind the camera (z <= 0) become NaN."""
        z = np.where(points_cam_m[..., 2:] > 1e-6, points_cam_m[..., 2:], np.nan)
        plane = self.distort(points_cam_m[..., :2] / z)
        return np.asarray(plane * np.array([self.fx, self.fy]) + np.array([self.cx, self.cy]))

    def unproject(self, points_px: Float[Array, "*n 2"]) -> Float[Array, "*n 2"]:
        """Pixels to the undistorted image plane at z = 1 (x / z, y / z); the inverse of :meth:`project` up to depth.

        NaN for pixels that no ray through the lens reaches.
        """
        plane = (points_px - np.array([self.cx, self.cy])) / np.array([self.fx, self.fy])
        return self.undistort(plane)

    def distort(self, plane: Float[Array, "*n 2"]) -> Float[Array, "*n 2"]:
        """Brown-Conrady distortion of image-plane points."""
        if not self.has_distortion:
            return plane
        k1, k2, k3 = self.radial
        p1, p2 = self.tangential
        x, y = plane[..., 0], plane[..., 1]
        r2 = x * x + y * y
        gain = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        dx = 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        dy = p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        return np.stack([x * gain + dx, y * gain + dy], -1)

    def undistort(self, plane: Float[Array, "*n 2"]) -> Float[Array, "*n 2"]:
        """Inverse of :meth:`distort`; NaN for points that no ray through the lens can reach.

        A strong barrel (k1 < 0) has a largest image: ``r (1 + k1 r^2 + ...)`` grows up to some radius and shrinks
        beyond it. Nothing is seen outside that image, and inside it the smaller of two radii is meant.

        Fixed-point iteration settles nearly all points; what it leaves is solved by Newton's method.
        """
        if not self.has_distortion:
            return plane
        with np.errstate(all="ignore"):  # points out of reach run away
            found = plane
            for _ in range(_ITERATIONS):
                found = found + (plane - self.distort(found))
            lost = ~self._is_inverse(found, plane)
            if lost.any():
                solved = found.astype(plane.dtype, copy=True)
                solved[lost] = self._newton(plane[lost])
                reached = self._is_inverse(solved, plane)
                found = np.where(reached[..., None], solved, np.nan).astype(plane.dtype)
        return found

    def _is_inverse(self, found: Float[Array, "*n 2"], plane: Float[Array, "*n 2"]) -> Bool[Array, "*n"]:
        """Whether ``found`` is distorted to ``plane``, and lies where the image still grows."""
        near = np.abs(self.distort(found) - plane).max(-1) <= _tolerance(plane.dtype)
        return np.asarray(near & ((found**2).sum(-1) < self._reach() ** 2))

    def _reach(self) -> float:
        """Radius on the undistorted plane up to which the radial distortion grows; infinite for most lenses."""
        k1, k2, k3 = self.radial
        turns = np.polynomial.Polynomial([1, 3 * k1, 5 * k2, 7 * k3]).trim(_NO_BEND).roots()
        squares = [float(root.real) for root in turns.tolist() if abs(root.imag) < 1e-12 and root.real > 0]
        return float(np.sqrt(min(squares, default=np.inf)))

    def _newton(self, plane: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
        (k1, k2, k3), (p1, p2) = self.radial, self.tangential
        found = plane
        for _ in range(_ITERATIONS):
            x, y = found[:, 0], found[:, 1]
            r2 = x * x + y * y
            gain, slope = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), k1 + r2 * (2 * k2 + 3 * k3 * r2)
            xx = gain + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
            yy = gain + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
            xy = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
            dx, dy = (plane - self.distort(found)).T
            steps = np.stack([yy * dx - xy * dy, xx * dy - xy * dx], -1)
            found = found + steps / (xx * yy - xy * xy)[:, None]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON; :meth:`from_dict` reads it back."""
        return {
            "width": self.width,
            "height": self.height,
            "fx": self.fx,
            "fy": self.fy,
            "cx": self.cx,
            "cy": self.cy,
            "radial": list(self.radial),
            "tangential": list(self.tangential),
            "R_world_to_camera": np.asarray(self.R_world_to_camera).tolist(),
            "t_m": np.asarray(self.t_m).tolist(),
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Camera":
        """Read what :meth:`to_dict` wrote.

        Raises:
            PrmlError: a missing or unknown entry, or one that is not finite numbers of its shape; the message names it.
        """
        required = {"width", "height", "fx", "fy", "cx", "cy"}
        if unknown := sorted(set(record) - set(cls.__dataclass_fields__)):
            raise PrmlError(f"camera has unknown entries {unknown}; known are {sorted(cls.__dataclass_fields__)}")
        if missing := sorted(required - set(record)):
            raise PrmlError(f"camera lacks {missing}; it needs {sorted(required)}")
        source = record.get("source", "given")
        if not isinstance(source, str):
            raise PrmlError(f"camera needs a text in 'source', got {_short(source)}")
        return cls(**{name: _entry(name, value) for name, value in record.items() if name != "source"}, source=source)


def _entry(name: str, value: Any) -> Any:
    """One of the camera's numbers as its field holds it; raises PrmlError unless it is finite and of its shape."""
    shape = _SHAPES[name]
    try:
        array = np.asarray(value)
        sound = array.dtype.kind in "fiu" and array.shape == shape and bool(np.isfinite(array).all())
    except (ValueError, TypeError, OverflowError, RecursionError):  # lists of unequal length and the like
        sound = False
    if not sound:
        wanted = f"{' x '.join(map(str, shape))} finite numbers" if shape else "one finite number"
        raise PrmlError(f"camera needs {wanted} in {name!r}, got {_short(value)}")
    if name in ("width", "height"):
        if not 1 <= array <= _MAX_PIXELS or array % 1:
            raise PrmlError(f"camera needs a whole number of pixels from 1 to {_MAX_PIXELS} in {name!r}, got {value}")
        return int(array)
    low = _MIN_FOCAL if name in ("fx", "fy") else 0.0
    if np.abs(array).max() > _MAX_NUMBER or 0 < np.abs(array).min() < low:
        wanted = f"between {low:g} and {_MAX_NUMBER:g}" if low else f"up to {_MAX_NUMBER:g}"
        raise PrmlError(f"camera needs numbers {wanted} in {name!r}, got {_short(value)}")
    if len(shape) == 1 and name != "t_m":
        return tuple(array.astype(np.float64).tolist())
    return array.astype(np.float64) if shape else float(array)


def _short(value: Any) -> str:
    """A value in an error's line, cut where it would be long."""
    text = " ".join(ascii(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def normalise(vectors: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    """Vectors of length one."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def rotation_towards(rays: Float[Array, "*n 3"]) -> Float[Array, "*n 3 3"]:
    """Rotation from the camera frame to one whose z axis lies along ``rays`` and whose x axis stays level.

    The rows of the result are the new axes: z along the ray, y the image's down made orthogonal to it, x to the right.
    Two cameras at one place that differ by a pan get the same frame for the same person.
    """
    z = normalise(rays)
    down = np.broadcast_to(np.array([0.0, 1.0, 0.0], dtype=z.dtype), z.shape)
    x = normalise(np.cross(down, z))
    return np.stack([x, np.cross(z, x), z], axis=-2)


def look_at(
    position_m: Float[Array, "*n 3"], target_m: Float[Array, "*n 3"], roll_rad: Float[Array, "*n"] | float = 0.0
) -> tuple[Float[Array, "*n 3 3"], Float[Array, "*n 3"]]:
    """World-to-camera rotation and translation of a camera at ``position_m`` that looks at ``target_m``, z up."""
    z = normalise(target_m - position_m)
    up = np.broadcast_to(np.array([0.0, 0.0, 1.0], dtype=z.dtype), z.shape)
    x = normalise(np.cross(z, up))
    level = np.stack([x, np.cross(z, x), z], axis=-2)
    roll = np.asarray(roll_rad, dtype=z.dtype)
    c, s, zero, one = np.cos(roll), np.sin(roll), np.zeros_like(roll), np.ones_like(roll)
    turn = np.stack([c, s, zero, -s, c, zero, zero, zero, one], -1).reshape(*roll.shape, 3, 3)
    R = turn @ level
    return R, -np.einsum("...ij,...j->...i", R, position_m)
