"""Task-aware decoder (paper 4.3, eq. 2 and 3): coarse alignment, task bias, feature complement."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.networks.layers import Encoder, Fusion

Tasks = Literal["none", "2d", "depth", "both"]
BiasInit = Literal["gaussian", "laplacian"]


class CoarseAlignment(nn.Module):
    """F_S = theta_1 F_2D + theta_2 F_D, theta = softmax(FC(F_2D ++ F_D)) (eq. 2), or their mean if not ``learned``."""

    def __init__(self, *, width: int, learned: bool = True) -> None:
        super().__init__()
        self.fusion = Fusion(width=width) if learned else None

    def forward(
        self, f_2d: Float[Tensor, "B T J C"], f_d: Float[Tensor, "B T J C"]
    ) -> tuple[Float[Tensor, "B T J C"], Float[Tensor, "B T J 2"]]:
        """The shared feature F_S and theta."""
        if self.fusion is None:
            return (f_2d + f_d) / 2, f_2d.new_full((*f_2d.shape[:-1], 2), 0.5)
        shared, theta = self.fusion(f_2d, f_d)
        return shared, theta


class TaskBias(nn.Module):
    """B_2D or B_D: a (T, J, C) tensor concatenated to F_S (paper 4.3; Tables 6 and 9).

    The paper names the two start distributions but not their scale; both start here with standard deviation 0.02.
    """

    def __init__(
        self, *, frames: int, joints: int, width: int, start: BiasInit = "gaussian", learnable: bool = True
    ) -> None:
        super().__init__()
        self.start = start
        self.value = nn.Parameter(torch.empty(frames, joints, width), requires_grad=learnable)

    def reset(self) -> None:
        """Redraw the bias from its first distribution."""
        with torch.no_grad():
            if self.start == "gaussian":
                self.value.normal_(std=0.02)
            else:
                half = torch.rand_like(self.value) - 0.5
                self.value.copy_(-(0.02 / 2**0.5) * half.sign() * torch.log1p(-2 * half.abs().clamp(max=0.499999)))

    def forward(self, shared: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J D"]:
        """S = F_S ++ B."""
        bias = self.value[: shared.shape[1]].to(shared.dtype)
        return torch.cat([shared, bias.expand(shared.shape[0], -1, -1, -1)], -1)


class FeatureComplement(nn.Module):
    """TF_C (eq. 3): the task's own feature asks, its support answers; along time, then among joints, each with MLP."""

    def __init__(self, *, width: int, support_width: int, heads: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        self.temporal = Encoder(
            width=width, heads=heads, axis="temporal", mlp_ratio=mlp_ratio, context_width=support_width
        )
        self.spatial = Encoder(
            width=width, heads=heads, axis="spatial", mlp_ratio=mlp_ratio, context_width=support_width
        )

    def forward(self, feature: Float[Tensor, "B T J C"], support: Float[Tensor, "B T J D"]) -> Float[Tensor, "B T J C"]:
        """The enhanced feature."""
        return self.spatial(self.temporal(feature, support), support)


class TaskAwareDecoder(nn.Module):
    """Let the two branches complement each other through a shared space.

    Args:
        width, joints, frames, heads, mlp_ratio: as in the shared bottom.
        coarse_alignment: learn theta (eq. 2); otherwise F_S is the mean of the two features (Table 5).
        task_bias: which tasks have a bias (Tables 5 and 6); a task without one is supported by F_S alone.
        bias_learnable: False freezes the biases at their start (Table 6, step 3).
        bias_start_2d, bias_start_depth: start distributions (Table 9).
    """

    def __init__(
        self,
        *,
        width: int,
        joints: int,
        frames: int,
        heads: int,
        mlp_ratio: float = 4.0,
        coarse_alignment: bool = True,
        task_bias: Tasks = "both",
        bias_learnable: bool = True,
        bias_start_2d: BiasInit = "gaussian",
        bias_start_depth: BiasInit = "gaussian",
    ) -> None:
        super().__init__()
        self.alignment = CoarseAlignment(width=width, learned=coarse_alignment)

        def bias(start: BiasInit) -> TaskBias:
            return TaskBias(frames=frames, joints=joints, width=width, start=start, learnable=bias_learnable)

        self.bias_2d = bias(bias_start_2d) if task_bias in ("2d", "both") else None
        self.bias_depth = bias(bias_start_depth) if task_bias in ("depth", "both") else None
        self.width_2d = width * (1 if self.bias_2d is None else 2)
        self.width_depth = width * (1 if self.bias_depth is None else 2)
        self.complement_2d = FeatureComplement(
            width=width, support_width=self.width_2d, heads=heads, mlp_ratio=mlp_ratio
        )
        self.complement_depth = FeatureComplement(
            width=width, support_width=self.width_depth, heads=heads, mlp_ratio=mlp_ratio
        )

    def forward(
        self, f_2d: Float[Tensor, "B T J C"], f_d: Float[Tensor, "B T J C"]
    ) -> tuple[
        Float[Tensor, "B T J C"],
        Float[Tensor, "B T J C"],
        Float[Tensor, "B T J D"],
        Float[Tensor, "B T J E"],
        Float[Tensor, "B T J 2"],
    ]:
        """The enhanced features of both tasks, their supports S_2D and S_D, and theta."""
        shared, theta = self.alignment(f_2d, f_d)
        s_2d = shared if self.bias_2d is None else self.bias_2d(shared)
        s_d = shared if self.bias_depth is None else self.bias_depth(shared)
        return self.complement_2d(f_2d, s_2d), self.complement_depth(f_d, s_d), s_2d, s_d, theta
