"""Measure how the error grows when the 2D input gets worse (the paper's Figure 5 and other perturbations).

A perturbation is a frozen object with a level and a description. Its random numbers are seeded by the sequence's name,
so every network sees the same perturbed input.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from prml.errors import PrmlError
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.protocols.rules import ImageSpace, KeypointsFilled
from prml.evaluation.run import Predictor, evaluate
from prml.sequence import PoseSequence

Array = np.ndarray
PAPER_WIDTH_PX = 1000.0
"""Width of the Human3.6M images: one pixel of the paper's noise is a thousandth of the image's width."""
GAP_FRAMES = 5.0
"""Mean length of a gap, in frames: 0.1 s at 50 frames/s."""


@runtime_checkable
class Perturbation(Protocol):
    """One way to degrade the input, at one level."""

    family: ClassVar[str]
    unit: ClassVar[str]
    description: ClassVar[str]

    @property
    def level(self) -> float:
        """Strength in ``unit``; the family's untouched level leaves the input unchanged."""
        ...

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Return the perturbed sequence; if frames are dropped, so is their ground truth."""
        ...


def _rng(sequence: PoseSequence, family: str) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(sequence.name.encode()), zlib.crc32(family.encode())])


def _keypoints(sequence: PoseSequence) -> Array:
    return np.asarray(KeypointsFilled("2D").apply(sequence).keypoints_px, dtype=np.float64)


def person_height_px(sequence: PoseSequence) -> float:
    """Return the median over frames of the vertical extent of the keypoints, in pixels."""
    return float(np.median(np.ptp(_keypoints(sequence)[..., 1], axis=1)))


def _need_camera(sequence: PoseSequence) -> Any:
    if sequence.camera is None:
        raise PrmlError(f"{sequence.name or 'the sequence'} has no camera, which this change needs")
    return sequence.camera


def _add_noise(sequence: PoseSequence, sigma_px: float, family: str) -> PoseSequence:
    px = _keypoints(sequence)
    return sequence.with_(keypoints_px=px + _rng(sequence, family).normal(size=px.shape) * sigma_px)


@dataclass(frozen=True)
class GaussianNoise:
    """Zero-mean Gaussian noise on x and y of every joint and frame, in the paper's unit."""

    level: float
    family: ClassVar[str] = "noise"
    unit: ClassVar[str] = "px of a 1000 px wide image"
    description: ClassVar[str] = "zero-mean Gaussian noise on the 2D, sigma in thousandths of the image's width"

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Add noise to the keypoints."""
        return _add_noise(sequence, self.level * _need_camera(sequence).width / PAPER_WIDTH_PX, self.family)


@dataclass(frozen=True)
class NoiseOfHeight:
    """Zero-mean Gaussian noise relative to the person's height in the image."""

    level: float
    family: ClassVar[str] = "noise-of-height"
    unit: ClassVar[str] = "% of the person's height in the image"
    description: ClassVar[str] = (
        "zero-mean Gaussian noise on the 2D, sigma in per cent of the person's height in the image"
    )

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Add noise to the keypoints."""
        return _add_noise(sequence, self.level / 100 * person_height_px(sequence), self.family)


def _gaps(rng: np.random.Generator, share: float, frames: int, tracks: int) -> Bool[Array, "frames tracks"]:
    """Return a mask of gaps of ``GAP_FRAMES`` frames on average that cover ``share`` of each track."""
    lost = np.zeros((frames, tracks), dtype=bool)
    if share <= 0:
        return lost
    leave, enter = 1 / GAP_FRAMES, min(1.0, share / (1 - share) / GAP_FRAMES)
    state = rng.random(tracks) < share
    for row, draw in zip(lost, rng.random((frames, tracks)), strict=True):
        state = np.where(state, draw >= leave, draw < enter)
        row[:] = state
    return lost


def _lose(sequence: PoseSequence, lost: Array, family: str) -> PoseSequence:
    px = _keypoints(sequence)
    px[np.broadcast_to(lost, px.shape[:2])] = np.nan
    if np.isnan(px).all():  # a short clip may be lost entirely: keep one frame
        px[0] = _keypoints(sequence)[0]
    return KeypointsFilled(family).apply(sequence.with_(keypoints_px=px))


@dataclass(frozen=True)
class MissingJoints:
    """Joints that the detector loses, independently of each other."""

    level: float
    family: ClassVar[str] = "missing-joints"
    unit: ClassVar[str] = "% of the joints"
    description: ClassVar[str] = (
        "joints lost in gaps of 5 frames on average, interpolated in time with confidence 0, as at inference"
    )

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Lose and fill joints."""
        lost = _gaps(_rng(sequence, self.family), self.level / 100, len(sequence), len(sequence.skeleton))
        return _lose(sequence, lost, self.family)


