"""Features before the regression heads at chosen moments: F_2D and F_D of PrML, the one feature of other networks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.sequence import PoseSequence

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter
    from prml.networks.base import Network

_BATCH = 16
_SLACK = 1e-6  # of a step between two frames, against rounding


@dataclass(frozen=True)
class Moment:
    """A frame of a sequence.

    Attributes:
        sequence: with the 2D that networks see.
        frame: its number.
    """

    sequence: PoseSequence
    frame: int


def random_moments(sequences: Iterable[PoseSequence], count: int, rng: np.random.Generator) -> list[Moment]:
    """Draw frames without repetition, every frame of all sequences equally likely; sequences are read once.

    Raises:
        PrmlError: fewer frames than that have a person.
    """
    kept: list[tuple[float, int, Moment]] = []
    for number, sequence in enumerate(sequences):
        draws = np.where(_present(sequence), rng.random(len(sequence)), np.inf)
        rows = [row for row in np.argsort(draws, kind="stable")[:count] if np.isfinite(draws[row])]
        new = [(float(draws[row]), number, Moment(sequence, int(row))) for row in rows]
        kept = nsmallest(count, [*kept, *new], key=lambda one: one[:2])
    if len(kept) < count:
        raise PrmlError(f"{count} frames are to be drawn, the data have {len(kept)} with a person; give frames=...")
    return [moment for _, _, moment in sorted(kept, key=lambda one: (one[1], one[2].frame))]


def consecutive_moments(sequences: Iterable[PoseSequence], count: int, rng: np.random.Generator) -> list[Moment]:
    """Draw one stretch of consecutive frames from a sequence that is long enough, each equally likely.

    Raises:
        PrmlError: no sequence is as long.
    """
    chosen, smallest, longest = None, np.inf, 0
    for sequence in sequences:
        present = _present(sequence)
        inside = np.convolve(present, np.ones(count), "valid") if len(present) >= count else np.zeros(0)
        starts = np.flatnonzero(inside >= count - 0.5)
        longest = max(longest, len(sequence))
        if len(starts) and (draw := rng.random()) < smallest:
            chosen, smallest = (sequence, int(rng.choice(starts))), draw
    if chosen is None:
        raise PrmlError(f"no sequence has {count} consecutive frames, the longest has {longest}; give frames=...")
    sequence, start = chosen
    return [Moment(sequence, start + i) for i in range(count)]


def situations(
    sequences: Iterable[PoseSequence], count: int, number: int, rng: np.random.Generator
) -> dict[str, list[Moment]]:
    """Draw frames of each of the actions that have the most frames.

    Raises:
        PrmlError: no action has as many frames.
    """
    by_action: dict[str, list[PoseSequence]] = {}
    for sequence in sequences:
        by_action.setdefault(sequence.action or sequence.source or "all", []).append(sequence)
    frames = {action: sum(int(_present(s).sum()) for s in found) for action, found in by_action.items()}
    enough = sorted((a for a in frames if frames[a] >= count), key=lambda a: (-frames[a], a))[:number]
    if not enough:
        raise PrmlError(f"no action has {count} frames with a person, at most {max(frames.values(), default=0)}")
    return {action: random_moments(by_action[action], count, rng) for action in enough}


def _present(sequence: PoseSequence) -> Bool[np.ndarray, " T"]:
    if sequence.keypoints_px is None:
        raise PrmlError(f"{sequence.name or 'the sequence'} has no 2D keypoints to lift")
    return np.asarray(np.isfinite(sequence.keypoints_px[:, :17]).all((1, 2)))


# ---------------------------------------------------------------------- features
def features_of(lifter: "Lifter", moments: Sequence[Moment], joints: int = 17) -> dict[str, Float[np.ndarray, "N J C"]]:
    """Return features at some moments, each the middle of a window of its own (the last frame of a causal network's).

    Args:
        lifter: its window and frame rate are used; nothing is averaged with the mirrored input.
        moments: where.
        joints: the first so many joints; a network with one feature per frame gives one for all of them.

    Returns:
        "2D" and "depth" of a network with two branches, "entangled" of any other.

    Raises:
        PrmlError: the network needs pictures, or has no regression head whose input could be read.
    """
    network = lifter.network
    if network.image_channels:
        raise PrmlError(f"{lifter.card.name} needs image features, which this figure does not have; choose others")
    windows = np.stack(list(_windows(lifter, moments)))
    parts = [_forward(network, torch.from_numpy(windows[i : i + _BATCH])) for i in range(0, len(windows), _BATCH)]
    return {name: np.concatenate([part[name] for part in parts])[:, :joints] for name in parts[0]}


def _windows(lifter: "Lifter", moments: Sequence[Moment]) -> Iterable[Float[np.ndarray, "T J c"]]:
    """Yield the window around each moment: frames at the network's rate through it, the end frames repeated."""
    step, frames = 1 / lifter.card.fps, lifter.card.window
    middle = frames - 1 if lifter.output == "last" else frames // 2
    made: dict[tuple[int, int], Float[np.ndarray, "L J c"]] = {}
    for moment in moments:
        times = moment.sequence.times_s
        before = int((times[moment.frame] - times[0]) / step + _SLACK)
        first = float(times[moment.frame]) - before * step
        key = id(moment.sequence), round((first - float(times[0])) / step * 1e4)
        if key not in made:  # frames that are a whole number of steps apart share their grid
            count = int((times[-1] - first) / step + _SLACK) + 1
            made[key] = lifter.inputs(moment.sequence, np.clip(first + np.arange(count) * step, times[0], times[-1]))
        rows = before - middle + np.arange(frames)
        yield made[key][np.clip(rows, 0, len(made[key]) - 1)]


@torch.inference_mode()
def _forward(network: "Network", windows: Float[Tensor, "B T J c"]) -> dict[str, Float[np.ndarray, "B J C"]]:
    device = next(network.parameters()).device
    x = windows.float().to(device)
    if network.support_widths is not None and network.two_heads:
        _, features = network(x, features=True)
        middle = x.shape[1] // 2
        return {
            name: f[:, middle].float().cpu().numpy() for name, f in (("2D", features.f_2d), ("depth", features.f_d))
        }
    if not network.HEADS:
        raise PrmlError(f"{type(network).__name__} names no regression head, so that its feature cannot be read")
    head = network.get_submodule(network.HEADS[0])
    seen: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        network(x)
    finally:
        handle.remove()
    return {"entangled": _middle(seen[0], head, network).float().cpu().numpy()}


def _middle(feature: Tensor, head: nn.Module, network: "Network") -> Float[Tensor, "B J C"]:
    """The feature of the window's frame, per joint, or one for all joints (J = 1)."""
    outputs = [m.out_features for m in head.modules() if isinstance(m, nn.Linear)]
    per_joint = sum(outputs[-2:] if len(outputs) > 1 and outputs[-1] < 3 else outputs[-1:]) == 3
    if feature.ndim == 4:
        return feature[:, feature.shape[1] // 2]
    if feature.ndim == 3 and per_joint:
        return feature
    return feature[:, feature.shape[1] // 2, None] if feature.ndim == 3 else feature[:, None]
