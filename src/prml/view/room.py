"""What a room shows of a motion: where feet stood, and the path of the pelvis on the floor."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from prml.filters.contacts import foot_points
from prml.sequence import PoseSequence
from prml.spans import runs

Array = np.ndarray
FOOTPRINT_M = 0.055  # radius of a ring under a heel or toe
PATH_STEP_M = 0.01  # the path is drawn to this


def in_room(sequence: PoseSequence) -> bool:
    """Whether a sequence is a motion: absolute joints in the world, on a floor at z = 0, with contacts."""
    return sequence.frame == "world" and not sequence.root_relative and sequence.contacts is not None


@dataclass(frozen=True)
class Footprints:
    """Stretches of frames in which a point of a foot stood, in order of time.

    Attributes:
        columns: (N,) of ``sequence.contacts``: left heel, left toe, right heel, right toe.
        spans: (N, 2) first frame, and the frame after the last.
        places_m: (N, 3) on the ground below the point, world metres.
    """

    columns: Int[Array, " N"]
    spans: Int[Array, "N 2"]
    places_m: Float[Array, "N 3"]

    def __len__(self) -> int:
        return len(self.columns)

    @classmethod
    def of(cls, sequence: PoseSequence) -> "Footprints":
        """Find them; empty without contacts or 3D joints. A point that stands for heel and toe alike counts once."""
        none = cls(np.zeros(0, int), np.zeros((0, 2), int), np.zeros((0, 3)))
        if sequence.contacts is None or sequence.joints_m is None:
            return none
        points, height = foot_points(sequence.skeleton, sequence.detected)
        found = []
        for column, point in enumerate(points):
            if point in points[:column]:
                continue
            for run in runs(sequence.contacts[:, column]):
                place = np.nanmedian(sequence.joints_m[run, point], axis=0)
                if np.isfinite(place).all():
                    found.append((run.start, run.stop, column, *(place - [0, 0, height])))
        if not found:
            return none
        table = np.array(sorted(found))
        return cls(table[:, 2].astype(int), table[:, :2].astype(int), table[:, 3:])

    def at(self, frame: int) -> tuple[int, ...]:
        """Return which of them are stood on in a frame."""
        return tuple(np.flatnonzero((self.spans[:, 0] <= frame) & (frame < self.spans[:, 1])).tolist())


def path_on_floor(sequence: PoseSequence) -> list[Float[Array, "n 3"]]:
    """Return the pelvis' path on the floor in pieces without gaps, world metres, a point every centimetre or more."""
    if sequence.joints_m is None:
        return []
    root = np.asarray(sequence.joints_m)[:, sequence.skeleton.root] * [1, 1, 0]
    pieces = []
    for run in runs(np.isfinite(root).all(1)):
        kept = [root[run.start]]
        for place in root[run.start + 1 : run.stop]:
            if np.hypot(*(place - kept[-1])[:2]) >= PATH_STEP_M:
                kept.append(place)
        pieces.append(np.array(kept))
    return pieces
