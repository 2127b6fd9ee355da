"""``prml fit CONFIG.yaml [--network.name prml-s ...] --out DIR``: a YAML configuration with dotted overrides."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prml.errors import PrmlError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from prml.training.config import FitConfig

_OWN = ("config", "out", "resume", "overwrite")


def parser() -> "ArgumentParser":
    """Options of the verb: the fields of FitConfig, dotted."""
    from jsonargparse import ActionConfigFile, ArgumentParser  # type: ignore[attr-defined]  # not in its __all__

    from prml.training.config import FitConfig

    made = ArgumentParser(
        prog="prml fit", description="Train a network from a YAML configuration.", exit_on_error=False
    )
    made.add_argument("--config", action=ActionConfigFile, help="YAML file (may also be given without --config)")
    made.add_argument("--out", default="runs/fit", help="folder of the run")
    made.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    made.add_argument("--overwrite", action="store_true", help="start anew in a folder that is not empty")
    made.add_class_arguments(FitConfig, None, as_group=False)
    return made


def read_config(path: str, overrides: Sequence[str] = ()) -> "FitConfig":
    """A configuration file with overrides, as the verb reads it; PrmlError names a wrong key and the nearest."""
    return _parse([path, *overrides])[0]


def _parse(arguments: list[str]) -> "tuple[FitConfig, str, bool, bool]":
    from argparse import ArgumentError
    from pathlib import Path

    from prml.commands._configuration import explain, instantiate, known_keys
    from prml.training.config import FitConfig

    if arguments and not arguments[0].startswith("-"):
        arguments = ["--config", *arguments]
    if "--config" in arguments[:-1]:
        path = arguments[arguments.index("--config") + 1]
        if not Path(path).is_file():
            raise PrmlError(f"no configuration file {path}; the shipped ones are in configs/")
    made = parser()
    try:
        options = made.parse_args(arguments)
    except ArgumentError as error:
        raise PrmlError(explain(str(error), known_keys(made, FitConfig))) from error
    if not any(word.partition("=")[0] == "--config" for word in arguments):
        raise PrmlError("expected a configuration: prml fit CONFIG.yaml; the shipped ones are in configs/")
    values = instantiate(made, options)
    config = FitConfig(**{k: v for k, v in vars(values).items() if k not in _OWN})
    return config, values.out, values.resume, values.overwrite


def main(argv: Sequence[str]) -> int:
    """Parse, train, say where the weights are."""
    if any(a in ("-h", "--help") for a in argv):
        parser().print_help()
        return 0
    config, out, resume, overwrite = _parse(list(argv))
    config.check()
    from prml.commands._console import plain_console
    from prml.training.engine import fit

    folder = fit(config, out, resume=resume, overwrite=overwrite)
    meanings = {"best": "lowest validation error", "last": "the end"}
    paths = {folder / f"{name}.safetensors": meaning for name, meaning in meanings.items()}
    found = ", ".join(f"{path} ({meaning})" for path, meaning in paths.items() if path.is_file())
    plain_console().print(f"weights: {found}")
    return 0
