"""Joint positions for the robot retargeting of holosoma (OmniRetarget), in its ``smplx`` data format.

``global_joint_positions`` (T, 22, 3): metres, z up, in the order of SMPL-X's body joints; ``height``: the person's
height in metres; besides ``fps``. The collars lie halfway from neck to shoulder, and the spine's joints along the trunk
(the robot's mapping uses neither); a foot is the tip of its big toe.
"""

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.files import write_file
from prml.io.registry import Format, only_person
from prml.io.world import evenly, unbroken, world_joints
from prml.scene import Scene
from prml.skeleton import BODY28

_WHAT = "a file for holosoma"
JOINTS = (
    *("Pelvis", "L_Hip", "R_Hip", "Spine1", "L_Knee", "R_Knee", "Spine2", "L_Ankle", "R_Ankle", "Spine3", "L_Foot"),
    *("R_Foot", "Neck", "L_Collar", "R_Collar", "Head", "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist"),
    "R_Wrist",
)
_RULES: dict[str, dict[str, float]] = {
    "Pelvis": {"Hip": 1.0},
    "Spine1": {"Hip": 0.5, "Spine": 0.5},
    "Spine2": {"Spine": 1.0},
    "Spine3": {"Spine": 0.5, "Thorax": 0.5},
    "Neck": {"Thorax": 1.0},
    "Head": {"Nose": 1.0},
    **{f"{s}_Collar": {"Thorax": 0.5, f"{s}Shoulder": 0.5} for s in "LR"},
    **{f"{s}_Foot": {f"{s}Toe": 1.0} for s in "LR"},
    **{f"{s}_{j}": {f"{s}{j}": 1.0} for s in "LR" for j in ("Hip", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist")},
}


def write_holosoma(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write one person, on an even clock.

    Raises:
        PrmlError: there are several people, gaps, joints that are never known, 17 joints (the feet are needed), or no
            absolute joints in the world; the file exists.
    """
    person = evenly(only_person(scene, _WHAT))
    joints = world_joints(person, _WHAT)
    unbroken(person, _WHAT)
    if person.skeleton != BODY28:
        raise PrmlError(f"{_WHAT} needs the feet, got {person.skeleton.name}; lift with weights of 28 joints")
    points = np.zeros((len(person), len(JOINTS), 3))
    for index, name in enumerate(JOINTS):
        for source, weight in _RULES[name].items():
            points[:, index] += weight * joints[:, BODY28.index(source)]
    if np.isnan(points).any():
        lost = JOINTS[int(np.isnan(points).any((0, 2)).argmax())]
        raise PrmlError(
            f"{_WHAT} holds no gaps, and {lost} is not known in every frame; fill the gaps or cut the motion"
        )
    arrays = {
        "global_joint_positions": points.astype(np.float32),
        "height": np.float64(height_m(joints)),
        "fps": person.fps,
    }
    write_file(path, partial(_save, arrays), overwrite)


def _save(arrays: dict[str, Any], file: BinaryIO) -> None:
    np.savez(file, **arrays)


def height_m(joints: Float[np.ndarray, "T 28 3"]) -> float:
    """Return the standing height: the lengths of heel, shin, thigh, trunk, neck and head one above the other."""

    def length(first: str, second: str) -> float:
        apart = joints[:, BODY28.index(first)] - joints[:, BODY28.index(second)]
        return float(np.nanmedian(np.linalg.norm(apart, axis=-1)))

    leg = ("Hip", "Knee", "Ankle", "Heel")
    legs = sum(length(s + a, s + b) for s in "LR" for a, b in pairwise(leg)) / 2
    return legs + sum(length(a, b) for a, b in pairwise(("Hip", "Spine", "Thorax", "Nose", "Head")))


FORMAT = Format(
    "holosoma",
    (".npz",),
    "joint positions and height for robot retargeting with holosoma (OmniRetarget)",
    None,
    write_holosoma,
    holds=lambda scene: False,
    one_person=True,
    gaps=False,
    wants="world",
)
