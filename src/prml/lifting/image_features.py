"""Lift with image features, a few frames at a time, from a video or a cache."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.image_features.crops import RULE
from prml.image_features.source import FeatureSource
from prml.sequence import PoseSequence
from prml.skeleton import H36M17
from prml.weights.record import Card

Array = np.ndarray


def check_features(card: Card, source: FeatureSource | None) -> None:
    """Raise PrmlError unless the network was trained on these features."""
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
    given, places = (torch.from_numpy(np.ascontiguousarray(a)).to(device)[:, None] for a in (x, reference))
    return np.asarray(network(given, places, [m.to(device) for m in maps])[:, 0].float().cpu())
