"""How fast this machine multiplies matrices: the rate that shares of other figures are of."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import torch


@contextmanager
def torch_threads(number: int | None) -> Iterator[None]:
    """Run a block with so many torch threads (None: as many as before); the process's own number returns after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def best_seconds(run: Callable[[], Any], repeats: int) -> float:
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
    rates = []
    with torch.inference_mode():
        for n in sizes:
            a, b = torch.ones(n, n), torch.ones(n, n)
            out = torch.empty(n, n)
            seconds = best_seconds(partial(torch.mm, a, b, out=out), repeats)
            rates.append(2 * n**3 / seconds / 1e9)
    return max(rates)
