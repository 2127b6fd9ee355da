"""The parts of a protocol: frozen objects that each do one thing and have a ``description`` of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.sequence import GroundTruth, PoseSequence

Array = np.ndarray
MM_PER_M = 1000.0


def _needed(array: Array | None, name: str, sequence: PoseSequence) -> Array:
    if array is None:
        raise PrmlError(f"{sequence.name or 'the sequence'} lacks {name!r}, which this protocol needs; read it again")
    return np.asarray(array)


def _valid(sequence: PoseSequence) -> Array:
    return _needed(sequence.valid, "valid", sequence)


def _mm_per_px(sequence: PoseSequence) -> Array:
    return _needed(sequence.mm_per_px, "mm_per_px", sequence)


def _image_label(sequence: PoseSequence) -> Array:
    truth = sequence.truth or GroundTruth()
    return _needed(truth.joints_image_px, "truth.joints_image_px", sequence)


def _label_25d_mm(sequence: PoseSequence) -> Array:
    truth = sequence.truth or GroundTruth()
    return _needed(truth.joints_25d_mm, "truth.joints_25d_mm", sequence)


# ------------------------------------------------------------------------------- what the network sees
@runtime_checkable
class KeypointRule(Protocol):
    """The source of the 2D input."""

    @property
    def description(self) -> str:
        """The rule as text."""
        ...

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Return the sequence with the 2D that the network may see."""
        ...


@dataclass(frozen=True)
class KeypointsAsRead:
    """The 2D of the data file.

    Attributes:
        what: what that 2D is, as text.
    """

    what: str

    @property
    def description(self) -> str:
        """The rule as text."""
        return self.what

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Return the sequence unchanged; raise PrmlError if it has no 2D."""
        if sequence.keypoints_px is None:
            raise PrmlError(f"{sequence.name or 'the sequence'} has no 2D keypoints to lift")
        return sequence


@dataclass(frozen=True)
class KeypointsFromLabel:
    """x and y of the image-space label, with full confidence."""

    description: str = (
        "x and y of the 3D label itself (image space), confidence 1: the input equals the label's x and y, so that "
        "only depth is unknown"
    )

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Replace the detections by x, y of the label in pixels."""
        xy = _image_label(sequence)[..., :2]
        return sequence.with_(keypoints_px=xy, confidence=np.ones(xy.shape[:2], xy.dtype))


