"""Per-joint standard deviation: q(Y|S), learned by the variational bound, is kept for inference."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.objectives.mutual_information import VariationalMI


class PoseUncertainty(nn.Module):
    """The variational estimators of both tasks, as the head that reports standard deviations.

    Args:
        width_2d, width_depth: channels of S_2D and S_D.
        joints: J.
    """

    def __init__(self, *, width_2d: int, width_depth: int, joints: int = 17) -> None:
        super().__init__()
        self.pose_2d = VariationalMI(c=2, support_width=width_2d, joints=joints)
        self.depth = VariationalMI(c=1, support_width=width_depth, joints=joints)

    def forward(self, s_2d: Float[Tensor, "B T J D"], s_d: Float[Tensor, "B T J E"]) -> Float[Tensor, "B T J 3"]:
        """Standard deviation along x, y, z in metres, in the frame of the network's input."""
        return torch.cat([self.pose_2d.std(s_2d), self.depth.std(s_d)], -1)
