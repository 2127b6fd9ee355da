"""Overlapping windows over a sequence, blended smoothly so that the result does not depend on where windows start."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Predict = Callable[[Float[Array, "B T J c"]], Float[Array, "B T J d"]]
_WHOLE = 2048  # frames per call of a network that takes any length


def window_starts(length: int, frames: int, hop: int, phase: int = 0) -> Array:
    """Return starts of windows of ``frames`` that cover [0, length) evenly: every frame lies in frames / hop of them.

    Starts may be negative and windows may extend past the end; there the end frame is repeated.

    Args:
        length: length of the sequence in frames.
        frames: T.
        hop: distance between neighbouring windows.
        phase: shifts all windows (0 <= phase < hop); the result must not depend on it.
    """
    shift = phase % hop
    return np.arange(shift - frames if shift else hop - frames, length, hop)


def blend_weights(frames: int) -> Float[Array, " T"]:
    """Return raised-cosine weights, since a window is most accurate in its middle; positive everywhere."""
    at = (np.arange(frames) + 0.5) / frames
    return np.sin(np.pi * at) ** 2 + 1e-3


def predict_blended(
    inputs: Float[Array, "L J c"], predict: Predict, *, frames: int, hop: int, batch: int, phase: int = 0
) -> Float[Array, "L J d"]:
    """Run ``predict`` on overlapping windows and average with ``blend_weights``.

    Args:
        inputs: the whole sequence.
        predict: maps (B, T, J, c) to (B, T, J, d).
        frames: T.
        hop: distance between neighbouring windows, at most ``frames``.
        batch: windows per call.
        phase: shift of all windows.
    """
    length = len(inputs)
    starts = window_starts(length, frames, hop, phase)
    weights = blend_weights(frames)
    total, weight = None, np.zeros(length)
    for first in range(0, len(starts), batch):
        chunk = starts[first : first + batch]
        index = np.clip(chunk[:, None] + np.arange(frames), 0, length - 1)
        output = predict(inputs[index])
        if total is None:
            total = np.zeros((length, *output.shape[2:]))
        for start, window in zip(chunk, output, strict=True):
            a, b = max(start, 0), min(start + frames, length)
            w = weights[a - start : b - start]
            total[a:b] += window[a - start : b - start] * w[:, None, None]
            weight[a:b] += w
    if total is None:
        raise ValueError("a sequence needs at least one frame")
    return total / weight[:, None, None]


def predict_frames(
    inputs: Float[Array, "L J c"],
    predict: Predict,
    *,
    frames: int,
    batch: int,
    causal: bool = False,
    whole: bool = False,
    step: int = 1,
) -> Float[Array, "L J d"]:
    """Run a network that returns one pose per window on the window around every frame.

    Before the first frame and after the last one, these two are repeated, whatever the step: the windows of every frame
    end on the sequence's own ends, as in P-STMO's and STCFormer's ``generator_tds.py``.

    Args:
        inputs: the whole sequence.
        predict: maps (B, T, J, c) to (B, 1, J, d).
        frames: T.
        batch: windows per call.
        causal: the pose belongs to the last frame of the window instead of its middle.
        whole: ``predict`` also takes longer windows and returns a pose for each full window of T in them (dilated
            convolutions), so that neighbouring windows share work.
        step: frames between neighbours inside a window.
    """
    length, before = len(inputs), frames - 1 if causal else frames // 2
    around = np.arange(-before, frames - before) * step
    at_once = max(batch, _WHOLE) if whole else batch
    made = None
    for phase in range(step if whole else 1):  # neighbours in a window share work only with those a step away
        all_wanted = np.arange(phase, length, step if whole else 1)
        for first in range(0, len(all_wanted), at_once):
            wanted = all_wanted[first : first + at_once]
            if whole:
                index = np.arange(wanted[0] + around[0], wanted[-1] + around[-1] + 1, step)[None]
            else:
                index = wanted[:, None] + around
            output = predict(inputs[np.clip(index, 0, length - 1)])
            if made is None:
                made = np.empty((length, *output.shape[2:]), output.dtype)
            made[wanted] = output[0] if whole else output[:, 0]
    if made is None:
        raise ValueError("a sequence needs at least one frame")
    return made
