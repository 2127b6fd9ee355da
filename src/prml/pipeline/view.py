"""The page of a result folder, and its overlay, made again from its joints: nothing is detected or lifted."""

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
    """Write ``viewer.html`` of a result folder into it, from its ``poses.npz`` or ``poses.json``.

    Args:
        folder: what ``prml lift`` has written.
        video: where the pictures are, to be shown behind the 2D joints.
        overlay: write ``overlay.mp4`` too, which needs the video.
        overwrite: replace those that are there.
        progress: as for :func:`prml.lift`.
        warn: as for :func:`prml.lift`.

    Raises:
        PrmlError: no result in the folder, a file that may not be replaced, or a video that is not that of the result.
    """
    place = existing(Path(folder), "result folder")
    poses = next((place / name for name in POSES if (place / name).is_file()), None)
    if poses is None:
        raise PrmlError(f"{place} holds no poses.npz; give a folder that prml lift has written")
    if overlay and video is None:
        raise PrmlError("an overlay needs the pictures; give video=...")
    names = ("viewer.html", *(["overlay.mp4"] if overlay else []))
    settings = LiftSettings(video=None if video is None else os.fspath(video), overlay=overlay, overwrite=overwrite)
    inputs = [poses] if video is None else [poses, Path(video)]
    with results_folder(place, names, inputs, overwrite, among_others=True) as held:
        result = redraw(poses, settings, progress, warn)
        write_results(result, poses, held, settings, progress)
    return result
