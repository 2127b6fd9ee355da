"""C3D: labelled markers (or joints) over time.

Read by ezc3d, an optional dependency, in a separate process; written without it (:mod:`prml.io.c3d_write`).
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from prml.errors import PrmlError
from prml.io.axes import Axis
from prml.io.c3d_write import MAX_FRAMES, write_c3d
from prml.io.guard import guarded
from prml.io.motion import Motion, by_name, zeros_as_gaps
from prml.io.registry import Format
from prml.io.sandbox import Limits, run_isolated

_UNITS_M = {"mm": 0.001, "cm": 0.01, "dm": 0.1, "m": 1.0, "in": 0.0254}


def read_c3d(path: Path | str) -> Motion:
    """Read the markers of a C3D file; NaN where a marker was not seen.

    A label prefix ``Subject:`` is dropped if all labels share it, and kept if there are several people. A label that
    occurs twice is read once if only one of its markers was ever seen; otherwise it is listed in ``duplicates``.
    POINT:X_SCREEN and POINT:Y_SCREEN, if present, give the axes that point right and up.

    Raises:
        PrmlError: ezc3d is not installed, or the file is missing, damaged or has no points.
    """
    path = Path(path)
    if find_spec("ezc3d") is None:
        raise PrmlError("C3D needs ezc3d: pip install 'prml-pose[c3d]'")
    if not path.is_file():
        raise PrmlError(f"{path.name}: no such file")
    record = run_isolated(_parsed, str(path.absolute()), what=path.name, limits=Limits.for_file(path))
    return guarded(path.name, lambda: _motion(record))


def _parsed(path: str) -> dict[str, Any]:
    """Parse a C3D file; runs in a separate process, since the parser is native code."""
    import ezc3d

    try:
        file = ezc3d.c3d(path)
    except (OSError, RuntimeError, ValueError) as error:
        raise PrmlError(f"not a readable C3D file ({' '.join(str(error).split())[:100]})") from None
    group = file["parameters"]["POINT"]
    lists = sorted((key for key in group if key.startswith("LABELS")), key=lambda key: (len(key), key))
    return {
        "labels": [" ".join(str(name).split()) for key in lists for name in group[key]["value"]],
        "points": np.asarray(file["data"]["points"], dtype=np.float64)[:3],
        "fps": float(file["header"]["points"]["frame_rate"]),
        **{key: str((group.get(key, {}).get("value") or [""])[0]).strip() for key in ("UNITS", "X_SCREEN", "Y_SCREEN")},
    }


def _motion(record: dict[str, Any]) -> Motion:
    labels, points = record["labels"], record["points"]  # points: (3, markers, frames)
    if points.ndim != 3 or len(points) != 3 or not all(isinstance(label, str) for label in labels):
        raise PrmlError("its points are not x, y, z of labelled markers; it is damaged, get it again")
    if not labels or not points.size:
        raise PrmlError("has no points, only other signals")
    xyz = points.transpose(1, 2, 0)
    names = _without_common_prefix(labels[: len(xyz)])
    xyz, notes = zeros_as_gaps(names, xyz[: len(names)])
    named, twice = by_name(names, xyz)
    return Motion(
        named,
        record["fps"] or None,
        _UNITS_M.get(record["UNITS"].lower()),
        _axis(record["Y_SCREEN"]),
        _axis(record["X_SCREEN"]),
        twice,
        notes,
        usual_up="z",
    )


def _without_common_prefix(labels: list[str]) -> list[str]:
    found = {label.rpartition(":")[0] for label in labels if label and not label.startswith("*")}  # "*12": unlabelled
    if len(found) != 1:
        return labels
    prefix = f"{found.pop()}:"
    return [label.removeprefix(prefix) for label in labels]


def _axis(text: str) -> Axis | None:
    """Parse a screen axis such as "+Y", "-Z" or "X"; None for anything else."""
    axes: dict[str, Axis] = {"x": "x", "y": "y", "z": "z", "-x": "-x", "-y": "-y", "-z": "-z"}
    return axes.get(text.lower().removeprefix("+").replace(" ", ""))


FORMAT = Format(
    "c3d",
    (".c3d",),
    "points of a motion capture laboratory",
    read_c3d,
    write_c3d,
    kind="motion",
    gap_rule="points at zero with residual -1",
    max_frames=MAX_FRAMES,
    extra="c3d",
    wants="world",
)
