"""Lift 2D keypoint sequences to 3D: normalisation, windows, blending, flip averaging, frame rates."""

import os
from collections.abc import Hashable, Iterator, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import nn

from prml import normalise
from prml.backends.registry import DEFAULT as DEFAULT_ENGINE
from prml.backends.registry import get_engine
from prml.backends.whole import Whole, temperature
from prml.device import usable_device
from prml.errors import PrmlError
from prml.filters.lens import within_lens
from prml.filters.repair import bridge_joints
from prml.filters.resample import interpolate, interpolate_smooth, network_times, stretches
from prml.image_features.source import FeatureSource
from prml.lifting.body28 import on_body28
from prml.lifting.image_features import (
    CHANNELS,
    WindowFeatures,
    check_features,
    lift_frames,
    lift_windows,
    nearest_frames,
    relative_depth,
)
from prml.lifting.inputs import check_sequence, interleaved, virtual_camera
from prml.lifting.prediction_cache import PredictionCache
from prml.lifting.threads import settle_after_fork
from prml.lifting.windows import Predict, predict_blended, predict_frames
from prml.normalise import NormalisedInput, can_be_normalised
from prml.options import check, option
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17, MPI_INF_3DHP17, Skeleton, skeleton
from prml.weights import DEFAULT
from prml.weights.record import Card, Record, load_record

Array = np.ndarray
Module = TypeVar("Module", bound=nn.Module)
Precision = Literal["float32", "bf16"]
_UNIT_M = {"camera_mm": 1e-3}  # metres per unit of a network's output; 1 for the others
_WHOLE = 1 - 1e-9  # a joint is shown between two frames that both show it


@dataclass(frozen=True)
class LiftOptions:
    """How windows are placed and averaged.

    Attributes:
        flip: average with the result for the mirrored input (twice the work).
        overlap: number of windows that contain each frame.
        batch: windows per batch.
        phase: shift of all windows; the result does not depend on it (tested).
        relative: subtract the predicted root; False keeps it, for protocols with a rule about it.
        centre: keep the middle pose of a window around every frame instead of blending windows, for networks that
            return whole windows: about ``window / overlap`` times the work.
        precision: "bf16" computes matrix products in bfloat16 (autocast), for GPUs and CPUs that are faster with it.

    Raises:
        PrmlError: ``overlap`` or ``batch`` is less than 1.
    """

    flip: bool = True
    overlap: int = option(6, minimum=1)
    batch: int = option(8, minimum=1)
    phase: int = 0
    relative: bool = True
    centre: bool = False
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        check(self)