@dataclass(frozen=True)
class KeypointsFilled:
    """Detections with gaps, filled for the network.

    Attributes:
        what: what the 2D is, as text.
    """

    what: str

    @property
    def description(self) -> str:
        """The rule as text."""
        return f"{self.what}; missing joints are interpolated in time, with confidence 0"

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Replace NaN by linear interpolation; a joint that is never seen is placed at the mean."""
        px = np.array(KeypointsAsRead(self.what).apply(sequence).keypoints_px, dtype=np.float64)
        missing = np.asarray(np.isnan(px).any(-1))
        if missing.all():
            raise PrmlError(f"{sequence.name or 'the sequence'}: no 2D keypoint in any frame")
        at = np.arange(len(px))
        middle: Array = np.array([np.nanmean(px[..., channel]) for channel in range(2)])
        for joint in range(px.shape[1]):
            rows = np.flatnonzero(~missing[:, joint])
            for channel in range(2):
                known = px[rows, joint, channel] if len(rows) else middle[channel, None]
                px[:, joint, channel] = np.interp(at, rows if len(rows) else [0], known)
        confidence = np.ones(missing.shape) if sequence.confidence is None else sequence.confidence
        return sequence.with_(keypoints_px=px, confidence=np.where(missing, 0.0, confidence))


# -------------------------------------------------------------------------- which frames, in what cuts
@dataclass(frozen=True)
class FrameRule:
    """Which frames of a video count, as flagged in ``valid``.

    Attributes:
        kind: "all"; "valid" removes the others before lifting, as if the rest were one video; "score-valid" lifts all
            frames and scores the flagged ones that have a person.
        what: what the flag means.
    """

    kind: Literal["all", "valid", "score-valid"] = "all"
    what: str = ""

    @property
    def description(self) -> str:
        """The rule as text."""
        return {
            "all": "all",
            "valid": f"only those {self.what}; the others are removed before lifting, as if the rest were one video",
            "score-valid": f"all are lifted; only those {self.what} are scored",
        }[self.kind]

    def select(self, sequence: PoseSequence) -> PoseSequence:
        """Return the frames that are lifted, at evenly spaced times."""
        if self.kind != "valid":
            return sequence
        rows = np.flatnonzero(_valid(sequence))
        return sequence.take(rows).with_(times_s=np.arange(len(rows)) / sequence.fps)

    def scored(self, sequence: PoseSequence) -> Array | None:
        """Return the indices of the lifted frames that are scored; None for all."""
        if self.kind != "score-valid":
            return None
        has_person = True if sequence.has_person is None else sequence.has_person
        return np.flatnonzero(_valid(sequence) & has_person)


@dataclass(frozen=True)
class WholeVideo:
    """The predictor sees each video whole; every frame is scored once."""

    description: str = (
        "each video is lifted whole, by whatever windows the lifter uses (overlaps blended, or centre frames kept); "
        "every frame counts once"
    )

    kind: Literal["whole"] = "whole"

    def cuts(self, frames: int, window: int) -> list[slice]:
        """Return one cut with all frames."""
        return [slice(0, frames)]

    def alone(self, one_pose: bool) -> bool:
        """Return True: the cut is the whole video."""
        return True


@dataclass(frozen=True)
class CentreWindows:
    """A window of T frames around every frame, of which the middle pose is kept."""

    description: str = (
        "a window of the network's T frames (at its frame rate) around every frame of the video, whose end frames are "
        "repeated; the middle pose of each window is kept"
    )

    kind: Literal["centre"] = "centre"

    def cuts(self, frames: int, window: int) -> list[slice]:
        """One cut."""
        return [slice(0, frames)]

    def alone(self, one_pose: bool) -> bool:
        """Whether a cut is all that a network sees of the video: here the cut is the video."""
        return True


@dataclass(frozen=True)
class CutWindows:
    """Adjacent windows of T frames, each lifted on its own.

    Attributes:
        tail: what happens to the frames after the last full window: "drop" (not scored) or "last" (one more window made
            of the last T frames, whose overlap is scored twice).
        length: frames of the video, where the rule fixes them; None for as many as fill the network's window.
    """

    tail: Literal["drop", "last"] = "drop"
    length: int | None = None

    @property
    def description(self) -> str:
        """The rule as text."""
        end = {
            "drop": "the tail shorter than T is not scored",
            "last": "the last window is the last T frames, its overlap is scored twice",
        }[self.tail]
        size = f"{self.length} frames" if self.length else "the network's T frames (at its frame rate)"
        one_pose = "" if self.length else "; a network of one pose per window has its own window around every frame"
        return f"windows of {size}, side by side, each lifted alone; {end}; a shorter video is one{one_pose}"

    @property
    def kind(self) -> Literal["drop", "last"]:
        """The rule as one word."""
        return self.tail

    def alone(self, one_pose: bool) -> bool:
        """Whether the network sees each cut separately, without the rest of the video.

        Args:
            one_pose: whether the network returns one pose per window. In a cut of T frames most of its windows would
                repeat the end frames, so cuts without a fixed length only decide which frames are scored.
        """
        return self.length is not None or not one_pose

    def cuts(self, frames: int, window: int) -> list[slice]:
        """Return the cuts of a video of ``frames`` frames, if the T frames of the network span ``window`` of them."""
        window = self.length or window
        if frames <= window:
            return [slice(0, frames)]
        starts = list(range(0, frames - window + 1, window))
        if self.tail == "last" and starts[-1] + window < frames:
            starts.append(frames - window)
        return [slice(s, s + window) for s in starts]


WindowRule = WholeVideo | CentreWindows | CutWindows
WindowKind = Literal["whole", "centre", "drop", "last"]


# ----------------------------------------------------------------------------- the space of the scores
@runtime_checkable
class SpaceRule(Protocol):
    """The 3D target, and its relation to the prediction and to the image."""

    @property
    def description(self) -> str:
        """The rule as text."""
        ...

    def target(self, sequence: PoseSequence) -> Float[Array, "T J 3"]:
        """Return the root-relative target in metres."""
        ...

    def prediction(self, joints_m: Float[Array, "T J 3"], seen: PoseSequence) -> Float[Array, "T J 3"]:
        """Return the scored joints, from the network's output for ``seen``."""
        ...

    def image(self, joints_m: Float[Array, "T J 3"], sequence: PoseSequence) -> Float[Array, "T J 2"] | None:
        """Return pixels of root-relative joints placed at the true root; None if the data do not provide it."""
        ...


