"""Run the rows of tables in several processes, each with one thread; the tables are then made of finished runs."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from prml.studies.paper.catalogue import Table, tables
from prml.studies.paper.runs import Setting, folder_of, row_config, run_row, runnable

Job = tuple[str, str, int]  # table, row, seed


def jobs_of(chosen: Sequence[Table], setting: Setting) -> list[list[Job]]:
    """Return what is to be run, once each; those of one folder are one after the other in one list.

    Seeds are the outer loop, so that an interrupted call has run all rows equally often.
    """
    found: dict[Path, dict[tuple[str, tuple[str, ...]], Job]] = {}
    for seed in setting.seeds:
        for one in chosen:
            for row in runnable(one, setting):
                folder = folder_of(row, row_config(row, one, setting, seed), setting)
                scored = setting.protocol(one), one.metrics
                found.setdefault(folder, {}).setdefault(scored, (one.name, row.key, seed))
    return [list(jobs.values()) for jobs in found.values()]


def run_together(chosen: Sequence[Table], setting: Setting, processes: int, say: Callable[[str], None]) -> None:
    """Run all rows of some tables in so many processes; whatever is finished stays if one of them fails.

    Raises:
        PrmlError: data are missing, or a folder cannot be written.
    """
    jobs = jobs_of(chosen, setting)
    context = get_context("spawn")  # torch must not be forked after it has started its threads
    with ProcessPoolExecutor(max(1, min(processes, len(jobs))), mp_context=context) as pool:
        waiting = [pool.submit(run_jobs, some, setting) for some in jobs]
        try:
            for number, done in enumerate(as_completed(waiting), 1):
                for line in done.result():
                    say(f"{number} of {len(jobs)}: {line}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def run_jobs(jobs: Sequence[Job], setting: Setting) -> list[str]:
    """Run rows in this process, with one thread; return a line for each."""
    from prml.threads import torch_threads

    lines: list[str] = []
    with torch_threads(1):
        for name, key, seed in jobs:
            one = tables()[name]
            row = next(row for row in one.rows if row.key == key)
            told: list[str] = []
            run_row(row, one, setting, seed, told.append)
            lines += [f"{name}, {key}, seed {seed}: {text}" for text in told]
    return lines
