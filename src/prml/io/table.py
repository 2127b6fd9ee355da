"""Tables of a motion: CSV and Parquet, wide (a row per frame) or long (a row per value), without comment lines.

Wide: ``person, frame, time_s``, then ``NAME_x_m, NAME_y_m, NAME_z_m`` of each joint (world, z up), ``NAME_deg`` of each
angle and ``contact_NAME`` (1: on the ground) of each part of a foot. Long: ``person, frame, time_s, kind, name, x_m,
y_m, z_m, value`` with the kinds joint, angle (degrees) and contact. A value that is not known is an empty cell (null in
Parquet), and a frame without the person has empty cells throughout, so that frames can be counted.

CSV tables with columns ``NAME_x, NAME_y, NAME_z`` (also with a unit after them, or ``NAME.x``, ``NAME x``) are read as
motion, whoever wrote them.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.filters.joint_angles import JointAngles
from prml.io.axes import Axis
from prml.io.entries import MAX_JSON_BYTES
from prml.io.files import write_file
from prml.io.found import head_of
from prml.io.guard import guarded, one_line
from prml.io.motion import Motion, by_name
from prml.io.registry import Format
from prml.io.world import file_times, world_joints
from prml.scene import Scene
from prml.sequence import CONTACTS, PoseSequence

Array = np.ndarray
Layout = Literal["wide", "long"]
Columns = dict[str, Array]
_ROWS_AT_ONCE = 2048
_UNITS_M: Mapping[str, float] = {"m": 1.0, "mm": 0.001, "cm": 0.01, "in": 0.0254}
_COORDINATE = re.compile(r"(.+?)[ _.:]([xyz])(?:[ _(]+(mm|cm|m|in)\)?)?", re.IGNORECASE)
_LONG = ("person", "frame", "time_s", "kind", "name", "x_m", "y_m", "z_m", "value")


def angles_of(person: PoseSequence) -> Columns:
    """Return angles (T,) in degrees by name: of :mod:`prml.filters.joint_angles`, such as ``knee_flexion_left``."""
    angles = JointAngles.of(person, deviations=False)
    return {name: angles.degrees[:, index] for index, name in enumerate(angles.names)}


# ------------------------------------------------------------------------------------------------ writing
def write_csv(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write all people, a row per frame.

    Raises:
        PrmlError: there are no absolute joints in the world, or the file exists.
    """
    tables = [_wide(person) for person in scene]
    names = _header(tables)

    def write(file: BinaryIO) -> None:
        file.write((",".join(names) + "\n").encode())
        for table in tables:
            for text in _lines(table, names):
                file.write(text.encode())

    write_file(path, write, overwrite)


def write_csv_long(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write all people, a row per value; raises PrmlError as :func:`write_csv`."""
    values = [_Values.of(person) for person in scene]

    def write(file: BinaryIO) -> None:
        file.write((",".join(_LONG) + "\n").encode())
        for person in values:
            rows = "".join(
                [f"\0joint,{name},%.6f,%.6f,%.6f,\n" for name in person.names]
                + [f"\0angle,{name},,,,%.4f\n" for name in person.angles]
                + [f"\0contact,{name},,,,%.0f\n" for name in person.feet]
            )
            flat = person.joints.reshape(len(person.joints), -1)
            table = np.column_stack([flat, *person.angles.values(), *person.feet.values()])
            for frame, (time, numbers) in enumerate(zip(person.times_s.tolist(), table.tolist(), strict=True)):
                text = (rows % tuple(numbers)).replace("\0", f"{person.track},{frame},{time!r},")
                file.write(text.replace("nan", "").encode())

    write_file(path, write, overwrite)


def write_parquet(scene: Scene, path: Path, overwrite: bool = False, layout: Layout = "wide") -> None:
    """Write all people with pyarrow; raises PrmlError as :func:`write_csv`, and if pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise PrmlError("Parquet needs pyarrow: pip install 'prml-pose[parquet]', or write CSV") from None
    tables = [_wide(person) if layout == "wide" else _long(person) for person in scene]

    def column(table: Columns, name: str) -> object:
        values = table.get(name)
        return pa.nulls(len(table["frame"])) if values is None else pa.array(values, from_pandas=True)  # NaN: null

    names = _header(tables)
    made = [pa.table({name: column(table, name) for name in names}) for table in tables]
    joined = pa.concat_tables(made, promote_options="permissive")
    write_file(path, lambda file: pq.write_table(joined, file), overwrite)


@dataclass(frozen=True)
class _Values:
    """What a table holds of a person; angles in degrees and contacts 0 or 1, each (T,) by name."""

    track: int
    times_s: Float[Array, " T"]
    names: tuple[str, ...]
    joints: Float[Array, "T J 3"]
    angles: Columns
    feet: Columns

    @classmethod
    def of(cls, person: PoseSequence) -> "_Values":
        joints = world_joints(person, "a table")
        feet = {} if person.contacts is None else dict(zip(CONTACTS, person.contacts.astype(np.int8).T, strict=True))
        names = person.skeleton.joints
        return cls(person.track_id or 0, file_times(person), names, joints, angles_of(person), feet)


def _header(tables: Sequence[Columns]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for table in tables for name in table))


