"""The LightningModule: a network, its losses, its optimiser, and how it is validated."""

from typing import Any, ClassVar, NamedTuple, cast

import torch
from jaxtyping import Bool, Float
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer

from prml.errors import PrmlError
from prml.evaluation import metrics
from prml.networks import registry
from prml.networks.base import Features, Network
from prml.networks.init import distinct_joints
from prml.objectives import peers
from prml.objectives import pose as pose_loss
from prml.objectives.directions import bone_directions
from prml.objectives.masks import check_mask
from prml.objectives.mutual_information import MIResult, MutualInformation, build_mi
from prml.objectives.temporal import BODY28_WEIGHTS, HOSSAIN_LITTLE, temporal_consistency
from prml.objectives.uncertainty import PoseUncertainty
from prml.skeleton import H36M17
from prml.training.clock import RunClock
from prml.training.config import FitConfig, ObjectiveConfig, skeleton_of
from prml.training.optimiser import build_optimiser
from prml.training.schedule import rate_factor
from prml.training.stepping import Batch, SteppingModule


def context_of(batch: Batch) -> tuple[Any, ...]:
    """What a network with image features takes beside the 2D: joints in the crops, maps of all frames; else nothing."""
    if "reference" not in batch:
        return ()
    maps = [batch[name] for name in sorted(batch) if name.startswith("map")]
    return batch["reference"], [m.flatten(0, 1) for m in maps]


def mutual_information(network: Network, options: ObjectiveConfig) -> nn.Module | None:
    """The estimators for both tasks, or None for networks without support features and for "none".

    Raises:
        PrmlError: ``conditional`` for a network that lacks a task bias.
    """
    if network.support_widths is None or options.mutual_information == "none":
        return None
    width_2d, width_depth = network.support_widths
    if options.mutual_information == "variational":
        return PoseUncertainty(width_2d=width_2d, width_depth=width_depth, joints=network.joints)
    if options.mutual_information == "conditional" and any(bias is None for bias in network.task_biases):
        raise PrmlError(
            "objective.mutual_information conditional needs a decoder with both task biases; set "
            "network.arguments.decoder true and task_bias both, or choose variational, infonce, jsd or none"
        )
    parts: dict[str, nn.Module] = {
        "pose_2d": build_mi(options.mutual_information, c=2, support_width=width_2d, joints=network.joints),
        "depth": build_mi(options.mutual_information, c=1, support_width=width_depth, joints=network.joints),
    }
    return nn.ModuleDict(parts)


_TERMS = {
    "velocity": peers.velocity,
    "scale": peers.scaled_mpjpe,
    "limb_length": peers.limb_length,
    "angle": peers.angle,
    "angle_velocity": peers.angle_velocity,
}


def train_all_frames(name: str, network: Network) -> None:
    """Have a network that answers for the middle of a window learn from all frames; PrmlError if it has none else."""
    if not hasattr(network, "forward_with_sequence"):
        raise PrmlError(
            f"objective.terms.all_frames is for networks with a pose of every frame beside the middle one (mhformer, "
            f"pstmo), which {name} has not; leave it out"
        )
    for head in network.HEADS:  # P-STMO's second head is frozen otherwise
        network.get_submodule(head).requires_grad_(True)


class _Task(NamedTuple):
    """What the information term needs of one task: estimator, label Y, support S, bias B or None, and its weight."""

    name: str
    estimator: MutualInformation
    label: Tensor
    support: Tensor
    bias: Tensor | None
    weight: float


def _tasks(
    network: Network, information: nn.Module, target: Tensor, features: Features, options: ObjectiveConfig
) -> tuple[_Task, _Task]:
    """Both tasks of a network with support features; ``information`` is what :func:`mutual_information` gave for it."""
    bias_2d, bias_depth = network.task_biases
    pose_2d, depth = (cast(MutualInformation, information.get_submodule(n)) for n in ("pose_2d", "depth"))
    return (
        _Task("2d", pose_2d, target[..., :2], features.s_2d, bias_2d, options.lambda_2d),
        _Task("depth", depth, target[..., 2:], features.s_d, bias_depth, options.lambda_depth),
    )


