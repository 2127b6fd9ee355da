"""Lift a video, image folder or keypoint file, and write poses, overlay and viewer."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from prml import __version__
from prml.camera import Camera
from prml.cores import cores, physical_cores
from prml.errors import PrmlError
from prml.filters.lens import outside_lens
from prml.filters.marks import mark_inferred
from prml.filters.scale import to_metres
from prml.io.files import existing
from prml.lifting.prediction_cache import PredictionCache
from prml.motion import Motion
from prml.options import check
from prml.pipeline.camera import camera_of, image_size, levelled
from prml.pipeline.checkpoint import TRACK, TrackFile, identity
from prml.pipeline.folder import ResultsFolder, results_folder
from prml.pipeline.motion import doubts_of, to_motions
from prml.pipeline.outputs.exports import export_names
from prml.pipeline.outputs.registry import OUTPUTS, Job, write_outputs
from prml.pipeline.people import followed, without_chimeras
from prml.pipeline.result import LiftResult, Warn, doubtful_residual, residual_px
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import WHAT, Source, input_path, read_file
from prml.pipeline.weights import LazyLifter, check_weights, open_lifter
from prml.progress import StageProgress
from prml.provenance import commit
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton, skeleton

if TYPE_CHECKING:
    from prml.detect.base import Detection
    from prml.lifting.lifter import Lifter

__all__ = ["LiftResult", "LiftSettings", "lift", "write_results"]


def lift(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    progress: StageProgress | None = None,
    warn: Warn | None = None,
    lifter: "Lifter | None" = None,
    title: str | None = None,
    **settings: Any,
) -> LiftResult:
    """Lift a video, image folder or keypoint file, or redraw a result file.

    An interrupted lift of a video (KeyboardInterrupt, SystemExit, or the process was killed) saves its 2D track in
    ``out``, and the next lift of the same input into the same folder resumes from there.

    Args:
        source: the input.
        out: folder for the results; None writes nothing.
        progress: called with the stage, the number of frames done, and the total or None.
        warn: called with one line per warning.
        lifter: used instead of loading ``weights``.
        title: name of the input on pages and in provenance, instead of its file's.
        settings: fields of :class:`LiftSettings`.

    Raises:
        PrmlError: the input or a setting cannot be used, or results cannot be written; then none are.
    """
    options = LiftSettings(**settings)
    check(options)
    path = existing(input_path(source), WHAT)
    inputs = [path] if options.video is None else [path, existing(input_path(options.video))]
    folder = None if out is None else Path(out)
    names = (*OUTPUTS, *export_names(options.export))
    with nullcontext() if folder is None else results_folder(folder, names, inputs, options.overwrite) as place:
        given = Source.of(path, options)
        run = _Lift(given, options, place, progress or (lambda *_: None), warn)
        try:
            result = run.redraw() if given.kind == "poses" else run.lift(_lifter(given, options, lifter))
            if title:
                result.provenance["input"] = title
            if place is not None:
                write_results(result, given.path, place, options, progress, run.note)
        except BaseException as reason:
            run.stopped(reason)
            raise
        run.tidy()
    return result


def _lifter(source: Source, settings: LiftSettings, given: "Lifter | None") -> LazyLifter:
    """Return a lifter that opens on first use, or wrap the given one."""
    if given is not None:
        return LazyLifter(lambda: given)
    check_weights(source, settings)
    return LazyLifter(partial(open_lifter, source, settings))


def redraw(path: Path, settings: LiftSettings, progress: StageProgress | None, warn: Warn | None) -> LiftResult:
    """Return the scene of a result file unchanged, with the video from the settings; raises PrmlError."""
    return _Lift(Source.of(path, settings), settings, None, progress or (lambda *_: None), warn).redraw()


@dataclass
class _Lift:
    """A lift in progress."""

    source: Source
    settings: LiftSettings
    place: ResultsFolder | None
    tell: StageProgress
    warn: Warn | None
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    kept: TrackFile | None = None

    def note(self, text: str) -> None:
        """Report a warning and add it to the result."""
        self.warnings.append(text)
        if self.warn:
            self.warn(text)

    def lift(self, opened: LazyLifter) -> LiftResult:
        """Detect or read the scene, and lift it to 3D."""
        cache = PredictionCache()
        seen = self._read(opened, cache)
        lifter = opened()
        frames, started = len(seen.times_s), perf_counter()
        self.tell("lift", 0, frames)
        people, scales = zip(*(self._lift_person(lifter, person, cache) for person in seen), strict=True)
        lifted = levelled(without_chimeras(replace(seen, people=people)))
        self.tell("lift", frames, frames)
        self.seconds["lift"] = perf_counter() - started
        for person in lifted:
            self._tell_of_inferred(person, f"person {person.track_id}: " if len(lifted) > 1 else "")
        return self._result(lifted, _provenance(self.source.path, lifter, seen, scales[0]))

    def _lift_person(
        self, lifter: "Lifter", person: PoseSequence, cache: PredictionCache
    ) -> tuple[PoseSequence, float]:
        """Lift one person; also return the factor that scaled the pose to metres."""
        camera = camera_of(person, self.settings)
        seen = mark_inferred(person.with_(camera=camera))
        if (outside := outside_lens(seen)).any():
            share = f"{100 * outside.mean():.2g} % of the 2D joints"
            self.note(f"{share} lie outside the lens of the camera ({camera.source}): check its intrinsics")
        lifted = mark_inferred(lifter.lift(seen, cache=cache))
        if self.settings.skeleton is not None:
            lifted = lifted.to_skeleton(skeleton(self.settings.skeleton))
        return to_metres(lifted) if lifter.card.output == "image" else (lifted, 1.0)

    def redraw(self) -> LiftResult:
        """Read the scene of a result file unchanged."""
        started = perf_counter()
        scene = read_file(self.source, self.settings)
        self.seconds["read"] = perf_counter() - started
        return self._result(scene, dict(scene.prominent.provenance))

    def _result(self, scene: Scene, made_by: dict[str, Any]) -> LiftResult:
        shown = scene.prominent
        residual = float("nan") if shown.keypoints_px is None or shown.camera is None else residual_px(shown)
        if shown.camera is not None and (doubt := doubtful_residual(residual, image_size(shown))):
            self.note(doubt)
        motions = self._motions(scene)
        return LiftResult(
            scene,
            residual,
            self.seconds,
            warnings=self.warnings,
            motion=motions[0] if motions else None,
            other_motions=tuple(motions[1:]),
            provenance=made_by,
        )

    def _motions(self, scene: Scene) -> list[Motion]:
        """Place everybody in a room; say who cannot be, and without the most prominent person place nobody."""
        if not self.settings.motion:
            return []
        started = perf_counter()
        try:
            placed = [person for person in scene if person is scene.prominent or self._is_placeable(person)]
            motions = to_motions(placed, self.settings)
            for motion in motions:
                for doubt in doubts_of(motion):
                    self.note(doubt if len(scene) == 1 else f"person {motion.sequence.track_id}: {doubt}")
            return motions
        except PrmlError as error:
            self.note(f"no motion is written: {error}")
            return []
        finally:
            self.seconds["motion"] = perf_counter() - started

    def _is_placeable(self, person: PoseSequence) -> bool:
        joints = person.joints_m
        if joints is not None and np.isfinite(joints).all((1, 2)).any():
            return True
        self.note(f"person {person.track_id} is in no frame whole; no motion of them is written")
        return False

    def _read(self, lifter: LazyLifter, cache: PredictionCache) -> Scene:
        """Return the scene in 2D; ``cache`` receives predictions made during detection."""
        started = perf_counter()
        if self.source.kind == "keypoints":
            scene = read_file(self.source, self.settings, self.note)
            self.seconds["read"] = perf_counter() - started
            return scene
        from prml.detect.quality import every_of, model_of
        from prml.detect.registry import get_detector
        from prml.detect.run import detect

        kind = get_detector(self.settings.detector)
        model = model_of(self.settings.quality, kind, self.settings.model)
        video = self.source.pictures(self.settings)
        if replaced := self.source.replaced_rate(self.settings):
            self.note(replaced)
        camera = camera_of(PoseSequence.regular(0, video.fps, image_size=video.image_size), self.settings)
        if self.settings.people is not None or self.settings.person is not None:
            scene = followed(
                self.source.path,
                video,
                replace(self.settings, model=model),
                self.note,
                lambda n, of: self.tell("detect", n, of),
            )
            self.seconds["detect"] = perf_counter() - started
            return scene
        self.kept = self._kept()
        with _eagerly(lifter, kind.skeleton, camera, cache) as on_person:
            sequence = detect(
                self.source.path,
                kind.name,
                model=model,
                fps=self.settings.fps,
                on_warning=self.note,
                on_person=on_person,
                every=every_of(self.settings.quality, video.fps),
                progress=lambda n, of: self.tell("detect", n, of),
                keeper=self.kept,
                jobs=self.settings.jobs or physical_cores(),
            )
        self.seconds["detect"] = perf_counter() - started
        return Scene.of(sequence, video)

    def _kept(self) -> TrackFile | None:
        """Return the checkpoint of the 2D track, if results are written."""
        if self.place is None:
            return None
        kept = TrackFile(self.place.path / TRACK, identity(self.source.path, self.settings))
        if found := kept.load():
            self.note(f"resuming {self.source.path.name} after the {len(found.track)} frames of an interrupted run")
        return kept

    def stopped(self, reason: BaseException) -> None:
        """Handle an interruption: keep the 2D track, unless the input or the settings cannot be used."""
        if self.kept and isinstance(reason, PrmlError) and not self.kept.complete:
            self.kept.remove()
        if self.kept and self.kept.frames:
            folder = self.kept.path.parent
            self.note(f"the 2D of {self.kept.frames} frames is kept in {folder}: the same lift resumes from there")

    def tidy(self) -> None:
        """Remove the checkpoint after a complete lift."""
        if self.kept:
            self.kept.remove()

    def _tell_of_inferred(self, person: PoseSequence, who: str) -> None:
        present = np.ones(len(person), bool) if person.has_person is None else person.has_person
        count = int((person.mostly_inferred & present).sum())
        if count:
            self.note(
                f"{who}{count} of {int(present.sum())} frames show less than half of the body: most joints are outside "
                "the image or were not found"
            )


def _eagerly(
    lifter: LazyLifter, skeleton: Skeleton, camera: Camera, cache: PredictionCache
) -> AbstractContextManager[Callable[[float, "Detection | None"], None] | None]:
    """Load the lifter and lift while the detector runs if a second core is available, else load it first."""
    from prml.lifting.eager import lifting_eagerly

    if cores() < 2:
        lifter()
        return nullcontext()
    return lifting_eagerly(lifter, skeleton, camera, cache)


def _provenance(source: Path, lifter: "Lifter", seen: Scene, scale: float) -> dict[str, Any]:
    made_by = {
        "prml": __version__,
        "commit": commit(),
        "weights": lifter.card.name,
        "weights_sha256": lifter.card.sha256,
        "weights_data_licence": lifter.card.data_licence,
        "detector": _detector(seen.prominent),
        "input": source.name,
        "flip": lifter.options.flip,
        "overlap": lifter.options.overlap,
        "normalisation": lifter.card.normalisation,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "trajectory": "joints are relative to the hip; motion.npz has the path",
        "events": [event.record() for event in seen.events],
    }
    if scale != 1.0:
        made_by["scale"] = f"x {scale:.4g}: long bones of an adult (the network predicts in image space)"
    return made_by


def _detector(person: PoseSequence) -> str:
    if person.detection is not None:
        return person.detection.detector
    program = person.labels.get("format")
    return f"given keypoints ({program})" if program else "given keypoints"


def write_results(
    result: LiftResult,
    source: Path,
    place: ResultsFolder,
    settings: LiftSettings,
    progress: StageProgress | None = None,
    warn: Warn | None = None,
) -> None:
    """Write all files into a folder; record them and the time they took in ``result``. Raises PrmlError."""
    title = str(result.provenance.get("input") or source.name)
    job = Job(result, title, settings, progress or (lambda *_: None), place.names, warn or result.warnings.append)
    result.files.update(place.write(lambda work: write_outputs(job, work)))
