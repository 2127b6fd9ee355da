"""Measure how fast networks learn depth with their own initialisation and with distinct joints (networks/distinct.py).

    python benchmarks/start.py --steps 300 --json results/start.json

Trains on single frames from training clips, the same for all networks and new ones at every step; prints the mean error
of x, y and depth over the last third of the steps. A depth error as large as the depth means that nothing was learned.
"""

import argparse
import json
from pathlib import Path

import torch

from prml.batches.options import MocapWindowOptions
from prml.io.files import write_file
from prml.provenance import commit, processor, versions
from prml.training.config import FitConfig, MocapData, NetworkConfig, ObjectiveConfig
from prml.training.data import open_source
from prml.training.module import LiftingModule

NETWORKS = {
    "prml-xs": {},
    "motionbert": {"width": 64, "heads": 4, "representation": 64, "depth": 3},
    "mixste": {"width": 64, "heads": 4, "depth": 3, "drop_path": 0.0},
}
OBJECTIVE = ObjectiveConfig(mutual_information="none")


def learn(name: str, start: str, steps: int, batch: int) -> dict[str, float]:
    """Train on single frames; return errors over the last third of the steps, and the mean depth itself, in mm."""
    network = NetworkConfig(name, {**NETWORKS[name], "frames": 1}, start)  # type: ignore[arg-type]
    data = MocapData(windows=MocapWindowOptions(frames=1, stride=9, batch=batch))
    config = FitConfig(network, data, OBJECTIVE)
    torch.manual_seed(0)
    module = LiftingModule(config, steps_per_epoch=steps, total_steps=steps)
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3)
    source, errors = open_source(config), []
    for step in range(steps):
        sample = source.train[(0, step)]
        terms = module.losses(sample)
        optimiser.zero_grad()
        terms["loss"].backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        errors.append((terms["2d"].item(), terms["depth"].item(), sample["target"][..., 2].abs().mean().item()))
    names = ("xy_mm", "depth_mm", "depth_there_is_mm")
    return dict(zip(names, (1000 * torch.tensor(errors[-(steps // 3) :]).mean(0)).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    for name in NETWORKS:
        for start in ("own", "distinct"):
            row = {"network": name, "start": start, **learn(name, start, given.steps, given.batch)}
            rows.append(row)
            print({k: round(v, 1) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    record = {
        "steps": given.steps,
        "batch": given.batch,
        "rows": rows,
        "processor": processor(),
        "commit": commit(),
        "versions": versions(),
    }
    if given.json:
        write_file(given.json, json.dumps(record, indent=1), True)


if __name__ == "__main__":
    main()
