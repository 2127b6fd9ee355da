"""Pose losses of the paper (eq. 8). Tensors are (batch, frames, joints, channels), metres in the camera frame.

``known`` marks the joints of each window that have a truth; None if all have.
"""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.linalg import vector_norm

from prml.objectives.masks import masked_mean

Known = Bool[Tensor, "B J"] | None


def loss_2d(pred: Float[Tensor, "B T J c"], target: Float[Tensor, "B T J d"], known: Known = None) -> Float[Tensor, ""]:
    """Mean over joints and frames of the L2 norm of the x, y error (eq. 8, first part); c and d are 2 or 3."""
    distance: Tensor = vector_norm(pred[..., :2] - target[..., :2], dim=-1)
    return masked_mean(distance, known)


def loss_depth(
    pred: Float[Tensor, "B T J 3"], target: Float[Tensor, "B T J 3"], known: Known = None
) -> Float[Tensor, ""]:
    """Mean absolute error of z (eq. 8, second part)."""
    return masked_mean((pred[..., 2] - target[..., 2]).abs(), known)


def mpjpe(pred: Float[Tensor, "B T J c"], target: Float[Tensor, "B T J c"], known: Known = None) -> Float[Tensor, ""]:
    """Mean over joints and frames of the L2 norm of the whole error, as the peers train with."""
    distance: Tensor = vector_norm(pred - target, dim=-1)
    return masked_mean(distance, known)
