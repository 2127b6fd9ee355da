"""The configuration of a training run: typed, a sentence per field, the paper's values as defaults."""

import math
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal

from prml.batches.training_windows import WindowOptions
from prml.errors import PrmlError
from prml.networks import registry

# fields that change where and how a run computes, not what comes out
NOT_THE_RESULT = ("run.progress", "run.checkpoint_minutes", "run.log_every", "run.threads", "data.workers")
MIKind = Literal["none", "variational", "infonce", "jsd", "conditional"]


@dataclass
class NetworkConfig:
    """Which network.

    Attributes:
        name: registry name (``prml models`` lists them).
        arguments: constructor arguments that differ from the named size.
        start_from: record (bundled name or path) whose tensors the training starts from; tensors that depend on the
            window length are resampled in time, and blocks that the record lacks start as the identity.
        start: "own" leaves the network's own first weights; "distinct" makes joints differ and spatial attention choose
            from the first step on (see ``prml.networks.init``), so that depth is learned sooner.
    """

    name: str = "prml"
    arguments: dict[str, Any] = field(default_factory=dict)
    start: Literal["own", "distinct"] = "own"
    start_from: str | None = None


@dataclass
class DataConfig:
    """What it is trained on.

    Attributes:
        kind: "mocap" (virtual cameras), or the official files of "human36m" (VideoPose3D npz pair), "human36m-sh"
            (Stacked-Hourglass pickle, image-space labels) or "3dhp"; "features": caches of image features with their
            2D and 3D (``prml data features``), for networks that need them.
        keypoints: 2D file of "human36m": "gt", "cpn_ft_h36m_dbb", ...
        input_from_label: take the 2D input from the image-space label ("ground truth" of MotionBERT's protocol).
        sets: mocap sets (npz files).
        directory: folder with the data; None looks in the checkout and $PRML_DATA. For "features" a cache or a folder
            of caches.
        split: clips to train on. Those of the split "val" validate; without any, the last tenth of every clip does.
        noise: whether keypoints get the measured errors of a detector.
        windows: how windows are cut, seen and varied.
        workers: processes that prepare batches; 0 prepares them in the training process.
        validation_windows: windows of the validation clips that are scored each time.
    """

    kind: Literal["mocap", "human36m", "human36m-sh", "3dhp", "features"] = "mocap"
    keypoints: str = "gt"
    input_from_label: bool = False
    sets: list[str] = field(default_factory=lambda: ["cmu", "ui_prmd"])
    directory: str | None = None
    split: str = "train"
    noise: bool = True
    windows: WindowOptions = field(default_factory=WindowOptions)
    workers: int = 1
    validation_windows: int = 160

    def refuse_unused(self) -> None:
        """Raises PrmlError for an option that this kind of data would not heed."""
        default = DataConfig(kind=self.kind)
        for name, kinds in _HEEDED_BY.items():
            of, _, option = name.rpartition(".")
            mine, usual = (getattr(d, of) if of else d for d in (self, default))
            if self.kind not in kinds and getattr(mine, option) != getattr(usual, option):
                raise PrmlError(f"data.{name} is for data.kind {' or '.join(kinds)}, not {self.kind}; leave it out")


_HEEDED_BY = {
    "keypoints": ("human36m",),
    "input_from_label": ("human36m-sh",),
    "sets": ("mocap",),
    "split": ("mocap",),
    "noise": ("mocap",),
    "windows.step": ("mocap",),
    "windows.speed": ("mocap",),
    "windows.scale": ("mocap",),
    "windows.motion": ("mocap",),
    "windows.cameras": ("mocap",),
    "windows.clean": ("mocap",),
}


@dataclass
class ObjectiveConfig:
    """What is minimised (paper eq. 7 to 9).

    Attributes:
        pose: "tasks" is eq. 8 (L2 norm of x, y plus absolute depth error); "mpjpe" the error of the pose, as for peers.
        mutual_information: estimator of I(Y; S); "none" leaves the term out (Table 4). Only PrML has support features.
        lambda_mi: weight of the term (Table 11).
        lambda_2d, lambda_depth: weights of the two tasks within it (eq. 7); the paper does not print them.
        lambda_t: weight of the temporal consistency loss; the paper does not print it.
    """

    pose: Literal["tasks", "mpjpe"] = "tasks"
    mutual_information: MIKind = "variational"
    lambda_mi: float = 0.01
    lambda_2d: float = 1.0
    lambda_depth: float = 1.0
    lambda_t: float = 0.5


