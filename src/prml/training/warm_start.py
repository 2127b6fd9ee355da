"""Starting from what has been learned: the tensors of a record, for a longer window or a deeper network."""

import re
from dataclasses import replace

import torch
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.layers import Encoder
from prml.skeleton import BODY28, H36M17, MPI_INF_3DHP17, skeleton
from prml.training.module import LiftingModule
from prml.weights.record import OPEN, Card, load_record

_BLOCK = re.compile(r".*?\bblocks\.\d+\.")
_BEFORE = "; of the weights it started from: "


def resample_frames(tensor: Tensor, like: Tensor) -> Tensor:
    """Stretch a tensor over its first axis (frames) to the length of ``like``, linearly, ends on ends."""
    flat = tensor.reshape(1, len(tensor), -1).transpose(1, 2)
    out = nn.functional.interpolate(flat.float(), size=len(like), mode="linear", align_corners=True)
    return out.transpose(1, 2).reshape(like.shape).to(like.dtype)


def add_joints(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor of H36M17 on BODY28: where ``like`` has 28 entries for 17, the new ones are copies of their parents'.

    The last such axis is the joints'. So heels and toes start as their ankle, hands and thumbs as their wrist, nose tip
    and ears as the neck's ``Nose``.
    """
    if tensor.ndim != like.ndim:
        return tensor
    grown = [
        axis
        for axis, (had, wanted) in enumerate(zip(tensor.shape, like.shape, strict=True))
        if (had, wanted) == (len(H36M17), len(BODY28))
    ]
    rows = [*range(len(H36M17)), *BODY28.parents[len(H36M17) :]]
    return tensor.index_select(grown[-1], torch.tensor(rows)) if grown else tensor


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

    A record of H36M17 starts a network of BODY28 too: embeddings, biases and statistics of the new joints are copies of
    their parents' (:func:`add_joints`), the rest is shared by all joints and stays.

    Raises:
        PrmlError: a record of another network, or of another width, or of other joints.
    """
    record = load_record(record_name)
    record.card.check_joints()
    joints = len(skeleton(record.card.skeleton))
    if record.card.skeleton == MPI_INF_3DHP17.name:
        raise PrmlError(
            f"cannot start from {record_name}: its joints are those of {record.card.skeleton}, which nothing is "
            "trained on here; choose weights of h36m17"
        )
    if joints > module.network.joints:
        raise PrmlError(
            f"cannot start from {record_name}: it has {joints} joints ({record.card.skeleton}), this run "
            f"{module.network.joints}; set data.skeleton to {record.card.skeleton}"
        )
    grows = joints < module.network.joints
    pairs: list[tuple[nn.Module, nn.Module]] = [(module.network, record.network)]
    information = module.information
    if record.uncertainty is not None and information is not None and type(record.uncertainty) is type(information):
        pairs.append((information, record.uncertainty))
    for target, source in pairs:
        given, wanted = add_blocks(target, source.state_dict()), target.state_dict()
        for key, value in wanted.items():
            if grows and key in given:
                given[key] = add_joints(given[key], value)
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
        before = earlier.data_licence.removeprefix(data).removeprefix(_BEFORE)
        data = f"{data}{_BEFORE}{before}"
    terms = dict.fromkeys(t for t in (card.weights_licence, earlier.weights_licence) if t not in ("", OPEN))
    return replace(card, data_licence=data, weights_licence="; ".join(terms) or OPEN)
