"""Files of a motion for other programs: which scene a format takes, their names, and one file each where it must be."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prml.errors import PrmlError
from prml.io.files import check_writable, existing
from prml.io.motion_file import read_motion
from prml.io.registry import Format, format_names, get_format, load_file
from prml.io.world import present
from prml.pipeline.source import MAX_PEOPLE, numbered
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.spans import runs

Warn = Callable[[str], None]
MOTION, POSES = "motion.npz", "poses.npz"
MAX_PARTS = 50
_MIN_FRAMES = 2  # of a stretch that is worth a file


@dataclass(frozen=True)
class Part:
    """What goes into one file.

    Attributes:
        name: file name (or folder name, for OpenPose).
        scene: people and frames.
    """

    name: str
    scene: Scene


@dataclass(frozen=True)
class Scenes:
    """What is exported.

    Attributes:
        world: the motion in the world; None if there is none.
        seen: people with 2D keypoints; None if there are none.
        source: the folder or file, for messages.
    """

    world: Scene | None
    seen: Scene | None
    source: str

    def of(self, chosen: Format) -> Scene:
        """Return the scene that a format takes; raise PrmlError if there is none."""
        scene = self.seen if chosen.wants == "2d" else self.world
        if scene is not None:
            return scene
        if chosen.wants == "2d":
            raise PrmlError(f"{self.source} has no 2D keypoints, which {chosen.name} needs; give a result folder")
        raise PrmlError(
            f"{self.source} has no motion in the world ({MOTION}), which {chosen.name} needs; lift the input again, or "
            "give a motion file (BVH, C3D, TRC, CSV)"
        )


def formats_named(names: str | Sequence[str]) -> list[Format]:
    """Return the formats of a list such as "bvh,glb,trc", each once.

    Raises:
        PrmlError: one is unknown or cannot be written, or none is named.
    """
    words = names.split(",") if isinstance(names, str) else list(names)
    wanted = list(dict.fromkeys(word.strip().lower() for word in words if word.strip()))
    if not wanted:
        raise PrmlError(f"name at least one format, such as bvh,glb,trc; known are {', '.join(writable())}")
    unknown = [name for name in wanted if name not in writable()]
    if unknown:
        raise PrmlError(f"no format {unknown[0]!r} to export to; known are {', '.join(writable())}")
    return [get_format(name) for name in wanted]


def writable() -> tuple[str, ...]:
    """Return the names of formats that an export writes: all with a writer but the files of this project."""
    own = ("poses", "motion", "keypoints", "sequences")
    return tuple(name for name in format_names() if name not in own and get_format(name).write is not None)


def scenes_of(source: Path, fps: float | None = None, warn: Warn = lambda line: None) -> Scenes:
    """Read a result folder, or any file that holds a motion or keypoints.

    Raises:
        PrmlError: the folder is not one of results, or the file cannot be read.
    """
    source = existing(source, "result folder or motion file")
    if source.is_dir() and ((source / MOTION).is_file() or (source / POSES).is_file()):
        motion = room_of(source / MOTION) if (source / MOTION).is_file() else None
        poses = load_file(source / POSES, warn=warn) if (source / POSES).is_file() else None
        return Scenes(motion, poses, source.name or str(source))
    scene = load_file(source, fps=fps, warn=warn) if fps is not None else load_file(source, warn=warn)
    return _sorted(scene, source.name)


def room_of(file: Path) -> Scene:
    """Read a motion file and, if it is that of the first of several people, those of the others beside it.

    Raises:
        PrmlError: a file cannot be read.
    """
    first = read_motion(file)
    if not isinstance(first.sequence.provenance.get("people"), int):
        return first.scene
    others = (file.with_name(numbered(file.name, number)) for number in range(2, MAX_PEOPLE + 1))
    motions = [first, *(read_motion(other) for other in others if other.is_file())]
    told = [motion.sequence.provenance.get("person") for motion in motions]
    numbers = [number for number in told if isinstance(number, int) and number >= 0]
    if len({*numbers}) < len(motions):
        return first.scene
    return Scene(tuple(m.with_number(n).sequence for m, n in zip(motions, numbers, strict=True)))


def _sorted(scene: Scene, source: str) -> Scenes:
    first = scene.prominent
    absolute = first.joints_m is not None and first.frame == "world" and not first.root_relative
    return Scenes(scene if absolute else None, scene if first.keypoints_px is not None else None, source)


def parts_of(scene: Scene, chosen: Format, stem: str, warn: Warn = lambda line: None) -> list[Part]:
    """Return what goes into which file of a format.

    A format that holds one person gets a file of each; one without gaps, a file of each stretch in which the person is
    there (stretches of a single frame are left out); one with a largest number of frames, several in order. ``warn``
    is called with a line about each of these.

    Raises:
        PrmlError: nobody is there, or there are more than 50 stretches.
    """
    found: list[Part] = []
    people = [(f"_person{p.track_id}", Scene.of(p)) for p in scene] if chosen.one_person else [("", scene)]
    for who, one in people:
        spans = _spans(one, chosen)
        if not spans:
            raise PrmlError(f"{chosen.name} needs somebody in at least {_MIN_FRAMES} frames; the motion has nobody")
        if len(spans) > MAX_PARTS:
            raise PrmlError(
                f"{chosen.name} holds no gaps, and the person comes and goes {len(spans)} times; cut the motion first"
            )
        for number, span in enumerate(spans, 1):
            mark = (who if len(people) > 1 else "") + (f"_part{number}" if len(spans) > 1 else "")
            whole = span == slice(0, len(one.times_s))
            found.append(Part(file_name(chosen, stem, mark), one if whole else _cut(one, span)))
        _tell(one, chosen, spans, found, warn)
    return found


def file_name(chosen: Format, stem: str, mark: str = "") -> str:
    """Return the name of a format's file: its suffix, after the format's name if others have the same suffix."""
    ending = chosen.suffixes[0]
    label = "" if ending.startswith(f".{chosen.name}") else "_" + chosen.name.removeprefix(f"{ending[1:]}_")
    return f"{stem}{label}{mark}{f'_{ending[1:]}' if chosen.folder else ending}"


def _spans(scene: Scene, chosen: Format) -> list[slice]:
    frames = len(scene.times_s)
    spans = [slice(0, frames)]
    if not chosen.gaps:
        there = np.any([present(person) for person in scene], axis=0)
        spans = [run for run in runs(there) if run.stop - run.start >= min(_MIN_FRAMES, frames)]
    limit = chosen.max_frames
    if limit is None:
        return spans
    return [slice(a, min(a + limit, s.stop)) for s in spans for a in range(s.start, s.stop, limit)]


def _cut(scene: Scene, span: slice) -> Scene:
    start, stop = scene.times_s[span][0], scene.times_s[span][-1]
    events = tuple(event for event in scene.events if start <= event.time_s <= stop)
    return replace(scene, people=tuple(_plain(person).take(span) for person in scene), events=events)


def _plain(person: PoseSequence) -> PoseSequence:
    return person.with_(detection=None)


def _tell(scene: Scene, chosen: Format, spans: Sequence[slice], found: Sequence[Part], warn: Warn) -> None:
    """Say what a file does not hold, or that there are several."""
    kept = sum(span.stop - span.start for span in spans)
    frames, names = len(scene.times_s), [part.name for part in found[-len(spans) :]]
    if len(spans) > 1:
        reason = "a file without gaps" if not chosen.gaps else f"at most {chosen.max_frames} frames a file"
        ranges = ", ".join(f"{s.start} to {s.stop - 1}" for s in spans[:6]) + (", ..." if len(spans) > 6 else "")
        warn(f"{names[0]} to {names[-1]}: {len(spans)} files ({reason}), frames {ranges}, at the motion's times")
    elif kept < frames:
        span = spans[0]
        warn(f"{names[0]}: frames {span.start} to {span.stop - 1} of {frames}, in which the person is there")
    gone = [int((~present(person)).sum()) for person in scene] if chosen.gaps and chosen.wants == "world" else []
    if any(gone):
        told = f"{gone[0]} of {frames} frames" if len(gone) == 1 else f"up to {max(gone)} of {frames} frames"
        rule = f": {chosen.gap_rule} there" if chosen.gap_rule else ""
        warn(f"{names[0]}: a person is absent in {told}{rule}")


def write_parts(
    parts: Sequence[tuple[Format, Part]], folder: Path, overwrite: bool = False, inputs: Sequence[Path] = ()
) -> list[Path]:
    """Write files into a folder; return their paths.

    Raises:
        PrmlError: a file exists and ``overwrite`` is False, would replace an input, or cannot be written.
    """
    targets = [folder / part.name for _, part in parts]
    for (chosen, _), path in zip(parts, targets, strict=True):
        if any(path.exists() and given.exists() and path.samefile(given) for given in inputs):
            raise PrmlError(f"{path} is the input, and the export would replace it; give another folder with out=...")
        if not chosen.folder:
            check_writable(path, overwrite)
    for (chosen, part), path in zip(parts, targets, strict=True):
        if chosen.write is not None:
            chosen.write(part.scene, path, overwrite)
    return targets


def export(
    source: Path,
    to: str | Sequence[str],
    out: Path | None = None,
    *,
    fps: float | None = None,
    overwrite: bool = False,
    warn: Warn = lambda line: None,
) -> list[Path]:
    """Write the motion of a result folder or of a file in other formats.

    Args:
        source: a result folder, or a file of motion or keypoints.
        to: names of formats.
        out: folder for the files; None for the result folder, or the folder of the file.
        fps: frame rate of a file, instead of the stated one.
        overwrite: whether existing files may be replaced.
        warn: called with one line per thing that a user should know.

    Returns:
        The files that were written.

    Raises:
        PrmlError: the source cannot be read, a format cannot hold it, or a file exists.
    """
    chosen = formats_named(to)
    scenes = scenes_of(source, fps, warn)
    results = source.is_dir() and ((source / MOTION).is_file() or (source / POSES).is_file())
    stem = "motion" if results else source.stem
    parts = [(one, part) for one in chosen for part in parts_of(scenes.of(one), one, stem, warn)]
    folder = out or (source if results else source.parent)
    return write_parts(parts, folder, overwrite, [source])


def describe(formats: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield name and description of formats."""
    for name in formats:
        yield name, get_format(name).description
