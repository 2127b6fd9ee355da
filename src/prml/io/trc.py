"""TRC (track row column): marker positions as text, the format of OpenSim, Pose2Sim and Cortex.

Three header lines (rate, counts and unit in the third), one of marker names, one of ``X1 Y1 Z1 ...``, then one line per
frame. Real files omit the blank line before the data, end lines with or without tabs, write gaps as empty cells,
``nan`` or three zeros (:func:`prml.io.motion.zeros_as_gaps`), and
miscount frames and markers; all of these are supported.
"""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.guard import guarded
from prml.io.motion import Motion, by_name, zeros_as_gaps
from prml.io.registry import Format

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


FORMAT = Format("trc", (".trc",), "markers as text: OpenSim, Pose2Sim, Cortex", read_trc, kind="motion")
