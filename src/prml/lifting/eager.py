"""Lift while the detector is still running, by predicting the settled part of the growing track.

This never changes the result. The whole clip is lifted once the detector is done; a window is taken from the cache only
if its input is bit for bit the same as predicted earlier, otherwise it is computed. A wrong guess costs time, not
accuracy.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from prml.camera import Camera
from prml.detect.base import Detection
from prml.filters.repair import LONGEST_FILL_S, fill_gaps, repair_swaps
from prml.filters.resample import jumps, network_times
from prml.lifting.prediction_cache import PredictionCache
from prml.lifting.windows import window_starts
from prml.normalise import MARGIN_S
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton
from prml.threads import torch_threads

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter

Array = np.ndarray
Tell = Callable[[float, Detection | None], None]
_LOOK_EVERY_S = 0.3
_SETTLED_S = 2 * MARGIN_S + 0.3  # frames more than this later affect a frame's input only through rare repairs
_BEFORE_S = 2 * MARGIN_S + 1.0  # frames more than this earlier do not affect it


class EagerLifter:
    """Predicts the settled windows of a growing track.

    Args:
        lifter: predicts the windows.
        skeleton: joint set of the detections.
        camera: camera of the keypoints.
        cache: receives the predictions.
    """

    def __init__(self, lifter: "Lifter", skeleton: Skeleton, camera: Camera, cache: PredictionCache) -> None:
        self._lifter, self._skeleton, self._camera, self._cache = lifter, skeleton, camera, cache
        self._times_s: list[float] = []
        self._people: list[Detection | None] = []  # of the current stretch without gaps
        self._kept_from = 0  # earlier people have been dropped
        self._seen = 0  # frames up to the last one with a person
        self._done = 0  # windows predicted
        self._due_s = -np.inf  # no window is settled before this time

    def add(self, time_s: float, person: Detection | None) -> None:
        """Add a frame: its time, and the person if seen."""
        if person is not None:
            gap = self._seen < len(self._people)
            jump = bool(self._times_s) and jumps(np.array([self._times_s[-1], time_s]))[1]
            if not self._seen or jump or (gap and time_s - self._times_s[self._seen - 1] > LONGEST_FILL_S):
                self._times_s, self._people, self._kept_from, self._done = [], [], 0, 0
        self._times_s.append(time_s)
        self._people.append(person)
        if person is not None:
            self._seen = len(self._people)

    def work(self) -> None:
        """Predict the settled windows, in whole batches."""
        if self._seen < 4 or self._cache.full or self._times_s[self._seen - 1] < self._due_s:
            return
        times, frames = np.asarray(self._times_s[: self._seen]), self._lifter.card.window
        wanted = network_times(times, self._lifter.card.fps)
        starts = self._settled(wanted, float(times[-1]))
        if not len(starts):
            self._due_s = times[-1] + _LOOK_EVERY_S
            return
        first_s = wanted[max(int(starts[0]), 0)] - _BEFORE_S
        low = max(0, int(np.searchsorted(times, first_s)))
        self._people[self._kept_from : low] = [None] * (low - self._kept_from)
        self._kept_from = low
        inputs, offset = self._inputs(times, wanted, low)
        for part in starts.reshape(-1, self._lifter.options.batch):
            index = np.clip(part[:, None] + np.arange(frames), 0, None) - offset
            self._lifter.predict_into(self._cache, inputs[index])
        self._done += len(starts)

    def _settled(self, wanted: Float[Array, " L"], last_s: float) -> Array:
        """Starts of the windows that are settled and not yet predicted, in whole batches."""
        options, frames = self._lifter.options, self._lifter.card.window
        settled = int(np.searchsorted(wanted, last_s - _SETTLED_S))
        starts = window_starts(settled, frames, self._lifter.hop, options.phase)
        starts = starts[starts + frames <= settled][self._done :]
        return starts[: len(starts) // options.batch * options.batch]

    def _inputs(self, times: Array, wanted: Array, low: int) -> tuple[Float[Array, "L 17 c"], int]:
        """Return the network inputs of the track from frame ``low`` on, and the network frame of the first."""
        people = self._people[low : self._seen]
        seen = np.array([person is not None for person in people])
        points = np.full((len(people), len(self._skeleton), 2), np.nan)
        confidence = np.zeros(points.shape[:2])
        for index, person in enumerate(people):
            if person is not None:
                points[index], confidence[index] = person.keypoints_px, person.confidence
        points, confidence, filled = fill_gaps(points, confidence, seen, times[low:])
        points, confidence, _ = repair_swaps(points, confidence, seen | filled, self._skeleton, times[low:])
        track = PoseSequence(
            self._skeleton, times[low:], keypoints_px=points, confidence=confidence, camera=self._camera
        )
        offset = int(np.searchsorted(wanted, times[low]))
        return self._lifter.inputs(track, wanted[offset:]), offset


def can_lift_eagerly(lifter: "Lifter") -> bool:
    """Whether the input of a frame depends only on nearby frames and the network predicts whole windows."""
    near = lifter.output == "sequence" and lifter.card.normalisation == "virtual_camera"
    return near and lifter.image_features is None


@contextmanager
def lifting_eagerly(
    lifter: "Callable[[], Lifter]", skeleton: Skeleton, camera: Camera, cache: PredictionCache
) -> Iterator[Tell]:
    """Predict in a thread while the block runs; call the yielded function with the time and person of every frame.

    Args:
        lifter: opens the lifter. It is called in the thread after the first frame, so that torch and the weights load
            while the detector runs. Nothing is predicted if the lifter does not support it.
        skeleton: joint set of the detections.
        camera: camera of the keypoints.
        cache: receives the predictions; pass it to :meth:`Lifter.lift` afterwards.

    Raises:
        Exception: an error in the thread, raised in the block with the next frame, or at the end of the block.
    """
    queue: SimpleQueue[tuple[float, Detection | None]] = SimpleQueue()
    started, stop = Event(), Event()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            started.wait()  # loading earlier would delay the detector
            if stop.is_set():
                return
            opened = lifter()
            import scipy.interpolate  # noqa: F401  # needed at the end of lifting; takes a fifth of a second to load
            import torch

            if not can_lift_eagerly(opened):
                return
            eager = EagerLifter(opened, skeleton, camera, cache)
            with torch_threads(max(1, torch.get_num_threads() - 1)):  # leave one core to the detector
                while not stop.wait(0.05):
                    while not queue.empty():
                        eager.add(*queue.get())
                    eager.work()
        except Exception as error:  # raised in the thread of the block
            errors.append(error)

    def tell(time_s: float, person: Detection | None) -> None:
        if errors:
            raise errors[0]
        queue.put((time_s, person))
        started.set()

    thread = Thread(target=run, name="prml-eager", daemon=True)
    thread.start()
    try:
        yield tell
    finally:
        stop.set()
        started.set()
        thread.join()
    if errors:
        raise errors[0]
