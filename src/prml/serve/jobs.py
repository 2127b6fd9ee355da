"""The jobs of a server: on disk, so that they survive it, and in memory, to be asked for.

The folder of a server holds ``manifest.jsonl`` (:mod:`prml.pipeline.manifest`), whose lock keeps a second server out;
``uploads/ID.video`` with the record ``uploads/ID.json``; and a results folder ``ID`` per job. A job exists as soon as
its record does, and is queued until the manifest says what became of it. No name comes from a user.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from threading import Condition
from time import time
from typing import Any, Literal

from prml.errors import PrmlError, printable
from prml.io.files import check_folder, reason_of, write_file
from prml.pipeline.folder import OURS
from prml.pipeline.manifest import Manifest, Row, identity_of, open_manifest
from prml.pipeline.settings import LiftSettings
from prml.serve.texts import public

SCHEMA = "prml.job/1"
UPLOADS, VIDEO, DRAFT = "uploads", ".video", ".part"
ID = re.compile(r"[0-9a-f]{16}")
MAX_NAME = 100
Status = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True)
class Facts:
    """What is known of an uploaded video before it is lifted.

    Attributes:
        bytes: size of the file.
        width, height: of the upright image, pixels.
        fps: stated frame rate.
        duration_s: stated length; None if the file does not state it.
    """

    bytes: int
    width: int
    height: int
    fps: float
    duration_s: float | None = None


@dataclass
class Job:
    """One uploaded video.

    Attributes:
        id: 16 hexadecimal digits that cannot be guessed.
        name: of the file on the user's machine; only ever shown.
        submitted: time of the upload, seconds since 1970.
        facts: see the class.
        status: what became of it.
        stage, done, total: how far the lift is.
        row: its row of the manifest, once it has ended.
        error: why it failed, one line.
        started: when the lift began, seconds since 1970.
        unwanted: whether it is to be removed as soon as its lift has stopped.
    """

    id: str
    name: str
    submitted: float
    facts: Facts
    status: Status = "queued"
    stage: str = ""
    done: int = 0
    total: int | None = None
    row: Row | None = None
    error: str = ""
    started: float | None = None
    unwanted: bool = field(default=False, repr=False)


class Jobs:
    """The jobs of one folder; all methods may be called from any thread. See :func:`open_jobs`.

    Args:
        out: folder of the server.
        manifest: its manifest, open and locked.
        settings: settings of the lifts.
    """

    def __init__(self, out: Path, manifest: Manifest, settings: LiftSettings) -> None:
        self.out, self.uploads, self._manifest, self._settings = out, out / UPLOADS, manifest, settings
        self.changed = Condition()
        self._jobs: dict[str, Job] = {}
        self.uploads.mkdir(exist_ok=True)
        self._load()

    # ------------------------------------------------------------------ asked by requests
    def all(self) -> list[Job]:
        """Return all jobs, the oldest first."""
        with self.changed:
            return [replace(job) for job in self._jobs.values() if not job.unwanted]

    def get(self, number: str) -> Job | None:
        """Return a job; None if there is none."""
        with self.changed:
            job = self._jobs.get(number)
            return None if job is None or job.unwanted else replace(job)

    def waiting(self) -> int:
        """Return how many jobs wait."""
        with self.changed:
            return sum(job.status == "queued" for job in self._jobs.values())

    def files(self, number: str) -> dict[str, Path]:
        """Return the results of a job by name; empty unless it is done."""
        job, folder = self.get(number), self.out / number
        if job is None or job.status != "done" or not folder.is_dir():
            return {}
        there = (p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith("."))
        return {path.name: path for path in there if not path.is_symlink()}

    def draft(self) -> Path:
        """Return a new file name for an upload."""
        return self.uploads / f".{token_hex(8)}{DRAFT}"

    def add(self, draft: Path, name: str, facts: Facts) -> Job:
        """Make a job of a complete upload, which is moved; it is on disk when this returns.

        Raises:
            PrmlError: the disk is full.
        """
        job = Job(token_hex(8), _shown(name), time(), facts)
        record = {"schema": SCHEMA, "name": job.name, "submitted": job.submitted, "facts": asdict(facts)}
        video = self.video(job.id)
        try:
            draft.replace(video)
            write_file(video.with_suffix(".json"), json.dumps(record))
        except (OSError, PrmlError):
            video.unlink(missing_ok=True)
            raise PrmlError("the upload cannot be kept, the server's disk is full; try again later") from None
        with self.changed:
            self._jobs[job.id] = job
            self.changed.notify_all()
        return replace(job)

    def remove(self, number: str) -> bool:
        """Delete a job with all its files, stopping its lift; return False if there is none."""
        with self.changed:
            job = self._jobs.get(number)
            if job is None or job.unwanted:
                return False
            job.unwanted = True
            (self.uploads / f"{number}.json").unlink(missing_ok=True)
            if job.status != "running":
                self._delete(number)
            self.changed.notify_all()
            return True

    # ------------------------------------------------------------------ asked by the queue
    def video(self, number: str) -> Path:
        """Return where the video of a job is."""
        return self.uploads / f"{number}{VIDEO}"

    def next(self, timeout_s: float, ended: Callable[[], bool] = lambda: False) -> Job | None:
        """Return the job that has waited longest, now running; None if none came in time, or ``ended`` became true."""
        with self.changed:
            self.changed.wait_for(lambda: ended() or self._first() is not None, timeout_s)
            if ended():
                return None
            job = self._first()
            if job is not None:
                job.status, job.started, job.stage, job.done, job.total = "running", time(), "", 0, None
            return job

    def begin(self, job: Job) -> Row:
        """Note in the manifest that a job is lifted; raise PrmlError if its files are gone or the disk is full."""
        video = self.video(job.id)
        try:
            row = Row(str(video.absolute()), job.id, identity_of(video, self._settings))
        except OSError as error:
            raise PrmlError(f"the upload is gone ({reason_of(error)}); upload it again") from None
        self._manifest.add(row)
        return row

    def progress(self, job: Job, stage: str, done: int, total: int | None) -> None:
        """Note how far a lift is."""
        with self.changed:
            job.stage, job.done, job.total = stage, done, total

    def back(self, job: Job) -> None:
        """Put a job that was interrupted back into the queue."""
        with self.changed:
            if job.unwanted:
                self._delete(job.id)
            job.status = "queued"

    def finish(self, job: Job, row: Row) -> None:
        """Note what became of a job. If the disk is full, only the memory knows, and a new server lifts it again."""
        row = replace(row, error=public(row.error, self._known(job)))
        row = replace(row, warnings=[public(line, self._known(job)) for line in row.warnings])
        with self.changed:
            if row.status == "failed":
                shutil.rmtree(self.out / job.id, ignore_errors=True)
            try:
                self._manifest.add(row)
            except PrmlError:
                row = replace(row, status="failed", error=row.error or "the server's disk is full; try again later")
            job.row, job.error, job.status = row, row.error, "done" if row.status == "done" else "failed"
            if job.unwanted:
                self._delete(job.id)
            self.changed.notify_all()

    # ------------------------------------------------------------------ inside
    def _known(self, job: Job) -> dict[str, str]:
        video = self.video(job.id)
        return {str(video.absolute()): job.name, str(video): job.name, video.name: job.name, str(self.out): "results"}

    def _first(self) -> Job | None:
        waiting = (job for job in self._jobs.values() if job.status == "queued" and not job.unwanted)
        return min(waiting, key=lambda job: job.submitted, default=None)

    def _delete(self, number: str) -> None:
        self._jobs.pop(number, None)
        for path in (self.uploads / f"{number}.json", self.video(number)):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.out / number, ignore_errors=True)

    def _load(self) -> None:
        """Read the jobs of earlier servers, and remove what an interrupted upload or removal left."""
        rows = {row.folder: row for row in self._manifest.rows.values()}
        found = [job for path in self.uploads.glob("*.json") if (job := _read(path)) is not None]
        for job in sorted(found, key=lambda job: job.submitted):
            row = rows.get(job.id)
            if row is not None and (row.status == "failed" or self._manifest.finished(row)):
                job.row, job.error, job.status = row, row.error, "done" if row.status == "done" else "failed"
            if self.video(job.id).is_file() or job.status == "done":
                self._jobs[job.id] = job
        for path in self.uploads.iterdir():
            left = path.suffix == VIDEO and ID.fullmatch(path.stem) and path.stem not in self._jobs
            if left or (path.suffix == DRAFT and path.name.startswith(".")):
                path.unlink(missing_ok=True)
        for path in self.out.iterdir():
            if ID.fullmatch(path.name) and path.is_dir() and path.name not in self._jobs and path.name in rows:
                shutil.rmtree(path, ignore_errors=True)


def _shown(name: str) -> str:
    """Return a name of a file as it is shown: its last part, on one line."""
    last = re.split(r"[/\\]", name.strip())[-1]
    return printable(last, MAX_NAME) or "video"


def _read(path: Path) -> Job | None:
    """Return the job of a record; None if the file is damaged or not one."""
    if not ID.fullmatch(path.stem):
        return None
    try:
        told: Mapping[str, Any] = json.loads(path.read_text())
        if told["schema"] != SCHEMA:
            return None
        return Job(path.stem, _shown(str(told["name"])), float(told["submitted"]), Facts(**told["facts"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


@contextmanager
def open_jobs(out: Path, settings: LiftSettings) -> Iterator[Jobs]:
    """Open the folder of a server, creating it if needed, and lock it until the block ends.

    Raises:
        PrmlError: the folder cannot be written, holds something else, or another server or batch holds it.
    """
    check_folder(out)
    theirs = out.is_dir() and not (out / UPLOADS).is_dir() and any(not p.name.startswith(OURS) for p in out.iterdir())
    if theirs:
        raise PrmlError(f"{out} is not empty and not the folder of a server; give another folder")
    with open_manifest(out) as manifest:
        try:
            jobs = Jobs(out, manifest, settings)
        except OSError as error:
            raise PrmlError(f"cannot write into {out}: {reason_of(error)}; choose another folder") from error
        yield jobs
