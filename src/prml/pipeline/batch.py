"""Lift many inputs in several processes, with a manifest: a batch that was killed goes on where it stood."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prml.cores import physical_cores
from prml.errors import PrmlError
from prml.io.files import existing
from prml.io.remote import RemoteFolder, is_remote
from prml.options import check
from prml.pipeline.manifest import MANIFEST, Manifest, Row, identity_of, open_manifest
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import WHAT, Source, input_path
from prml.pipeline.workers import Worker

MAX_ATTEMPTS = 2  # processes that may die over one input
OnRow = Callable[[Row], None]
OnProgress = Callable[[Path, str, int, int | None], None]
"""Called with the input, the stage, the number of frames done and the total or None."""


def lift_many(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    on_row: OnRow | None = None,
    progress: OnProgress | None = None,
    **settings: Any,
) -> list[Row]:
    """Lift every input into a folder of its own inside ``out``, several at a time.

    ``out/manifest.jsonl`` says what became of each input. Called again, also after a kill, the function lifts what is
    missing, what failed, and what has changed since; finished inputs are not touched. An input that cannot be used is
    a row with its error; the others go on. If a process dies, its input is tried once more.

    Args:
        sources: videos, image folders or keypoint files; one that is named twice is lifted once.
        out: folder for the results and the manifest; or an address that fsspec can write to, such as
            ``s3://bucket/folder``: there every results folder holds its own row, ``row.json``, instead of a manifest,
            and has a hash of the input's path in its name, so that many machines can write beside each other.
        jobs: number of processes, each with the weights loaded once (default: one per physical core).
        on_row: called with each finished row.
        progress: called in this process while inputs are lifted.
        settings: fields of :class:`LiftSettings`; ``overwrite`` lifts finished inputs again.

    Returns:
        One row per input, in the order given.

    Raises:
        PrmlError: a setting cannot be used, nothing was given, or ``out`` cannot be written or is in use.
    """
    chosen = LiftSettings(**settings)
    check(chosen)
    if chosen.video is not None:
        raise PrmlError("video=... belongs to one keypoint file; lift such files one at a time")
    if jobs is not None and jobs < 1:
        raise PrmlError(f"jobs must be at least 1, got {jobs}")
    paths = list(dict.fromkeys(input_path(source).absolute() for source in sources))
    if not paths:
        raise PrmlError("give at least one video, image folder or keypoint file")
    if not is_remote(out):
        return _run(Path(out), Path(out), chosen, paths, jobs, on_row, progress)
    RemoteFolder(str(out))  # refuses what cannot be used
    with TemporaryDirectory(prefix="prml-") as notes:
        return _run(str(out), Path(notes), chosen, paths, jobs, on_row, progress)


def _run(
    out: str | Path,
    notes: Path,
    settings: LiftSettings,
    paths: Sequence[Path],
    jobs: int | None,
    on_row: OnRow | None,
    progress: OnProgress | None,
) -> list[Row]:
    """Lift with a manifest in the folder ``notes``."""
    with open_manifest(notes) as manifest:
        batch = _Batch(out, settings, manifest, on_row or (lambda _: None), progress or (lambda *_: None))
        for path, name in zip(paths, folder_names(paths, marked=is_remote(out)), strict=True):
            batch.plan(path, name)
        batch.run(jobs or physical_cores())
        return [manifest.rows[str(path)] for path in paths]


def folder_names(paths: Sequence[Path], marked: bool = False) -> list[str]:
    """Return a results folder per input: its name without ending, and a hash of its path.

    The hash is left out where no two would be alike, unless ``marked``.
    """
    stems = [path.stem if path.stem.strip(".") else "input" for path in paths]
    alike = Counter([MANIFEST, *(stem.casefold() for stem in stems)])  # case may not count
    marks = [sha256(str(path).encode()).hexdigest()[:8] for path in paths]
    alone = [alike[stem.casefold()] == 1 and not marked for stem in stems]
    return [s if single else f"{s}-{mark}" for s, single, mark in zip(stems, alone, marks, strict=True)]


@dataclass
class _Batch:
    """A batch in progress."""

    out: str | Path
    settings: LiftSettings
    manifest: Manifest
    on_row: OnRow
    progress: OnProgress
    queue: deque[Row] = field(default_factory=deque)
    deaths: Counter[str] = field(default_factory=Counter)

    def plan(self, path: Path, name: str) -> None:
        """Queue an input, unless it is finished or plainly cannot be used."""
        before = self.manifest.rows.get(str(path))
        row = Row(str(path), name if before is None else before.folder, "")
        try:
            Source.of(existing(path, WHAT), self.settings)
            row = replace(row, identity=identity_of(path, self.settings))
        except (PrmlError, OSError) as error:
            self._finish(replace(row, status="failed", error=str(error)))
            return
        if self.manifest.finished(row) and not self.settings.overwrite:
            self.on_row(self.manifest.rows[row.input])
        else:
            self.queue.append(row)

    def run(self, jobs: int) -> None:
        """Lift what is queued; all processes have ended when this returns or raises."""
        jobs = min(jobs, len(self.queue))
        threads = max(1, physical_cores() // max(jobs, 1))
        again = is_remote(self.out) and self.settings.overwrite
        settings = {**asdict(self.settings), "overwrite": again, "jobs": threads}
        workers: list[Worker] = []
        try:
            while self.queue or any(worker.task for worker in workers):
                while len(workers) < min(jobs, len(self.queue) + sum(w.task is not None for w in workers)):
                    workers.append(Worker(self.out, settings, threads))
                self._assign(workers)
                busy = {worker.pipe: worker for worker in workers if worker.task}
                for pipe in wait(list(busy)):
                    if not self._heard(busy[pipe]):  # type: ignore[index]
                        workers.remove(busy[pipe])  # type: ignore[index]
        finally:
            for worker in workers:
                worker.ask_to_stop()
            for worker in workers:
                worker.stop()

    def _assign(self, workers: list[Worker]) -> None:
        for worker in workers:
            if worker.task is None and self.queue:
                row = self.queue.popleft()
                ours = self.settings.overwrite or self.manifest.made(row)
                self.manifest.add(row)
                worker.start({"path": row.input, "folder": row.folder, "overwrite": ours, "row": asdict(row)})

    def _heard(self, worker: Worker) -> bool:
        """Read a message of a worker; return False if it has died."""
        message, task = worker.read(), worker.task or {}
        row = Row(**task["row"])
        if message is None:
            self.deaths[row.input] += 1
            how = worker.end()
            if self.deaths[row.input] < MAX_ATTEMPTS:
                self.queue.appendleft(row)
            else:
                told = f"its process {how}, {MAX_ATTEMPTS} times; lift it alone to see more"
                self._finish(replace(row, status="failed", error=told))
            return False
        if message[0] == "progress":
            self.progress(Path(row.input), *message[1:])
        else:
            worker.task = None
            made = {name: value for name, value in message[1].items() if name not in ("path", "folder")}
            self._finish(replace(row, **made))
        return True

    def _finish(self, row: Row) -> None:
        self.manifest.add(row)
        self.on_row(row)
