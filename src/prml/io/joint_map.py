"""Joint maps: which points of a file make the 17 joints. YAML in ``prml/io/joint_maps``, to be copied and edited."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.motion import Motion, Up
from prml.skeleton import H36M17

_FOLDER = Path(__file__).parent / "joint_maps"


@dataclass(frozen=True)
class JointMap:
    """How a kind of file becomes H36M17.

    Attributes:
        name: of the map.
        joints: H36M17 joint -> source point, or source points with weights that sum to one.
        about: one sentence on what files it fits.
        format: "bvh", "asf_amc" or "c3d".
        unit_m: metres per file unit; None to take it from the file.
        up: the axis that points up; None to take it from the file.
        fps: frames a second, if the file does not say.
        skip_frames: how many frames at the start are a rest pose.
        drop_prefix: taken away from the names of the points.
        lost_offsets: BVH only, see :func:`prml.io.bvh.read_bvh`.
        joint_centres: "plug_in_gait" to add joint centres from markers first.
    """

    name: str
    joints: Mapping[str, Mapping[str, float]]
    about: str = ""
    format: Literal["bvh", "asf_amc", "c3d"] = "bvh"
    unit_m: float | None = None
    up: Up | None = None
    fps: float | None = None
    skip_frames: int = 0
    drop_prefix: str = ""
    lost_offsets: Mapping[str, str] | None = None
    joint_centres: Literal["plug_in_gait"] | None = None

    def apply(self, motion: Motion, unit_m: float) -> Float[np.ndarray, "frames 17 3"]:
        """The 17 joints in metres, in the file's axes; raises PrmlError that names a point the file does not have."""
        points = {name.removeprefix(self.drop_prefix): xyz * unit_m for name, xyz in motion.points.items()}
        if self.joint_centres:
            from prml.io.markers import plug_in_gait

            points = {**points, **plug_in_gait(points)}
        out = np.zeros((len(motion), len(H36M17), 3))
        for index, joint in enumerate(H36M17.joints):
            for source, weight in self.joints[joint].items():
                if source not in points:
                    raise PrmlError(
                        f"the map {self.name!r} makes {joint} from {source!r}, which the file does not have; it has "
                        f"{_some(list(points))}; choose another --skeleton or edit a copy of the map"
                    )
                out[:, index] += weight * points[source]
        return out[self.skip_frames :]


def _some(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def map_names() -> tuple[str, ...]:
    """The maps that come with the package."""
    return tuple(sorted(p.stem for p in _FOLDER.glob("*.yaml")))


def joint_map(name: str) -> JointMap:
    """A map by name, or from a YAML file.

    Raises:
        PrmlError: no such map, unknown or missing entries, weights that do not sum to one.
    """
    import yaml

    path = Path(name) if name.endswith((".yaml", ".yml")) else _FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise PrmlError(f"no joint map {name!r}; expected one of {', '.join(map_names())}, or a YAML file")
    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PrmlError(f"{path.name}: not YAML ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(record, dict) or not isinstance(record.get("joints"), dict):
        raise PrmlError(f"{path.name}: a joint map needs the entry 'joints' with the 17 joints; copy one that exists")
    known = {f.name for f in fields(JointMap)} - {"name"}
    if unknown := sorted(set(record) - known):
        raise PrmlError(f"{path.name}: unknown entry {unknown[0]!r}; known are {', '.join(sorted(known))}")
    record["joints"] = _weights(record["joints"], path.name)
    if record.get("format", "bvh") not in ("bvh", "asf_amc", "c3d") or record.get("up", "y") not in ("y", "z", None):
        raise PrmlError(f"{path.name}: 'format' must be bvh, asf_amc or c3d, and 'up' must be y or z")
    for key in ("unit_m", "fps"):
        if record.get(key) is not None:
            record[key] = _positive(record[key], f"{path.name}: {key}")
    skipped = record.get("skip_frames", 0)
    if not isinstance(skipped, int) or skipped < 0:
        raise PrmlError(f"{path.name}: skip_frames must be a whole number from 0, got {skipped!r}")
    return JointMap(name=path.stem, **record)


def _positive(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise PrmlError(f"{what} must be a positive number, got {value!r}")
    return float(value)


def _weights(joints: dict[str, Any], what: str) -> dict[str, dict[str, float]]:
    wanted = set(H36M17.joints)
    if missing := sorted(wanted - set(joints)) + sorted(set(joints) - wanted):
        raise PrmlError(
            f"{what}: joints must be exactly {', '.join(H36M17.joints)}; {missing[0]!r} is missing or unknown"
        )
    out = {}
    for joint, rule in joints.items():
        weights = {rule: 1.0} if isinstance(rule, str) else rule
        if not isinstance(weights, dict) or not all(isinstance(w, int | float) for w in weights.values()):
            raise PrmlError(f"{what}: {joint} must be a point's name, or names with weights, got {rule!r}")
        if abs(sum(weights.values()) - 1) > 1e-6:
            raise PrmlError(f"{what}: the weights of {joint} sum to {sum(weights.values()):g}, they must sum to 1")
        out[joint] = {str(n): float(w) for n, w in weights.items()}
    return out
