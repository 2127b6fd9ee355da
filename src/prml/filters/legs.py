"""Feet that stand neither slide nor sink: legs are bent so that they stay where they are, with their bone lengths."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from prml.camera import normalise
from prml.skeleton import Skeleton
from prml.spans import runs

Array = np.ndarray
RAMP_S = 0.15  # time over which a correction fades before and after a contact
OUT_OF_REACH_M = 0.004
_STRAIGHT = 1e-3  # share of the leg's length that the knee is at least off the line from hip to ankle
_TINY = 1e-9


@dataclass(frozen=True)
class _Leg:
    """Joint indices of a leg; heel and toe are None for skeletons that end at the ankle."""

    hip: int
    knee: int
    ankle: int
    heel: int | None
    toe: int | None


def _legs(skeleton: Skeleton, ends_at_ankle: bool) -> tuple[_Leg, _Leg]:
    left, right = (
        _Leg(
            *(skeleton.index(side + part) for part in ("Hip", "Knee", "Ankle")),
            *((None, None) if ends_at_ankle else (skeleton.index(side + "Heel"), skeleton.index(side + "Toe"))),
        )
        for side in "LR"
    )
    return left, right


def hold_feet(
    joints_m: Float[Array, "T J 3"],
    contacts: Bool[Array, "T 4"],
    ground_m: Float[Array, "T 4"],
    times_s: Float[Array, " T"],
    skeleton: Skeleton,
    feet: tuple[int, int, int, int],
    sole_m: float,
) -> Float[Array, "T J 3"]:
    """Hold every standing point of the feet at its mean place, at the height of its ground, and nothing of them below.

    The foot is turned and moved as a whole, and the knee follows in its bend plane: thigh, shin and foot keep their
    lengths. Where a leg is too short for that, the foot hangs at its end. Corrections fade over ``RAMP_S``.

    Args:
        joints_m: world, metres, z up, floor at 0; all finite.
        contacts: left heel, left toe, right heel, right toe.
        ground_m: (T, 4) height of standing points; NaN elsewhere.
        times_s: increasing, without a jump.
        skeleton: the joint set.
        feet: joints of the contacts, as from :func:`prml.filters.contacts.foot_points`; where heel and toe are one
            joint, the ankle is held.
        sole_m: height of the points over the ground of a standing foot.
    """
    out = np.array(joints_m, np.float64)
    for side, leg in enumerate(_legs(skeleton, feet[0] == feet[1])):
        stand, ground = contacts[:, 2 * side : 2 * side + 2], ground_m[:, 2 * side : 2 * side + 2]
        if leg.heel is None or leg.toe is None:
            ankle = out[:, leg.ankle].copy()
            drawn, _ = _corrected(ankle, np.asarray(stand.any(1)), np.fmin(ground[:, 0], ground[:, 1]), times_s, sole_m)
            shift = drawn - ankle + _bend(out, leg, drawn)
            for joint in _beyond(skeleton, leg.ankle):
                out[:, joint] += shift
            continue
        _place_foot(out, leg, stand, ground, times_s, sole_m)
    return out


def reached(feet_m: Float[Array, "T 4 3"], contacts: Bool[Array, "T 4"]) -> Bool[Array, "T 4"]:
    """Contacts without the frames at their ends in which the leg was too short to hold the foot in its place."""
    kept = contacts.copy()
    for column in range(contacts.shape[1]):
        for run in runs(contacts[:, column]):
            path = feet_m[run, column]
            held = np.flatnonzero(np.linalg.norm(path - np.median(path, axis=0), axis=-1) < OUT_OF_REACH_M)
            kept[run, column] = False
            if len(held):
                kept[run.start + held[0] : run.start + held[-1] + 1, column] = True
    return kept


def _beyond(skeleton: Skeleton, ankle: int) -> list[int]:
    return [child for child, parent in enumerate(skeleton.parents) if parent == ankle]


def _corrected(
    point: Float[Array, "T 3"],
    stand: Bool[Array, " T"],
    ground: Float[Array, " T"],
    times_s: Float[Array, " T"],
    sole_m: float,
    partner: "tuple[Float[Array, 'T 3'], Bool[Array, ' T'], float] | None" = None,
) -> tuple[Float[Array, "T 3"], Float[Array, " T"]]:
    """A point's path with every contact at one place, and how strongly it is held (1 in a contact, 0 far from any).

    Args:
        point: path in the world.
        stand: whether it stands.
        ground: height of its place.
        times_s: increasing.
        sole_m: nothing of it lies below this height.
        partner: path, contacts and distance of the foot's other point; contacts that meet are that far apart.
    """
    total, weight = np.zeros_like(point), np.zeros(len(point))
    for run in runs(stand):
        place = np.array([*np.median(point[run, :2], axis=0), np.median(ground[run])])
        if partner is not None:
            place = _at_distance(place, run, *partner)
        start_s, end_s = times_s[run.start], times_s[run.stop - 1]
        near = slice(*np.searchsorted(times_s, (start_s - RAMP_S, end_s + RAMP_S)))
        fade = np.maximum(start_s - times_s[near], times_s[near] - end_s).clip(0, RAMP_S) / RAMP_S
        share = 0.5 + 0.5 * np.cos(np.pi * fade)
        edge = np.clip(np.arange(near.start, near.stop), run.start, run.stop - 1)
        total[near] += share[:, None] * (place - point[edge])
        weight[near] += share
    drawn = point + total / np.maximum(weight, 1.0)[:, None]
    drawn[:, 2] = np.where(stand, drawn[:, 2], np.maximum(drawn[:, 2], sole_m))
    return drawn, np.minimum(weight, 1.0)


def _at_distance(
    place: Float[Array, "3"], run: slice, other: Float[Array, "T 3"], other_stands: Bool[Array, " T"], distance: float
) -> Float[Array, "3"]:
    """The place moved to a distance from the foot's other point, where that one stands at the same time."""
    both = np.flatnonzero(other_stands[run])
    if not len(both):
        return place
    fixed = other[run][both[0]]
    away = place - fixed
    flat = np.linalg.norm(away[:2])
    reach = np.sqrt(max(distance**2 - away[2] ** 2, 0.0))
    return np.array([*(fixed[:2] + away[:2] * (reach / max(flat, _TINY))), place[2]])


