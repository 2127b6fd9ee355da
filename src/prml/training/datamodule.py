"""Batches for the trainer: training windows from any place in an epoch on, and fixed validation windows."""

from functools import partial

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from prml.batches.training_windows import Batch, EpochSampler
from prml.errors import PrmlError
from prml.training.config import FitConfig
from prml.training.data import open_source


class WindowsDataModule(pl.LightningDataModule):
    """Windows for the configuration; resumes in the middle of an epoch at the batch after the last one trained."""

    def __init__(self, config: FitConfig) -> None:
        super().__init__()
        self.config = config
        self.source = open_source(config)
        self.train = self.source.train
        self.world = max(1, config.run.devices) * max(1, config.run.nodes)
        if len(self.train) < self.world:
            raise PrmlError(
                f"the data make {len(self.train)} batches in an epoch, fewer than the {self.world} processes; "
                "lower data.windows.batch, data.windows.stride or run.devices"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch on every rank."""
        return len(self.train) // self.world

    def train_dataloader(self) -> "DataLoader[Batch]":
        """Loader over the rest of the current epoch."""
        trainer = self.trainer
        rank = trainer.global_rank if trainer else 0
        # the step counts what was trained, also when the last checkpoint lies inside an epoch
        epoch, first = divmod(trainer.global_step if trainer else 0, max(1, self.steps_per_epoch))
        sampler = EpochSampler(len(self.train), epoch=epoch, first=first, rank=rank, world=self.world)
        workers = self.config.data.workers
        return DataLoader(
            self.train,
            batch_size=None,
            sampler=sampler,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_one_thread if workers else None,
        )

    def val_dataloader(self) -> "DataLoader[tuple[Tensor, ...]]":
        """Fixed windows of the validation clips."""
        whole = self.source.validation_batch(self.config.data.validation_windows)
        return DataLoader(TensorDataset(*whole.values()), batch_size=16, collate_fn=partial(_stack, tuple(whole)))


def _stack(names: tuple[str, ...], rows: list[tuple[Tensor, ...]]) -> Batch:
    return {name: torch.stack(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
