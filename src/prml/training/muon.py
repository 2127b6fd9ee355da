"""Muon for many small matrices: those of one shape are orthogonalised together.

The arithmetic, defaults and state are those of ``torch.optim.Muon`` (torch 2.9 and later), which takes one matrix after
the other; a step on the 68 matrices of ``prml-s`` spends most of its time on starting operators.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

_COEFFICIENTS = (3.4445, -4.775, 2.0315)  # of the quintic (Jordan et al. 2024)
_STEPS, _EPS = 5, 1e-7


class Muon(Optimizer):
    """Momentum whose update of every matrix is orthogonalised; its scale is AdamW's (Liu et al. 2025).

    Args:
        params: matrices.
        lr: learning rate.
        weight_decay: decoupled.
        momentum: of Nesterov's kind.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], *, lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        # the names that torch.optim.Muon keeps in a checkpoint, so that either goes on from the other's
        fixed = {"nesterov": True, "ns_coefficients": _COEFFICIENTS, "ns_steps": _STEPS, "eps": _EPS}
        usual = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "adjust_lr_fn": "match_rms_adamw"}
        super().__init__(params, usual | fixed)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; the closure is called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step(group)
        return loss

    def _step(self, group: dict[str, Any]) -> None:
        trained: list[Tensor] = [p for p in group["params"] if p.grad is not None]
        if not trained:
            return
        for p in trained:
            if "momentum_buffer" not in self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        gradients = [p.grad for p in trained if p.grad is not None]
        momenta = [self.state[p]["momentum_buffer"] for p in trained]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        updates = list(torch._foreach_lerp(gradients, momenta, group["momentum"]))
        torch._foreach_mul_(trained, 1 - group["lr"] * group["weight_decay"])
        for members, stack in _by_shape(trained, updates):
            rate = group["lr"] * 0.2 * stack.shape[-1] ** 0.5
            turned = orthogonalise(stack).to(members[0].dtype).unbind()
            moves = [u if u.shape == p.shape else u.t() for p, u in zip(members, turned, strict=True)]
            torch._foreach_add_(members, moves, alpha=-rate)


def _by_shape(matrices: list[Tensor], updates: list[Tensor]) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Matrices of the same shape, lying or standing, with their updates, all lying, as one stack."""
    found: dict[tuple[int, ...], tuple[list[Tensor], list[Tensor]]] = {}
    for matrix, update in zip(matrices, updates, strict=True):
        members, stack = found.setdefault(tuple(sorted(matrix.shape)), ([], []))
        members.append(matrix)
        stack.append(update if update.shape[0] <= update.shape[1] else update.t())
    for members, stack in found.values():
        yield members, torch.stack(stack)


def orthogonalise(stack: Float[Tensor, "n r c"]) -> Float[Tensor, "n r c"]:
    """About U V^T of every matrix's singular value decomposition (its singular values end in 0.7 to 1.2), bfloat16."""
    a, b, c = _COEFFICIENTS
    X: Tensor = (stack / torch.linalg.matrix_norm(stack, keepdim=True).clamp(min=_EPS)).bfloat16()
    for _ in range(_STEPS):
        gram = torch.bmm(X, X.mT)
        X = torch.baddbmm(X, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), X, beta=a)
    return X
