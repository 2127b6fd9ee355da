"""What a network costs: parameters and multiply-adds, exact integers, without computing anything (meta tensors).

Two counts, as the field uses both. ``linear`` counts linear and convolution layers, which is what published tables hold
up to the norms that their counter (thop) adds. ``full`` counts every product of matrices: attention and raw parameters
as well.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from prml.networks.base import Network
from prml.networks.registry import build

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass of one window.

    Attributes:
        parameters: trainable and frozen, without buffers.
        linear_macs: multiply-adds of linear and convolution layers.
        full_macs: of all products of matrices.
        frames: T, frames in.
        output_frames: poses out.
    """

    parameters: int
    linear_macs: int
    full_macs: int
    frames: int
    output_frames: int

    @property
    def linear_macs_per_frame(self) -> float:
        """Linear multiply-adds for each pose that comes out."""
        return self.linear_macs / self.output_frames


def layer_macs(layer: nn.Module, output: Tensor) -> int:
    """Multiply-adds of a linear or convolution layer that gave ``output``; 0 for any other layer."""
    if isinstance(layer, nn.Linear):
        return output.numel() * layer.in_features
    if isinstance(layer, _CONVOLUTIONS):
        return output.numel() * layer.in_channels // layer.groups * math.prod(layer.kernel_size)
    return 0


def _attention_flops(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], *_: Any, **__: Any) -> int:
    """Twice the multiply-adds of Q K^T and P V; shapes are (N, heads, L, d)."""
    pairs = math.prod(query[:-1]) * key[-2]
    return 2 * pairs * (query[-1] + value[-1])


# torch counts the attention of GPUs; CPUs have another operator for it
_MORE = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}


def count(network: nn.Module, *inputs: Any) -> Cost:
    """Count one forward pass of ``network`` on ``inputs`` (a copy of it on the meta device is cheapest).

    Args:
        network: any network (B, T, J, C_in) -> (B, T or 1, J, 3).
        inputs: its inputs, batch 1, on its device.
    """
    linear = 0

    def hook(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal linear
        linear += layer_macs(layer, output)

    handles = [m.register_forward_hook(hook) for m in network.modules() if isinstance(m, (nn.Linear, *_CONVOLUTIONS))]
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=_MORE) as counter:
            output = network(*inputs)
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    parameters = sum(p.numel() for p in network.parameters())
    return Cost(parameters, linear, counter.get_total_flops() // 2, inputs[0].shape[1], output.shape[1])


def cost_of(name: str, **arguments: Any) -> Cost:
    """Cost of a registered network at its own window; ``arguments`` override those of the named size.

    Raises:
        PrmlError: unknown name, or arguments that the network cannot have.
    """
    with torch.device("meta"):
        network = build(name, **arguments)
    return count(network, *example_inputs(network, device="meta"))


def example_inputs(network: Network, *, device: str = "cpu") -> tuple[Any, ...]:
    """Zeros of a network's input shapes: (1, T, J, C_in); joints in the crop and feature maps where it needs them."""
    T, J = network.frames, network.joints
    x = torch.zeros(1, T, J, network.in_channels, device=device)
    if not network.image_channels:
        return (x,)
    # strides 4, 8, 16, 32 of the 192 x 256 crop
    sizes = ((64, 48), (32, 24), (16, 12), (8, 6))
    maps = [torch.zeros(T, c, *hw, device=device) for c, hw in zip(network.image_channels, sizes, strict=True)]
    return x, torch.zeros(1, T, J, 2, device=device), maps
