"""People that another program found in a clip: the common form of its keypoint files, and how it becomes a scene."""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.filters.repair import seen_joints
from prml.filters.tracks import Sight, Track, link
from prml.io.entries import load_json
from prml.io.guard import guarded, one_line
from prml.io.keypoint_checks import placeholders
from prml.io.keypoints import checked
from prml.io.registry import Format
from prml.scene import Scene, VideoSource
from prml.sequence import PoseSequence, check_fps
from prml.skeleton import (
    BLAZEPOSE33,
    COCO17,
    COCO_WHOLEBODY133,
    HALPE26,
    OPENPOSE18,
    OPENPOSE25,
    Skeleton,
)

Array = np.ndarray
Warn = Callable[[str], None]
MAX_PEOPLE = 20  # in a scene, the most prominent ones
MAX_PIXEL = 1e6
_MAX_STRETCH = 20  # largest ratio of the span of frame numbers to their count
_BY_COUNT: Mapping[int, tuple[Skeleton, int]] = {
    17: (COCO17, 17),
    18: (OPENPOSE18, 18),
    25: (OPENPOSE25, 25),
    26: (HALPE26, 26),
    33: (BLAZEPOSE33, 33),
    133: (COCO_WHOLEBODY133, 133),
    136: (HALPE26, 26),  # the body comes first, then face and hands
}


@dataclass(frozen=True)
class Found:
    """What a file holds.

    Attributes:
        program: what wrote it, and the kind of its points, for messages and provenance.
        skeleton: the joint set.
        frames: people in every frame of the clip, also in those without anybody.
        fps: frame rate; None if not stated.
        image_size: width and height in pixels; None if not stated.
        normalised: whether the points are shares of width and height rather than pixels.
        has_confidence: whether the confidence is the file's own.
        notes: what a user should know, one sentence each.
    """

    program: str
    skeleton: Skeleton
    frames: Sequence[Sequence[Sight]]
    fps: float | None = None
    image_size: tuple[int, int] | None = None
    normalised: bool = False
    has_confidence: bool = True
    notes: tuple[str, ...] = ()

    def scene(
        self,
        path: Path,
        fps: float | None = None,
        image_size: tuple[int, int] | None = None,
        video: VideoSource | None = None,
        warn: Warn | None = None,
    ) -> Scene:
        """Return the people, the most prominent first.

        Args:
            path: the file or folder, for names and messages.
            fps: frame rate, instead of the file's.
            image_size: size of the image, instead of the file's.
            video: tells rate and size if nothing else does.
            warn: called with one line per thing that a user should know.

        Raises:
            PrmlError: nobody was found, the rate or the size is not known, or the points cannot be pixels.
        """

        def tell(text: str) -> None:
            if warn:
                warn(f"{path.name}: {text}")

        rate = self._rate(path, fps, video)
        size = self._size(path, image_size, video)
        tracks = link(self._pixels(size), rate)
        if not tracks:
            raise PrmlError(f"{path.name}: nobody was found in any frame; there is nobody to lift")
        tracks.sort(key=lambda track: -track.prominence(*size))
        for note in (self._told(tracks), *self.notes):
            tell(note)
        people = [self._person(track, number, path, rate, size) for number, track in enumerate(tracks[:MAX_PEOPLE])]
        usable = [person for person in people if person is not None]
        if not usable:
            raise PrmlError(f"{path.name}: no joint was found in any frame; there is nobody to lift")
        fail = lambda text: PrmlError(f"{path.name}: {text}")  # noqa: E731
        first = checked(usable[0], self.has_confidence, fail, tell)
        return Scene((first, *usable[1:]))

    def _rate(self, path: Path, fps: float | None, video: VideoSource | None) -> float:
        if fps is None and self.fps is not None:
            return check_fps(self.fps, f"{path.name}: frame rate")
        if fps is None and video is None:
            raise PrmlError(
                f"{path.name} ({self.program}) does not state the frame rate; pass fps= (that of the video), or video="
            )
        return check_fps(video.fps if fps is None and video is not None else fps, "fps")

    def _size(self, path: Path, given: tuple[int, int] | None, video: VideoSource | None) -> tuple[int, int]:
        size = given or self.image_size or (None if video is None else video.image_size)
        if size is None:
            raise PrmlError(
                f"{path.name} ({self.program}) does not state the size of the image; pass image_size= (such as "
                "1920x1080), or video="
            )
        return size

    def _pixels(self, size: tuple[int, int]) -> Sequence[Sequence[Sight]]:
        if not self.normalised:
            return self.frames
        return [[Sight(s.points_px * size, s.confidence, s.identity) for s in sights] for sights in self.frames]

    def _told(self, tracks: Sequence[Track]) -> str:
        text = f"read as {self.program}, {self.skeleton.name}, {len(self.frames)} frames"
        if len(tracks) == 1:
            return text
        others = [f"{number} ({_who(t)}in {len(t.frames)} frames)" for number, t in enumerate(tracks)]
        more = f" and {len(others) - 6} more" if len(others) > 6 else ""
        kept = f", the first {MAX_PEOPLE} are kept" if len(tracks) > MAX_PEOPLE else ""
        return f"{text}, {len(tracks)} people, the most prominent first: {', '.join(others[:6])}{more}{kept}"

    def _person(self, track: Track, number: int, path: Path, rate: float, size: tuple[int, int]) -> PoseSequence | None:
        frames, joints = len(self.frames), len(self.skeleton)
        points, confidence = np.full((frames, joints, 2), np.nan), np.zeros((frames, joints))
        points[track.frames] = [sight.points_px for sight in track.sights]
        confidence[track.frames] = [sight.confidence for sight in track.sights]
        points[placeholders(points)] = np.nan
        confidence = np.where(np.isnan(points).any(-1), 0.0, confidence)
        has_person = np.asarray(seen_joints(points, confidence).any(axis=1))
        if not has_person.any():
            return None
        return PoseSequence(
            skeleton=self.skeleton,
            times_s=np.arange(frames) / rate,
            keypoints_px=points,
            confidence=confidence,
            fps=rate,
            has_person=has_person,
            filled=np.zeros(frames, dtype=bool),
            track_id=number,
            name=path.stem,
            source=path.name,
            image_size=size,
            labels={"format": self.program},
        )


