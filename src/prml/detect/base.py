"""What a 2D detector is: images in, people out."""

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
        keypoints_px: (J, 2) pixels of the image that was given, origin at the top-left corner of the top-left pixel.
        confidence: (J,) in [0, 1].
    """

    keypoints_px: Float[Array, "J 2"]
    confidence: Float[Array, " J"]


@runtime_checkable
class Detector(Protocol):
    """A 2D pose detector that looks at the frames of one video in order.

    Attributes:
        skeleton: joint set of its detections.
        name: what provenance records, e.g. ``"mediapipe full (sha256 ...)"``.
    """

    skeleton: Skeleton
    name: str

    def __call__(self, image: UInt8[Array, "H W 3"], time_s: float) -> Sequence[Detection]:
        """People in an RGB image taken at ``time_s``; may follow those found in the image before."""
        ...

    def search(self, image: UInt8[Array, "H W 3"]) -> Sequence[Detection]:
        """People in an RGB image that has nothing to do with the ones before."""
        ...

    def reset(self) -> None:
        """Forget what was seen: the next image starts another video."""
        ...

    def close(self) -> None:
        """Free what the detector holds; it may be called twice."""
        ...