@dataclass(frozen=True)
class DroppedFrames:
    """Frames without a person."""

    level: float
    family: ClassVar[str] = "dropped-frames"
    unit: ClassVar[str] = "% of the frames"
    description: ClassVar[str] = "whole frames lost in gaps of 5 on average, interpolated in time with confidence 0"

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Lose and fill frames."""
        lost = _gaps(_rng(sequence, self.family), self.level / 100, len(sequence), 1)
        return _lose(sequence, lost, self.family)


@dataclass(frozen=True)
class FrameRate:
    """Keep and score every n-th frame."""

    level: float
    family: ClassVar[str] = "frame-rate"
    unit: ClassVar[str] = "of the frame rate, 1 in"
    description: ClassVar[str] = (
        "one frame in so many is kept; the lifter gets the true times, the kept frames are scored"
    )

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Return the kept frames with their 3D."""
        step = max(1, int(self.level))
        rows = np.arange(0, len(sequence), step)
        return sequence.take(rows).with_(fps=sequence.fps / step)


@dataclass(frozen=True)
class FieldOfView:
    """The same person at the same size in the image, seen through another lens from another distance."""

    level: float
    family: ClassVar[str] = "field-of-view"
    unit: ClassVar[str] = "degrees over the longer side"
    description: ClassVar[str] = (
        "the camera gets another field of view and moves so that the person keeps its size and place in the image: "
        "perspective alone changes"
    )

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Return the sequence seen through the other lens; detector errors in pixels are kept."""
        camera = _need_camera(sequence)
        if sequence.joints_m is None or sequence.root_relative:
            raise PrmlError("another field of view needs absolute camera-frame joints, which this protocol lacks")
        factor = np.tan(np.radians(camera.fov_deg) / 2) / np.tan(np.radians(self.level) / 2)
        other = replace(camera, fx=camera.fx * factor, fy=camera.fy * factor, source=f"{self.level:g} deg")
        place = sequence.joints_m[:, sequence.skeleton.root].mean(0)
        moved = sequence.joints_m + (factor - 1) * place * np.array([0.0, 0.0, 1.0])
        if moved[..., 2].min() < 0.3:
            moved = moved + np.array([0.0, 0.0, 0.3 - moved[..., 2].min()])
        errors = _keypoints(sequence) - camera.project(sequence.joints_m)
        return sequence.with_(joints_m=moved, camera=other, keypoints_px=other.project(moved) + errors)


@dataclass(frozen=True)
class PortraitCrop:
    """The image cropped to a tall strip around the person."""

    level: float
    family: ClassVar[str] = "portrait-crop"
    unit: ClassVar[str] = "width / height"
    description: ClassVar[str] = "the image is cut to a stripe of full height around the person; intrinsics follow"

    def apply(self, sequence: PoseSequence) -> PoseSequence:
        """Return the sequence in the cropped image."""
        camera, px = _need_camera(sequence), _keypoints(sequence)
        width = min(camera.width, round(camera.height * self.level))
        left = float(np.clip(np.median(px[..., 0]) - width / 2, 0, camera.width - width))
        cut = replace(camera, width=width, cx=camera.cx - left)
        truth = sequence.truth
        if truth is not None and truth.joints_image_px is not None:
            truth = replace(truth, joints_image_px=truth.joints_image_px - np.array([left, 0.0, 0.0]))
        return sequence.with_(camera=cut, keypoints_px=px - np.array([left, 0.0]), truth=truth)


# family -> (type, usual levels)
FAMILIES: dict[str, tuple[Callable[[float], Perturbation], tuple[float | int, ...]]] = {
    "noise": (GaussianNoise, (1, 2, 3, 5, 8, 12)),
    "noise-of-height": (NoiseOfHeight, (0.5, 1, 2, 3)),
    "missing-joints": (MissingJoints, (10, 20, 30)),
    "dropped-frames": (DroppedFrames, (10, 30, 50)),
    "frame-rate": (FrameRate, (2, 4)),
    "field-of-view": (FieldOfView, (30, 50, 70, 90)),
    "portrait-crop": (PortraitCrop, (0.5625,)),
}


def perturbations(
    families: Iterable[str] | None = None, levels: Sequence[float | int] | None = None
) -> list[Perturbation]:
    """Return perturbations of some families (None: all) at their usual levels or at the given ones."""
    chosen = list(FAMILIES) if families is None else list(families)
    if unknown := [f for f in chosen if f not in FAMILIES]:
        raise PrmlError(f"unknown change {unknown[0]!r}; known are {', '.join(FAMILIES)}")
    return [make(float(level)) for make, usual in (FAMILIES[f] for f in chosen) for level in (levels or usual)]


# ---------------------------------------------------------------------- the sweep
@dataclass(frozen=True)
class Entrant:
    """The weights of one participant.

    Attributes:
        name: name in tables.
        predictor, window: as for :func:`prml.evaluation.run.evaluate`.
        macs_per_frame: multiply-adds per scored frame, shown as marker size in the figure; None if unknown.
    """

    name: str
    predictor: Predictor
    window: int | None = None
    macs_per_frame: float | None = None


@dataclass(frozen=True)
class Outcome:
    """One entrant under one perturbation.

    Attributes:
        name: name of the entrant.
        family, level, unit: those of the perturbation; family "none" is the untouched input.
        scores: metric -> value.
        delta_mpjpe: increase of MPJPE over the untouched input, mm.
    """

    name: str
    family: str
    level: float
    unit: str
    scores: dict[str, float]
    delta_mpjpe: float = 0.0


@dataclass
class Sweep:
    """All outcomes, with their protocol and entrants."""

    protocol: EvaluationProtocol
    entrants: list[Entrant]
    outcomes: list[Outcome] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def blocked(change: Perturbation, protocol: EvaluationProtocol) -> str | None:
    """Return why a perturbation cannot be applied to a protocol's data; None if it can."""
    if change.family == FieldOfView.family and isinstance(protocol.space, ImageSpace):
        return f"{protocol.name} has weak-perspective labels without a camera, so its lens cannot be changed"
    return None


