"""One frame of a live run, and where frames go."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, UInt8

from prml.camera import Camera
from prml.skeleton import Skeleton

Array = np.ndarray


@dataclass(frozen=True)
class LiveFrame:
    """One frame on its way out.

    Attributes:
        index: number of the frame.
        time_s: its time, seconds since the first frame.
        delay_s: from the capture of its picture until now.
        joints_m: (J, 3) relative to the hip, metres, camera frame (x right, y down, z forward); None without a person.
        std_m: (J, 3) standard deviations, metres; None if the network has none.
        keypoints_px: (J, 2) what was detected, pixels of the source; NaN for joints that were not found.
        confidence: (J,) of the keypoints.
        root_m: (3,) where the hip is, camera frame, metres; only roughly known.
        picture: (H, W, 3) RGB, possibly smaller than the source; None if it was not kept.
    """

    index: int
    time_s: float
    delay_s: float
    joints_m: Float[Array, "J 3"] | None = None
    std_m: Float[Array, "J 3"] | None = None
    keypoints_px: Float[Array, "J 2"] | None = None
    confidence: Float[Array, " J"] | None = None
    root_m: Float[Array, "3"] | None = None
    picture: UInt8[Array, "H W 3"] | None = None


@dataclass(frozen=True)
class LiveRun:
    """What does not change from frame to frame.

    Attributes:
        source: name of the source.
        skeleton: joint set of the poses.
        camera: of the source.
        fps: stated frame rate.
        latency: frames that a pose waits for.
        made_by: version, weights, detector.
    """

    source: str
    skeleton: Skeleton
    camera: Camera
    fps: float
    latency: int
    made_by: dict[str, Any]


class Sink(Protocol):
    """Somewhere that frames go to. ``send`` returns at once, whatever happens on the other side."""

    def start(self, run: LiveRun) -> None:
        """Begin; raise PrmlError if it cannot."""
        ...

    def send(self, frame: LiveFrame) -> None:
        """Pass a frame on."""
        ...

    def close(self) -> str:
        """End; return one line that says what was written or sent, "" for nothing. May be called more than once."""
        ...
