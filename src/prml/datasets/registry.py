"""Any dataset by its path: what kind it is, and its sequences. For looking at data; protocols name their reader."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from prml.errors import PrmlError
from prml.io.unpickle import npz_keys
from prml.sequence import PoseSequence


def _human36m(folder: Path) -> Iterator[PoseSequence]:
    from prml.datasets.human36m import TEST_SUBJECTS, read_human36m_npz

    prefix = "data_2d_h36m_"
    kinds = sorted(p.stem.removeprefix(prefix) for p in folder.glob(f"{prefix}*.npz"))
    if not kinds:
        raise PrmlError(f"{folder}: data_3d_h36m.npz is there, but no data_2d_h36m_*.npz")
    return read_human36m_npz(folder, TEST_SUBJECTS, "gt" if "gt" in kinds else kinds[0])


def _human36m_sh(path: Path) -> Iterator[PoseSequence]:
    from prml.datasets.human36m import read_human36m_sh

    return read_human36m_sh(path, "test")


def _3dhp(folder: Path) -> Iterator[PoseSequence]:
    from prml.datasets.mpi_inf_3dhp import read_3dhp_test, read_3dhp_train

    parts = [
        (read_3dhp_test, ("data_test_3dhp.npz", "TS1", "mpi_inf_3dhp_test_set")),
        (read_3dhp_train, ("data_train_3dhp.npz", "S1")),
    ]
    return chain.from_iterable(read(folder) for read, names in parts if any((folder / n).exists() for n in names))


def _3dpw(folder: Path) -> Iterator[PoseSequence]:
    from prml.datasets.pw3d import SPLITS, read_3dpw

    base = folder if folder.name == "sequenceFiles" else folder / "sequenceFiles"
    return chain.from_iterable(read_3dpw(folder, split) for split in SPLITS if any((base / split).glob("*.pkl")))


def _mocap(path: Path) -> Iterator[PoseSequence]:
    from prml.datasets.mocap import MocapSet

    return MocapSet.read(path).sequences()


def _own(path: Path) -> Iterator[PoseSequence]:
    from prml.io.sequences import read_sequences

    return read_sequences(path)


# Kind -> what it is in words, and its reader.
KINDS: dict[str, tuple[str, Callable[[Path], Iterator[PoseSequence]]]] = {
    "human36m": ("Human3.6M, VideoPose3D npz pair (test subjects)", _human36m),
    "human36m-sh": ("Human3.6M, Stacked-Hourglass pickle (test split)", _human36m_sh),
    "3dhp": ("MPI-INF-3DHP", _3dhp),
    "3dpw": ("3DPW", _3dpw),
    "mocap": ("mocap npz of this project", _mocap),
    "own": ("prml-sequences (prml.io.sequences)", _own),
}


def kind_of(path: Path) -> str:
    """The kind of dataset at ``path`` (a key of KINDS); raises PrmlError that says what is known."""
    if path.is_dir():
        tests = {
            "human36m": ("data_3d_h36m.npz",),
            "human36m-sh": ("h36m_sh_conf_cam_source_final.pkl",),
            "3dhp": ("data_test_3dhp.npz", "data_train_3dhp.npz", "TS1", "S1/Seq1/annot.mat", "mpi_inf_3dhp_test_set"),
            "3dpw": ("sequenceFiles", "test"),
        }
        for kind, names in tests.items():
            if any((path / name).exists() for name in names):
                return kind
        raise PrmlError(f"{path}: no dataset that is known here; expected the files of {', '.join(tests)}")
    if not path.is_file():
        raise PrmlError(f"{path}: no such file or folder")
    if path.suffix == ".pkl":
        return "human36m-sh"
    if path.suffix == ".parquet":
        return "own"
    if path.suffix != ".npz":
        raise PrmlError(f"{path.name}: expected .npz, .parquet or .pkl; motion files go through 'prml data import'")
    keys = set(npz_keys(path))
    if {"positions", "clip_start"} <= keys:
        return "mocap"
    if keys & {"positions_3d", "positions_2d"} or path.name.endswith("_3dhp.npz"):
        raise PrmlError(f"{path.name}: part of a dataset of several files; give the folder that holds it")
    return "own"


def open_any(path: Path) -> tuple[str, Iterator[PoseSequence]]:
    """The kind of a dataset and all its sequences; raises PrmlError for what the reader finds wrong."""
    kind = kind_of(path)
    return kind, KINDS[kind][1](path)


@dataclass
class Survey:
    """What a dataset holds, and a random choice of its clips.

    Attributes:
        sample: the chosen clips.
        clips, frames, valid, seconds: counts over all clips.
        subjects, actions, rates: what occurs.
    """

    sample: list[PoseSequence] = field(default_factory=list)
    clips: int = 0
    frames: int = 0
    valid: int = 0
    seconds: float = 0.0
    subjects: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)
    rates: set[float] = field(default_factory=set)

    def lines(self) -> list[str]:
        """The survey in words."""
        first = self.sample[0]
        has = [w for w, a in (("2D (pixels)", first.keypoints_px), ("confidence", first.confidence)) if a is not None]
        if first.joints_m is not None:
            rule = "root-relative" if first.root_relative else "absolute"
            has.append(f"3D (metres, {first.frame} frame, {rule})")
        rates = ", ".join(f"{rate:g}" for rate in sorted(self.rates))
        return [
            f"{self.clips} clips, {self.frames} frames ({self.valid} valid), {self.seconds / 60:.1f} min, {rates} fps",
            f"{len(self.subjects)} subjects, {len(self.actions)} actions, skeleton {first.skeleton.name}",
            ", ".join(has) + (f"; camera: {first.camera.source}" if first.camera else ""),
            f"looked at closely: {len(self.sample)} clips",
        ]


def survey(sequences: Iterable[PoseSequence], most: int, seed: int) -> Survey:
    """Go through a dataset once and keep ``most`` clips at random (reservoir, so that memory does not grow with it).

    Raises:
        PrmlError: there is no clip, or ``most`` is not positive.
    """
    if most < 1:
        raise PrmlError(f"expected at least 1 clip to look at, got {most}")
    rng, out = np.random.default_rng(seed), Survey()
    for sequence in sequences:
        out.clips += 1
        if len(out.sample) < most:
            out.sample.append(sequence)
        elif (slot := int(rng.integers(out.clips))) < most:
            out.sample[slot] = sequence
        out.frames += len(sequence)
        out.seconds += len(sequence) / sequence.fps
        out.valid += len(sequence) if sequence.valid is None else int(np.sum(sequence.valid))
        out.subjects |= {sequence.subject} - {""}
        out.actions |= {sequence.action} - {""}
        out.rates.add(sequence.fps)
    if not out.sample:
        raise PrmlError("there is no clip in it")
    return out