def _who(track: Track) -> str:
    return "" if track.identity is None else f"{one_line(track.identity, 30)}, "


# ------------------------------------------------------------------------------------------------ parts of readers
def keypoint_format(
    name: str, suffixes: tuple[str, ...], description: str, find: Callable[[Path], Found], **more: Any
) -> Format:
    """Return the format of another program's keypoint files; its reader takes the arguments of :meth:`Found.scene`.

    Args:
        name: name of the format.
        suffixes: file suffixes with the dot.
        description: one line.
        find: reads the content of a file; raises PrmlError.
        more: further fields of :class:`prml.io.registry.Format`.
    """

    def read(
        path: Path,
        fps: float | None = None,
        image_size: tuple[int, int] | None = None,
        video: VideoSource | None = None,
        warn: Warn | None = None,
    ) -> Scene:
        return find(path).scene(path, fps, image_size, video, warn)

    return Format(name, suffixes, description, read, options=("fps", "image_size", "video", "warn"), **more)


def parsed_json(path: Path, parse: Callable[[Any], Found], reason: str) -> Found:
    """Return what ``parse`` finds in a JSON file; a PrmlError names the file and, if it is no such file, ``reason``."""
    record = load_json(path)
    return guarded(path, lambda: parse(record), reason)


def by_count(count: int) -> tuple[Skeleton, int]:
    """Return the joint set that programs write with this number of points, and how many of them it takes.

    Raises:
        PrmlError: none is known.
    """
    if count not in _BY_COUNT:
        known = ", ".join(f"{n} ({s.name})" for n, (s, _) in _BY_COUNT.items())
        raise PrmlError(f"a person has {count} points; expected {known}")
    return _BY_COUNT[count]


