"""Starting from what has been learned: the tensors of a record, for a longer window or a deeper network."""

import re
from dataclasses import replace

import torch
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.layers import Encoder
from prml.training.module import LiftingModule
from prml.weights.record import OPEN, Card, load_record

_BLOCK = re.compile(r".*?\bblocks\.\d+\.")


def resample_frames(tensor: Tensor, like: Tensor) -> Tensor:
    """Stretch a tensor over its first axis (frames) to the length of ``like``, linearly, ends on ends."""
    flat = tensor.reshape(1, len(tensor), -1).transpose(1, 2)
    out = nn.functional.interpolate(flat.float(), size=len(like), mode="linear", align_corners=True)
    return out.transpose(1, 2).reshape(like.shape).to(like.dtype)


@torch.no_grad()
def add_blocks(network: nn.Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Complete ``given`` with the blocks that only ``network`` has, so set that each returns what it gets.

    A residual encoder whose last layers are zero adds nothing; training goes on from the shallower network's function.
    """
    wanted = network.state_dict()
    blocks = {match[0] for key in wanted.keys() - given.keys() if (match := _BLOCK.match(key))}
    new = tuple(block for block in blocks if not any(key.startswith(block) for key in given))
    for name, module in network.named_modules():
        if isinstance(module, Encoder) and name.startswith(new):
            for layer in (module.attention.out, module.mlp.fc2):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
    return {**{k: v for k, v in wanted.items() if new and k.startswith(new)}, **given}


def start_from(module: LiftingModule, record_name: str) -> None:
    """Copy a record's tensors into the module; those that depend on T are resampled in time, new blocks add nothing.

    Raises:
        PrmlError: a record of another network, or of another width, or of other joints.
    """
    record = load_record(record_name)
    record.card.check_joints()
    pairs: list[tuple[nn.Module, nn.Module]] = [(module.network, record.network)]
    information = module.information
    if record.uncertainty is not None and information is not None and type(record.uncertainty) is type(information):
        pairs.append((information, record.uncertainty))
    for target, source in pairs:
        given, wanted = add_blocks(target, source.state_dict()), target.state_dict()
        for key, value in wanted.items():
            if key not in given or given[key].shape[1:] != value.shape[1:]:
                raise PrmlError(
                    f"cannot start from {record_name}: its {record.card.network} has no tensor that fits {key}"
                )
            if given[key].shape != value.shape:
                given[key] = resample_frames(given[key], value)
        target.load_state_dict({k: given[k] for k in wanted})


def inherit_terms(card: Card, earlier: Card) -> Card:
    """The card of weights that began as those of ``earlier``: what binds these binds them too."""
    data = card.data_licence
    if earlier.data_licence not in ("", data):
        data = f"{data}; of the weights it started from: {earlier.data_licence}"
    terms = dict.fromkeys(t for t in (card.weights_licence, earlier.weights_licence) if t not in ("", OPEN))
    return replace(card, data_licence=data, weights_licence="; ".join(terms) or OPEN)
