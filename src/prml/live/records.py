"""Frames as JSON lines (schema ``prml.live/1``, docs/live.md): a header, then a line per frame."""

import json
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np

from prml.errors import PrmlError
from prml.io.files import check_writable, reason_of
from prml.live.frame import LiveFrame, LiveRun

Array = np.ndarray
SCHEMA = "prml.live/1"


def header(run: LiveRun) -> dict[str, Any]:
    """Return the first record of a stream."""
    skeleton = run.skeleton
    return {
        "schema": SCHEMA,
        "source": run.source,
        "joints": list(skeleton.joints),
        "parents": list(skeleton.parents),
        "axes": "camera: x right, y down, z forward; metres, relative to the hip",
        "camera": run.camera.to_dict(),
        "fps": run.fps,
        "latency_frames": run.latency,
        **run.made_by,
    }


def record(frame: LiveFrame) -> dict[str, Any]:
    """Return a frame; what is not known is null, and a frame without a person has no joints."""
    there = frame.joints_m is not None
    head = {"frame": frame.index, "time_s": round(frame.time_s, 4), "person": there}
    rest = {"delay_ms": round(1000 * frame.delay_s, 1)}
    if not there:
        return head | rest
    values = {
        "joints_m": _rounded(frame.joints_m, 4),
        "std_m": _rounded(frame.std_m, 3),
        "keypoints_px": _rounded(frame.keypoints_px, 1),
        "confidence": _rounded(frame.confidence, 3),
        "root_m": _rounded(frame.root_m, 3),
    }
    return head | values | rest


def _rounded(values: Array | None, digits: int) -> list[Any] | None:
    """Return nested lists with null for a row that has no finite number."""
    if values is None:
        return None
    if values.ndim == 1:
        return [round(float(v), digits) if np.isfinite(v) else None for v in values]
    return [[round(float(v), digits) for v in row] if np.isfinite(row).all() else None for row in values]


def line(values: dict[str, Any]) -> str:
    """Return a record as one line of JSON."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False) + "\n"


class JsonLines:
    """Writes frames to standard output ("-") or to a file.

    A file grows under the name ``FILE.part`` while the run lasts and gets its own name at the end, so that nothing is
    lost if the process dies.

    Raises:
        PrmlError: the file cannot be written, or exists without ``overwrite``.
    """

    def __init__(self, target: str, overwrite: bool = False) -> None:
        self._path = None if target == "-" else Path(target)
        self._overwrite, self._count, self._told = overwrite, 0, False
        self._out: IO[str] | None = None
        if self._path is not None:
            check_writable(self._path, overwrite)
            try:
                self._out = self._part.open("w", encoding="utf-8")
            except OSError as error:
                raise PrmlError(f"cannot write {self._part}: {reason_of(error)}; give another file") from error

    @property
    def _part(self) -> Path:
        path = self._path or Path()
        return path.with_name(path.name + ".part")

    def _write(self, values: dict[str, Any]) -> None:
        out = self._out or sys.stdout
        out.write(line(values))
        out.flush()

    def start(self, run: LiveRun) -> None:
        """Write the header."""
        self._write(header(run))

    def send(self, frame: LiveFrame) -> None:
        """Write a frame."""
        self._write(record(frame))
        self._count += 1

    def close(self) -> str:
        """Give the file its name; one without a frame is removed."""
        if self._path is None or self._out is None:
            return ""
        if not self._told:
            self._told = True
            self._out.close()
            if not self._count:
                self._part.unlink(missing_ok=True)
                return ""
            check_writable(self._path, self._overwrite)
            self._part.replace(self._path)
        return f"wrote {self._count} frames to {self._path}" if self._count else ""
