"""Input normalisation: named strategies that turn image points into what a network reads, and its output back.

``virtual_camera`` rotates the camera towards the person, frame by frame, and divides by the person's size in the image.
Both the direction and the size come from the points themselves, smoothed over time, and both commute with rotations of
the camera: so the result does not depend on where in the image the person stands, nor on the image's format, nor on
where a window starts.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float

from prml.camera import normalise as unit
from prml.camera import rotation_towards
from prml.errors import PrmlError
from prml.skeleton import H36M17

Array = np.ndarray
Strategy = Literal["virtual_camera", "screen", "crop"]

# The torso gives the direction, the long bones the size: both are there in every pose.
_TORSO = tuple(H36M17.index(j) for j in ("LHip", "RHip", "LShoulder", "RShoulder"))
LONG_BONES = tuple(
    (H36M17.index(side + a), H36M17.index(side + b))
    for side in "LR"
    for a, b in (("Hip", "Knee"), ("Knee", "Ankle"), ("Shoulder", "Elbow"), ("Elbow", "Wrist"), ("Shoulder", "Hip"))
)
# An adult's long bones sum to 3.8 m; seen from one side, about four fifths of that remain. So inputs are nearly metres.
BODY_SIZE_M = 3.0
_TYPICAL_M = (0.40, 0.44, 0.29, 0.28, 0.50) * 2  # of an adult's LONG_BONES
DIRECTION_SIGMA_S = 0.2
SIZE_SIGMA_S = 0.4
MARGIN_S = 0.8  # beyond this the smoothing of both is blind


@dataclass(frozen=True)
class NormalisedInput:
    """What a network reads, and how to undo it.

    Attributes:
        xy: (*B, T, J, 2) normalised coordinates, x right, y down.
        R_camera_to_input: (*B, T, 3, 3) rotation from the camera frame to the frame that the network predicts in.
        scale: (*B, T) what ``xy`` was divided by (image plane at z = 1 for ``virtual_camera``, pixels otherwise).
    """

    xy: Array
    R_camera_to_input: Array
    scale: Array

    def to_camera(self, joints_m: Float[Array, "*B T J 3"]) -> Float[Array, "*B T J 3"]:
        """Root-relative metres of the network's frame, back in the camera's."""
        turned: Array = joints_m @ self.R_camera_to_input.astype(joints_m.dtype)
        return turned

    def from_camera(self, joints_m: Float[Array, "*B T J 3"]) -> Float[Array, "*B T J 3"]:
        """Root-relative camera-frame metres in the network's frame (training targets)."""
        turned: Array = joints_m @ np.swapaxes(self.R_camera_to_input, -1, -2).astype(joints_m.dtype)
        return turned


@cache
def _kernel(sigma_frames: float, radius: int) -> Array:
    at = np.arange(-radius, radius + 1)
    weights: Array = np.exp(-0.5 * (at / sigma_frames) ** 2)
    weights /= weights.sum()
    return weights


def smooth(values: Float[Array, "*B T c"], sigma_s: float, fps: float) -> Float[Array, "*B T c"]:
    """Gaussian mean along time, cut at ``MARGIN_S`` and at the ends of the sequence (weights renormalised there)."""
    from scipy.ndimage import convolve1d  # takes a tenth of a second to load

    kernel = _kernel(sigma_s * fps, max(1, round(MARGIN_S * fps))).astype(values.dtype)
    total = convolve1d(np.ones(values.shape[-2], values.dtype), kernel, mode="constant")
    mean: Array = convolve1d(values, kernel, axis=-2, mode="constant") / total[:, None]
    return mean


