"""The matrix product rate of this machine, a reference for other figures."""

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import torch


def best_seconds(run: Callable[[], Any], repeats: int) -> float:
    """Return the fastest of several runs after a warm-up, since disturbances only add time."""
    run()
    best = float("inf")
    for _ in range(repeats):
        started = perf_counter()
        run()
        best = min(best, perf_counter() - started)
    return best


def matrix_rate(sizes: Sequence[int] = (1024, 2048), repeats: int = 8) -> float:
    """Return the best float32 matrix product rate over some square sizes, in GFLOP/s (2 per multiply-add)."""
    rates = []
    with torch.inference_mode():
        for n in sizes:
            a, b = torch.ones(n, n), torch.ones(n, n)
            out = torch.empty(n, n)
            seconds = best_seconds(partial(torch.mm, a, b, out=out), repeats)
            rates.append(2 * n**3 / seconds / 1e9)
    return max(rates)
