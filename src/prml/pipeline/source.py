"""The input of a lift: video or images, keypoints, or a result to redraw."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prml.errors import PrmlError
from prml.io.entries import stated_schema
from prml.io.files import existing, refuse_url
from prml.pipeline.result import Warn
from prml.pipeline.settings import LiftSettings
from prml.scene import Scene, VideoSource

KEYPOINT_FILES = (".json", ".npz")
WHAT = "video, a folder of images, a keypoint file or a result file"
_HEAD = 4096  # our writers state the schema within this many bytes of a JSON file


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
    """

    path: Path
    kind: Literal["video", "keypoints", "poses"]
    video: Path | None = None

    @classmethod
    def of(cls, path: Path, settings: LiftSettings) -> "Source":
        """Determine the kind of an input; raise PrmlError if it does not exist or a setting does not apply to it."""
        path = existing(path, WHAT)
        if path.is_dir() or path.suffix.lower() not in KEYPOINT_FILES:
            if settings.video is not None:
                raise PrmlError(f"{path} is itself a video or image folder; leave video=... out")
            return cls(path, "video", path)
        from prml.io.poses import SCHEMAS

        video = None if settings.video is None else existing(settings.video)
        if _schema(path) not in SCHEMAS:
            return cls(path, "keypoints", video)
        for name in ("fov", "intrinsics", "fps", "flip"):
            if getattr(settings, name) is not None:
                raise PrmlError(
                    f"{path.name} is already lifted and is only redrawn; leave {name}=... out, or lift the video"
                )
        return cls(path, "poses", video)

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
    """Read the scene of a result file, or of a keypoint file with short gaps filled, with the video if given."""
    if source.kind == "poses":
        from prml.io.poses import read_poses

        sequence = read_poses(source.path)
    else:
        from prml.filters.repair import filled_in
        from prml.io.keypoints import read_keypoints

        sequence = filled_in(read_keypoints(source.path, fps=settings.fps, warn=warn))
    if source.video is None:
        return Scene.of(sequence)
    _check_length(source.video, source.path, len(sequence))
    return Scene.of(sequence, source.pictures(settings))


def _check_length(video: Path, path: Path, frames: int) -> None:
    """Raise PrmlError if the number of frames shows that the file was made from another video."""
    from prml.media.read import probe

    count = probe(video).frames
    if count is not None and abs(count - frames) > max(2, 0.02 * frames):
        raise PrmlError(f"{video.name} has {count} frames, {path.name} has {frames}; give the video it came from")


def _schema(path: Path) -> str | None:
    if path.suffix.lower() == ".json":
        with path.open("rb") as file:
            named = re.search(rb'"schema"\s*:\s*"([^"\\]*)"', file.read(_HEAD))
        if named:
            return named[1].decode(errors="replace")
    return stated_schema(path)
