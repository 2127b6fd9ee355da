"""The configuration of a training run: typed, a sentence and bounds per field, the paper's values as defaults.

Nothing here imports torch: ``prml fit --help`` reads it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, make_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prml import options
from prml.batches.options import MocapWindowOptions, SequenceWindowOptions, WindowOptions
from prml.errors import PrmlError
from prml.options import leaves, option, put

if TYPE_CHECKING:
    from prml.skeleton import Skeleton

# fields that change where and how a run computes, not what comes out
NOT_THE_RESULT = (
    "run.progress",
    "run.checkpoint_minutes",
    "run.log_every",
    "run.track",
    "run.project",
    "run.threads",
    "run.compile",
    "data.workers",
)
MIKind = Literal["none", "variational", "infonce", "jsd", "conditional"]
Init = Literal["own", "distinct"]
Tracker = Literal["wandb", "mlflow"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true"]


@dataclass
class NetworkConfig:
    """Which network.

    Attributes:
        name: registry name ('prml models' lists them).
        arguments: constructor arguments that differ from the named size, e.g. network.arguments.width.
        start: "own" keeps the network's own first weights; "distinct" makes joints differ and spatial attention choose
            from the first step on, so that depth is learned sooner.
        start_from: weights to start from (bundled name or path). Tensors that depend on the window length are resampled
            in time; blocks that the weights lack start as the identity.
    """

    name: str = "prml"
    arguments: dict[str, Any] = field(default_factory=dict)
    start: Init = "own"
    start_from: str | None = option(None, local=True)


# ---------------------------------------------------------------------- data
@dataclass
class DataConfig:
    """What to train on. Each kind of data is a subclass with the options that it has.

    Attributes:
        kind: "mocap" (virtual cameras); the official files of "human36m" (VideoPose3D's npz pair), "human36m-sh"
            (Stacked-Hourglass pickle, image-space labels) or "3dhp"; "features": caches of image features with their 2D
            and 3D ('prml data features'), for networks that need them.
        directory: folder with the data. Motion capture is found in the checkout and in $PRML_DATA; for "features" give
            a cache or a folder of caches.
        windows: how windows are cut, seen and varied.
        workers: processes that prepare batches; 0 prepares them in the training process.
        validation_windows: windows of the validation clips that are scored each time.
    """

    kind: str = ""
    directory: str | None = option(None, local=True)
    windows: WindowOptions = option(factory=WindowOptions)
    workers: int = option(1, minimum=0)
    validation_windows: int = option(160, minimum=1)


@dataclass
class MocapData(DataConfig):
    """Motion capture through virtual cameras.

    Attributes:
        sets: mocap sets (names of npz files).
        split: clips to train on. Those of the split "val" validate; without any, the last tenth of every clip does.
        noise: give keypoints the measured errors of a detector.
        skeleton: joints of the windows: "h36m17", or "body28" with feet, hands and face, where joints that a clip or a
            detector lacks are masked.
    """

    kind: Literal["mocap"] = "mocap"
    windows: MocapWindowOptions = option(factory=MocapWindowOptions)
    sets: list[str] = option(factory=lambda: ["cmu", "ui_prmd"], required="mocap set, e.g. [cmu, ui_prmd]")
    split: str = "train"
    noise: bool = True
    skeleton: Literal["h36m17", "body28"] = "h36m17"


@dataclass
class Human36mData(DataConfig):
    """Human3.6M as VideoPose3D's pair of npz files.

    Attributes:
        keypoints: 2D file: "gt", "cpn_ft_h36m_dbb", ...
    """

    kind: Literal["human36m"] = "human36m"
    windows: SequenceWindowOptions = option(factory=SequenceWindowOptions)
    keypoints: str = "gt"


@dataclass
class Human36mShData(DataConfig):
    """Human3.6M as the Stacked-Hourglass pickle, with labels in image space.

    Attributes:
        input_from_label: take the 2D input from the image-space label ("ground truth" of MotionBERT's protocol).
    """

    kind: Literal["human36m-sh"] = "human36m-sh"
    windows: SequenceWindowOptions = option(factory=SequenceWindowOptions)
    input_from_label: bool = False


@dataclass
class Mpi3dhpData(DataConfig):
    """MPI-INF-3DHP."""

    kind: Literal["3dhp"] = "3dhp"
    windows: SequenceWindowOptions = option(factory=SequenceWindowOptions)


@dataclass
class FeaturesData(DataConfig):
    """Caches of image features with their 2D and 3D."""

    kind: Literal["features"] = "features"


def skeleton_of(data: DataConfig) -> "Skeleton":
    """The joints of the data's windows."""
    from prml.skeleton import BODY28, H36M17  # loads numpy, which the help of a command does without

    return BODY28 if isinstance(data, MocapData) and data.skeleton == BODY28.name else H36M17


class _DataKinds(Mapping[str, type[DataConfig]]):
    """The kinds of data by name.

    Datasets without options of their own (:mod:`prml.datasets.registry`), those of outside packages among them, are
    found by their name and not listed: looking for packages would slow every start.
    """

    def __init__(self, listed: dict[str, type[DataConfig]]) -> None:
        self._listed = listed

    def __getitem__(self, name: str) -> type[DataConfig]:
        return self._listed[name] if name in self._listed else _plain_kind(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)


@cache
def _plain_kind(name: str) -> type[DataConfig]:
    """The options of a dataset that has none of its own; raises KeyError for a name that no dataset has."""
    from prml.datasets.registry import dataset_names

    if name not in dataset_names():
        raise KeyError(name)
    made = make_dataclass(f"{name}Data", [("kind", Literal[name], name)], bases=(DataConfig,))
    made.__doc__ = DataConfig.__doc__
    return made


DATA_KINDS: Mapping[str, type[DataConfig]] = _DataKinds(
    {
        "mocap": MocapData,
        "human36m": Human36mData,
        "human36m-sh": Human36mShData,
        "3dhp": Mpi3dhpData,
        "features": FeaturesData,
    }
)
# Runs of every kind record the options of these: they did before each kind had a dataclass of its own, and a run must
# keep its hash. The options of newer kinds are recorded by runs on them only.
_CHANNELS, _DEPTH_JOINTS = 3, 17  # x, y, confidence; joints of networks that take relative depth too
_ALWAYS_RECORDED = ("mocap", "human36m", "human36m-sh")
# how the names begin of options newer than runs whose hash must stay; left out while they have their defaults
_RECORDED_IF_SET = (
    *("run.minutes", "run.compile", "data.windows.video.", "data.skeleton", "data.windows.hide."),
    "data.windows.depth.",
    *("objective.lambda_direction", "objective.lambda_pose", "objective.consistency", "objective.squared"),
    *("objective.terms.", "objective.masked.", "optimiser.lowest"),
    *("optimiser.step_every", "optimiser.step_decay", "run.track", "run.project"),
)


# ---------------------------------------------------------------------- objective, optimiser, run
@dataclass
class TermsConfig:
    """Weights of the terms that peers add to their losses; 0 leaves a term out.

    Attributes:
        velocity: mean length of the error of the motion from frame to frame.
        scale: MPJPE after the best scale of each frame (N-MPJPE).
        limb_variation: variance of the predicted lengths of limbs over time.
        limb_length: absolute error of the lengths of limbs.
        angle: absolute error of the angles between limbs.
        angle_velocity: absolute error of their change from frame to frame.
        all_frames: MPJPE of all frames, for networks that answer for the middle of a window (mhformer, pstmo).
    """

    velocity: float = option(0.0, minimum=0)
    scale: float = option(0.0, minimum=0)
    limb_variation: float = option(0.0, minimum=0)
    limb_length: float = option(0.0, minimum=0)
    angle: float = option(0.0, minimum=0)
    angle_velocity: float = option(0.0, minimum=0)
    all_frames: float = option(0.0, minimum=0)


@dataclass
class MaskedConfig:
    """Pre-training of pstmo on masked 2D poses, in place of all other terms; a later run starts from its record.

    Attributes:
        frames: share of the frames of a window that are hidden; 0 for no pre-training.
        joints: joints that are hidden in every frame besides.
    """

    frames: float = option(0.0, minimum=0, maximum=0.99)
    joints: int = option(0, minimum=0, maximum=16)

    @property
    def on(self) -> bool:
        """Whether anything is hidden."""
        return bool(self.frames or self.joints)


@dataclass
class ObjectiveConfig:
    """What is minimised (paper eq. 7 to 9), or a peer's own loss.

    Attributes:
        pose: "tasks" is eq. 8 (L2 norm of x, y plus absolute depth error); "mpjpe" the error of the pose, as for peers;
            "weighted" that error with MixSTE's weights of the joints.
        lambda_pose: weight of the pose term.
        mutual_information: estimator of I(Y; S); "none" leaves the term out (Table 4). Only PrML has support features.
        lambda_mi: weight of the term (Table 11).
        lambda_2d, lambda_depth: weights of the two tasks within it (eq. 7); the paper does not print them.
        lambda_t: weight of the temporal consistency loss; the paper does not print it.
        lambda_direction: weight of the loss on bone directions, which the paper does not have; 0 leaves it out.
        consistency: form of that loss: Hossain and Little's weights of the joints ("hossain-little"), or MixSTE's, with
            a mean over the axes too ("mixste").
        squared: minimise half the square of the sum instead, as MixSTE and KTPFormer do: they multiply the gradient by
            the loss.
        terms: weights of further terms.
        masked: what is hidden in P-STMO's pre-training.
    """

    pose: Literal["tasks", "mpjpe", "weighted"] = "tasks"
    lambda_pose: float = option(1.0, minimum=0)
    mutual_information: MIKind = "variational"
    lambda_mi: float = option(0.01, minimum=0)
    lambda_2d: float = option(1.0, minimum=0)
    lambda_depth: float = option(1.0, minimum=0)
    lambda_t: float = option(0.5, minimum=0)
    lambda_direction: float = option(0.0, minimum=0)
    consistency: Literal["hossain-little", "mixste"] = "hossain-little"
    squared: bool = False
    terms: TermsConfig = option(factory=TermsConfig)
    masked: MaskedConfig = option(factory=MaskedConfig)


@dataclass
class OptimiserConfig:
    """How it is minimised (paper appendix B.2).

    Attributes:
        kind: "adamw"; "adam" with AMSGrad, as several peers train; "ranger", RAdam with look-ahead, as GLA-GCN trains;
            or "muon" for the matrices inside attention and MLPs with AdamW for the rest.
        learning_rate: at the start (after the warm-up).
        muon_rate: factor on the learning rate for Muon's matrices.
        weight_decay: of AdamW, or of the L2 penalty of Adam.
        schedule: "exponential" multiplies the rate by ``decay`` every epoch; "cosine" falls to ``lowest`` of it.
        lowest: share of the learning rate that is left at the end of the cosine.
        decay: factor per epoch.
        step_every, step_decay: every n-th epoch is followed by ``step_decay`` in place of ``decay``; 0 for never.
        warmup_steps: linear rise at the start.
        clip: largest norm of the gradient; 0 does not clip.
        ema: decay of the moving average of the weights that is validated and saved; 0 averages nothing.
    """

    kind: Literal["adamw", "adam", "ranger", "muon"] = "adamw"
    learning_rate: float = option(5e-4, minimum=0)
    muon_rate: float = option(3.0, minimum=0)
    weight_decay: float = option(0.01, minimum=0)
    schedule: Literal["exponential", "cosine"] = "exponential"
    lowest: float = option(0.01, minimum=0, maximum=1)
    decay: float = option(0.99, minimum=0, maximum=1)
    step_every: int = option(0, minimum=0)
    step_decay: float = option(0.5, minimum=0, maximum=1)
    warmup_steps: int = option(0, minimum=0)
    clip: float = option(1.0, minimum=0)
    ema: float = option(0.999, minimum=0, maximum=0.999999)  # 1 would save the first weights


@dataclass
class RunConfig:
    """How long, where, and how it is kept safe.

    Attributes:
        epochs: passes over the windows.
        max_steps: stop after this many steps, whatever the epoch; -1 for no limit.
        minutes: stop after this wall time, over all starts of the run, and end the schedule with it; 0 for no limit.
            ``epochs`` does not count then; ``max_steps`` does, and whichever comes first ends the run.
        validate_every: steps between validations; 0 validates at the end of every epoch.
        checkpoint_minutes: most minutes of work that a kill can cost.
        precision: of Lightning.
        accelerator, devices, nodes: where it runs; several devices or nodes train with DDP.
        compile: let torch compile the network; "auto" does on CUDA. If that fails, training goes on without.
        threads: torch threads on a CPU; 0 leaves torch's choice.
        log_every: steps between log entries.
        track: services that the log goes to beside CSV and TensorBoard: wandb (Weights & Biases), mlflow.
        project: name of the project (experiment) there.
        progress: show a progress bar.
    """

    epochs: int = option(90, minimum=1)
    max_steps: int = option(-1, minimum=1, unless={-1: "no limit"})
    minutes: float = option(0.0, minimum=0)
    validate_every: int = option(0, minimum=0)
    checkpoint_minutes: float = option(4.0, minimum=0)
    precision: Precision = "32-true"
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: int = option(1, minimum=1)
    nodes: int = option(1, minimum=1)
    compile: Literal["auto", "always", "never"] = "auto"
    threads: int = option(0, minimum=0)
    log_every: int = option(20, minimum=0)
    track: list[Tracker] = option(factory=list)
    project: str = "prml"
    progress: bool = True


@dataclass
class FitConfig:
    """Everything about a run; what a YAML file under ``configs/`` holds.

    Attributes:
        seed: of the first weights and of everything random in the data.
    """

    network: NetworkConfig = option(factory=NetworkConfig)
    data: DataConfig = option(factory=MocapData, variants=DATA_KINDS)
    objective: ObjectiveConfig = option(factory=ObjectiveConfig)
    optimiser: OptimiserConfig = option(factory=OptimiserConfig)
    run: RunConfig = option(factory=RunConfig)
    seed: int = option(0, minimum=0, maximum=2**32 - 1)

    def check(self) -> None:
        """Rules of fields and across them; raises PrmlError that names them."""
        options.check(self)
        self._check_network()

    def _check_network(self) -> None:
        from prml.networks import registry

        record, given, windows = registry.entry(self.network.name), self.network.arguments, self.data.windows
        frames = {**record.arguments, **given}.get("frames", record.window)
        if record.fixed_window and windows.frames != frames:
            raise PrmlError(
                f"{record.name} takes windows of {frames} frames only, data.windows.frames is {windows.frames}; "
                "set network.arguments.frames to the same"
            )
        if windows.frames > frames:
            raise PrmlError(f"data.windows.frames is {windows.frames}, but network.arguments.frames is only {frames}")
        if bool(given.get("causal")) and record.output != "last":
            raise PrmlError(f"{record.name} answers for the middle of its window; train videopose3d-causal instead")
        self._check_joints()
        channels = given.get("in_channels", windows.in_channels)
        if channels != windows.in_channels:
            raise PrmlError(
                f"network.arguments.in_channels is {channels}, but data.windows.in_channels is {windows.in_channels}; "
                "set both to 3 (x, y, confidence) or to 2 (x, y)"
            )
        if channels > _CHANNELS and (self.data.kind != "mocap" or len(skeleton_of(self.data)) > _DEPTH_JOINTS):
            raise PrmlError(
                "data.windows.in_channels 4, with relative depth, is for motion capture of 17 joints; set it to 3"
            )

    def _check_joints(self) -> None:
        skeleton, given = skeleton_of(self.data), self.network.arguments.get("joints")
        if given not in (None, len(skeleton)):
            raise PrmlError(
                f"network.arguments.joints is {given}, but data.skeleton {skeleton.name} has {len(skeleton)} joints; "
                "leave network.arguments.joints out"
            )
        hide = getattr(self.data.windows, "hide", None)
        if skeleton.name != "body28" and hide is not None and any(asdict(hide).values()):
            raise PrmlError(
                "data.windows.hide is for networks of 28 joints; set data.skeleton to body28, or hide nothing"
            )


def load_config(path: Path) -> FitConfig:
    """The configuration in a YAML file, or in the ``run.yaml`` of a run, of any version.

    Raises:
        PrmlError: not such a file, an unknown option (with the nearest known one), a wrong value.
    """
    from prml.io.plain_yaml import read_yaml

    values = read_yaml(path)
    if isinstance(values, Mapping) and "config" in values:  # the record of a run
        values = values["config"]
    if not isinstance(values, Mapping):
        raise PrmlError(f"{path} must contain a mapping of options to values")
    try:
        config = options.build(FitConfig, values)
        config.check()
    except PrmlError as error:
        raise PrmlError(f"{path}: {error}") from None
    return config


def record_of(config: FitConfig) -> dict[str, Any]:
    """Nested values of a configuration as ``run.yaml`` and hashes have them, the same keys for every kind of data."""
    values = asdict(config)
    for name, leaf in leaves(FitConfig).items():
        if leaf.only and config.data.kind not in leaf.only and set(leaf.only) & set(_ALWAYS_RECORDED):
            put(values, name, leaf.default)
        if name.startswith(_RECORDED_IF_SET):
            _leave_out(values, name.split("."), leaf.default)
    return values


def _leave_out(values: dict[str, Any], path: list[str], usual: Any) -> None:
    """Remove the entry at a path if it has its usual value, and mappings that this empties."""
    first, *rest = path
    if rest and isinstance(values.get(first), dict):
        _leave_out(values[first], rest, usual)
    if values.get(first) in (({},) if rest else (usual,)):
        del values[first]
