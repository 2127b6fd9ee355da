"""Train a network: ``fit(config, out)``. Killed at any moment and started again with ``resume``, it goes on."""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.strategies import DDPStrategy

from prml.errors import PrmlError
from prml.io.guard import one_line
from prml.provenance import commit, versions
from prml.threads import torch_threads
from prml.training.allocator import allocator_advice
from prml.training.averaging import EMAWeightAveraging
from prml.training.callbacks import PREVIOUS, BestRecord, FiniteLoss, SafeCheckpoint
from prml.training.clock import RunClock
from prml.training.config import FitConfig
from prml.training.datamodule import WindowsDataModule
from prml.training.folder import check_same_run, clear, describe, open_folder
from prml.training.launch import first_process, join_again, restarted
from prml.training.loggers import check_trackers, loggers
from prml.training.masked import training_module
from prml.training.module import LiftingModule
from prml.training.warm_start import inherit_terms, start_from
from prml.weights.card import PRETRAINED
from prml.weights.record import Card, find_record, read_card

_IN_A_CHECKPOINT = ("global_step", "state_dict", "callbacks", "optimizer_states", "lr_schedulers", "loops", "torch_rng")


def _card(config: FitConfig, module: LiftingModule, data: WindowsDataModule) -> Card:
    uncertainty: dict[str, Any] = {}
    network, widths = module.network, module.network.support_widths
    kept = config.objective.mutual_information == "variational" and module.information is not None
    if kept and widths is not None:
        uncertainty = {"width_2d": widths[0], "width_depth": widths[1], "joints": network.joints}
    card = Card(
        name="best",
        network=config.network.name,
        arguments=module.network_arguments,
        skeleton=data.source.skeleton.name,
        window=config.data.windows.frames,
        fps=data.train.fps,
        uncertainty=uncertainty,
        training={
            "data": data.source.hashes,
            "split": data.source.split,
            "commit": commit(),
            "versions": versions(),
            "seed": config.seed,
            **({PRETRAINED: "masked 2D poses"} if config.objective.masked.on else {}),
        },
        normalisation=data.source.normalisation,
        output=data.source.output,
        context=data.source.context,
        data_licence=data.source.licence,
        weights_licence=data.source.weights_licence,
    )
    start = config.network.start_from
    return inherit_terms(card, read_card(find_record(start))) if start else card


def _quiet() -> None:
    """Lightning's advice about things that are on purpose here."""
    for text in (
        ".*does not have many workers.*",
        ".*smaller than the logging interval.*",
        ".*dataloader is not resumable.*",
        ".*treespec.*",
        ".*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message=text)


def _ignore_profiling_timer() -> None:
    """Keep a detector that runs after the training from killing the process.

    MediaPipe's library handles SIGPROF, which its timer sends; Lightning puts back the handlers that Python knows of,
    for that signal the default, which ends the process at the timer's next tick. An ignored signal is put back as such.
    """
    if "mediapipe" not in sys.modules or threading.current_thread() is not threading.main_thread():
        return
    if hasattr(signal, "SIGPROF") and signal.getsignal(signal.SIGPROF) == signal.SIG_DFL:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)


def _trainer(
    config: FitConfig, out: Path, callbacks: list[pl.Callback], data: WindowsDataModule, resumed: bool
) -> pl.Trainer:
    """A trainer that counts steps only: Lightning would take the rest of a resumed epoch for a whole one."""
    run = config.run
    precision: Any = run.precision  # FitConfig.check knows the names
    make = partial(
        pl.Trainer,
        default_root_dir=out,
        logger=loggers(config, out, resumed),
        callbacks=callbacks,
        max_epochs=-1,
        max_steps=_total(config, data),
        precision=precision,
        accelerator=run.accelerator,
        devices=run.devices,
        num_nodes=run.nodes,
        strategy=DDPStrategy(gradient_as_bucket_view=True) if run.devices * run.nodes > 1 else "auto",
        gradient_clip_val=config.optimiser.clip or None,
        log_every_n_steps=run.log_every,
        enable_checkpointing=False,
        enable_progress_bar=run.progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        reload_dataloaders_every_n_epochs=1,
        val_check_interval=run.validate_every or max(1, data.steps_per_epoch),
        check_val_every_n_epoch=None,
    )
    try:
        trainer = make()
    except MisconfigurationException as error:  # what only Lightning knows: what this machine has
        reason = " ".join(str(error).split())
        raise PrmlError(f'accelerator "{run.accelerator}" is not available: {reason}') from error
    if trainer.world_size > 1:
        join_again("nccl" if trainer.strategy.root_device.type == "cuda" else "gloo")
    return trainer


def _total(config: FitConfig, data: WindowsDataModule) -> int:
    """Steps of the whole run; -1 if only the clock ends it."""
    run = config.run
    if run.minutes:
        return run.max_steps
    steps = data.steps_per_epoch * run.epochs
    return steps if run.max_steps < 0 else min(steps, run.max_steps)


