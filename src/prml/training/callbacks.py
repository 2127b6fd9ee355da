"""What keeps a run safe: checkpoints by the clock, an end to a run that goes astray, a record of the best weights."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from prml.training.clock import LOOK_EVERY, RunClock
from prml.training.module import LiftingModule, astray
from prml.weights.record import Card, read_card, save_record

CHECKPOINT = "last.ckpt"
PREVIOUS = "last.previous.ckpt"


class FiniteLoss(pl.Callback):
    """End a run whose loss is not a number: it would never be one again, and checkpoints would hold nothing else."""

    def __init__(self) -> None:
        self.since: Tensor | None = None  # first step whose loss was not a number, or infinity; on the loss's device

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Note the step; raise PrmlError at once on a single CPU, else every few steps: looking means waiting."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is None:
            return
        first = torch.where(torch.isfinite(loss), torch.inf, float(trainer.global_step))
        self.since = first if self.since is None else torch.minimum(self.since, first)
        alone = loss.device.type == "cpu" and trainer.world_size == 1
        if alone or trainer.global_step % LOOK_EVERY == 0:
            self.check(trainer)

    def check(self, trainer: pl.Trainer) -> None:
        """Raise PrmlError, in all processes alike, if the loss of any step so far was not a number."""
        bad = self.since is not None and bool(torch.isfinite(self.since))
        if trainer.world_size > 1:
            bad = trainer.strategy.reduce_boolean_decision(bad, all=False)
        if bad:
            known = self.since is not None and bool(torch.isfinite(self.since))
            raise astray(int(self.since) if known else trainer.global_step)  # type: ignore[arg-type]

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look before the network is scored."""
        self.check(trainer)


class SafeCheckpoint(pl.Callback):
    """Write ``last.ckpt`` so often that a kill at any moment costs a few minutes at most; whole or not at all.

    A checkpoint is due as soon as the next step (and validation, if one follows) might end after those minutes. The
    checkpoint before it stays as ``last.previous.ckpt``, for a disk that damages the last one. The state of torch's
    generator is kept too, so that a resumed run draws what the undisturbed one would.

    Args:
        folder: where.
        minutes: of training that a kill may cost.
        clock: of the run; must come before this in the list of callbacks.
        loss: looked at before every checkpoint.
    """

    def __init__(self, folder: Path, minutes: float, clock: RunClock, loss: FiniteLoss | None = None) -> None:
        self.path, self.seconds, self.clock, self.loss = folder / CHECKPOINT, 60 * minutes, clock, loss
        self.written_s = self.last_s = 0.0  # on the clock: of the last checkpoint, of the last step
        self.took_s = {"step": 0.0, "checkpoint": 0.0, "validation": 0.0}  # between two steps, by what lay between
        self.between = "step"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from what the checkpoint of a resumed run had used."""
        self.written_s = self.last_s = self.clock.used_s

    def save(self, trainer: pl.Trainer) -> None:
        """Write to a temporary name, then rename: a kill leaves the old file or the new one."""
        if self.loss is not None:
            self.loss.check(trainer)
        if not all(bool(torch.isfinite(p).all()) for p in trainer.lightning_module.parameters()):
            raise astray(trainer.global_step)  # of the next step
        temporary = self.path.with_suffix(".tmp")
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            self._keep_previous()
            temporary.replace(self.path)

    def _keep_previous(self) -> None:
        if not self.path.is_file():
            return
        previous = self.path.with_name(PREVIOUS)
        previous.unlink(missing_ok=True)
        try:
            os.link(self.path, previous)
        except OSError:  # a file system without hard links
            shutil.copy2(self.path, previous)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save when it is due by the run's clock, which all processes share, and after the last step."""
        # the end is saved here too: when the training has ended the averaged weights have replaced the trained ones
        last = trainer.should_stop or 0 <= trainer.max_steps <= trainer.global_step
        now = self.clock.used_s
        if now > self.last_s:
            self.took_s[self.between], self.last_s = now - self.last_s, now
        self.between = "validation" if trainer.global_step % int(trainer.val_check_batch or 1) == 0 else "step"
        if last or now - self.written_s + self.took_s[self.between] + self.took_s["checkpoint"] >= self.seconds:
            self.save(trainer)
            self.written_s = now
            self.between = "checkpoint" if self.between == "step" else self.between

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
        clock: of the run.
        frames: of all windows of a step, over all processes.

    Attributes:
        best: lowest error so far, mm.
        step: that of the weights, where the trainer only validates what was trained before.
    """

    def __init__(self, folder: Path, card: Card, clock: RunClock, frames: int) -> None:
        self.folder, self.card, self.clock, self.frames = folder, card, clock, frames
        self.best, self.step = float("inf"), 0

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare and save."""
        if trainer.sanity_checking or not isinstance(pl_module, LiftingModule) or not pl_module.validation:
            return
        scores = pl_module.scores()
        if scores[pl_module.selects] < self.best and trainer.is_global_zero:
            self.best = scores[pl_module.selects]
            self.write("best", pl_module, scores, trainer.global_step or self.step)

    def write(self, name: str, module: LiftingModule, scores: dict[str, float], step: int) -> None:
        """Write a record of the module's present weights."""
        amount = {"steps": step, "frames": step * self.frames, "minutes": round(self.clock.used_s / 60, 2)}
        card = replace(
            self.card,
            name=name,
            scores={"validation": {k: round(v, 2) for k, v in scores.items()}},
            training={**self.card.training, **amount},
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
            scores = read_card(self.folder / "best.yaml").scores["validation"]
            self.best = min(self.best, next(iter(scores.values())))  # what the weights were chosen by comes first
