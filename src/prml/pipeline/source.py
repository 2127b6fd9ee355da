"""The input of a lift: video or images, keypoints, or a result to redraw."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from prml.errors import PrmlError
from prml.io.files import existing, refuse_url
from prml.pipeline.camera import stated_size
from prml.pipeline.result import Warn
from prml.pipeline.settings import LiftSettings
from prml.scene import Scene, VideoSource

KEYPOINT_FILES = (".json", ".npz", ".npy", ".csv", ".h5", ".hdf5", ".trc")
MOTION_FILES = (".bvh", ".amc", ".asf", ".c3d")
MAX_PEOPLE = 30  # people of one input who are lifted
WHAT = "video, a folder of images, a keypoint file or a result file"


def input_path(source: object) -> Path:
    """Return the path of the input; raise PrmlError for anything but the path of a local file."""
    if not isinstance(source, str | os.PathLike):
        raise PrmlError(
            f"prml.lift takes the path of a video, an image folder or a keypoint file, got {type(source).__name__}; "
            "for keypoints in memory use prml.load().lift(prml.PoseSequence.regular(...))"
        )
    refuse_url(str(source))
    return Path(source)


@dataclass(frozen=True)
class Source:
    """An input.

    Attributes:
        path: path of the input.
        kind: "video" (or a folder of images), "keypoints", or "poses" (a result file).
        video: the video or image folder; None if there is none.
        format: name of the format of a file, see :mod:`prml.io.registry`.
    """

    path: Path
    kind: Literal["video", "keypoints", "poses"]
    video: Path | None = None
    format: str = ""

    @classmethod
    def of(cls, path: Path, settings: LiftSettings) -> "Source":
        """Determine the kind of an input; raise PrmlError if it does not exist or a setting does not apply to it."""
        path = existing(path, WHAT)
        if path.is_dir() and not _holds_keypoints(path):
            return cls._of_pictures(path, settings)
        if not path.is_dir() and path.suffix.lower() not in (*KEYPOINT_FILES, *MOTION_FILES):
            return cls._of_pictures(path, settings)
        from prml.io.registry import format_of

        chosen = format_of(path)
        if chosen.kind == "motion":
            raise PrmlError(
                f"{path.name} ({chosen.name}) holds 3D motion, which needs no lifting; 'prml export' converts it, "
                "'prml data import' makes training data of it"
            )
        video = None if settings.video is None else existing(settings.video)
        if chosen.name != "poses":
            return cls(path, "keypoints", video, chosen.name)
        for name in ("fov", "intrinsics", "fps", "flip", "image_size", "person", "people"):
            if getattr(settings, name) is not None:
                raise PrmlError(
                    f"{path.name} is already lifted and is only redrawn; leave {name}=... out, or lift the video"
                )
        return cls(path, "poses", video, chosen.name)

    @classmethod
    def _of_pictures(cls, path: Path, settings: LiftSettings) -> "Source":
        for name in ("video", "image_size"):
            if getattr(settings, name) is not None:
                raise PrmlError(f"{path} is itself a video or image folder; leave {name}=... out")
        return cls(path, "video", path)

    def pictures(self, settings: LiftSettings) -> VideoSource:
        """Probe the video; raise PrmlError if it cannot be read or there is none."""
        if self.video is None:
            raise PrmlError(f"{self.path.name} has no images; give video=...")
        from prml.media.read import probe

        info = probe(self.video, fps=settings.fps)
        return VideoSource(self.video, (info.width, info.height), info.fps, info.rotation_deg)

    def replaced_rate(self, settings: LiftSettings) -> str | None:
        """Return a warning if ``fps`` replaces another rate that a video states, else None."""
        from prml.media.image_folder import holds_images
        from prml.media.read import probe

        if settings.fps is None or self.video is None or holds_images(self.video):
            return None
        try:
            info = probe(self.video)
        except PrmlError:  # it states no possible rate, which may be why one is given
            return None
        if not info.timed or abs(info.fps - settings.fps) <= 0.01 * info.fps:
            return None
        return f"{self.video.name} says {info.fps:.4g} frames/s; taken as {settings.fps:.4g}"


def read_file(source: Source, settings: LiftSettings, warn: Warn | None = None) -> Scene:
    """Read the scene of a result file, or of a keypoint file with short gaps filled, with the video if given.

    Of several people in a keypoint file, those that ``settings.people`` or ``settings.person`` names are kept, or the
    most prominent, and a warning says so.
    """
    video = None if source.video is None else source.pictures(settings)
    if source.kind == "poses":
        scene = _result(source.path)
    else:
        from prml.filters.repair import filled_in

        scene = _people(_keypoints(source, settings, video, warn), source, settings, warn).map(filled_in)
    if source.video is None or video is None:
        return scene
    _check_length(source.video, source.path, len(scene.times_s))
    return Scene(scene.people, video, scene.events)


def numbered(file: str, number: int) -> str:
    """Return the name of a file of one person: ``poses.npz`` for the first, ``poses_2.npz`` for the second."""
    stem, _, ending = file.rpartition(".")
    return file if number == 1 else f"{stem}_{number}.{ending}"


def _result(path: Path) -> Scene:
    """Read a result file; with the files of the other people if it is that of the first of several."""
    from prml.io.poses import read_poses

    first = read_poses(path)
    names = [numbered(path.name, number) for number in range(2, MAX_PEOPLE + 1)] if path.stem == "poses" else []
    if "people" not in first.provenance:
        return Scene.of(first)
    people = [first, *(read_poses(other) for name in names if (other := path.with_name(name)).is_file())]
    numbers = [one.provenance.get("person") for one in people]
    if len({*numbers}) < len(people) or not all(isinstance(number, int) for number in numbers):
        return Scene.of(first)
    return Scene(tuple(one.with_(track_id=number) for one, number in zip(people, numbers, strict=True)))


def _keypoints(source: Source, settings: LiftSettings, video: VideoSource | None, warn: Warn | None) -> Scene:
    """Read all people of a keypoint file."""
    from prml.io.registry import get_format

    chosen = get_format(source.format)
    size = stated_size(settings)
    if size is not None and "image_size" not in chosen.options and settings.image_size is not None:
        raise PrmlError(f"{source.path.name} states the size of its images; leave image_size=... out")
    scene = chosen.read_with(source.path, fps=settings.fps, image_size=size, video=video, warn=warn)
    if not isinstance(scene, Scene) or scene.prominent.keypoints_px is None:
        raise PrmlError(f"{source.path.name} ({chosen.name}) holds no 2D keypoints of a clip; there is nothing to lift")
    return scene


def _people(scene: Scene, source: Source, settings: LiftSettings, warn: Warn | None) -> Scene:
    """Choose among the people of a keypoint file; ``auto`` is all of them, as somebody has chosen them before."""
    if settings.person is not None:
        if not str(settings.person).isdigit():
            raise PrmlError(f"person=... is a number for a keypoint file, got {settings.person!r}")
        return Scene.of(scene.person(int(settings.person)))
    if settings.people in ("all", "auto"):
        return replace(scene, people=scene.people[:MAX_PEOPLE])
    if settings.people is not None:
        if not str(settings.people).isdigit():
            raise PrmlError(f"people=... must be a number from 1 on, all or auto, got {settings.people!r}")
        return replace(scene, people=scene.people[: int(settings.people)])
    if len(scene) > 1 and warn:
        others = ", ".join(map(str, scene.track_ids[1:]))
        warn(
            f"{source.path.name}: only the most prominent of {len(scene)} people is lifted; give person=N for another "
            f"({others}), or people=all"
        )
    return Scene.of(scene.prominent)


def _check_length(video: Path, path: Path, frames: int) -> None:
    """Raise PrmlError if the number of frames shows that the file was made from another video."""
    from prml.media.read import probe

    count = probe(video).frames
    if count is not None and abs(count - frames) > max(2, 0.02 * frames):
        raise PrmlError(f"{video.name} has {count} frames, {path.name} has {frames}; give the video it came from")


def _holds_keypoints(folder: Path) -> bool:
    """Whether a folder is a keypoint folder rather than one of images."""
    from prml.io.openpose import is_openpose

    return is_openpose(folder)
