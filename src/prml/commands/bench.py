"""``prml bench``: measure the matrix rate of this machine, and the speed of networks and of ``prml lift``."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prml.options import option

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT_NETWORKS = ("prml", "prml-s", "prml-xs")


@dataclass
class Options:
    """Measure speed on this machine; run it while the machine is idle.

    Attributes:
        names: networks (default: prml prml-s prml-xs).
        networks: measure every registered network at its published size, without training.
        video: also measure 'prml lift' on a 20 s clip made from this video, beside MediaPipe's own loop.
        rounds: runs of each kind of lift, in turns; the median counts.
        engines: also measure the engines that are installed, and what they change.
        repeats: runs of each network; the best counts.
        threads: torch threads (default: torch's choice).
        json: file for the results.
        overwrite: replace an existing file.
    """

    names: list[str] = option(factory=list, positional=True)
    _: KW_ONLY
    networks: bool = False
    video: Path | None = None
    rounds: int = option(7, minimum=1)
    engines: bool = False
    repeats: int = option(5, minimum=1)
    threads: int | None = option(None, minimum=1)
    json: Path | None = None
    overwrite: bool = False


def run(options: Options) -> int:
    """Measure and print; raise PrmlError for an unknown network, a missing video or an existing result file."""
    import json

    from prml.errors import PrmlError
    from prml.io.files import check_writable, write_file

    if options.json:
        check_writable(options.json, options.overwrite)  # before the work
    if options.video and not options.video.exists():
        raise PrmlError(f"no video at {options.video}")
    names = _names(options)

    import torch

    from prml.bench.networks import bench
    from prml.commands._console import plain_console
    from prml.threads import torch_threads

    with plain_console().status("") as status, torch_threads(options.threads or torch.get_num_threads()):
        record = bench(
            names,
            repeats=options.repeats,
            video=options.video,
            rounds=options.rounds,
            engines=options.engines,
            training=not options.networks,
            progress=lambda name: status.update(f"measuring {name}"),
        )
    _print(record)
    if options.json:
        write_file(options.json, json.dumps(record, indent=1) + "\n", options.overwrite)
    return 0


def _names(options: Options) -> tuple[str, ...]:
    from prml.errors import PrmlError
    from prml.networks import registry

    if options.networks and options.names:
        raise PrmlError("networks=True measures all networks; leave it out to measure the given names")
    if options.networks:
        return registry.names()
    return tuple(registry.entry(name).name for name in options.names) or DEFAULT_NETWORKS


def _rate(per_second: float) -> str:
    return f"{per_second:.0f}" if per_second >= 100 else f"{per_second:.1f}"


def _table(networks: Sequence[dict[str, Any]]) -> "Table":
    from rich.table import Table

    from prml.bench.networks import TRAINING_BATCH

    table = Table(box=None, pad_edge=False)
    table.add_column("network")
    trained = any(row["training_batch"] for row in networks)
    titles = ["T", "s per forward", "frames/s", "share of rate"]
    for title in titles + [f"training frames/s (batch {TRAINING_BATCH})", "share"] * trained:
        table.add_column(title, justify="right")
    for row in networks:
        training, share = row["training_poses_per_second"], row["training_share_of_matrix_rate"]
        table.add_row(
            row["name"],
            str(row["frames"]),
            f"{row['seconds']:.3f}",
            _rate(row["poses_per_second"]),
            f"{row['share_of_matrix_rate']:.0%}",
            *([_rate(training) if training else "", f"{share:.0%}" if share else ""] if trained else []),
        )
    return table


def _print(record: dict[str, Any]) -> None:
    from prml.bench import engines
    from prml.bench.lift import summary
    from prml.commands._console import plain_console, print_tables

    before, after = record["matrix_gflops"], record["matrix_gflops_after"]
    console = plain_console()
    console.print(
        f"{record['processor']}, {record['threads']} threads: float32 matrix product {before:.0f} GFLOP/s "
        f"(after the networks {after:.0f})",
    )
    if abs(after - before) > 0.2 * before:
        console.print("note: the two rates differ by more than a fifth: the machine is busy; measure again")
    if record["allocator_advice"]:
        console.print(f"note: {record['allocator_advice']}")
    print_tables(console, [_table(record["networks"])])
    for bar in record["bars"]:
        needs = bar.get("needs_share_of_matrix_rate", 0)
        beyond = f" (the linear layers alone would need {needs:.0%} of the matrix rate)" if needs > 1 else ""
        console.print(
            f"bar: {bar['bar']} = {bar['limit']:.2f}; measured {bar['measured']:.2f}: "
            f"{'met' if bar['met'] else 'not met'}{beyond}",
        )
    for line in summary(record["lift"]) if record["lift"] else []:
        console.print(line)
    for line in engines.summary(record["engines"]) if record["engines"] else []:
        console.print(line)
