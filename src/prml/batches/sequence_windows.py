"""Training windows from sequences with their own cameras (Human3.6M, MPI-INF-3DHP): cut, mirrored, batched.

As with motion capture, a batch is a pure function of (seed, epoch, batch number), and the frames lie in shared memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from prml import normalise
from prml.batches.options import SequenceWindowOptions, WindowOptions
from prml.batches.training_windows import Batch, Windows, mirror, shared
from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

Array = np.ndarray
Label = Literal["camera_m", "image"]


@dataclass(frozen=True)
class SequenceRule:
    """How a sequence becomes input and target.

    Attributes:
        label: "camera_m": root-relative camera-frame metres; "image": root-relative units of the screen-normalised
            image (MotionBERT's space; z in pixels at the root's depth, over half the width).
        input_from_label: take x and y of the input from the image-space label (orthographic "ground truth" 2D).
        in_channels: 3 for x, y, confidence; 2 for x, y.
    """

    label: Label = "camera_m"
    input_from_label: bool = False
    in_channels: int = 2

    def arrays(self, sequence: PoseSequence) -> tuple[Float[Array, "T 17 c"], Float[Array, "T 17 3"]]:
        """Input and target of every frame; raises PrmlError for a sequence that lacks what the rule needs."""
        s = sequence.to_skeleton(H36M17)
        if s.camera is None or s.keypoints_px is None:
            raise PrmlError(f"{s.name}: training needs 2D keypoints and the image size")
        width, height = s.camera.width, s.camera.height
        pixels = s.keypoints_px
        if self.label == "image" or self.input_from_label:
            if s.truth is None or s.truth.joints_image_px is None:
                raise PrmlError(f"{s.name} has no image-space label; read it from the Stacked-Hourglass pickle")
            image = np.asarray(s.truth.joints_image_px, np.float64)
            pixels = image[..., :2] if self.input_from_label else pixels
        if lost := int((~np.isfinite(pixels)).any((1, 2)).sum()):
            raise PrmlError(f"{s.name}: {lost} frames lack 2D keypoints; fill or leave out such frames before training")
        confidence = np.ones(pixels.shape[:2]) if s.confidence is None or self.input_from_label else s.confidence
        xy = normalise.screen(np.asarray(pixels, np.float64), width, height).xy
        given = np.concatenate([xy, confidence[..., None]], -1)[..., : self.in_channels]
        if self.label == "image":
            target = image / (width / 2)
        elif s.joints_m is None or s.frame != "camera":
            raise PrmlError(f"{s.name} has no 3D joints in its camera's frame")
        else:
            target = s.joints_m
        return given.astype(np.float32), (target - target[:, :1]).astype(np.float32)

    def unit_m(self, sequence: PoseSequence) -> Float[Array, " T"] | None:
        """Metres per unit of an image-space target in every frame (half the width times ``mm_per_px``).

        None for targets in metres and for sequences that do not state it (Human3.6M's training split).
        """
        if self.label == "camera_m" or sequence.camera is None or sequence.mm_per_px is None:
            return None
        mm = sequence.camera.width / 2 * np.asarray(sequence.mm_per_px, np.float64)
        return (mm / 1000).astype(np.float32)


class SequenceWindows(Windows):
    """Batches ``input`` (B, T, 17, C_in) and ``target`` (B, T, 17, 3) from sequences.

    Image-space targets come with ``unit_m`` (B, T), metres per unit, if all sequences state it. If some frames are not
    flagged as valid, ``scored`` (B, T) says which are: windows reach over all frames, and only these are validated.

    Windows start every ``options.stride`` frames; a sequence shorter than T gives one window, its last frame repeated.
    ``fps`` is the rate of most frames: MPI-INF-3DHP mixes 25 and 50, and the field resamples nothing.

    Args:
        sequences: read once.
        rule: how frames become input and target.
        options: ``frames``, ``stride``, ``batch``, ``flip`` and ``step`` are used; ``fps`` counts the window's frames.
        seed: of order and flips.
    """

    def __init__(
        self, sequences: Iterable[PoseSequence], rule: SequenceRule, options: WindowOptions, *, seed: int
    ) -> None:
        self.options, self.seed = options, seed
        self.step = options.step if isinstance(options, SequenceWindowOptions) else 1
        inputs, targets, units, scored, rows, at = [], [], [], [], [], 0
        frames_at: dict[float, int] = {}
        for sequence in sequences:
            if not len(sequence):
                continue
            given, target = rule.arrays(sequence)
            inputs.append(given)
            targets.append(target)
            units.append(rule.unit_m(sequence))
            scored.append(np.ones(len(given), bool) if sequence.valid is None else np.asarray(sequence.valid, bool))
            last = max(0, len(given) - (options.frames - 1) * self.step - 1)
            rows += [(at + a, at + len(given)) for a in range(0, last + 1, options.stride)]
            at += len(given)
            frames_at[sequence.fps] = frames_at.get(sequence.fps, 0) + len(given)
        if not rows:
            raise PrmlError("no sequence to train on: the split is empty")
        self.fps = max(frames_at, key=lambda fps: frames_at[fps]) / self.step  # of the windows
        self.inputs = shared(np.concatenate(inputs))
        self.targets = shared(np.concatenate(targets))
        known = [u for u in units if u is not None]
        self.unit_m = shared(np.concatenate(known)) if len(known) == len(units) else None
        judged = np.concatenate(scored)
        self.scored = None if judged.all() else shared(judged)
        self.index = np.array(rows, dtype=np.int64)

    def __len__(self) -> int:
        """Batches in an epoch (at least one)."""
        return max(1, len(self.index) // self.options.batch)

    def make(self, rng: np.random.Generator, rows: Array) -> Batch:
        """One batch from rows of the index."""
        at = np.minimum(rows[:, :1] + self.step * np.arange(self.options.frames), rows[:, 1:] - 1)
        inputs, targets = mirror(
            self.inputs.numpy()[at], self.targets.numpy()[at], rng.random(len(rows)) < self.options.flip
        )
        batch = {"input": torch.from_numpy(inputs), "target": torch.from_numpy(targets)}
        per_frame = {"unit_m": self.unit_m, "scored": self.scored}
        return batch | {name: values[torch.from_numpy(at)] for name, values in per_frame.items() if values is not None}
