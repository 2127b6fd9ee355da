"""Augmented world positions: limbs from other windows, other body proportions, people tilted or upside down.

The arms of a person say little about the legs, so arms and legs are swapped between windows, each in the frame of the
torso it is attached to. All changes are made to world positions before a camera sees them, so the input remains an
exact projection of the target. This is our own augmentation, without a paper behind it.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from prml.batches.options import MotionOptions
from prml.skeleton import BODY28, H36M17, Skeleton

Array = np.ndarray


def vary_motion(
    options: MotionOptions, rng: np.random.Generator, world_m: Float[Array, "B L J 3"]
) -> Float[Array, "B L J 3"]:
    """Augmented world positions of H36M17 or BODY28 in metres; options at zero draw no random numbers."""
    skeleton = skeleton_of(world_m)
    arms, legs = (_ARMS, _LEGS) if skeleton == H36M17 else (_ARMS + _HANDS, _LEGS + _FEET)
    for share, torso, chains in ((options.arms, _CHEST, arms), (options.legs, _PELVIS, legs)):
        if share:
            world_m = exchange_limbs(world_m, rng.random(len(world_m)) < share, torso, chains)
    if options.bones:
        logarithms = rng.normal(0, options.bones, (len(world_m), len(skeleton)))
        both_sides = (logarithms + skeleton.flip(logarithms, "scalars")) / 2**0.5
        world_m = scale_bones(world_m, np.exp(both_sides[:, _SCALED_AS[: len(skeleton)]]))
    if options.tilt:
        degrees = rng.normal(0, options.tilt_deg, len(world_m)) * (rng.random(len(world_m)) < options.tilt)
        world_m = tilt(world_m, np.radians(degrees), rng.uniform(0, 2 * np.pi, len(world_m)))
    return world_m


def skeleton_of(joints: Float[Array, "*n J d"]) -> Skeleton:
    """H36M17 or BODY28, by the number of joints."""
    return H36M17 if joints.shape[-2] == len(H36M17) else BODY28


def _joints(*names: str) -> tuple[int, ...]:
    return tuple(BODY28.index(name) for name in names)


_PELVIS = _joints("LHip", "RHip", "Spine", "Hip")
_CHEST = _joints("LShoulder", "RShoulder", "Thorax", "Spine")
_ARMS = tuple(_joints(side + "Shoulder", side + "Elbow", side + "Wrist") for side in "LR")
_LEGS = tuple(_joints(side + "Hip", side + "Knee", side + "Ankle") for side in "LR")
_HANDS = tuple(_joints(side + "Wrist", side + end) for side in "LR" for end in ("Hand", "Thumb"))
_FEET = tuple(_joints(side + "Ankle", side + end) for side in "LR" for end in ("Heel", "Toe"))
# a foot, a hand and a face grow as a whole: by the factor of heel, hand and nose tip
_WHOLE = {"RToe": "RHeel", "LToe": "LHeel", "LThumb": "LHand", "RThumb": "RHand", "LEar": "NoseTip", "REar": "NoseTip"}
_SCALED_AS = [BODY28.index(_WHOLE.get(name, name)) for name in BODY28.joints]


def _unit(v: Array) -> Array:
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6))


def torso_frame(joints_m: Float[Array, "B L J 3"], torso: tuple[int, ...]) -> Float[Array, "B L 3 3"]:
    """Rotation whose columns are a torso's front, left and up; ``torso`` is (left, right, upper, lower) joint."""
    left, right, upper, lower = (joints_m[..., j, :] for j in torso)
    across, up = _unit(left - right), upper - lower
    up = _unit(up - (up * across).sum(-1, keepdims=True) * across)
    return np.stack([np.cross(across, up), across, up], -1)


def exchange_limbs(
    joints_m: Float[Array, "B L J 3"],
    which: Bool[Array, " B"],
    torso: tuple[int, ...],
    chains: tuple[tuple[int, ...], ...],
) -> Float[Array, "B L J 3"]:
    """Give the chosen windows the limbs of the preceding window, turned with the torso; bone lengths are kept.

    Args:
        joints_m: windows in random order, any frame.
        which: windows that change.
        torso: as in :func:`torso_frame`.
        chains: limbs as joint indices from the torso outwards.
    """
    donor = np.roll(joints_m, 1, axis=0)
    turn = torso_frame(joints_m, torso) @ np.swapaxes(torso_frame(donor, torso), -1, -2)
    out = joints_m.copy()
    for chain in chains:
        for parent, child in pairwise(chain):
            given = (turn @ _unit(donor[..., child, :] - donor[..., parent, :])[..., None])[..., 0]
            length = np.linalg.norm(joints_m[..., child, :] - joints_m[..., parent, :], axis=-1, keepdims=True)
            out[..., child, :] = out[..., parent, :] + given * length
    return np.where(which[:, None, None, None], out, joints_m)


def scale_bones(joints_m: Float[Array, "B L J 3"], factors: Float[Array, "B J"]) -> Float[Array, "B L J 3"]:
    """Multiply the length of the bone that ends at each joint, keeping directions and the hip."""
    out = joints_m.copy()
    for parent, child in skeleton_of(joints_m).bones:
        bone = joints_m[..., child, :] - joints_m[..., parent, :]
        out[..., child, :] = out[..., parent, :] + bone * factors[:, child, None, None].astype(joints_m.dtype)
    return out


def tilt(
    world_m: Float[Array, "B L J 3"], angle: Float[Array, " B"], heading: Float[Array, " B"]
) -> Float[Array, "B L J 3"]:
    """Turn each window by ``angle`` about the horizontal axis at ``heading`` (radians) through the hip's mean place."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = np.cos(heading), np.sin(heading)
    rows = [
        [c + x * x * (1 - c), x * y * (1 - c), y * s],
        [x * y * (1 - c), c + y * y * (1 - c), -x * s],
        [-y * s, x * s, c],
    ]  # Rodrigues' formula for the axis (x, y, 0)
    R = np.moveaxis(np.array(rows, world_m.dtype), -1, 0)
    centre = world_m[:, :, :1].mean(1, keepdims=True)
    return np.asarray(centre + (world_m - centre) @ np.swapaxes(R, 1, 2)[:, None])
