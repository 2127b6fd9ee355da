"""Rebuild the page and overlay of a result folder from its joints, without detecting or lifting."""

import os
from pathlib import Path

from prml.errors import PrmlError
from prml.io.files import existing
from prml.pipeline.folder import results_folder
from prml.pipeline.lift import redraw, write_results
from prml.pipeline.result import LiftResult, Progress, Warn
from prml.pipeline.settings import LiftSettings

POSES = ("poses.npz", "poses.json")


def view(
    folder: str | os.PathLike[str],
    *,
    video: str | os.PathLike[str] | None = None,
    overlay: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    warn: Warn | None = None,
) -> LiftResult:
    """Write ``viewer.html`` into a result folder, from its ``poses.npz`` or ``poses.json``.

    Args:
        folder: folder written by ``prml lift``.
        video: video or image folder to show behind the 2D joints.
        overlay: also write ``overlay.mp4``, which needs the video.
        overwrite: replace existing files.
        progress: as for :func:`prml.lift`.
        warn: as for :func:`prml.lift`.

    Raises:
        PrmlError: the folder has no result, a file must not be replaced, or the video does not belong to the result.
    """
    place = existing(Path(folder), "result folder")
    poses = next((place / name for name in POSES if (place / name).is_file()), None)
    if poses is None:
        raise PrmlError(f"{place} has no poses.npz; give a folder written by prml lift")
    if overlay and video is None:
        raise PrmlError("an overlay needs the video; give video=...")
    names = ("viewer.html", *(["overlay.mp4"] if overlay else []))
    settings = LiftSettings(video=None if video is None else os.fspath(video), overlay=overlay, overwrite=overwrite)
    inputs = [poses] if video is None else [poses, Path(video)]
    with results_folder(place, names, inputs, overwrite, among_others=True) as held:
        result = redraw(poses, settings, progress, warn)
        write_results(result, poses, held, settings, progress)
    return result
