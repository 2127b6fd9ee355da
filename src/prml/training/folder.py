"""The folder of a run: whether it may be used, what it records, what is deleted when a run starts again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from prml.errors import PrmlError
from prml.io.files import write_file
from prml.io.plain_yaml import read_yaml
from prml.provenance import commit, versions
from prml.training.callbacks import CHECKPOINT, PREVIOUS
from prml.training.config import NOT_THE_RESULT, FitConfig, record_of

RECORD = "run.yaml"
END = "last.safetensors"
# a run may be made longer, and its data may be moved: their hashes are compared
_MAY_DIFFER = {*NOT_THE_RESULT, "run.max_steps", "run.epochs", "run.minutes", "data.directory"}
_OF_A_RUN = (
    CHECKPOINT,
    PREVIOUS,
    "last.tmp",
    RECORD,
    END,
    "last.yaml",
    "best.safetensors",
    "best.yaml",
    "logs/csv/*",
    "logs/csv[0-9]*/*",
    "logs/tensorboard/*",
)


def open_folder(out: Path, *, resume: bool, overwrite: bool, first: bool = True) -> Path | None:
    """Make the run's folder; returns the checkpoint to go on from, if any. Nothing is removed.

    Args:
        out: the folder.
        resume: whether a run is to go on.
        overwrite: whether a folder that is not empty may be used for another.
        first: whether this is the first of several processes; the others use what it has checked.

    Raises:
        PrmlError: nothing to resume, or a folder that is in use.
    """
    if out.exists() and not out.is_dir():
        raise PrmlError(f"{out} is a file; expected the name of a folder for the run")
    last = out / CHECKPOINT
    if resume and last.is_file():
        return last
    if resume and (not (out / RECORD).is_file() or (out / END).is_file()):  # else killed before the first checkpoint
        raise PrmlError(f"nothing to resume: no {last}; leave resume=True out to start a run")
    if first and not resume and not overwrite and out.exists() and any(out.iterdir()):
        raise PrmlError(f"{out} exists and is not empty; continue with resume=True, or start over with overwrite=True")
    out.mkdir(parents=True, exist_ok=True)
    return None


def clear(folder: Path) -> None:
    """Remove what an earlier run has left: its records would be taken for those of the next. Other files stay."""
    for pattern in _OF_A_RUN:
        for path in filter(Path.is_file, folder.glob(pattern)):
            path.unlink()


def describe(folder: Path, config: FitConfig, hashes: Mapping[str, str]) -> None:
    """Lay the resolved configuration, seed, commit, versions and data hashes beside the checkpoints."""
    record = {"config": record_of(config), "commit": commit(), "versions": versions(), "data": dict(hashes)}
    write_file(folder / RECORD, yaml.safe_dump(_plain(record), sort_keys=False), overwrite=True)


def check_same_run(folder: Path, config: FitConfig, hashes: Mapping[str, str]) -> None:
    """Raise PrmlError that names what differs from the run in the folder; it may become longer."""
    path = folder / RECORD
    try:
        record = read_yaml(path)
        kept, data = dict(_leaves(record["config"])), dict(record["data"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PrmlError(f"{path} does not say what run this is; start over with overwrite=True") from error
    usual = dict(_leaves(_plain(record_of(FitConfig(data=type(config.data)())))))  # for fields newer than the run
    was, now = usual | kept, dict(_leaves(_plain(record_of(config))))
    differ = [
        f"{name} was {was.get(name)}, now {now.get(name)}"
        for name in was | now
        if name not in _MAY_DIFFER and was.get(name) != now.get(name)
    ]
    differ += [f"{name} has changed" for name in data | dict(hashes) if data.get(name) != hashes.get(name)]
    if differ:
        raise PrmlError(
            f"this is not the run in {folder}: {'; '.join(differ)}; "
            "resume it as it was, or start over with overwrite=True"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
