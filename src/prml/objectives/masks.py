"""Joints whose truth a window does not have: they count in no loss."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch import bool as torch_bool

from prml.errors import PrmlError


def check_mask(name: str, mask: Tensor, windows: int, joints: int) -> None:
    """Raise PrmlError unless a mask has one bool for every window and joint."""
    if mask.dtype != torch_bool or tuple(mask.shape) != (windows, joints):
        kind = str(mask.dtype).removeprefix("torch.")
        raise PrmlError(
            f"{name} must be bool ({windows}, {joints}), one value for each window and joint, got {kind} "
            f"{tuple(mask.shape)}"
        )


def masked_mean(values: Float[Tensor, "B T J"], known: Bool[Tensor, "B J"] | None) -> Float[Tensor, ""]:
    """Mean over windows, frames and the joints that are known (all for None); zero if none is."""
    if known is None:
        return values.mean()
    weights = known[:, None].to(values.dtype)
    return (values * weights).sum() / (weights.sum() * values.shape[1]).clamp(min=1)
