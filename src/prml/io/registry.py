"""Formats of poses and motion: by the ending of a file's name to what reads and writes it.

A format is one module with a ``FORMAT`` and one line of ``_SHIPPED``. An outside package adds one by an entry point
of the group ``prml.formats`` (see :mod:`prml.plugins`). Most callers need :func:`load_file` and :func:`save_file`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from prml.errors import PrmlError
from prml.io.axes import Axis
from prml.io.files import existing
from prml.io.motion import Motion
from prml.plugins import plugin, plugin_names
from prml.scene import Scene
from prml.sequence import PoseSequence, check_fps

GROUP = "prml.formats"
_SHIPPED = {
    "poses": "prml.io.poses",
    "keypoints": "prml.io.keypoints",
    "sequences": "prml.io.sequences",
    "bvh": "prml.io.bvh",
    "asf_amc": "prml.io.asf_amc",
    "c3d": "prml.io.c3d",
    "trc": "prml.io.trc",
}


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        name: of the format, as ``format=`` takes it.
        suffixes: how the files' names end, with the dot, in lower case; several formats may share one.
        description: one line: what it holds and who reads it.
        read: ``read(path, **options)`` gives a :class:`Scene`, or for motion files, whose points have names of their
            own, a :class:`Motion`. None: cannot be read.
        write: ``write(scene, path, overwrite)``. None: cannot be written.
        holds: whether it can hold a scene; asked where several formats share the ending.
        detect: whether a file is of this format; asked where several formats share the ending.
        options: names of the keyword arguments that ``read`` takes.
        companions: endings of files that belong to one of this format, such as a skeleton; ``read`` then takes
            ``given``, the companions that the user named.
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
    kind: Literal["poses", "motion"] = "poses"
    extra: str = ""

    def read_with(self, path: Path, **offered: Any) -> Scene | Motion:
        """Read a file with those of the offered options that this format takes; raises PrmlError."""
        if self.read is None:
            raise PrmlError(f"{path.name}: {self.name} is written only; it cannot be read")
        wanted = (*self.options, "given") if self.companions else self.options
        return self.read(path, **{name: value for name, value in offered.items() if name in wanted})


@cache
def _shipped(name: str) -> Format:
    found: Format = import_module(_SHIPPED[name]).FORMAT
    return found


def format_names() -> tuple[str, ...]:
    """The names of all formats: ours, then those of outside packages. Nothing is imported."""
    return (*_SHIPPED, *(name for name in plugin_names(GROUP) if name not in _SHIPPED))


def get_format(name: str) -> Format:
    """A format by its name; raises PrmlError with the known names, or why an outside one is not available."""
    found = _shipped(name) if name in _SHIPPED else plugin(GROUP, name, Format)
    if found is None:
        raise PrmlError(f"unknown format {name!r}; expected one of {', '.join(format_names())}")
    return found


def formats(kind: Literal["poses", "motion"] | None = None) -> Iterator[Format]:
    """All formats (of a kind), those that come first in the table first."""
    found = (get_format(name) for name in format_names())
    return (f for f in found if kind is None or f.kind == kind)


def _for_suffix(path: Path, can: Literal["read", "write"]) -> list[Format]:
    """Formats with the ending of ``path``; those of outside packages are imported only where none of ours fits."""
    suffix = path.suffix.lower()
    for names in (_SHIPPED, plugin_names(GROUP)):
        if fitting := [f for f in map(get_format, names) if suffix in f.suffixes and getattr(f, can) is not None]:
            return fitting
    known = sorted({s for f in formats() if getattr(f, can) is not None for s in f.suffixes})
    raise PrmlError(f"{path.name}: no format to {can} has this ending; known are {', '.join(known)}")


def format_of(path: Path) -> Format:
    """The format of a file that is to be read, by its ending, and by its content where several formats share it.

    Raises:
        PrmlError: the ending is unknown, or the file is of none of the formats that have it.
    """
    fitting = _for_suffix(path, "read")
    if len(fitting) == 1:
        return fitting[0]
    existing(path, "file of poses or motion")
    for candidate in fitting:
        if candidate.detect(path):
            return candidate
    names = ", ".join(f.name for f in fitting)
    raise PrmlError(f"{path.name}: expected one of the formats {names} by its content; it is none of them")


def load_file(
    path: str | Path,
    format: str | None = None,
    *,
    skeleton: str | None = None,
    unit_m: float | None = None,
    up: Axis | None = None,
    fps: float | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> Scene:
    """Read a file of poses or motion.

    Args:
        path: the file.
        format: name of its format; None to go by its ending and content.
        skeleton: joint map for a motion file: a name or a YAML file; None for the shipped one that fits its names.
        unit_m: metres per unit of a motion file, in place of what it, the map or the people's size says.
        up: axis of a motion file that points up, in place of what it or the map says.
        fps: frame rate, in place of the file's.
        warn: called with one line for everything that looks wrong, or was judged rather than read.

    Returns:
        The people of the file. Motion files give H36M17 in world metres, z up, NaN where a marker was not seen;
        ``labels["map"]`` is the joint map.

    Raises:
        PrmlError: absent, of no known format, or not a whole file of its format; one line.
    """
    path = existing(path, "file of poses or motion")
    if fps is not None:
        check_fps(fps, "fps")
    chosen = get_format(format) if format else format_of(path)
    if chosen.kind == "motion":
        from prml.io.joint_map import joint_map
        from prml.io.people import scene_of_motion

        return scene_of_motion(path, chosen, joint_map(skeleton) if skeleton else None, unit_m, up, fps, warn)
    given = {"fps": fps, "skeleton": skeleton, "unit_m": unit_m, "up": up}
    offered = {name: value for name, value in given.items() if value is not None}
    if unused := [name for name in offered if name not in chosen.options]:
        raise PrmlError(f"{path.name}: {unused[0]}= is not an option of the format {chosen.name}; leave it out")
    read = chosen.read_with(path, warn=warn, **offered)
    if not isinstance(read, Scene):
        raise PrmlError(f"the format {chosen.name} gave {type(read).__name__}, expected a Scene")
    return read


def save_file(
    poses: PoseSequence | Scene, path: str | Path, format: str | None = None, *, overwrite: bool = False
) -> None:
    """Write poses or a scene, by the ending of ``path``; whole or not at all.

    Args:
        poses: one person, or people on one clock.
        path: the file; its folder is made if need be.
        format: name of the format; None for the first with this ending that can hold the poses.
        overwrite: whether a file that exists may be replaced.

    Raises:
        PrmlError: no format has the ending, the format cannot hold the poses, the file exists, the disk is full.
    """
    path = Path(path)
    scene = poses if isinstance(poses, Scene) else Scene.of(poses)
    if format:
        chosen = get_format(format)
    else:
        fitting = _for_suffix(path, "write")
        chosen = next((f for f in fitting if f.holds(scene)), fitting[0])
    if chosen.write is None:
        raise PrmlError(f"{chosen.name} is read only; it cannot be written")
    chosen.write(scene, path, overwrite)


def only_person(scene: Scene, what: str) -> PoseSequence:
    """The person of a scene of one; raises PrmlError for more, naming ``what`` the format holds."""
    if len(scene) != 1:
        raise PrmlError(f"{what} holds one person, the scene has {len(scene)}; save scene.person(track_id) one by one")
    return scene.prominent
