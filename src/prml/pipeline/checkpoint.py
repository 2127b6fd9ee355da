"""Keep the 2D track of an unfinished lift in its output folder, so that an interrupted lift can be resumed."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

import numpy as np

from prml import __version__
from prml.detect.track import GrowingTrack, Unfinished
from prml.errors import PrmlError
from prml.io.entries import Entries, load_entries
from prml.io.files import write_file
from prml.pipeline.folder import OURS
from prml.pipeline.settings import LiftSettings
from prml.sequence import Event

Array = np.ndarray
SCHEMA = "prml.track/1"
TRACK = f"{OURS}track.npz"
EVERY_S = 10.0  # working time between saves
_SHARE = 0.02  # of the working time that saving may take
_END = 1 << 20  # bytes compared at either end of a file
_STATE = "state_"


def identity(path: Path, settings: LiftSettings) -> dict[str, Any]:
    """Return what a track depends on: the input (size, modification time, both ends), how it is detected, version."""
    model = None if settings.model is None else Path(settings.model)
    return {
        "prml": __version__,
        "input": file_stamp(path),
        "detector": settings.detector,
        "model": settings.model if model is None or not model.is_file() else file_stamp(model),
        "fps": settings.fps,
        "quality": settings.quality,
    }


def file_stamp(path: Path) -> list[Any]:
    """Return what tells a file, or a folder of images, from others: name, size, time, and a hash of both ends."""
    if path.is_dir():
        inside = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in sorted(path.iterdir()) if p.is_file()]
        return [path.name, sha256(json.dumps(inside).encode()).hexdigest()]
    told = path.stat()
    with path.open("rb") as file:
        ends = sha256(file.read(_END))
        file.seek(max(0, told.st_size - _END))
        ends.update(file.read(_END))
    return [path.name, told.st_size, told.st_mtime_ns, ends.hexdigest()]


class TrackFile:
    """A track on disk, saved atomically every few seconds; the keeper of ``prml.detect.run.detect``.

    Args:
        path: path of the file.
        identity: what the track depends on; a file with another identity is ignored.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path, self._identity = path, json.dumps(identity, sort_keys=True)
        self._next_s = monotonic() + EVERY_S
        self.frames = 0  # number of saved frames
        self.complete = False  # whether these are all frames of the video

    def load(self) -> Unfinished | None:
        """Return the track of an earlier run; None if it is missing, damaged or has another identity."""
        try:
            record = load_entries(self.path)
            record.check_schema(SCHEMA)
            if record.text("identity") != self._identity or record.text("seal") != _seal(record.entries):
                return None
            found = _unfinished(record)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        self.frames, self.complete = len(found.track), found.complete
        return found

    def due(self) -> bool:
        """Whether it is time to save again."""
        return monotonic() >= self._next_s

    def save(self, unfinished: Unfinished) -> None:
        """Save the track in place of the previous one; a full disk does not stop the lift."""
        if not unfinished.track.seen.any():
            return
        started = monotonic()
        try:
            write_file(self.path, partial(_write, _entries(unfinished, self._identity)), overwrite=True)
            self.frames, self.complete = len(unfinished.track), unfinished.complete
        except PrmlError:
            pass
        spent = monotonic() - started
        self._next_s = monotonic() + max(EVERY_S, spent / _SHARE)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)
        self.frames = 0


def _entries(unfinished: Unfinished, identity: str) -> dict[str, Array]:
    track = unfinished.track
    entries = {
        "schema": np.array(SCHEMA),
        "identity": np.array(identity),
        "times_s": track.times_s,
        "rows": track.rows,
        "events": np.array(json.dumps([asdict(event) for event in unfinished.events])),
        "scale": np.array(unfinished.scale),
        "frame": np.array(unfinished.frame),
        "complete": np.array(unfinished.complete),
        **{f"{_STATE}{name}": np.asarray(value) for name, value in unfinished.state.items()},
    }
    return {**entries, "seal": np.array(_seal(entries))}


def _seal(entries: Mapping[str, Any]) -> str:
    """A hash of all entries but itself: what a damaged file holds is not gone on from."""
    seal = sha256()
    for name in sorted(set(entries) - {"seal"}):
        array = np.asarray(entries[name])
        seal.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        seal.update(array.tobytes())
    return seal.hexdigest()


def _write(entries: dict[str, Array], file: BinaryIO) -> None:
    np.savez(file, allow_pickle=False, **entries)


def _unfinished(record: Entries) -> Unfinished:
    rows = record.numbers("rows", (None, None, 3), nan=True)
    times_s = record.numbers("times_s", (len(rows),))
    return Unfinished(
        track=GrowingTrack.of(times_s, rows),
        events=[Event(**told) for told in json.loads(record.text("events"))],
        scale=float(record.entries["scale"]),
        frame=int(record.entries["frame"]),
        state={k.removeprefix(_STATE): np.asarray(v) for k, v in record.entries.items() if k.startswith(_STATE)},
        complete=bool(record.entries["complete"]),
    )
