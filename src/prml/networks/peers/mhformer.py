"""MHFormer (Li et al., CVPR 2022): three hypotheses of the motion, refined each on its own and against each other."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.blocks import (
    Block,
    LastAxisBatchNorm,
    depth_rates,
    frames_first,
    parameter,
    stochastic_depth,
)
from prml.networks.heads import PoseHead
from prml.networks.layers import Attention, Mlp
from prml.networks.published.layout import (
    PublishedNetwork,
    Shapes,
    Slot,
    affine,
    as_kernel_1,
    attention,
    batch_norm,
    count,
    encoder,
    mlp,
    rows,
    with_leading_axis,
)

HYPOTHESES, GENERATOR_HEADS = 3, 9
DROPOUT, DROP_PATH = 0.1, 0.2

Streams = list[Tensor]  # three tensors (B, 1, T, C): the frames of the window are the tokens


class Generator(nn.Module):
    """A transformer whose tokens are the coordinates and whose features are the frames.

    Args:
        frames: T, the width of the features.
        tokens: number of coordinates.
    """

    def __init__(self, *, frames: int, tokens: int) -> None:
        super().__init__()
        self.token_embedding = parameter(tokens, frames)
        self.blocks = nn.Sequential(
            *(
                Block(width=frames, heads=GENERATOR_HEADS, axis="spatial", dropout=DROPOUT, drop_path=rate)
                for rate in depth_rates(DROP_PATH, 4)
            )
        )
        self.norm = nn.LayerNorm(frames, eps=1e-6)

    def forward(self, x: Float[Tensor, "B N T"]) -> Float[Tensor, "B N T"]:
        """Same shape out as in."""
        x = F.dropout(x + self.token_embedding, DROPOUT, self.training)
        return self.norm(self.blocks(x[:, None])[:, 0])

    @staticmethod
    def layout(published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        yield Slot(f"{published}.pos_embed", f"{own}.token_embedding", with_leading_axis)
        for i in range(4):
            yield from encoder(f"{published}.blocks.{i}", f"{own}.blocks.{i}")
        yield from affine(f"{published}.norm", f"{own}.norm")


class CrossAttention(nn.Module):
    """Attention whose queries, keys and values come from three different streams."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Float[Tensor, "B 1 T C"]:
        """One output token for every query token."""
        parts = (self.query(query), self.key(key), self.value(value))
        heads = (p.unflatten(-1, (self.heads, -1)).squeeze(1).transpose(1, 2) for p in parts)
        return self.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)[:, None])


