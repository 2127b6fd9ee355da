"""Batches for the trainer: training windows from any place in an epoch on, and fixed validation windows."""

from collections.abc import Iterator
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
        self._stream: _Stream | None = None
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

    def train_dataloader(self) -> "_Epoch":
        """The rest of the current epoch, from workers that go on from one epoch to the next."""
        # the step counts what was trained, also when the last checkpoint lies inside an epoch
        step = self.trainer.global_step if self.trainer else 0
        return _Epoch(self, step, self.steps_per_epoch - step % max(1, self.steps_per_epoch))

    def stream(self, step: int) -> "_Stream":
        """Batches from a step on; the stream of before if that is where it has come to."""
        if self._stream is None or self._stream.step != step:
            self._stream = _Stream(self, step)
        return self._stream

    def loader(self, step: int) -> "DataLoader[Batch]":
        """Batches from a step on, through all epochs that follow."""
        epoch, first = divmod(step, max(1, self.steps_per_epoch))
        rank = self.trainer.global_rank if self.trainer else 0
        sampler = EpochSampler(len(self.train), epoch=epoch, first=first, rank=rank, world=self.world, endless=True)
        workers = self.config.data.workers
        return DataLoader(
            self.train,
            batch_size=None,
            sampler=sampler,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_one_thread if workers else None,
            pin_memory=self.config.run.accelerator not in ("cpu", "mps") and torch.cuda.is_available(),
        )

    def val_dataloader(self) -> "DataLoader[tuple[Tensor, ...]]":
        """Fixed windows of the validation clips."""
        whole = self.source.validation_batch(self.config.data.validation_windows)
        return DataLoader(TensorDataset(*whole.values()), batch_size=16, collate_fn=partial(_stack, tuple(whole)))


class _Stream:
    """Batches one after the other, from a step on; knows the step of the next."""

    def __init__(self, data: WindowsDataModule, step: int) -> None:
        self.step, self._batches = step, iter(data.loader(step))

    def __next__(self) -> Batch:
        batch: Batch = next(self._batches)
        self.step += 1
        return batch


class _Epoch:
    """An iterable over the batches from a step on, as many as a trainer takes for an epoch."""

    def __init__(self, data: WindowsDataModule, step: int, batches: int) -> None:
        self.data, self.step, self.batches = data, step, batches

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Batch]:
        stream = self.data.stream(self.step)
        for _ in range(self.batches):
            yield next(stream)


def _stack(names: tuple[str, ...], rows: list[tuple[Tensor, ...]]) -> Batch:
    return {name: torch.stack(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
