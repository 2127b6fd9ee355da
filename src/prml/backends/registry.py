"""Registry of engines.

An engine is a module with an ``ENGINE`` or more, and one line each in ``_SHIPPED``. ``torch`` is not among them: it is
what a lifter computes with unless another engine is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from prml.backends.whole import Whole
from prml.errors import PrmlError
from prml.options import nearest

Array = np.ndarray
Predict: TypeAlias = Callable[[Float[Array, "B T J c"]], Float[Array, "B U J d"]]
"""Poses of windows, in the order of :class:`prml.backends.whole.Whole`'s columns; both are float32."""

DEFAULT = "torch"
_SHIPPED = {
    "torch-bf16": "prml.backends.torch_bf16:ENGINE",
    "onnxruntime": "prml.backends.onnx:ENGINE",
    "openvino": "prml.backends.openvino:ENGINE",
    "openvino-bf16": "prml.backends.openvino:ENGINE_BF16",
}
ENGINES = (DEFAULT, *_SHIPPED)


@dataclass(frozen=True)
class Engine:
    """Computes networks.

    Attributes:
        name: the value of ``engine=``.
        description: one line.
        open: returns what predicts with a network, for windows of (frames, joints, channels); raises PrmlError if the
            engine's package is not installed, or cannot compute the network.
    """

    name: str
    description: str
    open: Callable[[Whole, tuple[int, int, int]], Predict]


def get_engine(name: str) -> Engine:
    """Return an engine other than torch by name; raise PrmlError if there is none."""
    if name not in _SHIPPED:
        near = nearest(name, ENGINES)
        hint = f"did you mean {near!r}?" if near else f"expected one of {', '.join(ENGINES)}"
        raise PrmlError(f"unknown engine {name!r}; {hint}")
    module, _, attribute = _SHIPPED[name].partition(":")
    engine: Engine = getattr(import_module(module), attribute)
    return engine
