"""Regression heads that several networks share, and two of them for any network (PrML paper, Tables 7 and 8)."""

from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.base import Network


class RegressionHead(nn.Module):
    """LayerNorm and a linear layer: the feature of a joint to its coordinates.

    The PrML paper calls its heads MLPs; its multiply-add count (49.3 G) leaves room for one layer each.
    """

    def __init__(self, *, width: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, channels)

    def forward(self, feature: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J c"]:
        """Coordinates of every joint."""
        return self.fc(self.norm(feature))


class PoseHead(nn.Module):
    """One feature per frame to the coordinates of all joints: a norm, then one linear layer.

    Args:
        norm: of the feature.
        width: of the feature.
        joints: J.
    """

    def __init__(self, *, norm: nn.Module, width: int, joints: int) -> None:
        super().__init__()
        self.norm = norm
        self.fc = nn.Linear(width, 3 * joints)

    def forward(self, feature: Float[Tensor, "*n C"]) -> Float[Tensor, "*n K"]:
        """K = 3 J coordinates, joint by joint."""
        return self.fc(self.norm(feature))


def _with_outputs(head: nn.Module, outputs: int) -> nn.Module:
    """A head like the given one, its norm included, whose last linear layer has ``outputs`` outputs."""
    head = deepcopy(head)
    linears = [(name, module) for name, module in head.named_modules() if isinstance(module, nn.Linear)]
    name, old = linears[-1]
    new = nn.Linear(old.in_features, outputs, bias=old.bias is not None).to(old.weight)
    spread = 0.02 if old.weight.is_meta else float(old.weight.detach().std())
    nn.init.trunc_normal_(new.weight, std=spread)
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    new.requires_grad_(old.weight.requires_grad)
    if not name:
        return new
    parent, _, last = name.rpartition(".")
    setattr(head.get_submodule(parent), last, new)
    return head


class DualHead(nn.Module):
    """A head for (x, y) and a head for depth in the place of one head for all three.

    Args:
        single: the head that they replace: a feature to (x, y, z) of one joint, or of all joints one after the other.
    """

    def __init__(self, single: nn.Module) -> None:
        super().__init__()
        outputs = [m.out_features for m in single.modules() if isinstance(m, nn.Linear)][-1]
        self.poses = outputs // 3
        self.pose_2d = _with_outputs(single, 2 * self.poses)
        self.depth = _with_outputs(single, self.poses)

    def forward(self, feature: Float[Tensor, "*n C"]) -> Float[Tensor, "*n K"]:
        """Coordinates in the order of the single head."""
        xy, z = self.pose_2d(feature), self.depth(feature)
        pair = (xy.unflatten(-1, (self.poses, 2)), z.unflatten(-1, (self.poses, 1)))
        return torch.cat(pair, -1).flatten(-2)


def use_dual(network: Network) -> None:
    """Give a network two regression heads, in place; one that has two from the start stays as it is.

    Every head of the network is replaced (P-STMO has one for the middle frame and one for the sequence).

    Raises:
        PrmlError: the network has no single regression head.
    """
    if network.two_heads:
        return
    if not network.HEADS:
        raise PrmlError(f"{type(network).__name__} has no single regression head to replace by two")
    for name in network.HEADS:
        setattr(network, name, DualHead(network.get_submodule(name)))
