"""Learning-rate schedules as functions of the step and, for a run that ends by the clock, of its time."""

import math

from prml.training.config import OptimiserConfig


def rate_factor(
    step: int, options: OptimiserConfig, steps_per_epoch: int, total_steps: int, share_of_time: float = 0.0
) -> float:
    """What the learning rate is multiplied by at ``step`` (0-based).

    Args:
        step: of the run.
        options: which schedule.
        steps_per_epoch: for the exponential one.
        total_steps: of the run; -1 for a run that only the clock ends.
        share_of_time: part of the time after the warm-up that has been used (``RunClock.share``).
    """
    if step < options.warmup_steps:
        return (step + 1) / options.warmup_steps
    if options.schedule == "exponential":
        epochs = step // max(1, steps_per_epoch)
        large = epochs // options.step_every if options.step_every else 0
        return options.decay ** (epochs - large) * options.step_decay**large
    done = (step - options.warmup_steps) / max(1, total_steps - options.warmup_steps) if total_steps > 0 else 0.0
    left = 0.5 * (1 + math.cos(math.pi * min(1.0, max(done, share_of_time))))
    return options.lowest + (1 - options.lowest) * left
