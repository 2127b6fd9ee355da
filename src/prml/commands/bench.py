"""``prml bench``: how fast this machine multiplies matrices; what share of that networks and ``prml lift`` reach."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table
    from torch import nn

DEFAULT_NETWORKS = ("prml", "prml-s", "prml-xs")
TRAINING_BATCH = 16
# Seconds per forward at T = 243 that these networks may take on a machine of this matrix rate, in 10^9 multiply-adds a
# second (at two operations each their linear layers alone would take longer), and PrML's frames/s in MotionBERT's.
FORWARD_BAR = ("motionbert", "mixste")
BAR_SECONDS, BAR_GMACS, BAR_RATIO = 2.0, 130.0, 2.5


def main(argv: Sequence[str]) -> int:
    """Measure and print; raises PrmlError for an unknown network, a missing video, or a result file that exists."""
    import json

    import torch

    from prml.commands._arguments import Arguments
    from prml.commands._console import plain_console
    from prml.errors import PrmlError
    from prml.io.files import check_writable, write_file

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
    torch.set_num_threads(given.threads)
    with plain_console().status("") as status:
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


def bench(
    names: Sequence[str],
    *,
    repeats: int = 5,
    video: Path | None = None,
    training: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """All figures: matrix rate before and after (a busy machine shows), networks, ``prml lift`` if there is a video.

    Args:
        names: registry names.
        repeats: runs of each network, of which the best counts.
        video: also measure ``prml lift`` on it.
        training: also measure steps of training, which takes several times as long and as much memory.
        progress: called with what is measured next.
    """
    import platform

    import torch

    from prml import __version__
    from prml.bench.lift import bench_lift
    from prml.provenance import commit, processor
    from prml.training.allocator import allocator_advice

    progress("matrix products")
    rate, networks = matrix_rate(), []
    for name in names:
        progress(name)
        networks.append(bench_network(name, rate, repeats=repeats, training=training))
    progress("matrix products")
    rate_after = matrix_rate()
    return {
        "prml": __version__,
        "commit": commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "allocator_advice": allocator_advice(),
        "matrix_gflops": rate,
        "matrix_gflops_after": rate_after,
        "networks": networks,
        "bars": bars(networks, max(rate, rate_after)),
        "lift": bench_lift(video) if video else None,
    }


def bars(networks: Sequence[dict[str, Any]], rate: float) -> list[dict[str, Any]]:
    """What is asked of MotionBERT, MixSTE and PrML, as far as they were measured, and whether it is met.

    Args:
        networks: rows of :func:`bench_network`.
        rate: the machine's matrix rate, GFLOP/s; the limit of 2.0 s is of a machine of 130 G multiply-adds (260 GFLOP)
            a second and scales with it.

    Returns:
        A row for each bar: ``bar`` in words, ``measured``, ``limit``, ``met``; of a time also the share of the matrix
        rate that linear layers alone would have to reach to keep the limit (above 1 it cannot be kept in float32).
    """
    rows, limit = {row["name"]: row for row in networks}, BAR_SECONDS * BAR_GMACS / (rate / 2)
    found: list[dict[str, Any]] = [
        {
            "bar": f"{name}: at most {BAR_SECONDS:g} s per forward at T = {rows[name]['frames']}, "
            f"x {BAR_GMACS:g} / {rate / 2:.0f} G multiply-adds/s",
            "measured": rows[name]["seconds"],
            "limit": limit,
            "met": rows[name]["seconds"] <= limit,
            "needs_share_of_matrix_rate": rows[name]["linear_macs"] / 1e9 / (BAR_SECONDS * BAR_GMACS),
        }
        for name in FORWARD_BAR
        if name in rows
    ]
    if {"prml", "motionbert"} <= set(rows):
        ratio = rows["prml"]["poses_per_second"] / rows["motionbert"]["poses_per_second"]
        words = f"prml: at least {BAR_RATIO:g} times the frames/s of motionbert"
        found.append({"bar": words, "measured": ratio, "limit": BAR_RATIO, "met": ratio >= BAR_RATIO})
    return found


def _best_seconds(run: Callable[[], Any], repeats: int) -> float:
    """The fastest of some runs, after one that warms up: disturbance only ever adds time."""
    run()
    best = float("inf")
    for _ in range(repeats):
        started = perf_counter()
        run()
        best = min(best, perf_counter() - started)
    return best


def matrix_rate(sizes: Sequence[int] = (1024, 2048), repeats: int = 8) -> float:
    """Best float32 matrix product rate over some square sizes, GFLOP/s (2 for each multiply-add)."""
    import torch

    rates = []
    with torch.inference_mode():
        for n in sizes:
            a, b = torch.ones(n, n), torch.ones(n, n)
            out = torch.empty(n, n)
            seconds = _best_seconds(partial(torch.mm, a, b, out=out), repeats)
            rates.append(2 * n**3 / seconds / 1e9)
    return max(rates)


def bench_network(name: str, rate: float, *, repeats: int = 5, training: bool = True) -> dict[str, Any]:
    """Seconds per forward and poses a second at the network's own T, batch 1, and in training; shares of the rate.

    Args:
        name: registry name.
        rate: GFLOP/s that a share is of.
        repeats: runs, of which the best counts.
        training: also measure steps of training (not of networks that need image features).
    """
    import torch

    from prml.networks import registry
    from prml.networks.cost import cost_of, example_inputs

    record, cost = registry.entry(name), cost_of(name)
    network = registry.build(name).eval()
    inputs = [_noise(x) for x in example_inputs(record, network, cost.frames)]
    with torch.inference_mode():
        seconds = _best_seconds(lambda: network(*inputs), repeats)
    gflops = 2 * cost.linear_macs / seconds / 1e9
    step = _training_seconds(network, inputs[0], max(1, repeats // 2)) if training and not record.context else None
    return {
        "name": name,
        "frames": cost.frames,
        "linear_macs": cost.linear_macs,
        "seconds": seconds,
        "poses_per_second": cost.output_frames / seconds,
        "linear_gflops": gflops,
        "share_of_matrix_rate": gflops / rate,
        "training_batch": TRAINING_BATCH if step else None,
        "training_poses_per_second": TRAINING_BATCH * cost.output_frames / step if step else None,
        "training_share_of_matrix_rate": 6 * TRAINING_BATCH * cost.linear_macs / step / 1e9 / rate if step else None,
    }


def _noise(zeros: Any) -> Any:
    """Numbers in [-1, 1] in place of zeros, whose products or sampling places might be cheaper than a pose's."""
    import torch

    if isinstance(zeros, list):
        return [_noise(part) for part in zeros]
    return torch.rand(zeros.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def _training_seconds(network: "nn.Module", x: Any, repeats: int) -> float:
    """A step of forward and backward without optimiser; batches larger than 16 x 81 frames are measured in part."""
    batch = max(1, min(TRAINING_BATCH, TRAINING_BATCH * 81 // x.shape[1]))
    inputs = x.expand(batch, *x.shape[1:]).contiguous()
    network.train()

    def step() -> None:
        network.zero_grad(set_to_none=True)
        network(inputs).square().mean().backward()

    return float(_best_seconds(step, repeats) * TRAINING_BATCH / batch)


def _rate(per_second: float) -> str:
    return f"{per_second:.0f}" if per_second >= 100 else f"{per_second:.1f}"


def _table(networks: Sequence[dict[str, Any]]) -> "Table":
    from rich.table import Table

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
    from prml.bench.lift import lines
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
    for line in lines(record["lift"]) if record["lift"] else []:
        console.print(line)
