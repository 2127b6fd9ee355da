"""The correspondence of a network with its authors' state_dict, written down once.

A network writes its authors' layout down as a sequence of :class:`Slot`, in the authors' order. One such list serves to
load a published checkpoint, to list its keys, and to write our weights back in the authors' layout.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.base import Network

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


class PublishedNetwork(Network):
    """A network of another paper, whose authors' weights can be read and written.

    Attributes:
        head: features to coordinates; ends in one linear layer, so that two heads can take its place.
        ARGUMENTS: authors' constructor argument -> ours, or the values that can be had of one without counterpart.
    """

    HEADS: ClassVar[tuple[str, ...]] = ("head",)
    ARGUMENTS: ClassVar[Mapping[str, str | Fixed]] = {}

    head: nn.Module

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


def translate(network: type[PublishedNetwork], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments in our names; the authors' names are accepted as far as ``network.ARGUMENTS`` knows them."""
    own: dict[str, Any] = {}
    for name, value in arguments.items():
        target = network.ARGUMENTS.get(name, name)
        if not isinstance(target, Fixed):
            own[target] = value
        elif value not in target.values:
            raise PrmlError(f"{name} = {value!r} is not supported by {network.__name__}; it can be {target.values}")
    return own
