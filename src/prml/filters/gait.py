"""Gait events and what follows from them, where somebody walks.

Zeni et al. 2008 (Gait & Posture 27, 710-714): a heel strikes where it is furthest ahead of the pelvis, and toes leave
where they are furthest behind it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.filters.resample import stretches
from prml.filters.smooth import smoothed
from prml.sequence import PoseSequence
from prml.spans import runs

Array = np.ndarray
WALKING_M_S = 0.4
_SHORTEST_S = 1.0
_STEADY_HZ = 1.0
_EVENT_HZ = 6.0
_BETWEEN_S = 0.4  # a foot strikes no more often
_PROMINENCE_M = 0.1


@dataclass(frozen=True)
class GaitEvent:
    """A foot that strikes the ground or leaves it.

    Attributes:
        time_s: when.
        side: "left" or "right".
        kind: "strike" or "off".
        step_length_m: of a strike, distance from heel to heel along the way; NaN of an off.
    """

    time_s: float
    side: str
    kind: str
    step_length_m: float = float("nan")


@dataclass(frozen=True)
class Gait:
    """Walking in a sequence.

    Attributes:
        events: in order of time; empty where nobody walks.
        cadence: steps per minute; NaN with fewer than two strikes in a row.
        step_length_m: mean distance from heel to heel along the way at a strike.
        speed_m_s: mean speed while walking.
        walking_s: seconds of walking.
    """

    events: tuple[GaitEvent, ...]
    cadence: float
    step_length_m: float
    speed_m_s: float
    walking_s: float


def gait_of(sequence: PoseSequence) -> Gait:
    """Find strikes and offs of both feet where the pelvis moves faster than ``WALKING_M_S`` for a second or longer.

    Raises:
        PrmlError: the sequence has no absolute joints in the world frame.
    """
    joints = sequence.joints_m
    if joints is None or sequence.frame != "world" or sequence.root_relative:
        raise PrmlError("gait needs absolute joints in the world frame; prml.lift(...).motion has them")
    names = sequence.skeleton.joints
    ends = ("Heel", "Toe") if "LHeel" in names else ("Ankle", "Ankle")
    steady = smoothed(np.asarray(joints, np.float64), sequence.times_s, _EVENT_HZ)
    present = np.isfinite(steady).all((1, 2))
    events: list[GaitEvent] = []
    lengths: list[float] = []
    intervals: list[float] = []
    speeds: list[float] = []
    total = 0.0
    for part in stretches(present, sequence.times_s):
        clock = sequence.times_s[part]
        if len(clock) < 4:
            continue
        root = steady[part, sequence.skeleton.root, :2]
        velocity = np.gradient(smoothed(root, clock, _STEADY_HZ), clock, axis=0)
        speed = np.linalg.norm(velocity, axis=-1)
        for run in runs(speed > WALKING_M_S):
            if clock[run.stop - 1] - clock[run.start] < _SHORTEST_S:
                continue
            ahead = velocity[run] / speed[run, None]
            feet = {
                side: [
                    ((steady[part][run, names.index(side[0].upper() + end), :2] - root[run]) * ahead).sum(-1)
                    for end in ends
                ]
                for side in ("left", "right")
            }
            found = _events(feet, clock[run])
            strikes = [event for event in found if event.kind == "strike"]
            intervals += np.diff([event.time_s for event in strikes]).tolist()
            lengths += [event.step_length_m for event in strikes]
            events += found
            speeds += speed[run].tolist()
            total += float(clock[run.stop - 1] - clock[run.start])
    apart = [interval for interval in intervals if interval > 0]  # both feet may strike in one frame
    cadence = 60 / float(np.median(apart)) if apart else float("nan")
    length = float(np.mean(lengths)) if lengths else float("nan")
    return Gait(tuple(events), cadence, length, float(np.mean(speeds)) if speeds else float("nan"), total)


def _events(feet: dict[str, list[Float[Array, " n"]]], times_s: Float[Array, " n"]) -> list[GaitEvent]:
    from scipy.signal import find_peaks

    step = float(np.median(np.diff(times_s)))
    found = []
    for side, (heel, toe) in feet.items():
        for kind, curve in (("strike", heel), ("off", -toe)):
            peaks, _ = find_peaks(curve, distance=max(1, round(_BETWEEN_S / step)), prominence=_PROMINENCE_M)
            for k in peaks:
                apart = float(abs(feet["left"][0][k] - feet["right"][0][k]))
                found.append(GaitEvent(float(times_s[k]), side, kind, apart if kind == "strike" else float("nan")))
    return sorted(found, key=lambda event: event.time_s)
