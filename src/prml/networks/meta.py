"""Networks without memory: shapes and names of their tensors, on torch's meta device."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWN = {"normal_", "uniform_", "bernoulli_", "exponential_", "log_normal_", "cauchy_", "geometric_", "random_"}


class _Undrawn(TorchFunctionMode):
    """Leaves out drawing: a meta tensor has no values, and torch would import its compiler for the attempt."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") in _DRAWN and args and args[0].is_meta:
            return args[0]
        if func is torch.eye:  # for its values too
            return torch.empty(args[0], args[1] if len(args) > 1 else args[0], **(kwargs or {}))
        return func(*args, **(kwargs or {}))


@contextmanager
def on_meta() -> Iterator[None]:
    """Within the block, new tensors have a shape and a type but no memory, and nothing is drawn for them."""
    with torch.device("meta"), _Undrawn():
        yield
