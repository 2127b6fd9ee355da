"""Rebuild the page and overlay of a result folder from its joints, without detecting or lifting."""

import os
from dataclasses import replace
from pathlib import Path, PurePath

from prml.errors import PrmlError
from prml.io.files import existing
from prml.io.motion_file import read_motion
from prml.io.poses import read_poses
from prml.motion import Motion
from prml.pipeline.folder import results_folder
from prml.pipeline.lift import redraw, write_results
from prml.pipeline.result import LiftResult, Warn
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import KEYPOINT_FILES, Source, read_file
from prml.progress import StageProgress
from prml.sequence import PoseSequence

POSES, MOTION = ("poses.npz", "poses.json"), "motion.npz"


def view(
    folder: str | os.PathLike[str],
    *,
    video: str | os.PathLike[str] | None = None,
    overlay: bool = False,
    overwrite: bool = False,
    progress: StageProgress | None = None,
    warn: Warn | None = None,
) -> LiftResult:
    """Write ``viewer.html`` into a result folder, from its ``poses.npz`` or ``poses.json``, and ``motion.npz`` if any.

    Args:
        folder: folder written by ``prml lift``.
        video: video or image folder to show behind the 2D joints; None for the file that the result names as its
            input, if it is in the folder, beside it or in the current folder.
        overlay: also write ``overlay.mp4``, which needs the video.
        overwrite: replace existing files.
        progress: as for :func:`prml.lift`.
        warn: as for :func:`prml.lift`.

    Raises:
        PrmlError: the folder has no result, a file must not be replaced, or the video does not belong to the result.
    """
    place = existing(Path(folder), "result folder")
    poses = poses_in(place)
    names = ("viewer.html", *(["overlay.mp4"] if overlay else []))
    settings = LiftSettings(
        video=None if video is None else os.fspath(video), overlay=overlay, overwrite=overwrite, motion=False
    )
    missing = ""
    if video is None:
        settings, missing = with_recorded_video(poses, settings)
        if overlay and missing:
            raise PrmlError("an overlay needs the video; give video=...")
        if missing and warn:
            warn(missing)
    inputs = [poses] if settings.video is None else [poses, Path(settings.video)]
    with results_folder(place, names, inputs, overwrite, among_others=True) as held:
        result = redraw(poses, settings, progress, warn)
        if (place / MOTION).is_file():
            result = replace(result, motion=_motion_of(place / MOTION, result.sequence))
        result.warnings.extend([missing] if missing else [])
        write_results(result, poses, held, settings, progress)
    return result


def poses_in(folder: Path) -> Path:
    """Return the result file of a folder; raise PrmlError if it has none."""
    poses = next((folder / name for name in POSES if (folder / name).is_file()), None)
    if poses is None:
        raise PrmlError(f"{folder} has no poses.npz; give a folder written by prml lift")
    return poses


def _motion_of(file: Path, poses: PoseSequence) -> Motion:
    """Read the motion of the poses; raise PrmlError if it belongs to others."""
    motion = read_motion(file)
    if len(motion) != len(poses):
        raise PrmlError(
            f"{file} has {len(motion)} frames, and the poses beside it {len(poses)}: lift the poses again, or remove it"
        )
    return replace(motion, sequence=motion.sequence.with_(source=poses.source))


def with_recorded_video(poses: Path, settings: LiftSettings) -> tuple[LiftSettings, str]:
    """Add the video that the result names as its input; also return why it has none, "" if it was found.

    Results record the name of their input, not where it was. A file of that name which does not fit the result (another
    number of frames or image size) is passed over.
    """
    name = PurePath(str(read_poses(poses).provenance.get("input") or "")).name
    if not name or name.lower().endswith(KEYPOINT_FILES):
        return settings, "the page is without pictures: the result names no video; give video=..."
    why = f"{name} is not there"
    for folder in (poses.parent, poses.parent.resolve().parent, Path()):
        video = folder / name
        if os.path.isfile(video):  # noqa: PTH113  # a recorded name may be impossible, which Path.is_file raises for
            try:
                read_file(Source(poses, "poses", video), settings)
            except PrmlError:
                why = f"the {name} there does not fit the result"
                continue
            return replace(settings, video=os.fspath(video)), ""
    return settings, f"the page is without pictures: {why}; give video=..."