class LiftingModule(SteppingModule):
    """Trains any registered network on batches of ``input`` and ``target`` (see ``prml.batches.training_windows``).

    ``joint_known`` (B, J) of a batch masks every loss and the validation; without it all joints count.

    Args:
        config: the run.
        steps_per_epoch: for the learning-rate schedule.
        total_steps: for the schedule; -1 if only the clock ends the run.
        clock: of the run, for the schedule.

    Attributes:
        selects: name of the score by which the best weights are chosen, lower is better.
    """

    selects: ClassVar[str] = "mpjpe"

    def __init__(
        self, config: FitConfig, *, steps_per_epoch: int, total_steps: int, clock: RunClock | None = None
    ) -> None:
        super().__init__()
        self.config, self.steps_per_epoch, self.total_steps = config, steps_per_epoch, total_steps
        self.scaled = config.run.precision == "16-mixed"
        self.clock = clock or RunClock()
        arguments = {**registry.entry(config.network.name).arguments, **config.network.arguments}
        arguments.setdefault("in_channels", config.data.windows.in_channels)
        if (joints := len(skeleton_of(config.data))) != len(H36M17):
            arguments.setdefault("joints", joints)
        self.network_arguments = arguments
        self.network = registry.build(config.network.name, **arguments)
        if config.network.start == "distinct":
            distinct_joints(self.network)
        if config.objective.terms.all_frames:
            train_all_frames(config.network.name, self.network)
        self.information = mutual_information(self.network, config.objective)
        self.validation: list[Tensor] = []
        self.validated_step: int | None = None

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Every term apart (unweighted), and their weighted sum ``loss`` (paper eq. 9)."""
        options, known = self.config.objective, self._known(batch)
        information, features, sequence = self.information, None, None
        if information is not None:
            prediction, features = self.network(batch["input"], *context_of(batch), features=True)
        elif options.terms.all_frames:
            prediction, sequence = self.network.forward_with_sequence(batch["input"])  # type: ignore[operator]
        else:
            prediction = self.network(batch["input"], *context_of(batch))
        target = self._scored(batch["target"])
        terms = self._pose_terms(prediction, target, known)
        loss = options.lambda_pose * terms["pose"] + options.lambda_t * terms["temporal"]
        if options.lambda_direction:
            terms["direction"] = bone_directions(prediction, target, skeleton_of(self.config.data), known)
            loss = loss + options.lambda_direction * terms["direction"]
        for name, value in self._peer_terms(prediction, target, known).items():
            terms[name] = value
            loss = loss + getattr(options.terms, name) * value
        if sequence is not None:
            terms["all_frames"] = pose_loss.mpjpe(sequence, batch["target"], known)
            loss = loss + options.terms.all_frames * terms["all_frames"]
        if information is not None and features is not None:
            terms |= self._information_terms(information, target, features, known)
            loss = loss + options.lambda_mi * terms["mi"]
        return {"loss": loss.square() / 2, "sum": loss, **terms} if options.squared else {"loss": loss, **terms}

    def _peer_terms(self, prediction: Tensor, target: Tensor, known: Tensor | None) -> dict[str, Tensor]:
        """The further terms that have a weight, by name."""
        weights = self.config.objective.terms
        found = {name: term(prediction, target, known) for name, term in _TERMS.items() if getattr(weights, name)}
        if weights.limb_variation:
            found["limb_variation"] = peers.limb_variation(prediction, known)
        return found

    def _known(self, batch: Batch) -> Tensor | None:
        """The joints of each window that have a truth; None if all have. Raises PrmlError for another shape or kind."""
        for name in ("joint_known", "joint_seen"):
            if name in batch:
                check_mask(name, batch[name], *batch["target"].shape[:3:2])
        return batch.get("joint_known")

    def _scored(self, target: Tensor) -> Tensor:
        """The frames of a target (B, T, ...) that the network predicts: all, the middle one, or the last."""
        output, frames = self.network.output, target.shape[1]
        if output == "sequence":
            return target
        at = frames // 2 if output == "middle" else frames - 1
        return target[:, at : at + 1]

    def _pose_terms(self, prediction: Tensor, target: Tensor, known: Tensor | None) -> dict[str, Tensor]:
        options = self.config.objective
        weights = HOSSAIN_LITTLE if self.network.joints == len(HOSSAIN_LITTLE) else BODY28_WEIGHTS
        mixste = options.consistency == "mixste"
        terms = {
            "2d": pose_loss.loss_2d(prediction, target, known),
            "depth": pose_loss.loss_depth(prediction, target, known),
            "temporal": peers.mean_consistency(prediction, known)
            if mixste
            else temporal_consistency(prediction, weights, known),
        }
        if options.pose == "tasks":
            terms["pose"] = terms["2d"] + terms["depth"]
        else:
            loss = peers.weighted_mpjpe if options.pose == "weighted" else pose_loss.mpjpe
            terms["pose"] = loss(prediction, target, known)
        return terms

    def _information_terms(
        self, information: nn.Module, target: Tensor, features: Features, known: Tensor | None
    ) -> dict[str, Tensor]:
        tasks = _tasks(self.network, information, target, features, self.config.objective)
        results: list[MIResult] = [t.estimator(t.label, t.support, t.bias, known) for t in tasks]
        estimates = {f"mi_{t.name}_nats": r.estimate_nats for t, r in zip(tasks, results, strict=True)}
        loss_2d, loss_depth = (t.weight * r.loss for t, r in zip(tasks, results, strict=True))
        return {**estimates, "mi": loss_2d + loss_depth}

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Weighted loss; terms are logged apart, in the steps that the log shows."""
        terms, every = self.step_terms(batch), self.config.run.log_every
        logged = bool(every) and (self.trainer.global_step + 1) % every == 0
        if logged:
            self.log_dict({f"train/{k}": v.detach() for k, v in terms.items()})
        # the progress bar reads the loss, and reading waits for the device
        if self.config.run.progress and (logged or self.device.type == "cpu"):
            self.log("loss", terms["loss"].detach(), prog_bar=True, logger=False)
        return terms["loss"]

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the norm over all gradients at once; Lightning would not beside a fused optimiser."""
        if not gradient_clip_val:
            return
        if self.scaled:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        else:
            torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val, foreach=True)

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self.validation.clear()

    def validation_step(self, batch: Batch, _: int) -> None:
        """Errors per window in millimetres: MPJPE, P-MPJPE, x, y, z of the first 17 joints, MPJPE of the others."""
        # past the compiler, which training alone is worth
        prediction, target = self.network.forward(batch["input"], *context_of(batch)), self._scored(batch["target"])
        if not bool(torch.isfinite(prediction).all()):
            raise astray(self.trainer.global_step)
        if "unit_m" in batch:  # an image-space network
            unit_m = self._scored(batch["unit_m"])[..., None, None]
            prediction, target = prediction * unit_m, target * unit_m
        scored = self._scored(batch["scored"]) if "scored" in batch else None
        self.validation.append(validation_errors(prediction, target, self._known(batch), scored))

    def scores(self) -> dict[str, float]:
        """Means over what was validated, mm."""
        means = torch.cat(self.validation).nanmean(0).tolist()
        names = ("mpjpe", "p_mpjpe", "x", "y", "z", "beyond_17")
        return dict(zip(names, means, strict=False))  # the last one only of networks of more joints

    def on_validation_epoch_end(self) -> None:
        """Log the scores."""
        self.validated_step = self.trainer.global_step
        if self.validation and not self.trainer.sanity_checking:
            self.log_dict({f"val/{k}": v for k, v in self.scores().items()}, sync_dist=True)
            self.log("val_mm", self.scores()[self.selects], prog_bar=True, logger=False, sync_dist=True)

    def on_train_start(self) -> None:
        """Compile the network where that pays, or where it is asked for."""
        wanted = self.config.run.compile
        if wanted == "always" or (wanted == "auto" and self.alone and self.device.type == "cuda"):
            self.compile_network()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW or Muon; biases, norms and embeddings are decayed too, as in the paper's recipe."""
        options = self.config.optimiser
        fused = (self.device.type in ("cpu", "cuda") and not self.scaled) or None
        optimiser = build_optimiser(self.network, self.parameters(), options, fused=fused)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser,
            lambda step: rate_factor(step, options, self.steps_per_epoch, self.total_steps, self.clock.share),
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def astray(step: int) -> PrmlError:
    """The error of a run whose loss or prediction is not a number any more."""
    return PrmlError(
        f"the loss is not a number since step {step}; lower optimiser.learning_rate, raise optimiser.warmup_steps or "
        "clip gradients (optimiser.clip), and start the run again"
    )


