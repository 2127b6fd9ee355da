"""PoseSequence: the one type that readers, detectors, networks, filters, exporters and metrics pass around."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from prml.camera import Camera
from prml.errors import PrmlError
from prml.skeleton import H36M17, Skeleton, conversion

Array = np.ndarray
Frame = Literal["world", "camera"]
Rows = slice | Array
Part = TypeVar("Part", "DetectionLog", "SmplMotion", "GroundTruth", "PoseSequence")
FPS_RANGE = (0.1, 1000.0)
CONTACTS = ("LHeel", "LToe", "RHeel", "RToe")  # the columns of PoseSequence.contacts
MAX_CONFIDENCE = 2.0  # peaks of heat maps, which many detectors give, stray beyond 0 and 1


def check_fps(fps: Any, what: str = "frame rate") -> float:
    """The frame rate as a float; raises PrmlError unless it is a number between 0.1 and 1000."""
    number = fps if isinstance(fps, int | float) and not isinstance(fps, bool) else math.nan
    if not FPS_RANGE[0] <= number <= FPS_RANGE[1]:
        raise PrmlError(f"{what} must be between {FPS_RANGE[0]:g} and {FPS_RANGE[1]:g} frames per second, got {fps!r}")
    return float(number)


def _cut(item: Part, rows: Rows, arrays: Iterable[str], parts: Iterable[str] = ()) -> Part:
    """A copy that keeps some frames of the arrays of those names, and of the parts of those names."""
    cut = {name: array[rows] for name in arrays if (array := getattr(item, name)) is not None}
    kept = {name: part.take(rows) for name in parts if (part := getattr(item, name)) is not None}
    return replace(item, **cut, **kept)


def _check_shapes(item: object, wanted: Mapping[str, tuple[int, ...]], what: str) -> None:
    for name, shape in wanted.items():
        array = getattr(item, name)
        if array is not None and np.shape(array) != shape:
            raise PrmlError(f"{name} of {what} must be {shape}, got {np.shape(array)}")


@dataclass(frozen=True)
class Event:
    """Something that a user should know of how a person was followed.

    Attributes:
        time_s: when.
        kind: "lost", "found again", "somebody else ignored", "the picture changed"; or why a frame was refused: "limbs
            of two people", "limbs too long for one body", "hidden behind somebody", "too close to somebody to tell
            limbs apart" or "an implausible pose beside somebody else".
        track_id: which person it is about; None if not known.
    """

    time_s: float
    kind: str
    track_id: int | None = None

    def record(self) -> dict[str, float | str]:
        """The event as it stands in a result's provenance: ``time_s`` and ``kind``."""
        return {"time_s": round(self.time_s, 4), "kind": self.kind}


@dataclass(frozen=True)
class DetectionLog:
    """What a detector tells besides its keypoints.

    Attributes:
        detector: its name.
        events: where the person was lost or found again, in order of time.
        swapped: (T,) whether left and right were swapped back in the frame.
        stage_s: seconds spent in each stage.
        rotation_deg: counter-clockwise turn that made the stored pictures upright: 0, 90, 180 or 270.
        points_px: (T, K, 3) x, y in pixels and confidence of the detector's own K points, before any conversion.
        others: how many other people were seen.
        near: (T,) whether somebody else's box touched that of the person, so that limbs may have been mixed up; None if
            nobody has looked.
    """

    detector: str
    events: tuple[Event, ...] = ()
    swapped: Bool[Array, " T"] | None = None
    stage_s: Mapping[str, float] = field(default_factory=dict)
    rotation_deg: int = 0
    points_px: Float[Array, "T K 3"] | None = None
    others: int = 0
    near: Bool[Array, " T"] | None = None

    def take(self, rows: Rows) -> "DetectionLog":
        """The log of some frames (a slice or increasing indices); events and seconds stay as they are."""
        return _cut(self, rows, ("swapped", "points_px", "near"))

    def check(self, frames: int) -> None:
        """Raise PrmlError unless all arrays have ``frames`` frames."""
        own = self.points_px.shape[1] if self.points_px is not None and self.points_px.ndim == 3 else 0
        wanted = {"swapped": (frames,), "points_px": (frames, own, 3), "near": (frames,)}
        _check_shapes(self, wanted, f"a detection log over {frames} frames")


