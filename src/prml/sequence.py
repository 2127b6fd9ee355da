"""PoseSequence: the one type that readers, detectors, networks, filters, exporters and metrics exchange."""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from prml.camera import Camera
from prml.errors import PrmlError
from prml.skeleton import H36M17, Skeleton, conversion

Array = np.ndarray
Frame = Literal["world", "camera"]
FPS_RANGE = (0.1, 1000.0)
MOST_CONFIDENCE = 2.0  # peaks of heat maps, which many detectors give, stray beyond 0 and 1


def check_fps(fps: Any, what: str = "frame rate") -> float:
    """The frame rate as a float; raises PrmlError unless it is a number between 0.1 and 1000."""
    number = fps if isinstance(fps, int | float) and not isinstance(fps, bool) else math.nan
    if not FPS_RANGE[0] <= number <= FPS_RANGE[1]:
        raise PrmlError(f"{what} must be between {FPS_RANGE[0]:g} and {FPS_RANGE[1]:g} frames per second, got {fps!r}")
    return float(number)


@dataclass(frozen=True)
class PoseSequence:
    """One person through time.

    Attributes:
        skeleton: joint set of every array here.
        times_s: (T,) seconds, increasing.
        keypoints_px: (T, J, 2) pixels, origin top-left; NaN where there is no person or a joint was not found.
        confidence: (T, J) in [0, 1]; 0: the joint was not found.
        joints_m: (T, J, 3) metres in ``frame``; root-relative if ``root_relative``.
        std_m: (T, J, 3) metres, standard deviation that the network predicts along the camera's axes.
        frame: "camera" (x right, y down, z forward) or "world" (z up).
        root_relative: whether the root joint is the origin of every frame of ``joints_m``.
        camera: the camera that ``keypoints_px`` refers to.
        fps: nominal frame rate; ``times_s`` is what counts.
        has_person: (T,) whether a person was found in the frame.
        filled: (T,) whether the frame lay in a short gap and was interpolated.
        name, subject, action, source: labels; empty if unknown.
    """

    skeleton: Skeleton
    times_s: Float[Array, " T"]
    keypoints_px: Float[Array, "T J 2"] | None = None
    confidence: Float[Array, "T J"] | None = None
    joints_m: Float[Array, "T J 3"] | None = None
    std_m: Float[Array, "T J 3"] | None = None
    frame: Frame = "camera"
    root_relative: bool = False
    camera: Camera | None = None
    fps: float = 50.0
    has_person: Bool[Array, " T"] | None = None
    filled: Bool[Array, " T"] | None = None
    name: str = ""
    subject: str = ""
    action: str = ""
    source: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        T, J = len(self.times_s), len(self.skeleton)
        wanted = {
            "keypoints_px": (T, J, 2),
            "confidence": (T, J),
            "joints_m": (T, J, 3),
            "std_m": (T, J, 3),
            "has_person": (T,),
            "filled": (T,),
        }
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise PrmlError(f"{name} of {self.skeleton.name} over {T} frames must be {shape}, got {array.shape}")
        self._check_confidence()
        if not np.isfinite(self.fps) or self.fps <= 0:
            raise PrmlError(f"frame rate must be positive, got {self.fps}")
        if T > 1 and not np.all(np.diff(self.times_s) > 0):
            raise PrmlError("times_s must increase from frame to frame")

    def _check_confidence(self) -> None:
        if self.confidence is None:
            return
        unknown = np.isnan(self.confidence)
        if self.keypoints_px is not None and (unknown & np.isfinite(self.keypoints_px).all(-1)).any():
            raise PrmlError("confidence is NaN where keypoints_px is not; give 0 to 1 (0: the joint was not found)")
        most = np.abs(self.confidence[~unknown]).max(initial=0)
        if most > MOST_CONFIDENCE:
            raise PrmlError(f"confidence must lie between 0 and 1, got {most:g}; divide percentages by 100")

    def __len__(self) -> int:
        return len(self.times_s)

    @classmethod
    def regular(cls, frames: int, fps: float, skeleton: Skeleton = H36M17, **fields: Any) -> "PoseSequence":
        """A sequence with evenly spaced times from zero."""
        if not np.isfinite(fps) or fps <= 0:
            raise PrmlError(f"frame rate must be positive, got {fps}")
        return cls(skeleton=skeleton, times_s=np.arange(frames) / fps, fps=fps, **fields)

    def with_(self, **changes: Any) -> "PoseSequence":
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def to_skeleton(self, target: Skeleton) -> "PoseSequence":
        """The same motion with another joint set; raises PrmlError where no conversion is known."""
        table = conversion(self.skeleton, target)
        convert = table.apply
        return self.with_(
            skeleton=target,
            keypoints_px=None if self.keypoints_px is None else convert(self.keypoints_px),
            confidence=None if self.confidence is None else table.apply_confidence(self.confidence),
            joints_m=None if self.joints_m is None else convert(self.joints_m),
            std_m=None,
        )

    def relative_to_root(self) -> "PoseSequence":
        """The same sequence with the root joint at the origin of every frame."""
        if self.joints_m is None or self.root_relative:
            return self
        root = self.joints_m[:, self.skeleton.root, None]
        return self.with_(joints_m=self.joints_m - root, root_relative=True)

    def in_camera(self, camera: Camera) -> "PoseSequence":
        """World joints seen by ``camera``: camera-frame metres and their exact projection with full confidence."""
        if self.joints_m is None or self.frame != "world" or self.root_relative:
            raise PrmlError("in_camera needs absolute joints in the world frame")
        joints_cam_m = camera.to_camera(self.joints_m)
        return self.with_(
            joints_m=joints_cam_m,
            keypoints_px=camera.project(joints_cam_m),
            confidence=np.ones(joints_cam_m.shape[:2], joints_cam_m.dtype),
            frame="camera",
            camera=camera,
        )
