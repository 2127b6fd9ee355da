"""Measure the share of the machine's matrix rate that networks reach, in forward passes and in training."""

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from prml._version import __version__
from prml.bench.engines import bench_engines
from prml.bench.lift import ROUNDS, bench_lift
from prml.bench.matrix import best_seconds, matrix_rate
from prml.networks import registry
from prml.networks.cost import cost_of, example_inputs
from prml.provenance import commit, processor
from prml.training.allocator import allocator_advice

TRAINING_BATCH = 16
# Limit in seconds per forward pass at T = 243 for these networks on a machine with this matrix rate, in 10^9
# multiply-adds per second (at two operations each, their linear layers alone would take longer); and the minimum ratio
# of the frames/s of PrML to those of MotionBERT.
FORWARD_BAR = ("motionbert", "mixste")
BAR_SECONDS, BAR_GMACS, BAR_RATIO = 2.0, 130.0, 2.5


def bench(
    names: Sequence[str],
    *,
    repeats: int = 5,
    video: Path | None = None,
    rounds: int = ROUNDS,
    engines: bool = False,
    training: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure the matrix rate before and after (to reveal a busy machine), the networks, and ``prml lift`` on a video.

    Args:
        names: registry names.
        repeats: runs of each network; the best counts.
        video: also measure ``prml lift`` on this video.
        rounds: runs of each kind of lift.
        engines: also measure the engines that are installed.
        training: also measure training steps, which takes several times as much time and memory.
        progress: called with the name of the next measurement.
    """
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
        "lift": bench_lift(video, rounds=rounds) if video else None,
        "engines": bench_engines(repeats=repeats, progress=progress) if engines else None,
    }


def bars(networks: Sequence[dict[str, Any]], rate: float) -> list[dict[str, Any]]:
    """Return the limits for those of MotionBERT, MixSTE and PrML that were measured, and whether they are met.

    Args:
        networks: rows from :func:`bench_network`.
        rate: the machine's matrix rate in GFLOP/s; the limit of 2.0 s applies to a machine with 130 G multiply-adds
            (260 GFLOP) per second and scales with the rate.

    Returns:
        One row per limit: ``bar`` as text, ``measured``, ``limit``, ``met``; for times also the share of the matrix
        rate that the linear layers alone would need to meet the limit (above 1 it is out of reach in float32).
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


def bench_network(name: str, rate: float, *, repeats: int = 5, training: bool = True) -> dict[str, Any]:
    """Measure a network at its own T: forward passes with batch 1, training steps, and their shares of the rate.

    Args:
        name: registry name.
        rate: matrix rate in GFLOP/s that shares refer to.
        repeats: number of runs; the best counts.
        training: also measure training steps (except for networks that need image features).
    """
    cost, network = cost_of(name), registry.build(name).eval()
    inputs = [_noise(x) for x in example_inputs(network)]
    with torch.inference_mode():
        seconds = best_seconds(lambda: network(*inputs), repeats)
    gflops = 2 * cost.linear_macs / seconds / 1e9
    step = (
        _training_seconds(network, inputs[0], max(1, repeats // 2)) if training and not network.image_channels else None
    )
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
    """Replace zeros, which may be cheaper to process than a real pose, by random numbers in [-1, 1]."""
    if isinstance(zeros, list):
        return [_noise(part) for part in zeros]
    return torch.rand(zeros.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def _training_seconds(network: nn.Module, x: Any, repeats: int) -> float:
    """Time a forward and backward pass without optimiser; batches over 16 x 81 frames are measured in part."""
    batch = max(1, min(TRAINING_BATCH, TRAINING_BATCH * 81 // x.shape[1]))
    inputs = x.expand(batch, *x.shape[1:]).contiguous()
    network.train()

    def step() -> None:
        network.zero_grad(set_to_none=True)
        network(inputs).square().mean().backward()

    return float(best_seconds(step, repeats) * TRAINING_BATCH / batch)
