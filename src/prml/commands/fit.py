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
    """

    config: Path = option(positional=True)
    _: KW_ONLY
    out: Path = Path("runs/fit")
    resume: bool = False
    overwrite: bool = False
    settings: FitConfig = option(factory=FitConfig, from_file="config")


def read_config(path: str, overrides: Sequence[str] = ()) -> FitConfig:
    """Read a configuration file with overrides, as the command does; raise PrmlError for a wrong key."""
    from prml.commands._parser import parse

    return parse(Options, "fit", [path, *overrides]).settings


def run(options: Options) -> int:
    """Train, and print where the weights are."""
    options.settings.check()
    from prml.commands._console import plain_console
    from prml.training.engine import fit

    folder = fit(options.settings, options.out, resume=options.resume, overwrite=options.overwrite)
    meanings = {"best": "lowest validation error", "last": "the end"}
    paths = {folder / f"{name}.safetensors": meaning for name, meaning in meanings.items()}
    found = ", ".join(f"{path} ({meaning})" for path, meaning in paths.items() if path.is_file())
    plain_console().print(f"weights: {found}")
    return 0
