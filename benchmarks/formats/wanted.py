"""What the programs beside this file share; they run in environments without prml."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray


def given() -> tuple[str, dict[str, Any]]:
    """Return the file to read, and what must be in it."""
    return sys.argv[1], json.loads(Path(sys.argv[2]).read_text())


def z_up(points: Array) -> Array:
    """Turn places with Y up to Z up."""
    points = np.asarray(points, float)
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def worst_mm(people: Sequence[dict[str, Sequence]], place: Callable[[int, str], Array]) -> float:
    """Return the largest distance of a coordinate; ``place(person, bone)`` gives (T, 3) metres, Z up; NaN: unknown."""
    found = 0.0
    for number, bones in enumerate(people):
        for bone, wanted in bones.items():
            places, right = np.asarray(place(number, bone), float), np.asarray(wanted, float)
            off = np.where(np.isnan(right) & np.isnan(places), 0.0, np.abs(places - right))  # both unknown: right
            found = max(found, float(off.max()) if np.isfinite(off).all() else np.inf)
    return 1000 * found


def say(**told: Any) -> None:
    """Print the line of results."""
    print(json.dumps(told))
