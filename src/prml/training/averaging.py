"""The moving average of the weights, all tensors at once and without waiting for the device."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


class EMAWeightAveraging(WeightAveraging):
    """Exponential moving average of the parameters, which validation and the end of the training use.

    Lightning's callback of the same name, whose checkpoints it shares, averages tensor by tensor and looks at a counter
    on the device in every step.

    Args:
        decay: weight of the average so far.
    """

    def __init__(self, decay: float) -> None:
        self._average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        super().__init__(use_buffers=False, multi_avg_fn=self._average)

    @torch.no_grad()
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Take the weights of the step into the average; the first ones are the average."""
        averaged, first = self._average_model, self._latest_update_step == 0
        if averaged is None or trainer.global_step <= self._latest_update_step:
            return
        mine: list[Tensor] = list(averaged.module.parameters())
        theirs: list[Tensor] = list(pl_module.parameters())
        if first:
            torch._foreach_copy_(mine, theirs)
        else:
            self._average(mine, theirs, averaged.n_averaged)
        for mine_buffer, buffer in zip(averaged.module.buffers(), pl_module.buffers(), strict=True):
            mine_buffer.copy_(buffer)
        averaged.n_averaged += 1
        self._latest_update_step = trainer.global_step
