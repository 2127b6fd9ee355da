"""The smallest run of a configuration: whether it trains at all, in seconds."""

from dataclasses import replace

from prml.networks import registry
from prml.training.config import FitConfig

STEPS, BATCH, FRAMES = 2, 2, 9


def smallest(config: FitConfig) -> FitConfig:
    """Return the configuration with the smallest sizes that its network states, for two steps.

    A network without small sizes keeps its own, and the window of the configuration if it is fixed. Weights to start
    from are left out: they are of another size.

    Raises:
        PrmlError: the configuration is wrong in itself.
    """
    entry = registry.entry(config.network.name)
    arguments, windows = dict(config.network.arguments), config.data.windows
    if entry.small:
        given = {"features"}  # channels of the image features, which the data determine
        arguments |= {k: v for k, v in entry.small.items() if k not in given}
        frames = int(entry.small.get("frames", FRAMES))
    else:
        frames = windows.frames if entry.fixed_window else min(windows.frames, FRAMES)
    small = replace(
        config,
        network=replace(config.network, arguments=arguments, start_from=None),
        data=replace(
            config.data,
            windows=replace(windows, frames=frames, batch=BATCH, stride=max(windows.stride, frames)),
            workers=0,
            validation_windows=BATCH,
        ),
        optimiser=replace(config.optimiser, warmup_steps=0),
        run=replace(
            config.run, epochs=1, max_steps=STEPS, minutes=0.0, validate_every=STEPS, progress=False, compile="never"
        ),
    )
    small.check()
    return small
