"""What a dataset holds, counted over all of it, and a random choice of its clips."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from prml.errors import PrmlError
from prml.sequence import PoseSequence


@dataclass
class Survey:
    """What a dataset holds, and a random choice of its clips.

    Attributes:
        sample: the chosen clips.
        clips, frames, valid, seconds: counts over all clips.
        subjects, actions, rates: what occurs.
    """

    sample: list[PoseSequence] = field(default_factory=list)
    clips: int = 0
    frames: int = 0
    valid: int = 0
    seconds: float = 0.0
    subjects: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)
    rates: set[float] = field(default_factory=set)

    def summary(self) -> list[str]:
        """The survey as lines of text."""
        first = self.sample[0]
        has = [w for w, a in (("2D (pixels)", first.keypoints_px), ("confidence", first.confidence)) if a is not None]
        if first.joints_m is not None:
            rule = "root-relative" if first.root_relative else "absolute"
            has.append(f"3D (metres, {first.frame} frame, {rule})")
        rates = ", ".join(f"{rate:g}" for rate in sorted(self.rates))
        return [
            f"{self.clips} clips, {self.frames} frames ({self.valid} valid), {self.seconds / 60:.1f} min, {rates} fps",
            f"{len(self.subjects)} subjects, {len(self.actions)} actions, skeleton {first.skeleton.name}",
            ", ".join(has) + (f"; camera: {first.camera.source}" if first.camera else ""),
            f"looked at closely: {len(self.sample)} clips",
        ]


def survey(sequences: Iterable[PoseSequence], limit: int, seed: int) -> Survey:
    """Go through a dataset once and keep ``limit`` clips at random (reservoir, so that memory does not grow with it).

    Raises:
        PrmlError: there is no clip, or ``limit`` is not positive.
    """
    if limit < 1:
        raise PrmlError(f"expected at least 1 clip to look at, got {limit}")
    rng, out = np.random.default_rng(seed), Survey()
    for sequence in sequences:
        out.clips += 1
        if len(out.sample) < limit:
            out.sample.append(sequence)
        elif (slot := int(rng.integers(out.clips))) < limit:
            out.sample[slot] = sequence
        out.frames += len(sequence)
        out.seconds += len(sequence) / sequence.fps
        out.valid += len(sequence) if sequence.valid is None else int(np.sum(sequence.valid))
        out.subjects |= {sequence.subject} - {""}
        out.actions |= {sequence.action} - {""}
        out.rates.add(sequence.fps)
    if not out.sample:
        raise PrmlError("there is no clip in it")
    return out
