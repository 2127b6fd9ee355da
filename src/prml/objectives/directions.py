"""Loss on the directions of bones: short bones (feet, hands, face) count as much as long ones. Not in the paper."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.linalg import vector_norm

from prml.objectives.masks import masked_mean
from prml.skeleton import Skeleton

SHORTEST_M = 0.01  # keeps the direction of a bone of no length finite


def bone_directions(
    pred: Float[Tensor, "B T J 3"],
    target: Float[Tensor, "B T J 3"],
    skeleton: Skeleton,
    known: Bool[Tensor, "B J"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over frames and bones of the distance between the unit vectors of predicted and true bones: 0 to 2.

    For small errors this is the angle between the two in radians. A bone counts if both of its ends have a truth.

    Args:
        pred: predicted joints, metres.
        target: true joints, metres.
        skeleton: joint set of both.
        known: joints of each window that have a truth; None if all have.
    """
    child = [joint for joint, parent in enumerate(skeleton.parents) if parent >= 0]
    parent = [skeleton.parents[joint] for joint in child]
    ours, true = (_directions(joints[:, :, child] - joints[:, :, parent]) for joints in (pred, target))
    return masked_mean(vector_norm(ours - true, dim=-1), None if known is None else known[:, child] & known[:, parent])


def _directions(bones: Float[Tensor, "B T b 3"]) -> Float[Tensor, "B T b 3"]:
    directions: Tensor = bones / vector_norm(bones, dim=-1, keepdim=True).clamp(min=SHORTEST_M)
    return directions
