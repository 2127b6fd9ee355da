"""TRC (track row column): marker positions as text, the format of OpenSim, Pose2Sim and Cortex.

Three header lines (rate, counts and unit in the third), one of marker names, one of ``X1 Y1 Z1 ...``, then one line per
frame. Real files omit the blank line before the data, end lines with or without tabs, write gaps as empty cells,
``nan`` or three zeros (:func:`prml.io.motion.zeros_as_gaps`), and
miscount frames and markers; all of these are supported.
"""

import math
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.files import write_file
from prml.io.guard import guarded
from prml.io.motion import Motion, by_name, zeros_as_gaps
from prml.io.registry import Format, only_person
from prml.io.world import file_times, unbroken, world_joints, y_up
from prml.scene import Scene
from prml.skeleton import Skeleton

_UNITS_M = {"mm": 0.001, "cm": 0.01, "m": 1.0, "meters": 1.0, "metres": 1.0, "millimeters": 0.001, "in": 0.0254}
_HEADER = 5


def read_trc(path: Path | str) -> Motion:
    """Read the markers of a TRC file; NaN where a marker was not seen.

    The frame rate is taken from the header, else from the times. The file does not state the up axis; it is
    usually y, as in OpenSim and Pose2Sim.

    Raises:
        PrmlError: the file is missing, not TRC, or has a cell that is not a number.
    """
    path = Path(path)
    return guarded(path.name, lambda: _parse(path.read_text(encoding="utf-8", errors="replace")))


def _parse(text: str) -> Motion:
    lines = text.splitlines()
    if len(lines) <= _HEADER or not lines[0].lstrip("\ufeff").startswith("PathFileType"):
        raise PrmlError("not a TRC file: expected the word PathFileType and five lines of header")
    header = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    names = [name for cell in _cells(lines[3])[2:] if (name := cell.strip())]
    if not names:
        raise PrmlError("has no marker names in its fourth line")
    rows = [line for line in lines[_HEADER:] if line.strip()]
    if not rows:
        raise PrmlError("has no frames; the file is truncated")
    table = np.array([_row(line, 2 + 3 * len(names), n) for n, line in enumerate(rows, 1)])
    xyz = table[:, 2:].reshape(len(rows), len(names), 3)
    seen, roots = zeros_as_gaps(names, xyz.transpose(1, 0, 2))
    points, twice = by_name(names, seen)
    unit = _UNITS_M.get(header.get("Units", "").lower())
    notes = (*_notes(header.get("NumFrames", ""), len(rows)), *roots)
    return Motion(points, _rate(header, table[:, 1]), unit, duplicates=twice, notes=notes, usual_up="y")


def _cells(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else line.split()


def _row(line: str, width: int, number: int) -> list[float]:
    cells = _cells(line)
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if len(cells) > width:
        raise PrmlError(
            f"frame {number} has {len(cells)} cells, expected {width}: two cells per frame, three per marker"
        )
    try:
        values = [float(cell) if cell.strip() else math.nan for cell in cells]
    except ValueError:
        raise PrmlError(f"frame {number} contains a non-numeric value") from None
    return values + [math.nan] * (width - len(values))


def _rate(header: dict[str, str], times_s: Float[np.ndarray, " frames"]) -> float | None:
    try:
        stated = float(header.get("DataRate", "nan"))
    except ValueError:
        stated = math.nan
    if stated > 0 and math.isfinite(stated):
        return stated
    span = float(times_s[-1] - times_s[0])
    return (len(times_s) - 1) / span if len(times_s) > 1 and span > 0 else None


def _notes(stated: str, frames: int) -> tuple[str, ...]:
    if not stated.isdigit() or int(stated) == frames:
        return ()
    return (f"states {stated} frames but has {frames}; all are read",)


# ------------------------------------------------------------------------------------------------ writing
# marker of HALPE_26, as Pose2Sim's model has it -> joint of BODY28 or H36M17; the small toes are not measured
_MARKERS = {
    **dict.fromkeys(("Hip", "RHip", "RKnee", "RAnkle"), ""),
    "RBigToe": "RToe",
    "RHeel": "",
    **dict.fromkeys(("LHip", "LKnee", "LAnkle"), ""),
    "LBigToe": "LToe",
    "LHeel": "",
    "Neck": "Thorax",
    "Head": "",
    "Nose": "NoseTip",
    **dict.fromkeys(("RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist"), ""),
}
_WHAT = "a TRC file"


def markers_of(skeleton: Skeleton) -> dict[str, str]:
    """Return the markers that are written for a joint set, with their joints."""
    where = {marker: joint or marker for marker, joint in _MARKERS.items()}
    return {marker: joint for marker, joint in where.items() if joint in skeleton.joints}


def write_trc(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write one person as markers: metres, y up, the names of HALPE_26 as Pose2Sim and OpenSim know them.

    A marker that is not known in a frame is ``NaN``, never zero; the person must be in every frame. Times are frame /
    rate in full. Joints of the trunk and hands that HALPE_26 lacks are left out.

    Raises:
        PrmlError: there are several people, gaps, or no absolute joints in the world; the file exists.
    """
    person = only_person(scene, _WHAT)
    joints = world_joints(person, _WHAT)
    unbroken(person, _WHAT)
    seen = np.isfinite(joints).all(-1).any(0)  # a marker that is never known is left out
    where = {name: person.skeleton.index(joint) for name, joint in markers_of(person.skeleton).items()}
    names = [name for name, index in where.items() if seen[index]]
    known = [where[name] for name in names]
    table = y_up(joints[:, known]).reshape(len(person), -1)
    write_file(path, partial(_write, names, table, file_times(person), person.fps, path.name), overwrite)


def _write(
    names: list[str],
    table: Float[np.ndarray, "frames cells"],
    times_s: Float[np.ndarray, " frames"],
    fps: float,
    title: str,
    file: BinaryIO,
) -> None:
    """The dialect that every reader takes: a blank sixth line, all rows and the header equally long, exact counts."""
    first, frames, rate = round(float(times_s[0] * fps)) + 1, len(table), repr(float(fps)).removesuffix(".0")
    heads = [
        f"PathFileType\t4\t(X/Y/Z)\t{' '.join(title.split())}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{frames}\t{len(names)}\tm\t{rate}\t{first}\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(names) + 1)),
        "",
    ]
    file.write("".join(f"{line}\n" for line in heads).encode())
    row = "\t%.6f" * table.shape[1]
    for frame, (time, values) in enumerate(zip(times_s.tolist(), table.tolist(), strict=True)):
        text = row % tuple(values)
        file.write(f"{first + frame}\t{time!r}{text.replace('nan', 'NaN')}\n".encode())


FORMAT = Format(
    "trc",
    (".trc",),
    "markers as text: OpenSim, Pose2Sim, Cortex",
    read_trc,
    write_trc,
    kind="motion",
    one_person=True,
    gaps=False,
    wants="world",
)
