"""The DSTFormer block (Zhu et al. 2023): two streams, spatial-temporal and temporal-spatial, fused per token."""

from jaxtyping import Float
from torch import Tensor, nn

from prml.networks.layers import Axis, Encoder, Fusion


class DSTFormerBlock(nn.Module):
    """Two streams of two pre-norm encoders each, mixed by an attention regressor that starts at one half."""

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
