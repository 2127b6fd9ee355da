"""The manifest of a batch of lifts: one JSON line per state of an input, so that a batch that was killed goes on."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from prml.errors import PrmlError
from prml.io.files import check_folder, reason_of
from prml.io.locks import try_lock
from prml.pipeline.checkpoint import file_stamp, identity
from prml.pipeline.settings import LiftSettings

SCHEMA = "prml.manifest/1"
MANIFEST = "manifest.jsonl"
Status = Literal["started", "done", "failed"]


@dataclass(frozen=True)
class Row:
    """One input of a batch.

    Attributes:
        input: absolute path.
        folder: name of its results folder inside the batch's.
        identity: hash of the input and the settings; another one is lifted again.
        status: "started" before a process takes it, then "done" or "failed".
        error: why it failed, one line.
        frames, fps: of the input.
        seconds: wall time of the lift.
        residual_px: see :class:`prml.pipeline.result.LiftResult`; None if there is none.
        warnings: one line each.
    """

    input: str
    folder: str
    identity: str
    status: Status = "started"
    error: str = ""
    frames: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    residual_px: float | None = None
    warnings: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The row as a line of the file."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False, allow_nan=False) + "\n"


def identity_of(path: Path, settings: LiftSettings) -> str:
    """Return a hash of an input and of everything that its result depends on."""
    chosen = {name: value for name, value in asdict(settings).items() if name not in ("overwrite", "jobs")}
    files = {name: file_stamp(Path(v)) for name, v in chosen.items() if isinstance(v, str) and Path(v).is_file()}
    known = json.dumps([identity(path, settings), chosen, files], sort_keys=True, default=str)
    return sha256(known.encode()).hexdigest()[:16]


class Manifest:
    """The rows of a batch, on disk and in memory; see :func:`open_manifest`.

    Args:
        path: path of the file.
        descriptor: of the open and locked file.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor
        text = path.read_bytes()
        self.rows = {row.input: row for line in text.splitlines() if (row := _row(line)) is not None}
        if text and not text.endswith(b"\n"):  # the process was killed while it wrote
            os.write(descriptor, b"\n")

    def add(self, row: Row) -> None:
        """Append a row, which replaces earlier ones of its input; it is on disk when this returns.

        Raises:
            PrmlError: the disk is full.
        """
        try:
            os.write(self._descriptor, row.line().encode())
            os.fsync(self._descriptor)
        except OSError as error:
            reason = reason_of(error)
            raise PrmlError(f"cannot write {self.path}: {reason}; free some space and run it again") from error
        self.rows[row.input] = row

    def finished(self, row: Row) -> bool:
        """Whether the same input was lifted with the same settings and its results are still there."""
        before = self.rows.get(row.input)
        if before is None or before.status != "done" or before.identity != row.identity:
            return False
        folder = self.path.parent / before.folder
        return folder.is_dir() and any(folder.glob("poses.*"))

    def made(self, row: Row) -> bool:
        """Whether the results folder of an input is one that this batch began."""
        before = self.rows.get(row.input)
        return before is not None and before.folder == row.folder


def _row(line: bytes) -> Row | None:
    """Return the row of a line; None if the line is damaged or of another schema."""
    try:
        stated: dict[str, Any] = json.loads(line)
        if stated.pop("schema") != SCHEMA:
            return None
        row = Row(**{f.name: stated[f.name] for f in fields(Row)})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    texts = (row.input, row.folder, row.identity, row.status)
    return row if all(isinstance(text, str) for text in texts) and Path(row.folder).name == row.folder else None


@contextmanager
def open_manifest(out: Path) -> Iterator[Manifest]:
    """Open the manifest of a batch's folder, creating both if needed, and lock it until the block ends.

    Raises:
        PrmlError: the folder cannot be written, or another process holds it.
    """
    path = out / MANIFEST
    check_folder(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        raise PrmlError(f"cannot write into {out}: {reason_of(error)}; choose another folder") from error
    try:
        if not try_lock(descriptor):
            raise PrmlError(f"{out} is in use by another batch; wait for it, or give another folder")
        yield Manifest(path, descriptor)
    finally:
        os.close(descriptor)
