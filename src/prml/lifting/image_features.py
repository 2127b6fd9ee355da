"""Lift with image features, a few frames at a time, from a video or a cache."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from prml.batches.depth import standardised
from prml.errors import PrmlError
from prml.image_features.crops import RULE
from prml.image_features.source import Features, FeatureSource
from prml.sequence import PoseSequence
from prml.skeleton import H36M17
from prml.weights.record import Card

Array = np.ndarray
CHANNELS = 3  # x, y, confidence: a network of more is given relative depth too


def check_features(card: Card, source: FeatureSource | None, *, depth: bool = False) -> None:
    """Raise PrmlError unless the network was trained on these features; with ``depth`` it takes relative depth only."""
    if source is None and depth:
        raise PrmlError(
            f"{card.name} needs relative depth at the joints, not only keypoints: give the video with "
            "backbone=depth-anything and backbone_weights=..., or features=... for scoring"
        )
    if source is None:
        raise PrmlError(
            f"{card.network} needs image features, not only keypoints: give the video with "
            "backbone=... and backbone_weights=..., or features=... for scoring"
        )
    wanted = card.context.get("fingerprint")
    if wanted is not None and wanted != source.fingerprint:
        raise PrmlError(
            f"{card.name} was trained on features from {card.context.get('name')} {wanted[:12]}…, got features from "
            f"{source.fingerprint[:12]}…; give the backbone and weights that its cache was made with"
        )
    if card.context.get("crop", RULE) != RULE:
        raise PrmlError(f"{card.name} was trained on crops '{card.context['crop']}', expected '{RULE}'; train it again")


@torch.inference_mode()
def lift_frames(
    network: nn.Module,
    source: FeatureSource,
    sequence: PoseSequence,
    inputs: Float[Array, "n 17 c"],
    rows: Int[Array, " n"],
    *,
    flip: bool,
    device: torch.device,
) -> Float[Array, "n 17 3"]:
    """Run the network on single frames.

    Args:
        network: takes (x, joints in the crop, maps).
        source: source of the features.
        sequence: the sequence that the frames belong to.
        inputs: normalised 2D of the frames.
        rows: indices of the frames in the sequence.
        flip: average with the mirrored result of the mirrored crop.
        device: device of the network.
    """
    parts, done = [], 0
    for seen in source.features(sequence, rows, mirrored=flip):
        x = np.ascontiguousarray(inputs[done : done + len(seen.rows)], np.float32)
        done += len(seen.rows)
        joints = _run(network, x, seen.reference, seen.maps, device)
        if seen.mirrored is not None:
            other = _run(network, H36M17.flip(x), H36M17.flip(seen.reference), seen.mirrored, device)
            joints = (joints + H36M17.flip(other)) / 2
        parts.append(joints)
    return np.concatenate(parts)


def _run(network: nn.Module, x: Array, reference: Array, maps: list[Tensor], device: torch.device) -> Array:
    """Poses of single frames (n, 17, c), or of windows (B, T, 17, c) with the maps of all their frames."""
    single = x.ndim == 3
    given, places = (torch.from_numpy(np.ascontiguousarray(a, np.float32)).to(device) for a in (x, reference))
    if single:
        given, places = given[:, None], places[:, None]
    joints = network(given, places, [m.to(device) for m in maps])
    return np.asarray((joints[:, 0] if single else joints).float().cpu())


def nearest_frames(times_s: Float[Array, " T"], wanted_s: Float[Array, " L"]) -> Int[Array, " L"]:
    """For every wanted time the frame that is nearest to it."""
    after = np.clip(np.searchsorted(times_s, wanted_s), 1, max(1, len(times_s) - 1))
    after = np.minimum(after, len(times_s) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(wanted_s - times_s[before] <= times_s[after] - wanted_s, before, after)


class WindowFeatures:
    """The features of frames in order, held as long as windows may still look at them.

    Args:
        seen: of the frames 0, 1, 2, ... in batches.
    """

    def __init__(self, seen: Iterator[Features]) -> None:
        self._seen, self._held, self._start = seen, list[Features](), 0

    def at(self, frames: Int[Array, "B T"]) -> Features:
        """Features of the frames of windows, each as often as it is asked for; none before those of the last call."""
        stop = self._start + sum(len(part.rows) for part in self._held)
        while stop <= frames.max():
            part = next(self._seen, None)
            if part is None:
                raise PrmlError(f"the image features end before frame {int(frames.max())} of those that are lifted")
            self._held.append(part)
            stop += len(self._held[-1].rows)
        while self._start + len(self._held[0].rows) <= frames.min():
            self._start += len(self._held.pop(0).rows)
        which = frames.reshape(-1) - self._start

        def chosen(name: str) -> list[Tensor]:
            levels = zip(*(getattr(part, name) for part in self._held), strict=True)
            return [torch.cat(level)[torch.from_numpy(which)] for level in levels]

        reference = np.concatenate([part.reference for part in self._held])[which]
        mirrored = None if self._held[0].mirrored is None else chosen("mirrored")
        return Features(which, reference.reshape(*frames.shape, *reference.shape[1:]), chosen("maps"), mirrored)


def relative_depth(seen: Features) -> Float[Array, "*n 17"]:
    """Relative depth at the joints, standardised over those of a frame, of features that end with Depth Anything's."""
    places = torch.from_numpy(np.ascontiguousarray(seen.reference, np.float32))
    flat = places.reshape(-1, 1, *places.shape[-2:])
    sampled = torch.nn.functional.grid_sample(seen.maps[-1][:, :1], flat, padding_mode="border", align_corners=True)
    return standardised(sampled.view(places.shape[:-1]).numpy()).astype(np.float32)


@torch.inference_mode()
def lift_windows(
    network: nn.Module,
    inputs: Float[Array, "B T 17 c"],
    seen: Features,
    *,
    device: torch.device,
) -> Float[Array, "B T 17 3"]:
    """Run the network on windows with the features of their frames, averaged with the mirrored if those are given."""
    joints = _run(network, inputs, seen.reference, seen.maps, device)
    if seen.mirrored is None:
        return joints
    other = _run(network, H36M17.flip(inputs), H36M17.flip(seen.reference), seen.mirrored, device)
    return np.asarray((joints + H36M17.flip(other)) / 2)
