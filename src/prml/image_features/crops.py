"""The crop of a person that a backbone sees, and the joints in it.

CA-PF's crops are 192 x 256 pixels around a box of 2 m about the root, which needs the true 3D. Here the box is that
of the 2D joints, enlarged to 3 : 4 and by ``MARGIN``, in training and in lifting. Keypoints are continuous pixel
coordinates: (0, 0) is the corner of the first pixel.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from prml.networks.peers.capf import CROP_PX, crop_coordinates

Array = np.ndarray
MARGIN = 1.25  # of the box of the joints: the top of the head, hands and feet reach beyond it
# identifies the crops of a cache: change it whenever a crop changes
RULE = f"box of the 17 joints x {MARGIN:g}, {CROP_PX[0]} x {CROP_PX[1]}, bilinear, ImageNet mean and deviation, v1"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def boxes(keypoints_px: Float[Array, "T 17 2"]) -> Float[Array, "T 3"]:
    """Centre x, y of the box of every frame in pixels, and image pixels per crop pixel."""
    low, high = keypoints_px.min(1), keypoints_px.max(1)
    width, height = ((high - low) / np.array(CROP_PX)).T
    scale = np.maximum(np.maximum(width, height) * MARGIN, 1e-2)
    return np.column_stack([(low + high) / 2, scale])


def to_crop(keypoints_px: Float[Array, "T J 2"], where: Float[Array, "T 3"]) -> Float[Array, "T J 2"]:
    """Image pixels to crop pixels."""
    moved: Array = (keypoints_px - where[:, None, :2]) / where[:, None, 2:] + np.array(CROP_PX) / 2
    return moved


def reference(keypoints_px: Float[Array, "T 17 2"]) -> Float[Array, "T 17 2"]:
    """The joints in their own crops, [-1, 1] over it: where CA-PF samples the maps.

    The map of :func:`crop_coordinates` ends at the centres of the outermost samples, so the joints of the mirrored crop
    are exactly ``H36M17.flip`` of these.
    """
    places = torch.from_numpy(to_crop(keypoints_px, boxes(keypoints_px)))
    return np.asarray(crop_coordinates(places).numpy(), np.float32)


def cut(image: UInt8[Array, "H W 3"], where: Float[Array, " 3"]) -> UInt8[Array, "256 192 3"]:
    """The crop of one frame, bilinear; black outside of the image.

    Args:
        image: RGB.
        where: a row of :func:`boxes`.
    """
    x, y, s = (float(v) for v in where)
    width, height = CROP_PX
    # pass only the visible part to Pillow, which copies its input
    left, top = (max(0, int(c - s * (n / 2 + 2))) for c, n in ((x, width), (y, height)))
    right, bottom = (max(1, int(c + s * (n / 2 + 2)) + 2) for c, n in ((x, width), (y, height)))
    part = np.ascontiguousarray(image[top:bottom, left:right])
    if not part.size:
        return np.zeros((height, width, 3), np.uint8)
    coefficients = (s, 0.0, x - left - s * width / 2, 0.0, s, y - top - s * height / 2)
    made = Image.fromarray(part).transform(CROP_PX, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return np.asarray(made)


def normalised(crops: UInt8[Array, "N 256 192 3"]) -> Float[Tensor, "N 3 256 192"]:
    """What a backbone reads."""
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
    return (images - mean) / deviation
