"""``prml fit CONFIG.yaml [--network.name prml-s ...] --out DIR``: a YAML configuration with dotted overrides."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prml.errors import PrmlError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from prml.training.config import FitConfig

_OWN = ("config", "out", "resume", "overwrite")


def parser() -> "ArgumentParser":
    """Options of the verb: the fields of FitConfig, dotted."""
    from jsonargparse import ActionConfigFile, ArgumentParser

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
    """A configuration file with overrides, as the verb reads it; raises PrmlError that names a wrong key and the nearest."""
    return _parse([path, *overrides])[0]


def _parse(arguments: list[str]) -> "tuple[FitConfig, str, bool, bool]":
    from argparse import ArgumentError
    from pathlib import Path

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
        raise PrmlError(_explain(str(error), made)) from error
    if not any(word.partition("=")[0] == "--config" for word in arguments):
        raise PrmlError("expected a configuration: prml fit CONFIG.yaml; the shipped ones are in configs/")
    values = made.instantiate_classes(options)
    config = FitConfig(**{k: v for k, v in vars(values).items() if k not in _OWN})
    return config, values.out, values.resume, values.overwrite


def _explain(message: str, made: "ArgumentParser") -> str:
    """One line, with the nearest known key for an unknown one."""
    from difflib import get_close_matches

    known = [a.dest for a in made._actions if a.dest not in ("help", "config")]
    group = re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", message)
    alone = re.search(r"(?:unrecognized arguments: --|[Oo]ption '|[Kk]ey ')([\w.\-]+)", message)
    line = " ".join(message.split())
    if not group and not alone:
        return line
    name = f"{group[1]}.{group[2]}" if group else str(alone and alone[1])
    if name in known:
        return line
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"unknown option {name!r}" + (f"; did you mean {near[0]!r}?" if near else f"; {line}")


def main(argv: Sequence[str]) -> int:
    """Parse, train, say where the weights are."""
    if any(a in ("-h", "--help") for a in argv):
        parser().print_help()
        return 0
    config, out, resume, overwrite = _parse(list(argv))
    config.check()
    from rich.console import Console

    from prml.training.fit import fit

    folder = fit(config, out, resume=resume, overwrite=overwrite)
    Console().print(
        f"weights: {folder}/best.safetensors (lowest validation error), {folder}/last.safetensors (the end)"
    )
    return 0