def _joints(sequence: PoseSequence) -> Array:
    if sequence.joints_m is None or sequence.frame != "camera":
        raise PrmlError(f"{sequence.name or 'the sequence'} has no camera-frame 3D joints to score against")
    return np.asarray(sequence.joints_m, dtype=np.float64)


@dataclass(frozen=True)
class CameraSpace:
    """Camera-frame metres, minus the root."""

    description: str = "camera-frame metres, root-relative, scored in mm"

    def target(self, sequence: PoseSequence) -> Float[Array, "T J 3"]:
        """Return camera-frame joints minus the root joint, in metres."""
        joints = _joints(sequence)
        relative: Array = joints - joints[:, sequence.skeleton.root, None]
        return relative

    def prediction(self, joints_m: Float[Array, "T J 3"], seen: PoseSequence) -> Float[Array, "T J 3"]:
        """Return the prediction unchanged."""
        return joints_m

    def image(self, joints_m: Float[Array, "T J 3"], sequence: PoseSequence) -> Float[Array, "T J 2"] | None:
        """Project with the sequence's camera; None without a camera or the true root position."""
        if sequence.camera is None or sequence.root_relative:
            return None
        pixels: Array = sequence.camera.project(joints_m + _joints(sequence)[:, sequence.skeleton.root, None])
        return pixels


@dataclass(frozen=True)
class ImageSpace:
    """MotionBERT's 2.5D: the image-space label times a factor per frame.

    Attributes:
        paste_xy: whether the predicted x and y are overwritten by the input's before scoring.
    """

    paste_xy: bool = False

    @property
    def description(self) -> str:
        """The rule as text."""
        text = (
            "2.5D: x, y in pixels of a distortion-free projection, z scaled to pixels at the root's depth, all times "
            "the file's 2.5d_factor (mm per pixel), root-relative, in mm: a weak-perspective copy of the pose"
        )
        pasted = "; the predicted x and y are OVERWRITTEN by the input's, so that the score is an error of depth alone"
        return text + (pasted if self.paste_xy else "")

    def target(self, sequence: PoseSequence) -> Float[Array, "T J 3"]:
        """Return the 2.5D label minus its root, in metres."""
        joints = _label_25d_mm(sequence).astype(np.float64) / MM_PER_M
        relative: Array = joints - joints[:, sequence.skeleton.root, None]
        return relative

    def prediction(self, joints_m: Float[Array, "T J 3"], seen: PoseSequence) -> Float[Array, "T J 3"]:
        """Return the prediction, with x and y of the input pasted over it if the rule says so."""
        if not self.paste_xy:
            return joints_m
        px = np.asarray(seen.keypoints_px, dtype=np.float64)
        m_per_px = _mm_per_px(seen).astype(np.float64)[:, None, None] / MM_PER_M
        pasted = (px - px[:, seen.skeleton.root, None]) * m_per_px
        joined: Array = np.concatenate([pasted, joints_m[..., 2:]], axis=-1)
        return joined

    def image(self, joints_m: Float[Array, "T J 3"], sequence: PoseSequence) -> Float[Array, "T J 2"] | None:
        """Return pixels: x and y divided by the factor, at the root of the label."""
        root = _image_label(sequence)[:, sequence.skeleton.root, None, :2].astype(np.float64)
        pixels: Array = joints_m[..., :2] * MM_PER_M / _mm_per_px(sequence)[:, None, None] + root
        return pixels


