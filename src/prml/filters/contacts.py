"""Which points of the feet stand on the ground, with hysteresis."""

import numpy as np
from jaxtyping import Bool, Float

from prml.filters.resample import stretches
from prml.filters.smooth import smoothed
from prml.sequence import CONTACTS
from prml.skeleton import Skeleton
from prml.spans import runs

Array = np.ndarray
SOLE_M = 0.02  # heels and toes are this high above the ground of a standing foot (data/mocap/README.md)
ANKLE_M = 0.08  # centre of an ankle, where a skeleton ends there
STILL_M_S, MOVING_M_S = 0.4, 0.75  # a foot comes to stand below the first and leaves above the second
LOW_M, HIGH_M = 0.06, 0.10  # the same, as height over the lowest foot nearby in time
ABOVE_BODY_M = 0.4  # feet this high above the lowest joint hang in the air, as in a handstand
SHORTEST_S = 0.08
_NEARBY_S = 0.5
_CUTOFF_HZ = 5.0
_ALONG = 0.25  # weight of speed along the line of sight, which one camera hardly sees


def foot_points(
    skeleton: Skeleton, detected: Bool[Array, " J"] | None = None
) -> tuple[tuple[int, int, int, int], float]:
    """The joints behind the four columns of contacts, and their height over the ground of a standing foot.

    These are the ankles, for heel and toe alike, where the skeleton or the detector ends there.
    """
    if set(CONTACTS) <= set(skeleton.joints):
        a, b, c, d = (skeleton.index(name) for name in CONTACTS)
        if detected is None or not detected.any() or detected[[a, b, c, d]].all():
            return (a, b, c, d), SOLE_M
    left, right = skeleton.index("LAnkle"), skeleton.index("RAnkle")
    return (left, left, right, right), ANKLE_M


def find_contacts(
    feet_m: Float[Array, "T 4 3"],
    times_s: Float[Array, " T"],
    sight: Float[Array, "T 3"] | None = None,
    up: Float[Array, "3"] | None = None,
    lowest_m: Float[Array, " T"] | None = None,
) -> Bool[Array, "T 4"]:
    """Find where points of the feet stand: slow and, if ``up`` is known, not far above the lowest foot nearby in time.

    Args:
        feet_m: positions in a frame that does not move; NaN in gaps.
        times_s: increasing.
        sight: (T, 3) unit vectors from the camera to the person; speed along it counts less.
        up: unit vector away from the ground.
        lowest_m: height of the lowest joint of the body; feet far above it do not stand.
    """
    contacts = np.zeros(feet_m.shape[:2], bool)
    present = np.isfinite(feet_m).all((1, 2))
    steady = smoothed(feet_m, times_s, _CUTOFF_HZ)
    for part in stretches(present, times_s):
        if part.stop - part.start < 3:
            continue
        clock = times_s[part]
        velocity = np.gradient(steady[part], clock, axis=0)
        if sight is not None:
            along = np.einsum("tpc,tc->tp", velocity, sight[part])[..., None] * sight[part][:, None]
            velocity = velocity - (1 - _ALONG) * along
        speed = np.linalg.norm(velocity, axis=-1)
        height = np.zeros(speed.shape) if up is None else above_lowest(steady[part] @ up, clock)
        if up is not None and lowest_m is not None:
            height = np.where((steady[part] @ up) - lowest_m[part, None] > ABOVE_BODY_M, np.inf, height)
        enter, stay = (speed < STILL_M_S) & (height < LOW_M), (speed < MOVING_M_S) & (height < HIGH_M)
        for column in range(feet_m.shape[1]):
            contacts[part, column] = _held(enter[:, column], stay[:, column], clock)
    return contacts


def above_lowest(height: Float[Array, "T P"], times_s: Float[Array, " T"]) -> Float[Array, "T P"]:
    """Height over the lowest foot within half a second."""
    from scipy.ndimage import minimum_filter1d

    step = float(np.median(np.diff(times_s)))
    lowest = minimum_filter1d(height.min(1), 2 * max(1, round(_NEARBY_S / step)) + 1, mode="nearest")
    return np.asarray(height - lowest[:, None])


def _held(enter: Bool[Array, " T"], stay: Bool[Array, " T"], times_s: Float[Array, " T"]) -> Bool[Array, " T"]:
    """Runs of ``stay`` that ``enter`` somewhere and last at least ``SHORTEST_S``."""
    out = np.zeros(len(stay), bool)
    for run in runs(stay):
        if enter[run].any() and times_s[run.stop - 1] - times_s[run.start] >= SHORTEST_S:
            out[run] = True
    return out
