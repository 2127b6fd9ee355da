"""Joint maps: how the points of a file form the 17 joints. The YAML files in ``prml/io/joint_maps`` can be copied."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.axes import AXES, Axis
from prml.io.markers import CENTRES, NEEDED, plug_in_gait
from prml.io.motion import Motion, prefixes
from prml.io.plain_yaml import read_yaml
from prml.io.registry import format_names
from prml.skeleton import H36M17

_FOLDER = Path(__file__).parent / "joint_maps"


@dataclass(frozen=True)
class JointMap:
    """How a kind of file becomes H36M17.

    Attributes:
        name: name of the map.
        joints: H36M17 joint -> source point, or source points with weights that sum to one.
        about: one sentence about the files it fits.
        format: name of a motion format ("bvh", "asf_amc", "c3d", "trc", ...), or several.
        unit_m: metres per file unit; None to take it from the file. If it gives legs of an inhuman length, the unit is
            estimated from the raw numbers instead, with a note.
        up: the axis that points up, overriding the file; None to take it from the file.
        usual_up: the axis that usually points up in such files, used if neither the file nor the user gives it; None
            for the one that is usual in the file's format.
        fps: frames per second, if the file does not state it.
        skip_frames: number of leading frames that are a rest pose.
        drop_prefix: removed from the names of points. A prefix that ends with a separator (``Anna:``) needs no rule.
        lost_offsets: BVH only, see :func:`prml.io.bvh.read_bvh`.
        joint_centres: "plug_in_gait" to compute joint centres from markers first.
        signature: points that are not used for joints but identify such files; see :func:`choose_map`.
        absent: points that such files do not have.
    """

    name: str
    joints: Mapping[str, Mapping[str, float]]
    about: str = ""
    format: str | tuple[str, ...] = "bvh"
    unit_m: float | None = None
    up: Axis | None = None
    usual_up: Axis | None = None
    fps: float | None = None
    skip_frames: int = 0
    drop_prefix: str = ""
    lost_offsets: Mapping[str, str] | None = None
    joint_centres: Literal["plug_in_gait"] | None = None
    signature: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that the map applies to."""
        return (self.format,) if isinstance(self.format, str) else tuple(self.format)

    @property
    def needed(self) -> frozenset[str]:
        """The names that a file must have, without the prefix of a person."""
        names = {source for weights in self.joints.values() for source in weights}
        return frozenset(names - set(CENTRES) | set(NEEDED)) if self.joint_centres else frozenset(names)

    def people(self, motion: Motion) -> tuple[dict[str, Motion], list[str]]:
        """Return the people of a file by prefix ("" if there is none), and notes on those left out.

        Raises:
            PrmlError: no person has all the points; the message names the missing ones.
        """
        motion = self._stripped(motion)
        whole, partial = prefixes(motion.points, self.needed)
        if not whole:
            raise PrmlError(self._misfit(motion, partial))
        lacks = {prefix: sorted(self.needed - set(motion.without_prefix(prefix).points)) for prefix in partial}
        left_out = [f"{_person(p)} lacks {_some(names, 4)} and is left out" for p, names in lacks.items()]
        return {_person(prefix): motion.without_prefix(prefix) for prefix in whole}, left_out

    def _stripped(self, motion: Motion) -> Motion:
        if self.drop_prefix and any(name.startswith(self.drop_prefix) for name in motion.points):
            return motion.without_prefix(self.drop_prefix)
        return motion

    def _misfit(self, motion: Motion, partial: Sequence[str]) -> str:
        if len(partial) > 1:
            lacking = [(p, sorted(self.needed - set(motion.without_prefix(p).points))) for p in partial]
            text = "; ".join(f"{_person(p)} lacks {_some(names, 4)}" for p, names in lacking)
            return f"the map {self.name!r} fits none of {len(partial)} people: {text}"
        has = set(motion.without_prefix(partial[0]).points) if partial else set(motion.points)
        if self.joint_centres:
            missing = [name for name in NEEDED if name not in has]
            if missing:
                return f"the Plug-in-Gait rules need the markers {_some(missing, 6)}, which the file does not have"
        joint, source = next((j, s) for j, weights in self.joints.items() for s in weights if s not in has)
        return (
            f"the map {self.name!r} makes {joint} from {source!r}, which the file does not have; it has "
            f"{_some(list(motion.points))}; choose another map or edit a copy of this one"
        )

    def apply(self, motion: Motion, unit_m: float) -> Float[np.ndarray, "frames 17 3"]:
        """Return the 17 joints of one of :meth:`people` in metres, in the axes of the file.

        Raises:
            PrmlError: the file lacks a point that a joint needs, or has it twice.
        """
        motion = self._stripped(motion)
        if twice := sorted(motion.duplicates & self.needed):
            raise PrmlError(f"several points are called {twice[0]!r}, which is ambiguous; rename them")
        points = {name: xyz * unit_m for name, xyz in motion.points.items()}
        if self.joint_centres:
            points = {**points, **plug_in_gait(points)}
        if not {source for weights in self.joints.values() for source in weights} <= set(points):
            raise PrmlError(self._misfit(motion, [""]))
        out = np.zeros((len(motion), len(H36M17), 3))
        for index, joint in enumerate(H36M17.joints):
            for source, weight in self.joints[joint].items():
                out[:, index] += weight * points[source]
        return out[self.skip_frames :]


