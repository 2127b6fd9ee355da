"""Ranger: rectified Adam with look-ahead (Liu et al. 2020, Zhang et al. 2019), as GLA-GCN trains."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import RAdam

EVERY, SHARE = 6, 0.5


class Ranger(RAdam):
    """RAdam whose weights go half of the way back to where they were six steps before, every six steps.

    Constants are those of the authors' ``common/ranger.py``: betas 0.95 and 0.999, epsilon 1e-5.

    Args:
        params: what is trained.
        lr: learning rate.
        weight_decay: decoupled.
    """

    def __init__(self, params: Iterable[nn.Parameter], *, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(
            params, lr=lr, betas=(0.95, 0.999), eps=1e-5, weight_decay=weight_decay, decoupled_weight_decay=True
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; the closure is called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        trained = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        began = {p: p.detach().clone() for p in trained if not self.state[p]}
        super().step()
        for p, slow in began.items():
            self.state[p]["slow"] = slow
        due = [p for p in trained if int(self.state[p]["step"]) % EVERY == 0]
        if due:
            slow_weights: list[Tensor] = [self.state[p]["slow"] for p in due]
            torch._foreach_lerp_(slow_weights, due, SHARE)
            torch._foreach_copy_(due, slow_weights)
        return loss
