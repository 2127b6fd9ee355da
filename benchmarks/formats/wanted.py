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
    """Return the largest distance of a coordinate; ``place(person, bone)`` gives (T, 3) metres, Z up."""
    found = 0.0
    for number, bones in enumerate(people):
        for bone, wanted in bones.items():
            off = float(np.abs(np.asarray(place(number, bone), float) - np.asarray(wanted)).max())
            found = max(found, off if np.isfinite(off) else np.inf)
    return 1000 * found


def say(**told: Any) -> None:
    """Print the line of results."""
    print(json.dumps(told))
