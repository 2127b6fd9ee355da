"""Tables of joint angles and of gait events, as CSV.

Angles have a row per frame, in degrees (:mod:`prml.filters.joint_angles`): ``frame, time_s``, then of each angle
``NAME_deg`` and, where the network states deviations, ``NAME_std_deg``. An angle that is not known is an empty cell.
Gait events (:mod:`prml.filters.gait`) have a row each: ``time_s, frame, side, event, step_length_m``.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from prml.filters.gait import Gait
from prml.filters.joint_angles import JointAngles
from prml.io.files import write_file
from prml.sequence import PoseSequence


def write_angles(sequence: PoseSequence, path: str | Path, overwrite: bool = False) -> None:
    """Write the joint angles of a person atomically.

    Args:
        sequence: 3D joints on H36M17 or BODY28.
        path: the file.
        overwrite: whether to replace an existing file.

    Raises:
        PrmlError: there are no such joints, the file exists, or the disk is full.
    """
    found = JointAngles.of(sequence)
    names, columns = [], []
    for k, name in enumerate(found.names):
        names.append(f"{name}_deg")
        columns.append(found.degrees[:, k])
        if found.std_deg is not None:
            names.append(f"{name}_std_deg")
            columns.append(np.where(np.isnan(found.degrees[:, k]), np.nan, found.std_deg[:, k]))
    values = np.stack(columns, 1)

    def write(file: BinaryIO) -> None:
        file.write((",".join(["frame", "time_s", *names]) + "\n").encode())
        for frame, (time, row) in enumerate(zip(sequence.times_s.tolist(), values.tolist(), strict=True)):
            cells = ["" if value != value else f"{value:.3f}" for value in row]
            file.write((",".join([str(frame), f"{time:.6f}", *cells]) + "\n").encode())

    write_file(Path(path), write, overwrite)


def write_gait(gait: Gait, sequence: PoseSequence, path: str | Path, overwrite: bool = False) -> None:
    """Write the gait events of a person atomically: strikes ("strike") with the length of their step, and "off".

    Args:
        gait: of :func:`prml.filters.gait.gait_of`.
        sequence: the person, for the frames.
        path: the file.
        overwrite: whether to replace an existing file.

    Raises:
        PrmlError: the file exists, or the disk is full.
    """
    lines = ["time_s,frame,side,event,step_length_m"]
    for event in gait.events:
        frame = int(np.argmin(np.abs(sequence.times_s - event.time_s)))
        length = "" if event.step_length_m != event.step_length_m else f"{event.step_length_m:.3f}"
        lines.append(f"{event.time_s:.6f},{frame},{event.side},{event.kind},{length}")
    write_file(Path(path), "\n".join(lines) + "\n", overwrite)
