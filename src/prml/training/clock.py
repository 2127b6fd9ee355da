"""The clock of a run: how long it has trained over all its starts, and its end when its time is over."""

import time
from typing import Any

import lightning.pytorch as pl
import torch

from prml.errors import PrmlError

LOOK_EVERY = 20  # steps between looks at other processes or at values on devices where looking means waiting
_ESTIMATE_FROM = 10  # steps after the first two, which also compile and fill the loader


class RunClock(pl.Callback):
    """Wall time that a run has used, the same in all processes; a resumed run goes on from its checkpoint's.

    Everything counts from the start of a process on: opening the data, validations, checkpoints. What a killed process
    did after its last checkpoint does not.

    Args:
        minutes: end the run after so many; 0 never does.
        warmup_steps: of the schedule; the rest of the time belongs to what follows them.

    Attributes:
        used_s: as of the last step.
        warm_s: the time used at the end of the warm-up; None before.
    """

    def __init__(self, minutes: float = 0.0, warmup_steps: int = 0) -> None:
        self.limit_s, self.warmup_steps = 60 * minutes, warmup_steps
        self.used_s, self.warm_s = 0.0, None if warmup_steps else 0.0
        self._earlier_s, self._started = 0.0, time.monotonic()
        self._steady: tuple[int, float] | None = None  # step and time used when this process had taken two steps
        self._steps = 0

    @property
    def over(self) -> bool:
        """Whether the run has used its time."""
        return 0 < self.limit_s <= self.used_s

    @property
    def share(self) -> float:
        """Part of the time after the warm-up that has been used, 0 to 1; 0 for a run without a limit."""
        if not self.limit_s or self.warm_s is None:
            return 0.0
        return min(1.0, (self.used_s - self.warm_s) / max(1e-6, self.limit_s - self.warm_s))

    def read(self) -> float:
        """Seconds used until now by this process's own clock."""
        return self._earlier_s + time.monotonic() - self._started

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Look at the clock; stop the run when its time is over.

        Raises:
            PrmlError: the warm-up will not have ended when the time does.
        """
        self._look(trainer, pl_module.device)
        self._steps += 1
        if self.warm_s is None and self.limit_s:
            self._check_warmup(trainer.global_step)
        if self.warm_s is None and trainer.global_step >= self.warmup_steps:
            self.warm_s = self.used_s
        if self.over:
            trainer.should_stop = True

    def _look(self, trainer: pl.Trainer, device: torch.device) -> None:
        if trainer.world_size == 1:
            self.used_s = self.read()
        elif device.type == "cpu" or trainer.global_step % LOOK_EVERY == 0:
            mine = torch.tensor(self.read(), dtype=torch.float64, device=device)
            self.used_s = float(trainer.strategy.reduce(mine, reduce_op="max"))

    def _check_warmup(self, step: int) -> None:
        if self._steps == 2:
            self._steady = step, self.used_s
        expected = self.used_s
        if self._steady is not None and (taken := step - self._steady[0]) >= _ESTIMATE_FROM:
            expected += (self.warmup_steps - step) * (self.used_s - self._steady[1]) / taken
        if expected >= self.limit_s and step < self.warmup_steps:
            raise PrmlError(
                f"run.minutes {self.limit_s / 60:g} is too short for optimiser.warmup_steps {self.warmup_steps}: "
                f"{step} steps took {self.used_s:.0f} s; raise run.minutes or lower optimiser.warmup_steps"
            )

    def state_dict(self) -> dict[str, Any]:
        """The time used, up to now."""
        return {"used_s": self.read(), "warm_s": self.warm_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the time that a checkpoint had used; what this process has used counts too."""
        self._earlier_s, self.warm_s = float(state_dict["used_s"]), state_dict["warm_s"]
        self.used_s = self._earlier_s
