"""Measure the gain of the CPU fast paths: ``networks/fused.py``, attention with few keys, bfloat16 training.

    python benchmarks/fast_path.py --json results/fast_path.json

Variants alternate with the plain modules, so that a busy machine affects all of them; the best runs are compared.
Set MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456 as in training.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import torch
from torch import nn

from prml.networks import fused, layers, registry
from prml.provenance import commit, processor, versions

USABLE, SHORT = fused.usable, layers._SHORT


class Variant(NamedTuple):
    """Which fast paths are enabled."""

    linear: bool = False
    few_keys: bool = False
    bfloat16: bool = False


INFERENCE = {"linear": Variant(linear=True), "linear, few keys": Variant(linear=True, few_keys=True)}
TRAINING = {**INFERENCE, "bfloat16, few keys": Variant(few_keys=True, bfloat16=True)}


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


def timed(step: Callable[[], None], variant: Variant) -> float:
    fused.usable = USABLE if variant.linear else (lambda *_: False)
    layers._SHORT = SHORT if variant.few_keys else 0
    started = perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=variant.bfloat16):
        step()
    return perf_counter() - started


def compare(name: str, batch: int, train: bool, repeats: int) -> dict[str, object]:
    record = registry.entry(name)
    step = step_of(registry.build(name).train(train), record.window, batch, train)
    variants = {"plain": Variant(), **(TRAINING if train else INFERENCE)}
    rounds = [{label: timed(step, v) for label, v in variants.items()} for _ in range(repeats + 1)][1:]
    best = {label: min(r[label] for r in rounds) for label in variants}
    return {
        "network": name,
        "batch": batch,
        "training": train,
        "seconds": best,
        "times_as_fast": {label: round(best["plain"] / s, 2) for label, s in best.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = [
        compare("prml", 1, False, given.repeats),
        compare("prml-s", 1, False, given.repeats),
        compare("prml-s", 8, True, given.repeats),
        compare("prml-xs", 8, True, given.repeats),
    ]
    record = {
        "commit": commit(),
        "versions": versions(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "rows": rows,
    }
    print(json.dumps(record, indent=1))
    if given.json:
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
