"""Sources of a protocol's sequences: thin wrappers around the datasets of ``prml.datasets``."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from prml.datasets.registry import dataset
from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import H36M17, Skeleton


def need_folder(data: Path | None, files: str) -> Path:
    """Return the user's folder; raise PrmlError that names the required files if it is missing."""
    if data is None:
        raise PrmlError(f"this protocol needs licensed files: give data=FOLDER, the folder with {files}")
    if not data.exists():
        raise PrmlError(f"no folder {data}; data= must be the folder with {files}")
    return data


def sizes(paths: Iterable[Path]) -> dict[str, str]:
    """Return names and sizes, enough to distinguish files without reading gigabytes."""
    return {p.name: f"{p.stat().st_size} bytes" for p in paths if p.is_file()}


@dataclass(frozen=True)
class MocapSource:
    """Clips of the project's motion capture, seen by four fixed virtual cameras.

    Attributes:
        sets: npz files of ``data/mocap``.
        noisy: whether the 2D has a detector's errors.
        split: clips of this split; None for all.
        skeleton: H36M17 or BODY28.
    """

    sets: tuple[str, ...]
    noisy: bool
    split: str | None = "test"
    skeleton: Skeleton = H36M17

    @property
    def description(self) -> str:
        """Which sequences, as text."""
        which = f"the {self.split} subjects" if self.split else "all subjects"
        return f"{which} of {' and '.join(self.sets)}; each clip seen by four fixed virtual cameras; 50 frames/s"

    @property
    def files(self) -> str:
        """Which files the user must have."""
        return f"{', '.join(f'{s}.npz' for s in self.sets)} of data/mocap (free, in the repository)"

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """Yield the sequences of the benchmark."""
        from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences

        return benchmark_sequences(self.sets, self.noisy, data, split=self.split, limit=limit, skeleton=self.skeleton)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Return hashes of the clips and of the noise model, and the version of the cameras."""
        from importlib.resources import files

        from prml.batches.virtual_camera import BENCHMARK_CAMERAS_VERSION
        from prml.datasets.mocap import load_sets

        found = {f"{s.name}.npz": s.sha256[:16] for s in load_sets(self.sets, data)}
        found["cameras"] = str(BENCHMARK_CAMERAS_VERSION)
        if self.noisy:
            model = files("prml.batches").joinpath("detector_noise.json").read_bytes()
            found["noise"] = hashlib.sha256(model).hexdigest()[:16]
        if self.noisy and self.skeleton != H36M17:
            model = files("prml.batches").joinpath("detector_noise24.json").read_bytes()
            found["noise of feet, hands and face"] = hashlib.sha256(model).hexdigest()[:16]
        return found


@dataclass(frozen=True)
class ViewsSource:
    """Clips of the project's motion capture from four elevations, with a detector's errors.

    Attributes:
        sets: npz files of ``data/mocap``.
        split: clips of this split.
    """

    sets: tuple[str, ...]
    split: str = "test"

    @property
    def description(self) -> str:
        """Which sequences, as text."""
        from prml.batches.virtual_camera import VIEWS

        views = ", ".join(f"{name} ({low:g} to {high:g} degrees)" for name, (low, high) in VIEWS.items())
        return (
            f"the {self.split} subjects of {' and '.join(self.sets)}; each clip seen from one side at four elevations: "
            f"{views}; 50 frames/s"
        )

    @property
    def files(self) -> str:
        """Which files the user must have."""
        return MocapSource(self.sets, noisy=True).files

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """The sequences, their source being the view."""
        from prml.evaluation.protocols.mocap_benchmark import view_sequences

        return view_sequences(self.sets, data, split=self.split, limit=limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Hashes of the clips and of the noise model, and the version of the cameras."""
        from prml.batches.virtual_camera import VIEW_CAMERAS_VERSION

        return MocapSource(self.sets, noisy=True).stamp(data) | {"cameras": f"views {VIEW_CAMERAS_VERSION}"}


@dataclass(frozen=True)
class DatasetSource:
    """The test sequences of a dataset.

    Attributes:
        dataset: a name in :mod:`prml.datasets.registry`.
        description: which sequences, as text.
        files: which files the user must have, as text.
        split: split of the dataset.
        options: options of its reader, such as ``(("keypoints", "gt"),)``.
    """

    dataset: str
    description: str
    files: str
    split: str = "test"
    options: tuple[tuple[str, str], ...] = ()

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """Yield the sequences; raises PrmlError as the dataset's reader does."""
        found = dataset(self.dataset)
        return islice(found.sequences(need_folder(data, self.files), self.split, **dict(self.options)), limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Return what identifies the files, by the dataset's rule."""
        return dataset(self.dataset).stamp_of(need_folder(data, self.files), **dict(self.options))


@dataclass(frozen=True)
class Given:
    """Sequences given by the caller, for custom data and tests.

    Attributes:
        sequences: camera-frame sequences with 3D and 2D.
        description: what they are.
    """

    sequences: tuple[PoseSequence, ...]
    description: str = "sequences given by the caller"
    files: str = "none"

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """The sequences."""
        return islice(iter(self.sequences), limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Their number."""
        return {"sequences": str(len(self.sequences))}
