"""Sports2D's pixel files (``..._px_person00.trc``): 2D joints of one person in the form of a TRC file.

x is to the right and y down, in pixels, although the header says metres; z is 0. Its metre files (``_m_``) and the TRC
files of Pose2Sim are 3D and read as motion: see :mod:`prml.io.trc`.
"""

from pathlib import Path

import numpy as np

from prml.errors import PrmlError
from prml.filters.tracks import Sight
from prml.io.coco import named_sight
from prml.io.found import Found, keypoint_format
from prml.io.guard import guarded
from prml.io.joint_names import by_names
from prml.io.motion import Motion
from prml.io.trc import read_trc

_PIXELS = 20.0  # no person is so large in metres, and none so small in pixels
_HEAD = 2**16


def find_sports2d(path: Path) -> Found:
    """Read a pixel file of Sports2D; raise PrmlError if it is damaged or in metres."""
    motion = read_trc(path)
    return guarded(path, lambda: _found(motion), "it is not a file of Sports2D")


def _found(motion: Motion) -> Found:
    names = list(motion.points)
    if not _flat(motion):
        raise PrmlError("its points are 3D; give Sports2D's pixel file (_px_), or write it with 'prml export'")
    table = np.stack([motion.points[name] for name in names], axis=1)  # x, y, 0; NaN where not found
    notes: tuple[str, ...] = ()
    if np.nanmax(table[..., 1]) <= 0:
        table[..., 1] *= -1
        notes = ("y counts upwards; it was turned down",)
    table[..., 2] = np.where(np.isnan(table[..., 0]), 0.0, 1.0)
    named = by_names(names)
    frames: list[list[Sight]] = [[named_sight(row, named)] if row[:, 2].any() else [] for row in table]
    return Found("Sports2D pixels", named.skeleton, frames, motion.fps, has_confidence=False, notes=notes)


def _flat(motion: Motion) -> bool:
    """Whether z is 0 throughout and the points spread over many units, as pixels do."""
    xyz = np.stack(list(motion.points.values()))
    seen = xyz[np.isfinite(xyz).all(-1)]
    return bool(len(seen)) and not seen[:, 2].any() and bool(np.ptp(seen[:, :2], axis=0).max() > _PIXELS)


def is_sports2d(path: Path) -> bool:
    """Whether a TRC file holds pixels, by its first rows."""
    with path.open("rb") as file:
        lines = file.read(_HEAD).decode("utf-8", errors="replace").splitlines()[:-1]
    rows = [line.split("\t")[2:] for line in lines[5:] if line.strip()][:20]
    try:
        values = np.array([[float(cell or "nan") for cell in row[: len(row) // 3 * 3]] for row in rows])
    except ValueError:
        return False
    if values.ndim != 2 or not values.size:
        return False
    xyz = values.reshape(-1, 3)
    seen = xyz[np.isfinite(xyz).all(-1)]
    return bool(len(seen)) and not seen[:, 2].any() and bool(np.abs(seen[:, :2]).max() > _PIXELS)


FORMAT = keypoint_format(
    "sports2d",
    (".trc",),
    "2D joints in pixels of Sports2D",
    find_sports2d,
    detect=is_sports2d,
)