def _place_foot(
    out: Float[Array, "T J 3"], leg: _Leg, stand: Array, ground: Array, times_s: Array, sole_m: float
) -> None:
    heel, toe, ankle = (out[:, joint].copy() for joint in (leg.heel, leg.toe, leg.ankle))
    whole = float(np.median(np.linalg.norm(toe - heel, axis=-1)))
    back, front = np.linalg.norm(ankle - heel, axis=-1), np.linalg.norm(ankle - toe, axis=-1)
    length = np.clip(whole, np.abs(front - back) + 1e-4, front + back - 1e-4)
    held_heel, heel_weight = _corrected(heel, stand[:, 0], ground[:, 0], times_s, sole_m)
    held_toe, toe_weight = _corrected(
        toe, stand[:, 1], ground[:, 1], times_s, sole_m, (held_heel, stand[:, 0], float(np.median(length)))
    )
    direction = normalise(held_toe - held_heel)
    by_toe = held_toe - direction * length[:, None]
    only_toe = stand[:, 1] & ~stand[:, 0]
    share = np.where(stand[:, 0], 0.0, np.where(only_toe, 1.0, (toe_weight + 1e-3) / (toe_weight + heel_weight + 2e-3)))
    new_heel = held_heel + share[:, None] * (by_toe - held_heel)
    new_toe = new_heel + direction * length[:, None]
    sunk = np.where(stand.any(1), 0.0, np.maximum(sole_m - np.minimum(new_heel[:, 2], new_toe[:, 2]), 0.0))
    new_heel[:, 2] += sunk
    new_toe[:, 2] += sunk
    along = (back**2 - front**2 + length**2) / (2 * length)
    above = np.sqrt(np.maximum(back**2 - along**2, 0.0))
    upper = ankle - heel
    upper = upper - (upper * direction).sum(-1, keepdims=True) * direction
    new_ankle = new_heel + along[:, None] * direction + above[:, None] * normalise(upper + _TINY)
    shift = _bend(out, leg, new_ankle)
    out[:, leg.heel], out[:, leg.toe] = new_heel + shift, new_toe + shift


def _bend(out: Float[Array, "T J 3"], leg: _Leg, ankle: Float[Array, "T 3"]) -> Float[Array, "T 3"]:
    """Move the ankle, and the knee in its bend plane; return what the ankle fell short of its place."""
    hip, knee, old = out[:, leg.hip], out[:, leg.knee], out[:, leg.ankle]
    thigh, shin = (np.linalg.norm(v, axis=-1) for v in (knee - hip, old - knee))
    reach = ankle - hip
    far = np.linalg.norm(reach, axis=-1)
    distance = np.clip(far, np.abs(thigh - shin) + 1e-4, thigh + shin - 1e-6)
    axis = reach / np.maximum(far, _TINY)[:, None]
    before = normalise(old - hip)
    pole = (knee - hip) - ((knee - hip) * before).sum(-1, keepdims=True) * before
    size = np.linalg.norm(pole, axis=-1, keepdims=True)
    pole = np.where(size > _STRAIGHT * thigh[:, None], pole, pole + _forward(out, leg) * _STRAIGHT)
    pole = normalise(pole - (pole * axis).sum(-1, keepdims=True) * axis)
    along = (thigh**2 - shin**2 + distance**2) / (2 * distance)
    aside = np.sqrt(np.maximum(thigh**2 - along**2, 0.0))
    out[:, leg.knee] = hip + along[:, None] * axis + aside[:, None] * pole
    placed = hip + distance[:, None] * axis
    out[:, leg.ankle] = placed
    return np.asarray(placed - ankle)


def _forward(out: Float[Array, "T J 3"], leg: _Leg) -> Float[Array, "T 3"]:
    """A horizontal direction that the toes point to, or any if there are none."""
    if leg.heel is None or leg.toe is None:
        return np.broadcast_to(np.array([1.0, 0.0, 0.0]), out[:, 0].shape)
    return normalise(out[:, leg.toe] - out[:, leg.heel])