@dataclass(frozen=True)
class SmplMotion:
    """A person as parameters of the SMPL body model.

    Attributes:
        pose: (T, 72) axis-angle rotations of its 24 joints, radians.
        betas: (10,) shape.
        trans_m: (T, 3) metres, in the world frame.
        joints_world_m: (T, 24, 3) metres, in the world frame.
        gender: "m", "f" or "n".
    """

    pose: Float[Array, "T 72"]
    betas: Float[Array, "10"]
    trans_m: Float[Array, "T 3"]
    joints_world_m: Float[Array, "T 24 3"] | None = None
    gender: str = "n"

    def take(self, rows: Rows) -> "SmplMotion":
        """Some frames (a slice or increasing indices)."""
        return _cut(self, rows, ("pose", "trans_m", "joints_world_m"))

    def check(self, frames: int) -> None:
        """Raise PrmlError unless all arrays have the shapes of SMPL over ``frames`` frames."""
        wanted = {"pose": (frames, 72), "betas": (10,), "trans_m": (frames, 3), "joints_world_m": (frames, 24, 3)}
        _check_shapes(self, wanted, f"an SMPL motion over {frames} frames")


@dataclass(frozen=True)
class GroundTruth:
    """What a dataset knows besides ``joints_m``, and what a predictor must not see.

    Attributes:
        joints_image_px: (T, J, 3) image-space label: x, y in pixels of a projection without distortion, z scaled to
            pixels at the root's depth (MotionBERT's 2.5D).
        joints_25d_mm: (T, J, 3) the same in millimetres, ``joints_image_px`` times the sequence's ``mm_per_px``.
        world_to_camera: (T, 4, 4) pose of a camera that moves.
        activity: (T,) number of the activity.
        smpl: body model parameters.
    """

    joints_image_px: Float[Array, "T J 3"] | None = None
    joints_25d_mm: Float[Array, "T J 3"] | None = None
    world_to_camera: Float[Array, "T 4 4"] | None = None
    activity: Int[Array, " T"] | None = None
    smpl: SmplMotion | None = None

    def take(self, rows: Rows) -> "GroundTruth":
        """The truth of some frames (a slice or increasing indices)."""
        return _cut(self, rows, ("joints_image_px", "joints_25d_mm", "world_to_camera", "activity"), ("smpl",))

    def convert(self, change: Callable[[Array], Array]) -> "GroundTruth":
        """The truth on another joint set; ``change`` turns (T, J, 3) into (T, J', 3). SMPL keeps its own joints."""
        return replace(
            self,
            joints_image_px=None if self.joints_image_px is None else change(self.joints_image_px),
            joints_25d_mm=None if self.joints_25d_mm is None else change(self.joints_25d_mm),
        )

    def check(self, frames: int, joints: int) -> None:
        """Raise PrmlError unless all arrays fit ``frames`` frames of ``joints`` joints."""
        wanted = {
            "joints_image_px": (frames, joints, 3),
            "joints_25d_mm": (frames, joints, 3),
            "world_to_camera": (frames, 4, 4),
            "activity": (frames,),
        }
        _check_shapes(self, wanted, f"a ground truth of {joints} joints over {frames} frames")
        if self.smpl is not None:
            self.smpl.check(frames)


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
        inferred: (T, J) joints that no picture shows: outside the image, not found, or in a filled frame; None if
            nobody has looked. Without meaning in frames without a person.
        detected: (J,) joints that the source of the 2D measures; the others are derived from these, or a network
            inferred them from the rest of the body. None if it is not known.
        name, subject, action, source: what the sequence is; empty if unknown.
        image_size: width and height of the picture in pixels; the camera's if it is not given.
        track_id: which of the people of a scene this is, 0 or more.
        valid: (T,) frames that count in a score; None if all do.
        mm_per_px: (T,) millimetres that a pixel spans at the root's depth, where the dataset says so.
        contacts: (T, 4) whether left heel, left toe, right heel and right toe stand on the ground (``CONTACTS``); None
            if nobody has looked.
        labels: further texts by name, such as ``split`` or ``camera_id``.
        truth: what a dataset knows and a predictor must not see.
        detection: what the detector tells.
        provenance: what a result file says of how it was made; plain values.
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
    inferred: Bool[Array, "T J"] | None = None
    detected: Bool[Array, " J"] | None = None
    name: str = ""
    subject: str = ""
    action: str = ""
    source: str = ""
    image_size: tuple[int, int] | None = None
    track_id: int | None = None
    valid: Bool[Array, " T"] | None = None
    mm_per_px: Float[Array, " T"] | None = None
    contacts: Bool[Array, "T 4"] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    truth: GroundTruth | None = None
    detection: DetectionLog | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        T, J = len(self.times_s), len(self.skeleton)
        wanted = {
            "keypoints_px": (T, J, 2),
            "confidence": (T, J),
            "joints_m": (T, J, 3),
            "std_m": (T, J, 3),
            "has_person": (T,),
            "filled": (T,),
            "inferred": (T, J),
            "detected": (J,),
            "valid": (T,),
            "mm_per_px": (T,),
            "contacts": (T, len(CONTACTS)),
        }
        _check_shapes(self, wanted, f"{self.skeleton.name} over {T} frames")
        if self.truth is not None:
            self.truth.check(T, J)
        if self.detection is not None:
            self.detection.check(T)
        self._check_confidence()
        self._check_image_size()
        self._check_labels()
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
        largest = np.abs(self.confidence[~unknown]).max(initial=0)
        if largest > MAX_CONFIDENCE:
            raise PrmlError(f"confidence must lie between 0 and 1, got {largest:g}; divide percentages by 100")

    def _check_image_size(self) -> None:
        seen = None if self.camera is None else (self.camera.width, self.camera.height)
        size = seen if self.image_size is None else self.image_size
        if size is None:
            return
        if len(size) != 2 or not all(isinstance(side, int | np.integer) and side > 0 for side in size):
            raise PrmlError(f"image_size must be width and height in whole pixels above 0, got {size!r}")
        size = (int(size[0]), int(size[1]))
        if seen is not None and size != seen:
            raise PrmlError(
                f"the camera is for {seen[0]} x {seen[1]} pixels, image_size says {size[0]} x {size[1]}; "
                "give the camera of this picture"
            )
        object.__setattr__(self, "image_size", size)

    def _check_labels(self) -> None:
        for name, text in self.labels.items():
            if not isinstance(name, str) or not isinstance(text, str):
                raise PrmlError(f"labels are texts by name, got {name!r}: {text!r}; write the value as a text")
        number = self.track_id
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
            raise PrmlError(f"track_id must be a whole number from 0 on, got {number!r}")

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def mostly_inferred(self) -> Bool[Array, " T"]:
        """(T,) frames in which no picture shows more than half of the joints, of those that could be detected."""
        if self.inferred is None:
            return np.zeros(len(self), bool)
        usual = self.detected is None or not self.detected.any()
        return np.asarray((self.inferred if usual else self.inferred[:, self.detected]).mean(axis=1) > 0.5)

    @classmethod
    def regular(cls, frames: int, fps: float, skeleton: Skeleton = H36M17, **fields: Any) -> "PoseSequence":
        """A sequence with evenly spaced times from zero."""
        if not np.isfinite(fps) or fps <= 0:
            raise PrmlError(f"frame rate must be positive, got {fps}")
        return cls(skeleton=skeleton, times_s=np.arange(frames) / fps, fps=fps, **fields)

    def with_(self, **changes: Any) -> "PoseSequence":
        """A copy with some fields replaced; where one camera replaces another, ``image_size`` becomes the new one's."""
        if changes.get("camera") is not None and self.camera is not None:
            changes.setdefault("image_size", None)
        return replace(self, **changes)

    def take(self, rows: Rows) -> "PoseSequence":
        """Some frames (a slice or increasing indices), with all that has one entry per frame."""
        arrays = ("times_s", "keypoints_px", "confidence", "joints_m", "std_m")
        flags = ("has_person", "filled", "inferred", "valid", "mm_per_px", "contacts")
        return _cut(self, rows, (*arrays, *flags), ("truth", "detection"))

    def to_skeleton(self, target: Skeleton) -> "PoseSequence":
        """The same motion with another joint set; raises PrmlError where no conversion is known.

        Standard deviations are kept where the new joints are some of the old ones.
        """
        table = conversion(self.skeleton, target)
        convert = table.apply
        return self.with_(
            skeleton=target,
            keypoints_px=None if self.keypoints_px is None else convert(self.keypoints_px),
            confidence=None if self.confidence is None else table.apply_confidence(self.confidence),
            joints_m=None if self.joints_m is None else convert(self.joints_m),
            std_m=None if self.std_m is None or table.chosen is None else self.std_m[:, table.chosen],
            detected=None if self.detected is None else table.apply_flags(self.detected),
            inferred=None
            if self.inferred is None
            else table.apply_confidence((~self.inferred).astype(np.float64)) < 0.5,
            truth=None if self.truth is None else self.truth.convert(convert),
        )

    def relative_to_root(self) -> "PoseSequence":
        """The same sequence with the root joint at the origin of every frame."""
        if self.joints_m is None or self.root_relative:
            return self
        root = self.joints_m[:, self.skeleton.root, None]
        return self.with_(joints_m=self.joints_m - root, root_relative=True)

    def in_camera(self, camera: Camera) -> "PoseSequence":
        """World joints seen by ``camera``: camera-frame metres and their exact projection with full confidence.

        What was said of another camera's picture (``inferred``, ``mm_per_px``, ``truth``, ``detection``) is dropped.
        """
        if self.joints_m is None or self.frame != "world" or self.root_relative:
            raise PrmlError("in_camera needs absolute joints in the world frame")
        joints_cam_m = camera.to_camera(self.joints_m)
        return self.with_(
            joints_m=joints_cam_m,
            keypoints_px=camera.project(joints_cam_m),
            confidence=np.ones(joints_cam_m.shape[:2], joints_cam_m.dtype),
            frame="camera",
            camera=camera,
            image_size=(camera.width, camera.height),
            inferred=None,
            mm_per_px=None,
            truth=None,
            detection=None,
        )
