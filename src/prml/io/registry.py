"""Registry of file formats for poses and motion, by suffix.

A format is a module with a ``FORMAT`` (or ``module:NAME``, if it has several) and one line in ``_SHIPPED``. Other
packages add formats with an entry point in the group ``prml.formats`` (see :mod:`prml.plugins`). Most callers need
:func:`load_file` and :func:`save_file`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from prml.errors import PrmlError
from prml.io.axes import Axis
from prml.io.files import existing
from prml.io.guard import guarded
from prml.io.motion import Motion
from prml.plugins import plugin, plugin_names
from prml.scene import Scene
from prml.sequence import PoseSequence, check_fps

GROUP = "prml.formats"
_SHIPPED = {
    "poses": "prml.io.poses",
    "keypoints": "prml.io.keypoints",
    "motion": "prml.io.motion_file",
    "sequences": "prml.io.sequences",
    "openpose": "prml.io.openpose",
    "mmpose": "prml.io.mmpose",
    "alphapose": "prml.io.alphapose",
    "coco": "prml.io.coco",
    "mediapipe": "prml.io.mediapipe",
    "rtmlib": "prml.io.rtmlib",
    "deeplabcut": "prml.io.deeplabcut",
    "sports2d": "prml.io.sports2d",
    "csv": "prml.io.table",
    "csv_long": "prml.io.table:LONG",
    "parquet": "prml.io.table:PARQUET",
    "parquet_long": "prml.io.table:PARQUET_LONG",
    "holosoma": "prml.io.holosoma",
    "bvh": "prml.io.bvh",
    "bvh_mixamo": "prml.io.bvh_flavours:MIXAMO",
    "bvh_rokoko": "prml.io.bvh_flavours:ROKOKO",
    "bvh_lafan1": "prml.io.bvh_flavours:LAFAN1",
    "glb": "prml.io.glb",
    "vrma": "prml.io.vrma",
    "usd": "prml.io.usd",
    "asf_amc": "prml.io.asf_amc",
    "c3d": "prml.io.c3d",
    "trc": "prml.io.trc",
    "mot": "prml.io.mot",
}


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: name of the format, the value of ``format=``.
        suffixes: file suffixes with the dot, in lower case; several formats may share one.
        description: one line: what it contains and who reads it.
        read: ``read(path, **options)`` returns a :class:`Scene`, or a :class:`Motion` for motion files with named
            points. None if the format cannot be read.
        write: ``write(scene, path, overwrite)``. None if the format cannot be written.
        holds: whether the format can store a scene; called if several formats share the suffix.
        detect: whether a file has this format; called if several formats share the suffix.
        options: names of keyword arguments of ``read``.
        companions: suffixes of files that accompany one of this format, such as a skeleton; ``read`` then takes
            ``given``, the companions named by the user.
        folder: whether it may be a folder of files.
        wants: what a scene must have to be written: "world" (absolute joints), "2d" (keypoints), or "": see ``holds``.
        one_person: whether a written file holds one person only; ``prml export`` writes one of each.
        gaps: whether a written file can hold frames without the person; ``prml export`` writes one per stretch if not.
        gap_rule: what stands in a written file in frames without the person.
        max_frames: largest number of frames of a written file; ``prml export`` writes several if there are more.
        kind: "poses" or "motion".
        extra: the extra of prml-pose that it needs; "" for none.
    """

    name: str
    suffixes: tuple[str, ...]
    description: str
    read: Callable[..., Scene | Motion] | None = None
    write: Callable[[Scene, Path, bool], None] | None = None
    holds: Callable[[Scene], bool] = lambda scene: True
    detect: Callable[[Path], bool] = lambda path: True
    options: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    folder: bool = False
    wants: Literal["", "world", "2d"] = ""
    one_person: bool = False
    gaps: bool = True
    gap_rule: str = ""
    max_frames: int | None = None
    kind: Literal["poses", "motion"] = "poses"
    extra: str = ""

    def read_with(self, path: Path, **offered: Any) -> Scene | Motion:
        """Read a file with those of the offered options that this format takes; raise PrmlError if it cannot be."""
        if self.read is None:
            raise PrmlError(f"{path.name}: the format {self.name} can only be written, not read")
        wanted = (*self.options, "given") if self.companions else self.options
        return self.read(path, **{name: value for name, value in offered.items() if name in wanted})


@cache
def _shipped(name: str) -> Format:
    module, _, attribute = _SHIPPED[name].partition(":")
    found: Format = getattr(import_module(module), attribute or "FORMAT")
    return found


def format_names() -> tuple[str, ...]:
    """Return the names of all formats, ours first, then those of other packages, without importing any."""
    return (*_SHIPPED, *(name for name in plugin_names(GROUP) if name not in _SHIPPED))


def get_format(name: str) -> Format:
    """Return a format by name; raise PrmlError if it is unknown or another package's format cannot be imported."""
    found = _shipped(name) if name in _SHIPPED else plugin(GROUP, name, Format)
    if found is None:
        raise PrmlError(f"unknown format {name!r}; expected one of {', '.join(format_names())}")
    return found


def formats(kind: Literal["poses", "motion"] | None = None) -> Iterator[Format]:
    """Yield all formats (of a kind), in the order of the table."""
    found = (get_format(name) for name in format_names())
    return (f for f in found if kind is None or f.kind == kind)