def validation_errors(
    prediction: Float[Tensor, "B T J 3"],
    target: Float[Tensor, "B T J 3"],
    known: Bool[Tensor, "B J"] | None = None,
    scored: Bool[Tensor, "B T"] | None = None,
) -> Float[Tensor, "B n"]:
    """MPJPE, P-MPJPE, x, y, z per window in mm, root-relative, of poses in metres; all over the joints of H36M17.

    Means over the frames that are ``scored``, NaN for a window without any; over all frames for None. Poses of more
    joints have a sixth column: the MPJPE of the others that are known (NaN if none is).
    """
    prediction = prediction - prediction[:, :, :1]
    body, truth = prediction[:, :, : len(H36M17)], target[:, :, : len(H36M17)]
    columns = [
        metrics.mpjpe(body, truth),
        metrics.p_mpjpe(body, truth),
        *metrics.axis_errors(body, truth).unbind(-1),
    ]
    frames = [c.reshape(len(prediction), -1) for c in columns]
    means = [c.mean(1) if scored is None else c.where(scored, torch.nan).nanmean(1) for c in frames]
    rows = [c.float() for c in means]
    if prediction.shape[2] > len(H36M17):
        error = 1000 * torch.linalg.vector_norm(prediction - target, dim=-1).mean(1)[:, len(H36M17) :]
        counts = torch.ones_like(error, dtype=torch.bool) if known is None else known[:, len(H36M17) :]
        rows.append(((error * counts).sum(1) / counts.sum(1)).float())
    return torch.stack(rows, 1)


__all__ = ["LiftingModule", "MutualInformation", "context_of", "mutual_information", "validation_errors"]
