"""Speed of the engines that compute a network, and what they change: what ``prml bench --engines`` measures."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from prml.backends.registry import DEFAULT, ENGINES, get_engine
from prml.backends.whole import Whole
from prml.bench.matrix import best_seconds
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.score import Conditions, score_lifter
from prml.lifting.lifter import Lifter, load
from prml.networks import registry
from prml.weights import DEFAULT as WEIGHTS

Array = np.ndarray
PROTOCOL, CLIPS = "mocap-noisy", 20
WINDOWS = 64  # on which single joints are compared
CHANGE_BAR_MM, SPEED_BAR = 0.5, 3.5
FAST, AGAINST = "prml", "motionbert"


def bench_engines(
    *, weights: str = WEIGHTS, clips: int = CLIPS, repeats: int = 5, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measure every engine with bundled weights, and with PrML's network at T = 243 beside MotionBERT in float32.

    Args:
        weights: bundled name or path of a record.
        clips: clips of the protocol ``mocap-noisy`` that are scored.
        repeats: runs of each; the best counts.
        progress: called with the name of the next measurement.

    Returns:
        ``weights`` with a row per engine: ``frames_per_second`` of one pass over a batch of windows, ``mpjpe_mm`` and
        ``change_mm``, how far joints move on average and at most (``moved_mm``, ``most_moved_mm``); ``networks``
        with the frames/s of T = 243; ``left_out`` with the reason why an engine could not be measured; and ``bars``.
    """
    plain = load(weights, flip=False)
    windows = _windows(plain, clips)
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    for name in ENGINES:
        progress(f"{plain.card.name} with {name}")
        try:
            lifter = load(weights, flip=False, engine=name)
        except PrmlError as error:
            left_out[name] = str(error)
            continue
        rows.append({"engine": name, **_row(plain, lifter, windows, clips, repeats)})
    for row in rows:
        row["change_mm"] = row["mpjpe_mm"] - rows[0]["mpjpe_mm"]
    networks = _networks([row["engine"] for row in rows], repeats, progress)
    made = {"weights": plain.card.name, "protocol": PROTOCOL, "clips": clips, "batch": plain.options.batch}
    return made | {"engines": rows, "networks": networks, "left_out": left_out, "bars": bars(rows, networks)}


def _windows(lifter: Lifter, clips: int) -> Float[Array, "n T J c"]:
    """Return windows that a network reads under the protocol."""
    seen: list[Array] = []

    class Noting(Lifter):
        def predict(self, windows: Array, cache: Any = None) -> Array:
            seen.append(windows)
            return super().predict(windows, cache)

    noting = Noting.__new__(Noting)
    noting.__dict__.update(lifter.__dict__)
    score_lifter(noting, Conditions(protocols.get(PROTOCOL), flip=False, limit=min(clips, 3)))
    return np.concatenate(seen)[:WINDOWS]


def _row(plain: Lifter, lifter: Lifter, windows: Array, clips: int, repeats: int) -> dict[str, Any]:
    score = score_lifter(lifter, Conditions(protocols.get(PROTOCOL), flip=False, limit=clips))
    moved = 1000 * np.linalg.norm(lifter.predict(windows)[..., :3] - plain.predict(windows)[..., :3], axis=-1)
    batch = windows[: plain.options.batch]
    seconds = best_seconds(partial(lifter.predict, batch), repeats)
    return {
        "frames_per_second": batch.shape[0] * batch.shape[1] / seconds,
        "mpjpe_mm": float(score.scores["mpjpe"]),
        "moved_mm": float(moved.mean()),
        "most_moved_mm": float(moved.max()),
    }


def _networks(engines: Sequence[str], repeats: int, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Frames/s of MotionBERT in float32 and of PrML's network with every engine, one window of random input."""
    found = []
    for name, engine in [(AGAINST, DEFAULT), *((FAST, engine) for engine in engines)]:
        progress(f"{name} with {engine}")
        network = registry.build(name).eval()
        shape = (network.frames, network.joints, network.in_channels)
        x = np.random.default_rng(0).random((1, *shape), np.float32) * 2 - 1
        if engine == DEFAULT:
            with torch.inference_mode():
                seconds = best_seconds(partial(network, torch.from_numpy(x)), repeats)
        else:
            whole = Whole(network, None, torch.ones(shape[1], 3))
            seconds = best_seconds(partial(get_engine(engine).open(whole, shape), x), repeats)
        found.append({"network": name, "engine": engine, "frames_per_second": shape[0] / seconds})
    return found


def bars(rows: Sequence[dict[str, Any]], networks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each limit, the measured value and whether it is met."""
    found = [
        {
            "bar": f"{row['engine']}: change of MPJPE in mm, at most",
            "measured": abs(row["change_mm"]),
            "limit": CHANGE_BAR_MM,
            "met": abs(row["change_mm"]) <= CHANGE_BAR_MM,
        }
        for row in rows[1:]
    ]
    best = max(networks[1:], key=lambda row: row["frames_per_second"])
    ratio = best["frames_per_second"] / networks[0]["frames_per_second"]
    words = f"{FAST} with {best['engine']}: frames/s relative to {AGAINST} in float32, at least"
    return [*found, {"bar": words, "measured": ratio, "limit": SPEED_BAR, "met": ratio >= SPEED_BAR}]


def summary(record: dict[str, Any]) -> Sequence[str]:
    """Return the record as lines of text."""
    said = [f"engines: {record['weights']}, {record['clips']} clips of {record['protocol']}"]
    for row in record["engines"]:
        said.append(
            f"  {row['engine']}: {row['frames_per_second']:.0f} frames/s; MPJPE {row['mpjpe_mm']:.2f} mm "
            f"({row['change_mm']:+.2f}); joints move {row['moved_mm']:.2f} mm, at most {row['most_moved_mm']:.1f}"
        )
    said += [
        f"  {row['network']} at its own T with {row['engine']}: {row['frames_per_second']:.0f} frames/s"
        for row in record["networks"]
    ]
    said += [f"  {name} left out: {reason}" for name, reason in record["left_out"].items()]
    said += [
        f"bar: {bar['bar']} {bar['limit']:.2f}; measured {bar['measured']:.2f}: {'met' if bar['met'] else 'not met'}"
        for bar in record["bars"]
    ]
    return said
