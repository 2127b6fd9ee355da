"""First weights from which depth is learned sooner: joints that differ from each other, attention that chooses.

With the usual first weights (all of 0.02) every joint gets nearly the same embedding and attends to all joints alike.
A spatial encoder then sees little more than the mean joint, and depth, which depends on how joints stand to each other,
is not learned for hundreds of steps (a plateau at the error of predicting no depth at all). ``benchmarks/start.py``
measures it: with these weights PrML leaves the plateau within 150 steps, small MotionBERT and MixSTE need longer. The
scheme is ours, from no paper.
"""

import torch
from torch import nn

from prml.networks.layers import Attention

_EMBEDDING = 0.5  # of joint embeddings, and of the first layer's weights: of the order of the coordinates
_SHARPNESS = 1.4  # of queries and keys: their products are then of order 2, and softmax chooses among joints
_OUTPUT = 0.5  # of attention's output: the residual stream keeps the joint's own feature


@torch.no_grad()
def distinct_joints(network: nn.Module) -> list[str]:
    """Redraw joint embeddings, the embedding of coordinates and spatial attention; returns the names of all redrawn.

    Layers are found by kind and name (``embed``, ``joint_embedding``, ``position``, :class:`Attention` over joints), so
    that it serves every network that is made of ``layers``; others keep what they have.
    """
    drawn = []
    for name, parameter in network.named_parameters():
        if name.split(".")[-1] in ("joint_embedding", "position"):
            nn.init.normal_(parameter, std=_EMBEDDING)
            drawn.append(name)
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear) and module.in_features <= 3 and "embed" in name.split("."):
            nn.init.normal_(module.weight, std=_EMBEDDING)
            drawn.append(name)
        if isinstance(module, Attention) and module.axis == "spatial":
            _draw(module)
            drawn.append(name)
    return drawn


def _draw(attention: Attention) -> None:
    """Queries, keys, values and output of one attention; variance 1 in gives about 1 out before the output layer."""
    if attention.cross:
        projections = (attention.query.weight, *attention.key_value.weight.chunk(2))
    else:
        projections = attention.qkv.weight.chunk(3)
    for weight, gain in zip(projections, (_SHARPNESS, _SHARPNESS, 1.0), strict=True):
        nn.init.normal_(weight, std=gain * weight.shape[1] ** -0.5)
    nn.init.normal_(attention.out.weight, std=_OUTPUT * attention.out.in_features**-0.5)
