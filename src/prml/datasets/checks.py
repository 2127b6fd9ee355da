"""Checks that every reader makes of its numbers before anything else sees them."""

from typing import Any

import numpy as np
from jaxtyping import Float

from prml.camera import Camera
from prml.errors import PrmlError
from prml.io.units import UNITS_M, human, leg_bone, likely_unit
from prml.skeleton import Skeleton

MAX_COORDINATE = 1e7  # pixels, metres or millimetres: 10 km


def as_array(value: Any, shape: tuple[int | None, ...], what: str) -> np.ndarray:
    """``value`` as numbers of the given shape (``None`` = any length); raises PrmlError that names ``what``."""
    array = any_array(value, what)
    fits = array.ndim == len(shape) and all(w is None or w == n for w, n in zip(shape, array.shape, strict=True))
    if array.dtype.kind not in "fiub" or not fits:
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise PrmlError(f"{what}: expected numbers of shape {wanted}, got {array.dtype} of shape {array.shape}")
    return array


def any_array(value: Any, what: str) -> np.ndarray:
    """``value`` as an array of any kind and shape; raises PrmlError that names ``what`` for uneven lists."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise PrmlError(f"{what}: expected an array, got lists of different lengths or kinds") from None


def as_list(value: Any, what: str) -> list[Any] | tuple[Any, ...] | np.ndarray:
    """``value`` itself if it has items in order; raises PrmlError that names ``what``."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return value
    raise PrmlError(f"{what}: expected a list or an array, got {type(value).__name__}")


def single(array: np.ndarray) -> np.ndarray:
    """The numbers as float32; those that are too large for it become infinite, for :func:`need_finite` to name."""
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32)


def entry(record: Any, key: Any, what: str) -> Any:
    """``record[key]``; raises PrmlError that lists the keys there are."""
    if not isinstance(record, dict):
        raise PrmlError(f"{what}: expected a dictionary with {key!r}, got {type(record).__name__}")
    if key not in record:
        known = ", ".join(map(repr, list(record)[:12])) or "nothing"
        raise PrmlError(f"{what}: expected the key {key!r}, it holds {known}")
    return record[key]


def need_finite(array: Float[np.ndarray, "frames *rest"], what: str) -> None:
    """Raise PrmlError with the first frame (and joint) that is not a number, or larger than any coordinate can be."""
    with np.errstate(over="ignore"):  # half precision ends before the limit
        bad = ~np.isfinite(array) | (array > MAX_COORDINATE) | (array < -MAX_COORDINATE)
    if bad.any():
        first = np.argwhere(bad)[0]
        joint = f", joint {first[1]}" if len(first) > 2 else ""
        raise PrmlError(
            f"{what}: not a number in frame {first[0]}{joint} ({int(bad.sum())} values in all); repair or drop it"
        )


def need_unit(joints: Float[np.ndarray, "frames joints 3"], skeleton: Skeleton, unit: str, what: str) -> None:
    """Raise PrmlError if legs are not of human length in ``unit`` ("metres" or "millimetres"): units were swapped."""
    length = leg_bone(joints, skeleton)
    if not human(length * UNITS_M[unit]):
        guess = likely_unit(length)
        hint = f"it looks like {guess}" if guess else "no usual unit makes a human leg of it"
        raise PrmlError(
            f"{what}: expected {unit}, but thighs and shins are {length:.4g} long; {hint}, convert the file"
        )


def fit_pinhole(
    joints_cam_m: Float[np.ndarray, "frames joints 3"],
    keypoints_px: Float[np.ndarray, "frames joints 2"],
    width: int,
    height: int,
) -> Camera:
    """The pinhole camera that maps the file's camera-frame joints to its pixels, for files that hold no calibration.

    Least squares in f and c per axis, over at most 2000 frames. The camera's ``source`` tells the median residual in
    pixels. Where the two do not fit at all (residual over 5 % of the width), a nominal 55 degree camera is returned and
    its ``source`` says so.
    """
    step = max(1, len(joints_cam_m) // 2000)
    points, pixels = (
        joints_cam_m[::step].reshape(-1, 3).astype(float),
        keypoints_px[::step].reshape(-1, 2).astype(float),
    )
    usable = np.isfinite(points).all(-1) & np.isfinite(pixels).all(-1) & (points[:, 2] > 0.1)
    points, pixels = points[usable], pixels[usable]
    if len(points) >= 20:
        plane = points[:, :2] / points[:, 2:]
        (fx, cx), (fy, cy) = (np.polyfit(plane[:, i], pixels[:, i], 1) for i in (0, 1))
        error = np.hypot(*(plane * [fx, fy] + [cx, cy] - pixels).T)
        residual = float(np.median(error))
        if fx > 0 and fy > 0 and residual < 0.05 * width:
            source = f"fitted to the file's 2D and 3D, median residual {residual:.2f} px"
            return Camera(width, height, float(fx), float(fy), float(cx), float(cy), source=source)
    return Camera.from_fov(width, height, source="nominal fov 55 deg: the file's 2D is not a projection of its 3D")