class Lifter:
    """A network with its card, for sequences of any length, frame rate and camera.

    A lifter is immutable: threads may share it, and :meth:`with_options` returns a new one.

    Args:
        record: from :func:`prml.weights.record.load_record`; not modified.
        options: windows and averaging.
        device: device of the network.
        image_features: for networks that need them.
        engine: what computes the network (``prml.backends.registry``); engines other than torch run on the CPU.

    Raises:
        PrmlError: the network has other joints or units, its image features are missing or from another backbone, or
            the device is not available.
    """

    def __init__(
        self,
        record: Record,
        options: LiftOptions | None = None,
        device: str | torch.device = "cpu",
        image_features: FeatureSource | None = None,
        engine: str = DEFAULT_ENGINE,
    ) -> None:
        settle_after_fork()
        self.card: Card = record.card
        self.card.check_joints()
        self.card.check_lifts()
        self.skeleton: Skeleton = skeleton(self.card.skeleton)
        self.options = options or LiftOptions()
        self.device = usable_device(device)
        self.network = _ready(record.network, self.device)
        self.uncertainty = None if record.uncertainty is None else _ready(record.uncertainty, self.device)
        self._temperature = torch.from_numpy(temperature(self.card.temperature, self.skeleton)).to(self.device)
        self.output = self.network.output
        filmed = bool(self.network.image_channels) or self.network.in_channels > CHANNELS
        self.image_features = image_features if filmed else None
        if filmed:
            check_features(self.card, image_features, depth=not self.network.image_channels)
        self.engine = engine
        self._compute = None if engine == DEFAULT_ENGINE else self._opened(engine)

    def _opened(self, engine: str) -> Predict:
        """Open an engine other than torch."""
        if self.device.type != "cpu":
            raise PrmlError(f"engine={engine} computes on the CPU; leave device=... out, or the engine")
        whole = Whole(self.network, self.uncertainty, self._temperature)
        shape = (self.card.window, len(self.skeleton), self.network.in_channels)
        return get_engine(engine).open(whole, shape)

    def with_options(self, **changes: Any) -> "Lifter":
        """Return a lifter with the same network and some of its :class:`LiftOptions` replaced."""
        other = copy(self)
        other.options = replace(self.options, **changes)
        return other

    def without_deviations(self) -> "Lifter":
        """Return a lifter that predicts no standard deviations, which takes torch a little less time."""
        other = copy(self)
        other.uncertainty = None if self._compute is None else self.uncertainty
        return other

    def on(self, device: str | torch.device) -> "Lifter":
        """Return a lifter with a copy of the network on another device; raises PrmlError if it is not available."""
        record = Record(self.network, self.uncertainty, self.card)
        return Lifter(record, self.options, device, self.image_features, self.engine)

    def lift(
        self, sequence: PoseSequence, *, bridge: bool = True, cache: PredictionCache | None = None
    ) -> PoseSequence:
        """Lift a 2D sequence to 3D.

        Args:
            sequence: keypoints in pixels on any known skeleton, NaN in frames without a person, with the camera they
                refer to. A joint that is NaN or has confidence 0 was not found.
            bridge: interpolate joints that were not found for up to 0.25 s; other frames with a missing joint get no
                pose (``prml.filters.repair.bridge_joints``). False uses the keypoints as given, whatever their
                confidence.
            cache: predictions made earlier (``prml.lifting.eager``); they save time and do not change the result.

        Returns:
            The sequence on the network's joints (H36M17, also for those of MPI-INF-3DHP; BODY28, whose joints that
            were not found have a pose but no keypoints) with root-relative ``joints_m`` (camera frame, metres) and
            ``std_m``; NaN where there is no person.

        Raises:
            PrmlError: not a sequence, no keypoints, no camera, or no frame with a person and all needed joints.
        """
        check_sequence(sequence)
        settle_after_fork()
        if sequence.keypoints_px is None:
            raise PrmlError("lifting needs 2D keypoints, but this sequence has none")
        given = self._to_network_joints(sequence, bridge)
        if given.camera is None:
            raise PrmlError("lifting needs a camera: give its intrinsics, or Camera.from_fov(width, height, fov_deg)")
        present = self._present(given)
        if not present.any():
            raise PrmlError("no frame has a person: expected finite keypoints in at least one frame")
        joints = np.full((len(given), len(self.skeleton), 3), np.nan, np.float32)
        std = np.full_like(joints, np.nan) if self.uncertainty is not None else None
        runs = stretches(present, given.times_s)
        if self.image_features is not None and self.network.single_frames:
            joints[present] = self._lift_frames(given, np.flatnonzero(present), self.image_features)
            return self._result(given, joints, std)
        if self.image_features is not None:
            for run, lifted in zip(runs, self._lift_filmed(given, runs, self.image_features), strict=True):
                joints[run] = lifted
            return self._result(given, joints, std)
        for run in runs:
            lifted = self._lift_run(given, run, cache)
            joints[run] = lifted[..., :3]
            if std is not None:
                std[run] = lifted[..., 3:]
        return self._result(given, joints, std)

    def _present(self, given: PoseSequence) -> Bool[Array, " T"]:
        """Return the frames with enough of a person."""
        found = np.isfinite(np.asarray(given.keypoints_px)).all(-1)
        return np.asarray(can_be_normalised(found) if self.skeleton == BODY28 else found.all(1))

    def lift_end(self, sequence: PoseSequence, at_s: Float[Array, " n"]) -> tuple[PoseSequence, Float[Array, "n J d"]]:
        """Lift with the one window that ends with the sequence, as a camera needs it, for which there is no future.

        Args:
            sequence: keypoints in pixels with the camera, of an unbroken stretch, as for :meth:`lift`; what is before
                the window smooths the normalisation. Before the first frame that frame is held.
            at_s: times within the window, in seconds of the sequence.

        Returns:
            The sequence on the network's joints, and joints in camera metres at these times, relative to the root
            (d = 3, or 6 with standard deviations). NaN at times after the last frame that shows enough of the body.

        Raises:
            PrmlError: the network returns no whole windows, or as :meth:`lift`.
        """
        if self.output != "sequence" or self.image_features is not None:
            raise PrmlError(
                f"{self.card.name} returns no whole windows, which is needed here: use prml-xs28 or prml-xs"
            )
        given = self._to_network_joints(sequence, True)
        present, fps = self._present(given), self.card.fps
        whole = given if present.all() else given.take(present)
        out = np.full((len(at_s), len(self.skeleton), 3 if self.uncertainty is None else 6), np.nan)
        known = at_s <= whole.times_s[-1] if len(whole) else np.zeros(len(at_s), bool)
        if not known.any():
            return given, out
        frames = self.card.window + 2 * round(normalise.MARGIN_S * fps)
        wanted = whole.times_s[-1] - np.arange(frames - 1, -1, -1) / fps
        seen, inputs = self._inputs(whole, slice(0, len(whole)), wanted)
        inputs, wanted = inputs[-self.card.window :], wanted[-self.card.window :]
        window = NormalisedInput(*(part[-self.card.window :] for part in (seen.xy, seen.R_camera_to_input, seen.scale)))
        output = self.predict(inputs[None])[0]
        self._check_finite(inputs, output)
        out[known] = self._to_video(window, output, wanted, at_s[known])
        return given, out

    def _result(self, given: PoseSequence, joints: Float[Array, "T J 3"], std: Array | None) -> PoseSequence:
        """The lifted sequence; joints of MPI-INF-3DHP, which nothing else here knows, become those of H36M17."""
        lifted = given.with_(joints_m=joints, std_m=std, frame="camera", root_relative=True)
        return lifted.to_skeleton(H36M17) if self.skeleton == MPI_INF_3DHP17 else lifted

    def _to_network_joints(self, sequence: PoseSequence, bridge: bool) -> PoseSequence:
        """Convert to the network's joints and bridge short gaps.

        Joints outside the lens count as not found, both before the conversion and after it, as some are extrapolated.
        A network of 28 joints does without those that were not found (``prml.lifting.body28``). One of MPI-INF-3DHP
        gets its joints from those of H36M17.
        """
        looks_along_rays = self.card.normalisation == "virtual_camera"
        sequence = within_lens(sequence) if looks_along_rays else sequence
        if self.skeleton == BODY28:
            return on_body28(sequence, bridge)
        given = (bridge_joints(sequence, H36M17) if bridge else sequence).to_skeleton(H36M17)
        if self.skeleton == MPI_INF_3DHP17:
            return given.to_skeleton(MPI_INF_3DHP17)
        seen = within_lens(given) if looks_along_rays else given
        if seen is given or not bridge:
            return seen
        return bridge_joints(seen.with_(confidence=None), H36M17).with_(confidence=seen.confidence)

    def _lift_run(self, given: PoseSequence, run: slice, cache: PredictionCache | None) -> Float[Array, "T J d"]:
        """Resample one stretch without gaps to the network's frame rate, lift it, and resample back."""
        parts = interleaved(given.times_s, run, self.card.fps) if self.one_pose else [run]
        if len(parts) > 1:
            return self._lift_interleaved(given, run, parts, cache)
        times = given.times_s[run]
        wanted = network_times(times, self.card.fps)
        seen, inputs = self._inputs(given, run, wanted)
        output = self._windows(inputs, cache)
        self._check_finite(inputs, output)
        return self._to_video(seen, output, wanted, times)

    def _lift_interleaved(
        self, given: PoseSequence, run: slice, parts: list[slice], cache: PredictionCache | None
    ) -> Float[Array, "T J d"]:
        """Lift a stretch of n times the network's rate: around every frame a window of every n-th one.

        What depends on motion in the normalisation is computed at the network's rate, part by part.
        """
        step, times = len(parts), given.times_s
        made = [self._inputs(given, part, times[part]) for part in parts]
        inputs = np.empty((run.stop - run.start, *made[0][1].shape[1:]), np.float32)
        for phase, (_, values) in enumerate(made):
            inputs[phase::step] = values
        output = self._windows(inputs, cache, step)
        self._check_finite(inputs, output)
        lifted = np.empty(output.shape, np.float32)
        for phase, (part, (seen, _)) in enumerate(zip(parts, made, strict=True)):
            lifted[phase::step] = self._to_video(seen, output[phase::step], times[part], times[part])
        return lifted

    def _to_video(
        self,
        seen: NormalisedInput,
        output: Float[Array, "L J d"],
        wanted: Float[Array, " L"],
        times: Float[Array, " T"],
    ) -> Float[Array, "T J d"]:
        """Turn the network's output back to the camera and resample it to the video's times."""
        root, unit_m = self.skeleton.root, _UNIT_M.get(self.card.output, 1.0)
        output = output * np.array([unit_m] * 3 + [unit_m**2] * (output.shape[-1] - 3)) if unit_m != 1 else output
        joints = output[..., :3] - output[:, root, None, :3] if self.options.relative else output[..., :3]
        out = interpolate_smooth(seen.to_camera(joints), wanted, times)
        if output.shape[-1] > 3:  # variances rotate by the squared entries of the rotation
            variance = output[..., 3:] @ seen.R_camera_to_input**2
            out = np.concatenate([out, interpolate(np.sqrt(variance), wanted, times)], -1)
        return out.astype(np.float32)

    def _inputs(
        self, given: PoseSequence, run: slice, wanted: Float[Array, " L"]
    ) -> tuple[NormalisedInput, Float[Array, "L J c"]]:
        """Return the normalised input and the network input of a stretch at the wanted times."""
        times = given.times_s[run]
        points, width, height = self._points(given, run)
        confidence = np.ones(points.shape[:2], np.float32) if given.confidence is None else given.confidence[run]
        found, shown = np.isfinite(points).all(-1), None
        if self.skeleton == BODY28 and not found.all():  # what was not found is zero
            points, confidence = np.where(found[..., None], points, 0.0), np.where(found, confidence, 0.0)
            shown = interpolate(found.astype(np.float64), times, wanted) > _WHOLE
        points, confidence = (interpolate(values, times, wanted) for values in (points, confidence))
        confidence = confidence if shown is None else np.where(shown, confidence, 0.0)
        seen = self._normalise(points, width, height, shown)
        return seen, np.concatenate([seen.xy, confidence[..., None]], -1)[..., : self.network.in_channels].astype(
            np.float32
        )

    def inputs(self, sequence: PoseSequence, wanted_s: Float[Array, " L"]) -> Float[Array, "L J c"]:
        """Return network inputs at the wanted times, for a sequence without gaps that has keypoints and a camera."""
        given = self._to_network_joints(sequence, False)
        return self._inputs(given, slice(0, len(sequence)), wanted_s)[1]

    def _check_finite(self, inputs: Float[Array, "L J c"], output: Float[Array, "L J d"]) -> None:
        """Raise PrmlError if the network returns non-finite values."""
        if np.isfinite(output).all():
            return
        if not np.isfinite(inputs).all():
            raise PrmlError("the keypoints are not plausible image points; expected pixels in or near the image")
        raise PrmlError(
            f"the weights {self.card.name} give non-finite values in {_share(~np.isfinite(output))} of the frames; "
            "they are damaged or their training failed: use others"
        )

    def _lift_frames(self, given: PoseSequence, rows: Array, source: FeatureSource) -> Float[Array, "n 17 3"]:
        """Lift single frames with their image features, at the video's own times."""
        cut = stretches(np.isin(np.arange(len(given)), rows), given.times_s)
        parts = [self._inputs(given, run, given.times_s[run]) for run in cut]
        seen, inputs = [part[0] for part in parts], np.concatenate([part[1] for part in parts])
        joints = lift_frames(self.network, source, given, inputs, rows, flip=self.options.flip, device=self.device)
        self._check_finite(inputs, joints)
        joints = joints - joints[:, :1] if self.options.relative else joints
        cuts = np.cumsum([run.stop - run.start for run in cut])[:-1]
        turned = [s.to_camera(part) for s, part in zip(seen, np.split(joints, cuts), strict=True)]
        return np.concatenate(turned).astype(np.float32)

    def _lift_filmed(
        self, given: PoseSequence, runs: Sequence[slice], source: FeatureSource
    ) -> Iterator[Float[Array, "T 17 3"]]:
        """Lift every stretch by windows with the features of the frame nearest to each; one pass over the video."""
        wanted = [network_times(given.times_s[run], self.card.fps) for run in runs]
        shown = [run.start + nearest_frames(given.times_s[run], w) for run, w in zip(runs, wanted, strict=True)]
        rows, position = np.unique(np.concatenate(shown), return_inverse=True)
        mirrored = self.options.flip and bool(self.network.image_channels)
        held = WindowFeatures(source.features(given, rows, mirrored=mirrored))
        cuts = np.split(position, np.cumsum([len(w) for w in wanted])[:-1])
        for run, times, at in zip(runs, wanted, cuts, strict=True):
            seen, inputs = self._inputs(given, run, times)

            def predict(windows: Array, inputs: Array = inputs, at: Array = at) -> Array:
                frames = windows[..., 0, 0]
                shown = held.at(at[frames])
                if self.network.image_channels:
                    return lift_windows(self.network, inputs[frames], shown, device=self.device)
                return self.predict(np.concatenate([inputs[frames], relative_depth(shown)[..., None]], -1))

            output = self._over_windows(np.arange(len(times))[:, None, None], predict)
            self._check_finite(inputs, output)
            yield self._to_video(seen, output, times, given.times_s[run])

    def _points(self, given: PoseSequence, run: slice) -> tuple[Array, int, int]:
        """Return undistorted image-plane points for ``virtual_camera``, else pixels."""
        camera, keypoints = given.camera, given.keypoints_px
        if camera is None or keypoints is None:
            raise PrmlError("lifting needs keypoints and a camera")
        pixels = keypoints[run].astype(np.float64)
        plane = camera.unproject(pixels) if self.card.normalisation == "virtual_camera" else pixels
        return plane, camera.width, camera.height

    def _normalise(
        self, points: Float[Array, "L J 2"], width: int, height: int, shown: Bool[Array, "L J"] | None
    ) -> NormalisedInput:
        if self.card.normalisation == "virtual_camera":
            return virtual_camera(points, self.card.fps, shown)
        if self.card.normalisation == "screen":
            return normalise.screen(points, width, height)
        return normalise.crop(points)

    @property
    def hop(self) -> int:
        """Distance between neighbouring windows in frames."""
        return max(1, self.card.window // self.options.overlap)

    @property
    def prediction_source(self) -> Hashable:
        """Everything that a prediction depends on besides its window; see :class:`PredictionCache`."""
        return self.network, self.uncertainty, self.options.flip, self.engine

    def predict(
        self, windows: Float[Array, "B T J c"], cache: PredictionCache | None = None
    ) -> Float[Array, "B U J d"]:
        """Predict poses of windows, with variances if available (d = 6); ``flip`` averages with the mirrored input."""
        predict = self._flipped if self.options.flip else self._predict
        return predict(windows) if cache is None else cache.predict(self.prediction_source, windows, predict)

    def predict_into(self, cache: PredictionCache, windows: Float[Array, "B T J c"]) -> None:
        """Predict windows and cache the result for a later :meth:`lift`."""
        cache.store(self.prediction_source, windows, self.predict(windows))

    @property
    def one_pose(self) -> bool:
        """Whether one pose is kept per window: the network returns no more, or ``centre`` is set."""
        return self.options.centre or self.output != "sequence"

    def _windows(
        self, inputs: Float[Array, "L J c"], cache: PredictionCache | None, step: int = 1
    ) -> Float[Array, "L J d"]:
        return self._over_windows(inputs, partial(self.predict, cache=cache), step)

    def _over_windows(self, inputs: Array, predict: Predict, step: int = 1) -> Float[Array, "L J d"]:
        options, frames = self.options, self.card.window
        if self.one_pose:
            middle = slice(frames // 2, frames // 2 + 1) if self.output == "sequence" else slice(None)
            return predict_frames(
                inputs,
                lambda windows: predict(windows)[:, middle],
                frames=frames,
                batch=options.batch,
                causal=self.output == "last",
                whole=self.network.any_length and self.output != "sequence",
                step=step,
            )
        return predict_blended(inputs, predict, frames=frames, hop=self.hop, batch=options.batch, phase=options.phase)

    def _flipped(self, inputs: Float[Array, "B T J c"]) -> Float[Array, "B T J d"]:
        """Average the result with the mirrored result of the mirrored input."""
        plain, mirrored = np.split(self._predict(np.concatenate([inputs, self.skeleton.flip(inputs)])), 2)
        return np.asarray((plain + self.skeleton.flip(mirrored)) / 2)

    @torch.inference_mode()
    def _predict(self, inputs: Float[Array, "B T J c"]) -> Float[Array, "B T J d"]:
        """Run the network on windows: 3 coordinates, then 3 variances if the record has an uncertainty head."""
        given = np.ascontiguousarray(inputs, np.float32)
        if self._compute is not None:
            return self._compute(given)
        x = torch.from_numpy(given).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bf16"):
            if self.uncertainty is None or self.network.support_widths is None:
                return np.asarray(self.network(x).float().cpu())
            pose, features = self.network(x, features=True)
        std = self.uncertainty(features.s_2d.float(), features.s_d.float()) * self._temperature
        return np.asarray(torch.cat([pose, std.square()], -1).float().cpu())


def _ready(module: Module, device: torch.device) -> Module:
    """Return the module in evaluation mode on the device; copy it unless it already is."""
    ready = not module.training and all(p.device == device for p in (*module.parameters(), *module.buffers()))
    return module if ready else deepcopy(module).to(device).eval()


def _share(wrong: Bool[Array, "L J d"]) -> str:
    return f"{100 * float(wrong.any((1, 2)).mean()):.3g} %"


def load(
    name: str | os.PathLike[str] = DEFAULT,
    *,
    device: str = "cpu",
    image_features: FeatureSource | None = None,
    engine: str = DEFAULT_ENGINE,
    **options: Any,
) -> Lifter:
    """Load a lifter from bundled weights ("prml-xs28", "prml-s", "prml-xs") or the path of a record.

    Args:
        name: bundled name, or path of a record.
        device: device of the network.
        image_features: for networks that need them (``prml.image_features``).
        engine: torch, torch-bf16, onnxruntime, openvino or openvino-bf16.
        options: fields of :class:`LiftOptions`, e.g. ``flip=False``.

    Raises:
        PrmlError: the record is missing, incomplete or does not match its card, or the device is not available.
    """
    if not isinstance(name, str | os.PathLike):
        raise PrmlError(f"prml.load takes the name or path of weights, got {type(name).__name__}")
    return Lifter(load_record(name), LiftOptions(**options), device, image_features, engine)
