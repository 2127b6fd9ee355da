"""Build a feature cache: frames through a backbone, stored with keypoints and labels (``image_features.cache``)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from prml.batches.sequence_windows import Label, SequenceRule
from prml.errors import PrmlError
from prml.image_features import crops
from prml.image_features.backbones import Backbone
from prml.image_features.cache import FORMAT, INDEX, SMALL, UNIT, FeatureCache
from prml.image_features.draft import Draft
from prml.image_features.options import CacheOptions
from prml.image_features.source import FrameFeatures
from prml.options import check
from prml.progress import Progress
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

Array = np.ndarray
_BATCH = 16


@dataclass(frozen=True)
class Clip:
    """One person in one video.

    Attributes:
        sequence: keypoints in pixels (NaN without a person), a camera with the image size; 3D joints in metres for
            training.
        frames: video or image folder with the same frames.
        split: "train" or "val".
        label: what networks learn of it, as in :class:`prml.batches.sequence_windows.SequenceRule`.
    """

    sequence: PoseSequence
    frames: Path
    split: str = "train"
    label: Label = "camera_m"


def in_camera(sequence: PoseSequence) -> PoseSequence:
    """H36M17 with its 3D joints, if any, in the camera's frame."""
    s = sequence.to_skeleton(H36M17)
    if s.joints_m is None or s.frame == "camera" or s.camera is None:
        return s
    turned = s.joints_m @ s.camera.R_world_to_camera.T if s.root_relative else s.camera.to_camera(s.joints_m)
    return s.with_(joints_m=turned, frame="camera")


@dataclass(frozen=True)
class _Part:
    """What a cache holds of the chosen frames of a clip beside the maps; fields as in ``cache.SMALL``.

    Attributes:
        rows: of the frames in the clip.
        unit_m: metres per unit of the target; NaN for targets in metres, or where it is not known.
    """

    rows: Int[Array, " n"]
    input: Float[Array, "n 17 3"]
    reference: Float[Array, "n 17 2"]
    target: Float[Array, "n 17 3"]
    times: Float[Array, " n"]
    unit_m: Float[Array, " n"]


def _arrays(clip: Clip, every: int) -> _Part:
    """The frames with a person, their input (x, y, confidence) and target (NaN where there is no label)."""
    s = in_camera(clip.sequence)
    points = s.keypoints_px
    if points is None or s.camera is None:
        raise PrmlError(f"{s.name or clip.frames.name}: features need 2D keypoints and the image size")
    if s.joints_m is None and clip.label == "camera_m":
        s = s.with_(joints_m=np.full((len(s), 17, 3), np.nan, np.float32))
    rows = np.flatnonzero(np.isfinite(points).all((1, 2)))
    rows = rows[rows % every == 0]
    rule = SequenceRule(clip.label, in_channels=3)
    stated = rule.unit_m(s)
    unit_m = np.full(len(s), np.nan, np.float32) if stated is None else stated
    # frames without a person may be NaN, and are not chosen
    given, target = rule.arrays(s.with_(keypoints_px=np.where(np.isfinite(points), points, 0)))
    reference = crops.reference(points[rows].astype(np.float64))
    times = s.times_s[rows]
    return _Part(rows, given[rows], reference, target[rows], times, unit_m[rows])


def _stamp(path: Path) -> list[Any]:
    """What distinguishes one video or image folder from another without reading all of it."""
    if not path.exists():
        raise PrmlError(f"no such video or image folder: {path}")
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    return [path.name, len(files), sum(p.stat().st_size for p in files)]


