"""The errors of a real 2D detector: jitter, slow drift, bursts of large error, swapped or lost limbs.

Every magnitude comes from ``detector_noise.json``, which ``benchmarks/measure_detector_noise.py`` wrote from real video
(docs/detector_noise.md says what was fitted and how). Errors are in millimetres at the person's depth, so they do not
depend on the image resolution.
"""

import json
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from prml.skeleton import MEASURED13, MEASURED24, Skeleton

Array = np.ndarray
_SWAPPED = (("Hip", "Knee", "Ankle", "Heel", "Toe"), ("Shoulder", "Elbow", "Wrist", "Hand", "Thumb"))
_PER_JOINT = ("jitter_mm", "drift_mm", "offset_mm", "burst_rate", "burst_mm", "drop_rate", "confidence_logit")
DetectorModel = Literal["lite", "full"]
_ENTRY: dict[DetectorModel, str] = {"full": "model", "lite": "model_lite"}
_NEAREST = {"Heel": "Ankle", "Toe": "Ankle", "Hand": "Wrist", "Thumb": "Wrist"}


@dataclass(frozen=True)
class NoiseModel:
    """Statistics of a detector on the joints of MEASURED13 or MEASURED24; arrays have an entry for each.

    Attributes:
        jitter_mm: standard deviation per axis of the part that is new in every frame.
        drift_mm, drift_time_s: standard deviation per axis and correlation time of the slow part.
        offset_mm: standard deviation per axis of the error that is constant through a clip.
        burst_rate, burst_mm, burst_s: bursts of large error: starts per second and joint, size per axis, mean length.
        swap_rate, swap_s: swaps of left and right (both legs or both arms): starts per second and pair, length.
        drop_rate, drop_s: joints lost (confidence near zero, position a guess): starts per second and joint, length.
        confidence_logit: median confidence on the logit scale where the error is small.
        confidence_slope: how much the logit falls when the error grows e-fold over 20 mm.
        confidence_sigma: slow scatter of the logit.
        severity_sigma: log-normal spread over clips of one factor on all magnitudes.
        ends: of a model on MEASURED13, one on MEASURED24 whose feet, hands and face were measured.
    """

    jitter_mm: Array
    drift_mm: Array
    drift_time_s: float
    offset_mm: Array
    burst_rate: Array
    burst_mm: Array
    burst_s: float
    swap_rate: float
    swap_s: float
    drop_rate: Array
    drop_s: float
    confidence_logit: Array
    confidence_slope: float
    confidence_sigma: float
    severity_sigma: float
    ends: "NoiseModel | None" = None

    def sample(
        self, rng: np.random.Generator, clips: int, frames: int, fps: float
    ) -> "tuple[Float[Array, 'B T K 2'], Float[Array, 'B T K'], Float[Array, 'B T 2']]":
        """Draw errors for ``clips`` independent stretches.

        Returns:
            Errors in metres at the person's depth, confidences in (0, 1), and for legs and arms whether left and right
            are swapped (1 or 0).
        """
        shape = (clips, frames, len(self.jitter_mm))
        severity = np.exp(rng.normal(0, self.severity_sigma, (clips, 1, 1, 1))).astype(np.float32)
        error = _gauss(rng, (*shape, 2)) * self.jitter_mm[:, None]
        error += _slow(rng, (*shape, 2), self.drift_time_s * fps) * self.drift_mm[:, None]
        error += _gauss(rng, (clips, 1, shape[2], 2)) * self.offset_mm[:, None]
        error *= severity
        burst = _runs(rng, shape, self.burst_rate / fps, self.burst_s * fps)
        drop = _runs(rng, shape, self.drop_rate / fps, self.drop_s * fps)
        wild = _slow(rng, (*shape, 2), max(2.0, self.burst_s * fps / 2)) * self.burst_mm[:, None]
        error += wild * np.maximum(burst, drop)[..., None]
        swap = _runs(rng, (clips, frames, 2), np.full(2, self.swap_rate / fps, np.float32), self.swap_s * fps)
        size = np.linalg.norm(error, axis=-1)
        logit = self.confidence_logit - self.confidence_slope * np.log1p(size / 20)
        logit += self.confidence_sigma * _slow(rng, shape, 0.3 * fps) - 4.0 * drop
        confidence = 1 / (1 + np.exp(-logit))
        return error / np.float32(1000), confidence.astype(np.float32), swap

    def scaled(self, factor: float) -> "NoiseModel":
        """The same detector with all error magnitudes multiplied (rates and confidences unchanged)."""
        names = ("jitter_mm", "drift_mm", "offset_mm", "burst_mm")
        ends = None if self.ends is None else self.ends.scaled(factor)
        return replace(self, **{n: getattr(self, n) * np.float32(factor) for n in names}, ends=ends)

    def on(self, measured: Skeleton) -> "NoiseModel":
        """The model on MEASURED24 (or as it is, if it has that many joints already).

        Feet, hands and face are those of ``ends``. A model without takes heels and toes for ankles, hands and thumbs
        for wrists, and lets each point of the face err by so much more that the middle of the ears errs as the centre
        of the head.
        """
        if len(measured) == len(self.jitter_mm):
            return self
        if self.ends is not None:
            first = len(self.jitter_mm)
            joined: dict[str, Any] = {
                n: np.concatenate([getattr(self, n), getattr(self.ends, n)[first:]]) for n in _PER_JOINT
            }
            return replace(self, **joined, ends=None)
        names = [name[:1] + _NEAREST.get(name[1:], name[1:]) for name in measured.joints]
        nearest = [MEASURED13.index(n if n in MEASURED13.joints else "HeadCentre") for n in names]
        values = {name: getattr(self, name)[nearest] for name in _PER_JOINT}
        face = [measured.index(name) for name in ("NoseTip", "LEar", "REar")]
        for name in ("jitter_mm", "drift_mm", "offset_mm"):
            values[name][face] *= np.float32(2**0.5)
        return replace(self, **values)