def _person(prefix: str) -> str:
    return prefix.rstrip(":_|. -/")


def _some(names: Sequence[str], limit: int = 12) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def map_names() -> tuple[str, ...]:
    """Return the names of the bundled maps."""
    return tuple(sorted(p.stem for p in _FOLDER.glob("*.yaml")))


@cache
def _shipped() -> tuple[JointMap, ...]:
    return tuple(joint_map(name) for name in map_names())


def choose_map(motion: Motion, format_: str) -> JointMap:
    """Return the only bundled map for ``format_`` ("bvh", "c3d", ...) that fits the names in a file.

    Raises:
        PrmlError: no map fits, or several do; the message names them.
    """
    fitting = [m for m in _shipped() if format_ in m.formats and _fits(m, motion)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise PrmlError(f"the maps {', '.join(m.name for m in fitting)} all fit its names; pass skeleton= one of them")
    known = [m.name for m in _shipped() if format_ in m.formats]
    raise PrmlError(
        f"no joint map fits its names ({_some(list(motion.points), 8)}); known for {format_} are {', '.join(known)}: "
        "copy one, edit it and pass its path as skeleton="
    )


def _fits(candidate: JointMap, motion: Motion) -> bool:
    telling = {*candidate.needed, *candidate.signature}
    whole, _ = prefixes(motion.points, telling)
    return any(not any(p + name in motion.points for name in candidate.absent) for p in whole)


def joint_map(name: str) -> JointMap:
    """Load a bundled map by name, or a custom one by the path of its YAML file.

    Raises:
        PrmlError: the map does not exist or is invalid: missing joints, unknown entries, weights that do not sum to
            one.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else _FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise PrmlError(f"no joint map {name!r}; expected one of {', '.join(map_names())}, or a YAML file")
    record = read_yaml(path)
    return _checked(record, path)


def _checked(record: Any, path: Path) -> JointMap:
    if not isinstance(record, dict) or not isinstance(record.get("joints"), dict):
        raise PrmlError(f"{path.name}: a joint map needs the entry 'joints' with the 17 joints; copy a bundled one")
    known = {f.name for f in fields(JointMap)} - {"name"}
    if unknown := sorted(map(str, set(record) - known)):
        raise PrmlError(f"{path.name}: unknown entry {unknown[0]!r}; known are {', '.join(sorted(known))}")
    record["joints"] = _weights(record["joints"], path.name)
    formats = record.get("format", "bvh")
    formats = (formats,) if isinstance(formats, str) else formats
    known_formats = format_names()
    if not isinstance(formats, list | tuple) or not formats or not set(map(str, formats)) <= set(known_formats):
        raise PrmlError(f"{path.name}: 'format' must be one of {', '.join(known_formats)} or a list, got {formats!r}")
    record["format"] = tuple(formats)
    for key in ("up", "usual_up"):
        if record.get(key) not in (None, *AXES):
            raise PrmlError(f"{path.name}: {key!r} must be one of {', '.join(AXES)}, got {record[key]!r}")
    for key in ("unit_m", "fps"):
        if record.get(key) is not None:
            record[key] = _positive(record[key], f"{path.name}: {key}")
    for key in ("about", "drop_prefix"):
        if not isinstance(record.get(key, ""), str):
            raise PrmlError(f"{path.name}: {key} must be a text, got {record[key]!r}")
    lost = record.get("lost_offsets") or {}
    if not isinstance(lost, dict) or not all(isinstance(v, str) for v in (*lost, *lost.values())):
        raise PrmlError(f"{path.name}: lost_offsets must map joint names to joint names, got {lost!r}")
    if record.get("joint_centres") not in (None, "plug_in_gait"):
        raise PrmlError(f"{path.name}: joint_centres must be plug_in_gait, got {record['joint_centres']!r}")
    for key in ("signature", "absent"):
        record[key] = _texts(record.get(key, []), f"{path.name}: {key}")
    skipped = record.get("skip_frames", 0)
    if not isinstance(skipped, int) or skipped < 0:
        raise PrmlError(f"{path.name}: skip_frames must be a whole number from 0, got {skipped!r}")
    return JointMap(name=path.stem, **record)


def _positive(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise PrmlError(f"{what} must be a positive number, got {value!r}")
    return float(value)


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise PrmlError(f"{what} must be a list of names, got {value!r}")
    return tuple(value)


def _weights(joints: dict[str, Any], what: str) -> dict[str, dict[str, float]]:
    wanted = set(H36M17.joints)
    if missing := sorted(wanted - set(joints)) + sorted(map(str, set(joints) - wanted)):
        raise PrmlError(
            f"{what}: joints must be exactly {', '.join(H36M17.joints)}; {missing[0]!r} is missing or unknown"
        )
    out = {}
    for joint, rule in joints.items():
        weights = {rule: 1.0} if isinstance(rule, str) else rule
        if not isinstance(weights, dict) or not all(type(w) in (int, float) for w in weights.values()):
            raise PrmlError(f"{what}: {joint} must be a point's name, or names with weights, got {rule!r}")
        if not abs(sum(weights.values()) - 1) <= 1e-6:  # NaN too
            raise PrmlError(f"{what}: the weights of {joint} sum to {sum(weights.values()):g}, they must sum to 1")
        out[joint] = {str(n): float(w) for n, w in weights.items()}
    return out
