"""The page of two results of one motion: side by side or overlaid, in step, with their distances."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt16

from prml.filters.pair import Pair
from prml.io.files import check_writable, write_file
from prml.view.page.pack import pack_all, printable
from prml.view.page.page import page
from prml.view.stage import Stage
from prml.view.thumbnails import Thumbnails

Array = np.ndarray
DISTANCE_STEP_M = 1e-4  # up to 6.5 m
MISSING_DISTANCE = 65535


def write_comparison(
    pair: Pair,
    path: str | Path,
    *,
    title: str,
    names: Sequence[str],
    thumbnails: Thumbnails | None = None,
    overwrite: bool = False,
) -> Path:
    """Write one HTML page that works offline and shows two results in step.

    Args:
        pair: the two results.
        path: the HTML file.
        title: heading of the page.
        names: what A and B are, for the legend.
        thumbnails: pictures of the video of A.
        overwrite: replace an existing file.

    Raises:
        PrmlError: the file cannot be written or exists without ``overwrite``.
    """
    path = Path(path)
    check_writable(path, overwrite)
    meta, arrays = pack_all([pair.a, pair.b], _stage(pair))
    meta["number"], meta["others"][0]["number"] = "A", "B"
    meta["subtitle"] = printable(" · ".join(f"{letter} {name}" for letter, name in zip("AB", names, strict=True)))
    meta["compare"] = _record(pair, names)
    arrays["apart"] = _steps(pair.distance_m)
    write_file(path, page(meta, arrays, title, thumbnails), overwrite)
    return path


def _stage(pair: Pair) -> Stage:
    """A stage on which either of the two has room."""
    one, other = Stage.of(pair.a), Stage.of(pair.b)
    floor, top = min(one.floor_m, other.floor_m), max(one.top_m, other.top_m)
    return replace(
        one,
        floor_m=floor,
        top_m=top,
        centre_m=np.array([one.centre_m[0], (floor + top) / 2, one.centre_m[2]]),
        radius_m=max(one.radius_m, other.radius_m),
        reach_m=max(one.reach_m, other.reach_m),
    )


def _record(pair: Pair, names: Sequence[str]) -> dict[str, Any]:
    frames = int(np.isfinite(pair.mean_m).sum())
    notes = [f"{frames} of {len(pair.a)} frames have both", *pair.notes, "joints relative to the hip"]
    return {
        "names": [printable(name) for name in names],
        "notes": [printable(note) for note in notes],
        "worst": pair.largest().tolist(),
        "unit": DISTANCE_STEP_M,
        "mean": round(1000 * float(np.nanmean(pair.distance_m)), 2),
    }


def _steps(distance_m: Array) -> UInt16[Array, "T J"]:
    known = np.isfinite(distance_m)
    steps = np.rint(np.where(known, distance_m, 0) / DISTANCE_STEP_M).clip(0, MISSING_DISTANCE - 1)
    return np.where(known, steps, MISSING_DISTANCE).astype("<u2")
