"""Smoothing in time: a zero-lag Butterworth filter for files, and the One-Euro filter where the future is unknown."""

import numpy as np
from jaxtyping import Float

from prml.filters.resample import frame_rate, interpolate, network_times, stretches

Array = np.ndarray

_POLES = 2  # of one pass; the filter runs forwards and backwards, which doubles them
_TWICE = (2**0.5 - 1) ** 0.25  # how far a second pass moves the cut-off (Winter, 2009, Biomechanics, 2.2.4.4)
_EVEN = 0.1  # of a frame: unevenness of times that is ignored


def butterworth(values: Float[Array, "T *c"], times_s: Float[Array, " T"], cutoff_hz: float) -> Float[Array, "T *c"]:
    """Low-pass an unbroken stretch with a Butterworth filter of fourth order that does not delay it.

    The amplitude at ``cutoff_hz`` falls to 71 % over both passes. Ends are extended by point reflection. Uneven times
    are resampled before and after. A stretch too short for the filter, and a cut-off that the frame rate cannot hold,
    leave the values as they are.
    """
    if len(values) < 2:
        return values
    rate = frame_rate(times_s, 1 / float(np.median(np.diff(times_s))))
    highest = 0.5 * rate * _TWICE
    if cutoff_hz >= 0.95 * highest:
        return values
    from scipy.signal import butter, sosfiltfilt

    even = network_times(times_s, rate)
    given = interpolate(np.asarray(values, np.float64), times_s, even)
    sections = butter(_POLES, cutoff_hz / _TWICE, fs=rate, output="sos")
    pad = min(len(given) - 1, int(np.ceil(rate / cutoff_hz)) + 1)
    smooth = sosfiltfilt(sections, given, axis=0, padlen=pad)
    return interpolate(smooth, even, times_s).astype(values.dtype, copy=False)


def one_euro(
    values: Float[Array, "T *c"], times_s: Float[Array, " T"], cutoff_hz: float, slope: float = 2.0
) -> Float[Array, "T *c"]:
    """Low-pass a stretch with the One-Euro filter, which uses the past only (Casiez et al., 2012).

    Args:
        values: metres; the cut-off follows their speed.
        times_s: increasing.
        cutoff_hz: cut-off at rest.
        slope: how much the cut-off rises with the speed, Hz per m/s.
    """
    out = np.array(values, np.float64)
    speed = np.zeros(out.shape[1:])
    for k in range(1, len(out)):
        step = times_s[k] - times_s[k - 1]
        speed += _share(1.0, step) * ((values[k] - out[k - 1]) / step - speed)
        out[k] = out[k - 1] + _share(cutoff_hz + slope * np.abs(speed), step) * (values[k] - out[k - 1])
    return out.astype(values.dtype, copy=False)


def _share(cutoff_hz: Array | float, step_s: float) -> Array:
    """Weight of a new value in exponential smoothing with this cut-off."""
    turn = 2 * np.pi * np.asarray(cutoff_hz) * step_s
    return np.asarray(turn / (turn + 1))


def smoothed(
    values: Float[Array, "T *c"], times_s: Float[Array, " T"], cutoff_hz: float, causal: bool = False
) -> Float[Array, "T *c"]:
    """Smooth every stretch of finite frames apart; frames with NaN stay as they are.

    Args:
        values: any number per frame; a frame counts if all of them are finite.
        times_s: increasing; a stretch ends where they jump.
        cutoff_hz: cut-off.
        causal: the One-Euro filter instead of the Butterworth filter.
    """
    out = np.array(values)
    present = np.isfinite(out).reshape(len(out), -1).all(1)
    for part in stretches(present, times_s):
        run = one_euro if causal else butterworth
        out[part] = run(out[part], times_s[part], cutoff_hz)
    return out


def smoothed_joints(
    values: Float[Array, "T J c"], times_s: Float[Array, " T"], cutoff_hz: float
) -> Float[Array, "T J c"]:
    """Smooth every joint apart, so that one that was not found does not cost the others their frame."""
    present = np.isfinite(values).all(-1)
    if (present.all(1) | ~present.any(1)).all():
        return smoothed(values, times_s, cutoff_hz)
    columns = [smoothed(values[:, joint], times_s, cutoff_hz) for joint in range(values.shape[1])]
    return np.stack(columns, 1)


def jitter_m(joints_m: Float[Array, "T J 3"], times_s: Float[Array, " T"]) -> float:
    """Mean distance of a joint from the middle of its neighbours in time, metres at 30 frames/s; NaN below 3 frames.

    Second differences are scaled by the square of the frame rate, so that videos of any rate compare.
    """
    steps = np.diff(times_s)
    if len(steps) < 2:
        return float("nan")
    before, after = steps[:-1, None, None], steps[1:, None, None]
    speed = np.diff(joints_m, axis=0) / steps[:, None, None]
    bend = 2 * (speed[1:] - speed[:-1]) / (before + after)
    size = np.linalg.norm(bend, axis=-1) / 2 / 30**2
    size = size[np.isfinite(size)]
    return float(size.mean()) if len(size) else float("nan")
