"""Motion capture in the project's npz format (schema: ``data/mocap/README.md``)."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int16

from prml.datasets.base import Dataset
from prml.datasets.checks import MAX_COORDINATE, as_array, need_finite
from prml.errors import PrmlError
from prml.io.npz import load_npz, npz_keys
from prml.sequence import PoseSequence, check_fps
from prml.skeleton import BODY28, H36M17, Skeleton, conversion

# terms of a file that does not say: those that "prml data import" assumes
_TERMS: dict[str, Any] = {"license": "not stated", "noncommercial": True}
_LABELS = ("clip_name", "subject", "action", "source", "split")
_KEYS = ("d2", "has_joint", "clip_start", *_LABELS, "origin", "fps", "unit_m")
MISSING = -32768  # coordinates of a joint that a clip does not have
OLD_SCHEMA = (
    "{} holds 17 joints in the schema before body28; get data/mocap of this version of the repository, "
    "or make your own file again with 'prml data import'"
)


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


def second_differences(positions: Int16[np.ndarray, "F 28 3"], clip_start: np.ndarray) -> Int16[np.ndarray, "28 3 F"]:
    """What a file holds of positions: differences in time, taken twice within every clip, modulo 2**16 (exact)."""
    joint_first = np.ascontiguousarray(positions.transpose(1, 2, 0))
    for _ in range(2):
        later = np.diff(joint_first, axis=2)
        later[:, :, clip_start[1:-1] - 1] = joint_first[:, :, clip_start[1:-1]]  # a clip's first frame stays as it is
        joint_first[:, :, 1:] = later
    return joint_first


def from_second_differences(d2: Int16[np.ndarray, "28 3 F"], clip_start: np.ndarray) -> Int16[np.ndarray, "F 28 3"]:
    """The positions again."""
    positions = np.empty((d2.shape[2], *d2.shape[:2]), np.int16)
    for a, b in pairwise(clip_start):
        clip = d2[:, :, a:b].cumsum(2, dtype=np.int16).cumsum(2, dtype=np.int16)
        positions[a:b] = clip.transpose(2, 0, 1)
    return positions


@dataclass(frozen=True)
class MocapSet:
    """One npz file of clips, kept as 16-bit integers.

    Attributes:
        name: file stem, e.g. "cmu".
        positions: (F, 28, 3) world positions in units of ``unit_m`` metres, all clips one after the other; without
            meaning where ``has_joint`` is False.
        has_joint: (N, 28) whether a clip has a joint of BODY28; it always has the first 17.
        clip_start: (N + 1,) offsets of the clips.
        clip_name, subject, action, source, split: (N,) labels.
        origin_m: (N, 3) what was taken away from the world position.
        fps, unit_m: frames per second, metres per unit.
        licence, noncommercial: of the data, as text, and whether it forbids commercial use.
    """

    name: str
    positions: Int16[np.ndarray, "F 28 3"]
    has_joint: Bool[np.ndarray, "N 28"]
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
        z = _entries(path)
        starts = z["clip_start"]
        return cls(
            path.stem,
            from_second_differences(z["d2"], starts),
            z["has_joint"],
            starts,
            **{name: z[name] for name in _LABELS},
            origin_m=z["origin"],
            fps=z["fps"],
            unit_m=z["unit_m"],
            path=path,
            licence=z["license"],
            noncommercial=z["noncommercial"],
        )

    def __len__(self) -> int:
        return len(self.clip_name)

    def clip_m(self, index: int, skeleton: Skeleton = H36M17) -> Float[np.ndarray, "T J 3"]:
        """World positions of one clip in metres (z up, hip of the first frame above the origin).

        Args:
            index: of the clip.
            skeleton: BODY28, with NaN for the joints that the clip lacks, or one that is made of it.
        """
        a, b = self.clip_start[index], self.clip_start[index + 1]
        if skeleton == H36M17:
            return self.positions[a:b, : len(H36M17)].astype(np.float32) * np.float32(self.unit_m)
        joints = self.positions[a:b].astype(np.float32) * np.float32(self.unit_m)
        joints[:, ~self.has_joint[index]] = np.nan
        return conversion(BODY28, skeleton).apply(joints)

    def sequence(self, index: int, skeleton: Skeleton = H36M17) -> PoseSequence:
        """One clip as a PoseSequence in the world frame, metres; ``skeleton`` as in :meth:`clip_m`."""
        joints = self.clip_m(index, skeleton)
        return PoseSequence.regular(
            len(joints),
            self.fps,
            skeleton,
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

    def sequences(self, split: str | None = None, skeleton: Skeleton = H36M17) -> Iterator[PoseSequence]:
        """All clips of a split; ``skeleton`` as in :meth:`clip_m`."""
        return (self.sequence(int(i), skeleton) for i in self.indices(split))

    @cached_property
    def sha256(self) -> str:
        """Hash of the file, to be recorded beside what was trained on it."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def _entries(path: Path) -> dict[str, Any]:
    """The arrays of a file, checked; raises PrmlError that says what is wrong."""
    present = npz_keys(path)
    missing = [k for k in _KEYS if k not in present]
    if "d2" in missing and "positions" in present:
        raise PrmlError(OLD_SCHEMA.format(path.name))
    if missing:
        raise PrmlError(f"{path.name} lacks {', '.join(missing)}; see data/mocap/README.md for the schema")
    held = load_npz(path, tuple(k for k in present if k in (*_KEYS, *_TERMS)))
    z: dict[str, Any] = {k: v if isinstance(v, np.ndarray) else np.empty((), object) for k, v in held.items()}
    d2, starts, has_joint = z["d2"], z["clip_start"], z["has_joint"]
    if d2.ndim != 3 or d2.shape[:2] != (len(BODY28), 3) or d2.dtype != np.int16:
        raise PrmlError(f"{path.name}: d2 must be int16 ({len(BODY28)}, 3, F), got {d2.dtype} {d2.shape}")
    _check_starts(starts, d2.shape[2], path.name)
    clips = len(starts) - 1
    wanted = (clips, len(BODY28))
    if has_joint.shape != wanted or has_joint.dtype != bool:
        raise PrmlError(f"{path.name}: has_joint must be bool {wanted}, got {has_joint.dtype} {has_joint.shape}")
    if not has_joint[:, : len(H36M17)].all():
        raise PrmlError(f"{path.name}: has_joint must be True for the first {len(H36M17)} joints of every clip")
    for name in _LABELS:
        _check_texts(z[name], (clips,), f"{path.name}: {name}")
    as_array(z["origin"], (clips, 3), f"{path.name}: origin")
    need_finite(z["origin"], f"{path.name}: origin")
    rates = {name: _number(z[name], f"{path.name}: {name}") for name in ("fps", "unit_m")}
    check_fps(rates["fps"], f"{path.name}: fps")
    return _TERMS | z | rates | _terms(z, path.name)


