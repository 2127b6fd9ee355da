"""The input of a lift: pictures, keypoints, or a result to be drawn again."""

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
_HEAD = 4096  # bytes of a JSON file in which our writers have named the schema


def input_path(source: object) -> Path:
    """The input's path; raises PrmlError for anything that is not the path of a local file."""
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
        path: of the input.
        kind: "video" (or a folder of images), "keypoints", or "poses" (a result file).
        video: where the pictures are; None without any.
    """

    path: Path
    kind: Literal["video", "keypoints", "poses"]
    video: Path | None = None

    @classmethod
    def of(cls, path: Path, settings: LiftSettings) -> "Source":
        """What a path is; raises PrmlError if it is not there, or if a setting has no meaning for it."""
        path = existing(path, WHAT)
        if path.is_dir() or path.suffix.lower() not in KEYPOINT_FILES:
            if settings.video is not None:
                raise PrmlError(f"{path} has pictures itself; leave video=... out")
            return cls(path, "video", path)
        from prml.io.poses import SCHEMA

        video = None if settings.video is None else existing(settings.video)
        if _schema(path) != SCHEMA:
            return cls(path, "keypoints", video)
        for name in ("fov", "intrinsics", "fps", "flip"):
            if getattr(settings, name) is not None:
                raise PrmlError(
                    f"{path.name} is lifted already and is only drawn again; leave {name}=... out, or lift the video"
                )
        return cls(path, "poses", video)

    def pictures(self, settings: LiftSettings) -> VideoSource:
        """The video, after a look at its first frame; raises PrmlError if it cannot be read or there is none."""
        if self.video is None:
            raise PrmlError(f"{self.path.name} has no pictures; give video=...")
        from prml.media.read import probe

        info = probe(self.video, fps=settings.fps)
        return VideoSource(self.video, (info.width, info.height), info.fps, info.rotation_deg)


def read_file(source: Source, settings: LiftSettings, warn: Warn | None = None) -> Scene:
    """The scene of a keypoint file, short gaps filled, or of a result file; with the video if one is given."""
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
    """Raise PrmlError if the pictures are certainly not those that the file was made from."""
    from prml.media.read import probe

    count = probe(video).frames
    if count is not None and abs(count - frames) > max(2, 0.02 * frames):
        raise PrmlError(f"{video.name} has {count} frames, {path.name} has {frames}; give its own video")


def _schema(path: Path) -> str | None:
    if path.suffix.lower() == ".json":
        with path.open("rb") as file:
            named = re.search(rb'"schema"\s*:\s*"([^"\\]*)"', file.read(_HEAD))
        if named:
            return named[1].decode(errors="replace")
    return stated_schema(path)
