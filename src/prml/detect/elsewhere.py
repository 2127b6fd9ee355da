"""Follow a person through a stretch of a video before it is known how the stretches before it end."""

from collections.abc import Callable

import numpy as np

from prml.detect.base import Detection, Detector
from prml.detect.follow import find_people
from prml.detect.following import Following
from prml.detect.people import Identity, alike, look
from prml.detect.stretch import OTHERS, Found, Sought, Stretch
from prml.media.frames import VideoFrame, VideoInfo
from prml.media.prefetch import prefetch
from prml.media.read import read_frames
from prml.media.seek import FrameIndex
from prml.skeleton import Skeleton

Array = np.ndarray
LONG_AGO_S = -1e9


def follow_stretch(
    info: VideoInfo,
    detector: Detector,
    stretch: Stretch,
    sought: Sought,
    index: FrameIndex | None,
    fps: float | None,
    tell: Callable[[int], None],
) -> Found:
    """Follow the person who is sought through a stretch.

    Args:
        info: the video.
        detector: finds people; it is reset.
        stretch: the part of the video.
        sought: the person.
        index: of the video.
        fps: as for :func:`prml.media.read.read_frames`.
        tell: called with the number of frames of the stretch that are done.

    Raises:
        PrmlError: the video cannot be read.
        UnexpectedFrameError: its frames are not those of ``index``.
    """
    detector.reset()
    warnings: list[str] = []
    read = read_frames(
        info.path, fps=fps, scale=sought.scale, start=stretch.warm, stop=stretch.stop, every=sought.every, index=index,
        on_warning=warnings.append,
    )  # fmt: skip
    run: Following | None = None
    for frame in prefetch(read):
        if run is None:
            run = begun(detector, frame, sought)
            run.every = sought.every
        run.see(frame)
        tell(frame.index + 1 - stretch.first)
    if run is None:  # the video ends before the stretch
        run = Following.restored(detector, lost(detector.skeleton, sought), sought.scale)
        run.snapshots.add(0.0, stretch.warm, run.state())
    restart, state = run.snapshots.oldest
    state = {**state, OTHERS: np.array([run.watch.others])}
    return Found(
        stretch, run.track.times_s, run.track.rows, np.array(run.near, bool), tuple(run.follower.events), sought,
        restart, state, tuple(warnings),
    )  # fmt: skip


def begun(detector: Detector, frame: VideoFrame, sought: Sought) -> Following:
    """Follow whoever looks most like the person sought in a frame; if nobody is there, search in the frames after."""
    people = find_people(detector, frame.image, sought.others + 1, levels=2 if sought.others else None)
    state = lost(detector.skeleton, sought)
    if people:
        person = max(people, key=lambda one: _likeness(frame.image, one, detector.skeleton, sought))
        state |= {"points": person.keypoints_px, "told": np.array([0.0, -np.inf])}
        state["seen_at_s"] = np.array([frame.time_s, LONG_AGO_S])
    return Following.restored(detector, state, sought.scale)


def _likeness(image: Array, person: Detection, skeleton: Skeleton, sought: Sought) -> float:
    colours = None if sought.colours is None else look(image, person, skeleton)
    return 0.0 if colours is None or sought.colours is None else alike(colours, sought.colours)


def lost(skeleton: Skeleton, sought: Sought) -> dict[str, Array]:
    """Return the state of a person who was last seen long ago."""
    nowhere = Detection(np.zeros((len(skeleton), 2)), np.zeros(len(skeleton)))
    return {
        **Identity(skeleton, nowhere, LONG_AGO_S).arrays(),
        "look": np.zeros(0) if sought.colours is None else sought.colours,
        "part": np.zeros(0, np.int64),
        "told": np.array([1.0, -np.inf]),
        OTHERS: np.array([sought.others]),
    }
