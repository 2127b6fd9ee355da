"""Further terms of the peers' losses, as their authors' training code has them (docs/training.md says whose).

Tensors are (batch, frames, joints, channels); the first 17 joints are those of H36M17, which limbs and angles are of.
``known`` marks the joints of each window that have a truth; None if all have. Terms of motion are 0 for one frame.
"""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import cosine_similarity

from prml.objectives.masks import masked_mean
from prml.objectives.pose import Known, mpjpe
from prml.objectives.temporal import MIXSTE
from prml.skeleton import H36M17

# pairs of limbs (numbered as H36M17.bones, that is by the joint at their end, from 0) whose angle MotionBERT compares
ANGLES = (
    *((0, 3), (0, 6), (3, 6), (0, 1), (1, 2), (3, 4), (4, 5), (6, 7), (7, 10)),
    *((7, 13), (8, 13), (10, 13), (7, 8), (8, 9), (10, 11), (11, 12), (13, 14), (14, 15)),
)
_NEARLY_1 = 1 - 1e-7  # the derivative of acos is infinite at 1
_TINY = 1e-12


def weighted_mpjpe(
    pred: Float[Tensor, "B T 17 c"], target: Float[Tensor, "B T 17 c"], known: Known = None
) -> Float[Tensor, ""]:
    """MPJPE with MixSTE's weights of the joints: the mean of w_j times the error."""
    weights = pred.new_tensor(MIXSTE)
    return masked_mean(weights * vector_norm(pred - target, dim=-1), known)


def velocity(
    pred: Float[Tensor, "B T J c"], target: Float[Tensor, "B T J c"], known: Known = None
) -> Float[Tensor, ""]:
    """Mean length of the error of the motion from frame to frame."""
    if pred.shape[1] < 2:
        return pred.sum() * 0.0
    return mpjpe(pred.diff(dim=1), target.diff(dim=1), known)


def scaled_mpjpe(
    pred: Float[Tensor, "B T J c"], target: Float[Tensor, "B T J c"], known: Known = None
) -> Float[Tensor, ""]:
    """MPJPE after each frame's prediction is scaled by <target, pred> / <pred, pred> over known joints (N-MPJPE)."""
    share = 1.0 if known is None else known[:, None, :, None].to(pred.dtype)
    square = (share * pred.square()).sum((2, 3), keepdim=True)
    scale = (share * pred * target).sum((2, 3), keepdim=True) / square.clamp(min=_TINY)
    return mpjpe(scale * pred, target, known)


def _limbs(pose: Tensor) -> Float[Tensor, "B T 16 c"]:
    parents, children = (list(ends) for ends in zip(*H36M17.bones, strict=True))
    return pose[:, :, parents] - pose[:, :, children]


def _known_limbs(known: Known) -> Bool[Tensor, "B 16"] | None:
    if known is None:
        return None
    parents, children = (list(ends) for ends in zip(*H36M17.bones, strict=True))
    return known[:, parents] & known[:, children]


def limb_variation(pred: Float[Tensor, "B T J 3"], known: Known = None) -> Float[Tensor, ""]:
    """Mean over limbs of the variance (T - 1) over time of the PREDICTED lengths."""
    if pred.shape[1] < 2:
        return pred.sum() * 0.0
    return masked_mean(vector_norm(_limbs(pred), dim=-1).var(1, keepdim=True), _known_limbs(known))


def limb_length(
    pred: Float[Tensor, "B T J 3"], target: Float[Tensor, "B T J 3"], known: Known = None
) -> Float[Tensor, ""]:
    """Mean absolute error of the limbs' lengths."""
    lengths = [vector_norm(_limbs(pose), dim=-1) for pose in (pred, target)]
    return masked_mean((lengths[0] - lengths[1]).abs(), _known_limbs(known))


def _angles(pose: Tensor) -> Float[Tensor, "B T 18"]:
    limbs, (first, second) = _limbs(pose), zip(*ANGLES, strict=True)
    cosine = cosine_similarity(limbs[:, :, list(first)], limbs[:, :, list(second)], dim=-1)
    return cosine.clamp(-_NEARLY_1, _NEARLY_1).acos()


def _known_angles(known: Known) -> Bool[Tensor, "B 18"] | None:
    limbs, (first, second) = _known_limbs(known), zip(*ANGLES, strict=True)
    return None if limbs is None else limbs[:, list(first)] & limbs[:, list(second)]


def angle(pred: Float[Tensor, "B T J 3"], target: Float[Tensor, "B T J 3"], known: Known = None) -> Float[Tensor, ""]:
    """Mean absolute error of the 18 angles between limbs, radians."""
    return masked_mean((_angles(pred) - _angles(target)).abs(), _known_angles(known))


def angle_velocity(
    pred: Float[Tensor, "B T J 3"], target: Float[Tensor, "B T J 3"], known: Known = None
) -> Float[Tensor, ""]:
    """Mean absolute error of the angles' change from frame to frame, radians."""
    if pred.shape[1] < 2:
        return pred.sum() * 0.0
    return masked_mean((_angles(pred).diff(dim=1) - _angles(target).diff(dim=1)).abs(), _known_angles(known))


def mean_consistency(pred: Float[Tensor, "B T 17 c"], known: Known = None) -> Float[Tensor, ""]:
    """MixSTE's temporal consistency: the mean, over the axes too, of its weights times the squared motion predicted."""
    if pred.shape[1] < 2:
        return pred.sum() * 0.0
    return masked_mean(pred.new_tensor(MIXSTE) * pred.diff(dim=1).square().mean(-1), known)


__all__ = [
    "angle",
    "angle_velocity",
    "limb_length",
    "limb_variation",
    "mean_consistency",
    "scaled_mpjpe",
    "velocity",
    "weighted_mpjpe",
]
