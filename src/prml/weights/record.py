"""Weights records: a safetensors file with a model card (YAML) next to it. A file without a card is refused.

``name.safetensors`` has the network's tensors under ``network.`` and, if there is one, those of the head that predicts
standard deviations under ``uncertainty.``; ``name.yaml`` describes them. The card has the SHA-256 of the weights file,
and the file records those entries of the card that determine the meaning of its numbers (:mod:`prml.weights.meaning`).
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.io.files import write_file
from prml.io.guard import guarded, what_instead
from prml.networks import registry
from prml.networks.base import Network
from prml.weights.card import OPEN, OUTPUTS, SCHEMA, Card, bundled, find_record, read_card
from prml.weights.checks import (
    build_head,
    check_arguments,
    check_names,
    check_shapes,
    check_tensors,
    check_window,
)
from prml.weights.meaning import BUNDLED, check_meaning, stamp, stated_meaning

__all__ = [
    "OPEN",
    "OUTPUTS",
    "SCHEMA",
    "Card",
    "Record",
    "bundled",
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
    """Write ``card.name``.safetensors and .yaml; return the path of the card.

    Args:
        directory: created if missing.
        card: its ``sha256`` is set here.
        network: module or its state dict.
        uncertainty: head that predicts standard deviations, if any.
        half: store floating-point tensors as float16.
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
    check_tensors(ready, card.name)
    record = asdict(card)
    data = save(ready, metadata=stamp(record))
    record["sha256"] = hashlib.sha256(data).hexdigest()
    path = Path(directory) / f"{card.name}.yaml"
    write_file(path.with_suffix(".safetensors"), data, overwrite=True)
    write_file(path, yaml.safe_dump(record, sort_keys=False, allow_unicode=True, width=120), overwrite=True)
    return path


def load_record(name: str | os.PathLike[str]) -> Record:
    """Load a record by bundled name or path, strictly.

    Raises PrmlError if the card is missing or does not fit, the hash of the file differs from the card, the card was
    edited where it determines the meaning of the weights, or a tensor is missing, unexpected, of an unusual type, not
    finite, or of the wrong shape for the card's network. Shapes are checked before anything large is allocated.
    """
    path = find_record(name)
    card = read_card(path)
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise PrmlError(f"{path.name} has no weights: expected {weights.name} next to it")
    tensors, stated = _read_weights(weights, card)
    trusted = stated is not None and card.sha256 in BUNDLED
    if not trusted:
        check_arguments(card, tensors, path.name)
    network = registry.build(card.network, **card.arguments)
    check_window(card, network.frames, path.name)
    if stated is not None:
        check_meaning(asdict(card), stated, path.name)
    check_names(tensors, ("network.", "uncertainty.") if card.uncertainty else ("network.",), weights.name)
    _fill(network, tensors, "network.", path.name)
    return Record(network.eval(), _uncertainty(card, tensors, path.name), card)


def _read_weights(path: Path, card: Card) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Return the tensors of a file, checked to be finite and of usual types, and their stated meaning, if any."""
    from safetensors.torch import load

    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != card.sha256:
        instead = what_instead(path)
        differs = f"it is not the file its card describes: sha256 {card.sha256[:12]}… expected, {found[:12]}… found"
        raise PrmlError(f"{path.name}: {instead or differs}")
    tensors = guarded(path, lambda: load(data), "it is not a whole safetensors file")
    check_tensors(tensors, path.name)
    return tensors, BUNDLED.get(found) or guarded(path, lambda: stated_meaning(data))


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str, origin: str) -> None:
    wanted = module.state_dict()
    state = check_shapes(wanted, tensors, prefix, origin)
    module.load_state_dict({k: v.to(wanted[k].dtype) for k, v in state.items()})


def _uncertainty(card: Card, tensors: Mapping[str, Tensor], origin: str) -> nn.Module | None:
    if not card.uncertainty:
        return None
    head = build_head(card, origin)
    _fill(head, tensors, "uncertainty.", origin)
    return head.eval()