def _for_suffix(path: Path, can: Literal["read", "write"]) -> list[Format]:
    """Return the formats with the suffix of ``path``; other packages are imported only if none of ours fits."""
    suffix = path.suffix.lower()
    for names in (_SHIPPED, plugin_names(GROUP)):
        if fitting := [f for f in map(get_format, names) if suffix in f.suffixes and getattr(f, can) is not None]:
            return fitting
    known = sorted({s for f in formats() if getattr(f, can) is not None for s in f.suffixes})
    raise PrmlError(f"{path.name}: no format to {can} has this suffix; known are {', '.join(known)}")


def format_of(path: Path) -> Format:
    """Return the format of an existing file by its suffix, and by its content if several formats share it.

    A folder is recognised by its files.

    Raises:
        PrmlError: the suffix is unknown, or the content fits none of its formats.
    """
    existing(path, "file of poses or motion")
    if path.is_dir():
        fitting = [f for f in formats() if f.folder and f.read is not None]
        what = f"{path.name}: expected a folder of files of"
    else:
        fitting = _for_suffix(path, "read")
        if len(fitting) == 1:
            return fitting[0]
        what = f"{path.name}: expected"
    for candidate in fitting:
        if guarded(path, partial(candidate.detect, path)):
            return candidate
    names = ", ".join(f.name for f in fitting)
    _say_if_damaged(path)
    raise PrmlError(f"{what} one of the formats {names} by its content; it is none of them")


def _say_if_damaged(path: Path) -> None:
    """Raise PrmlError for a JSON file that is damaged, or something else under its name."""
    if path.suffix.lower() == ".json" and path.is_file():
        from prml.io.entries import load_json

        load_json(path)


def load_file(
    path: str | Path,
    format: str | None = None,
    *,
    skeleton: str | None = None,
    unit_m: float | None = None,
    up: Axis | None = None,
    fps: float | None = None,
    image_size: tuple[int, int] | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> Scene:
    """Read a file of poses or motion.

    Args:
        path: the file, or a folder of OpenPose JSON files.
        format: name of its format; None to choose by suffix and content.
        skeleton: joint map for a motion file: a name or a YAML file; None for the bundled one that fits its names.
        unit_m: metres per unit of a motion file, overriding the file, the map and the estimate from people's size.
        up: axis of a motion file that points up, overriding the file and the map.
        fps: frame rate, overriding the file.
        image_size: width and height in pixels of the images of a keypoint file that does not state them.
        warn: called with one line for each thing that looks wrong or was estimated rather than read.

    Returns:
        The people of the file. Motion files give H36M17 in world metres, z up, NaN where a marker was not seen;
        ``labels["map"]`` is the joint map.

    Raises:
        PrmlError: the file is missing, of an unknown format, or not a complete file of its format.
    """
    path = existing(path, "file of poses or motion")
    if fps is not None:
        check_fps(fps, "fps")
    chosen = get_format(format) if format else format_of(path)
    if chosen.kind == "motion":
        from prml.io.joint_map import joint_map
        from prml.io.people import scene_of_motion

        return scene_of_motion(path, chosen, joint_map(skeleton) if skeleton else None, unit_m, up, fps, warn)
    given = {"fps": fps, "skeleton": skeleton, "unit_m": unit_m, "up": up, "image_size": image_size}
    offered = {name: value for name, value in given.items() if value is not None}
    if unused := [name for name in offered if name not in chosen.options]:
        raise PrmlError(f"{path.name}: {unused[0]}= is not an option of the format {chosen.name}; leave it out")
    read = chosen.read_with(path, warn=warn, **offered)
    if not isinstance(read, Scene):
        raise PrmlError(f"the format {chosen.name} returned {type(read).__name__}, expected a Scene")
    return read


def save_file(
    poses: PoseSequence | Scene, path: str | Path, format: str | None = None, *, overwrite: bool = False
) -> None:
    """Write poses or a scene atomically, in the format given by the suffix of ``path``.

    Args:
        poses: one person, or people on one clock.
        path: the file; its folder is created if needed.
        format: name of the format; None for the first with this suffix that can store the poses.
        overwrite: whether to replace an existing file.

    Raises:
        PrmlError: ``poses`` or ``path`` has another type, no format has the suffix, the format cannot store the poses,
            the file exists, or the disk is full.
    """
    if not isinstance(poses, PoseSequence | Scene):
        raise PrmlError(
            f"prml.save_file takes a PoseSequence or Scene, then a path, got {type(poses).__name__} first; "
            "prml.load_file reads a Scene from a file"
        )
    if not isinstance(path, str | os.PathLike):
        raise PrmlError(f"expected the path of a file, got {type(path).__name__}; give one such as 'jump.npz'")
    path = Path(path)
    scene = poses if isinstance(poses, Scene) else Scene.of(poses)
    chosen = writer_for(scene, path, format)
    if chosen.write is None:
        raise PrmlError(f"the format {chosen.name} can only be read, not written")
    chosen.write(scene, path, overwrite)


def writer_for(scene: Scene, path: str | Path, format: str | None = None) -> Format:
    """Return the named format, or the first with the suffix of ``path`` that can store a scene; raises PrmlError."""
    if format:
        return get_format(format)
    fitting = _for_suffix(Path(path), "write")
    return next((f for f in fitting if f.holds(scene)), fitting[0])


def only_person(scene: Scene, what: str) -> PoseSequence:
    """Return the only person of a scene; raise PrmlError if there are more, with ``what`` as its subject."""
    if len(scene) != 1:
        raise PrmlError(f"{what} holds one person, the scene has {len(scene)}; save scene.person(track_id) one by one")
    return scene.prominent
