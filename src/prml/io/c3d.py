"""C3D: labelled markers (or joints) through time; read by ezc3d, an extra."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prml.errors import PrmlError
from prml.io.motion import Axis, Motion, by_name
from prml.io.unpickle import guarded

_UNITS_M = {"mm": 0.001, "cm": 0.01, "dm": 0.1, "m": 1.0, "in": 0.0254}


def read_c3d(path: Path | str) -> Motion:
    """Markers of a C3D file; NaN where a marker was not seen.

    A prefix ``Subject:`` of the labels is dropped if all labels carry the same one, and kept where there are several
    people. A label that occurs twice is read once if only one of its markers was ever seen; otherwise it is among the
    ``duplicates``. POINT:X_SCREEN and POINT:Y_SCREEN, where they are, say which axes point right and up.

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
    lists = sorted((key for key in group if key.startswith("LABELS")), key=lambda key: (len(key), key))
    labels = [" ".join(str(name).split()) for key in lists for name in group[key]["value"]]
    points = np.asarray(file["data"]["points"], dtype=np.float64)  # (4, markers, frames)
    if not labels or not points.size:
        raise PrmlError("holds no points, only other signals")
    xyz = points[:3].transpose(1, 2, 0)
    xyz = np.where((xyz == 0).all(-1, keepdims=True), np.nan, xyz)  # how many programs write "not seen"
    named, twice = by_name(_without_common_prefix(labels[: len(xyz)]), xyz)
    return Motion(
        named,
        float(file["header"]["points"]["frame_rate"]) or None,
        _UNITS_M.get(_text(group, "UNITS").lower()),
        _axis(_text(group, "Y_SCREEN")),
        _axis(_text(group, "X_SCREEN")),
        twice,
    )


def _without_common_prefix(labels: list[str]) -> list[str]:
    found = {label.rpartition(":")[0] for label in labels if label and not label.startswith("*")}  # "*12": unlabelled
    if len(found) != 1:
        return labels
    prefix = f"{found.pop()}:"
    return [label.removeprefix(prefix) for label in labels]


def _text(group: Mapping[str, Any], key: str) -> str:
    return str((group.get(key, {}).get("value") or [""])[0]).strip()


def _axis(text: str) -> Axis | None:
    """An axis as the laboratory's screen has it: "+Y", "-Z", "X"; None for anything else."""
    axes: dict[str, Axis] = {"x": "x", "y": "y", "z": "z", "-x": "-x", "-y": "-y", "-z": "-z"}
    return axes.get(text.lower().removeprefix("+").replace(" ", ""))
