"""Lift frame by frame, with the past and a stated number of future frames: for a camera."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.camera import Camera
from prml.detect.base import Detection
from prml.errors import PrmlError
from prml.filters.repair import LONGEST_FILL_S
from prml.lifting.lifter import Lifter
from prml.lifting.windows import blend_weights
from prml.normalise import MARGIN_S
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton

Array = np.ndarray
MAX_LATENCY = 60  # frames


@dataclass(frozen=True)
class LiftedFrame:
    """One frame, lifted once its future frames were there.

    Attributes:
        index: number of the frame.
        time_s: its time.
        joints_m: (J, 3) relative to the root, metres, camera frame; None without a person.
        std_m: (J, 3) standard deviations in metres; None if the network has none.
        keypoints_px: (J, 2) what was detected, on the network's joints; NaN for a joint that was not found.
        confidence: (J,) of the keypoints.
    """

    index: int
    time_s: float
    joints_m: Float[Array, "J 3"] | None = None
    std_m: Float[Array, "J 3"] | None = None
    keypoints_px: Float[Array, "J 2"] | None = None
    confidence: Float[Array, " J"] | None = None


@dataclass
class _Waiting:
    """A frame whose future is not complete: a weighted sum of the poses that windows gave so far."""

    index: int
    time_s: float
    person: bool
    total: Float[Array, "J d"] | None = None
    weight: float = 0.0
    keypoints_px: Float[Array, "J 2"] | None = None
    confidence: Float[Array, " J"] | None = None

    def add(self, pose: Float[Array, "J d"], weight: float) -> None:
        """Add the pose of another window."""
        self.total = weight * pose if self.total is None else self.total + weight * pose
        self.weight += weight

    def lifted(self) -> LiftedFrame:
        """Return the mean of the poses."""
        if self.total is None:
            return LiftedFrame(self.index, self.time_s)
        pose = self.total / self.weight
        std = pose[:, 3:] if pose.shape[-1] > 3 else None
        return LiftedFrame(self.index, self.time_s, pose[:, :3], std, self.keypoints_px, self.confidence)


class CausalLifter:
    """Lifts frames as they come; every frame is returned once, in order, after ``latency`` more frames.

    Every window of the network ends with the newest frame. The pose of a frame is the mean over the windows since it
    came, weighted by its place in them as where whole clips are blended: with latency 0 that is the end of one window,
    where a network knows least.

    Args:
        lifter: a network that returns whole windows.
        skeleton: joint set of the detections.
        camera: camera of the keypoints.
        latency: number of later frames that a pose waits for.

    Raises:
        PrmlError: ``latency`` is out of range or the network cannot be used.
    """

    def __init__(self, lifter: Lifter, skeleton: Skeleton, camera: Camera, latency: int = 0) -> None:
        if not 0 <= latency <= MAX_LATENCY:
            raise PrmlError(f"latency must be between 0 and {MAX_LATENCY} frames, got {latency}")
        if lifter.output != "sequence" or lifter.network.image_channels:
            raise PrmlError(f"{lifter.card.name} cannot lift frame by frame; use prml-xs28, prml-xs or prml-s")
        self._lifter, self._skeleton, self._camera, self.latency = lifter, skeleton, camera, latency
        self._ages_s = np.arange(lifter.card.window)[::-1] / lifter.card.fps
        self._weights = blend_weights(lifter.card.window)
        self._span_s = float(self._ages_s[0]) + 2 * MARGIN_S
        self._seen: deque[tuple[float, Detection]] = deque()  # of the stretch without a gap
        self._waiting: deque[_Waiting] = deque()
        self._count, self._news = 0, False

    def add(self, time_s: float, person: Detection | None) -> None:
        """Add the next frame: its time, and the person if seen."""
        if person is not None:
            if self._seen and time_s - self._seen[-1][0] > LONGEST_FILL_S:
                self._look()
                self._seen.clear()  # nothing is known of the motion in between
            self._seen.append((time_s, person))
            while self._seen[0][0] < time_s - self._span_s:
                self._seen.popleft()
            self._news = True
        self._waiting.append(_Waiting(self._count, time_s, person is not None))
        self._count += 1

    def ready(self, latency: int | None = None) -> list[LiftedFrame]:
        """Return the frames that have enough future now, after lifting the newest window.

        Who adds a frame and asks gets one at a time; who has added several gets these at the price of one.

        Args:
            latency: 0 returns all that wait, with what future they have: at the end of a video.
        """
        self._look()
        count = max(0, len(self._waiting) - (self.latency if latency is None else latency))
        return [self._waiting.popleft().lifted() for _ in range(count)]

    def _look(self) -> None:
        """Lift the newest window, and add its poses to the frames that wait."""
        if not self._news:
            return
        self._news = False
        times = np.array([at for at, _ in self._seen])
        frames = [frame for frame in self._waiting if frame.person and frame.time_s >= times[0]]
        track = PoseSequence(
            self._skeleton,
            times,
            keypoints_px=np.stack([one.keypoints_px for _, one in self._seen]),
            confidence=np.stack([one.confidence for _, one in self._seen]),
            camera=self._camera,
        )
        wanted = np.array([frame.time_s for frame in frames])
        try:
            given, poses = self._lifter.lift_end(track, wanted)
        except PrmlError:  # too little of the body in every frame
            return
        weights = np.interp(times[-1] - wanted, self._ages_s[::-1], self._weights[::-1])
        rows = np.searchsorted(times, wanted)
        for frame, pose, weight, row in zip(frames, poses, weights, rows, strict=True):
            if not np.isfinite(pose).all():
                continue
            frame.add(pose, float(weight))
            frame.keypoints_px = None if given.keypoints_px is None else given.keypoints_px[row]
            frame.confidence = None if given.confidence is None else given.confidence[row]
