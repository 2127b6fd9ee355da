"""ASF/AMC (Acclaim): a skeleton file per subject, and the bone angles of each take.

A point is named after the bone that *ends* there; ``root`` is the root itself. Bone angles rotate about the bone's own
axes (``axis``), in the listed order of its degrees of freedom, the first acting first. Lengths are in inches divided by
the number under ``:units length`` (0.45 in the CMU database); y is up. Angles of a take are in the unit that it states
(``:DEGREES``, ``:RADIANS``), else in that of the skeleton. The degree of freedom ``l`` lengthens its bone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.guard import guarded
from prml.io.motion import Motion, axis_rotation, floats
from prml.io.registry import Format

INCH_M = 0.0254
_ROOT_ORDER = ("TX", "TY", "TZ", "RX", "RY", "RZ")
_DOF = (*_ROOT_ORDER, "L")


@dataclass
class Bone:
    """One bone: unit ``direction`` and ``length`` at rest, rotation ``axes`` of its frame, degrees of freedom."""

    name: str = ""
    direction: np.ndarray = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))
    dof: tuple[str, ...] = ()


@dataclass
class Skeleton:
    """An ASF file: bones by name, parent of every bone, metres per unit, order of the root values."""

    bones: dict[str, Bone]
    parents: dict[str, str]
    unit_m: float
    degrees: bool
    root_order: tuple[str, ...]
    root_axes: np.ndarray


def _euler(values: np.ndarray, order: list[str], degrees: bool) -> np.ndarray:
    """Return rotations (F, 3, 3) from angles (F, n) about the axes of ``order``, the first acting first."""
    if not set(order) <= set("XYZ"):
        raise PrmlError(f"expected an order of the axes X, Y and Z, got {''.join(order)[:20]!r}")
    radians = np.radians(values) if degrees else values
    R = np.broadcast_to(np.eye(3), (len(values), 3, 3))
    for column, axis in enumerate(order):
        R = axis_rotation(axis, radians[:, column]) @ R
    return R


def read_asf(path: Path | str) -> Skeleton:
    """Read a skeleton; raise PrmlError if the file is missing or not ASF."""
    path = Path(path)
    return guarded(path.name, lambda: _parse_asf(_lines(path)))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _parse_asf(lines: list[str]) -> Skeleton:
    section, bone = "", Bone()
    skeleton = Skeleton({}, {}, INCH_M, True, _ROOT_ORDER, np.eye(3))
    pending: dict[str, list[str]] = {}
    for raw in lines:
        words = raw.split("#")[0].split()
        if not words:
            continue
        if words[0].startswith(":"):
            section = words[0].lower()
        elif section == ":units":
            _unit(skeleton, words)
        elif section == ":root" and words[0] == "order":
            skeleton.root_order = tuple(w.upper() for w in words[1:])
        elif section == ":root" and words[0] in ("axis", "orientation"):
            pending[words[0]] = words[1:]
        elif section == ":bonedata":
            bone = _bone_line(skeleton, bone, words)
        elif section == ":hierarchy" and words[0] not in ("begin", "end"):
            skeleton.parents.update(dict.fromkeys(words[1:], words[0]))
    if not skeleton.bones or not skeleton.parents:
        raise PrmlError("not an ASF skeleton: expected :bonedata and :hierarchy")
    angles = np.array([floats(pending.get("orientation", ["0"] * 3)[:3], "orientation")])
    skeleton.root_axes = _euler(angles, list(pending.get("axis", ["XYZ"])[0]), skeleton.degrees)[0]
    return skeleton


def _unit(skeleton: Skeleton, words: list[str]) -> None:
    if words[0] == "length":
        if not (length := floats(words[1:2], "length")[0]) > 0:
            raise PrmlError(f"expected a positive unit of length, got {length:g}")
        skeleton.unit_m = INCH_M / length
    elif words[0] == "angle":
        skeleton.degrees = words[1].lower().startswith("deg")


def _bone_line(skeleton: Skeleton, bone: Bone, words: list[str]) -> Bone:
    key, rest = words[0], words[1:]
    if key == "begin":
        return Bone()
    if key == "end":
        skeleton.bones[bone.name] = bone
    elif key == "name":
        bone.name = rest[0]
    elif key == "direction":
        bone.direction = np.array(floats(rest[:3], f"direction of {bone.name}"))
    elif key == "length":
        bone.length = floats(rest[:1], f"length of {bone.name}")[0]
    elif key == "axis":
        angles = np.array([floats(rest[:3], f"axis of {bone.name}")])
        bone.axes = _euler(angles, list((rest[3:] or ["XYZ"])[0].upper()), skeleton.degrees)[0]
    elif key == "dof":
        bone.dof = tuple(w.upper() for w in rest)
        if unknown := set(bone.dof) - set(_DOF):
            raise PrmlError(
                f"{bone.name} has the degree of freedom {unknown.pop()!r}; expected rx, ry, rz, l and the like"
            )
    return bone


def find_asf(take: Path, given: Sequence[Path] = ()) -> Path:
    """Find the skeleton of a take: next to it, in a folder above it, or among the ``given`` files.

    A skeleton belongs to takes that start with its name, followed by the end or a separator: ``13.asf`` to
    ``13_01.amc``, but not to ``131_01.amc``. A skeleton with another name is used if it is the only one in the folder
    (or in the nearest folder above that has one), unless both names contain a number and so name different subjects.

    Raises:
        PrmlError: there is no skeleton, or more than one; the message says which was expected.
    """
    found = dict.fromkeys(p for p in (*given, *sorted(take.parent.glob("*"))) if p.suffix.lower() == ".asf")
    near = sorted(found, key=lambda p: (_steps_up(take, p), -len(p.stem)))
    if fitting := [p for p in near if _begins_with(take.stem, p.stem)]:
        return fitting[0]
    subject = re.split(r"[^0-9A-Za-z]", take.stem)[0]
    numbered = re.search(r"\d", subject) is not None
    nearest = [p for p in near if _steps_up(take, p) == _steps_up(take, near[0])]
    if len(nearest) == 1 and not (numbered and re.search(r"\d", nearest[0].stem)):
        return nearest[0]
    wanted = f"{subject}.asf" if numbered else "the subject's .asf"
    others = f"; found {', '.join(sorted({p.name for p in near})[:4])}" if near else ""
    raise PrmlError(
        f"{take.name}: no skeleton; give the subject's .asf among the files, or put it next to the take "
        f"(expected {wanted}{others})"
    )


_ELSEWHERE = 1000


def _begins_with(take: str, skeleton: str) -> bool:
    take, skeleton = take.lower(), skeleton.lower()
    return take.startswith(skeleton) and not take[len(skeleton) : len(skeleton) + 1].isalnum()


def _steps_up(take: Path, skeleton: Path) -> int:
    """Return how many folders above the take the skeleton is; ``_ELSEWHERE`` if in another branch."""
    above = list(take.absolute().parents)
    folder = skeleton.absolute().parent
    return above.index(folder) if folder in above else _ELSEWHERE


def read_amc(path: Path | str, skeleton: Skeleton) -> Motion:
    """Read a take on its skeleton; few files state the frame rate (120 in most of the CMU database).

    Raises:
        PrmlError: the file is missing, not AMC, or has bones that the skeleton lacks.
    """
    path = Path(path)
    return guarded(path.name, lambda: _parse_amc(_lines(path), skeleton))


def _parse_amc(lines: list[str], skeleton: Skeleton) -> Motion:
    values, frames = _amc_values(lines)
    if "root" not in values or not frames:
        raise PrmlError("not an AMC take: expected numbered frames with the root's values")
    for name, rows in values.items():
        if name != "root" and name not in skeleton.bones:
            raise PrmlError(f"bone {name!r} is not in the skeleton; give the subject's own .asf")
        want = len(skeleton.root_order) if name == "root" else len(skeleton.bones[name].dof)
        if rows.shape != (frames, want):
            raise PrmlError(
                f"{name} has {rows.shape[0]} rows of {rows.shape[-1]} values, expected {frames} of {want}; "
                "it is truncated, or the skeleton is another subject's"
            )
    stated = dict(_keywords(lines))
    degrees = skeleton.degrees if not {":degrees", ":radians"} & set(stated) else ":degrees" in stated
    fps = floats(stated.get(":samples-per-second", [])[:1], "samples per second")
    points = _positions(skeleton, values, frames, degrees)
    return Motion(points, fps[0] if fps and fps[0] > 0 else None, skeleton.unit_m, "y")


def _keywords(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield keywords (words that start with a colon, in lower case) and their values."""
    for line in lines:
        if line.lstrip().startswith(":"):
            words = line.lower().split()
            yield words[0], words[1:]