@dataclass
class OptimiserConfig:
    """How it is minimised (paper appendix B.2).

    Attributes:
        kind: "adamw", or "muon" for the matrices inside attention and MLPs with AdamW for the rest.
        learning_rate: at the start (after the warm-up).
        muon_rate: what the learning rate is multiplied by for Muon's matrices.
        weight_decay: of AdamW.
        schedule: "exponential" multiplies the rate by ``decay`` every epoch; "cosine" falls to a hundredth at the end.
        decay: per epoch.
        warmup_steps: linear rise at the start.
        clip: largest norm of the gradient; 0 does not clip.
        ema: decay of the moving average of the weights that is validated and saved; 0 averages nothing.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 5e-4
    muon_rate: float = 3.0
    weight_decay: float = 0.01
    schedule: Literal["exponential", "cosine"] = "exponential"
    decay: float = 0.99
    warmup_steps: int = 0
    clip: float = 1.0
    ema: float = 0.999


@dataclass
class RunConfig:
    """How long, where, and how it is kept safe.

    Attributes:
        epochs: passes over the windows.
        max_steps: stop after so many steps, whatever the epoch; -1 for no such end.
        validate_every: steps between validations; 0 validates at the end of every epoch.
        checkpoint_minutes: most minutes of work that a kill can cost.
        precision: of Lightning, e.g. "32-true", "bf16-mixed", "16-mixed".
        accelerator, devices, nodes: where it runs; several devices or nodes train with DDP.
        threads: torch threads on a CPU; 0 leaves torch's choice.
        log_every: steps between log entries.
        progress: whether to show a progress bar.
    """

    epochs: int = 90
    max_steps: int = -1
    validate_every: int = 0
    checkpoint_minutes: float = 4.0
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    threads: int = 0
    log_every: int = 20
    progress: bool = True


@dataclass
class FitConfig:
    """Everything about a run; what a YAML file under ``configs/`` holds.

    Attributes:
        seed: of the weights' start and of everything random in the data.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    run: RunConfig = field(default_factory=RunConfig)
    seed: int = 0

    def check(self) -> None:
        """Rules of fields and across them; raises PrmlError that names them."""
        self._check_values()
        self._check_network()
        self.data.windows.motion.check()
        self.data.refuse_unused()

    def _check_values(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = attrgetter(name)(self)
            both = list(value) if isinstance(value, tuple | list) else [value]  # a range of its own
            if not all(low <= v <= high and math.isfinite(v) for v in both) or both != sorted(both):
                words = f"be at least {low:g}" if high == math.inf else f"lie between {low:g} and {high:g}"
                raise PrmlError(f"{name} must {words}{', low before high' * (len(both) > 1)}, got {value}")
        for name, known in _CHOICES.items():
            if (value := attrgetter(name)(self)) not in known:
                raise PrmlError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        if self.run.max_steps == 0:
            raise PrmlError("run.max_steps must be at least 1, or -1 for no such end, got 0")
        if not self.data.sets:
            raise PrmlError("data.sets must name at least one mocap set, e.g. [cmu, ui_prmd]")

    def _check_network(self) -> None:
        record = registry.entry(self.network.name)
        frames = {**record.arguments, **self.network.arguments}.get("frames", record.window)
        if record.fixed_window and self.data.windows.frames != frames:
            raise PrmlError(
                f"{record.name} takes windows of {frames} frames only, "
                f"data.windows.frames is {self.data.windows.frames}; set network.arguments.frames to the same"
            )
        if self.data.windows.frames > frames:
            raise PrmlError(
                f"data.windows.frames is {self.data.windows.frames}, but network.arguments.frames is only {frames}"
            )
        if bool(self.network.arguments.get("causal")) and record.output != "last":
            raise PrmlError(f"{record.name} answers for the middle of its window; train videopose3d-causal instead")
        channels = self.network.arguments.get("in_channels", self.data.windows.in_channels)
        if channels != self.data.windows.in_channels:
            raise PrmlError(
                f"network.arguments.in_channels is {channels}, but data.windows.in_channels is "
                f"{self.data.windows.in_channels}; set both to 3 (x, y, confidence) or to 2 (x, y)"
            )


# field -> least and most; both values of a field that is itself a range
_RANGES: dict[str, tuple[float, float]] = {
    **{f"data.windows.{name}": (1, math.inf) for name in ("frames", "stride", "step", "batch")},
    **{f"data.windows.{name}": (0, 1) for name in ("flip", "clean")},
    **{f"data.windows.{name}": (0.1, 10) for name in ("speed", "scale")},
    "data.windows.in_channels": (2, 3),
    "data.windows.cameras.distance_m": (0.1, math.inf),
    "data.windows.cameras.height_m": (-math.inf, math.inf),
    "data.windows.cameras.fov_deg": (1, 179),
    "data.windows.cameras.off_centre": (0, 1),
    **{f"data.windows.cameras.{name}": (0, math.inf) for name in ("roll_deg", "misjudged_focal", "distortion_k1")},
    "data.workers": (0, math.inf),
    "data.validation_windows": (1, math.inf),
    **{f"objective.lambda_{name}": (0, math.inf) for name in ("mi", "2d", "depth", "t")},
    **{f"optimiser.{n}": (0, math.inf) for n in ("learning_rate", "muon_rate", "weight_decay", "warmup_steps", "clip")},
    "optimiser.decay": (0, 1),
    "optimiser.ema": (0, 0.999999),  # 1 would save the first weights
    **{f"run.{name}": (1, math.inf) for name in ("epochs", "devices", "nodes")},
    **{f"run.{name}": (0, math.inf) for name in ("validate_every", "checkpoint_minutes", "threads", "log_every")},
    "run.max_steps": (-1, math.inf),
    "seed": (0, 2**32 - 1),
}
_CHOICES = {
    "run.precision": ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true"),
    "run.accelerator": ("auto", "cpu", "gpu", "cuda", "mps"),
}
