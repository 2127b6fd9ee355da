"""What keeps a run safe: atomic checkpoints by the clock, and a weights record of the best validation."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from prml.training.module import LiftingModule
from prml.weights.record import Card, read_card, save_record

CHECKPOINT = "last.ckpt"


class SafeCheckpoint(pl.Callback):
    """Write ``last.ckpt`` at least every so many minutes and after the last step, whole or not at all.

    The state of torch's generator is kept too, so that a resumed run draws what the undisturbed one would.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.path, self.seconds = folder / CHECKPOINT, 60 * minutes
        self.written = time.monotonic()

    def save(self, trainer: pl.Trainer) -> None:
        """Write to a temporary name, then rename: a kill leaves the old file or the new one."""
        temporary = self.path.with_suffix(".tmp")
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            temporary.replace(self.path)
        self.written = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save when the time has come by the first process's clock: saving waits for all."""
        due = time.monotonic() - self.written >= self.seconds
        if trainer.world_size > 1:
            due = trainer.strategy.broadcast(due)
        # the end is saved here too: when the training has ended the averaged weights have replaced the trained ones
        if due or trainer.global_step >= trainer.max_steps:
            self.save(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the generator's state."""
        checkpoint["torch_rng"] = torch.get_rng_state()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore the generator's state."""
        torch.set_rng_state(checkpoint["torch_rng"])


class BestRecord(pl.Callback):
    """Save the averaged weights as a record whenever the validation error is the lowest so far.

    Must come before the averaging callback in the list: at the end of a validation the averaged weights are still in
    place.

    Args:
        folder: where.
        card: all that does not change from validation to validation.
        total: steps of the whole run.
    """

    def __init__(self, folder: Path, card: Card, total: int) -> None:
        self.folder, self.card, self.total, self.best = folder, card, total, float("inf")

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare and save."""
        if trainer.sanity_checking or not isinstance(pl_module, LiftingModule) or not pl_module.validation:
            return
        scores = pl_module.scores()
        if scores["mpjpe"] < self.best and trainer.is_global_zero:
            self.best = scores["mpjpe"]
            # a trainer that only validates what was trained before counts no steps
            self.write("best", pl_module, scores, trainer.global_step or self.total)

    def write(self, name: str, module: LiftingModule, scores: dict[str, float], step: int) -> None:
        """Write a record of the module's present weights."""
        card = replace(
            self.card,
            name=name,
            scores={"validation": {k: round(v, 2) for k, v in scores.items()}},
            training={**self.card.training, "steps": step},
        )
        keep = module.information if self.card.uncertainty else None
        save_record(self.folder, card, module.network, keep)

    def state_dict(self) -> dict[str, Any]:
        """The lowest error so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the lowest error, which a validation after the last checkpoint may have found."""
        self.best = state_dict["best"]
        if (self.folder / "best.yaml").is_file():
            self.best = min(self.best, read_card(self.folder / "best.yaml").scores["validation"]["mpjpe"])
