"""``prml lift A B ...``: many inputs, with one bar over all and one for each that is being lifted."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from prml.commands.lift import Options
    from prml.pipeline.manifest import Row


def run_batch(options: "Options") -> int:
    """Lift all inputs, then print what became of them; return 1 if one failed."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from prml.commands._console import plain_console
    from prml.commands._signals import tidy_end
    from prml.pipeline.batch import lift_many

    settings = asdict(options)
    sources, out, jobs = (settings.pop(name) for name in ("input", "out", "jobs"))
    folder, console = out or "prml_results", plain_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with tidy_end(), Progress(*columns, console=console, transient=True) as bar:
        shown = _Bars(bar, len(sources))
        rows = lift_many(sources, folder, jobs=jobs, on_row=shown.row, progress=shown.progress, **settings)
    return _report(console, rows, folder)


class _Bars:
    """A bar over all inputs, and one for each input in progress."""

    def __init__(self, bar: "Progress", total: int) -> None:
        self.bar, self.all = bar, bar.add_task("inputs", total=total)
        self.tasks: dict[str, tuple[str, TaskID]] = {}

    def progress(self, path: Path, stage: str, done: int, total: int | None) -> None:
        """Show how far an input is."""
        before = self.tasks.get(str(path))
        if before is None or before[0] != stage:
            if before is not None:
                self.bar.remove_task(before[1])
            self.tasks[str(path)] = (stage, self.bar.add_task(f"{path.name}: {stage}", total=total))
        self.bar.update(self.tasks[str(path)][1], completed=done, total=total)

    def row(self, row: "Row") -> None:
        """An input is finished."""
        if row.input in self.tasks:
            self.bar.remove_task(self.tasks.pop(row.input)[1])
        self.bar.advance(self.all)


def _report(console: "Console", rows: list["Row"], folder: str) -> int:
    from rich.table import Table

    from prml.commands._console import print_tables
    from prml.io.remote import is_remote
    from prml.pipeline.manifest import MANIFEST

    def place(name: str) -> str:
        return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else str(Path(folder) / name)

    table = Table("input", "frames", "seconds", "residual px", "results, or what went wrong", box=None, pad_edge=False)
    for row in rows:
        residual = "" if row.residual_px is None else f"{row.residual_px:.1f}"
        good = row.status == "done"
        numbers = (str(row.frames), f"{row.seconds:.1f}", residual) if good else ("", "", "")
        table.add_row(Path(row.input).name, *numbers, place(row.folder) if good else row.error)
    print_tables(console, [table])
    failed = sum(row.status != "done" for row in rows)
    more = f"row.json in each folder of {folder}" if is_remote(folder) else str(Path(folder) / MANIFEST)
    console.print(f"{len(rows) - failed} of {len(rows)} inputs lifted; {more} says more", soft_wrap=True)
    return 1 if failed else 0
