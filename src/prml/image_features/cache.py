"""Features on disk: computed once and then memory-mapped, so training never runs a backbone.

A cache is a folder. ``features.json`` says what made it (backbone and its fingerprint, crop rule, number format) and
which clips are in it; ``map0.bin`` to ``map3.bin`` hold the maps of all frames in order, ``mirrored0.bin``
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
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

Array = np.ndarray
FORMAT = "prml-features/1"
INDEX = "features.json"
SMALL = ("input", "reference", "target", "times")  # .npy files, one row per frame
_BATCH = 16


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a cache; raises PrmlError if the folder is not a cache of this format."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PrmlError(
            f"{folder} is not a feature cache: no readable {INDEX}; make one with 'prml data features'"
        ) from error
    needed = {"backbone", "crop", "options", "frames", "clips", "clips_sha256"}
    if not isinstance(index, dict) or index.get("format") != FORMAT or not needed <= set(index):
        raise PrmlError(f"{folder}: expected a cache of format {FORMAT}; rebuild it with 'prml data features'")
    return index


class FeatureCache:
    """An opened cache. The maps are memory-mapped on first use; a copy for another process opens its own.

    Attributes:
        index: what ``features.json`` says.
        inputs, targets, references, times_s: of all frames.

    Args:
        folder: of the cache.

    Raises:
        PrmlError: not a cache, a truncated one, or one with another crop rule than this version's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder, read_index(folder)
        if self.index["crop"] != crops.RULE:
            raise PrmlError(f"{folder} is stale: its crops are '{self.index['crop']}', now '{crops.RULE}'; rebuild it")
        try:
            self.inputs, self.references, self.targets, self.times_s = (
                np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in SMALL
            )
        except (OSError, ValueError, EOFError) as error:
            raise PrmlError(f"{folder} is damaged: {error}; rebuild it with overwrite=True") from error
        self._maps: dict[str, list[Array]] = {}
        for name in ("map", "mirrored") if self.mirrored else ("map",):
            for i, shape in enumerate(self.shapes):
                file, size = folder / f"{name}{i}.bin", self.frames * int(np.prod(shape)) * self.dtype.itemsize
                found = file.stat().st_size if file.is_file() else 0
                if found != size:
                    raise PrmlError(
                        f"{file} is damaged: expected {size} bytes, found {found}; rebuild it with overwrite=True"
                    )

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
        return np.dtype(np.float16 if self.index["options"]["half"] else np.float32)

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
