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

from prml.errors import PrmlError
from prml.networks.base import Network
from prml.networks.meta import on_meta
from prml.networks.registry import build

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_PROJECTION = nn.modules.linear.NonDynamicallyQuantizableLinear  # inside MultiheadAttention, never called
_GATES = {"GRU": 3, "LSTM": 4, "RNN_TANH": 1, "RNN_RELU": 1}
_COUNTED = (nn.Linear, *_CONVOLUTIONS, nn.RNNBase, nn.MultiheadAttention)
# layers with parameters of their own, but without products of matrices
_WITHOUT_PRODUCTS = (
    *(nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(
        nn.InstanceNorm1d,
        nn.InstanceNorm2d,
        nn.InstanceNorm3d,
        nn.Embedding,
        nn.PReLU,
        nn.ParameterList,
        nn.ParameterDict,
    ),
)


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


def recurrent_macs(layer: nn.RNNBase, steps: int) -> int:
    """Multiply-adds of a GRU, LSTM or plain recurrent layer over ``steps`` (frames times batch)."""
    ways, hidden = (2 if layer.bidirectional else 1), layer.hidden_size
    given = layer.proj_size or hidden  # an LSTM may project what it passes on
    widths = [layer.input_size, *[given * ways] * (layer.num_layers - 1)]
    per_step = sum(_GATES[layer.mode] * hidden * (width + given) for width in widths)
    return steps * ways * (per_step + layer.num_layers * layer.proj_size * hidden)


def _check_known(network: nn.Module) -> None:
    """Raise PrmlError for a layer of torch's whose products would not be counted."""
    for name, layer in network.named_modules():
        from_torch = type(layer).__module__.startswith("torch.nn.")
        if from_torch and layer._parameters and not isinstance(layer, (*_COUNTED, *_WITHOUT_PRODUCTS)):
            raise PrmlError(
                f"cannot count the multiply-adds of {name or 'it'}, a {type(layer).__name__}; counted are "
                "Linear, Conv1d to 3d, GRU, LSTM, RNN, MultiheadAttention, and products of tensors in code of your own"
            )


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

    Raises:
        PrmlError: a layer whose products are not counted.
    """
    _check_known(network)
    linear = 0
    hidden = 0  # products inside kernels that torch's counter does not know
    counter = FlopCounterMode(display=False, custom_mapping=_MORE)
    before: list[int] = []

    def enter(layer: nn.Module, _: Any) -> None:
        before.append(counter.get_total_flops() // 2)

    def leave(layer: nn.Module, given: Any, output: Any) -> None:
        nonlocal linear, hidden
        seen = counter.get_total_flops() // 2 - before.pop()
        if isinstance(layer, nn.RNNBase):
            made = recurrent_macs(layer, given[0].numel() // layer.input_size)
            linear, hidden = linear + made, hidden + made - seen
        elif isinstance(layer, nn.MultiheadAttention):  # its projections are no layers of their own
            linear += sum(x.numel() * layer.embed_dim for x in (*given[:3], given[0]))
        else:
            linear += layer_macs(layer, output)

    layers = [m for m in network.modules() if isinstance(m, _COUNTED) and not isinstance(m, _PROJECTION)]
    handles = [h for m in layers for h in (m.register_forward_pre_hook(enter), m.register_forward_hook(leave))]
    training, fast = network.training, torch.backends.mha.get_fastpath_enabled()
    network.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # one kernel for a whole encoder layer, which is not counted
    try:
        with torch.no_grad(), counter:
            output = network(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        network.train(training)
        for handle in handles:
            handle.remove()
    parameters = sum(p.numel() for p in network.parameters())
    full = counter.get_total_flops() // 2 + hidden
    return Cost(parameters, linear, full, inputs[0].shape[1], output.shape[1])


def cost_of(name: str, **arguments: Any) -> Cost:
    """Cost of a registered network at its own window; ``arguments`` override those of the named size.

    Raises:
        PrmlError: unknown name, a layer whose products are not counted, or arguments that the network cannot have.
    """
    with on_meta():
        network = build(name, **arguments)
    return count(network, *example_inputs(network, device="meta"))


def example_inputs(network: Network, *, device: str = "cpu") -> tuple[Any, ...]:
    """Zeros of a network's input shapes: (1, T, J, C_in); joints in the crop and feature maps where it needs them."""
    T, J = network.frames, network.joints
    x = torch.zeros(1, T, J, network.in_channels, device=device)
    if not network.image_channels:
        return (x,)
    kinds = zip(network.image_channels, network.image_sizes, strict=True)
    maps = [torch.zeros(T, c, *size, device=device) for c, size in kinds]
    return x, torch.zeros(1, T, J, 2, device=device), maps
