"""Use a ``Lifter`` as a protocol's predictor, with the protocol's windows and space."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.protocols.known_factor import KnownFactorSpace
from prml.evaluation.protocols.rules import MM_PER_M, ImageSpace, WholeVideo
from prml.sequence import PoseSequence
from prml.skeleton import MPI_INF_3DHP17, conversion

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter

BLENDED_OVERLAP = 2


def overlap_of(protocol: EvaluationProtocol) -> int:
    """Return the number of windows that contain each frame: one if the protocol's rule places the windows itself."""
    return BLENDED_OVERLAP if isinstance(protocol.windows, WholeVideo) else 1


def image_to_metres(joints: Float[np.ndarray, "T 17 3"], seen: PoseSequence) -> Float[np.ndarray, "T 17 3"]:
    """Convert root-relative joints in units of the screen-normalised image to the protocol's 2.5D metres.

    One unit is half an image width; the sequence's ``mm_per_px`` converts it to metres.
    """
    if seen.camera is None or seen.mm_per_px is None:
        raise PrmlError(
            f"{seen.name or 'the sequence'}: this network predicts in image space, which needs a factor to metres "
            "(2.5d_factor); score it under a 2.5D protocol (h36m-sh-2.5d), or choose weights that predict metres"
        )
    factor = np.asarray(seen.mm_per_px, dtype=np.float64)[:, None, None]
    metres: np.ndarray = joints * (seen.camera.width / 2) * factor / MM_PER_M
    return metres


def macs_per_frame(lifter: "Lifter") -> float:
    """Return the multiply-adds of the network per output frame, including attention."""
    from prml.networks.cost import cost_of

    cost = cost_of(lifter.card.network, **lifter.card.arguments)
    return cost.full_macs / cost.output_frames


@dataclass(frozen=True)
class LifterPredictor:
    """A predictor made by :func:`predictor_of`.

    Attributes:
        lifter: a lifter that keeps the predicted root.
    """

    lifter: "Lifter"

    def at(self, device: str) -> "LifterPredictor":
        """Return the same predictor with its lifter on another device."""
        return LifterPredictor(self.lifter.on(device))

    def __call__(self, seen: PoseSequence) -> Float[np.ndarray, "T J 3"]:
        """Return joints in metres in the protocol's space, with the root as predicted; raises PrmlError as lifting."""
        lifted = self.lifter.lift(seen, bridge=False)  # a protocol has its own rule for what is missing
        if lifted.joints_m is None:
            raise PrmlError(f"{self.lifter.card.name} returned no joints")
        joints = lifted.joints_m
        if lifted.skeleton != seen.skeleton:  # the first 17 of 28 joints
            joints = conversion(lifted.skeleton, seen.skeleton).apply(joints)
        if self.lifter.card.output != "image":
            return joints
        if self.lifter.card.skeleton == MPI_INF_3DHP17.name and seen.mm_per_px is None:
            seen = seen.with_(mm_per_px=np.ones(len(seen)))  # MotionAGFormer's denormalize: half a width is so many mm
        return image_to_metres(joints, seen)

    @property
    def workers(self) -> int:
        """Return how many threads may best share it: on a CPU as many as torch computes with.

        One, if image features are read, or if the network is of another package: it may keep what it computes.
        """
        import torch

        from prml.backends.registry import DEFAULT as DEFAULT_ENGINE

        lifter = self.lifter
        own = type(lifter.network).__module__.startswith("prml.") and lifter.engine == DEFAULT_ENGINE
        shared = own and lifter.device.type == "cpu" and lifter.image_features is None
        return torch.get_num_threads() if shared else 1

    def for_workers(self) -> "LifterPredictor":
        """Return the same predictor for :attr:`workers` threads, which divide the batch: all need less memory than one.

        A thread's share of it is halved, since its last windows are rarely freed before another's first are there.
        """
        workers, batch = self.workers, self.lifter.options.batch
        return self if workers == 1 else LifterPredictor(self.lifter.with_options(batch=max(1, batch // (2 * workers))))

    @property
    def one_pose(self) -> bool:
        """Whether the network returns one pose per window."""
        return self.lifter.one_pose

    def window_at(self, fps: float) -> int:
        """Return the largest number of frames at ``fps`` that resample to at most the network's T."""
        ratio = fps / self.lifter.card.fps
        steps = (self.lifter.card.window - 1) * ratio
        # for a faster video, round to the network's steps; for a slower one, half a frame would be a step too many
        return int(steps + (0.5 if ratio > 1 else 1e-6)) + 1


def predictor_of(lifter: "Lifter", protocol: EvaluationProtocol, *, overlap: int | None = None) -> LifterPredictor:
    """Make a predictor for :func:`prml.evaluation.run.evaluate`.

    Args:
        lifter: its flip and batch are kept; the root stays as predicted, for the protocol's root rule.
        protocol: the rules.
        overlap: number of windows that contain each frame; None for the protocol's choice, whatever the lifter's.

    Raises:
        PrmlError: the network's output does not fit the protocol.
    """
    if len(lifter.skeleton) < len(protocol.skeleton):
        raise PrmlError(
            f"{lifter.card.name} has {len(lifter.skeleton)} joints, {protocol.name} scores {len(protocol.skeleton)}; "
            f"choose weights of {protocol.skeleton.name}, or a protocol of 17 joints such as mocap-noisy"
        )
    image, of_3dhp = lifter.card.output == "image", lifter.card.skeleton == MPI_INF_3DHP17.name
    known = isinstance(protocol.space, KnownFactorSpace)
    if known and (not image or of_3dhp):
        raise PrmlError(f"{lifter.card.name} does not predict in Human3.6M's image space; leave convert=True out")
    if image and not known and isinstance(protocol.space, ImageSpace) == of_3dhp:
        raise PrmlError(
            f"{lifter.card.name} predicts in image space of {'MPI-INF-3DHP' if of_3dhp else 'Human3.6M'}, "
            f"{protocol.name} scores {protocol.space.description.split(',')[0].split(':')[0]}; "
            f"use {'3dhp-gt' if of_3dhp else 'h36m-sh-2.5d, h36m-gt-orthographic or h36m-gt-pasted'}, other weights, "
            "or convert=True to convert by the root's true depth"
        )
    if image and lifter.card.normalisation != "screen":
        raise PrmlError(f"{lifter.card.name}: image-space output needs normalisation screen, its card says otherwise")

    overlap = overlap_of(protocol) if overlap is None else overlap
    lifter = lifter.without_deviations()
    centre = protocol.windows.kind == "centre"
    return LifterPredictor(lifter.with_options(relative=False, overlap=overlap, centre=centre))
