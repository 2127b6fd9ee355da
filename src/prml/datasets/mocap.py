"""Motion capture in the project's npz format (schema: ``data/mocap/README.md``)."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int16

from prml.datasets.base import Dataset
from prml.errors import PrmlError
from prml.io.npz import npz_keys
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

# terms of a file that does not say: those that "prml data import" assumes
_TERMS: dict[str, Any] = {"license": "not stated", "noncommercial": True}
_KEYS = ("positions", "clip_start", "clip_name", "subject", "action", "source", "split", "origin", "fps", "unit_m")


def data_directory(given: str | os.PathLike[str] | None = None) -> Path:
    """Where the mocap files are: the argument, else $PRML_DATA, else ``data/mocap`` of the checkout or current folder.

    Raises PrmlError if there is none.
    """
    candidates = [Path(given)] if given else []
    if not given:
        if "PRML_DATA" in os.environ:
            candidates.append(Path(os.environ["PRML_DATA"]))
        candidates += [Path.cwd() / "data" / "mocap", Path(__file__).parents[3] / "data" / "mocap"]
    for path in candidates:
        if path.is_dir() and any(path.glob("*.npz")):
            return path
    raise PrmlError(
        f"expected a folder with the mocap npz files, looked in {', '.join(map(str, candidates))}; "
        "the files are in data/mocap of the repository: pass that folder as directory=... or set $PRML_DATA"
    )


@dataclass(frozen=True)
class MocapSet:
    """One npz file of clips, kept as 16-bit integers.

    Attributes:
        name: file stem, e.g. "cmu".
        positions: (F, 17, 3) world positions in units of ``unit_m`` metres, all clips one after the other.
        clip_start: (N + 1,) offsets of the clips.
        clip_name, subject, action, source, split: (N,) labels.
        origin_m: (N, 3) what was taken away from the world position.
        fps, unit_m: frames per second, metres per unit.
        licence, noncommercial: of the data, as text, and whether it forbids commercial use.
    """

    name: str
    positions: Int16[np.ndarray, "F 17 3"]
    clip_start: np.ndarray
    clip_name: np.ndarray
    subject: np.ndarray
    action: np.ndarray
    source: np.ndarray
    split: np.ndarray
    origin_m: np.ndarray
    fps: float
    unit_m: float
    path: Path
    licence: str = _TERMS["license"]
    noncommercial: bool = _TERMS["noncommercial"]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "MocapSet":
        """Read a file; raises PrmlError that says what is wrong with it."""
        path = Path(path)
        if not path.is_file():
            raise PrmlError(f"no mocap file {path}; expected an npz as described in data/mocap/README.md")
        try:
            with np.load(path, allow_pickle=False) as archive:
                if missing := [k for k in _KEYS if k not in archive.files]:
                    raise PrmlError(f"{path.name} lacks {', '.join(missing)}; see data/mocap/README.md for the schema")
                z = _TERMS | {k: archive[k] for k in (*_KEYS, *_TERMS) if k in archive.files}
        except PrmlError:
            raise
        except Exception as error:  # numpy, zipfile and zlib each raise errors of their own for a damaged file
            raise PrmlError(f"{path} is not a readable npz file ({error}); download or write it again") from error
        positions, starts = z["positions"], z["clip_start"]
        if positions.ndim != 3 or positions.shape[1:] != (17, 3) or positions.dtype != np.int16:
            raise PrmlError(f"{path.name}: positions must be int16 (F, 17, 3), got {positions.dtype} {positions.shape}")
        if starts[0] != 0 or starts[-1] != len(positions) or np.any(np.diff(starts) <= 0):
            raise PrmlError(f"{path.name}: clip_start must increase from 0 to {len(positions)}, the number of frames")
        return cls(
            path.stem,
            positions,
            starts,
            z["clip_name"],
            z["subject"],
            z["action"],
            z["source"],
            z["split"],
            z["origin"],
            float(z["fps"]),
            float(z["unit_m"]),
            path,
            str(z["license"]),
            bool(z["noncommercial"]),
        )

    def __len__(self) -> int:
        return len(self.clip_name)

    def clip_m(self, index: int) -> Float[np.ndarray, "T 17 3"]:
        """World positions of one clip in metres (z up, hip of the first frame above the origin)."""
        a, b = self.clip_start[index], self.clip_start[index + 1]
        return self.positions[a:b].astype(np.float32) * np.float32(self.unit_m)

    def sequence(self, index: int) -> PoseSequence:
        """One clip as a PoseSequence in the world frame, metres."""
        joints = self.clip_m(index)
        return PoseSequence.regular(
            len(joints),
            self.fps,
            H36M17,
            joints_m=joints,
            frame="world",
            name=f"{self.name}/{self.clip_name[index]}",
            subject=str(self.subject[index]),
            action=str(self.action[index]),
            source=f"{self.name}/{self.source[index]}",
        )

    def indices(self, split: str | None) -> np.ndarray:
        """Clip numbers of a split ("train", "val", "test"), or of all for None."""
        return np.arange(len(self)) if split is None else np.flatnonzero(self.split == split)

    def sequences(self, split: str | None = None) -> Iterator[PoseSequence]:
        """All clips of a split."""
        return (self.sequence(int(i)) for i in self.indices(split))

    @cached_property
    def sha256(self) -> str:
        """Hash of the file, to be recorded beside what was trained on it."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def load_sets(names: tuple[str, ...], directory: str | os.PathLike[str] | None = None) -> list[MocapSet]:
    """Read several files by name; raises PrmlError for an unknown one."""
    folder = data_directory(directory)
    for name in names:
        if not (folder / f"{name}.npz").is_file():
            known = ", ".join(sorted(p.stem for p in folder.glob("*.npz")))
            raise PrmlError(f"no mocap set {name!r} in {folder}; there are: {known}")
    return [MocapSet.read(folder / f"{name}.npz") for name in names]


def _read(path: Path, split: str | None = None) -> Iterator[PoseSequence]:
    return MocapSet.read(path).sequences(split)


MOCAP = Dataset(
    "mocap",
    "mocap npz of this project",
    lambda path: path.is_file() and path.suffix == ".npz" and {"positions", "clip_start"} <= set(npz_keys(path)),
    _read,
)
