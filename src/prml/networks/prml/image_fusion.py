"""Image features in PrML (paper C.6, Table 13): one cross-attention layer in front of a branch.

The paper says no more than that. Here the joints of a frame ask and all places of that frame's feature maps answer;
joints and places carry the same embedding of where they lie in the crop, so that a joint can look around itself.
"""

from collections.abc import Sequence
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.networks.layers import Encoder

_OCTAVES = 6  # the finest wave is 1/32 of the crop: about a place of a latent


def waves(places: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n k"]:
    """Sines and cosines of places in [-1, 1], an octave apart."""
    turns = pi / 2 * 2 ** torch.arange(_OCTAVES, dtype=places.dtype, device=places.device)
    angles = (places[..., None] * turns).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], -1)


def grid(size: tuple[int, int], like: Tensor) -> Float[Tensor, "S 2"]:
    """x, y of the places of a map in [-1, 1], row by row; the outermost lie on the border, as features are sampled."""
    y, x = (torch.linspace(-1, 1, n, dtype=like.dtype, device=like.device) for n in size)
    return torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1).flatten(0, 1)


class ImageFusion(nn.Module):
    """Give every joint what it asks of the image of its frame.

    Args:
        width, heads, mlp_ratio: of the encoder.
        channels: of each feature map.
    """

    def __init__(self, *, width: int, heads: int, mlp_ratio: float, channels: Sequence[int]) -> None:
        super().__init__()
        self.values = nn.ModuleList(nn.Linear(c, width) for c in channels)
        self.place = nn.Linear(4 * _OCTAVES, width)
        self.encoder = Encoder(width=width, heads=heads, axis="spatial", mlp_ratio=mlp_ratio, context_width=width)

    def forward(
        self,
        feature: Float[Tensor, "B T J C"],
        reference: Float[Tensor, "B T J 2"],
        maps: Sequence[Float[Tensor, "N c h w"]],
    ) -> Float[Tensor, "B T J C"]:
        """Same shape out as in; the maps are of all N = B T frames, in order."""
        answers = [
            value(m.flatten(2).transpose(1, 2)) + self.place(waves(grid((m.shape[2], m.shape[3]), m)))
            for value, m in zip(self.values, maps, strict=True)
        ]
        context = torch.cat(answers, 1).view(*feature.shape[:2], -1, feature.shape[-1])
        return self.encoder(feature + self.place(waves(reference)), context)
