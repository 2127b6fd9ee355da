"""PrML (paper section 4): shared bottom, 2D pose branch, depth branch, task-aware decoder, two regression heads."""

from collections.abc import Sequence
from typing import ClassVar, Literal, overload

from jaxtyping import Float
from torch import Tensor

from prml.errors import PrmlError
from prml.networks.base import MAX_MAPS, Features, Network
from prml.networks.layers import Fusion, init_weights
from prml.networks.prml.heads import TaskHeads
from prml.networks.prml.image_fusion import ImageFusion
from prml.networks.prml.shared_bottom import SharedBottom
from prml.networks.prml.task_aware_decoder import BiasInit, TaskAwareDecoder, TaskBias, Tasks
from prml.networks.prml.task_branch import BlockOrder, TaskBranch

LATENT_SIZE = (32, 24)  # of SDXL's VAE for a crop of 256 x 192


class PrML(Network):
    """Progressive multi-task lifting network.

    Args:
        frames: T, the longest sequence (any shorter one is accepted).
        joints: J.
        in_channels: C_in; 3 for x, y, confidence, 2 for x, y.
        width: C (Table 11).
        heads: attention heads.
        mlp_ratio: hidden width of the MLPs over C.
        shared_blocks: K, DSTFormer blocks in the shared bottom (not printed in the paper).
        branch_blocks: N, blocks in each branch (not printed; 13 reproduces the paper's cost).
        branches: which task branches exist (Table 4); an absent one is replaced by the shared feature.
        order: order of the encoders in a branch block (Table 10).
        decoder: whether there is a task-aware decoder (Table 4).
        coarse_alignment: learn theta in the decoder (Table 5).
        task_bias: which biases the decoder has (Tables 5 and 6).
        bias_learnable: whether the biases are trained (Table 6).
        bias_start_2d, bias_start_depth: distribution that the biases start from (Table 9).
        image_features: which branches are given image features (Table 13); "none" for a network without.
        features: channels of the feature maps; 4 for latents of SDXL's VAE.
    """

    two_heads: ClassVar = True
    any_length = True

    def __init__(
        self,
        *,
        frames: int = 243,
        joints: int = 17,
        in_channels: int = 3,
        width: int = 128,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        shared_blocks: int = 1,
        branch_blocks: int = 13,
        branches: Tasks = "both",
        order: BlockOrder = "T->S",
        decoder: bool = True,
        coarse_alignment: bool = True,
        task_bias: Tasks = "both",
        bias_learnable: bool = True,
        bias_start_2d: BiasInit = "gaussian",
        bias_start_depth: BiasInit = "gaussian",
        image_features: Tasks = "none",
        features: Sequence[int] = (4,),
    ) -> None:
        super().__init__(frames=frames, joints=joints, in_channels=in_channels)
        if len(features) > MAX_MAPS:
            raise PrmlError(f"PrML: features must be the channels of at most {MAX_MAPS} maps, got {len(features)}")
        self.max_frames = frames
        self.bottom = SharedBottom(
            in_channels=in_channels,
            width=width,
            joints=joints,
            frames=frames,
            blocks=shared_blocks,
            heads=heads,
            mlp_ratio=mlp_ratio,
        )

        def branch() -> TaskBranch:
            return TaskBranch(
                width=width, joints=joints, blocks=branch_blocks, heads=heads, mlp_ratio=mlp_ratio, order=order
            )

        self.branch_2d = branch() if branches in ("2d", "both") else None
        self.branch_depth = branch() if branches in ("depth", "both") else None
        self.decoder = (
            TaskAwareDecoder(
                width=width,
                joints=joints,
                frames=frames,
                heads=heads,
                mlp_ratio=mlp_ratio,
                coarse_alignment=coarse_alignment,
                task_bias=task_bias,
                bias_learnable=bias_learnable,
                bias_start_2d=bias_start_2d,
                bias_start_depth=bias_start_depth,
            )
            if decoder
            else None
        )
        self.support_widths = (self.decoder.width_2d, self.decoder.width_depth) if self.decoder else (width, width)
        self.heads = TaskHeads(width=width)

        def fusion(*tasks: Tasks) -> ImageFusion | None:
            wanted = image_features in tasks
            return ImageFusion(width=width, heads=heads, mlp_ratio=mlp_ratio, channels=features) if wanted else None

        # after everything else: without them, the same weights are drawn as ever
        self.image_2d, self.image_depth = fusion("2d", "both"), fusion("depth", "both")
        if image_features != "none":
            self.image_channels, self.image_sizes = tuple(features), (LATENT_SIZE,) * len(features)
        self.reset()

    @property
    def task_biases(self) -> tuple[Tensor | None, Tensor | None]:
        """B_2D and B_D, (T, J, C) each; None for what the decoder lacks."""
        decoder = self.decoder
        biases = (None, None) if decoder is None else (decoder.bias_2d, decoder.bias_depth)
        bias_2d, bias_depth = (None if b is None else b.value for b in biases)
        return bias_2d, bias_depth

    def reset(self) -> None:
        """Initialise every weight."""
        self.apply(init_weights)
        for module in self.modules():
            if isinstance(module, Fusion | SharedBottom | TaskBranch | TaskBias):
                module.reset()

    @overload
    def forward(
        self,
        x: Tensor,
        reference: Tensor | None = None,
        maps: Sequence[Tensor] | None = None,
        *,
        features: Literal[False] = False,
    ) -> Tensor: ...
    @overload
    def forward(
        self,
        x: Tensor,
        reference: Tensor | None = None,
        maps: Sequence[Tensor] | None = None,
        *,
        features: Literal[True],
    ) -> tuple[Tensor, Features]: ...
    def forward(
        self,
        x: Float[Tensor, "B T J C_in"],
        reference: Float[Tensor, "B T J 2"] | None = None,
        maps: Sequence[Float[Tensor, "N c h w"]] | None = None,
        *,
        features: bool = False,
    ) -> Float[Tensor, "B T J 3"] | tuple[Float[Tensor, "B T J 3"], Features]:
        """Lift normalised 2D to root-relative 3D.

        Args:
            x: normalised 2D.
            reference: the same joints in the crop, in [-1, 1]; given exactly with ``image_features``.
            maps: feature maps of the crops of all N = B T frames, in order; given with ``reference``.
            features: return what the losses and figures need too.
        """
        self.check(x)
        self.check_images(x, reference, maps)
        shared = self.bottom(x)
        f_2d = f_d = shared
        if self.image_2d is not None:
            f_2d = self.image_2d(shared, reference, maps)
        if self.image_depth is not None:
            f_d = self.image_depth(shared, reference, maps)
        f_2d = f_2d if self.branch_2d is None else self.branch_2d(f_2d)
        f_d = f_d if self.branch_depth is None else self.branch_depth(f_d)
        s_2d = s_d = shared
        theta = None
        if self.decoder is not None:
            f_2d, f_d, s_2d, s_d, theta = self.decoder(f_2d, f_d)
        pose = self.heads(f_2d, f_d)
        return (pose, Features(f_2d, f_d, s_2d, s_d, theta)) if features else pose
