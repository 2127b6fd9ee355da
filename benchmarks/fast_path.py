"""What ``networks/fused.py`` gains: with and without it, run in turn so that a busy machine disturbs both alike.

    python benchmarks/fast_path.py --json ratios.json

Set MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456 as in training.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch import nn

from prml.networks import fused, registry

USABLE = fused.usable


def step_of(network: nn.Module, frames: int, batch: int, train: bool) -> Callable[[], None]:
    x = torch.zeros(batch, frames, 17, 3)

    def step() -> None:
        if train:
            network.zero_grad(set_to_none=True)
            network(x).square().mean().backward()
        else:
            with torch.inference_mode():
                network(x)

    return step


def timed(step: Callable[[], None], fast: bool) -> float:
    fused.usable = USABLE if fast else (lambda *_: False)
    started = perf_counter()
    step()
    return perf_counter() - started


def compare(name: str, batch: int, train: bool, repeats: int) -> dict[str, object]:
    record = registry.entry(name)
    step = step_of(registry.build(name).train(train), record.window, batch, train)
    pairs = [(timed(step, False), timed(step, True)) for _ in range(repeats + 1)][1:]
    plain, fast = min(p for p, _ in pairs), min(f for _, f in pairs)
    return {
        "network": name, "batch": batch, "training": train, "plain_seconds": plain, "fast_seconds": fast,
        "ratio_of_best": plain / fast, "median_ratio": median(p / f for p, f in pairs),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = [
        compare("prml", 1, False, given.repeats), compare("prml-s", 1, False, given.repeats),
        compare("prml-s", 16, True, given.repeats), compare("prml-xs", 16, True, given.repeats),
    ]  # fmt: skip
    record = {"torch": torch.__version__, "threads": torch.get_num_threads(), "rows": rows}
    print(json.dumps(record, indent=1))
    if given.json:
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
