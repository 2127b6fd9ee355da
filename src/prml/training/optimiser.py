"""The optimisers of a training run: AdamW (the paper's), Adam with AMSGrad and Ranger (peers'), or Muon.

Muon (Jordan et al. 2024; Liu et al. 2025 for the scale of its rate) orthogonalises the update of every hidden matrix.
Embeddings, norms, biases, heads and estimators, for which it is not meant, stay with AdamW.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from prml.errors import PrmlError
from prml.networks.layers import Attention, Mlp
from prml.training.config import OptimiserConfig
from prml.training.muon import Muon
from prml.training.ranger import Ranger


class Together(Optimizer):
    """Several optimisers that step as one; their parameter groups are shared, so that one schedule drives all."""

    def __init__(self, parts: list[Optimizer]) -> None:
        self.parts = parts
        super().__init__([p for part in parts for g in part.param_groups for p in g["params"]], {})
        self._share()

    def _share(self) -> None:
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of each; the closure is called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of all, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore all; loading replaces their parameter groups, which are then shared again."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share()


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """Weights of the linear layers inside attention and MLPs."""
    inside = (m for m in network.modules() if isinstance(m, Attention | Mlp))
    linear = (m for layer in inside for m in layer.modules() if isinstance(m, nn.Linear))
    return [p for layer in linear for p in layer.parameters() if p.ndim == 2]


def build_optimiser(
    network: nn.Module, parameters: Iterable[nn.Parameter], options: OptimiserConfig, *, fused: bool | None = None
) -> Optimizer:
    """The optimiser that the configuration names.

    Args:
        network: whose hidden matrices Muon takes.
        parameters: all that is trained, estimators included.
        options: as configured.
        fused: for AdamW.

    Raises:
        PrmlError: the network has no matrices for Muon.
    """
    trained = [p for p in parameters if p.requires_grad]
    rate, decay = options.learning_rate, options.weight_decay
    if options.kind == "adamw":
        return AdamW(trained, lr=rate, weight_decay=decay, fused=fused)
    if options.kind == "adam":
        return Adam(trained, lr=rate, weight_decay=decay, amsgrad=True, fused=fused)
    if options.kind == "ranger":
        return Ranger(trained, lr=rate, weight_decay=decay)
    if not (matrices := hidden_matrices(network)):
        raise PrmlError("this network has no layers of prml.networks.layers that Muon could train; use adamw")
    theirs = {id(p) for p in matrices}
    rest = [p for p in trained if id(p) not in theirs]
    muon = Muon(matrices, lr=rate * options.muon_rate, weight_decay=decay)
    return Together([muon, AdamW(rest, lr=rate, weight_decay=decay, fused=fused)])
