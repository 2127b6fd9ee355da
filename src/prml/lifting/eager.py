"""Lifting while the detector still works: what a window gave is kept until the whole clip is lifted and asks again.

Nothing is decided early. The clip is lifted as ever when the detector is done; windows whose inputs are bit for bit
what was guessed are taken from memory then, all others are computed. So a wrong guess costs time, never accuracy.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from queue import SimpleQueue
from threading import Event, Thread

import numpy as np
import torch
from jaxtyping import Float

from prml.camera import Camera
from prml.detect.base import Detection
from prml.filters.repair import LONGEST_FILL_S, fill_gaps, mend_exchanges
from prml.filters.resample import network_times
from prml.lifting.lifter import Lifter
from prml.lifting.windows import Predict, window_starts
from prml.networks import registry
from prml.normalise import MARGIN_S
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton

Array = np.ndarray
Tell = Callable[[float, Detection | None], None]
MOST_WINDOWS = 1500  # kept: 50 MB, six minutes of video
_LOOK_EVERY_S = 0.3
_SETTLED_S = 2 * MARGIN_S + 0.3  # what comes later than this no longer changes a frame's input, but for rare mending
_BEFORE_S = 2 * MARGIN_S + 1.0  # what came earlier than this does not either


class Remembered:
    """A network's answers by what it was asked; each is given once, then forgotten.

    Args:
        predict: what answers the first time.
        most: windows kept.

    Attributes:
        hits, misses: windows that were known when asked for, and that were not.
    """

    def __init__(self, predict: Predict, most: int = MOST_WINDOWS) -> None:
        self._predict, self._most = predict, most
        self._known: dict[bytes, Array] = {}
        self.hits = self.misses = 0

    @property
    def full(self) -> bool:
        """Whether nothing more is kept."""
        return len(self._known) >= self._most

    def learn(self, inputs: Float[Array, "B T J c"]) -> None:
        """Compute these windows and keep them."""
        for window, answer in zip(inputs, self._predict(inputs), strict=True):
            self._known[_key(window)] = answer.copy()

    def __call__(self, inputs: Float[Array, "B T J c"]) -> Float[Array, "B T J d"]:
        """What ``predict`` gives."""
        answers = [self._known.pop(_key(window), None) for window in inputs]
        missing = [index for index, answer in enumerate(answers) if answer is None]
        self.hits, self.misses = self.hits + len(answers) - len(missing), self.misses + len(missing)
        if missing:
            for index, answer in zip(missing, self._predict(inputs[missing]), strict=True):
                answers[index] = answer
        return np.stack(answers)  # type: ignore[arg-type]


def _key(window: Float[Array, "T J c"]) -> bytes:
    return blake2b(np.ascontiguousarray(window).tobytes(), digest_size=16).digest()


class Ahead:
    """Lifts the settled part of a track that grows.

    Args:
        lifter: whose windows are computed and remembered.
        skeleton: joint set of the detections.
        camera: what the keypoints refer to.
    """

    def __init__(self, lifter: Lifter, skeleton: Skeleton, camera: Camera) -> None:
        self._lifter, self._skeleton, self._camera = lifter, skeleton, camera
        self.remembered = Remembered(lifter.predict)
        options, self._frames = lifter.options, lifter.card.window
        self._hop = max(1, self._frames // max(1, options.overlap))
        self._batch, self._phase = options.batch, options.phase
        self._times_s: list[float] = []
        self._people: list[Detection | None] = []  # of the current stretch without gaps
        self._seen = 0  # frames up to the last sight
        self._done = 0  # windows computed
        self._due_s = -np.inf  # nothing is to be expected before

    def add(self, time_s: float, person: Detection | None) -> None:
        """The next frame: its time, and the person if seen."""
        if person is not None:
            gap = self._seen < len(self._people)
            if not self._seen or (gap and time_s - self._times_s[self._seen - 1] > LONGEST_FILL_S):
                self._times_s, self._people, self._done = [], [], 0
        self._times_s.append(time_s)
        self._people.append(person)
        if person is not None:
            self._seen = len(self._people)

    def work(self) -> None:
        """Compute what is settled, whole batches only."""
        if self._seen < 4 or self.remembered.full or self._times_s[self._seen - 1] < self._due_s:
            return
        times = np.asarray(self._times_s[: self._seen])
        wanted = network_times(times, self._lifter.card.fps)
        settled = int(np.searchsorted(wanted, times[-1] - _SETTLED_S))
        starts = window_starts(settled, self._frames, self._hop, self._phase)
        starts = starts[starts + self._frames <= settled][self._done :]
        starts = starts[: len(starts) // self._batch * self._batch]
        if not len(starts):
            self._due_s = times[-1] + _LOOK_EVERY_S
            return
        first_s = wanted[max(int(starts[0]), 0)] - _BEFORE_S
        inputs, offset = self._inputs(times, wanted, max(0, int(np.searchsorted(times, first_s))))
        for part in starts.reshape(-1, self._batch):
            index = np.clip(part[:, None] + np.arange(self._frames), 0, None) - offset
            self.remembered.learn(inputs[index])
        self._done += len(starts)

    def _inputs(self, times: Array, wanted: Array, low: int) -> tuple[Float[Array, "L 17 c"], int]:
        """Network inputs of the track from frame ``low`` on, and which network frame the first one is."""
        people = self._people[low : self._seen]
        seen = np.array([person is not None for person in people])
        points = np.full((len(people), len(self._skeleton), 2), np.nan)
        confidence = np.zeros(points.shape[:2])
        for index, person in enumerate(people):
            if person is not None:
                points[index], confidence[index] = person.keypoints_px, person.confidence
        points, confidence, filled = fill_gaps(points, confidence, seen, times[low:])
        points, confidence, _ = mend_exchanges(points, confidence, seen | filled, self._skeleton)
        track = PoseSequence(
            self._skeleton, times[low:], keypoints_px=points, confidence=confidence, camera=self._camera
        )
        offset = int(np.searchsorted(wanted, times[low]))
        return self._lifter.inputs(track, wanted[offset:]), offset


def can_work_ahead(lifter: Lifter) -> bool:
    """Whether a frame's input depends on its neighbourhood only, and the network takes whole windows."""
    near = lifter.output == "sequence" and lifter.card.normalisation == "virtual_camera"
    return near and not registry.entry(lifter.card.network).context


@contextmanager
def lifting_ahead(lifter: Lifter, skeleton: Skeleton, camera: Camera) -> Iterator[Tell]:
    """Work in a thread of its own on the times and persons that the given function is told, until the block ends.

    The lifter remembers what was computed.

    Raises:
        Exception: what went wrong in the thread, at the end of the block.
    """
    queue: SimpleQueue[tuple[float, Detection | None]] = SimpleQueue()
    ahead, stop = Ahead(lifter, skeleton, camera), Event()
    errors: list[BaseException] = []

    def run() -> None:
        import scipy.interpolate  # noqa: F401  # what the end of lifting needs; it takes a fifth of a second to load

        threads = torch.get_num_threads()
        torch.set_num_threads(max(1, threads - 1))  # one core is the detector's
        try:
            while not stop.wait(0.05):
                while not queue.empty():
                    ahead.add(*queue.get())
                ahead.work()
        except Exception as error:  # it belongs to the thread that asks
            errors.append(error)
        finally:
            torch.set_num_threads(threads)

    thread = Thread(target=run, name="prml-ahead", daemon=True)
    thread.start()
    try:
        yield lambda time_s, person: queue.put((time_s, person))
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]
    lifter.remembered = ahead.remembered