def _wide(person: PoseSequence) -> Columns:
    v = _Values.of(person)
    frames = len(person)
    table: Columns = {"person": np.full(frames, v.track), "frame": np.arange(frames), "time_s": v.times_s}
    for index, name in enumerate(v.names):
        table |= {f"{name}_{axis}_m": v.joints[:, index, i] for i, axis in enumerate("xyz")}
    table |= {f"{name}_deg": values for name, values in v.angles.items()}
    return table | {f"contact_{name}": values for name, values in v.feet.items()}


def _long(person: PoseSequence) -> Columns:
    """One row per frame and joint, angle or contact, frame by frame."""
    v = _Values.of(person)
    names = [*v.names, *v.angles, *v.feet]
    kinds = ["joint"] * len(v.names) + ["angle"] * len(v.angles) + ["contact"] * len(v.feet)
    frames, count = len(person), len(names)
    values = np.full((frames, count, 4), np.nan)
    values[:, : len(v.names), :3] = v.joints
    for index, column in enumerate((*v.angles.values(), *v.feet.values()), len(v.names)):
        values[:, index, 3] = column
    flat = values.reshape(-1, 4)
    return {
        "person": np.full(frames * count, v.track),
        "frame": np.repeat(np.arange(frames), count),
        "time_s": np.repeat(v.times_s, count),
        "kind": np.tile(np.array(kinds), frames),
        "name": np.tile(np.array(names), frames),
        **{name: flat[:, i] for i, name in enumerate(("x_m", "y_m", "z_m", "value"))},
    }


