"""Sequences of your own, in the schema of :mod:`prml.io.sequences` (npz or Parquet), as a dataset."""

from collections.abc import Iterator
from math import ceil
from pathlib import Path

from prml.datasets.base import Dataset
from prml.errors import PrmlError
from prml.io.sequences import read_sequences
from prml.sequence import PoseSequence

_HELD_OUT = 0.2  # of the subjects, where the file has no split but "train"


def _read(path: Path, split: str | None = None) -> Iterator[PoseSequence]:
    """The sequences of a split; "train" and "test" of a file without them are other subjects of it."""
    if split not in ("train", "test"):
        return read_sequences(path, split)
    everything = list(read_sequences(path))
    splits = {s.labels.get("split", "") for s in everything}
    held_out = next((name for name in ("test", "val") if name in splits), None)
    if held_out is not None and len(splits) > 1:
        return (s for s in everything if (s.labels.get("split") == held_out) == (split == "test"))
    subjects = sorted({s.subject for s in everything})
    if len(subjects) < 2:
        raise PrmlError(
            f"{path.name}: nobody to test on: it has one subject and no splits; give some of its clips the split "
            "'test', or add another subject"
        )
    apart = set(subjects[-ceil(_HELD_OUT * len(subjects)) :])
    return (s for s in everything if (s.subject in apart) == (split == "test"))


CUSTOM = Dataset(
    "custom",
    "prml-sequences (prml.io.sequences)",
    lambda path: path.is_file() and path.suffix in (".npz", ".parquet"),
    _read,
    label="camera_m",
    licence="not stated",
    weights_licence="not stated",
)
