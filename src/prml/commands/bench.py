"""``prml bench``: how fast this machine multiplies matrices; what share of that networks and ``prml lift`` reach."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT_NETWORKS = ("prml", "prml-s", "prml-xs")


def main(argv: Sequence[str]) -> int:
    """Measure and print; raises PrmlError for an unknown network, a missing video, or a result file that exists."""
    import json

    import torch

    from prml.bench.networks import bench
    from prml.commands._arguments import Arguments
    from prml.commands._console import plain_console
    from prml.errors import PrmlError
    from prml.io.files import check_writable, write_file
    from prml.threads import torch_threads

    parser = Arguments("bench", "Measure speed on this machine; run it while nothing else computes.")
    parser.add_argument("names", nargs="*", help=f"networks (default: {' '.join(DEFAULT_NETWORKS)})")
    parser.add_argument(
        "--networks", action="store_true", help="every registered network at its published size (without training)"
    )
    parser.add_argument("--video", type=Path, help="also measure 'prml lift' on 20 s made of this video")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each network, of which the best counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE")
    given = parser.parse_args(list(argv))
    if given.json:
        check_writable(given.json, given.overwrite)  # before the work, not after it
    if given.repeats < 1 or given.threads < 1:
        raise PrmlError("--repeats and --threads must be at least 1")
    if given.video and not given.video.exists():
        raise PrmlError(f"no video at {given.video}")
    names = _names(given)
    with plain_console().status("") as status, torch_threads(given.threads):
        record = bench(
            names,
            repeats=given.repeats,
            video=given.video,
            training=not given.networks,
            progress=lambda name: status.update(f"measuring {name}"),
        )
    _print(record)
    if given.json:
        write_file(given.json, json.dumps(record, indent=1) + "\n", given.overwrite)
    return 0


def _names(given: Any) -> tuple[str, ...]:
    from prml.errors import PrmlError
    from prml.networks import registry

    if given.networks and given.names:
        raise PrmlError("--networks measures all of them; give names without it to measure some")
    if given.networks:
        return registry.names()
    return tuple(registry.entry(name).name for name in given.names) or DEFAULT_NETWORKS


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
    from prml.bench.lift import summary
    from prml.commands._console import plain_console, print_tables

    before, after = record["matrix_gflops"], record["matrix_gflops_after"]
    console = plain_console()
    console.print(
        f"{record['processor']}, {record['threads']} threads: float32 matrix product {before:.0f} GFLOP/s "
        f"(after the networks {after:.0f})",
    )
    if abs(after - before) > 0.2 * before:
        console.print("note: the two differ by more than a fifth: the machine is busy; measure again")
    if record["allocator_advice"]:
        console.print(f"note: {record['allocator_advice']}")
    print_tables(console, [_table(record["networks"])])
    for bar in record["bars"]:
        needs = bar.get("needs_share_of_matrix_rate", 0)
        beyond = f" (the limit asks {needs:.0%} of the matrix rate of the linear layers alone)" if needs > 1 else ""
        console.print(
            f"bar: {bar['bar']} = {bar['limit']:.2f}; measured {bar['measured']:.2f}: "
            f"{'met' if bar['met'] else 'not met'}{beyond}",
        )
    for line in summary(record["lift"]) if record["lift"] else []:
        console.print(line)
