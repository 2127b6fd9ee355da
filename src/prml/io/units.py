"""Estimate the unit of length from the size of a person: adult thighs and shins are about 0.43 m long."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from prml.skeleton import Skeleton

# Children, giants and generic figures stay within these bounds.
LEG_BONE_M = (0.15, 0.80)
UNITS_M: Mapping[str, float] = {"metres": 1.0, "millimetres": 0.001, "centimetres": 0.01, "inches": 0.0254}
_ADULT_M = 0.43


def leg_bone(joints: Float[np.ndarray, "frames joints 3"], skeleton: Skeleton) -> float:
    """Return the median length of thighs and shins in the unit of ``joints``, over up to 1000 frames; NaN if unseen."""
    some = joints[:: max(1, len(joints) // 1000)]
    pairs = [(s + a, s + b) for s in "LR" for a, b in (("Hip", "Knee"), ("Knee", "Ankle"))]
    ends = [(skeleton.index(a), skeleton.index(b)) for a, b in pairs]
    lengths = np.stack([np.linalg.norm(some[:, a] - some[:, b], axis=-1) for a, b in ends])
    return float(np.nanmedian(lengths)) if np.isfinite(lengths).any() else math.nan


def human(length_m: float) -> bool:
    """Whether a thigh or shin of this length is plausible for a person."""
    return LEG_BONE_M[0] <= length_m <= LEG_BONE_M[1]


def likely_unit(length: float) -> str | None:
    """Return the unit (a key of UNITS_M) that makes a thigh or shin of ``length`` most like an adult's, or None."""
    fits = [unit for unit, metres in UNITS_M.items() if human(length * metres)]
    return min(fits, key=lambda unit: abs(math.log(length * UNITS_M[unit] / _ADULT_M)), default=None)
