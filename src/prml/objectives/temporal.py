"""Temporal consistency loss L_T (Hossain & Little, ECCV 2018, section 3.2), the second term of the paper's eq. 9."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prml.objectives.masks import masked_mean

# Weights of Hossain & Little: 1 for trunk and head, 2.5 for the middle of the limbs (knees, elbows), 4 for their ends
# (ankles, wrists); hips and shoulders belong to the trunk. H36M17 order.
HOSSAIN_LITTLE = (1.0, 1.0, 2.5, 4.0, 1.0, 2.5, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.5, 4.0, 1.0, 2.5, 4.0)
# The same for BODY28: heels, toes, hands and thumbs are ends of limbs, the face belongs to the head.
BODY28_WEIGHTS = (*HOSSAIN_LITTLE, *[4.0] * 8, 1.0, 1.0, 1.0)
# The weights that MixSTE and its successors use under the same name.
MIXSTE = (1.0, 1.0, 2.5, 2.5, 1.0, 2.5, 2.5, 1.0, 1.0, 1.0, 1.5, 1.5, 4.0, 4.0, 1.5, 4.0, 4.0)


def temporal_consistency(
    pred: Float[Tensor, "B T J c"],
    weights: tuple[float, ...] | None = HOSSAIN_LITTLE,
    known: Bool[Tensor, "B J"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over batch, frame pairs and joints of w_j ||y_j(t) - y_j(t-1)||^2 of the PREDICTION; 0 for one frame.

    Hossain & Little penalise the first-order difference of the prediction in three groups of joints (eta = 1,
    rho = 2.5, tau = 4) and sum over frames; we take a mean, so lambda_T does not depend on the window.

    Args:
        pred: predicted joints, metres.
        weights: one per joint; None for equal weights.
        known: joints of each window that count; None if all do.

    Raises:
        ValueError: the number of weights is not that of the joints.
    """
    if weights is not None and len(weights) != pred.shape[2]:
        raise ValueError(f"expected one weight for each of {pred.shape[2]} joints, got {len(weights)}")
    if pred.shape[1] < 2:
        return pred.sum() * 0.0
    energy = pred.diff(dim=1).square().sum(-1)
    return masked_mean(energy if weights is None else energy * torch.tensor(weights, device=pred.device), known)
