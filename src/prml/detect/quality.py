"""How much work to spend on detection: which model, and in how many frames."""

from typing import Literal

from prml.detect.registry import DetectorKind
from prml.errors import PrmlError

Quality = Literal["fast", "balanced", "best"]
FAST_PER_S = 15.0  # looks per second; people move little in between


def model_of(quality: Quality, kind: DetectorKind, model: str | None) -> str | None:
    """Return the model to detect with: the one that is given, or that of the quality; None for the default.

    ``fast`` takes the default, too: MediaPipe's lite model saves about a fifth of a look's time, and
    ``benchmarks/quality.py`` measures what it costs.

    Raises:
        PrmlError: the detector has no large model of its own, and none is given.
    """
    if model is not None or quality != "best":
        return model
    if kind.large is None:
        hint = f" ({kind.large_hint})" if kind.large_hint else ""
        raise PrmlError(f"quality=best needs a large model of the detector {kind.name}: give model=...{hint}")
    return kind.large


def every_of(quality: Quality, fps: float) -> int:
    """Return which frames are looked at, 1 for all and 2 for every second: about 15 per second if ``fast``."""
    return max(1, round(fps / FAST_PER_S)) if quality == "fast" else 1
