"""Stage I of P-STMO (Shan et al., ECCV 2022): hidden frames and joints of a 2D sequence, predicted from the others."""

from collections.abc import Iterator
from itertools import chain
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from prml.networks.blocks import LastAxisBatchNorm, parameter
from prml.networks.peers.pstmo import PSTMO, DeviationNorm, Layer
from prml.networks.published.layout import Slot, affine, as_kernel_1, batch_norm, share, slots, with_leading_axis

LEARNED = ("encoder", "layers", "frame_embedding")  # of the network; its other parts wait for stage II


class MaskedPoses(nn.Module):
    """What stage I adds to the network: tokens in place of what is hidden, and a decoder of half the width.

    The network's frame encoder and first transformer see the frames that are not hidden.

    Args:
        network: whose sizes it takes.
    """

    def __init__(self, network: PSTMO) -> None:
        super().__init__()
        frames, width = network.frame_embedding.shape
        first = cast(Layer, network.layers[0])
        inner, hidden, heads = width // 2, first.fc1.out_features // 2, first.attention.heads
        self.joints = network.joints
        self.joint_token = nn.Parameter(torch.randn(network.in_channels))
        self.norm = DeviationNorm(width)
        self.shrink = nn.Linear(width, inner, bias=False)
        self.frame_token = nn.Parameter(torch.randn(inner))
        self.frame_embedding = nn.Parameter(torch.randn(frames, inner))
        self.layers = nn.Sequential(
            *(Layer(width=inner, hidden=hidden, heads=heads) for _ in range(len(network.layers) - 1))
        )
        self.unused = parameter(2, inner).requires_grad_(False)  # a last norm that the authors have and never call
        self.out_norm = LastAxisBatchNorm(inner)
        self.out = nn.Linear(inner, 2 * network.joints)

    def forward(
        self, network: PSTMO, x: Float[Tensor, "B T J C"], frames: Bool[Tensor, " T"], joints: Bool[Tensor, "T J"]
    ) -> Float[Tensor, "B T J 2"]:
        """Predict x and y of all joints in all frames, in the order of the frames.

        Args:
            network: P-STMO, whose first part learns.
            x: normalised 2D.
            frames: those that are hidden.
            joints: those that are hidden besides.
        """
        network.check(x)
        x = torch.where(joints[..., None], self.joint_token, x)
        features = network.encoder(x.flatten(2)) + network.frame_embedding
        seen = self.shrink(self.norm(network.layers(features[:, ~frames])))
        full = self.frame_embedding.expand(len(x), -1, -1).clone()
        full[:, ~frames] += seen
        full[:, frames] += self.frame_token
        pose: Tensor = self.out(self.out_norm(self.layers(full)))
        return pose.view(*pose.shape[:-1], self.joints, 2)

    def layout(self) -> Iterator[Slot]:
        """The authors' entries beside those of the network's own parts."""
        layers = cast(list[Layer], list(self.layers))
        return chain(
            *(m.layout(f"Transformer_dec.model.layers.{i}", f"layers.{i}") for i, m in enumerate(layers)),
            (Slot(f"Transformer_dec.model.norm.{n}", "unused", share(i, 2)) for i, n in enumerate(("a_2", "b_2"))),
            slots("encoder_to_decoder", "shrink", "weight"),
            DeviationNorm.layout("encoder_LN", "norm"),
            batch_norm("fcn_dec.0", "out_norm"),
            affine("fcn_dec.1", "out", view=as_kernel_1),
            (Slot("dec_pos_embedding", "frame_embedding", with_leading_axis),),
            (Slot("mask_token", "frame_token", lambda own: own[None, None]),),
            (Slot("spatial_mask_token", "joint_token", lambda own: own[None, None]),),
        )


def hidden_parts(
    frames: int, joints: int, share_hidden: float, joints_hidden: int, generator: torch.Generator | None = None
) -> tuple[Bool[Tensor, " T"], Bool[Tensor, "T J"]]:
    """Draw what stage I hides: so many of the frames, and in every frame so many of the joints.

    The last joint is never hidden: the authors draw from the first 16 of 17 (``run.py``).

    Args:
        frames: T.
        joints: J.
        share_hidden: of the frames; rounded down to whole frames, and one is always seen.
        joints_hidden: at most J - 1.
        generator: of the draws; None for torch's own.
    """
    hidden = torch.zeros(frames, dtype=torch.bool)
    hidden[torch.randperm(frames, generator=generator)[: min(int(frames * share_hidden), frames - 1)]] = True
    order = torch.rand(frames, joints - 1, generator=generator).argsort(1)
    parts = torch.zeros(frames, joints, dtype=torch.bool)
    return hidden, parts.scatter_(1, order[:, :joints_hidden], value=True)
