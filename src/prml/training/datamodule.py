"""Batches for the trainer: training windows from any place in an epoch on, and fixed validation windows."""

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from prml.data.mocap import MocapSet, load_sets
from prml.data.noise import measured_noise
from prml.data.windows import Batch, EpochSampler, MocapWindows
from prml.training.config import FitConfig

_VALIDATION_SEED = 7


class WindowsDataModule(pl.LightningDataModule):
    """Mocap windows for the configuration; resumes in the middle of an epoch at the batch after the last one trained."""

    def __init__(self, config: FitConfig) -> None:
        super().__init__()
        self.config = config
        self.sets: list[MocapSet] = load_sets(tuple(config.data.sets), config.data.directory)
        noise = measured_noise() if config.data.noise else None
        self.train = MocapWindows(self.sets, config.data.windows, noise, seed=config.seed, split=config.data.split)
        self.world = max(1, config.run.devices) * max(1, config.run.nodes)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch on every rank."""
        return len(self.train) // self.world

    def hashes(self) -> dict[str, str]:
        """SHA-256 of every data file."""
        return {s.path.name: s.sha256 for s in self.sets}

    def train_dataloader(self) -> "DataLoader[Batch]":
        """Loader over the rest of the current epoch."""
        trainer = self.trainer
        rank = trainer.global_rank if trainer else 0
        # the step counts what was trained, also when the last checkpoint lies inside an epoch
        epoch, first = divmod(trainer.global_step if trainer else 0, max(1, self.steps_per_epoch))
        sampler = EpochSampler(len(self.train), epoch=epoch, first=first, rank=rank, world=self.world)
        workers = self.config.data.workers
        return DataLoader(
            self.train, batch_size=None, sampler=sampler, num_workers=workers, prefetch_factor=4 if workers else None,
            worker_init_fn=_one_thread if workers else None,
        )  # fmt: skip

    def val_dataloader(self) -> "DataLoader[tuple[Tensor, ...]]":
        """Fixed windows of the validation clips: the same in every run with the same options."""
        from dataclasses import replace

        options = replace(
            self.config.data.windows, flip=0.0, speed=(1.0, 1.0), scale=(1.0, 1.0), clean=0.0, batch=16,
            stride=self.config.data.windows.frames,
        )  # fmt: skip
        source = MocapWindows(self.sets, options, self.train.noise, seed=_VALIDATION_SEED, split="val")
        count = min(self.config.data.validation_windows, len(source.index))
        chosen = np.linspace(0, len(source.index) - 1, count).astype(int)
        batches = [
            source.make(np.random.default_rng([_VALIDATION_SEED, i]), source.index[chosen[i : i + 16]])
            for i in range(0, count, 16)
        ]
        whole = {k: torch.cat([b[k] for b in batches]) for k in ("input", "target")}
        return DataLoader(
            TensorDataset(whole["input"], whole["target"]), batch_size=16,
            collate_fn=lambda rows: {"input": torch.stack([r[0] for r in rows]), "target": torch.stack([r[1] for r in rows])},
        )  # fmt: skip


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
