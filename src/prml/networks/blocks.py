"""Blocks that several networks share beyond ``layers.py``: regularised encoders, DSTFormer, last-axis batch norm."""

from math import prod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.layers import Axis, Encoder, Fusion


def stochastic_depth(
    x: Float[Tensor, "B T J C"], rate: float, axis: Axis, *, training: bool
) -> Float[Tensor, "B T J C"]:
    """Drop the residual branch of whole sets of tokens at random (Huang et al. 2016).

    A set is what one attention sees, as in the peers' code: a frame's joints (spatial), a joint's time (temporal).
    """
    if not training or rate == 0:
        return x
    B, T, J, _ = x.shape
    shape = (B, T, 1, 1) if axis == "spatial" else (B, 1, J, 1)
    return x * (x.new_empty(shape).bernoulli_(1 - rate) / (1 - rate))


def depth_rates(rate: float, blocks: int) -> list[float]:
    """Stochastic depth of each block: 0 for the first, rising linearly to ``rate`` for the last."""
    return [rate * i / max(blocks - 1, 1) for i in range(blocks)]


class Block(Encoder):
    """``layers.Encoder`` as the peers trained it: with dropout and stochastic depth, and timm's layer norm epsilon.

    Args:
        width, heads, axis, mlp_ratio: as in ``layers.Encoder``.
        eps: epsilon of both layer norms.
        dropout: after the attention, inside and after the MLP.
        drop_path: rate of stochastic depth.
        qkv_bias: whether queries, keys and values have a bias.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        axis: Axis,
        mlp_ratio: float = 2.0,
        eps: float = 1e-6,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__(width=width, heads=heads, axis=axis, mlp_ratio=mlp_ratio)
        self.norm1.eps = self.norm2.eps = eps
        self.dropout, self.drop_path, self.axis = dropout, drop_path, axis
        if not qkv_bias:
            self.attention.qkv = nn.Linear(width, 3 * width, bias=False)

    def _regularised(self, branch: Tensor) -> Tensor:
        return stochastic_depth(F.dropout(branch, self.dropout), self.drop_path, self.axis, training=True)

    def forward(
        self, x: Float[Tensor, "B T J C"], context: Float[Tensor, "B T J D"] | None = None
    ) -> Float[Tensor, "B T J C"]:
        """Same shape out as in."""
        if not self.training or self.dropout == self.drop_path == 0:
            return super().forward(x, context)
        x = x + self._regularised(self.attention(self.norm1(x), context))
        hidden = F.dropout(F.gelu(self.mlp.fc1(self.norm2(x))), self.dropout)
        return x + self._regularised(self.mlp.fc2(hidden))


class DSTFormerBlock(nn.Module):
    """The block of Zhu et al. (2023): spatial-temporal and temporal-spatial encoders side by side, fused per token.

    Each stream is two pre-norm encoders; the attention regressor that mixes them starts at one half.
    """

    def __init__(self, *, width: int, heads: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()

        def stream(*axes: Axis) -> nn.Sequential:
            return nn.Sequential(*(Encoder(width=width, heads=heads, axis=a, mlp_ratio=mlp_ratio) for a in axes))

        self.spatial_temporal = stream("spatial", "temporal")
        self.temporal_spatial = stream("temporal", "spatial")
        self.fusion = Fusion(width=width)

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """Same shape out as in."""
        return self.fusion(self.spatial_temporal(x), self.temporal_spatial(x))[0]


class LastAxisBatchNorm(nn.BatchNorm1d):
    """Batch norm of the channels where they are the last axis; statistics over all others."""

    def forward(self, x: Float[Tensor, "*n C"]) -> Float[Tensor, "*n C"]:
        """Same shape out as in."""
        return super().forward(x.reshape(-1, x.shape[-1])).view(x.shape)


def frames_first(x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T K"]:
    """All coordinates of a frame as one feature, joint by joint."""
    return x.flatten(2)


def parameter(*shape: int) -> nn.Parameter:
    """A learnable tensor that starts at zero."""
    return nn.Parameter(torch.zeros(shape))


def powers_of_3(frames: int) -> tuple[int, ...]:
    """(3, 3, ...) with the product ``frames``."""
    strides: list[int] = []
    while prod(strides) < frames:
        strides.append(3)
    if prod(strides) != frames:
        raise PrmlError(f"frames must be a power of 3 (27, 81, 243 ...), got {frames}; or give the strides")
    return tuple(strides)