def sweep(
    entrants: Sequence[Entrant],
    protocol: EvaluationProtocol,
    changes: Sequence[Perturbation],
    *,
    data: Path | None = None,
    every: int = 1,
    limit: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Sweep:
    """Score every entrant on the untouched input and under every perturbation.

    Args:
        entrants: the weights to score.
        protocol: the rules; families that cannot be applied to its data are skipped, with the reason.
        changes: see :func:`perturbations`.
        data: as for :func:`prml.evaluation.run.evaluate`.
        every: use only every n-th sequence.
        limit: maximum number of clips, for a quick look.
        progress: called with one line before each evaluation.

    Raises:
        PrmlError: data or predictions cannot be used.
    """
    reasons = {c.family: why for c in changes if (why := blocked(c, protocol)) is not None}
    result = Sweep(protocol, list(entrants), skipped=reasons)
    usable = [c for c in changes if c.family not in reasons]

    def score(entrant: Entrant, change: Perturbation | None) -> dict[str, float]:
        if progress is not None:
            progress(f"{entrant.name}: {'untouched' if change is None else f'{change.family} {change.level:g}'}")
        perturb = None if change is None else change.apply
        return evaluate(
            entrant.predictor,
            protocol,
            data=data,
            limit=limit,
            window=entrant.window,
            shard=(0, every),
            change=perturb,
        ).scores.overall

    for entrant in entrants:
        untouched = score(entrant, None)
        result.outcomes.append(Outcome(entrant.name, "none", 0.0, "", untouched))
        for change in usable:
            scores = score(entrant, change)
            delta = scores["mpjpe"] - untouched["mpjpe"]
            result.outcomes.append(Outcome(entrant.name, change.family, change.level, change.unit, scores, delta))
    return result