def virtual_camera(
    plane: Float[Array, "*B T J 2"], fps: float, seen: Bool[Array, "*B t J"] | None = None
) -> NormalisedInput:
    """Look at the person, then divide by its size.

    Args:
        plane: undistorted image-plane points at z = 1 (``Camera.unproject``) of H36M17 or BODY28, finite.
        fps: frames a second of the sequence.
        seen: joints that are given, in each frame or (t = 1) in all; direction and size come from these alone, the size
            as if the other long bones had the usual lengths in proportion, and the others become zero. None if all are.
    """
    rays = unit(np.concatenate([plane, np.ones_like(plane[..., :1])], -1))
    torso = rays[..., _TORSO, :]
    middle = torso.mean(-2) if seen is None else _mean_of(torso, seen[..., _TORSO])
    towards = smooth(middle, DIRECTION_SIGMA_S, fps)
    R = rotation_towards(towards).astype(plane.dtype)
    turned = rays @ np.swapaxes(R, -1, -2)
    xy = turned[..., :2] / np.maximum(turned[..., 2:], 0.05)
    start, end = (np.array(side) for side in zip(*LONG_BONES, strict=True))
    bones = np.linalg.norm(xy[..., start, :] - xy[..., end, :], axis=-1)
    length = bones.sum(-1) if seen is None else _whole_length(bones, seen[..., start] & seen[..., end])
    scale = np.exp(smooth(np.log(np.maximum(length, 1e-6))[..., None], SIZE_SIGMA_S, fps)[..., 0]) / BODY_SIZE_M
    xy = xy / scale[..., None, None]
    return NormalisedInput(xy if seen is None else np.where(seen[..., None], xy, xy.dtype.type(0)), R, scale)


def can_be_normalised(seen: Bool[Array, "*B J"]) -> Bool[Array, "*B"]:
    """Whether direction and size are known: two of the hips and shoulders are seen, and both ends of a long bone."""
    start, end = (np.array(side) for side in zip(*LONG_BONES, strict=True))
    return np.asarray((seen[..., _TORSO].sum(-1) >= 2) & (seen[..., start] & seen[..., end]).any(-1))


def _mean_of(points: Float[Array, "*B T n 3"], seen: Bool[Array, "*B t n"]) -> Float[Array, "*B T 3"]:
    """Mean of the points that are seen, of all if none is."""
    weights = np.where(seen.any(-1, keepdims=True), seen, True).astype(points.dtype)[..., None]
    return np.asarray((points * weights).sum(-2) / weights.sum(-2))


def _whole_length(bones: Float[Array, "*B T n"], seen: Bool[Array, "*B t n"]) -> Float[Array, "*B T"]:
    """Length of all long bones, from those that are seen (from all if none is) and the usual proportions."""
    weights = np.where(seen.any(-1, keepdims=True), seen, True).astype(bones.dtype)
    typical = np.array(_TYPICAL_M, bones.dtype)
    return np.asarray((bones * weights).sum(-1) * (typical.sum() / (typical * weights).sum(-1)))


def _no_rotation(points: Array) -> Array:
    return np.broadcast_to(np.eye(3, dtype=points.dtype), (*points.shape[:-2], 3, 3))


def screen(points_px: Float[Array, "*B T 17 2"], width: int, height: int) -> NormalisedInput:
    """X in [-1, 1] over the image width, y divided by the same number (Human3.6M protocols)."""
    xy = points_px / (width / 2) - np.array([1.0, height / width], dtype=points_px.dtype)
    return NormalisedInput(xy, _no_rotation(points_px), np.full(points_px.shape[:-2], width / 2, points_px.dtype))


def crop(points_px: Float[Array, "*B T 17 2"]) -> NormalisedInput:
    """One square box around the whole clip, mapped to [-1, 1] (in-the-wild input of MotionBERT)."""
    low, high = points_px.min((-3, -2), keepdims=True), points_px.max((-3, -2), keepdims=True)
    half = np.maximum((high - low).max(-1, keepdims=True) / 2, 1e-6)
    scale = np.broadcast_to(half[..., 0, 0], points_px.shape[:-2])
    return NormalisedInput((points_px - (low + high) / 2) / half, _no_rotation(points_px), scale)


def check_strategy(name: str) -> Strategy:
    """The name, if it is a known strategy; raises PrmlError otherwise."""
    if name not in get_args(Strategy):
        raise PrmlError(f"unknown normalisation {name!r}; expected one of {', '.join(get_args(Strategy))}")
    return name  # type: ignore[return-value]
