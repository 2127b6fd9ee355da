"""The interface of a 2D pose detector: images in, people out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from prml.skeleton import Skeleton

Array = np.ndarray


@dataclass(frozen=True)
class Detection:
    """One person in one image.

    Attributes:
        keypoints_px: (J, 2) pixels of the given image, origin at the top-left corner of the top-left pixel.
        confidence: (J,) in [0, 1].
    """

    keypoints_px: Float[Array, "J 2"]
    confidence: Float[Array, " J"]


@runtime_checkable
class Detector(Protocol):
    """A 2D pose detector, called on the frames of one video in order.

    Attributes:
        skeleton: joint set of its detections.
        name: recorded as provenance, e.g. ``"mediapipe full (sha256 ...)"``.
    """

    skeleton: Skeleton
    name: str

    def __call__(self, image: UInt8[Array, "H W 3"], time_s: float) -> Sequence[Detection]:
        """Return the people in an RGB image taken at ``time_s``; may track those found in the previous image."""
        ...

    def search(self, image: UInt8[Array, "H W 3"]) -> Sequence[Detection]:
        """Return the people in an RGB image, independently of previous images."""
        ...

    def reset(self) -> None:
        """Forget previous images; the next one starts another video."""
        ...

    def close(self) -> None:
        """Free the detector's resources; may be called more than once."""
        ...
