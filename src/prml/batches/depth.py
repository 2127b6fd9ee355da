"""Relative depth at joints, as a network for depth from one image would give it: for motion capture, without images.

Such networks predict disparity up to an unknown factor and shift per image, of the surface that is seen. What they are
wrong by at joints of people is assumed here, not measured.
"""

import numpy as np
from jaxtyping import Float

from prml.batches.options import DepthOptions

Array = np.ndarray
_NEAREST_M = 0.3
_MIN_SPREAD = 1e-4


def standardised(values: Float[Array, "*n J"]) -> Float[Array, "*n J"]:
    """Mean 0 and deviation 1 over the joints of a frame: what a factor and a shift of the frame do not change."""
    centred = values - values.mean(-1, keepdims=True)
    spread = np.sqrt(np.square(centred).mean(-1, keepdims=True))
    return np.asarray(centred / np.maximum(spread, _MIN_SPREAD))


def seen_depth(joints_cam_m: Float[Array, "B T J 3"], reach_m: float) -> Float[Array, "B T J"]:
    """Depth of what is seen at every joint: of a joint that covers it, nearer and within ``reach_m`` in the image."""
    z = np.maximum(joints_cam_m[..., 2], _NEAREST_M)
    places = joints_cam_m[..., :2] / z[..., None] * z.mean(-1)[..., None, None]  # metres at the person's depth
    apart = np.square(places[..., :, None, :] - places[..., None, :, :]).sum(-1)
    covering = np.where(apart < reach_m**2, z[..., None, :], np.inf)
    return np.asarray(np.minimum(z, covering.min(-1)))


def relative_depth(
    rng: np.random.Generator, joints_cam_m: Float[Array, "B T J 3"], options: DepthOptions
) -> Float[Array, "B T J"]:
    """Standardised disparity, nearer is larger, with a network's errors.

    Args:
        rng: of the errors.
        joints_cam_m: joints in the camera's frame, metres.
        options: the errors.
    """
    B, T, J, _ = joints_cam_m.shape
    z = seen_depth(joints_cam_m, options.reach_m)
    z = z + options.steady_m * rng.standard_normal((B, 1, J)) + options.noise_m * rng.standard_normal((B, T, J))
    return standardised(1 / np.maximum(z, _NEAREST_M)).astype(np.float32)
