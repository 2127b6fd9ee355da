"""Where a run writes its figures: always CSV, TensorBoard if it is installed, and what the configuration names."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from prml.errors import PrmlError
from prml.io.guard import one_line
from prml.training.config import FitConfig, Tracker, record_of

_PACKAGES: dict[Tracker, tuple[str, ...]] = {"wandb": ("wandb",), "mlflow": ("mlflow",)}


def check_trackers(config: FitConfig) -> None:
    """Raise PrmlError unless the package of every service that the configuration names is installed."""
    for name in config.run.track:
        if not any(find_spec(package) for package in _PACKAGES[name]):
            raise PrmlError(
                f"run.track {name} needs its package: pip install 'prml-pose[{name}]', or leave it out of run.track"
            )


def loggers(config: FitConfig, out: Path, resumed: bool) -> list[Logger]:
    """The loggers of a run in the folder ``out``.

    Raises:
        PrmlError: a service that the configuration names does not start, or its package is not installed.
    """
    check_trackers(config)
    # a CSV log cannot be continued: each start has its own
    parts = len(list((out / "logs").glob("csv*"))) if resumed else 0
    found: list[Logger] = [CSVLogger(out, name="logs", version=f"csv{parts + 1}" if parts else "csv")]
    if find_spec("tensorboard"):
        found.append(TensorBoardLogger(out, name="logs", version="tensorboard"))
    return found + [_started(name, config, out) for name in config.run.track]


def _started(name: Tracker, config: FitConfig, out: Path) -> Logger:
    try:
        logger = _TRACKERS[name](config, out)
        logger.log_hyperparams(record_of(config))
    except Exception as error:  # each service has its own, for a missing login, server or database
        raise PrmlError(f"run.track {name} does not start: {one_line(error)}; leave it out of run.track") from error
    return logger


def _wandb(config: FitConfig, out: Path) -> Logger:
    """A run of the name of its folder; W&B's own variables (WANDB_MODE, WANDB_ENTITY, ...) hold."""
    (out / "logs").mkdir(parents=True, exist_ok=True)
    return WandbLogger(name=out.name, project=config.run.project, save_dir=out / "logs", log_model=False)


def _mlflow(config: FitConfig, out: Path) -> Logger:
    """A run of the name of its folder, at MLFLOW_TRACKING_URI or in a database among the run's logs."""
    (out / "logs").mkdir(parents=True, exist_ok=True)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(out / 'logs' / 'mlflow.db').absolute()}"
    return MLFlowLogger(experiment_name=config.run.project, run_name=out.name, tracking_uri=uri)


_TRACKERS: dict[Tracker, Callable[[FitConfig, Path], Logger]] = {"wandb": _wandb, "mlflow": _mlflow}