class _Mixer(nn.Module):
    """What the two kinds of blocks share: after the attentions, one MLP over all hypotheses together."""

    def __init__(self, *, width: int, hidden: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm = nn.LayerNorm(HYPOTHESES * width, eps=1e-6)
        self.mlp = Mlp(width=HYPOTHESES * width, ratio=hidden / (HYPOTHESES * width))

    def _branch(self, x: Tensor) -> Tensor:
        dropped = F.dropout(x, DROPOUT, self.training)
        return stochastic_depth(dropped, self.drop_path, "spatial", training=self.training)

    def _mix(self, streams: Streams) -> Streams:
        x = torch.cat(streams, -1)
        hidden = F.dropout(F.gelu(self.mlp.fc1(self.norm(x))), DROPOUT, self.training)
        return list((x + self._branch(self.mlp.fc2(hidden))).chunk(HYPOTHESES, -1))


class SelfRefinement(_Mixer):
    """Each hypothesis attends to itself (SHR)."""

    def __init__(self, *, width: int, heads: int, hidden: int, drop_path: float) -> None:
        super().__init__(width=width, hidden=hidden, drop_path=drop_path)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(HYPOTHESES))
        self.attentions = nn.ModuleList(Attention(width=width, heads=heads, axis="spatial") for _ in range(HYPOTHESES))

    def forward(self, streams: Streams) -> Streams:
        """Same shapes out as in."""
        parts = zip(streams, self.norms, self.attentions, strict=True)
        return self._mix([x + self._branch(attend(norm(x))) for x, norm, attend in parts])

    @staticmethod
    def layout(published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        for i in range(HYPOTHESES):
            yield from affine(f"{published}.norm1_{i + 1}", f"{own}.norms.{i}")
        for i in range(HYPOTHESES):
            yield from attention(f"{published}.attn_{i + 1}", f"{own}.attentions.{i}")
        yield from affine(f"{published}.norm2", f"{own}.norm")
        yield from mlp(f"{published}.mlp", f"{own}.mlp")


class CrossInteraction(_Mixer):
    """Each hypothesis is updated by attention over the other two (CHI); the later ones see the earlier ones' update."""

    def __init__(self, *, width: int, heads: int, hidden: int, drop_path: float) -> None:
        super().__init__(width=width, hidden=hidden, drop_path=drop_path)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(HYPOTHESES**2))
        self.attentions = nn.ModuleList(CrossAttention(width=width, heads=heads) for _ in range(HYPOTHESES))

    def forward(self, streams: Streams) -> Streams:
        """Same shapes out as in."""
        streams = list(streams)
        for i, attend in enumerate(self.attentions):
            sources = [j for j in range(HYPOTHESES) if j != i] + [i]  # query, key, value
            normed = (self.norms[HYPOTHESES * i + k](streams[j]) for k, j in enumerate(sources))
            streams[i] = streams[i] + self._branch(attend(*normed))
        return self._mix(streams)

    @staticmethod
    def layout(published: str, own: str) -> Iterator[Slot]:
        """The authors' entries."""
        for i in range(HYPOTHESES**2):
            yield from affine(f"{published}.norm3_{i // 3 + 1}{i % 3 + 1}", f"{own}.norms.{i}")
        for i in range(HYPOTHESES):
            theirs, ours = f"{published}.attn_{i + 1}", f"{own}.attentions.{i}"
            for a, b in (("linear_q", "query"), ("linear_k", "key"), ("linear_v", "value"), ("proj", "out")):
                yield from affine(f"{theirs}.{a}", f"{ours}.{b}")
        yield from affine(f"{published}.norm2", f"{own}.norm")
        yield from mlp(f"{published}.mlp", f"{own}.mlp")


