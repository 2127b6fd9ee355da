"""The common form of motion files: named points over time, in the file's own unit and axes."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.axes import Axis

_MARKS = ":_|. -/"  # separators between the name of a person or rig and the name of a point


@dataclass(frozen=True)
class Motion:
    """Named points of one take; several people have prefixes such as ``Anna:``.

    Attributes:
        points: name -> (F, 3) positions in the file's unit and axes; NaN where a marker was not seen.
        fps: frames per second; None if not stated.
        unit_m: metres per file unit; None if not stated.
        up: the axis that points up; None if not stated.
        right: the axis that points to the right on the laboratory's screen; None if not stated.
        usual_up: the axis that points up by the convention of the format; used if nothing else tells.
        duplicates: names shared by several points; joints must not be made from them.
        notes: irregularities that the reader corrected, one sentence each.
    """

    points: Mapping[str, Float[np.ndarray, "frames 3"]]
    fps: float | None
    unit_m: float | None = None
    up: Axis | None = None
    right: Axis | None = None
    duplicates: frozenset[str] = frozenset()
    notes: tuple[str, ...] = field(default=())
    usual_up: Axis | None = None

    def __len__(self) -> int:
        return len(next(iter(self.points.values()))) if self.points else 0

    def without_prefix(self, prefix: str) -> "Motion":
        """Return the points with this prefix, with the prefix removed."""
        kept = {name[len(prefix) :]: xyz for name, xyz in self.points.items() if name.startswith(prefix)}
        duplicates = frozenset(n[len(prefix) :] for n in self.duplicates if n.startswith(prefix))
        return replace(self, points=kept, duplicates=duplicates)


def zeros_as_gaps(
    labels: Sequence[str], xyz: Float[np.ndarray, "points frames 3"]
) -> tuple[Float[np.ndarray, "points frames 3"], tuple[str, ...]]:
    """Return points with NaN for (0, 0, 0), which many programs write for a marker that was not seen, and notes.

    The only point that lies at zero throughout, with the others around it in most frames, is no gap but the root of
    root-relative positions. It is kept in the frames that have another point.
    """
    zero = np.asarray((xyz == 0).all(-1))
    cleaned = np.where(zero[..., None], np.nan, xyz)
    lost = np.asarray(np.isnan(cleaned).any(-1))
    roots = np.flatnonzero(lost.all(1) & zero.any(1))
    low, high = np.fmin.reduce(cleaned, axis=0), np.fmax.reduce(cleaned, axis=0)  # frames 3, NaN where nothing is seen
    around, seen = np.logical_and(low <= 0, high >= 0).all(-1), ~lost.all(0)
    if len(roots) != 1 or not seen.any() or np.mean(around[seen]) <= 0.5:
        return cleaned, ()
    root = roots[0]
    cleaned[root, zero[root] & seen] = 0.0
    return cleaned, (f"{labels[root]} is at zero throughout: read as the root of root-relative positions",)


def by_name(
    labels: Iterable[str], xyz: Float[np.ndarray, "points frames 3"]
) -> tuple[dict[str, Float[np.ndarray, "frames 3"]], frozenset[str]]:
    """Return points by label, and the labels with several points that were seen.

    Among points with the same label, the first that is not NaN throughout is kept.
    """
    named: dict[str, np.ndarray] = {}
    twice = set()
    for label, point in zip(labels, xyz, strict=False):
        if label not in named or np.isnan(named[label]).all():
            named[label] = point
        elif not np.isnan(point).all():
            twice.add(label)
    return named, frozenset(twice)


def prefixes(names: Iterable[str], needed: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the prefixes that have all ``needed`` names, and those that have at least half of them.

    A prefix is empty or ends with a separator, as in ``Anna:``, ``mixamorig_`` or "Bip01 "; each is one person.
    """
    present, wanted = set(names), set(needed)
    found = Counter(
        name.removesuffix(want)
        for name in present
        for want in wanted
        if name.endswith(want) and (name == want or name[-len(want) - 1] in _MARKS)
    )
    whole = sorted(p for p in found if all(p + want in present for want in wanted))
    return whole, sorted(p for p, count in found.items() if p not in whole and 2 * count >= len(wanted))


def axis_rotation(axis: str, radians: Float[np.ndarray, " frames"]) -> Float[np.ndarray, "frames 3 3"]:
    """Return rotation matrices about one coordinate axis ("X", "Y" or "Z"), for column vectors."""
    i, j = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
    c, s = np.cos(radians), np.sin(radians)
    R = np.zeros((*radians.shape, 3, 3))
    R[..., [0, 1, 2], [0, 1, 2]] = 1
    R[..., i, i], R[..., j, j], R[..., i, j], R[..., j, i] = c, c, -s, s
    return R


def _unit_vector(axis: Axis) -> Float[np.ndarray, "3"]:
    sign = -1.0 if axis[0] == "-" else 1.0
    return np.asarray(sign * np.eye(3)["xyz".index(axis[-1])])


def turn_z_up(up: Axis, right: Axis | None = None) -> Float[np.ndarray, "3 3"]:
    """Return the rotation (for column vectors) that takes the axis ``up`` to +z and the axis ``right`` to +x.

    Without ``right``, or if it is parallel to ``up``, x stays x, or y becomes x if x is vertical; y up gives
    (x, -z, y). Nothing is mirrored.
    """
    z = _unit_vector(up)
    x = _unit_vector(right or "x")
    if abs(x @ z) > 0:
        x = _unit_vector("y" if up[-1] == "x" else "x")
    return np.stack([x, np.cross(z, x), z])


def z_up(points: Float[np.ndarray, "*n 3"], up: Axis, right: Axis | None = None) -> Float[np.ndarray, "*n 3"]:
    """Rotate points so that +z is up; see :func:`turn_z_up`."""
    R = turn_z_up(up, right)
    columns, signs = np.abs(R).argmax(1), R.sum(1)
    return np.asarray(points[..., columns] * signs)


def floats(words: list[str], what: str) -> list[float]:
    """Parse finite numbers; raise PrmlError that names ``what``."""
    try:
        numbers = [float(w) for w in words]
    except ValueError:
        raise PrmlError(f"{what}: expected numbers, got {' '.join(words)[:60]!r}") from None
    if not all(map(math.isfinite, numbers)):
        raise PrmlError(f"{what}: expected finite numbers, got {' '.join(words)[:60]!r}")
    return numbers
