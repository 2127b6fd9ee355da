"""Read our own npz and JSON files: any input gives checked arrays or a one-line error."""

import json
import re
from collections.abc import Mapping, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np

from prml.camera import Camera
from prml.errors import PrmlError
from prml.filters.resample import frame_rate
from prml.io.files import existing
from prml.io.guard import guarded, one_line
from prml.io.npz import load_arrays, load_npz, npz_keys
from prml.sequence import check_fps

Array = np.ndarray
_INCOMPLETE_NPZ = "it is not a complete npz file"
MAX_JSON_BYTES = 2**30
MAX_NUMBER = 1e12  # of any number: single precision ends at 3e38, and what is beyond 1e12 was never measured


class Entries:
    """The entries of one file; each is checked against the requested type and shape.

    Args:
        path: the file, for messages.
        entries: its content.
    """

    def __init__(self, path: Path, entries: Mapping[str, Any]) -> None:
        self.path, self.entries = path, entries

    def __contains__(self, name: str) -> bool:
        return self.entries.get(name) is not None

    def fail(self, message: str) -> PrmlError:
        """Return a one-line error that names the file."""
        return PrmlError(f"{self.path.name}: {one_line(message, 400)}")

    def check_schema(self, schema: str) -> None:
        """Raise PrmlError unless the file states this schema."""
        found = self.entries.get("schema")
        if not isinstance(found, str) or found != schema:
            raise self.fail(f"expected the schema {schema!r}, got {_short(found)}; docs/file_schema.md describes it")

    def check_names(self, known: Sequence[str]) -> None:
        """Raise PrmlError for entries that are not in the schema, so that a misspelt one is noticed."""
        if unknown := sorted(set(self.entries) - set(known)):
            raise self.fail(f"unknown entries {_short(unknown)}; known are {', '.join(known)}")

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string."""
        value = self.entries.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self.fail(f"expected a text in {name!r}, got {_short(value)}")
        return value

    def whole(self, name: str) -> int:
        """Return a positive whole number."""
        value = self.entries.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not 1 <= value <= 100_000:
            raise self.fail(f"expected a number of pixels from 1 to 100000 in {name!r}, got {_short(value)}")
        return int(value)

    def mapping(self, name: str) -> dict[str, Any]:
        """Return a mapping of names to values."""
        value = self.entries.get(name)
        if isinstance(value, str):  # npz files store it as JSON text
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise self.fail(f"{name!r} is not JSON") from None
        if not isinstance(value, dict):
            raise self.fail(f"expected names and values in {name!r}, got {_short(value)}")
        return value

    def numbers(self, name: str, shape: tuple[int | None, ...], nan: bool = False) -> Array:
        """Return a float64 array; ``None`` in the shape allows any length, ``nan`` allows null and NaN."""
        array = self._array(name)
        if array.dtype.kind not in "fiu":
            raise self.fail(f"expected numbers in {name!r}, got {array.dtype}")
        self._check_shape(name, array, shape)
        array = array.astype(np.float64)
        if (np.abs(array) > MAX_NUMBER).any():
            raise self.fail(
                f"{name!r} contains values beyond {MAX_NUMBER:g} or infinite ones; nothing measured is so large"
            )
        if not nan and np.isnan(array).any():
            raise self.fail(f"{name!r} contains NaN or null")
        return array

    def flags(self, name: str, *shape: int) -> Array:
        """Return a boolean array."""
        array = self._array(name)
        if array.dtype != bool:
            raise self.fail(f"expected true and false in {name!r}, got {array.dtype}")
        self._check_shape(name, array, shape)
        return array

    def _check_shape(self, name: str, array: Array, shape: tuple[int | None, ...]) -> None:
        fits = array.ndim == len(shape) and all(w is None or w == g for w, g in zip(shape, array.shape, strict=True))
        if not fits:
            wanted = " x ".join("any" if n is None else str(n) for n in shape)
            got = " x ".join(map(str, array.shape)) or "a single value"
            raise self.fail(f"expected {name!r} to be {wanted}, got {got}")

    def _array(self, name: str) -> Array:
        if name not in self:
            raise self.fail(f"lacks {name!r}; docs/file_schema.md lists the required entries")
        value = self.entries[name]
        if isinstance(value, np.ndarray):
            return value
        if not isinstance(value, list):
            raise self.fail(f"expected a list in {name!r}, got {_short(value)}")
        try:
            array = np.array(value)
            return np.array(value, dtype=np.float64) if array.dtype == object else array  # null becomes NaN
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise self.fail(f"{name!r} is not a regular list of numbers; every frame needs every joint") from None

    def times_and_fps(self, length: int) -> tuple[Array, float]:
        """Return times (from ``times_s``, else from ``fps``) and rate (from ``fps``, else from the times)."""
        fps = self._fps() if "fps" in self else None
        if "times_s" not in self:
            if fps is None:
                raise self.fail("lacks both 'fps' and 'times_s'; give one of them")
            return np.arange(length) / fps, fps
        times_s = self.numbers("times_s", (length,))
        if np.any(np.diff(times_s) <= 0):
            raise self.fail("'times_s' must increase from frame to frame")
        if fps is None:
            if length < 2:
                raise self.fail("the frame rate of a single frame is unknown; give 'fps'")
            mean = frame_rate(times_s, float((length - 1) / (times_s[-1] - times_s[0])))
            fps = check_fps(mean, f"{self.path.name}: rate of times_s")
        self._check_rate(times_s, fps)
        return times_s, fps

    def _fps(self) -> float:
        stated = self.entries["fps"]
        if isinstance(stated, list | dict | np.ndarray):
            raise self.fail(f"expected one number in 'fps', got {_short(stated)}")
        return check_fps(stated, f"{self.path.name}: fps")

    def _check_rate(self, times_s: Array, fps: float) -> None:
        """Raise PrmlError if the stated rate differs tenfold from that of the times, by both median and mean step."""
        if len(times_s) < 2:
            return
        steps = np.diff(times_s)
        rates = 1 / np.array([np.median(steps), steps.mean()])
        if rates.min() / 10 < fps < 10 * rates.max():
            return
        ratio = fps / rates[0]
        unit = "milliseconds? expected seconds" if 500 < ratio < 2000 else "seconds? correct one of the two"
        raise self.fail(
            f"'fps' is {fps:g} per second, but the steps of 'times_s' are {np.median(steps):.4g} s, which differs by a "
            f"factor of {max(ratio, 1 / ratio):.4g}; are the times in {unit}, or leave one out"
        )

    def camera(self) -> Camera | None:
        """Return the camera, or None."""
        if "camera" not in self:
            return None
        record = self.mapping("camera")
        try:
            return Camera.from_dict(record)
        except PrmlError as error:
            raise self.fail(str(error)) from None


def load_entries(path: str | Path) -> Entries:
    """Read one of our npz or JSON files; raise PrmlError for anything else."""
    path = existing(path, "npz or json file")
    ending = path.suffix.lower()
    if ending not in (".npz", ".json"):
        raise PrmlError(f"{path.name}: expected a .npz or .json file; give a file with one of these suffixes")
    entries = load_json(path) if ending == ".json" else guarded(path, lambda: _load_npz(path), _INCOMPLETE_NPZ)
    if not isinstance(entries, dict):
        raise PrmlError(f"{path.name}: expected names and values, got {_short(entries)}; see docs/file_schema.md")
    return Entries(path, entries)


def load_json(path: Path) -> Any:
    """Read a JSON file of at most ``MAX_JSON_BYTES``; raise PrmlError if it is damaged or larger."""
    if path.is_file() and path.stat().st_size > MAX_JSON_BYTES:
        raise PrmlError(f"{path.name} is larger than {MAX_JSON_BYTES // 2**20} MiB; write it as .npz")
    return guarded(path, lambda: json.loads(path.read_bytes()), "it is not a complete json file")


def stated_schema(path: Path) -> str | None:
    """Return the schema that an npz or JSON file states, or None; raise PrmlError for a damaged npz file.

    A JSON file is searched, not parsed, as it may be a large one of another program.
    """
    if path.suffix.lower() == ".npz":
        schema = load_npz(path, ("schema",))["schema"] if "schema" in npz_keys(path) else None
        schema = schema.item() if isinstance(schema, np.ndarray) and schema.ndim == 0 else schema
        return schema if isinstance(schema, str) else None
    if not path.is_file() or path.stat().st_size == 0:
        return None
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as text:
        found = re.search(rb'"schema"\s*:\s*"([^"\\]*)"', text)
        return found[1].decode(errors="replace") if found else None


def _load_npz(path: Path) -> dict[str, Any]:
    return {name: array.item() if array.ndim == 0 else array for name, array in load_arrays(path).items()}


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list | dict | np.ndarray) and not (isinstance(value, list) and len(value) <= 8):
        return f"a {type(value).__name__}"
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."
