"""``prml fit CONFIG.yaml [--network.name prml-s ...] --out DIR``: train from a configuration with dotted overrides."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from prml.options import option
from prml.training.config import FitConfig


@dataclass
class Options:
    """Train a network from a YAML configuration.

    Every option of the configuration can also be given here, e.g. --run.max_steps 300.

    Attributes:
        config: YAML file; the provided ones are in configs/.
        out: folder of the run.
        resume: continue from the last checkpoint in that folder.
        overwrite: start over in a folder that is not empty.
        smoke: try the configuration: two steps of the smallest network and windows in a folder that is removed.
    """

    config: Path = option(positional=True)
    _: KW_ONLY
    out: Path = Path("runs/fit")
    resume: bool = False
    overwrite: bool = False
    smoke: bool = False
    settings: FitConfig = option(factory=FitConfig, from_file="config")


def read_config(path: str, overrides: Sequence[str] = ()) -> FitConfig:
    """Read a configuration file with overrides, as the command does; raise PrmlError for a wrong key."""
    from prml.commands._parser import parse

    return parse(Options, "fit", [path, *overrides]).settings


def run(options: Options) -> int:
    """Train, and print where the weights are."""
    from prml.commands._code import use_working_folder

    if ":" in options.settings.network.name:  # a class of the user's own
        use_working_folder()
    options.settings.check()
    if options.smoke:
        return _smoke(options.settings)
    from prml.commands._console import plain_console
    from prml.training.engine import fit
    from prml.training.launch import first_process

    _quiet()
    folder = fit(options.settings, options.out, resume=options.resume, overwrite=options.overwrite)
    if not first_process():  # of several, one speaks
        return 0
    meanings = {"best": "lowest validation error", "last": "the end"}
    paths = {folder / f"{name}.safetensors": meaning for name, meaning in meanings.items()}
    found = ", ".join(f"{path} ({meaning})" for path, meaning in paths.items() if path.is_file())
    plain_console().print(f"weights: {found}")
    return 0


def _quiet() -> None:
    """Leave out Lightning's notes on devices, other products and its own defaults."""
    import logging

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)


def _smoke(settings: FitConfig) -> int:
    """Train for two steps at the smallest sizes, and print what came out."""
    from tempfile import TemporaryDirectory
    from time import perf_counter

    from prml.commands._console import plain_console
    from prml.training.engine import fit
    from prml.training.smoke import smallest
    from prml.weights.record import load_record

    _quiet()
    small, started = smallest(settings), perf_counter()
    with TemporaryDirectory(prefix="prml-smoke-") as folder:
        card = load_record(fit(small, Path(folder) / "run") / "last.yaml").card
    error = card.scores.get("validation", {}).get("mpjpe")
    shown = f"validation {error:.0f} mm" if error is not None else "not validated"
    plain_console().print(
        f"smoke test passed: {small.run.max_steps} steps of {small.network.name} with windows of "
        f"{small.data.windows.frames} frames on {small.data.kind}, {shown}, {perf_counter() - started:.0f} s"
    )
    return 0