def real(values: Any) -> Float[Array, "*n"]:
    """Return values as numbers; raise PrmlError if they are complex."""
    array = np.asarray(values)
    if np.iscomplexobj(array):
        raise PrmlError("its values are complex numbers")
    return array.astype(np.float64)


def sight(values: Any, identity: Hashable = None) -> Sight:
    """Return a person of x, y, score of each point, flat or not, as many as a joint set has; checks the numbers."""
    table = np.asarray(values, dtype=np.float64).reshape(-1, 3)
    _, kept = by_count(len(table))
    return Sight(*_split(table[:kept]), identity)


def _split(table: Float[Array, "J 3"]) -> tuple[Float[Array, "J 2"], Float[Array, " J"]]:
    points, score = table[:, :2].copy(), table[:, 2]
    lost = ~np.isfinite(table).all(-1)
    points[lost] = np.nan
    if (np.abs(points[~lost]) > MAX_PIXEL).any():
        raise PrmlError(f"a position lies beyond {MAX_PIXEL:g} pixels; it is damaged, get it again")
    return points, np.where(lost, 0.0, np.clip(np.where(lost, 0.0, score), 0.0, 1.0))


def on_clip(found: Iterable[tuple[int, Sight]], length: int = 0) -> list[list[Sight]]:
    """Return people by frame, from pairs of frame and person; ``length`` is the least number of frames."""
    pairs = list(found)
    frames: list[list[Sight]] = [[] for _ in range(max([length, *(frame + 1 for frame, _ in pairs)]))]
    for frame, person in pairs:
        frames[frame].append(person)
    return frames


def frame_numbers(names: Iterable[Any]) -> tuple[dict[Any, int], tuple[str, ...]]:
    """Return the frame of every image id or file name, from 0, and notes.

    The number at the end of the name counts, so that a missing frame is a gap. Ids that are no frame numbers (they lie
    far apart, or the names differ before the number) are taken in order.

    Raises:
        PrmlError: the names belong to several clips.
    """
    distinct = list(dict.fromkeys(names))
    parts = {name: _numbered(name) for name in distinct}
    heads = Counter(head for head, _ in parts.values())
    if len(heads) > 1 and all(number is not None for _, number in parts.values()):
        some = ", ".join(repr(one_line(head, 40)) for head, _ in heads.most_common(3))
        raise PrmlError(f"the frames of {len(heads)} clips are mixed ({some}); give those of one clip")
    numbers = [number for _, number in parts.values() if number is not None]
    if len(numbers) == len(distinct) == len(set(numbers)):
        first = min(numbers, default=0)
        if not numbers or max(numbers) - first < max(_MAX_STRETCH * len(numbers), 1000):
            return {name: number - first for name, (_, number) in parts.items() if number is not None}, ()
    order = sorted(distinct, key=lambda name: (parts[name][1] is None, parts[name][1] or 0, str(name)))
    return {name: index for index, name in enumerate(order)}, (
        "the images are taken as frames in order of their names",
    )


def _numbered(name: Any) -> tuple[str, int | None]:
    """Return what stands before the last number of an image's name, and the number."""
    if isinstance(name, bool) or not isinstance(name, int | str):
        raise PrmlError(f"expected the name or number of an image, got {one_line(ascii(name), 60)}")
    if isinstance(name, int):
        return "", name
    stem = re.sub(r"(_keypoints)?(\.[A-Za-z]\w{0,4})*$", "", name)
    digits = re.search(r"(\d{1,18})$", stem)
    return (stem[: digits.start()], int(digits[1])) if digits else (stem, None)


def head_of(path: Path, size: int = 2**16) -> str:
    """Return the first characters of a file, from which a format is recognised."""
    with path.open("rb") as file:
        return file.read(size).decode("utf-8", errors="replace").lstrip("\ufeff")
