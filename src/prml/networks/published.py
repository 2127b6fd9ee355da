"""What the peers have in common: checks at the door, and the correspondence with their authors' state_dict.

A network writes its authors' layout down as a sequence of :class:`Slot`, in the authors' order. One such list serves to
load a published checkpoint, to list its keys, and to write our weights back in the authors' layout.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError

View = Callable[[Tensor], Tensor]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Slot:
    """One entry of the authors' state_dict.

    Attributes:
        published: its key there.
        own: key of our tensor that holds it.
        view: the part of our tensor that holds it, as a view; None for the whole tensor.
        shape: its published shape, where that is not the shape of the view (same number of elements).
    """

    published: str
    own: str
    view: View | None = None
    shape: tuple[int, ...] | None = None

    def part(self, own: Tensor) -> Tensor:
        """The part of our tensor that holds this entry (a view)."""
        return own if self.view is None else self.view(own)

    def published_shape(self, own: Tensor) -> tuple[int, ...]:
        """Shape that the authors' network gives this entry."""
        return self.shape or tuple(self.part(own).shape)


def with_leading_axis(own: Tensor) -> Tensor:
    """(T, C) as (1, T, C): the authors' position embeddings."""
    return own[None]


def rows(start: int, stop: int) -> View:
    """Some rows of a tensor."""
    return lambda own: own[start:stop]


def row(i: int) -> View:
    """One row of a tensor."""
    return lambda own: own[i]


def share(i: int, parts: int) -> View:
    """The i-th of equal parts, along the first axis."""
    return lambda own: own.chunk(parts)[i]


def as_kernel_1(own: Tensor) -> Tensor:
    """A linear layer's weight as that of a convolution of kernel 1."""
    return own[..., None] if own.ndim == 2 else own


def as_kernel_1x1(own: Tensor) -> Tensor:
    """A linear layer's weight as that of a 2D convolution of kernel 1 x 1."""
    return own[..., None, None] if own.ndim == 2 else own


def slots(published: str, own: str, *names: str, view: View | None = None) -> Iterator[Slot]:
    """The named entries of one module."""
    return (Slot(f"{published}.{name}", f"{own}.{name}", view) for name in names)


def affine(published: str, own: str, *, view: View | None = None) -> Iterator[Slot]:
    """Weight and bias of a linear layer, a convolution or a layer norm."""
    return slots(published, own, "weight", "bias", view=view)


