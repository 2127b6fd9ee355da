"""Measure training and inference speed of several networks, alternating on the same batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from prml.batches.training_windows import Batch
from prml.threads import torch_threads
from prml.training.config import FitConfig
from prml.training.data import open_source
from prml.training.module import LiftingModule


@dataclass(frozen=True)
class Speed:
    """Frames per second of whole training steps without data loading, and of forward passes without gradients."""

    training_frames_per_s: float
    inference_frames_per_s: float


def _training_step(module: LiftingModule, batch: Batch) -> Callable[[], None]:
    """Return a step with losses, gradients, clipping and optimiser, as ``prml fit`` does with a batch."""
    made: Any = module.configure_optimizers()
    optimiser, clip = made["optimizer"], module.config.optimiser.clip

    def step() -> None:
        module.train()
        optimiser.zero_grad(set_to_none=True)
        loss: Any = module.losses(batch)["loss"]
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
        optimiser.step()

    return step


def _inference(module: LiftingModule, batch: Batch) -> Callable[[], None]:
    def forward() -> None:
        module.eval()
        with torch.inference_mode():
            module.network(batch["input"])

    return forward


def measure(configs: Sequence[FitConfig], rounds: int) -> list[Speed]:
    """Measure speeds at the batch size of the data, which the configurations share, in the order given.

    All networks are measured in every round, so that a disturbance affects all of them. The best round of each counts,
    since disturbances only add time. The first round is a warm-up.
    """
    with torch_threads(configs[0].run.threads):
        return _measure(configs, rounds)


def _measure(configs: Sequence[FitConfig], rounds: int) -> list[Speed]:
    batch = open_source(configs[0]).train[(0, 0)]
    tasks = []
    for config in configs:
        module = LiftingModule(config, steps_per_epoch=1, total_steps=1)
        tasks.append((_training_step(module, batch), _inference(module, batch)))
    best = [[float("inf")] * 2 for _ in tasks]
    for number in range(rounds + 1):
        for times, pair in zip(best, tasks, strict=True):
            for which, task in enumerate(pair):
                started = perf_counter()
                task()
                if number:
                    times[which] = min(times[which], perf_counter() - started)
    frames = batch["input"].shape[0] * batch["input"].shape[1]
    return [Speed(frames / training, frames / inference) for training, inference in best]
