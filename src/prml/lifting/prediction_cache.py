"""Predictions made before they are asked for, kept until they are."""

from collections.abc import Hashable, Iterator
from hashlib import blake2b
from threading import Lock

import numpy as np
from jaxtyping import Float

from prml.lifting.windows import Predict

Array = np.ndarray
MAX_WINDOWS = 1500  # 50 MB of prml-s, six minutes of video


class PredictionCache:
    """What networks returned for their windows. Each prediction is handed out once, then forgotten.

    A prediction is found by who made it and by every bit of its window, so a cache never answers for another network,
    for other options or for another input. Several threads may share one. The weights of the networks must not change
    while the cache is in use.

    Args:
        limit: windows to keep.

    Attributes:
        hits, misses: windows that were known when asked for, and windows that were not.
    """

    def __init__(self, limit: int = MAX_WINDOWS) -> None:
        self._limit, self._lock = limit, Lock()
        self._known: dict[_Key, tuple[_Block, int]] = {}
        self._blocks: dict[str, _Block] = {}  # by the kind of the predictions
        self.hits = self.misses = 0

    @property
    def full(self) -> bool:
        """Whether no more windows are kept."""
        return len(self._known) >= self._limit

    def store(self, source: Hashable, windows: Float[Array, "B T J c"], predictions: Float[Array, "B U J d"]) -> None:
        """Keep the predictions that ``source`` (:attr:`Lifter.prediction_source`) made; drop those beyond the limit."""
        with self._lock:
            for key, prediction in zip(_keys(source, windows), predictions, strict=True):
                if not self.full and key not in self._known:
                    kind = _kind(prediction)
                    if kind not in self._blocks:
                        self._blocks[kind] = _Block(self._limit, prediction)
                    block = self._blocks[kind]
                    self._known[key] = block, block.put(prediction)

    def _take(self, key: "_Key") -> Float[Array, "U J d"] | None:
        """Hand a prediction out and forget it."""
        if key not in self._known:
            return None
        block, place = self._known.pop(key)
        return block.take(place)

    def predict(self, source: Hashable, windows: Float[Array, "B T J c"], predict: Predict) -> Float[Array, "B U J d"]:
        """The same as ``predict(windows)``, computed only for windows without a prediction of ``source``."""
        with self._lock:
            known = [self._take(key) for key in _keys(source, windows)]
            missing = [i for i, prediction in enumerate(known) if prediction is None]
            self.hits, self.misses = self.hits + len(known) - len(missing), self.misses + len(missing)
        computed = iter(predict(windows[missing]) if missing else ())
        return np.stack([next(computed) if prediction is None else prediction for prediction in known])


class _Block:
    """Room for predictions of one shape, in one piece.

    Small arrays that live long, made one by one between the large ones of a network, would scatter over the heap and
    keep ten times their size from being given back.
    """

    def __init__(self, limit: int, like: Float[Array, "U J d"]) -> None:
        self._values = np.empty((limit, *like.shape), like.dtype)  # takes no memory before it is written to
        self._free = list(range(limit))[::-1]

    def put(self, prediction: Float[Array, "U J d"]) -> int:
        """Keep a prediction; returns its place."""
        place = self._free.pop()
        self._values[place] = prediction
        return place

    def take(self, place: int) -> Float[Array, "U J d"]:
        """The prediction at a place, which is free afterwards."""
        self._free.append(place)
        prediction: Array = self._values[place].copy()
        return prediction


_Key = tuple[Hashable, bytes]


def _kind(array: Array) -> str:
    return f"{array.shape} {array.dtype.str} "


def _keys(source: Hashable, windows: Float[Array, "B T J c"]) -> Iterator[_Key]:
    for window in windows:
        content = _kind(window).encode() + np.ascontiguousarray(window).tobytes()
        yield source, blake2b(content, digest_size=16).digest()
