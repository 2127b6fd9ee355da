"""What every lifting network declares: callers read it here and never ask for a network's class."""

from collections.abc import Sequence
from functools import wraps
from typing import Any, ClassVar, Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.arguments import check_arguments, with_defaults

Output = Literal["sequence", "middle", "last"]
MAX_MAPS = 8  # of image features


class Features(NamedTuple):
    """What training and the figures need besides the pose.

    Attributes:
        f_2d, f_d: (B, T, J, C) enhanced features just before the heads.
        s_2d, s_d: (B, T, J, D) support features; the shared feature where there is no decoder.
        theta: (B, T, J, 2) coarse alignment weights; None without a decoder.
    """

    f_2d: Tensor
    f_d: Tensor
    s_2d: Tensor
    s_d: Tensor
    theta: Tensor | None


class Network(nn.Module):
    """A lifting network: normalised 2D (B, T, J, C_in) to poses (B, T', J, 3).

    ``forward`` takes ``x`` alone; with ``image_channels`` also the joints in the crop and the feature maps; with
    ``support_widths`` also ``features=True``, and returns the pose and :class:`Features` then. The arguments of every
    subclass's constructor are checked before it runs (``prml.networks.arguments``).

    Args:
        frames, joints, in_channels: see below.

    Attributes:
        frames: T that the network was built for.
        joints: J.
        in_channels: C_in: 3 for x, y, confidence, 2 for x, y, 4 for x, y, confidence, relative depth.
        output: the frames of a window that it predicts: all ("sequence"), its middle one or its last one.
        any_length: whether other windows than of ``frames`` are accepted.
        max_frames: the longest window then; None for no limit.
        image_channels: channels of the image feature maps that it needs, finest first; empty if it needs none.
        image_sizes: usual height and width of these maps, for counting costs.
        single_frames: whether it lifts every frame by itself.
        support_widths: channels of the support features S_2D and S_D; None if it has none.
        HEADS: names of its heads with x, y, z of a joint, which ``regression_heads="dual"`` replaces.
        two_heads: whether it predicts (x, y) and depth by two heads from the start.
    """

    HEADS: ClassVar[tuple[str, ...]] = ()
    two_heads: ClassVar[bool] = False

    frames: int
    joints: int
    in_channels: int
    output: Output = "sequence"
    any_length: bool = False
    max_frames: int | None = None
    image_channels: tuple[int, ...] = ()
    image_sizes: tuple[tuple[int, int], ...] = ()
    single_frames: bool = False
    support_widths: tuple[int, int] | None = None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "__init__" in vars(cls):
            cls.__init__ = _checked(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, *, frames: int, joints: int = 17, in_channels: int = 3) -> None:
        super().__init__()
        self.frames, self.joints, self.in_channels = frames, joints, in_channels

    @property
    def task_biases(self) -> tuple[Tensor | None, Tensor | None]:
        """B_2D and B_D; None for what the network lacks."""
        return None, None

    def check(self, x: Float[Tensor, "B T J C"]) -> None:
        """Refuse an input that does not fit; PrmlError says what was expected."""
        name, frames = type(self).__name__, "any" if self.any_length else self.frames
        if x.ndim != 4 or x.shape[2:] != (self.joints, self.in_channels):
            wanted = f"(batch, {frames}, {self.joints}, {self.in_channels})"
            raise PrmlError(f"{name} expects input of shape {wanted}, got {tuple(x.shape)}")
        if not self.any_length and x.shape[1] != self.frames:
            raise PrmlError(
                f"{name} expects windows of {self.frames} frames, got {x.shape[1]}; "
                "cut the sequence into such windows or build the network with frames=..."
            )
        if self.max_frames is not None and x.shape[1] > self.max_frames:
            raise PrmlError(f"{name} takes {self.max_frames} frames at most, got {x.shape[1]}; cut the sequence")

    def check_images(self, x: Tensor, reference: Tensor | None, maps: Sequence[Tensor] | None) -> None:
        """Refuse image features that do not fit, or that the network does not take; PrmlError says what was expected.

        Args:
            x: 2D (B, T, J, C_in).
            reference: joints in the crops.
            maps: of the B T frames, finest first.
        """
        name, wanted = type(self).__name__, list(self.image_channels)
        if not wanted and (reference is not None or maps is not None):
            raise PrmlError(f"this {name} takes no image features; build it with image_features=..., or leave them out")
        frames, channels = x.shape[0] * x.shape[1], [] if maps is None else [m.shape[1] for m in maps]
        missing = bool(wanted) and reference is None
        if missing or channels != wanted or any(len(m) != frames for m in maps or ()):
            raise PrmlError(
                f"{name} expects joints in the crop and maps of {wanted} channels for each of {frames} frames, "
                f"got {'no joints' if reference is None else 'joints'} and {channels or 'no maps'}"
            )


def _checked(constructor: Any) -> Any:
    """The constructor, with its arguments checked before it runs."""

    @wraps(constructor)
    def checked(self: Network, *args: Any, **arguments: Any) -> None:
        if not args:  # arguments of networks are given by name
            check_arguments(type(self).__name__, constructor, with_defaults(constructor, arguments))
        constructor(self, *args, **arguments)

    return checked
