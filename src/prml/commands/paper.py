"""``prml paper``: the tables and figures of the PrML paper by their numbers."""

from dataclasses import KW_ONLY, dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from prml.options import option

if TYPE_CHECKING:
    from rich.console import Console

    from prml.studies.paper.catalogue import Table
    from prml.studies.paper.runs import Setting

FORMS = {"md": "markdown", "tex": "latex", "csv": "csv"}


@dataclass
class Options:
    """List the paper's tables and figures, or run one: train its rows, score them, and write it beside the paper's.

    Runs are kept: a finished one is not repeated, an interrupted one is resumed, and tables share the rows that they
    have in common. On motion capture (--mocap) networks and windows are small, and every output says so.

    Attributes:
        name: table1 to table16, or all; without it, the list is printed.
        data: folder with the data set that the table is about.
        mocap: run it on the motion capture of this project instead.
        features: folder with a cache of 'prml data features' per backbone, called as it (sdxl-vae, hrnet_w32), for the
            rows that need image features.
        quick: a look: few steps, a few clips, one seed.
        seeds: seeds of the trainings (default: 0, 1 and 2; with --quick 0).
        steps: steps of each training on motion capture (default: 1200; with --quick 60).
        runs: folder of the runs.
        out: folder for the table as text, Markdown, LaTeX, CSV and JSON.
        device: device for scoring: cpu, cuda, cuda:1, mps, ...
        overwrite: replace existing tables; the runs are kept.
    """

    name: str = option("", positional=True)
    _: KW_ONLY
    data: Path | None = None
    mocap: bool = False
    features: Path | None = None
    quick: bool = False
    seeds: list[int] = field(default_factory=list)
    steps: int | None = option(None, minimum=4)
    runs: Path = Path("runs/paper")
    out: Path | None = None
    device: str = "cpu"
    overwrite: bool = False


def run(options: Options) -> int:
    """List, or run one table or all."""
    from prml.commands._console import plain_console
    from prml.errors import PrmlError
    from prml.studies.paper.catalogue import table, tables

    console = plain_console()
    if not options.name:
        _list(console)
        return 0
    if options.mocap == (options.data is not None):
        raise PrmlError("say what to run it on: data=DIR for the paper's data, or mocap=True for motion capture")
    every = options.name == "all"
    chosen = list(tables().values()) if every else [table(options.name)]
    if options.out is not None:
        from prml.io.files import check_writable

        for one in chosen:  # before the work
            for suffix in ("txt", "json", *FORMS):
                check_writable(options.out / f"{one.name}.{suffix}", options.overwrite)
    from prml.device import usable_device
    from prml.studies.paper.runs import Setting, runnable

    usable_device(options.device)
    seeds = tuple(options.seeds) or ((0,) if options.quick else (0, 1, 2))
    setting = Setting(options.data, options.quick, seeds, options.steps, options.device, options.runs, options.features)
    for one in chosen:
        if every and not runnable(one, setting):
            console.print(f"{one.name}: no row can be run here ('prml paper' says why)")
            continue
        _make(console, one, setting, options)
    return 0


def _make(console: "Console", table: "Table", setting: "Setting", options: Options) -> None:
    from rich.console import Console as Wide

    from prml.commands._console import print_tables
    from prml.io.files import write_file
    from prml.report.tables import written
    from prml.studies.paper import report as reports
    from prml.studies.paper.runs import run_table

    report = reports.make_report(table, run_table(table, setting, lambda text: console.print(text)), setting)
    shown = reports.rich_table(report)
    print_tables(console, [shown])
    for row in report.rows:
        if row.missing:
            console.print(f"not run: {row.label}: {row.missing}", soft_wrap=True)
    if options.out is None:
        return
    plain = StringIO()
    Wide(width=400, file=plain).print(shown)
    outputs = {"txt": plain.getvalue(), "json": report.to_json()}
    notes = {"md": f"\n{report.setting}\n", "tex": f"% {report.setting}\n", "csv": ""}
    outputs |= {suffix: written(shown, form) + notes[suffix] for suffix, form in FORMS.items()}  # type: ignore[arg-type]
    for suffix, text in outputs.items():
        write_file(options.out / f"{table.name}.{suffix}", text, options.overwrite)
    console.print(f"wrote {options.out / table.name} as .{', .'.join(outputs)}", soft_wrap=True)


def _list(console: "Console") -> None:
    from rich import box
    from rich.table import Table

    from prml.commands._console import print_tables
    from prml.studies.paper.catalogue import figures, tables

    shown = Table(
        "", "shows", "rows that can be trained", "on the paper's data", "on motion capture", box=box.SIMPLE_HEAD
    )
    for name, one in tables().items():
        runs = f"prml paper {name} --mocap" if one.trained else "-"
        data = f"prml paper {name} --data DIR ({one.protocol})" if one.trained else "-"
        shown.add_row(name, one.title, f"{len(one.trained)} of {len(one.rows)}", data, runs)
    drawn = Table("", "shows", "drawn by", box=box.SIMPLE_HEAD)
    for name, figure in figures().items():
        drawn.add_row(name, figure.title, figure.command or "nothing yet")
    print_tables(console, [shown, drawn])
    for name, one in tables().items():
        for reason in dict.fromkeys(row.missing for row in one.rows if row.needs):
            console.print(f"{name}: {reason}", soft_wrap=True)
