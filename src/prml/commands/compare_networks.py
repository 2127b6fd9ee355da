"""``prml compare-networks``: networks of equal cost, trained and scored on equal terms."""

from pathlib import Path


def command(
    config: str,
    *,
    out: str = "runs/compare",
    json: str | None = None,
    markdown: str | None = None,
    figure: str | None = None,
    limit: int | None = None,
    overwrite: bool = False,
) -> int:
    """Train networks of equal cost on equal data, score them, and put errors, costs and speeds side by side.

    Runs are kept: a finished one is not repeated, an interrupted one goes on where it stopped.

    Args:
        config: YAML file, e.g. configs/mocap/compare.yaml
        out: folder of the runs
        json: where to write the record (every run, means, deviations, costs, speeds)
        markdown: where to write the table for a page
        figure: where to draw error against cost (.png, .pdf or .svg)
        limit: score only so many clips, for a quick look; the record says so
        overwrite: replace existing result files (the runs are kept)
    """
    from prml.commands._configuration import read_file
    from prml.commands._console import plain_console, print_tables
    from prml.errors import PrmlError
    from prml.io.files import check_writable, write_file
    from prml.provenance import processor
    from prml.report.figures import check_figure
    from prml.studies import compare_report as report
    from prml.studies.compare import CompareConfig, run_all

    given = read_file(CompareConfig, config)
    if limit is not None and limit < 1:
        raise PrmlError(f"--limit must be at least 1, got {limit}")
    if markdown is not None and limit is not None:
        raise PrmlError("--markdown is for true comparisons; leave --limit out")
    for path in filter(None, (json, markdown, figure)):
        check_writable(Path(path), overwrite)  # before the work, not after it
    if figure is not None:
        check_figure(figure)
    given.check()
    console = plain_console()
    runs = run_all(given, Path(out), limit=limit, progress=lambda text: console.print(text))

    import torch

    from prml.bench.training import measure

    console.print("measuring speeds")
    speeds = measure([given.fit_config(e, given.seeds[0]) for e in given.entrants()], given.speed_rounds)
    machine = {"processor": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    found = report.make_comparison(given, runs, speeds, limit=limit, machine=machine)
    print_tables(console, [report.table(found)])
    outputs: list[tuple[str | None, str | bytes]] = [
        (json, found.to_json()),
        (markdown, "" if markdown is None else report.markdown(found) + "\n"),
        (figure, b"" if figure is None else report.figure(found, Path(figure).suffix[1:])),
    ]
    for name, content in outputs:
        if name is not None:
            write_file(Path(name), content, overwrite)
            console.print(f"wrote {name}")
    return 0
