"""Features on disk: computed once and then memory-mapped, so training never runs a backbone.

A cache is a folder. ``features.json`` says what made it (backbone and its fingerprint, crop rule, number format) and
which clips are in it; ``map0.bin`` and so on hold the maps of all frames in order, ``mirrored0.bin``
and so on those of the mirrored crops; ``input.npy``, ``reference.npy``, ``target.npy`` and ``times.npy`` hold the
rest. It is written under a temporary name and renamed when complete.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prml.errors import PrmlError
from prml.image_features import crops
from prml.image_features.source import Features
from prml.io.guard import guarded, one_line
from prml.io.typed import check_values
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

Array = np.ndarray
FORMAT = "prml-features/1"
INDEX = "features.json"
_WIDTHS = {"input": 3, "reference": 2, "target": 3, "times": 0}
SMALL = tuple(_WIDTHS)  # .npy files, one row per frame
UNIT = "unit"  # .npy file: metres per unit of targets in image space, where that is known
_BATCH = 16
_MAX_COUNT = 100_000
_HINTS: dict[str, Any] = {
    "backbone": dict,
    "crop": str,
    "options": dict,
    "frames": int,
    "clips": list[dict[str, Any]],
    "clips_sha256": str,
}
_OF_BACKBONE: dict[str, Any] = {"fingerprint": str, "shapes": list[list[int]]}
_OF_OPTIONS = {"half": bool, "mirrored": bool, "every": int, "licence": str}
_OF_CLIP = {"name": str, "start": int, "stop": int, "fps": float, "split": str}


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a cache; raises PrmlError if the folder is not a cache of this format."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PrmlError(
            f"{folder} is not a feature cache: no readable {INDEX}; make one with 'prml data features'"
        ) from error
    if not isinstance(index, dict) or index.get("format") != FORMAT or not set(_HINTS) <= set(index):
        raise PrmlError(f"{folder}: expected a cache of format {FORMAT}; rebuild it with 'prml data features'")
    _check_index(index, f"{folder}/{INDEX}")
    return index


def _check_index(index: dict[str, Any], what: str) -> None:
    """Raise PrmlError for an entry of another kind, and for clips or maps that cannot be."""
    check_values(index, _HINTS, what)
    clips = [(clip, _OF_CLIP) for clip in index["clips"]]
    for values, hints in ((index["backbone"], _OF_BACKBONE), (index["options"], _OF_OPTIONS), *clips):
        if missing := [name for name in hints if name not in values]:
            raise PrmlError(f"{what} lacks {missing[0]!r}; rebuild the cache with 'prml data features'")
        check_values(values, hints, what)
    shapes, frames = index["backbone"]["shapes"], index["frames"]
    if any(len(shape) != 3 or not all(0 < n <= _MAX_COUNT for n in shape) for shape in shapes):
        raise PrmlError(f"{what}: expected maps of three sizes each, got {one_line(shapes)}")
    for clip in index["clips"]:
        if not 0 <= clip["start"] <= clip["stop"] <= frames or not 0 < clip["fps"] < _MAX_COUNT:
            raise PrmlError(f"{what}: clip {one_line(clip['name'], 60)!r} does not lie in its {frames} frames")
    if index["options"]["every"] < 1:
        raise PrmlError(f"{what}: expected 'every' of at least 1, got {index['options']['every']}")


def dtype_of(half: bool) -> np.dtype[Any]:
    """Of the maps."""
    return np.dtype(np.float16 if half else np.float32)


class FeatureCache:
    """An opened cache. The maps are memory-mapped on first use; a copy for another process opens its own.

    Attributes:
        index: what ``features.json`` says.
        inputs, targets, references, times_s: of all frames.
        unit_m: metres per unit of the targets, NaN where it is not known; None for targets in metres.

    Args:
        folder: of the cache.

    Raises:
        PrmlError: not a cache, a truncated one, or one with another crop rule than this version's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder, read_index(folder)
        if self.index["crop"] != crops.RULE:
            raise PrmlError(f"{folder} is stale: its crops are '{self.index['crop']}', now '{crops.RULE}'; rebuild it")
        self.inputs, self.references, self.targets, self.times_s = (self._array(name) for name in SMALL)
        self.unit_m = self._array(UNIT) if (folder / f"{UNIT}.npy").is_file() else None
        self._maps: dict[str, list[Array]] = {}
        for name in ("map", "mirrored") if self.mirrored else ("map",):
            for i, shape in enumerate(self.shapes):
                file, size = folder / f"{name}{i}.bin", self.frames * int(np.prod(shape)) * self.dtype.itemsize
                found = file.stat().st_size if file.is_file() else 0
                if found != size:
                    raise PrmlError(
                        f"{file} is damaged: expected {size} bytes, found {found}; rebuild it with overwrite=True"
                    )

    def _array(self, name: str) -> Array:
        path, width = self.folder / f"{name}.npy", _WIDTHS.get(name, 0)
        array: Array = guarded(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False), "rebuild it")
        wanted = (self.frames, 17, width) if width else (self.frames,)
        if array.dtype.kind != "f" or array.shape != wanted:
            raise PrmlError(
                f"{path} is damaged: expected numbers of {wanted}, got {array.dtype} of {array.shape}; rebuild it with "
                "overwrite=True"
            )
        return array

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]  # maps are opened where they are used, not copied

    @property
    def frames(self) -> int:
        """How many."""
        return int(self.index["frames"])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """(c, h, w) of the maps."""
        return [tuple(shape) for shape in self.index["backbone"]["shapes"]]

    @property
    def mirrored(self) -> bool:
        """Whether the maps of the mirrored crops exist."""
        return bool(self.index["options"]["mirrored"])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the maps."""
        return dtype_of(bool(self.index["options"]["half"]))

    @property
    def label(self) -> str:
        """Space of the targets: "camera_m" or "image"."""
        return str(self.index.get("label", "camera_m"))

    @property
    def fingerprint(self) -> str:
        """Of the backbone."""
        return str(self.index["backbone"]["fingerprint"])

    def maps(self, name: str = "map") -> list[Array]:
        """Memory maps (frames, c, h, w) of ``map`` or ``mirrored``."""
        if name not in self._maps:
            self._maps[name] = [
                np.memmap(self.folder / f"{name}{i}.bin", self.dtype, "r", shape=(self.frames, *shape))
                for i, shape in enumerate(self.shapes)
            ]
        return self._maps[name]

    def features(self, sequence: PoseSequence, rows: Array, *, mirrored: bool = False) -> Iterator[Features]:
        """Features of a sequence that is in the cache, found by its name and times (``FeatureSource``).

        Raises:
            PrmlError: a missing clip, missing frames or mirrored features, or other 2D than the cache was built with.
        """
        at = self._find(sequence, rows)
        given = sequence.to_skeleton(H36M17).keypoints_px
        if given is None or np.abs(crops.reference(given[rows].astype(np.float64)) - self.references[at]).max() > 1e-3:
            raise PrmlError(
                f"{self.folder} was made with other 2D of {sequence.name!r}; build it with the 2D that is scored"
            )
        if mirrored and not self.mirrored:
            raise PrmlError(f"{self.folder} has no mirrored features: build it with mirrored=True, or do not flip")
        for i in range(0, len(at), _BATCH):
            part = at[i : i + _BATCH]
            read = [
                [torch.from_numpy(m[part].astype(np.float32)) for m in self.maps(n)]
                for n in ("map", "mirrored")[: 1 + mirrored]
            ]
            yield Features(rows[i : i + _BATCH], self.references[part], read[0], read[1] if mirrored else None)

    def _find(self, sequence: PoseSequence, rows: Array) -> Array:
        clip = next((c for c in self.index["clips"] if c["name"] == sequence.name), None)
        if clip is None:
            raise PrmlError(f"{self.folder} has no clip {sequence.name!r}; build a cache of the data that is scored")
        times, wanted = self.times_s[clip["start"] : clip["stop"]], sequence.times_s[rows]
        near = np.clip(np.searchsorted(times, wanted - 0.25 / clip["fps"]), 0, len(times) - 1)
        if (np.abs(times[near] - wanted) > 0.25 / clip["fps"]).any():
            raise PrmlError(f"{self.folder} lacks frames of {sequence.name!r}; build it with every=1")
        return np.asarray(near + clip["start"])
