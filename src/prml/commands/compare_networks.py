"""``prml compare-networks``: train and score networks of equal cost on equal terms."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from prml.options import option
from prml.studies.compare_config import CompareConfig


@dataclass
class Options:
    """Train networks of equal cost on equal data, score them, and compare errors, costs and speeds.

    Runs are kept: a finished one is not repeated, and an interrupted one is resumed. Every option of the configuration
    can also be given here, e.g. --run.max_steps 300.

    Attributes:
        config: YAML file, e.g. configs/mocap/compare.yaml.
        out: folder of the runs.
        json: file for the record (every run, means, deviations, costs, speeds).
        markdown: file for the table in Markdown.
        figure: file for a plot of error and cost (.png, .pdf or .svg).
        device: device for scoring: cpu, cuda, cuda:1, mps, ...; --run.accelerator is that of training.
        limit: score only the first N clips, for a quick look; the record says so.
        overwrite: replace existing result files; the runs are kept.
    """

    config: Path = option(positional=True)
    _: KW_ONLY
    out: Path = Path("runs/compare")
    json: Path | None = None
    markdown: Path | None = None
    figure: Path | None = None
    device: str = "cpu"
    limit: int | None = option(None, minimum=1)
    overwrite: bool = False
    settings: CompareConfig = option(factory=CompareConfig, from_file="config")


def run(options: Options) -> int:
    """Train, score, measure and write."""
    from prml.commands._console import plain_console, print_tables
    from prml.device import usable_device
    from prml.errors import PrmlError
    from prml.io.files import check_writable, write_file
    from prml.provenance import processor
    from prml.report.figures import check_figure
    from prml.studies import compare_report as report
    from prml.studies.compare import run_all

    given, o = options.settings, options
    if o.markdown is not None and o.limit is not None:
        raise PrmlError("markdown=... is for full comparisons; leave limit=... out")
    for path in filter(None, (o.json, o.markdown, o.figure)):
        check_writable(path, o.overwrite)  # before the work
    if o.figure is not None:
        check_figure(o.figure)
    given.check()
    usable_device(o.device)  # before the work
    console = plain_console()
    runs = run_all(given, o.out, limit=o.limit, device=o.device, progress=lambda text: console.print(text))

    import torch

    from prml.bench.training import measure

    console.print("measuring speeds")
    speeds = measure([given.fit_config(e, given.seeds[0]) for e in given.entrants()], given.speed_rounds)
    machine = {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "device": o.device,
    }
    found = report.make_comparison(given, runs, speeds, limit=o.limit, machine=machine)
    print_tables(console, [report.table(found)])
    outputs: list[tuple[Path | None, str | bytes]] = [
        (o.json, found.to_json()),
        (o.markdown, "" if o.markdown is None else report.markdown(found) + "\n"),
        (o.figure, b"" if o.figure is None else report.figure(found, o.figure.suffix[1:])),
    ]
    for target, content in outputs:
        if target is not None:
            write_file(target, content, o.overwrite)
            console.print(f"wrote {target}")
    return 0
