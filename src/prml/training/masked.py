"""Pre-training on masked 2D poses: what P-STMO learns before it learns 3D."""

import torch
from torch import Tensor
from torch.linalg import vector_norm

from prml.errors import PrmlError
from prml.networks.peers.pstmo import PSTMO
from prml.networks.peers.pstmo_masked import LEARNED, MaskedPoses, hidden_parts
from prml.training.clock import RunClock
from prml.training.config import FitConfig
from prml.training.module import LiftingModule, astray
from prml.training.stepping import Batch

_SEED = 7  # of what is hidden in validation, the same in every run
_SHOWN = 1000.0  # the score is in thousandths of half the image's width


class MaskedModule(LiftingModule):
    """Trains the first part of P-STMO to predict hidden frames and joints; its pose heads stay as they began.

    Arguments as of :class:`LiftingModule`; the loss is the mean distance of the predicted 2D joints, hidden or not.

    Raises:
        PrmlError: another network than P-STMO, or more hidden joints than it has.
    """

    selects = "masked"

    def __init__(
        self, config: FitConfig, *, steps_per_epoch: int, total_steps: int, clock: RunClock | None = None
    ) -> None:
        super().__init__(config, steps_per_epoch=steps_per_epoch, total_steps=total_steps, clock=clock)
        if not isinstance(self.network, PSTMO):
            raise PrmlError(
                f"objective.masked is the pre-training of pstmo and pstmo-s, which {config.network.name} has not; "
                "leave it out"
            )
        for name, part in self.network.named_parameters():
            part.requires_grad_(part.requires_grad and name.startswith(LEARNED))
        self.masked = MaskedPoses(self.network)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The one term of this stage."""
        loss = self._distance(batch["input"]).mean()
        return {"loss": loss, "masked": loss}

    def _distance(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean distance of the joints in every frame, in units of the normalised image."""
        options, network = self.config.objective.masked, self.network
        if not isinstance(network, PSTMO):
            raise TypeError("only P-STMO is pre-trained like this")
        drawn = hidden_parts(x.shape[1], x.shape[2], options.frames, options.joints, generator)
        frames, joints = (mask.to(x.device) for mask in drawn)
        distance: Tensor = vector_norm(self.masked(network, x, frames, joints) - x[..., :2], dim=-1).mean(-1)
        return distance

    def validation_step(self, batch: Batch, _: int) -> None:
        """The same distance in every window, with the same parts hidden in every run."""
        error = self._distance(batch["input"], torch.Generator().manual_seed(_SEED)).mean(1, keepdim=True)
        if not bool(torch.isfinite(error).all()):
            raise astray(self.trainer.global_step)
        self.validation.append(_SHOWN * error)

    def scores(self) -> dict[str, float]:
        """The mean over what was validated, in thousandths of half the image's width."""
        return {self.selects: float(torch.cat(self.validation).mean())}


def training_module(
    config: FitConfig, *, steps_per_epoch: int, total_steps: int, clock: RunClock | None = None
) -> LiftingModule:
    """The module that a configuration trains; arguments and errors are those of the module."""
    kind = MaskedModule if config.objective.masked.on else LiftingModule
    return kind(config, steps_per_epoch=steps_per_epoch, total_steps=total_steps, clock=clock)