def batch_norm(published: str, own: str) -> Iterator[Slot]:
    """Parameters and statistics of a batch norm."""
    return slots(published, own, "weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def mlp(published: str, own: str) -> Iterator[Slot]:
    """The two linear layers of an MLP."""
    return chain(affine(f"{published}.fc1", f"{own}.fc1"), affine(f"{published}.fc2", f"{own}.fc2"))


def attention(published: str, own: str) -> Iterator[Slot]:
    """Self attention with one layer for queries, keys and values."""
    return chain(affine(f"{published}.qkv", f"{own}.qkv"), affine(f"{published}.proj", f"{own}.out"))


def encoder(published: str, own: str) -> Iterator[Slot]:
    """A pre-norm encoder as timm lays it out, which most authors took over."""
    return chain(
        affine(f"{published}.norm1", f"{own}.norm1"),
        attention(f"{published}.attn", f"{own}.attention"),
        affine(f"{published}.norm2", f"{own}.norm2"),
        mlp(f"{published}.mlp", f"{own}.mlp"),
    )


@dataclass(frozen=True)
class Fixed:
    """An argument of the authors' constructor for which only some values are supported here.

    Attributes:
        values: the values that can be had.
    """

    values: tuple[Any, ...]


class Network(nn.Module):
    """A lifting network of another paper, behind one interface.

    ``forward(x)`` takes (B, T, J, C_in) normalised 2D and gives (B, T', J, 3).

    Attributes:
        frames: T that the network was built for.
        joints: J.
        in_channels: C_in.
        any_length: whether windows other than ``frames`` are accepted.
        head: features to coordinates; ends in one linear layer, so that two heads can take its place (``heads.dual``).
        ARGUMENTS: authors' constructor argument -> ours, or the values that can be had of one without counterpart.
    """

    ARGUMENTS: ClassVar[Mapping[str, str | Fixed]] = {}

    frames: int
    joints: int
    in_channels: int
    any_length: bool = False
    head: nn.Module

    def __init__(self, *, frames: int, joints: int, in_channels: int) -> None:
        super().__init__()
        self.frames, self.joints, self.in_channels = frames, joints, in_channels

    def check(self, x: Float[Tensor, "B T J C"]) -> None:
        """Refuse an input that does not fit; PrmlError says what was expected."""
        wanted = f"(batch, {'any' if self.any_length else self.frames}, {self.joints}, {self.in_channels})"
        if x.ndim != 4 or x.shape[2:] != (self.joints, self.in_channels):
            raise PrmlError(f"{type(self).__name__} expects input of shape {wanted}, got {tuple(x.shape)}")
        if not self.any_length and x.shape[1] != self.frames:
            raise PrmlError(
                f"{type(self).__name__} expects windows of {self.frames} frames, got {x.shape[1]}; "
                "cut the sequence into such windows or build the network with frames=..."
            )

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict, in their order."""
        raise NotImplementedError

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """The arguments that the shapes of a published state_dict tell; KeyError if it is of another network."""
        return {}


def count(shapes: Shapes, pattern: str) -> int:
    """How many ``pattern.0``, ``pattern.1``, ... there are in a state_dict."""
    found = {key[len(pattern) + 1 :].split(".")[0] for key in shapes if key.startswith(pattern + ".")}
    return len(found)


def translate(network: type[Network], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments in our names; the authors' names are accepted as far as ``network.ARGUMENTS`` knows them."""
    own: dict[str, Any] = {}
    for name, value in arguments.items():
        target = network.ARGUMENTS.get(name, name)
        if not isinstance(target, Fixed):
            own[target] = value
        elif value not in target.values:
            raise PrmlError(f"{name} = {value!r} is not supported by {network.__name__}; it can be {target.values}")
    return own


def keys(network: Network) -> dict[str, tuple[int, ...]]:
    """Authors' keys and shapes, in their order."""
    own = network.state_dict()
    return {slot.published: slot.published_shape(own[slot.own]) for slot in network.layout()}


def _few(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


PREFIXES = ("module.", "_orig_mod.", "model.", "net.")  # of DataParallel, torch.compile and Lightning modules


def strip_common(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the prefixes that wrappers of a network put before every key, in any nesting."""
    state = dict(state)
    while state and (common := next((p for p in PREFIXES if all(key.startswith(p) for key in state)), None)):
        state = {key.removeprefix(common): value for key, value in state.items()}
    return state


def load(network: Network, state: Mapping[str, Tensor]) -> None:
    """Copy a state_dict in the authors' layout into the network; every key must fit.

    Raises:
        PrmlError: a key is missing, left over or has another shape; the message names it.
    """
    own, table = network.state_dict(), list(network.layout())
    missing = [slot.published for slot in table if slot.published not in state]
    left_over = sorted(set(state) - {slot.published for slot in table})
    if missing or left_over:
        parts = [f"lacks {_few(missing)}"] * bool(missing) + [f"holds unknown {_few(left_over)}"] * bool(left_over)
        raise PrmlError(f"the state_dict does not fit {type(network).__name__}: it {' and '.join(parts)}")
    for slot in table:
        shape, value = slot.published_shape(own[slot.own]), state[slot.published]
        if tuple(value.shape) != shape:
            raise PrmlError(
                f"the state_dict does not fit {type(network).__name__}: {slot.published!r} should have shape {shape}, "
                f"it has {tuple(value.shape)}; give the arguments that the weights were trained with"
            )
    with torch.no_grad():
        for slot in table:
            part = slot.part(own[slot.own])
            part.copy_(state[slot.published].reshape(part.shape))


def save(network: Network) -> dict[str, Tensor]:
    """The network's weights as a state_dict in the authors' layout."""
    own = network.state_dict()
    return {
        slot.published: slot.part(own[slot.own]).reshape(slot.published_shape(own[slot.own])).clone()
        for slot in network.layout()
    }
