"""Measure how long training waits for data: seconds in the loader and in the step, for a configuration.

python benchmarks/data_share.py configs/mocap/prml-s.yaml --json results/data_share.json
"""

import argparse
import json
from pathlib import Path
from time import perf_counter

import torch
from torch.utils.data import DataLoader

from prml.batches.training_windows import EpochSampler
from prml.commands.fit import read_config
from prml.provenance import commit, versions
from prml.threads import torch_threads
from prml.training.config import FitConfig
from prml.training.datamodule import WindowsDataModule
from prml.training.module import LiftingModule


def measure(config_path: str, steps: int, workers: int) -> dict[str, float]:
    """Return the mean seconds of waiting and computing per step, and of making one batch in this process."""
    config = read_config(config_path)
    with torch_threads(config.run.threads):
        return _measure(config, steps, workers)


def _measure(config: FitConfig, steps: int, workers: int) -> dict[str, float]:
    data = WindowsDataModule(config)
    module = LiftingModule(config, steps_per_epoch=data.steps_per_epoch, total_steps=steps)
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4)
    loader = iter(DataLoader(data.train, batch_size=None, sampler=EpochSampler(len(data.train)), num_workers=workers))
    started = perf_counter()
    for number in range(5):
        data.train[0, number]
    made = (perf_counter() - started) / 5
    waited = computed = 0.0
    for step in range(steps + 3):
        a = perf_counter()
        batch = next(loader)
        b = perf_counter()
        module.losses(batch)["loss"].backward()
        optimiser.step()
        optimiser.zero_grad()
        if step >= 3:  # the first steps fill the loader and warm up
            waited, computed = waited + b - a, computed + perf_counter() - b
    share = waited / (waited + computed)
    return {"wait_s": waited / steps, "step_s": computed / steps, "share_waiting": share, "make_batch_s": made}


def main() -> None:
    """Parse, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    record = {
        "config": options.config,
        "workers": options.workers,
        "threads": torch.get_num_threads(),
        "commit": commit(),
        "versions": versions(),
        **measure(options.config, options.steps, options.workers),
    }
    print(json.dumps(record, indent=1))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
