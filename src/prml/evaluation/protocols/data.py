"""Where the sequences of a protocol come from: thin objects over the readers of ``prml.datasets``."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from prml.errors import PrmlError
from prml.sequence import PoseSequence


def need_folder(data: Path | None, files: str) -> Path:
    """The folder that the user gave; raises PrmlError that names the files it must hold."""
    if data is None:
        raise PrmlError(f"this protocol needs licensed files: give data=FOLDER, the folder with {files}")
    if not data.exists():
        raise PrmlError(f"no folder {data}; data= must be the folder with {files}")
    return data


def sizes(paths: Iterable[Path]) -> dict[str, str]:
    """Names and sizes: enough to distinguish files without reading gigabytes."""
    return {p.name: f"{p.stat().st_size} bytes" for p in paths if p.is_file()}


@dataclass(frozen=True)
class MocapSource:
    """Clips of the project's motion capture seen by four fixed virtual cameras.

    Attributes:
        sets: npz files of ``data/mocap``.
        noisy: whether the 2D carries a detector's errors.
        split: clips of this split; None for all.
    """

    sets: tuple[str, ...]
    noisy: bool
    split: str | None = "test"

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
        """The benchmark's sequences."""
        from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences

        return benchmark_sequences(self.sets, self.noisy, data, split=self.split, limit=limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Hashes of the clips and of the noise model, and the version of the cameras."""
        from importlib.resources import files

        from prml.batches.virtual_camera import BENCHMARK_CAMERAS_VERSION
        from prml.datasets.mocap import load_sets

        found = {f"{s.name}.npz": s.sha256[:16] for s in load_sets(self.sets, data)}
        found["cameras"] = str(BENCHMARK_CAMERAS_VERSION)
        if self.noisy:
            model = files("prml.batches").joinpath("detector_noise.json").read_bytes()
            found["noise"] = hashlib.sha256(model).hexdigest()[:16]
        return found


@dataclass(frozen=True)
class Human36mNpz:
    """S9 and S11 of the VideoPose3D npz pair.

    Attributes:
        keypoints: which 2D file: "cpn_ft_h36m_dbb" or "gt".
    """

    keypoints: str

    description: str = (
        "Human3.6M, subjects S9 and S11, all 15 actions, both takes, all four cameras, 50 frames/s (S11 Directions, "
        "take one, is not in the files: its video is damaged)"
    )

    @property
    def files(self) -> str:
        """Which files the user must have."""
        return f"data_3d_h36m.npz and data_2d_h36m_{self.keypoints}.npz (VideoPose3D's), and the calibration"

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """The test clips in every camera."""
        from prml.datasets.human36m import read_human36m_npz

        return islice(read_human36m_npz(need_folder(data, self.files), keypoints=self.keypoints), limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Sizes of the two files."""
        folder = need_folder(data, self.files)
        return sizes([folder / "data_3d_h36m.npz", folder / f"data_2d_h36m_{self.keypoints}.npz"])


@dataclass(frozen=True)
class Human36mPickle:
    """The test split of the Stacked-Hourglass pickle."""

    description: str = (
        "Human3.6M, subjects S9 and S11 as in the Stacked-Hourglass pickle, all four cameras, 50 frames/s"
    )
    files: str = "h36m_sh_conf_cam_source_final.pkl (MotionBERT's)"

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """The test videos."""
        from prml.datasets.human36m import read_human36m_sh

        return islice(read_human36m_sh(need_folder(data, self.files), "test"), limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Size of the pickle."""
        place = need_folder(data, self.files)
        return sizes([place / "h36m_sh_conf_cam_source_final.pkl" if place.is_dir() else place])


@dataclass(frozen=True)
class Mpi3dhpTest:
    """TS1 to TS6 of MPI-INF-3DHP."""

    description: str = (
        "MPI-INF-3DHP, test sequences TS1 to TS6, 25 frames/s, joints of the universal skeleton (univ_annot3)"
    )
    files: str = "data_test_3dhp.npz (P-STMO's), or the official TS1 ... TS6/annot_data.mat"

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """The test sequences."""
        from prml.datasets.mpi_inf_3dhp import read_3dhp_test

        return islice(read_3dhp_test(need_folder(data, self.files)), limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Size of the npz file, or of the six official ones together."""
        folder = need_folder(data, self.files)
        npz = folder / "data_test_3dhp.npz"
        if npz.is_file():
            return sizes([npz])
        official = sorted(folder.rglob("TS[1-6]/annot_data.mat"))
        return {f"{p.parent.name}/{p.name}": f"{p.stat().st_size} bytes" for p in official}


@dataclass(frozen=True)
class Pw3dTest:
    """The test split of 3DPW."""

    description: str = "3DPW, test split, every person of every sequence, 30 frames/s, moving camera"
    files: str = "sequenceFiles/test/*.pkl (the official files)"

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """The test sequences, one per person."""
        from prml.datasets.pw3d import read_3dpw

        return islice(read_3dpw(need_folder(data, self.files), "test"), limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """How many files of how many bytes."""
        found = list(need_folder(data, self.files).rglob("test/*.pkl"))
        return {"sequenceFiles/test": f"{len(found)} files, {sum(p.stat().st_size for p in found)} bytes"}


@dataclass(frozen=True)
class Given:
    """Given sequences, for custom data and for tests.

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
