"""C3D: labelled markers (or joints) through time; read by ezc3d, an extra."""

from pathlib import Path
from typing import Any

import numpy as np

from prml.errors import PrmlError
from prml.io.motion import Motion, Up
from prml.io.unpickle import guarded

_UNITS_M = {"mm": 0.001, "cm": 0.01, "dm": 0.1, "m": 1.0, "in": 0.0254}


def read_c3d(path: Path | str) -> Motion:
    """Markers of a C3D file; NaN where a marker was not seen. A prefix ``Subject:`` of the labels is dropped.

    Raises:
        PrmlError: ezc3d is not installed, or the file is absent, broken or without points.
    """
    path = Path(path)
    try:
        import ezc3d
    except ImportError:
        raise PrmlError("C3D needs ezc3d: pip install 'prml-pose[c3d]'") from None
    if not path.is_file():
        raise PrmlError(f"{path.name}: no such file")
    try:
        file = ezc3d.c3d(str(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise PrmlError(f"{path.name}: not a readable C3D file ({' '.join(str(error).split())[:100]})") from None
    return guarded(path.name, lambda: _motion(file))


def _motion(file: Any) -> Motion:
    group = file["parameters"]["POINT"]
    labels = [str(name) for key in sorted(group) if key.startswith("LABELS") for name in group[key]["value"]]
    points = np.asarray(file["data"]["points"], dtype=np.float64)  # (4, markers, frames)
    if not labels or not points.size:
        raise PrmlError("holds no points, only other signals")
    xyz = points[:3].transpose(1, 2, 0)
    xyz = np.where((xyz == 0).all(-1, keepdims=True), np.nan, xyz)  # how many programs write "not seen"
    named = {name.split(":")[-1].strip(): xyz[i] for i, name in enumerate(labels[: len(xyz)])}
    unit = str((group.get("UNITS", {}).get("value") or [""])[0]).strip().lower()
    return Motion(named, float(file["header"]["points"]["frame_rate"]), _UNITS_M.get(unit), _up(group))


def _up(group: dict[str, Any]) -> Up | None:
    axis = str((group.get("Y_SCREEN", {}).get("value") or [""])[0]).upper()  # what points up on the lab's screen
    return "z" if "Z" in axis else "y" if "Y" in axis else None
