"""Smoothing in time: zero-lag Butterworth and Savitzky-Golay filters for files, the One-Euro filter for live use."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float

from prml.filters.resample import frame_rate, interpolate, network_times, stretches

Array = np.ndarray
Kind = Literal["butterworth", "savitzky-golay", "one-euro"]

_POLES = 2  # of one pass; the filter runs forwards and backwards, which doubles them
_TWICE = (2**0.5 - 1) ** 0.25  # how far a second pass moves the cut-off (Winter, 2009, Biomechanics, 2.2.4.4)
_DEGREE = 3  # of the polynomials of a Savitzky-Golay filter
_MAX_HALF = 500  # frames on each side of it


def butterworth(values: Float[Array, "T *c"], times_s: Float[Array, " T"], cutoff_hz: float) -> Float[Array, "T *c"]:
    """Low-pass an unbroken stretch with a Butterworth filter of fourth order that does not delay it.

    The amplitude at ``cutoff_hz`` falls to 71 % over both passes. Ends are extended by point reflection. Uneven times
    are resampled before and after. A stretch too short for the filter, and a cut-off that the frame rate cannot hold,
    leave the values as they are.
    """
    rate = _rate(times_s)
    if cutoff_hz >= 0.95 * 0.5 * rate * _TWICE:
        return values
    from scipy.signal import butter, sosfiltfilt

    sections = butter(_POLES, cutoff_hz / _TWICE, fs=rate, output="sos")
    pad = int(np.ceil(rate / cutoff_hz)) + 1

    def run(given: Array) -> Array:
        return np.asarray(sosfiltfilt(sections, given, axis=0, padlen=min(len(given) - 1, pad)))

    return _evenly(values, times_s, rate, run)


def savitzky_golay(values: Float[Array, "T *c"], times_s: Float[Array, " T"], cutoff_hz: float) -> Float[Array, "T *c"]:
    """Low-pass an unbroken stretch by cubics fitted to a window around every frame (Savitzky and Golay, 1964).

    The window is the one whose amplitude at ``cutoff_hz`` is nearest to 71 %; it keeps parabolas exactly and peaks
    better than a Butterworth filter, and lets some noise beyond the cut-off pass. Times as for :func:`butterworth`; a
    stretch shorter than the window gets a shorter one.
    """
    rate = _rate(times_s)
    half = min(half_window(cutoff_hz / rate), (len(values) - 1) // 2) if cutoff_hz < 0.5 * rate else 0
    if 2 * half < _DEGREE + 1:
        return values
    from scipy.signal import savgol_filter

    return _evenly(values, times_s, rate, lambda given: np.asarray(savgol_filter(given, 2 * half + 1, _DEGREE, axis=0)))


def half_window(cutoff: float) -> int:
    """Return the frames on each side of the window whose gain at ``cutoff``, per frame, is nearest to 71 %.

    0 if the smallest window that smooths is already too long.
    """
    from scipy.signal import savgol_coeffs

    best, nearest = 0, 1 - 0.5**0.5
    for half in range(_DEGREE // 2 + 1, _MAX_HALF):
        window = savgol_coeffs(2 * half + 1, _DEGREE)
        gain = float(window @ np.cos(2 * np.pi * cutoff * np.arange(-half, half + 1)))
        if abs(gain - 0.5**0.5) < nearest:
            best, nearest = half, abs(gain - 0.5**0.5)
        if gain < 0.5:
            break
    return best


def _rate(times_s: Float[Array, " T"]) -> float:
    """Frames per second of a stretch; 0 for a single frame, which no filter changes."""
    return frame_rate(times_s, 1 / float(np.median(np.diff(times_s)))) if len(times_s) > 1 else 0.0


def _evenly(
    values: Float[Array, "T *c"], times_s: Float[Array, " T"], rate: float, run: Callable[[Array], Array]
) -> Float[Array, "T *c"]:
    """Run a filter on even times and return to the given ones."""
    even = network_times(times_s, rate)
    given = interpolate(np.asarray(values, np.float64), times_s, even)
    return interpolate(run(given), even, times_s).astype(values.dtype, copy=False)


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
    smooth, out = OneEuro(cutoff_hz, slope), np.empty(values.shape)
    for k, time_s in enumerate(times_s):
        out[k] = smooth(values[k], float(time_s))
    return out.astype(values.dtype, copy=False)


class OneEuro:
    """The One-Euro filter for values that come one by one; the arguments are those of :func:`one_euro`."""

    def __init__(self, cutoff_hz: float, slope: float = 2.0) -> None:
        self._cutoff_hz, self._slope = cutoff_hz, slope
        self.reset()

    def reset(self) -> None:
        """Forget what was seen; the next value starts a stretch."""
        self._last: Array | None = None
        self._speed: Array = np.zeros(())
        self._time_s = 0.0

    def __call__(self, value: Float[Array, "*c"], time_s: float) -> Float[Array, "*c"]:
        """Return the smooth value at a time, which must be later than the one before."""
        given = np.array(value, np.float64)
        if self._last is None:
            self._last, self._speed = given, np.zeros(given.shape)
        else:
            step = time_s - self._time_s
            self._speed = self._speed + _share(1.0, step) * ((given - self._last) / step - self._speed)
            share = _share(self._cutoff_hz + self._slope * np.abs(self._speed), step)
            self._last = self._last + share * (given - self._last)
        self._time_s = time_s
        return self._last


def _share(cutoff_hz: Array | float, step_s: float) -> Array:
    """Weight of a new value in exponential smoothing with this cut-off."""
    turn = 2 * np.pi * np.asarray(cutoff_hz) * step_s
    return np.asarray(turn / (turn + 1))


def smoothed(
    values: Float[Array, "T *c"], times_s: Float[Array, " T"], cutoff_hz: float, kind: Kind = "butterworth"
) -> Float[Array, "T *c"]:
    """Smooth every stretch of finite frames apart; frames with NaN stay as they are.

    Args:
        values: any number per frame; a frame counts if all of them are finite.
        times_s: increasing; a stretch ends where they jump.
        cutoff_hz: cut-off.
        kind: the filter.
    """
    out = np.array(values)
    present = np.isfinite(out).reshape(len(out), -1).all(1)
    for part in stretches(present, times_s):
        out[part] = _FILTERS[kind](out[part], times_s[part], cutoff_hz)
    return out


_FILTERS: dict[Kind, Callable[[Array, Array, float], Array]] = {
    "butterworth": butterworth,
    "savitzky-golay": savitzky_golay,
    "one-euro": one_euro,
}


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
