"""Sequences of the user's own as the source of a protocol: files of prml-sequences, imported motion, or any dataset."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from prml.datasets.registry import dataset_at
from prml.errors import PrmlError
from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.sequence import PoseSequence

_HASHED_BYTES = 2_000_000_000  # larger files are told apart by their size


@dataclass(frozen=True)
class OwnSource:
    """What the user gives.

    Attributes:
        split: only sequences of this split; None for all.
        subjects: only sequences of these subjects; empty for all.
    """

    split: str | None = None
    subjects: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """Return which sequences, as text."""
        chosen = f"split {self.split}" if self.split else "all splits"
        people = f"subjects {', '.join(self.subjects)}" if self.subjects else "all subjects"
        return (
            f"the user's own data, {chosen}, {people}; filmed sequences as they are, motion capture seen by the "
            "four fixed virtual cameras of mocap-noisy"
        )

    @property
    def files(self) -> str:
        """Return which files the user must have."""
        return "a file of prml-sequences (.npz, .parquet), an npz of 'prml data import', or the folder of a dataset"

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """Yield the sequences.

        Raises:
            PrmlError: nothing given, data that cannot be read, no such split or subject, or 3D without a camera.
        """
        path = self._path(data)
        found = dataset_at(path)
        if found.name == "mocap":
            read = benchmark_sequences((path.stem,), True, path.parent, split=self.split)
            return islice(self._chosen(read), None if limit is None else 4 * limit)  # cameras
        return islice(self._chosen(found.sequences(path, self.split)), limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Return what identifies the data: the hash of a file, the sizes of a folder's files."""
        path = self._path(data)
        if path.is_dir() or path.stat().st_size > _HASHED_BYTES:
            return dataset_at(path).stamp_of(path)
        with path.open("rb") as stream:
            return {path.name: hashlib.file_digest(stream, "sha256").hexdigest()[:16]}

    def _path(self, data: Path | None) -> Path:
        if data is None:
            raise PrmlError(f"this protocol scores data of your own: give data=PATH, {self.files}")
        return data

    def _chosen(self, sequences: Iterator[PoseSequence]) -> Iterator[PoseSequence]:
        seen, kept = set[str](), False
        for sequence in sequences:
            seen.add(sequence.subject)
            if self.subjects and sequence.subject not in self.subjects:
                continue
            kept = True
            yield _scorable(sequence)
        if not kept:
            known = ", ".join(sorted(seen - {""})[:20]) or "none"
            raise PrmlError(f"no sequence of the subjects {', '.join(self.subjects)}; the data have {known}")


def _scorable(sequence: PoseSequence) -> PoseSequence:
    """The sequence in its camera's frame, with 2D and with a flag for every frame."""
    if sequence.frame == "world" and sequence.camera is not None and sequence.keypoints_px is None:
        sequence = sequence.in_camera(sequence.camera)
    if sequence.frame == "world" and sequence.camera is not None and sequence.joints_m is not None:
        sequence = sequence.with_(joints_m=sequence.camera.to_camera(sequence.joints_m), frame="camera")
    if sequence.keypoints_px is None and sequence.camera is not None and sequence.joints_m is not None:
        sequence = sequence.with_(keypoints_px=sequence.camera.project(sequence.joints_m))
    return sequence.with_(valid=np.ones(len(sequence), bool)) if sequence.valid is None else sequence
