"""Where a detector puts its points: beside the centres of the joints, by much the same in every frame of a clip.

A "hip" is what annotators clicked: for BlazePose some 50 mm under the hip joint. ``detector_convention.json`` holds
mean and spread for its three models (``benchmarks/measure_detector_convention.py``; docs/detector_noise.md says how).
Points are moved in the frame of the body before they are projected, while the target stays the joint's centre, so a
network learns to return centres.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Float

from prml.batches.options import VideoOptions
from prml.skeleton import Skeleton

Array = np.ndarray
LEG_M = 0.854  # thigh and shin of the person that the offsets are stated for
_SHARED = 0.8  # of an offset's spread is the same on both sides (0.6 is not, 0.8^2 + 0.6^2 = 1)
_OF_THE_CHEST = ("shoulder", "elbow", "wrist", "hand", "thumb")
_BEFORE = {"Elbow": "Shoulder", "Wrist": "Elbow", "Heel": "Ankle", "Toe": "Ankle", "Hand": "Wrist", "Thumb": "Wrist"}


@dataclass(frozen=True)
class Convention:
    """Offsets of the points of one detector in a person of ``LEG_M``, in metres.

    Attributes:
        mean, spread: part ("hip", "knee", ...) -> to the front, outwards, up. Of ends of limbs (elbow, wrist, heel,
            toe, hand, thumb) the third is along the bone that ends there, of knee and ankle up along the shin.
    """

    mean: dict[str, Float[Array, "3"]]
    spread: dict[str, Float[Array, "3"]]


@cache
def measured_conventions() -> tuple[Convention, ...]:
    """Those of the models lite, full and heavy."""
    record = json.loads(files("prml.batches").joinpath("detector_convention.json").read_text(encoding="utf-8"))
    return tuple(
        Convention(*({k: np.array(v) / 1000 for k, v in model[f"{name}_mm"].items()} for name in ("mean", "spread")))
        for model in record["models"].values()
    )


def displace(
    options: VideoOptions, rng: np.random.Generator, points_m: Float[Array, "B L K 3"], measured: Skeleton
) -> Float[Array, "B L K 3"]:
    """Measured points where a detector sees them, in a share of the windows; at zero no random number is drawn.

    Args:
        options: the share, and a factor on the spread.
        rng: source of randomness.
        points_m: joint centres in any right-handed frame, metres.
        measured: MEASURED13 or MEASURED24.
    """
    if not options.convention:
        return points_m
    which = rng.random(len(points_m)) < options.convention
    offsets, along_thigh = sample_offsets(rng, len(points_m), measured, options.convention_spread)
    moved = points_m + body_vectors(points_m, offsets, along_thigh, measured).astype(points_m.dtype)
    return np.where(which[:, None, None, None], moved, points_m)


def sample_offsets(
    rng: np.random.Generator, count: int, measured: Skeleton, spread: float = 1.0
) -> tuple[Float[Array, "B K 3"], Float[Array, " B"]]:
    """Offsets of every window, each of one of the models, and how far "down" means along the thigh for the hips.

    Returns:
        Front, out and up (or along the bone) in metres of a person of ``LEG_M``; a share from 0 (down the trunk) to 1.
    """
    models, chosen = measured_conventions(), rng.integers(0, len(measured_conventions()), count)
    parts = sorted(models[0].mean)
    mean, sigma = (np.stack([[getattr(m, n)[p] for p in parts] for m in models])[chosen] for n in ("mean", "spread"))
    both = rng.standard_normal((count, len(parts), 3))
    own = rng.standard_normal((count, len(measured), 3))
    along_thigh = rng.uniform(0, 1, count)
    column = [parts.index(_part(name)) for name in measured.joints]
    mixed = _SHARED * both[:, column] + np.sqrt(1 - _SHARED**2) * own
    return mean[:, column] + spread * sigma[:, column] * mixed, along_thigh


def _part(joint: str) -> str:
    if joint in ("HeadCentre", "NoseTip"):
        return {"HeadCentre": "ear", "NoseTip": "nose"}[joint]
    return joint[1:].lower()


def _unit(v: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6))


def _frame(across: Float[Array, "*n 3"], up: Float[Array, "*n 3"]) -> Float[Array, "*n 3 3"]:
    """Front, left and up as rows; left lies along ``across``."""
    left = _unit(across)
    up = _unit(up - (up * left).sum(-1, keepdims=True) * left)
    return np.stack([np.cross(left, up), left, up], -2)


def body_vectors(
    points_m: Float[Array, "B L K 3"],
    offsets_m: Float[Array, "B K 3"],
    along_thigh: Float[Array, " B"],
    measured: Skeleton,
) -> Float[Array, "B L K 3"]:
    """Offsets of the body's frame as vectors of the frame that the points are in, as long as the person is large.

    Args:
        points_m: joint centres.
        offsets_m: front, out and up (or along the bone) of a person of ``LEG_M``.
        along_thigh: the hips' "up" turns from the trunk (0) to the thigh (1).
        measured: MEASURED13 or MEASURED24.
    """

    def at(name: str) -> Array:
        return points_m[:, :, measured.index(name)].astype(np.float64)

    trunk = (at("LShoulder") + at("RShoulder") - at("LHip") - at("RHip")) / 2
    pelvis, chest = (_frame(at("L" + n) - at("R" + n), trunk) for n in ("Hip", "Shoulder"))
    head = chest
    if "NoseTip" in measured.joints:
        across = at("LEar") - at("REar")
        head = _frame(across, np.cross(at("NoseTip") - (at("LEar") + at("REar")) / 2, across))
    out = np.zeros(points_m.shape)
    for joint, name in enumerate(measured.joints):
        part = _part(name)
        frame = head if part in ("ear", "nose") else chest if part in _OF_THE_CHEST else pelvis
        front, sideways, up = np.moveaxis(frame, -2, 0)
        outwards = {"L": 1.0, "R": -1.0}.get(name[0], 0.0) if part != "nose" else 1.0
        if part == "hip":
            thigh, share = _unit(at(name) - at(name[0] + "Knee")), along_thigh[:, None, None]
            up = _unit((1 - share) * up + share * thigh)
        elif part in ("knee", "ankle"):
            up = _unit(at(name[0] + "Knee") - at(name[0] + "Ankle"))
        elif name[1:] in _BEFORE:
            up = _unit(at(name) - at(name[0] + _BEFORE[name[1:]]))
        by = offsets_m[:, joint, None, :, None]
        out[:, :, joint] = by[:, :, 0] * front + by[:, :, 1] * outwards * sideways + by[:, :, 2] * up
    legs = [
        np.linalg.norm(at(s + a) - at(s + b), axis=-1) for s in "LR" for a, b in (("Hip", "Knee"), ("Knee", "Ankle"))
    ]
    size = np.sum(legs, 0).mean(1) / 2 / LEG_M
    return np.asarray(out * size[:, None, None, None])
