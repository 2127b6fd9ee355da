"""Weights are records: a safetensors file and a model card (YAML) beside it. A file without its card is refused.

``name.safetensors`` holds the network's tensors under ``network.`` and, if there is one, the head that predicts
standard deviations under ``uncertainty.``; ``name.yaml`` says what they are. The card holds the SHA-256 of the weights
file.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.io.files import write_file
from prml.networks import registry
from prml.networks.base import Network
from prml.weights.card import OPEN, OUTPUTS, SCHEMA, Card, bundled, find_record, read_card

__all__ = [
    "OPEN",
    "OUTPUTS",
    "SCHEMA",
    "Card",
    "Record",
    "bundled",
    "check_finite",
    "find_record",
    "load_record",
    "read_card",
    "save_record",
]


@dataclass(frozen=True)
class Record:
    """A loaded record: network in evaluation mode, uncertainty head or None, card."""

    network: Network
    uncertainty: nn.Module | None
    card: Card


def save_record(
    directory: str | os.PathLike[str],
    card: Card,
    network: nn.Module | Mapping[str, Tensor],
    uncertainty: nn.Module | None = None,
    *,
    half: bool = False,
) -> Path:
    """Write ``card.name``.safetensors and .yaml; returns the card's path.

    Args:
        directory: created if missing.
        card: its ``sha256`` is filled in here.
        network: module or its state dict.
        uncertainty: head that gives standard deviations, if any.
        half: store floating tensors as float16.
    """
    from safetensors.torch import save

    state = network.state_dict() if isinstance(network, nn.Module) else network
    tensors = {f"network.{k}": v for k, v in state.items()}
    if uncertainty is not None:
        tensors |= {f"uncertainty.{k}": v for k, v in uncertainty.state_dict().items()}
    ready = {
        k: (v.detach().half() if half and v.is_floating_point() else v.detach()).contiguous().cpu().clone()
        for k, v in tensors.items()
    }
    data = save(ready, metadata={"schema": SCHEMA, "name": card.name})
    record = {**asdict(card), "sha256": hashlib.sha256(data).hexdigest()}
    path = Path(directory) / f"{card.name}.yaml"
    write_file(path.with_suffix(".safetensors"), data, overwrite=True)
    write_file(path, yaml.safe_dump(record, sort_keys=False, allow_unicode=True, width=120), overwrite=True)
    return path


def load_record(name: str | os.PathLike[str]) -> Record:
    """Load a record by bundled name or path, strictly.

    Raises PrmlError if the card is missing or does not fit, if the file's hash is not the card's, or if any tensor is
    missing, left over or of another shape than the card's network wants.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = find_record(name)
    card = read_card(path)
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise PrmlError(f"{path.name} has no weights: expected {weights.name} beside it")
    data = weights.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != card.sha256:
        raise PrmlError(
            f"{weights.name} is not the file its card describes: "
            f"sha256 {card.sha256[:12]}… expected, {found[:12]}… found"
        )
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise PrmlError(f"{weights.name} is not a safetensors file: {error}") from error
    check_finite(tensors, weights.name)
    network = registry.build(card.network, **card.arguments)
    _check_window(card, network.frames, path.name)
    _fill(network, tensors, "network.", path.name)
    return Record(network.eval(), _uncertainty(card, tensors, path.name), card)


def check_finite(state: Mapping[str, Tensor], origin: str) -> None:
    """Raise PrmlError that names the first tensor with values that are not numbers: the training had gone astray."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise PrmlError(
                f"{origin}: the tensor {name!r} holds values that are not numbers (NaN or infinite); these weights are "
                "of a training that failed, get others"
            )


def _check_window(card: Card, frames: int, origin: str) -> None:
    fixed = registry.entry(card.network).fixed_window
    if card.window > frames or (fixed and card.window < frames):
        takes = f"{frames} frames only" if fixed else f"at most {frames} frames"
        raise PrmlError(f"{origin} says window {card.window}, but its network takes windows of {takes}")


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str, origin: str) -> None:
    state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    wanted = module.state_dict()
    wrong = [k for k in wanted if k not in state or state[k].shape != wanted[k].shape] + [
        k for k in state if k not in wanted
    ]
    if wrong:
        raise PrmlError(
            f"{origin} does not fit its weights: {len(wrong)} tensors differ, the first is {prefix}{wrong[0]}"
        )
    module.load_state_dict({k: v.to(wanted[k].dtype) for k, v in state.items()})


def _uncertainty(card: Card, tensors: Mapping[str, Tensor], origin: str) -> nn.Module | None:
    if not card.uncertainty:
        return None
    from prml.objectives.uncertainty import PoseUncertainty

    head = PoseUncertainty(**card.uncertainty)
    _fill(head, tensors, "uncertainty.", origin)
    return head.eval()