class MHFormer(PublishedNetwork):
    """A window to the pose of its middle frame, at a fixed length.

    Args:
        frames, joints, in_channels: T (a multiple of 9), J, C_in.
        width: C.
        depth: blocks after the embedding; the last one is the cross-hypothesis one.
        hidden: width inside their MLPs.
        heads: in those blocks.
    """

    output = "middle"
    ARGUMENTS: ClassVar = {
        "layers": "depth",
        "channel": "width",
        "d_hid": "hidden",
        "n_joints": "joints",
        "out_joints": "joints",
    }

    def __init__(
        self,
        *,
        frames: int = 351,
        joints: int = 17,
        in_channels: int = 2,
        width: int = 512,
        depth: int = 3,
        hidden: int = 1024,
        heads: int = 8,
    ) -> None:
        if frames % GENERATOR_HEADS:
            raise PrmlError(f"frames must be a multiple of {GENERATOR_HEADS} (9, 27, 81, 243, 351 ...), got {frames}")
        if depth < 1:
            raise PrmlError(f"depth must be at least 1, got {depth}")
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        tokens = joints * in_channels
        self.norms = nn.ModuleList(nn.LayerNorm(frames) for _ in range(HYPOTHESES))
        self.generators = nn.ModuleList(Generator(frames=frames, tokens=tokens) for _ in range(HYPOTHESES))
        self.embeds = nn.ModuleList(self._embedding(tokens, width, frames) for _ in range(HYPOTHESES))
        self.frame_embedding = parameter(HYPOTHESES, frames, width)
        *refine, cross = depth_rates(DROP_PATH, depth)
        self.refine = nn.ModuleList(
            SelfRefinement(width=width, heads=heads, hidden=hidden, drop_path=rate) for rate in refine
        )
        self.cross = CrossInteraction(width=width, heads=heads, hidden=hidden, drop_path=cross)
        self.norm = nn.LayerNorm(HYPOTHESES * width, eps=1e-6)
        joined = HYPOTHESES * width
        self.head = PoseHead(norm=LastAxisBatchNorm(joined), width=joined, joints=joints)

    @staticmethod
    def _embedding(tokens: int, width: int, frames: int) -> nn.Sequential:
        """Linear; up to 27 frames the authors follow it by batch norm, ReLU and dropout."""
        short = (LastAxisBatchNorm(width), nn.ReLU(), nn.Dropout(0.25)) if frames <= 27 else ()
        return nn.Sequential(nn.Linear(tokens, width), *short)

    def _hypotheses(self, x: Float[Tensor, "B T J C_in"]) -> Streams:
        streams, tokens = [], frames_first(x).transpose(1, 2)
        parts = zip(self.norms, self.generators, self.embeds, self.frame_embedding, strict=True)
        for norm, generate, embed, position in parts:
            tokens = tokens + generate(norm(tokens))
            feature = embed(tokens.transpose(1, 2)) + position
            streams.append(F.dropout(feature, DROPOUT, self.training)[:, None])
        return streams

    def forward_with_sequence(
        self, x: Float[Tensor, "B T J C_in"]
    ) -> tuple[Float[Tensor, "B 1 J 3"], Float[Tensor, "B T J 3"]]:
        """The middle frame, and all frames (the authors' training loss is over all of them)."""
        self.check(x)
        streams = self._hypotheses(x)
        for block in self.refine:
            streams = block(streams)
        feature = self.norm(torch.cat(self.cross(streams), -1))[:, 0]
        sequence = self.head(feature).unflatten(-1, (self.joints, 3))
        middle = (self.frames - 1) // 2
        return sequence[:, middle : middle + 1], sequence

    def forward(self, x: Float[Tensor, "B T J C_in"]) -> Float[Tensor, "B 1 J 3"]:
        """Root-relative metres, camera frame, of the middle frame."""
        return self.forward_with_sequence(x)[0]

    def layout(self) -> Iterator[Slot]:
        """The authors' state_dict."""

        def embedding(i: int) -> Iterator[Slot]:
            short = len(self.embeds[i]) > 1  # type: ignore[arg-type]
            yield from affine(f"embedding_{i + 1}" + ".0" * short, f"embeds.{i}.0", view=as_kernel_1)
            if short:
                yield from batch_norm(f"embedding_{i + 1}.1", f"embeds.{i}.1")

        three, theirs = range(HYPOTHESES), "Transformer_hypothesis"
        return chain(
            *(affine(f"norm_{i + 1}", f"norms.{i}") for i in three),
            *(Generator.layout(f"Transformer_encoder_{i + 1}", f"generators.{i}") for i in three),
            *(embedding(i) for i in three),
            (Slot(f"{theirs}.pos_embed_{i + 1}", "frame_embedding", rows(i, i + 1)) for i in three),
            *(SelfRefinement.layout(f"{theirs}.SHR_blocks.{i}", f"refine.{i}") for i in range(len(self.refine))),
            CrossInteraction.layout(f"{theirs}.CHI_blocks.0", "cross"),
            affine(f"{theirs}.norm", "norm"),
            batch_norm("regression.0", "head.norm"),
            affine("regression.1", "head.fc", view=as_kernel_1),
        )

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Everything but the number of joints and heads."""
        theirs = "Transformer_hypothesis"
        _, frames, width = shapes[f"{theirs}.pos_embed_1"]
        joints = shapes["regression.1.bias"][0] // 3
        return {
            "frames": frames,
            "width": width,
            "depth": count(shapes, f"{theirs}.SHR_blocks") + 1,
            "hidden": shapes[f"{theirs}.CHI_blocks.0.mlp.fc1.bias"][0],
            "joints": joints,
            "in_channels": shapes["Transformer_encoder_1.pos_embed"][1] // joints,
        }