def _amc_values(lines: list[str]) -> tuple[dict[str, np.ndarray], int]:
    rows: dict[str, list[list[float]]] = {}
    frames = 0
    for line in lines:
        words = line.split()
        if not words or words[0][0] in "#:":
            continue
        if len(words) == 1 and words[0].isdigit():
            frames += 1
        else:
            rows.setdefault(words[0], []).append(floats(words[1:], f"frame {frames}"))
    try:
        return {name: np.array(r) for name, r in rows.items()}, frames
    except ValueError:
        raise PrmlError("lines of unequal length; the file is truncated") from None


def _positions(
    skeleton: Skeleton, values: dict[str, np.ndarray], frames: int, degrees: bool
) -> dict[str, Float[np.ndarray, "frames 3"]]:
    order = list(skeleton.root_order)
    root = values["root"]
    turns = [i for i, name in enumerate(order) if name.startswith("R")]
    place = {name: root[:, i] for i, name in enumerate(order)}
    C = skeleton.root_axes
    pos = {"root": np.stack([place.get(f"T{a}", np.zeros(frames)) for a in "XYZ"], -1)}
    turned = {"root": C @ _euler(root[:, turns], [order[i][1] for i in turns], degrees) @ C.T}
    waiting = list(skeleton.parents)
    while waiting:
        ready = [name for name in waiting if skeleton.parents[name] in pos]
        if not ready:
            raise PrmlError(f"the skeleton's hierarchy is not connected: {waiting[0]} has no path to the root")
        for name in ready:
            bone, parent = skeleton.bones.get(name), skeleton.parents[name]
            if bone is None:
                raise PrmlError(f"the skeleton's hierarchy names {name}, which has no bone data")
            angles, stretch = _moved(bone, values.get(name, np.zeros((frames, len(bone.dof)))), degrees)
            turned[name] = turned[parent] @ bone.axes @ angles @ bone.axes.T
            pos[name] = pos[parent] + (turned[name] @ bone.direction) * (bone.length + stretch)[:, None]
        waiting = [name for name in waiting if name not in pos]
    return pos


def _moved(
    bone: Bone, values: Float[np.ndarray, "frames dof"], degrees: bool
) -> tuple[Float[np.ndarray, "frames 3 3"], Float[np.ndarray, " frames"]]:
    """Return the rotation about the bone's own axes, and the change of its length."""
    turns = [i for i, name in enumerate(bone.dof) if name.startswith("R")]
    if any(np.any(values[:, i] != 0) for i, name in enumerate(bone.dof) if name.startswith("T")):
        raise PrmlError(
            f"bone {bone.name} is translated by the take (tx, ty or tz); only rotations and l are supported"
        )
    stretch = values[:, bone.dof.index("L")] if "L" in bone.dof else np.zeros(len(values))
    return _euler(values[:, turns], [bone.dof[i][1] for i in turns], degrees), stretch


def _read_take(path: Path, given: Sequence[Path] = ()) -> Motion:
    return read_amc(path, read_asf(find_asf(path, given)))


FORMAT = Format(
    "asf_amc",
    (".amc",),
    "takes of the CMU database and HDM05, with a skeleton per subject (ASF)",
    _read_take,
    companions=(".asf",),
    kind="motion",
)
