"""Arrays of rtmlib and scripts around it: .npz with keypoints and scores, or .npy with x, y (and score).

``keypoints`` (T, J, 2) or (T, people, J, 2) in pixels and ``scores`` (also ``keypoint_scores``, ``confidence``) of the
same shape without the last axis; or one array (T, J, 3) or (T, people, J, 3). The number of points tells the joint set.
A person who is absent in a frame is NaN or zeros. ``fps``, ``width`` and ``height`` are read if they are there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.lib import format as npy_format

from prml.errors import PrmlError
from prml.filters.tracks import Sight
from prml.io.found import Found, by_count, keypoint_format, real, sight
from prml.io.guard import guarded, one_line
from prml.io.npz import load_arrays, npz_keys, read_npy

_POINTS = ("keypoints", "keypoints_2d", "kpts", "poses")
_SCORES = ("scores", "keypoint_scores", "confidence", "scores_2d")


def find_rtmlib(path: Path) -> Found:
    """Read an array of keypoints; raise PrmlError if the file is damaged or has another shape."""
    arrays = {"keypoints": read_npy(path)} if path.suffix.lower() == ".npy" else load_arrays(path)
    return guarded(path, lambda: _parsed(arrays), "it holds no keypoints")


def _parsed(arrays: Mapping[str, np.ndarray]) -> Found:
    points = real(next(arrays[key] for key in _POINTS if key in arrays))
    scores = next((real(arrays[key]) for key in _SCORES if key in arrays), None)
    if points.ndim not in (3, 4) or points.shape[-1] not in (2, 3):
        raise PrmlError(f"expected frames x (people x) points x 2 or 3 numbers, got {_shape(points)}")
    if scores is None:
        scores = points[..., 2] if points.shape[-1] == 3 else np.ones(points.shape[:-1])
    if scores.shape != points.shape[:-1]:
        raise PrmlError(f"keypoints are {_shape(points)}, so scores must be {points.shape[:-1]}, got {_shape(scores)}")
    table = np.concatenate([points[..., :2], scores[..., None]], axis=-1)
    table = table[:, None] if table.ndim == 3 else table
    kind, _ = by_count(table.shape[2])
    frames = [_people(people) for people in table]
    given = bool((table[..., 2] != 1).any())
    size = _whole(arrays, "width"), _whole(arrays, "height")
    known = (size[0], size[1]) if size[0] and size[1] else None
    rate = float(real(arrays["fps"])) if "fps" in arrays else None
    return Found("keypoint arrays", kind, frames, rate, known, has_confidence=given)


def _people(people: Float[np.ndarray, "P J 3"]) -> list[Sight]:
    return [sight(p) for p in people if np.isfinite(p).all(-1).any() and np.nan_to_num(p[:, :2]).any()]


def _whole(arrays: Mapping[str, Any], name: str) -> int:
    value = arrays.get(name)
    if value is None:
        return 0
    number = int(real(value))
    if not 0 < number <= 100_000:
        raise PrmlError(f"expected a number of pixels in {name!r}, got {one_line(value, 40)}")
    return number


def _shape(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape)) or "a single value"


def is_rtmlib(path: Path) -> bool:
    """Whether an npz file has keypoints under one of the usual names, or a file is an array."""
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            return file.read(len(npy_format.MAGIC_PREFIX)) == npy_format.MAGIC_PREFIX
    names = set(npz_keys(path))
    return bool(names & set(_POINTS)) and "schema" not in names


FORMAT = keypoint_format(
    "rtmlib",
    (".npz", ".npy"),
    "2D keypoints and scores as arrays, as rtmlib returns them",
    find_rtmlib,
    detect=is_rtmlib,
)
