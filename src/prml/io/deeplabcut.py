"""DeepLabCut tables, CSV or HDF5: x, y in pixels and a likelihood of every body part, of one or several individuals.

The header has the rows scorer, (individuals,) bodyparts, coords. Body parts are named by the user and recognised by
:mod:`prml.io.joint_names`. HDF5 files, as pandas writes them, need h5py and are read in a separate process. Neither
states frame rate or image size.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.filters.tracks import Sight
from prml.io.coco import named_sight
from prml.io.entries import MAX_JSON_BYTES
from prml.io.found import Found, head_of, keypoint_format, real
from prml.io.guard import guarded, one_line
from prml.io.joint_names import by_names
from prml.io.sandbox import Limits, run_isolated
from prml.io.unpickle import unpickle

Names = tuple[str, ...]
_ROWS = ("scorer", "individuals", "bodyparts", "coords")
_HDF5 = b"\x89HDF\r\n\x1a\n"


def find_deeplabcut(path: Path) -> Found:
    """Read a table of DeepLabCut.

    Raises:
        PrmlError: the file is damaged, its body parts are no person's, or h5py is not installed.
    """
    if path.stat().st_size > MAX_JSON_BYTES:
        raise PrmlError(f"{path.name} is larger than {MAX_JSON_BYTES // 2**20} MiB; cut it")
    columns, values = _read_h5(path) if path.suffix.lower() in (".h5", ".hdf5") else _read_csv(path)
    return guarded(path, lambda: _found(columns, values), "it is not a table of DeepLabCut")


def _found(columns: Sequence[Names], values: Float[np.ndarray, "T C"]) -> Found:
    """``columns`` are (individual, body part, coordinate)."""
    at = {column: index for index, column in enumerate(columns)}
    parts = list(dict.fromkeys(part for _, part, _ in columns))
    individuals = list(dict.fromkeys(individual for individual, _, _ in columns))
    named = by_names(parts)
    likelihood = any(coordinate == "likelihood" for _, _, coordinate in columns)
    frames: list[list[Sight]] = [[] for _ in range(len(values))]
    for individual in individuals:
        table = np.full((len(values), len(parts), 3), np.nan)
        table[..., 2] = 0.0 if likelihood else 1.0
        for index, part in enumerate(parts):
            for axis, coordinate in enumerate(("x", "y", "likelihood")):
                if (individual, part, coordinate) in at:
                    table[:, index, axis] = values[:, at[individual, part, coordinate]]
        for frame in np.flatnonzero(np.isfinite(table).all(-1).any(-1)):
            frames[frame].append(named_sight(table[frame], named, individual if len(individuals) > 1 else None))
    notes = (f"points without a joint are left out: {one_line(', '.join(named.unused), 120)}",) if named.unused else ()
    return Found("DeepLabCut table", named.skeleton, frames, has_confidence=likelihood, notes=notes)


def _read_csv(path: Path) -> tuple[list[Names], Float[np.ndarray, "T C"]]:
    def parsed() -> tuple[list[Names], np.ndarray]:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = csv.reader(file)
            head = []
            for row in rows:
                if row and row[0].strip().lower() in _ROWS:
                    head.append(row)
                    if row[0].strip().lower() == "coords":
                        break
                elif len(head) > len(_ROWS) or not head:
                    raise PrmlError("expected the rows scorer, bodyparts and coords")
            levels = {row[0].strip().lower(): row for row in head}
            width = len(levels["coords"])
            first = next((i for i, cell in enumerate(levels["coords"]) if cell in ("x", "y", "likelihood")), width)
            data = [_numbers(row[first:width], width - first) for row in rows if row]
        if not data:
            raise PrmlError("has no frames")
        singles = levels.get("individuals", [""] * width)
        triples = zip(singles[first:width], levels["bodyparts"][first:width], levels["coords"][first:], strict=True)
        return [tuple(triple) for triple in triples], np.array(data)

    return guarded(path, parsed, "it is not a table of DeepLabCut")


def _numbers(cells: Sequence[str], width: int) -> list[float]:
    if len(cells) != width:
        raise PrmlError(f"a row has {len(cells)} values, the header {width}")
    return [float(cell) if cell.strip() else np.nan for cell in cells]


def _read_h5(path: Path) -> tuple[list[Names], Float[np.ndarray, "T C"]]:
    if find_spec("h5py") is None:
        raise PrmlError(f"{path.name}: HDF5 needs h5py: pip install 'prml-pose[h5]'; or give the CSV file beside it")
    record = run_isolated(_parsed_h5, str(path.absolute()), what=path.name, limits=Limits.for_file(path))

    def parsed() -> tuple[list[Names], np.ndarray]:
        columns = [_column(column) for name in record["columns"] for column in _unpickled(name)]
        values = np.concatenate([real(block) for block in record["blocks"]], axis=1)
        if len(columns) != values.shape[1]:
            raise PrmlError(f"has {values.shape[1]} columns but names for {len(columns)}")
        return columns, values[np.argsort(np.asarray(record["index"]), kind="stable")]

    return guarded(path, parsed, "it is not a table of DeepLabCut")


def _parsed_h5(path: str) -> dict[str, Any]:
    """Return index, blocks of values and their pickled column names; runs in a separate process."""
    import h5py

    with h5py.File(path, "r") as file:
        tables = [group["table"] for group in file.values() if isinstance(group, h5py.Group) and "table" in group]
        if len(tables) != 1:
            raise PrmlError("expected one table of pandas, as DeepLabCut writes it")
        table = tables[0]
        names = [name for name in table.dtype.names or () if name.startswith("values_block_")]
        kinds = [table.attrs[f"{name}_kind"] for name in names]
        raw = [kind if isinstance(kind, bytes) else bytes(kind) for kind in kinds]
        return {
            "columns": [np.frombuffer(kind, np.uint8) for kind in raw],
            "blocks": [np.asarray(table[name], np.float64) for name in names],
            "index": np.asarray(table["index"]),
        }


def _unpickled(raw: np.ndarray) -> list[Any]:
    """Return the column names that pandas pickles into an attribute."""
    found = unpickle(bytes(raw))
    if not isinstance(found, list):
        raise PrmlError("its column names are not a list")
    return found


def _column(column: Any) -> Names:
    """Return individual, body part and coordinate of (scorer, (individual,) body part, coordinate)."""
    if not isinstance(column, tuple | list) or not all(isinstance(level, str) for level in column):
        raise PrmlError(f"expected names of columns, got {one_line(ascii(column), 60)}")
    levels = tuple(column)
    if len(levels) not in (3, 4):
        raise PrmlError(f"its columns have {len(levels)} levels; expected scorer, body part and coordinate")
    return levels[1:] if len(levels) == 4 else ("", *levels[1:])


def is_deeplabcut(path: Path) -> bool:
    """Whether a file is HDF5 or a CSV file with the header of DeepLabCut."""
    with path.open("rb") as file:
        if file.read(8) == _HDF5:
            return True
    lines: Iterable[str] = head_of(path).splitlines()[:4]
    first = [re.split(r"[,;\t]", line)[0].strip().lower() for line in lines]
    return first[:1] == ["scorer"] and "bodyparts" in first


FORMAT = keypoint_format(
    "deeplabcut",
    (".csv", ".h5", ".hdf5"),
    "2D tables of DeepLabCut",
    find_deeplabcut,
    detect=is_deeplabcut,
)
