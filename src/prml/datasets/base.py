"""What the rest needs to know of a dataset: whether a path is one, its sequences, its files, its licence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prml.sequence import PoseSequence

LICENSED = "non-commercial research terms of the data set; see its owners"
NONCOMMERCIAL = "non-commercial, as the data"


@dataclass(frozen=True)
class Dataset:
    """A dataset, as an entry of :mod:`prml.datasets.registry`.

    Attributes:
        name: as ``data.kind`` of a training configuration and the source of a protocol take it.
        description: one line, for ``prml data check``.
        detect: whether a file or folder is this dataset.
        read: ``read(path, split, **options)`` gives the sequences of "train" or "test", always in the same order; for
            None those that a look at the data should see.
        files: patterns of the files in the folder; ``{option}`` stands for an option.
        options: names of the keyword arguments that ``read`` takes.
        label: what networks learn from it: "camera_m" (camera-frame metres) or "image"; None if it is not trained on as
            it is.
        validation: protocol whose sequences validate a training; "" for those of the split "test".
        licence, weights_licence: what cards of weights trained on it say of the data and of the weights.
        stamp: what identifies the files of the split "test" in results; None for their names and sizes.
        video_names: names under which the video of a sequence may lie in a folder of videos, without their ending.
    """

    name: str
    description: str
    detect: Callable[[Path], bool]
    read: Callable[..., Iterator[PoseSequence]]
    files: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    label: Literal["camera_m", "image"] | None = None
    validation: str = ""
    licence: str = LICENSED
    weights_licence: str = NONCOMMERCIAL
    stamp: Callable[[Path], dict[str, str]] | None = None
    video_names: Callable[[PoseSequence], list[str]] = lambda sequence: [sequence.name]

    def sequences(self, path: Path, split: str | None = None, **offered: Any) -> Iterator[PoseSequence]:
        """The sequences of a split, with those of the offered options that the dataset takes; raises PrmlError."""
        return self.read(path, split, **{name: offered[name] for name in self.options if name in offered})

    def sizes(self, path: Path, **options: Any) -> dict[str, str]:
        """Files that are there -> bytes: enough to tell data apart without reading gigabytes."""
        if path.is_file():
            return {path.name: _bytes(path)}
        patterns = [pattern.format(**options) for pattern in self.files]
        found = [file for pattern in patterns for file in sorted(path.glob(pattern)) if file.is_file()]
        return {str(file.relative_to(path)): _bytes(file) for file in found}

    def stamp_of(self, path: Path, **options: Any) -> dict[str, str]:
        """What identifies the test data: results with different stamps were measured on different data."""
        return self.stamp(path) if self.stamp else self.sizes(path, **options)


def _bytes(file: Path) -> str:
    return f"{file.stat().st_size} bytes"