# -------------------------------------------------------------------------------------------- the root
RootKind = Literal["zero", "own", "subtract"]


@dataclass(frozen=True)
class RootRule:
    """Treatment of the predicted root joint before scoring.

    Attributes:
        kind: "zero" sets it to the origin, "own" keeps the network's root error, "subtract" moves the whole
            prediction so that its root is the origin.
    """

    kind: RootKind = "zero"

    @property
    def description(self) -> str:
        """The rule as text."""
        return {
            "zero": "the predicted root is set to 0; the root is one of the joints that the mean is taken over",
            "own": "the predicted root stays as it is: its own error counts",
            "subtract": "the predicted root is subtracted from all predicted joints",
        }[self.kind]

    def apply(self, joints_m: Float[Array, "T J 3"], root: int) -> Float[Array, "T J 3"]:
        """Return the prediction under the rule; the input is not modified."""
        if self.kind == "own":
            return joints_m
        if self.kind == "subtract":
            relative: Array = joints_m - joints_m[:, root, None]
            return relative
        joints = joints_m.copy()
        joints[:, root] = 0.0
        return joints


# ---------------------------------------------------------------------------------------------- motion
VelocityKind = Literal["steps", "as-videopose3d", "as-mixste"]
AccelerationKind = Literal["steps", "as-motionagformer"]


@dataclass(frozen=True)
class VelocityRule:
    """How errors of the motion from frame to frame are averaged.

    Attributes:
        kind: "steps" is the mean over all steps within a cut; "as-videopose3d" the mean of each cut, weighted by its
            frames (one more than its steps); "as-mixste" the same for the cuts of a video one after the other, so that
            the jumps from cut to cut count.
    """

    kind: VelocityKind = "steps"

    @property
    def description(self) -> str:
        """The rule as text."""
        return {
            "steps": "the mean over all steps within a lifted cut",
            "as-videopose3d": "the mean over the steps of each cut, weighted by its frames",
            "as-mixste": "all windows of a video one after the other: the seams between them count as steps; the mean "
            "of each video is weighted by its frames",
        }[self.kind]

    @property
    def over_video(self) -> bool:
        """Whether a video's cuts are put together before differences are taken."""
        return self.kind == "as-mixste"


@dataclass(frozen=True)
class AccelerationRule:
    """How errors of the second difference are averaged.

    Attributes:
        kind: "steps" is the mean over all second differences within a cut; "as-motionagformer" counts two zeros more
            per cut, since its script divides by the frames.
    """

    kind: AccelerationKind = "steps"

    @property
    def description(self) -> str:
        """The rule as text."""
        return {
            "steps": "the mean over all second differences within a lifted cut",
            "as-motionagformer": "the second differences of each cut, summed, over its frames: two zeros a cut",
        }[self.kind]


# ------------------------------------------------------------------------------------ what is left out
@dataclass(frozen=True)
class LeaveOut:
    """Videos that are not scored.

    Attributes:
        prefixes: name prefixes of excluded videos.
        why: the reason, or who leaves them out.
    """

    prefixes: tuple[str, ...] = ()
    why: str = ""

    @property
    def description(self) -> str:
        """The rule as text."""
        return f"{', '.join(self.prefixes)} ({self.why})" if self.prefixes else "none"

    def keep(self, sequences: Iterator[PoseSequence]) -> Iterator[PoseSequence]:
        """Yield the sequences that are scored."""
        return (s for s in sequences if not s.name.startswith(self.prefixes)) if self.prefixes else sequences


# ----------------------------------------------------------------------------------------- the average
@dataclass(frozen=True)
class Averaging:
    """How the frames are averaged.

    Attributes:
        over: "frames" is the mean over all frames; "actions" the plain mean of the actions' means over frames.
    """

    over: Literal["frames", "actions"] = "frames"

    @property
    def description(self) -> str:
        """The rule as text."""
        return {
            "frames": "mean over all scored frames of all sequences",
            "actions": "mean over all frames of an action (all subjects, takes and cameras), then the plain mean of "
            "the actions",
        }[self.over]