def swap_sides(points: Float[Array, "B T K 2"], swap: Float[Array, "B T 2"]) -> Float[Array, "B T K 2"]:
    """Swap left and right of the legs (first flag) and arms (second), with feet and hands, where the flag is set."""
    out = points.copy()
    for flag, pairs in zip(np.moveaxis(swap, -1, 0) > 0, _limbs(points.shape[-2]), strict=True):
        for left, right in pairs:
            out[..., left, :] = np.where(flag[..., None], points[..., right, :], points[..., left, :])
            out[..., right, :] = np.where(flag[..., None], points[..., left, :], points[..., right, :])
    return out


@cache
def _limbs(joints: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Left and right joints of the legs and of the arms."""
    of = MEASURED13 if joints == len(MEASURED13) else MEASURED24
    return tuple(
        tuple((of.index("L" + j), of.index("R" + j)) for j in names if "L" + j in of.joints) for names in _SWAPPED
    )


def _gauss(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)


def _slow(rng: np.random.Generator, shape: tuple[int, ...], time_frames: float) -> Array:
    """Unit-variance noise along axis 1 whose correlation falls to 1/e after ``time_frames``."""
    sigma = max(time_frames, 0.5) / 2  # exp(-d^2 / (4 sigma^2)) = 1/e at d = 2 sigma
    pad = int(3 * sigma) + 1
    white = _gauss(rng, (shape[0], shape[1] + 2 * pad, *shape[2:]))
    slow = gaussian_filter1d(white, sigma, axis=1, mode="wrap", truncate=3.0)[:, pad : pad + shape[1]]
    return slow * np.float32(np.sqrt(2 * sigma * np.sqrt(np.pi)))


def _runs(rng: np.random.Generator, shape: tuple[int, ...], start: Array, mean_frames: float) -> Array:
    """1 inside runs that start with probability ``start`` a frame and last ``mean_frames`` on average, else 0."""
    out = np.zeros(shape, np.float32)
    first = rng.random(shape, dtype=np.float32) < start
    where = np.argwhere(first)
    lengths = 1 + rng.geometric(1 / max(mean_frames, 1.0), len(where))
    for (clip, frame, joint), length in zip(where, lengths, strict=True):
        out[clip, frame : frame + length, joint] = 1
    return out


@cache
def measured_noise(model: DetectorModel = "full") -> NoiseModel:
    """The statistics of one of MediaPipe's models on MEASURED13, with those of feet, hands and face as ``ends``."""
    first, ends = (_model(name, _ENTRY[model]) for name in ("detector_noise.json", "detector_noise24.json"))
    return replace(first, ends=ends)


def _model(name: str, entry: str) -> NoiseModel:
    record = json.loads(files("prml.batches").joinpath(name).read_text(encoding="utf-8"))[entry]
    values: dict[str, Any] = {
        f.name: np.asarray(record[f.name], np.float32) if f.name in _PER_JOINT else float(record[f.name])
        for f in fields(NoiseModel)
        if f.name in record
    }
    return NoiseModel(**values)
