"""The queue: one thread that gives one job after another to a process, and ends the process at a limit."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from prml.cores import physical_cores
from prml.errors import PrmlError
from prml.pipeline.batch import MAX_ATTEMPTS
from prml.pipeline.manifest import Row
from prml.pipeline.workers import Worker
from prml.serve.jobs import Job, Jobs
from prml.serve.settings import ServeSettings

log = logging.getLogger(__name__)
MIB = 2**20
_LOOK_S = 0.2  # between two looks at the limits
_IDLE_S = 10.0
_SLACK = 1.1  # of the length that a file states: some state too little
MakeWorker = Callable[[], Worker]


class Runner(Thread):
    """Lifts what is queued until it is stopped; then no process is left, and an interrupted job is queued again.

    Args:
        jobs: where jobs come from.
        settings: limits and settings of the lifts.
        make_worker: makes a process; by default one that lifts videos.
    """

    def __init__(self, jobs: Jobs, settings: ServeSettings, make_worker: MakeWorker | None = None) -> None:
        super().__init__(name="prml-queue", daemon=True)
        self.jobs, self.settings = jobs, settings
        self._make_worker = make_worker or self._lifting
        self._worker: Worker | None = None
        self._ended = Event()

    def stop(self) -> None:
        """Interrupt the job that is being lifted, and wait until its process has ended."""
        self._ended.set()
        with self.jobs.changed:
            self.jobs.changed.notify_all()
        self.join()

    def run(self) -> None:
        """Work on the queue; see the class."""
        try:
            while not self._ended.is_set():
                job = self.jobs.next(_IDLE_S, self._ended.is_set)
                if job is not None:
                    self._lift(job)
        finally:
            if self._worker is not None:
                self._worker.ask_to_stop()
                self._worker.stop()

    def _lifting(self) -> Worker:
        return Worker(self.jobs.out, asdict(self.settings.lift_settings()), physical_cores())

    def _lift(self, job: Job) -> None:
        try:
            row = self.jobs.begin(job)
        except PrmlError as error:
            self.jobs.finish(job, Row("", job.id, "", "failed", str(error)))
            return
        for attempt in range(MAX_ATTEMPTS):
            made = self._attempt(job, row)
            if made is None:  # interrupted
                self.jobs.back(job)
                return
            if made.status == "started" and attempt + 1 == MAX_ATTEMPTS:
                made = replace(made, status="failed")
            if made.status != "started":
                self.jobs.finish(job, made)
                return

    def _attempt(self, job: Job, row: Row) -> Row | None:
        """Return what a process said of a job: "started" if it died; None if the job is no longer wanted now."""
        worker = self._worker = self._worker or self._make_worker()
        worker.start({"path": row.input, "folder": row.folder, "title": job.name, "overwrite": True})
        deadline = monotonic() + self.settings.max_time
        while True:
            if worker.pipe.poll(_LOOK_S):
                message = worker.read()
                if message is None:
                    self._worker, how = None, worker.end()
                    log.warning("job %s: its process %s", job.id, how)
                    return replace(row, error=f"the process that lifted the video {how}")
                if message[0] == "row":
                    worker.task = None
                    return self._told(job, row, message[1])
                self.jobs.progress(job, *message[1:])
            if self._ended.is_set():
                worker.ask_to_stop()
                worker.stop()
                self._worker = None
                return None
            if (reason := self._beyond(job, worker, deadline)) is not None:
                worker.kill()
                self._worker = None
                return replace(row, status="failed", error=reason)

    def _beyond(self, job: Job, worker: Worker, deadline: float) -> str | None:
        """Return which limit a lift has passed; None if none."""
        limits, used = self.settings, resident_mb(worker.process.pid)
        if job.unwanted:
            return "removed"
        if monotonic() > deadline:
            return f"lifting it takes more than the {limits.max_time:g} s that this server allows; cut the video"
        if used is not None and used > limits.max_memory:
            return (
                f"lifting it takes more than the {limits.max_memory} MB that this server allows; make the video smaller"
            )
        if job.stage == "detect" and job.done > _SLACK * limits.max_length * job.facts.fps + 1:
            return f"it is longer than the {limits.max_length:g} s that this server allows; cut the video"
        return None

    def _told(self, job: Job, row: Row, told: dict[str, object]) -> Row:
        made = {name: value for name, value in told.items() if name not in ("path", "folder")}
        row = replace(row, **made)  # type: ignore[arg-type]
        if row.error.startswith("unexpected "):
            log.error("job %s: %s", job.id, row.error)
            row = replace(row, error="the video could not be lifted, by a fault of the server; its log says more")
        return row


def resident_mb(pid: int | None) -> float | None:
    """Return the memory that a process and those that it has started hold, MB; None where unknown (all but Linux)."""
    try:
        held = [_resident(number) for number in _family(pid)]
        return sum(held) if held else None
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _family(pid: int | None) -> Iterator[int]:
    """Yield a process and all below it."""
    if pid is None or not Path(f"/proc/{pid}").is_dir():
        return
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):  # one list per thread
        with suppress(OSError):  # the thread has ended meanwhile
            for child in path.read_text(encoding="ascii").split():
                yield from _family(int(child))


def _resident(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # it has ended meanwhile
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
