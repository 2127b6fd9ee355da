"""Batches for the trainer: the order that the epochs say, from any step on, one stream through all epochs."""

from types import SimpleNamespace

import pytest
import torch

from prml.batches.options import MocapWindowOptions
from prml.batches.training_windows import EpochSampler
from prml.training.config import FitConfig, MocapData, NetworkConfig
from prml.training.datamodule import WindowsDataModule


@pytest.fixture(scope="module")
def data():
    windows = MocapWindowOptions(frames=3, stride=10**6, batch=16)
    module = WindowsDataModule(
        FitConfig(network=NetworkConfig("prml-xs"), data=MocapData(sets=["ui_prmd"], windows=windows, workers=0))
    )
    module.trainer = SimpleNamespace(global_step=0, global_rank=0)
    return module


def test_an_endless_sampler_goes_through_the_epochs():
    keys = iter(EpochSampler(5, epoch=2, first=1, rank=1, world=2, endless=True))
    assert [next(keys) for _ in range(4)] == [(2, 3), (3, 1), (3, 3), (4, 1)]
    assert list(EpochSampler(5, epoch=2, first=1, rank=1, world=2)) == [(2, 3)]


def test_epochs_and_their_rests_are_the_batches_that_the_windows_have(data):
    n = data.steps_per_epoch
    taken = []
    for step in (0, n, 2 * n + 1):  # the third is resumed in the middle of an epoch
        data.trainer.global_step = step
        epoch = data.train_dataloader()
        assert len(epoch) == n - step % n
        taken += [((step + i) // n, (step + i) % n, batch) for i, batch in enumerate(epoch)]
    for epoch, number, batch in taken:
        for name, value in data.train[epoch, number].items():
            torch.testing.assert_close(batch[name], value, rtol=0, atol=0)


def test_workers_go_on_from_one_epoch_to_the_next(data):
    stream = data.stream(0)
    for _ in range(data.steps_per_epoch):
        next(stream)
    assert data.stream(data.steps_per_epoch) is stream
    assert data.stream(0) is not stream, "an epoch that starts again starts at its first batch"