def _lines(table: Columns, names: Sequence[str]) -> Iterator[str]:
    """Yield the text of many rows at a time."""
    rows = len(table["frame"])
    formats = [_format(name, table.get(name)) for name in names]
    row = ",".join(formats) + "\n"
    for first in range(0, rows, _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        cells = [_cells(name, table[name][part]) for name in names if name in table]
        text = "".join([row % values for values in zip(*cells, strict=True)])
        yield text.replace("nan", "") if "nan" in text else text


def _format(name: str, values: Array | None) -> str:
    if values is None:
        return ""
    return "%.4f" if name.endswith("_deg") else "%.6f" if values.dtype.kind == "f" and name != "time_s" else "%s"


def _cells(name: str, values: Array) -> list[object]:
    return [repr(value) for value in values.tolist()] if name == "time_s" else values.tolist()


# ------------------------------------------------------------------------------------------------ reading
def read_csv(path: Path | str) -> Motion:
    """Read a wide or long table of points; NaN where a cell is empty.

    The rate follows from a column of times (``time``, ``time_s``, ``timestamp``), if there is one. People who share a
    table by a column ``person`` get it as a prefix of their names. Our own tables are in metres, z up; of others, the
    unit is that of the column names, and the up axis is not known.

    Raises:
        PrmlError: the file is missing, has no columns of points, or a cell is not a number.
    """
    path = Path(path)

    def parsed() -> Motion:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise PrmlError(f"is larger than {MAX_JSON_BYTES // 2**20} MiB; cut it")
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            first = file.readline()
            separator = max(",;\t", key=first.count)
            file.seek(0)
            rows = [row for row in csv.reader(file, delimiter=separator) if row]
        head = [name.strip() for name in rows[0]] if rows else []
        if len(rows) < 2:
            raise PrmlError("has no rows of numbers; it is truncated")
        if twice := sorted({name for name in head if head.count(name) > 1}):
            raise PrmlError(f"has the column {one_line(twice[0], 40)!r} twice")
        if wrong := next((n for n, row in enumerate(rows[1:], 2) if len(row) != len(head)), 0):
            raise PrmlError(f"line {wrong} has {len(rows[wrong - 1])} cells, the header {len(head)}")
        columns = dict(zip(head, zip(*rows[1:], strict=True), strict=True))
        return _of_long(columns) if set(_LONG) <= set(head) else _of_wide(columns)

    return guarded(path, parsed, "it is not a table of points")


def _numbers(cells: Sequence[str], name: str) -> Float[Array, " rows"]:
    try:
        return np.array([float(cell) if cell.strip() else np.nan for cell in cells])
    except ValueError:
        raise PrmlError(f"the column {one_line(name, 40)!r} contains a value that is not a number") from None


def _of_wide(columns: Mapping[str, Sequence[str]]) -> Motion:
    found: dict[str, dict[str, str]] = {}
    units = set()
    for name in columns:
        if match := _COORDINATE.fullmatch(name):
            found.setdefault(match[1], {})[match[2].lower()] = name
            units.add((match[3] or "").lower())
    points = {name: axes for name, axes in found.items() if len(axes) == 3}
    if not points:
        raise PrmlError("has no points: expected columns such as LKnee_x, LKnee_y, LKnee_z")
    ours = {"person", "frame", "time_s"} <= set(columns)
    people = columns["person"] if ours else [""] * len(next(iter(columns.values())))
    xyz = np.stack([np.stack([_numbers(columns[axes[a]], axes[a]) for a in "xyz"], -1) for axes in points.values()])
    stated = next((n for n in columns if re.fullmatch(r"time(stamp)?(_s|_sec|_seconds)?|t", n, re.IGNORECASE)), None)
    times = None if stated is None else _numbers(columns[stated], stated)
    unit = _UNITS_M.get(next(iter(units))) if len(units) == 1 else None
    return _motion(list(points), xyz, people, times, unit, "z" if ours else None)


def _of_long(columns: Mapping[str, Sequence[str]]) -> Motion:
    joints = [index for index, kind in enumerate(columns["kind"]) if kind == "joint"]
    keys = [(columns["person"][i], columns["frame"][i]) for i in joints]
    rows = {key: row for row, key in enumerate(dict.fromkeys(keys))}
    names = list(dict.fromkeys(columns["name"][i] for i in joints))
    if not names:
        raise PrmlError("has no rows of joints")
    if len(rows) * len(names) > 20 * len(joints):
        raise PrmlError("its rows are not frames of the same joints; it is damaged, get it again")
    values = np.stack([_numbers([columns[c][i] for i in joints], c) for c in ("x_m", "y_m", "z_m", "time_s")], -1)
    table = np.full((len(names), len(rows), 4), np.nan)
    table[[names.index(columns["name"][i]) for i in joints], [rows[key] for key in keys]] = values
    times = np.nanmax(table[..., 3], axis=0) if np.isfinite(table[..., 3]).any(0).all() else None
    return _motion(names, table[..., :3], [person for person, _ in rows], times, 1.0, "z")


def _motion(
    names: Sequence[str],
    xyz: Float[Array, "points rows 3"],
    people: Sequence[str],
    times_s: Float[Array, " rows"] | None,
    unit_m: float | None,
    up: Axis | None,
) -> Motion:
    """Put the people, whose rows follow each other, beside each other."""
    who = list(dict.fromkeys(people))
    rows = [np.array([i for i, name in enumerate(people) if name == one]) for one in who]
    if len({len(own) for own in rows}) > 1:
        raise PrmlError("its people have different numbers of rows; expected every frame of each")
    labels = [f"{one}:{name}" if len(who) > 1 else name for one in who for name in names]
    points, twice = by_name(labels, np.concatenate([xyz[:, own] for own in rows]))
    return Motion(points, _rate(times_s, rows[0]), unit_m, up=up, duplicates=twice)


def _rate(times_s: Float[Array, " rows"] | None, rows: Array) -> float | None:
    """Return the mean rate, rounded as times are; None without times."""
    own = None if times_s is None else times_s[rows]
    if own is None or len(own) < 2 or not np.isfinite(own).all() or not own[-1] > own[0]:
        return None
    return round((len(own) - 1) / float(own[-1] - own[0]), 4)


def is_table(path: Path) -> bool:
    """Whether a CSV file has a header with columns of points, or is a long table of ours."""
    names = [name.strip() for name in re.split(r"[,;\t]", head_of(path).split("\n", 1)[0])]
    if set(_LONG) <= set(names):
        return True
    return sum(bool(_COORDINATE.fullmatch(name.strip('"'))) for name in names) >= 3


FORMAT = Format(
    "csv",
    (".csv",),
    "a table with a row per frame: joints, angles, contacts",
    read_csv,
    write_csv,
    detect=is_table,
    kind="motion",
    wants="world",
    gap_rule="empty cells",
)
LONG = Format(
    "csv_long",
    (".csv",),
    "a table with a row per joint, angle or contact of a frame",
    None,
    write_csv_long,
    holds=lambda scene: False,
    wants="world",
    gap_rule="empty cells",
)
PARQUET = Format(
    "parquet",
    (".parquet",),
    "the table of csv as Parquet",
    None,
    write_parquet,
    holds=lambda scene: False,
    wants="world",
    gap_rule="empty cells",
    extra="parquet",
)
PARQUET_LONG = Format(
    "parquet_long",
    (".parquet",),
    "the table of csv_long as Parquet",
    None,
    partial(write_parquet, layout="long"),
    holds=lambda scene: False,
    wants="world",
    gap_rule="empty cells",
    extra="parquet",
)
