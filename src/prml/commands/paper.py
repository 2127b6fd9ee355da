"""``prml paper``: the tables and figures of the PrML paper by their numbers."""

from dataclasses import KW_ONLY, dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from prml.options import option

if TYPE_CHECKING:
    from rich.console import Console

    from prml.studies.paper.catalogue import Figure, Table
    from prml.studies.paper.runs import Setting

FORMS = {"md": "markdown", "tex": "latex", "csv": "csv"}


@dataclass
class Options:
    """List the paper's tables and figures, or make one.

    A table trains its rows, scores them, and is written beside the paper's. Runs are kept: a finished one is not
    repeated, an interrupted one is resumed, and tables share the rows that they have in common. On motion capture
    (--mocap) networks and windows are small, and every output says so. A figure is drawn from motion capture or the
    example clip and bundled weights, or from weights and data of your own.

    Attributes:
        name: table1 to table16, figure1 to figure16, or all; without it, the list is printed, and for a table without
            --data or --mocap its rows.
        data: folder with the data set that the table or figure is about.
        mocap: run it on the motion capture of this project instead (figures: the default).
        features: folder with a cache of 'prml data features' per backbone, called as it (sdxl-vae, hrnet_w32), for the
            rows that need image features.
        quick: a look: few steps, few frames, a few clips, one seed.
        seeds: seeds of the trainings (default: 0, 1 and 2; with --quick 0); the first is that of figures.
        steps: steps of each training on motion capture (default: 1200; with --quick 60).
        runs: folder of the runs.
        out: folder for a table as text, Markdown, LaTeX, CSV and JSON; for a figure as PNG and SVG, with its numbers
            as CSV and a record as JSON.
        device: device of the networks that are scored or drawn: cpu, cuda, cuda:1, mps, ...
        overwrite: replace existing tables and figures; the runs are kept.
        weights: for a figure, bundled name, .safetensors file with its card, a run's folder, or a row of a table such
            as 'table7: MotionBERT', trained on motion capture if it has not been; may be repeated.
        networks: for a diagram, registry name of a network; may be repeated.
        video: for figures 2, 7, 9 and 12, a video or keypoint file of your own; may be repeated.
        protocol: for a figure, the protocol whose sequences are drawn ('prml protocols' lists them).
        frames: for a figure, how many frames are drawn.
        every: for a figure, one sequence of so many is read.
        jobs: how many rows of a table are trained at once, each with one thread (default: with --mocap one per core,
            with --data 1).
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
    weights: list[str] = option(factory=list, local=True)
    networks: list[str] = field(default_factory=list)
    video: list[Path] = field(default_factory=list)
    protocol: str = ""
    frames: int | None = option(None, minimum=1)
    jobs: int | None = option(None, minimum=1)
    every: int | None = option(None, minimum=1)


def run(options: Options) -> int:
    """List, or make one table or figure, or all."""
    from prml.commands._console import plain_console
    from prml.errors import PrmlError
    from prml.studies.paper.catalogue import figure, figures, table, tables

    console = plain_console()
    if not options.name:
        _list(console)
        return 0
    every, drawn = options.name == "all", options.name.startswith("figure")
    if not (every or drawn or options.mocap or options.data):
        _rows(console, table(options.name), options)
        return 0
    if (options.mocap and options.data is not None) or (not drawn and not options.mocap and options.data is None):
        raise PrmlError("say what to run it on: data=DIR for the paper's data, or mocap=True for motion capture")
    own = [n for n in ("weights", "networks", "video", "protocol", "frames", "every") if getattr(options, n)]
    if own and not drawn:
        raise PrmlError(f"{own[0]}=... is for a figure; {options.name} takes its rows from its description")
    from prml.device import usable_device

    usable_device(options.device)
    chosen = [] if drawn else list(tables().values()) if every else [table(options.name)]
    pictures = list(figures().values()) if every else [figure(options.name)] if drawn else []
    _check_outputs(options, chosen, pictures)
    _tables(console, chosen, options)
    _figures(console, pictures, options)
    return 0


def _check_outputs(options: Options, chosen: "list[Table]", pictures: "list[Figure]") -> None:
    """Raise PrmlError before the work if outputs cannot be written."""
    from prml.errors import PrmlError
    from prml.io.files import check_writable
    from prml.studies.paper.figures import main_files

    if options.out is None:
        if pictures and not chosen:
            raise PrmlError(f"say where {options.name} is written: out=FOLDER")
        return
    files = [options.out / f"{one.name}.{suffix}" for one in chosen for suffix in ("txt", "json", *FORMS)]
    for path in (*files, *(path for one in pictures for path in main_files(one, options.out))):
        check_writable(path, options.overwrite)


def _tables(console: "Console", chosen: "list[Table]", options: Options) -> None:
    from prml.cores import cores
    from prml.studies.paper.runs import Setting, runnable

    seeds = tuple(options.seeds) or ((0,) if options.quick else (0, 1, 2))
    setting = Setting(options.data, options.quick, seeds, options.steps, options.device, options.runs, options.features)
    jobs = options.jobs or (cores() if options.mocap else 1)
    if jobs > 1 and chosen:
        from prml.studies.paper.processes import run_together

        run_together(chosen, setting, jobs, lambda text: console.print(text, soft_wrap=True))
    for one in chosen:
        if options.name == "all" and not runnable(one, setting):
            console.print(f"{one.name}: no row can be run here ('prml paper' says why)")
            continue
        _make(console, one, setting, options)


def _figures(console: "Console", pictures: "list[Figure]", options: Options) -> None:
    """Draw figures and write them; of all, those that cannot be drawn here say why."""
    from prml.errors import PrmlError
    from prml.io.files import write_file
    from prml.studies.paper.figure_setting import FigureSetting
    from prml.studies.paper.figures import draw, files_of

    if options.out is None:
        return
    o = options
    setting = FigureSetting(
        weights=tuple(o.weights),
        networks=tuple(o.networks),
        videos=tuple(o.video),
        protocol=o.protocol,
        data=o.data,
        frames=o.frames,
        every=o.every,
        seed=o.seeds[0] if o.seeds else 0,
        quick=o.quick,
        steps=o.steps,
        runs=o.runs,
        device=o.device,
        say=lambda text: console.print(text, soft_wrap=True),
    )
    for one in pictures:
        try:
            drawn = draw(one, setting)
        except PrmlError as error:
            if o.name != "all":
                raise
            console.print(f"{one.name}: not drawn: {error}", soft_wrap=True)
            continue
        files = files_of(one, drawn, setting)
        for name, data in files.items():
            write_file(options.out / name, data, options.overwrite)
        for line in drawn.told:
            console.print(line, soft_wrap=True)
        console.print(f"wrote {', '.join(str(options.out / name) for name in files)}", soft_wrap=True)


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
        runs = f"prml paper {name} --mocap" if any(not row.features for row in one.trained) else "-"
        images = " --features FOLDER" * any(row.features for row in one.trained)
        data = f"prml paper {name} --data DIR{images} ({one.protocol})" if one.trained else "-"
        shown.add_row(name, one.title, f"{len(one.trained)} of {len(one.rows)}", data, runs)
    drawn = Table("", "shows", "drawn from", "by", box=box.SIMPLE_HEAD)
    for name, figure in figures().items():
        given = figure.options.get("weights") or figure.options["networks"]
        drawn.add_row(name, figure.title, ", ".join(given), f"prml paper {name} --out FOLDER")
    print_tables(console, [shown, drawn])
    for name, one in tables().items():
        for reason in dict.fromkeys(row.missing for row in one.rows if row.needs):
            console.print(f"{name}: {reason}", soft_wrap=True)


def _rows(console: "Console", one: "Table", options: Options) -> None:
    """Print how each row of a table is made, and which seeds have been trained on motion capture."""
    from rich import box
    from rich.table import Table as Shown

    from prml.commands._console import print_tables
    from prml.studies.paper.report import heading
    from prml.studies.paper.runs import Setting, trained_seeds

    metrics = one.metrics
    shown = Shown(
        "",
        *(f"{heading(name)}, paper" for name in metrics),
        "configuration",
        "on motion capture here",
        box=box.SIMPLE_HEAD,
    )
    shown.title = f"{one.name}: {one.title} ({one.protocol}; on motion capture {one.mocap})"
    setting = Setting(seeds=tuple(options.seeds) or (0, 1, 2), steps=options.steps, runs=options.runs)
    for row in one.rows:
        seeds = trained_seeds(row, one, setting)
        made = f"configs/{row.config}" if row.config else row.missing
        told = "-" if seeds is None else f"seeds {', '.join(map(str, seeds))}" if seeds else "not yet"
        shown.add_row(row.key, *(f"{row.paper[m]:g}" if m in row.paper else "" for m in metrics), made, told)
    print_tables(console, [shown])
    for how in ("--mocap", "--data DIR"):
        console.print(f"prml paper {one.name} {how} --out FOLDER", soft_wrap=True)