def _check_starts(starts: np.ndarray, frames: int, what: str) -> None:
    whole = starts.ndim == 1 and starts.dtype.kind in "iu" and len(starts) > 1
    if not whole or starts[0] != 0 or starts[-1] != frames or np.any(np.diff(starts.astype(np.int64)) <= 0):
        raise PrmlError(f"{what}: clip_start must increase from 0 to {frames}, the number of frames")


def _check_texts(array: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    if array.dtype.kind != "U" or array.shape != shape:
        raise PrmlError(f"{what}: expected {shape} texts, got {array.dtype} of shape {array.shape}")


def _number(array: np.ndarray, what: str) -> float:
    if array.size != 1 or array.dtype.kind not in "fiu" or not 0 < float(array.reshape(())) < MAX_COORDINATE:
        raise PrmlError(f"{what}: expected a positive number, got {array.dtype} of shape {array.shape}")
    return float(array.reshape(()))


def _terms(z: dict[str, np.ndarray], what: str) -> dict[str, Any]:
    """Licence and whether it forbids commercial use, as far as the file says."""
    found: dict[str, Any] = {}
    if "license" in z:
        _check_texts(z["license"].reshape(-1), (1,), f"{what}: license")
        found["license"] = str(z["license"].reshape(()))
    if "noncommercial" in z:
        stated = z["noncommercial"]
        if stated.size != 1 or stated.dtype.kind not in "biu":
            raise PrmlError(f"{what}: expected true or false in noncommercial, got {stated.dtype} of {stated.shape}")
        found["noncommercial"] = bool(stated.reshape(()))
    return found


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


def _is_mocap(keys: set[str]) -> bool:
    """Whether a file of these keys is one, of the present schema or of the old one, which reading it refuses."""
    return "clip_start" in keys and bool(keys & {"d2", "positions"})


MOCAP = Dataset(
    "mocap",
    "mocap npz of this project",
    lambda path: path.is_file() and path.suffix == ".npz" and _is_mocap(set(npz_keys(path))),
    _read,
)
