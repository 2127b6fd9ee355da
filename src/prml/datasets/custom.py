"""Sequences of your own, in the schema of :mod:`prml.io.sequences` (npz or Parquet), as a dataset."""

from collections.abc import Iterator
from pathlib import Path

from prml.datasets.base import Dataset
from prml.io.sequences import read_sequences
from prml.sequence import PoseSequence


def _read(path: Path, split: str | None = None) -> Iterator[PoseSequence]:
    return read_sequences(path, split)


CUSTOM = Dataset(
    "custom",
    "prml-sequences (prml.io.sequences)",
    lambda path: path.is_file() and path.suffix in (".npz", ".parquet"),
    _read,
    licence="not stated",
    weights_licence="not stated",
)