def settings_of(clips: Sequence[Clip], backbone: Backbone, options: CacheOptions) -> dict[str, Any]:
    """Everything that a cache depends on, as plain values."""
    digest = hashlib.sha256()
    for clip in clips:
        s = clip.sequence
        digest.update(json.dumps([s.name, clip.split, len(s), _stamp(clip.frames)]).encode())
        for array in (s.keypoints_px, s.confidence, s.joints_m):
            if array is not None:
                digest.update(np.ascontiguousarray(array).tobytes())
    labels = {clip.label for clip in clips}
    if len(labels) > 1:
        raise PrmlError(f"clips of one cache have one kind of label, got {' and '.join(sorted(labels))}")
    stated = {} if labels == {"camera_m"} else {"label": labels.pop()}
    return {
        "format": FORMAT,
        **stated,
        "backbone": backbone.record(),
        "crop": crops.RULE,
        "options": asdict(options),
        "clips_sha256": digest.hexdigest(),
    }


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Names of the settings in which a cache differs from the wanted one."""
    words = {
        "format": "format of the cache",
        "crop": "crop",
        "options": "options (float16, mirrored, every, licence)",
        "clips_sha256": "videos or poses",
        "label": "kind of label",
    }
    out = [text for key, text in words.items() if found.get(key) != wanted.get(key)]
    if found.get("backbone", {}).get("fingerprint") != wanted["backbone"]["fingerprint"]:
        out.insert(0, "backbone or its weights")
    return out


def build_cache(
    out: Path,
    clips: Sequence[Clip],
    backbone: Backbone,
    options: CacheOptions | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> bool:
    """Compute and store the features of clips; True if anything had to be done.

    A run that was stopped is continued by the next one with the same settings.

    Args:
        out: folder of the cache.
        clips: in the order of the cache.
        backbone: what turns crops into maps.
        options: what is kept.
        overwrite: rebuild if the folder holds another (stale) cache; nothing else is ever replaced.
        progress: called with frames done and frames in total.

    Raises:
        PrmlError: a clip without 2D, a video that does not fit it, a folder that already exists, or another process
            that builds the same cache.
    """
    options = options or CacheOptions()
    check(options)
    if not clips:
        raise PrmlError("no clip to compute features of")
    wanted = settings_of(clips, backbone, options)
    if _up_to_date(out, wanted, overwrite):
        return False
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with Draft.open(out, wanted, backbone.shapes) as draft:
            _write(draft, clips, backbone, wanted, progress or (lambda *_: None))
            draft.publish()
    except OSError as error:
        raise PrmlError(f"cannot write {out}: {error.strerror or error}; free some space or choose another") from error
    return True


def _up_to_date(out: Path, wanted: dict[str, Any], overwrite: bool) -> bool:
    """Whether the wanted cache exists and is complete; PrmlError if something else exists and may not be replaced."""
    if out.is_dir() and (out / INDEX).is_file():
        try:
            differ = differences(json.loads((out / INDEX).read_text(encoding="utf-8")), wanted)
        except (ValueError, AttributeError, TypeError, RecursionError):
            differ = [f"contents ({INDEX} is damaged)"]
        if not differ and not overwrite:
            FeatureCache(out)
            return True
        if not overwrite:
            raise PrmlError(
                f"{out} is stale: other {', '.join(differ)}; rebuild it with overwrite=True, or choose another folder"
            )
    elif out.exists() and (out.is_file() or any(out.iterdir())):  # never removed, even if asked to
        raise PrmlError(f"{out} already exists and is not a feature cache; choose another folder")
    return False


def _write(
    draft: Draft, clips: Sequence[Clip], backbone: Backbone, settings: dict[str, Any], progress: Progress
) -> None:
    every, mirrored = settings["options"]["every"], settings["options"]["mirrored"]
    chosen = [_arrays(clip, every) for clip in clips]
    total, at = sum(len(part.rows) for part in chosen), 0
    if not total:
        raise PrmlError("no frame of these clips has 2D joints")
    kept = draft.resume([len(part.rows) for part in chosen], _BATCH)
    entries = []
    for clip, part in zip(clips, chosen, strict=True):
        source, done = FrameFeatures(clip.frames, backbone, batch=_BATCH), at
        left = part.rows[max(0, kept - at) :]
        done = at + len(part.rows) - len(left)
        for seen in source.features(clip.sequence, left, mirrored=mirrored) if len(left) else ():
            draft.append(seen.maps, seen.mirrored)
            done += len(seen.rows)
            progress(done, total)
        entries.append(_entry(clip, at, at + len(part.rows)))
        at += len(part.rows)
    arrays = {name: np.concatenate([getattr(part, name) for part in chosen]) for name in SMALL}
    units = np.concatenate([part.unit_m for part in chosen])
    if np.isfinite(units).any():
        arrays[UNIT] = units
    draft.finish(arrays, {**settings, "frames": at, "clips": entries})


def _entry(clip: Clip, start: int, stop: int) -> dict[str, Any]:
    s = clip.sequence
    return {
        "name": s.name,
        "split": clip.split,
        "subject": s.subject,
        "action": s.action,
        "fps": float(s.fps),
        "start": start,
        "stop": stop,
    }
