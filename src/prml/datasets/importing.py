"""Mocap files -> the project's mocap npz: read, mapped to 17 joints, turned z up, resampled, checked, cut, packed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prml.datasets.inspect import Finding, inspect_axes, inspect_bones, inspect_sides, inspect_speed
from prml.errors import PrmlError
from prml.io.files import check_writable, write_file
from prml.io.joint_map import JointMap
from prml.io.motion import Motion, z_up
from prml.sequence import check_fps
from prml.skeleton import H36M17

UNIT_M = 0.0005
SUFFIXES = {"bvh": (".bvh",), "asf_amc": (".amc",), "c3d": (".c3d",)}


@dataclass(frozen=True)
class Clip:
    """A take (or a piece of one) as 17 joints.

    Attributes:
        name, subject, action, source: labels.
        joints_m: (T, 17, 3) world metres, z up.
        fps: frames a second.
        findings: what looks wrong.
    """

    name: str
    subject: str
    action: str
    source: str
    joints_m: Float[np.ndarray, "T 17 3"]
    fps: float
    findings: tuple[Finding, ...] = field(default=())


def import_files(
    files: Sequence[Path],
    skeleton: JointMap,
    fps: float = 50.0,
    file_fps: float | None = None,
    unit_m: float | None = None,
    subject: str | None = None,
    action: str | None = None,
) -> list[Clip]:
    """Read mocap files with a joint map.

    Args:
        files: BVH, AMC (with the subject's ASF beside it or among the files) or C3D, as the map says.
        skeleton: the map.
        fps: rate of the result; cubic splines through the positions.
        file_fps: rate of the files, where they do not say (AMC) or are wrong.
        unit_m: metres per file unit, in place of the map's or the file's.
        subject: of all files; None for the name of each file up to the first "_" or, without one, its folder.
        action: of all files; None for the file's name.

    Returns:
        Clips cut where markers are missing for long; each with its findings.

    Raises:
        PrmlError: a file cannot be read or does not fit the map; no file of the map's format.
    """
    takes = [f for f in files if f.suffix.lower() in SUFFIXES[skeleton.format]]
    if not takes:
        wanted = " or ".join(SUFFIXES[skeleton.format])
        raise PrmlError(
            f"the map {skeleton.name!r} reads {wanted} files, and none was given; choose another --skeleton"
        )
    asf = [f for f in files if f.suffix.lower() == ".asf"]
    clips = []
    for file in takes:
        motion = _read(file, skeleton, asf)
        rate = file_fps or motion.fps or skeleton.fps
        if not rate:
            raise PrmlError(f"{file.name} does not say its frame rate; give --file-fps")
        check_fps(rate, f"{file.name}: the frame rate")
        joints = _joints(motion, skeleton, unit_m, file)
        who = subject or (file.stem.split("_")[0] if "_" in file.stem else file.parent.name)
        pieces = _pieces(joints, rate)
        for n, piece in enumerate(pieces):
            name = file.stem if len(pieces) == 1 else f"{file.stem}#{n + 1}"
            found = _inspect(piece, rate, name)
            made = resample(piece, rate, fps)
            clips.append(Clip(name, who, action or file.stem, f"{skeleton.name} {file.suffix[1:]}", made, fps, found))
    return clips


def _read(file: Path, skeleton: JointMap, asf: list[Path]) -> Motion:
    if skeleton.format == "bvh":
        from prml.io.bvh import read_bvh

        return read_bvh(file, skeleton.lost_offsets)
    if skeleton.format == "c3d":
        from prml.io.c3d import read_c3d

        return read_c3d(file)
    from prml.io.asf_amc import read_amc, read_asf

    return read_amc(file, read_asf(_skeleton_of(file, asf)))


def _skeleton_of(file: Path, asf: list[Path]) -> Path:
    """The ASF of a take: the one whose name the take's name begins with, among those given and those beside it."""
    near = [*asf, *sorted(file.parent.glob("*.asf"))]
    fitting = [a for a in near if file.stem.lower().startswith(a.stem.lower())]
    if fitting:
        return max(fitting, key=lambda a: len(a.stem))
    if len(set(near)) == 1:
        return near[0]
    raise PrmlError(f"{file.name}: no skeleton; give the subject's .asf among the files, or put it beside the take")


def _joints(motion: Motion, skeleton: JointMap, unit_m: float | None, file: Path) -> Float[np.ndarray, "T 17 3"]:
    unit = unit_m or skeleton.unit_m or motion.unit_m
    if not unit:
        raise PrmlError(f"{file.name} does not say its unit; give --unit-m (0.01 for centimetres)")
    up = skeleton.up or motion.up
    if not up:
        raise PrmlError(f"{file.name} does not say which axis is up; give 'up' in a copy of the joint map")
    try:
        joints = z_up(skeleton.apply(motion, unit), up)
    except PrmlError as error:
        raise PrmlError(f"{file.name}: {error}") from None
    if not len(joints):
        raise PrmlError(f"{file.name}: no frames are left")
    return joints


def _pieces(joints: Float[np.ndarray, "T 17 3"], rate: float, bridge_s: float = 0.1) -> list[np.ndarray]:
    """Fill gaps of up to ``bridge_s`` linearly; cut at longer ones, and keep pieces of at least 0.3 s."""
    seen = np.isfinite(joints).all((1, 2))
    if seen.all():
        return [joints]
    at = np.flatnonzero(seen)
    if not len(at):
        return []
    cuts = np.flatnonzero(np.diff(at) > bridge_s * rate + 1)
    pieces = []
    for run in np.split(at, cuts + 1):
        t = np.arange(run[0], run[-1] + 1)
        flat = joints[run].reshape(len(run), -1)
        filled = np.stack([np.interp(t, run, column) for column in flat.T], -1)
        if len(t) >= 0.3 * rate:
            pieces.append(filled.reshape(len(t), *joints.shape[1:]))
    return pieces


def resample(joints: Float[np.ndarray, "T 17 3"], rate: float, fps: float) -> Float[np.ndarray, "S 17 3"]:
    """Cubic splines through the positions, evaluated ``fps`` times a second; unchanged if the rates agree."""
    from scipy.interpolate import CubicSpline

    if abs(rate - fps) < 1e-3 * fps or len(joints) < 4:
        return joints
    times = np.arange(len(joints)) / rate
    wanted = np.arange(int(times[-1] * fps + 1e-6) + 1) / fps
    return np.asarray(CubicSpline(times, joints.reshape(len(joints), -1))(wanted)).reshape(-1, *joints.shape[1:])


def _inspect(joints: np.ndarray, rate: float, name: str) -> tuple[Finding, ...]:
    bones = tuple(inspect_bones(joints, name))
    if any(f.level == "error" for f in bones):
        return bones
    sides, axes = inspect_sides(joints, name), inspect_axes(joints, "world", False, name)
    return (*bones, *sides, *axes, *inspect_speed(joints, rate, name))


def write_mocap_npz(
    clips: Sequence[Clip],
    out: Path,
    split: str | Mapping[str, str] = "train",
    license_text: str = "not stated",
    attribution: str = "",
    noncommercial: bool = True,
    overwrite: bool = False,
) -> None:
    """Pack clips in the schema of ``data/mocap/README.md``: int16 positions, all clips one after the other.

    Args:
        clips: of one frame rate.
        out: the npz to write.
        split: "train", "val" or "test" for all, or subject -> split.
        license_text: recorded beside the data; weights trained on them inherit it.
        attribution: likewise, the words that the licence asks for.
        noncommercial: likewise, whether the licence forbids commercial use.
        overwrite: replace a file that is there.

    Raises:
        PrmlError: nothing to write, the file is there, or positions beyond 16 m from the start.
    """
    if not clips:
        raise PrmlError("no clip is left to write")
    check_writable(out, overwrite)
    origins, packed = [], []
    for clip in clips:
        origin = np.array([*clip.joints_m[0, 0, :2], 0.0])
        steps = np.rint((clip.joints_m - origin) / UNIT_M)
        if not np.abs(steps).max() <= 32767:
            raise PrmlError(f"{clip.name}: moves more than 16 m from its start, which the format does not hold; cut it")
        origins.append(origin)
        packed.append(steps.astype(np.int16))
    splits = [split if isinstance(split, str) else split.get(c.subject, "train") for c in clips]
    pack = partial(
        np.savez_compressed,
        positions=np.concatenate(packed),
        clip_start=np.cumsum([0, *map(len, packed)]),
        origin=np.array(origins, np.float32),
        clip_name=np.array([c.name for c in clips]),
        subject=np.array([c.subject for c in clips]),
        action=np.array([c.action for c in clips]),
        source=np.array([c.source for c in clips]),
        split=np.array(splits),
        fps=np.float32(clips[0].fps),
        unit_m=np.float32(UNIT_M),
        axis=np.array("Z up, right-handed"),
        joint_names=np.array(H36M17.joints),
        parents=np.array(H36M17.parents),
        license=np.array(license_text),
        attribution=np.array(attribution),
        noncommercial=np.array(noncommercial),
    )
    write_file(out, pack, overwrite)
