"""Learning-rate schedules as functions of the step."""

import math

from prml.training.config import OptimiserConfig


def rate_factor(step: int, options: OptimiserConfig, steps_per_epoch: int, total_steps: int) -> float:
    """What the learning rate is multiplied by at ``step`` (0-based)."""
    if step < options.warmup_steps:
        return (step + 1) / options.warmup_steps
    if options.schedule == "exponential":
        return options.decay ** (step // max(1, steps_per_epoch))
    done = (step - options.warmup_steps) / max(1, total_steps - options.warmup_steps)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
