"""Training windows with image features, from caches."""

from collections.abc import Sequence

import numpy as np
import torch

from prml.batches.options import WindowOptions
from prml.batches.training_windows import SAME_FPS, Batch, Part, Windows, before_held_out, common, mirror
from prml.errors import PrmlError
from prml.image_features.cache import FeatureCache
from prml.skeleton import H36M17

Array = np.ndarray
_GAP = 1.5  # steps between neighbouring frames: beyond it one is missing


def _rows(cache: FeatureCache, part: Part, frames: int) -> list[Array]:
    """Labelled frames of every clip of a part, in order of time; for windows of several frames cut where some lack."""
    splits = {clip["split"] for clip in cache.index["clips"]}
    labelled = np.isfinite(cache.targets).all((1, 2))
    out: list[Array] = []
    for clip in cache.index["clips"]:
        rows = clip["start"] + np.flatnonzero(labelled[clip["start"] : clip["stop"]])
        if "val" not in splits:
            held = before_held_out(len(rows))
            rows = rows[:held] if part == "train" else rows[held:]
        elif clip["split"] != part:
            continue
        step_s = int(cache.index["options"]["every"]) / clip["fps"]
        gaps = np.flatnonzero(np.diff(cache.times_s[rows]) > _GAP * step_s) + 1
        out += np.split(rows, gaps) if frames > 1 else [rows]
    return [rows for rows in out if len(rows)]


class FeatureWindows(Windows):
    """Batches ``input`` (B, T, 17, C_in), ``target`` (B, T, 17, 3), ``reference`` (B, T, 17, 2), ``map0`` and so on
    (B, T, c, h, w).

    With image-space targets also ``unit_m`` (B, T), metres per unit, if it is known of all frames of the part.

    Args:
        caches: of one backbone.
        options: ``frames``, ``stride``, ``batch``, ``flip`` and ``in_channels`` are used.
        part: clips of this split. If no cache has clips for validation, the last tenth of every clip is used.
        seed: of order and flips.

    Raises:
        PrmlError: caches of different backbones or frame rates, without labels, or without the mirrored features that
            flips need.
    """

    def __init__(self, caches: Sequence[FeatureCache], options: WindowOptions, *, part: Part, seed: int) -> None:
        self.caches, self.options, self.seed = list(caches), options, seed
        if len({c.fingerprint for c in caches}) > 1:
            raise PrmlError("the feature caches are of different backbones or weights; build them with one")
        if len({c.label for c in caches}) > 1:
            raise PrmlError("the feature caches have different kinds of labels; build them from one kind of data")
        if options.flip > 0 and not all(c.mirrored for c in caches):
            raise PrmlError(
                "data.windows.flip needs mirrored features; build the cache with them, or set data.windows.flip=0"
            )
        self.rows: list[Array] = [rows for cache in caches for rows in _rows(cache, part, options.frames)]
        owners = [i for i, cache in enumerate(caches) for _ in _rows(cache, part, options.frames)]
        index = [
            (owner, clip, start)
            for clip, (owner, rows) in enumerate(zip(owners, self.rows, strict=True))
            for start in range(0, max(1, len(rows) - options.frames + 1), options.stride)
        ]
        self.units = all(
            (units := self.caches[owner].unit_m) is not None and bool(np.isfinite(units[rows]).all())
            for owner, rows in zip(owners, self.rows, strict=True)
        )
        if not index:
            raise PrmlError(
                f"the feature cache has no labelled frame to {'train on' if part == 'train' else 'validate'}"
            )
        self.index = np.array(index, dtype=np.int64)
        rates = [
            (f"{cache.folder.name}/{clip['name']}", float(clip["fps"]) / int(cache.index["options"]["every"]))
            for cache in caches
            for clip in cache.index["clips"]
        ]
        self.fps = common("frames a second", rates, SAME_FPS)

    def __len__(self) -> int:
        """Batches in an epoch (at least one)."""
        return max(1, len(self.index) // self.options.batch)

    def make(self, rng: np.random.Generator, rows: Array) -> Batch:
        """One batch from rows of the index."""
        flipped = rng.random(len(rows)) < self.options.flip
        parts = [self._window(row, bool(flip)) for row, flip in zip(rows, flipped, strict=True)]
        given, label = (np.stack([p[name] for p in parts]) for name in ("input", "target"))
        inputs, targets = mirror(given, label, flipped)
        batch = {"input": np.ascontiguousarray(inputs[..., : self.options.in_channels]), "target": targets}
        batch |= {name: np.stack([p[name] for p in parts]) for name in parts[0] if name not in batch}
        return {name: torch.from_numpy(np.ascontiguousarray(value, np.float32)) for name, value in batch.items()}

    def _window(self, row: Array, flip: bool) -> dict[str, Array]:
        owner, clip, start = (int(v) for v in row)
        cache, of_clip = self.caches[owner], self.rows[clip]
        at = of_clip[np.minimum(start + np.arange(self.options.frames), len(of_clip) - 1)]
        places = cache.references[at]
        maps = cache.maps("mirrored" if flip else "map")
        unit = {"unit_m": cache.unit_m[at]} if self.units and cache.unit_m is not None else {}
        return unit | {
            "input": cache.inputs[at],
            "target": cache.targets[at],
            "reference": H36M17.flip(places) if flip else places,
            **{f"map{i}": level[at] for i, level in enumerate(maps)},
        }
