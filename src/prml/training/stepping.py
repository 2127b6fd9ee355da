"""A training step that fits: the network compiled where that pays, the batch in parts where memory is short."""

import warnings
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from prml.errors import PrmlError
from prml.io.guard import one_line
from prml.networks.base import Network

Batch = dict[str, Tensor]
Terms = dict[str, Tensor]


class SteppingModule(pl.LightningModule):
    """Computes losses and gradients of a batch, in parts whose gradients are added; subclasses say what the losses are.

    A process that trains alone computes the gradients within ``training_step``, so that it can begin the step again: in
    twice as many parts when the device has run out of memory, without the compiler when that fails. Among several
    processes, and with scaled float16 gradients, Lightning computes them, and neither is tried.

    Attributes:
        parts: of every batch.
        scaled: whether gradients are scaled for float16.
    """

    network: Network
    scaled: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.parts = 1
        self._compiled = False

    def losses(self, batch: Batch) -> Terms:
        """Every term of the loss, and their sum ``loss``."""
        raise NotImplementedError

    @property
    def alone(self) -> bool:
        """Whether this process computes its gradients itself."""
        return self.trainer.world_size == 1 and not self.scaled

    def compile_network(self) -> None:
        """Let torch compile the network when it is first called; the names of its weights stay."""
        self.network.compile(dynamic=False)
        self._compiled = True

    def step_terms(self, batch: Batch) -> Terms:
        """The terms of a batch, with gradients computed if this process trains alone.

        Raises:
            PrmlError: a device without memory for a single window.
        """
        if not self.alone:
            return self.losses(batch)
        while True:
            self.zero_grad(set_to_none=True)
            failure: str | None = None
            try:
                return self._in_parts(batch)
            except torch.OutOfMemoryError:
                failure = ""  # handled outside: the exception holds on to tensors
            except Exception as error:
                if not self._compiled or isinstance(error, PrmlError):
                    raise
                failure = one_line(error, 120)
            if failure:
                self._stop_compiling(failure)
            else:
                self._halve(len(batch["input"]))

    def _in_parts(self, batch: Batch) -> Terms:
        windows, terms = len(batch["input"]), Terms()
        size = -(-windows // self.parts)
        for first in range(0, windows, size):
            part = {name: value[first : first + size] for name, value in batch.items()} if size < windows else batch
            share = len(part["input"]) / windows
            found = self.losses(part)
            with torch.autocast(self.device.type, enabled=False):  # which the losses were computed under
                (found["loss"] * share if share < 1 else found["loss"]).backward()  # type: ignore[no-untyped-call]
            for name, value in found.items():
                terms[name] = terms.get(name, 0) + share * value.detach()
        self._compiled = False  # it has worked
        return terms

    def _halve(self, windows: int) -> None:
        if self.parts >= windows:
            raise PrmlError(
                f"the device has too little memory for one window of {self.network.frames} frames; choose a smaller "
                "network or a device with more memory"
            )
        self.parts = min(windows, 2 * self.parts)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        size = -(-windows // self.parts)
        warnings.warn(
            f"the device ran out of memory: every batch of {windows} windows is now taken {size} at a time, with their "
            "gradients added",
            stacklevel=2,
        )

    def _stop_compiling(self, reason: str) -> None:
        self.network._compiled_call_impl = None
        self._compiled = False
        warnings.warn(f"the network is not compiled, which would be faster: {reason}", stacklevel=2)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Nothing if the gradients have been computed with the terms."""
        if not self.alone:
            super().backward(loss, *args, **kwargs)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        """Nothing if the gradients have been computed with the terms, which began at zero."""
        if not self.alone:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the number of parts."""
        checkpoint["parts"] = self.parts

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on in as many parts."""
        self.parts = int(checkpoint.get("parts", 1))
