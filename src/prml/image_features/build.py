"""Build a feature cache: frames through a backbone, stored with keypoints and labels (``image_features.cache``)."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from prml.batches.sequence_windows import SequenceRule
from prml.errors import PrmlError
from prml.image_features import crops
from prml.image_features.backbones import Backbone
from prml.image_features.cache import FORMAT, INDEX, SMALL, FeatureCache
from prml.image_features.options import CacheOptions
from prml.image_features.source import FrameFeatures
from prml.networks.peers.capf import LEVELS
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
    """

    sequence: PoseSequence
    frames: Path
    split: str = "train"


def in_camera(sequence: PoseSequence) -> PoseSequence:
    """H36M17 with its 3D joints, if any, in the camera's frame."""
    s = sequence.to_skeleton(H36M17)
    if s.joints_m is None or s.frame == "camera" or s.camera is None:
        return s
    turned = s.joints_m @ s.camera.R_world_to_camera.T if s.root_relative else s.camera.to_camera(s.joints_m)
    return s.with_(joints_m=turned, frame="camera")


def _arrays(clip: Clip, every: int) -> tuple[Array, Float[Array, "n 17 3"], Float[Array, "n 17 3"]]:
    """Frames with a person, their input (x, y, confidence) and target (NaN where there is no label)."""
    s = in_camera(clip.sequence)
    points = s.keypoints_px
    if points is None or s.camera is None:
        raise PrmlError(f"{s.name or clip.frames.name}: features need 2D keypoints and the image size")
    if s.joints_m is None:
        s = s.with_(joints_m=np.full((len(s), 17, 3), np.nan, np.float32))
    rows = np.flatnonzero(np.isfinite(points).all((1, 2)))
    rows = rows[rows % every == 0]
    given, target = SequenceRule("camera_m", in_channels=3).arrays(s)
    return rows, given[rows], target[rows]


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
    return {
        "format": FORMAT,
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
    }
    out = [text for key, text in words.items() if found.get(key) != wanted[key]]
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

    Args:
        out: folder of the cache.
        clips: in the order of the cache.
        backbone: what turns crops into maps.
        options: what is kept.
        overwrite: rebuild if the folder holds another (stale) cache; nothing else is ever replaced.
        progress: called with frames done and frames in total.

    Raises:
        PrmlError: a clip without 2D, a video that does not fit it, or a folder that already exists.
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
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as work:
            draft = Path(work) / "new"
            draft.mkdir()
            _write(draft, clips, backbone, options, wanted, progress or (lambda *_: None))
            if out.exists():
                out.rename(Path(work) / "old")
            draft.rename(out)
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
    draft: Path,
    clips: Sequence[Clip],
    backbone: Backbone,
    options: CacheOptions,
    settings: dict[str, Any],
    progress: Progress,
) -> None:
    chosen = [_arrays(clip, options.every) for clip in clips]
    total, at = sum(len(rows) for rows, _, _ in chosen), 0
    if not total:
        raise PrmlError("no frame of these clips has 2D joints")
    small: dict[str, list[Array]] = {name: [] for name in SMALL}
    entries = []
    with ExitStack() as stack:
        names = ("map", "mirrored") if options.mirrored else ("map",)
        files = {n: [stack.enter_context((draft / f"{n}{i}.bin").open("wb")) for i in range(LEVELS)] for n in names}
        for clip, (rows, given, target) in zip(clips, chosen, strict=True):
            s, done = clip.sequence, at
            source = FrameFeatures(clip.frames, backbone, batch=_BATCH)
            for seen in source.features(s, rows, mirrored=options.mirrored):
                for name, maps in (("map", seen.maps), ("mirrored", seen.mirrored or [])):
                    _append(files.get(name, []), maps, options.half)
                small["reference"].append(seen.reference)
                done += len(seen.rows)
                progress(done, total)
            for name, array in (("input", given), ("target", target), ("times", s.times_s[rows])):
                small[name].append(array)
            entries.append(_entry(clip, at, done))
            at = done
    for name, parts in small.items():
        np.save(draft / f"{name}.npy", np.concatenate(parts), allow_pickle=False)
    (draft / INDEX).write_text(json.dumps({**settings, "frames": at, "clips": entries}, indent=1), encoding="utf-8")


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


def _append(files: Sequence[IO[bytes]], maps: Sequence[Tensor], half: bool) -> None:
    for file, level in zip(files, maps, strict=True):
        kept = level.half() if half else level
        if not bool(kept.isfinite().all()):
            raise PrmlError("the backbone's features do not fit float16, or are not numbers; keep float32 (half=False)")
        file.write(np.ascontiguousarray(kept.cpu().numpy()).tobytes())
