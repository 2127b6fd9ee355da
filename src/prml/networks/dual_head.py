"""Two regression heads for any network (PrML paper, Tables 7 and 8): (x, y) and depth from shared features."""

from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError


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


def use_dual(network: nn.Module) -> None:
    """Give a network two regression heads, in place; PrML has them from the start and stays as it is.

    Every head of the network is replaced (P-STMO has one for the middle frame and one for the sequence).

    Raises:
        PrmlError: the network has no single regression head.
    """
    from prml.networks.prml.network import PrML

    if isinstance(network, PrML):
        return
    single = [name for name in ("head", "sequence_head") if isinstance(getattr(network, name, None), nn.Module)]
    if not single:
        raise PrmlError(f"{type(network).__name__} has no single regression head to replace by two")
    for name in single:
        setattr(network, name, DualHead(getattr(network, name)))
