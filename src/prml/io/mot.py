"""MOT: joint angles and the pelvis's path over time, as OpenSim reads coordinates of a model.

Degrees and metres, Y up, X to the front where the person faces +x of the world. The names are those of OpenSim's
full-body models (Rajagopal 2016, Pose2Sim): ``pelvis_tilt, pelvis_list, pelvis_rotation, pelvis_tx, pelvis_ty,
pelvis_tz, hip_flexion_r, hip_adduction_r, hip_rotation_r, knee_angle_r, ankle_angle_r, lumbar_extension,
lumbar_bending, lumbar_rotation, elbow_flex_r`` and the left side; other angles, but for those of the neck, keep the
names of :mod:`prml.filters.joint_angles`, which a model passes over. The pelvis is where the middle of the hips is.
Angles come from joint centres; inverse kinematics of a TRC file in OpenSim takes the model's bones instead.
"""

from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.filters.joint_angles import JointAngles, pelvis_turn
from prml.io.files import write_file
from prml.io.registry import Format, only_person
from prml.io.world import file_times, unbroken, world_joints, y_up
from prml.scene import Scene
from prml.sequence import PoseSequence

Array = np.ndarray
Columns = dict[str, Float[Array, " T"]]
_WHAT = "a MOT file"
# angle of prml.filters.joint_angles -> coordinate of OpenSim, and its sign
_SIDES = {
    "hip_flexion": ("hip_flexion", 1),
    "hip_abduction": ("hip_adduction", -1),
    "hip_rotation": ("hip_rotation", 1),
    "knee_flexion": ("knee_angle", 1),
    "ankle_dorsiflexion": ("ankle_angle", 1),
    "elbow_flexion": ("elbow_flex", 1),
}
_COORDINATES = {
    **{f"{name}_{side}": (f"{to}_{side[0]}", s) for name, (to, s) in _SIDES.items() for side in ("right", "left")},
    "trunk_flexion": ("lumbar_extension", -1),
    "trunk_bend_right": ("lumbar_bending", 1),
    "trunk_rotation_left": ("lumbar_rotation", 1),
}


def coordinates(person: PoseSequence) -> Columns:
    """Return the columns of a file: (T,) degrees, and metres for ``pelvis_tx, pelvis_ty, pelvis_tz``.

    Angles are continuous in time. One that the pose does not tell in a frame (the rotation of a straight leg) is
    interpolated linearly from the frames around; one that is never known is left out.

    Raises:
        PrmlError: no absolute joints in the world, the person is absent in a frame, or the pelvis is never known.
    """
    joints = world_joints(person, _WHAT)
    unbroken(person, _WHAT)
    turn = pelvis_turn(person)
    hips = y_up(joints[:, person.skeleton.root])
    found: Columns = dict(zip(("pelvis_tilt", "pelvis_list", "pelvis_rotation"), turn, strict=True))
    found |= {f"pelvis_t{axis}": hips[:, i] for i, axis in enumerate("xyz")}
    angles = JointAngles.of(person, deviations=False)
    for index, name in enumerate(angles.names):
        if name.startswith("neck_"):  # models have a coordinate of this name with another sign
            continue
        to, sign = _COORDINATES.get(name, (name, 1))
        found[to] = sign * angles.degrees[:, index]
    filled = {name: _filled(values, name) for name, values in found.items() if np.isfinite(values).any()}
    if "pelvis_tx" not in filled or "pelvis_tilt" not in filled:
        raise PrmlError(f"{_WHAT} needs the pelvis (both hips and the spine) in at least one frame")
    return filled


def _filled(values: Float[Array, " T"], name: str) -> Float[Array, " T"]:
    """Fill unknown frames linearly; angles take the shorter way round."""
    known = np.flatnonzero(np.isfinite(values))
    told = values[known]
    if not name.startswith("pelvis_t") or name == "pelvis_tilt":
        told = np.unwrap(told, period=360)
    return np.asarray(np.interp(np.arange(len(values)), known, told))


def write_mot(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write one person, who must be in every frame; raises PrmlError as :func:`coordinates`, or if the file exists."""
    person = only_person(scene, _WHAT)
    write_file(path, partial(_write, coordinates(person), file_times(person)), overwrite)


def _write(columns: Columns, times_s: Float[Array, " T"], file: BinaryIO) -> None:
    table = np.stack(list(columns.values()), axis=-1)
    head = ["Coordinates", "version=1", f"nRows={len(table)}", f"nColumns={1 + table.shape[1]}", "inDegrees=yes"]
    file.write(("\n".join([*head, "endheader", "\t".join(["time", *columns])]) + "\n").encode())
    row = "\t%.6f" * table.shape[1]
    for time, values in zip(times_s.tolist(), table.tolist(), strict=True):
        file.write(f"{time!r}{row % tuple(values)}\n".encode())


FORMAT = Format(
    "mot",
    (".mot",),
    "joint angles and the pelvis's path for OpenSim",
    None,
    write_mot,
    wants="world",
    one_person=True,
    gaps=False,
)
