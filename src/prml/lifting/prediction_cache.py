"""Cache of predictions made before they are needed."""

from collections.abc import Hashable, Iterator
from hashlib import blake2b
from threading import Lock

import numpy as np
from jaxtyping import Float

from prml.lifting.windows import Predict

Array = np.ndarray
MAX_WINDOWS = 1500  # 50 MB of prml-s, six minutes of video


class PredictionCache:
    """Network outputs by window. Each prediction is returned once, then dropped.

    The key is the source of a prediction and every bit of its window, so a cache never returns a result for another
    network, other options or another input. Threads may share a cache. The weights of the networks must not change
    while it is in use.

    Args:
        limit: maximum number of windows.

    Attributes:
        hits, misses: number of requested windows that were and were not in the cache.
    """

    def __init__(self, limit: int = MAX_WINDOWS) -> None:
        self._limit, self._lock = limit, Lock()
        self._known: dict[_Key, tuple[_Block, int]] = {}
        self._blocks: dict[str, _Block] = {}  # by the kind of the predictions
        self.hits = self.misses = 0

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return len(self._known) >= self._limit

    def store(self, source: Hashable, windows: Float[Array, "B T J c"], predictions: Float[Array, "B U J d"]) -> None:
        """Store predictions of ``source`` (:attr:`Lifter.prediction_source`); those beyond the limit are dropped."""
        with self._lock:
            for key, prediction in zip(_keys(source, windows), predictions, strict=True):
                if not self.full and key not in self._known:
                    kind = _kind(prediction)
                    if kind not in self._blocks:
                        self._blocks[kind] = _Block(self._limit, prediction)
                    block = self._blocks[kind]
                    self._known[key] = block, block.put(prediction)

    def _take(self, key: "_Key") -> Float[Array, "U J d"] | None:
        """Remove and return a prediction, or None."""
        if key not in self._known:
            return None
        block, place = self._known.pop(key)
        return block.take(place)

    def predict(self, source: Hashable, windows: Float[Array, "B T J c"], predict: Predict) -> Float[Array, "B U J d"]:
        """Return ``predict(windows)``, computed only for windows without a stored prediction of ``source``."""
        with self._lock:
            known = [self._take(key) for key in _keys(source, windows)]
            missing = [i for i, prediction in enumerate(known) if prediction is None]
            self.hits, self.misses = self.hits + len(known) - len(missing), self.misses + len(missing)
        computed = iter(predict(windows[missing]) if missing else ())
        return np.stack([next(computed) if prediction is None else prediction for prediction in known])


class _Block:
    """Preallocated storage for predictions of one shape.

    Small long-lived arrays, allocated between a network's large ones, would fragment the heap and keep ten times their
    size from being freed.
    """

    def __init__(self, limit: int, like: Float[Array, "U J d"]) -> None:
        self._values = np.empty((limit, *like.shape), like.dtype)  # takes no memory before it is written to
        self._free = list(range(limit))[::-1]

    def put(self, prediction: Float[Array, "U J d"]) -> int:
        """Store a prediction; return its slot."""
        place = self._free.pop()
        self._values[place] = prediction
        return place

    def take(self, place: int) -> Float[Array, "U J d"]:
        """Return the prediction in a slot and free the slot."""
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
