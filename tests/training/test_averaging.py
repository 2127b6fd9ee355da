"""The moving average of the weights: its closed form, and what a checkpoint of Lightning's callback holds."""

from types import SimpleNamespace

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging as Theirs
from torch import nn

from prml.training.averaging import EMAWeightAveraging


class Small(pl.LightningModule):
    """Two parameters and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2, 2))
        self.register_buffer("seen", torch.zeros(()))


def _averaged(callback, steps: int) -> Small:
    module, trainer = Small(), SimpleNamespace(global_step=0)
    callback.setup(trainer, module, "fit")
    for step in range(1, steps + 1):
        with torch.no_grad():
            for p in module.parameters():
                p.fill_(float(step**2))
            module.seen.fill_(float(step))
        trainer.global_step = step
        callback.on_train_batch_end(trainer, module, None, None, step)
        callback.on_train_batch_end(trainer, module, None, None, step)  # a batch without a step of the optimiser
    return callback._average_model.module


def test_the_average_is_the_exponential_one():
    decay, average = 0.9, 1.0
    for step in range(2, 6):
        average = decay * average + (1 - decay) * step**2
    module = _averaged(EMAWeightAveraging(decay), 5)
    for p in module.parameters():
        torch.testing.assert_close(p.detach(), torch.full_like(p, average))
    assert module.seen == 5, "buffers are those of the last step"


def test_checkpoints_are_those_of_lightnings_callback():
    mine, theirs = EMAWeightAveraging(0.9), Theirs(decay=0.9, use_buffers=False)
    for a, b in zip(_averaged(mine, 4).parameters(), _averaged(theirs, 4).parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert mine.state_key == theirs.state_key
    assert mine.state_dict() == theirs.state_dict()
    saved = [{"state_dict": {}}, {"state_dict": {}}]
    for callback, checkpoint in zip((mine, theirs), saved, strict=True):
        callback.on_save_checkpoint(None, None, checkpoint)
    assert saved[0].keys() == saved[1].keys()
    assert saved[0]["averaging_state"] == saved[1]["averaging_state"]
