"""One person followed frame by frame: the track so far, and the states from which to go on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from prml.detect.base import Detection, Detector
from prml.detect.follow import Follower
from prml.detect.people import Identity
from prml.detect.stretch import OTHERS, Found
from prml.detect.track import GrowingTrack, Snapshots
from prml.detect.watch import Watch
from prml.media.frames import VideoFrame

Array = np.ndarray


@dataclass
class Following:
    """A person who is followed, and what was seen so far.

    Attributes:
        detector: finds people in the images.
        scale: size of the images relative to the video.
        track: what was seen, in pixels of the video.
        follower, watch: follow the person, and keep others apart.
        near: whether somebody was beside the person, per frame of the track.
        snapshots: recent states.
        every: only frames 0, ``every``, 2 ``every``, ... are looked at; nobody is seen in the others.
    """

    detector: Detector
    scale: float
    track: GrowingTrack
    follower: Follower
    watch: Watch
    near: list[bool] = field(default_factory=list)
    snapshots: Snapshots = field(default_factory=Snapshots)
    every: int = 1

    @classmethod
    def of(cls, detector: Detector, person: Detection, time_s: float, scale: float, others: int) -> "Following":
        """Follow a person who was seen at a time, in pixels of the video."""
        first = Detection(person.keypoints_px * scale, person.confidence)
        follower = Follower(detector, Identity(detector.skeleton, first, time_s))
        return cls(detector, scale, GrowingTrack(len(detector.skeleton)), follower, Watch(follower, detector, others))

    @classmethod
    def restored(
        cls, detector: Detector, state: Mapping[str, Array], scale: float, track: GrowingTrack | None = None
    ) -> "Following":
        """Go on from a state (:meth:`state`), and from the track up to then."""
        follower = Follower.from_arrays(detector, state)
        others = int(state[OTHERS][0]) if OTHERS in state else 0
        track = GrowingTrack(len(detector.skeleton)) if track is None else track
        near = [others > 0] * len(track)
        return cls(detector, scale, track, follower, Watch(follower, detector, others), near)

    def state(self) -> dict[str, Array]:
        """Return what :meth:`restored` needs besides the track; the state of the detector is not part of it."""
        return {**self.follower.arrays(), OTHERS: np.array([self.watch.others])}

    def see(self, frame: VideoFrame, *, new: bool = True) -> None:
        """Look for the person in the next frame; only a new one is added to the track, others warm up the detector."""
        if frame.index % self.every:
            if new:
                self.track.append(frame.time_s, None)
                self.near.append(self.watch.near)
            return
        if self.snapshots.due(frame.time_s):
            self.snapshots.add(frame.time_s, frame.index, self.state())
        known = len(self.follower.events)
        person = self.watch(frame.image, frame.time_s)
        if not new:
            del self.follower.events[known:]
            return
        self.track.append(frame.time_s, person and Detection(person.keypoints_px / self.scale, person.confidence))
        self.near.append(self.watch.near)

    def adopt(self, found: Found) -> None:
        """Append what was found in the stretch after the track, and take over the state at its end."""
        early, events = found.early, self.follower.events
        for time_s, row in zip(found.times_s[early:], found.rows[early:], strict=True):
            self.track.append(float(time_s), None if np.isnan(row[0, 2]) else Detection(row[:, :2], row[:, 2]))
        self.near += found.near[early:].tolist()
        again = Following.restored(self.detector, found.state, self.scale)
        self.follower, self.watch, self.snapshots = again.follower, again.watch, Snapshots()
        self.follower.events[:] = [*events, *(e for e in found.events if e.time_s >= found.times_s[early])]
        self.snapshots.add(float(found.times_s[found.frame - found.stretch.warm]), found.frame, found.state)
