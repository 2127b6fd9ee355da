"""Video, image folder or keypoint file in; poses, overlay and viewer out. What ``prml lift`` and ``prml.lift`` do."""

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from prml import __version__
from prml.camera import Camera
from prml.errors import PrmlError
from prml.filters.marks import mark_inferred
from prml.filters.root import Placement
from prml.filters.scale import to_metres
from prml.io.files import refuse_url
from prml.io.registry import save_file
from prml.lifting.lifter import Lifter, LiftOptions
from prml.lifting.prediction_cache import PredictionCache
from prml.options import check
from prml.pipeline.folder import ResultsFolder, results_folder
from prml.pipeline.settings import LiftSettings
from prml.provenance import commit
from prml.scene import Scene, VideoSource
from prml.sequence import PoseSequence
from prml.weights.record import Record, load_record

if TYPE_CHECKING:
    from prml.detect.base import Detection
    from prml.image_features.source import FrameFeatures

Progress = Callable[[str, int, int | None], None]
Warn = Callable[[str], None]
DEFAULT_FOV_DEG = 55.0
KEYPOINT_FILES = (".json", ".npz")
OUTPUTS = ("poses.npz", "poses.json", "overlay.mp4", "viewer.html")


@dataclass(frozen=True)
class LiftResult:
    """What lifting gave.

    Attributes:
        scene: everybody who was lifted, with the video and what happened in it.
        residual_px: mean distance between the given 2D and the projection of the lifted pose, over frames with a
            person; of the most prominent person.
        seconds: wall time per stage.
        files: what was written, by name.
        warnings: one line each.
        provenance: what made it.
    """

    scene: Scene
    residual_px: float
    seconds: dict[str, float]
    files: dict[str, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def sequence(self) -> PoseSequence:
        """The most prominent person on H36M17.

        ``joints_m`` are root-relative camera-frame metres; ``std_m``, 2D, confidence, times and flags are beside them.
        """
        return self.scene.prominent

    def save(self, path: str | Path, format: str | None = None, *, overwrite: bool = False) -> None:
        """Write the scene by the ending of ``path``, with its provenance; see :func:`prml.save_file`.

        Raises:
            PrmlError: as :func:`prml.save_file` does.
        """
        made_by = {**self.provenance}
        save_file(self.scene.map(lambda person: person.with_(provenance=made_by)), path, format, overwrite=overwrite)


def camera_of(sequence: PoseSequence, settings: LiftSettings) -> Camera:
    """The camera: from a file, from the keypoint file, or assumed from a field of view. Raises PrmlError."""
    width, height = _image_size(sequence)
    if settings.intrinsics and settings.fov is not None:
        raise PrmlError("give fov=... or intrinsics=..., not both")
    if settings.intrinsics:
        return _camera_file(Path(settings.intrinsics), width, height)
    if settings.fov is None and sequence.camera is not None:
        return sequence.camera
    return Camera.from_fov(width, height, DEFAULT_FOV_DEG if settings.fov is None else settings.fov)


def _image_size(sequence: PoseSequence) -> tuple[int, int]:
    if sequence.image_size is None:
        raise PrmlError("the size of the image is not known; give the sequence an image_size (width, height)")
    return sequence.image_size


def _camera_file(path: Path, width: int, height: int) -> Camera:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PrmlError(
            f"{path} is not a readable JSON file with camera intrinsics: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(record, dict):
        raise PrmlError(f"{path} must hold an object with width, height, fx, fy, cx, cy")
    try:
        camera = Camera.from_dict({"source": f"file {path.name}", **record})
    except PrmlError as error:
        raise PrmlError(f"{path}: {error}") from None
    if (camera.width, camera.height) != (width, height):
        raise PrmlError(f"{path} is for {camera.width} x {camera.height} pixels, the input has {width} x {height}")
    return camera


def _lifter(path: Path, settings: LiftSettings) -> Lifter:
    record = load_record(settings.weights)
    flip = record.card.imported and record.card.flip if settings.flip is None else settings.flip
    return Lifter(record, LiftOptions(flip=flip), image_features=_image_features(record, path, settings))


def _image_features(record: Record, path: Path, settings: LiftSettings) -> "FrameFeatures | None":
    """Features of the video's frames, if the network needs them."""
    card, given = record.card, settings.backbone is not None or settings.backbone_weights is not None
    if not record.network.image_channels:
        if given:
            raise PrmlError(f"{card.network} needs no image features; leave backbone=... and backbone_weights=... out")
        return None
    if _is_keypoints(path):
        raise PrmlError(f"{card.network} needs image features: give the video, {path.name} holds keypoints only")
    from prml.image_features.backbones import open_backbone
    from prml.image_features.source import FrameFeatures

    name = settings.backbone or str(card.context.get("name", ""))
    if not name or (":" in name and settings.backbone is None):  # code is run only if the user names it
        raise PrmlError(f"{card.name} needs its backbone{f' ({name})' if name else ''}; give backbone=...")
    return FrameFeatures(path, open_backbone(name, settings.backbone_weights), fps=settings.fps)


def _is_keypoints(path: Path) -> bool:
    return path.suffix.lower() in KEYPOINT_FILES and not path.is_dir()


def _eagerly(
    lifter: Lifter, camera: Camera, cache: PredictionCache
) -> AbstractContextManager[Callable[[float, "Detection | None"], None] | None]:
    """Lift while the detector works, if the network allows it and there is a core left for it."""
    from prml.lifting.eager import can_lift_eagerly, lifting_eagerly

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2 or not can_lift_eagerly(lifter):
        return nullcontext()
    from prml.detect.mediapipe import MediaPipeDetector

    return lifting_eagerly(lifter, MediaPipeDetector.skeleton, camera, cache)


def _video(path: Path, settings: LiftSettings) -> VideoSource:
    from prml.media.read import probe

    info = probe(path, fps=settings.fps)
    return VideoSource(path, (info.width, info.height), info.fps, info.rotation_deg)


def _read(
    path: Path, settings: LiftSettings, lifter: Lifter, cache: PredictionCache, progress: Progress, warn: Warn
) -> tuple[Scene, dict[str, float]]:
    """The scene in 2D and seconds spent; ``cache`` receives what was lifted meanwhile."""
    started = perf_counter()
    if _is_keypoints(path):
        from prml.filters.repair import filled_in
        from prml.io.keypoints import read_keypoints

        sequence = filled_in(read_keypoints(path, fps=settings.fps, warn=warn))
        return Scene.of(sequence), {"read": perf_counter() - started}
    from prml.detect.run import detect

    video = _video(path, settings)
    camera = camera_of(PoseSequence.regular(0, video.fps, image_size=video.image_size), settings)
    with _eagerly(lifter, camera, cache) as on_person:
        sequence = detect(
            path,
            model=settings.model,
            fps=settings.fps,
            on_warning=warn,
            on_person=on_person,
            progress=lambda n, of: progress("detect", n, of),
        )
    return Scene.of(sequence, video), {"detect": perf_counter() - started}


def residual_px(sequence: PoseSequence) -> float:
    """Mean distance in pixels between 2D keypoints and the lifted pose projected from where it fits best."""
    posed = sequence.relative_to_root()
    joints, points = posed.joints_m, posed.keypoints_px
    if joints is None or points is None or posed.camera is None:
        raise PrmlError("a residual needs 2D, 3D and a camera")
    distance = np.linalg.norm(Placement.of(posed).project(joints) - points, axis=-1)
    known = distance[np.isfinite(distance)]
    return float(known.mean()) if len(known) else float("nan")


def doubtful_residual(residual: float, image_size: tuple[int, int]) -> str | None:
    """One line if the lifted pose does not project to the 2D: over a tenth of the longer image side, or not a number.

    On the test clips of ``data/mocap`` the residual stays below a twentieth of the person's height.
    """
    if residual <= 0.1 * max(image_size):
        return None
    found = f"{residual:.3g} px away from" if np.isfinite(residual) else "nowhere near"
    return f"the lifted pose projects {found} the 2D it was made from: check the keypoints, the camera and the weights"


def _provenance(source: Path, lifter: Lifter, seen: Scene) -> dict[str, Any]:
    log = seen.prominent.detection
    return {
        "prml": __version__,
        "commit": commit(),
        "weights": lifter.card.name,
        "weights_sha256": lifter.card.sha256,
        "weights_data_licence": lifter.card.data_licence,
        "detector": "given keypoints" if log is None else log.detector,
        "input": source.name,
        "flip": lifter.options.flip,
        "overlap": lifter.options.overlap,
        "normalisation": lifter.card.normalisation,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "trajectory": "absent: joints are relative to the hip",
        "events": [event.record() for event in seen.events],
    }


def lift(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
    warn: Warn | None = None,
    lifter: Lifter | None = None,
    **settings: Any,
) -> LiftResult:
    """Lift a video, an image folder or a keypoint file.

    Args:
        source: the input.
        out: folder for the results; None writes nothing.
        progress: called with stage, frames done, frames in all or None.
        warn: called with one line for what a user should know.
        lifter: used instead of loading ``weights``.
        settings: fields of :class:`LiftSettings`.

    Raises:
        PrmlError: one line that says what cannot be used, before anything is written.
    """
    options = LiftSettings(**settings)
    check(options)
    path, folder = _input_path(source), None if out is None else Path(out)
    warnings: list[str] = []

    def note(text: str) -> None:
        warnings.append(text)
        if warn:
            warn(text)

    tell = progress or (lambda *_: None)
    with nullcontext() if folder is None else results_folder(folder, OUTPUTS, [path], options.overwrite) as place:
        lifted = _lift(path, options, lifter or _lifter(path, options), tell, note)
        result = replace(lifted, warnings=warnings)
        if place is not None:
            write_results(result, path, place, options, tell)
    return result


def _input_path(source: object) -> Path:
    """The input's path; raises PrmlError for anything that is not the path of a local file."""
    if not isinstance(source, str | os.PathLike):
        raise PrmlError(
            f"prml.lift takes the path of a video, an image folder or a keypoint file, got {type(source).__name__}; "
            "for keypoints in memory use prml.load().lift(prml.PoseSequence.regular(...))"
        )
    refuse_url(str(source))
    return Path(source)


def _lift(path: Path, options: LiftSettings, lifter: Lifter, tell: Progress, note: Warn) -> LiftResult:
    cache = PredictionCache()
    seen, seconds = _read(path, options, lifter, cache, tell, note)
    frames, started = len(seen.times_s), perf_counter()
    tell("lift", 0, frames)
    people, scales = zip(*(_lift_person(lifter, person, options, cache) for person in seen), strict=True)
    lifted = replace(seen, people=people)
    tell("lift", frames, frames)
    seconds["lift"] = perf_counter() - started
    for person in lifted:
        _tell_of_inferred(person, note)
    made_by = _provenance(path, lifter, seen)
    if scales[0] != 1.0:
        made_by["scale"] = f"x {scales[0]:.4g}: long bones of an adult (the network predicts in image space)"
    residual = residual_px(lifted.prominent)
    if doubt := doubtful_residual(residual, _image_size(lifted.prominent)):
        note(doubt)
    return LiftResult(lifted, residual, seconds, provenance=made_by)


def _lift_person(
    lifter: Lifter, person: PoseSequence, options: LiftSettings, cache: PredictionCache
) -> tuple[PoseSequence, float]:
    """One person in 3D, and the factor that gave the pose its size."""
    seen = mark_inferred(person.with_(camera=camera_of(person, options)))
    lifted = mark_inferred(lifter.lift(seen, cache=cache))
    return to_metres(lifted) if lifter.card.output == "image" else (lifted, 1.0)


def _tell_of_inferred(person: PoseSequence, note: Warn) -> None:
    present = np.ones(len(person), bool) if person.has_person is None else person.has_person
    count = int((person.mostly_inferred & present).sum())
    if count:
        note(
            f"{count} of {int(present.sum())} frames show less than half of the body: most joints are outside the "
            "image or were not found there"
        )


def write_results(
    result: LiftResult, source: Path, place: ResultsFolder, options: LiftSettings, progress: Progress
) -> None:
    """Write all files into a folder, and say in ``result`` which and how long it took. Raises PrmlError."""
    from prml.io.poses import write_poses

    def make(work: Path) -> None:
        started = perf_counter()
        write_poses(result.sequence, work / "poses.npz", result.provenance)
        write_poses(result.sequence, work / "poses.json", result.provenance)
        result.seconds["poses"] = perf_counter() - started
        _write_views(result, source, work, options, progress)

    result.files.update(place.write(make))


def _write_views(result: LiftResult, source: Path, work: Path, options: LiftSettings, progress: Progress) -> None:
    thumbnails = None
    video = source.is_dir() or source.suffix.lower() not in KEYPOINT_FILES
    from prml.view.thumbnails import Thumbnails

    if video and options.overlay:
        from prml.media.read import read_frames
        from prml.view.overlay.compose import Layout
        from prml.view.overlay.video import write_overlay

        started, total = perf_counter(), len(result.sequence)
        thumbnails = Thumbnails()
        layout = Layout.of(*_image_size(result.sequence))
        shown = (layout.video_width, layout.height)
        write_overlay(
            read_frames(source, fps=options.fps, size=shown),
            result.sequence,
            work / "overlay.mp4",
            thumbnails=thumbnails,
            progress=lambda n: progress("overlay", n, total),
        )
        result.seconds["overlay"] = perf_counter() - started
    if options.viewer:
        from prml.view.page.page import write_viewer

        started = perf_counter()
        if video and thumbnails is None:  # the overlay, which gathers them on its way, is not wanted
            thumbnails = Thumbnails.of_video(source, fps=options.fps)
        write_viewer(result.sequence, work / "viewer.html", title=source.name, video_frames=thumbnails)
        result.seconds["viewer"] = perf_counter() - started
