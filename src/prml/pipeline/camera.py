"""The camera of a lift: given, stated by the input, or assumed."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from prml.camera import Camera, normalise
from prml.errors import PrmlError
from prml.pipeline.settings import LiftSettings
from prml.scene import Scene, VideoSource
from prml.sequence import PoseSequence

DEFAULT_FOV_DEG = 55.0
MAX_SIDE = 100_000


def camera_of(sequence: PoseSequence, settings: LiftSettings) -> Camera:
    """Return the camera: from a file, from the keypoint file, or assumed from a field of view. Raises PrmlError."""
    width, height = image_size(sequence)
    _check_lens(settings)
    if settings.intrinsics:
        return _camera_file(Path(settings.intrinsics), width, height)
    if settings.fov is None and sequence.camera is not None:
        return sequence.camera
    return Camera.from_fov(width, height, DEFAULT_FOV_DEG if settings.fov is None else settings.fov)


def levelled(scene: Scene) -> Scene:
    """Return a scene whose cameras without extrinsics are turned as the video's metadata say, if they say it."""
    from prml.filters.gravity import stated_gravity

    unknown = [person for person in scene if person.camera is not None and stated_gravity(person.camera) is None]
    if not unknown or (up := _up_of(scene.video)) is None:
        return scene
    ahead = np.array([0.0, 0.0, 1.0]) if abs(up[2]) < 0.99 else np.array([0.0, -1.0, 0.0])
    ahead = normalise(ahead - (ahead @ up) * up)
    turn = np.stack([np.cross(ahead, up), ahead, up], axis=1)

    def turned(person: PoseSequence) -> PoseSequence:
        camera = person.camera
        if camera is None or stated_gravity(camera) is not None:
            return person
        told = f"{camera.source}, gravity from the video's metadata"
        return person.with_(camera=replace(camera, R_world_to_camera=turn, source=told))

    return scene.map(turned)


def _up_of(video: VideoSource | None) -> np.ndarray | None:
    from prml.media.gravity import gravity_of

    return gravity_of(video.path, video.rotation_deg) if video is not None and video.path.is_file() else None


def _check_lens(settings: LiftSettings) -> None:
    if settings.intrinsics and settings.fov is not None:
        raise PrmlError("give fov=... or intrinsics=..., not both")


def image_size(sequence: PoseSequence) -> tuple[int, int]:
    """Return width and height of the image in pixels; raise PrmlError if unknown."""
    if sequence.image_size is None:
        raise PrmlError("the size of the image is not known; give the sequence an image_size (width, height)")
    return sequence.image_size


def stated_size(settings: LiftSettings) -> tuple[int, int] | None:
    """Return the size of the image that the settings state, directly or with the intrinsics; raises PrmlError."""
    _check_lens(settings)
    if settings.image_size is not None:
        found = re.fullmatch(r"\s*(\d{1,6})\s*[x*,X]\s*(\d{1,6})\s*", settings.image_size)
        if not found or not all(0 < int(side) <= MAX_SIDE for side in found.groups()):
            raise PrmlError(f"image_size must be like 1920x1080 (width, height in pixels), got {settings.image_size!r}")
        return int(found[1]), int(found[2])
    if settings.intrinsics:
        camera = _read_camera(Path(settings.intrinsics))
        return camera.width, camera.height
    return None


def _camera_file(path: Path, width: int, height: int) -> Camera:
    camera = _read_camera(path)
    if (camera.width, camera.height) != (width, height):
        raise PrmlError(f"{path} is for {camera.width} x {camera.height} pixels, the input has {width} x {height}")
    return camera


def _read_camera(path: Path) -> Camera:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PrmlError(
            f"{path} is not a readable JSON file with camera intrinsics: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(record, dict):
        raise PrmlError(f"{path} must contain an object with width, height, fx, fy, cx, cy")
    try:
        return Camera.from_dict({"source": f"file {path.name}", **record})
    except PrmlError as error:
        raise PrmlError(f"{path}: {error}") from None
