"""What a relative depth per joint would be worth to PrML as an input, on motion capture.

    python benchmarks/depth_channel.py --steps 600 --seeds 0 1 --json results/depth_channel.json

Trains PrML, narrow, with and without relative depth as a fourth input channel (``prml.batches.depth``): the same first
seeds, windows, cameras and detector noise, and the same number of steps. Both are validated on the same held-out
windows. A row that is in the file already is not run again, so the program can be called in pieces (``--runs 1``).
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from time import process_time

import torch

from prml.batches.options import DepthOptions, MocapWindowOptions
from prml.io.files import write_file
from prml.provenance import commit, processor, versions
from prml.training.config import FitConfig, MocapData, NetworkConfig, OptimiserConfig
from prml.training.data import open_source
from prml.training.module import LiftingModule, validation_errors
from prml.training.schedule import rate_factor

NETWORK = {"width": 32, "heads": 4, "branch_blocks": 2, "frames": 9}
WINDOWS = MocapWindowOptions(frames=9, step=10, stride=9, batch=12)
# name -> channels and errors of the depth
ARMS = {
    "x, y, confidence": (3, DepthOptions()),
    "with relative depth, assumed errors": (4, DepthOptions()),
    "with relative depth, errors three times as large": (4, DepthOptions(noise_m=0.15, steady_m=0.15)),
}
VALIDATED = 512  # windows


def config_of(arm: str, seed: int) -> FitConfig:
    """The configuration of a run."""
    channels, depth = ARMS[arm]
    data = MocapData(windows=replace(WINDOWS, in_channels=channels, depth=depth), sets=["cmu", "ui_prmd"])
    optimiser = OptimiserConfig(learning_rate=2e-3, schedule="cosine", warmup_steps=50, ema=0.0)
    return FitConfig(NetworkConfig("prml", dict(NETWORK), "distinct"), data, optimiser=optimiser, seed=seed)


def run(arm: str, seed: int, steps: int) -> dict[str, object]:
    """Train and validate one network; errors in mm."""
    config, started = config_of(arm, seed), process_time()
    config.check()
    torch.manual_seed(seed)
    module = LiftingModule(config, steps_per_epoch=steps, total_steps=steps)
    optimiser = torch.optim.AdamW(module.parameters(), lr=config.optimiser.learning_rate, weight_decay=0.01)
    source = open_source(config)
    epoch = len(source.train)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = config.optimiser.learning_rate * rate_factor(step, config.optimiser, steps, steps)
        optimiser.zero_grad()
        module.losses(source.train[divmod(step, epoch)])["loss"].backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), config.optimiser.clip or 1.0)
        optimiser.step()
    batch = source.validation_batch(VALIDATED)
    with torch.inference_mode():
        found = validation_errors(module.network.eval()(batch["input"]), batch["target"]).mean(0).tolist()
    names = ("mpjpe", "p_mpjpe", "x", "y", "z")
    parameters = sum(p.numel() for p in module.network.parameters())
    told = {"arm": arm, "seed": seed, "steps": steps, "parameters": parameters, "cpu_s": process_time() - started}
    return {**told, **dict(zip(names, found, strict=False))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--runs", type=int, default=1000, help="at most so many now")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = json.loads(given.json.read_text())["rows"] if given.json.is_file() else []
    done = {(row["arm"], row["seed"], row["steps"]) for row in rows}
    wanted = [(arm, seed) for seed in given.seeds for arm in ARMS if (arm, seed, given.steps) not in done]
    for arm, seed in wanted[: given.runs]:
        rows.append(run(arm, seed, given.steps))
        print({k: round(v, 1) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
        record = {
            "what": "validation errors in mm, of the same held-out windows for all arms",
            "network": NETWORK,
            "windows": asdict(WINDOWS),
            "errors_of_depth": {name: asdict(depth) for name, (n, depth) in ARMS.items() if n > 3},
            "rows": rows,
            "processor": processor(),
            "commit": commit(),
            "versions": versions(),
        }
        write_file(given.json, json.dumps(record, indent=1) + "\n", True)


if __name__ == "__main__":
    main()