def _read_state(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint of a run holds; raises PrmlError, which names the one before it, if it is damaged."""
    try:
        state: dict[str, Any] = torch.load(checkpoint, weights_only=True, mmap=True)
        if missing := [k for k in _IN_A_CHECKPOINT if k not in state]:
            raise KeyError(f"it lacks {missing[0]}")
        if not isinstance(state["global_step"], int) or not all(map(torch.is_tensor, state["state_dict"].values())):
            raise TypeError("it holds no steps or no tensors")
    except Exception as error:  # torch, zipfile and pickle each have their own words for a damaged file
        previous = checkpoint.with_name(PREVIOUS)
        then = "start the run again with overwrite=True"
        if previous.is_file():
            then = f"rename {PREVIOUS}, the one before it, to {checkpoint.name} to go on from there"
        raise PrmlError(f"{checkpoint} is damaged ({_how_damaged(checkpoint, error)}); {then}") from error
    return state


def _how_damaged(checkpoint: Path, error: Exception) -> str:
    return "it is empty" if checkpoint.stat().st_size == 0 else one_line(error, 80)


def _check_fits(checkpoint: Path, state: Mapping[str, Any], module: LiftingModule) -> None:
    """Raise PrmlError unless the checkpoint's tensors are those of the network."""
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state["state_dict"].items()}
    if differ := sorted(name for name in shapes | found if shapes.get(name) != found.get(name)):
        raise PrmlError(f"{checkpoint} is of another network ({differ[0]} differs); start over with overwrite=True")


def _train(
    trainer: pl.Trainer,
    module: LiftingModule,
    data: WindowsDataModule,
    checkpoint: Path | None,
    state: Mapping[str, Any],
    best: BestRecord,
) -> int:
    """Train to the end and validate what came out; returns the steps of the whole run."""
    if checkpoint is None or not (module.clock.over or 0 <= trainer.max_steps <= state["global_step"]):
        try:
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
        except torch.OutOfMemoryError as error:  # where the step cannot be repeated in parts
            raise PrmlError(
                f"a device ran out of memory with data.windows.batch {module.config.data.windows.batch}; lower it"
            ) from error
    else:  # killed after the last step; the checkpoint's own weights are the averaged ones
        module.load_state_dict(state["state_dict"])
        best.load_state_dict(state["callbacks"][best.state_key])
        best.step = int(state["global_step"])
    step = trainer.global_step or best.step
    if module.validated_step != step:
        trainer.validate(module, datamodule=data, verbose=False)
    return step


def fit(config: FitConfig, out: str | os.PathLike[str], *, resume: bool = False, overwrite: bool = False) -> Path:
    """Train; returns the folder with ``best.safetensors``/``.yaml`` (lowest validation error), ``last.*`` and the logs.

    Under torchrun all processes call this alike; those that it starts again after a failure resume the run.

    Args:
        config: the run.
        out: its folder.
        resume: go on from ``out/last.ckpt``, with the same configuration and data; only longer if so wished.
        overwrite: start again in a folder that is not empty, and delete what an earlier run left there.

    Raises:
        PrmlError: a configuration, data set or folder that cannot be used, or a run to resume that was another.
    """
    config.check()
    check_trackers(config)
    folder = Path(out)
    resume = resume or restarted(folder)
    checkpoint = open_folder(folder, resume=resume, overwrite=overwrite, first=first_process())
    _quiet()
    if advice := allocator_advice():
        warnings.warn(advice, stacklevel=2)
    with torch_threads(config.run.threads):
        _fit(config, folder, checkpoint, resume)
    return folder


def _fit(config: FitConfig, folder: Path, checkpoint: Path | None, resume: bool) -> None:
    """Train in a folder that is ready."""
    clock = RunClock(config.run.minutes, config.optimiser.warmup_steps)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    data = WindowsDataModule(config)
    if resume:
        check_same_run(folder, config, data.source.hashes)
    state: dict[str, Any] = _read_state(checkpoint) if checkpoint else {"global_step": 0, "callbacks": {}}
    if RunClock.__name__ in state["callbacks"]:  # runs of before had no clock
        clock.load_state_dict(state["callbacks"][RunClock.__name__])
    total = _total(config, data)
    module = training_module(config, steps_per_epoch=data.steps_per_epoch, total_steps=total, clock=clock)
    if config.network.start_from and checkpoint is None:
        start_from(module, config.network.start_from)
    if checkpoint:
        _check_fits(checkpoint, state, module)
    windows = config.data.windows
    best = BestRecord(folder, _card(config, module, data), clock, windows.batch * windows.frames * data.world)
    callbacks: list[pl.Callback] = [best]
    if config.optimiser.ema:
        callbacks.append(EMAWeightAveraging(config.optimiser.ema))
    loss = FiniteLoss()
    callbacks += [loss, clock, SafeCheckpoint(folder, config.run.checkpoint_minutes, clock, loss)]
    if config.run.progress:
        callbacks.append(RichProgressBar())
    trainer = _trainer(config, folder, callbacks, data, checkpoint is not None)
    if first_process():
        if checkpoint is None:
            clear(folder)
        describe(folder, config, data.source.hashes)
    _ignore_profiling_timer()
    step = _train(trainer, module, data, checkpoint, state, best)
    if trainer.is_global_zero:
        best.write("last", module, module.scores() if module.validation else {}, step)
