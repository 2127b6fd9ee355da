"""Several people of one video: which to follow, and frames in which limbs of two of them are mixed up."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from prml.pipeline.result import Warn
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import MAX_PEOPLE
from prml.progress import Progress
from prml.scene import Scene, VideoSource
from prml.sequence import Event, PoseSequence
from prml.view.trust import Trust

Array = np.ndarray
IMPLAUSIBLE = "an implausible pose beside somebody else"


def followed(path: Path, video: VideoSource, settings: LiftSettings, warn: Warn, progress: Progress) -> Scene:
    """Follow the people that ``settings.people`` or ``settings.person`` names, in 2D; raises PrmlError."""
    from prml.detect.several import Choice, detect_people

    people = detect_people(
        path,
        settings.detector,
        model=settings.model,
        choice=Choice.of(settings.people, settings.person),
        fps=settings.fps,
        progress=progress,
        on_warning=warn,
    )
    if len(people) > MAX_PEOPLE:
        warn(f"{len(people)} people were followed; the {MAX_PEOPLE} most prominent are lifted")
        people = people[:MAX_PEOPLE]
    events = tuple(event for person in people if person.detection for event in person.detection.events)
    return Scene(tuple(people), video, events)


def without_chimeras(scene: Scene) -> Scene:
    """Make gaps of lifted frames that are implausible while somebody else is near: limbs of two people may be in them.

    The rule is that of :class:`prml.view.trust.Trust`: bone lengths, speed, and distance from the 2D.
    """
    people, events = [], list(scene.events)
    for person in scene:
        near = None if person.detection is None else person.detection.near
        if near is None or not near.any():
            people.append(person)
            continue
        refused = near & Trust.of(person).implausible
        starts = np.flatnonzero(refused & ~np.append(False, refused[:-1]))
        events += [Event(float(person.times_s[frame]), IMPLAUSIBLE, person.track_id) for frame in starts]
        people.append(with_gaps(person, refused))
    return replace(scene, people=tuple(people), events=tuple(events))


def with_gaps(person: PoseSequence, gaps: Array) -> PoseSequence:
    """Return a person without the frames ``gaps`` (T,): nobody is there, and all joints are NaN."""
    if not gaps.any():
        return person
    blank = {
        name: np.where(gaps[:, None, None], np.nan, array)
        for name in ("keypoints_px", "joints_m", "std_m")
        if (array := getattr(person, name)) is not None
    }
    present = np.ones(len(person), bool) if person.has_person is None else person.has_person
    confidence = None if person.confidence is None else np.where(gaps[:, None], 0.0, person.confidence)
    filled = None if person.filled is None else person.filled & ~gaps
    return person.with_(has_person=present & ~gaps, filled=filled, confidence=confidence, **blank)
