"""Motion files -> the project's mocap npz: read, mapped to 17 joints, turned z up, resampled, checked, cut, packed."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int16

from prml.datasets.inspect import Finding, body_axis, inspect_axes, inspect_bones, inspect_sides, inspect_speed
from prml.datasets.mocap import MISSING, second_differences
from prml.datasets.options import ImportOptions
from prml.errors import PrmlError
from prml.io.files import check_writable, write_file
from prml.io.joint_map import JointMap
from prml.io.motion import turn_z_up
from prml.io.people import Person, people_of, read_motion
from prml.io.registry import Format, formats
from prml.options import check
from prml.sequence import check_fps
from prml.skeleton import BODY28, H36M17

UNIT_M = 0.0005
SLOW_FPS = 10.0  # motion is not recorded as slowly; with "Frame Time: 1" the writer did not know the rate
_SLOW = "says {:.3g} frames per second, which is slower than motion is recorded: what is its true rate? Pass file_fps="


@dataclass(frozen=True)
class Clip:
    """A take (or a piece of one) as 17 joints.

    Attributes:
        name, subject, action, source: labels.
        joints_m: (T, 17, 3) world metres, z up.
        fps: frames per second.
        findings: what looks wrong.
    """

    name: str
    subject: str
    action: str
    source: str
    joints_m: Float[np.ndarray, "T 17 3"]
    fps: float
    findings: tuple[Finding, ...] = field(default=())


@dataclass
class Imported:
    """What came of a list of files.

    Attributes:
        clips: of all people, cut where markers are missing for long; each with its findings.
        findings: about files, not clips: what could not be read, and who was left out.
        failed: file -> why it could not be read.
        maps: file -> name of the joint map that was used.
    """

    clips: list[Clip] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    maps: dict[Path, str] = field(default_factory=dict)


def import_all(
    files: Sequence[Path],
    skeleton: JointMap | None = None,
    options: ImportOptions | None = None,
    done: Callable[[Path], object] = lambda file: None,
) -> Imported:
    """Read motion files; one that cannot be read is named and does not stop the others.

    Args:
        files: BVH, AMC (with the subject's ASF beside it or among the files), C3D or TRC. Files of a format that the
            map does not read are passed over.
        skeleton: the joint map; None to choose, for each file, the one shipped map that fits its names.
        options: rate, unit, axis and labels.
        done: called with every file that has been dealt with.

    Raises:
        PrmlError: there is no file that the map reads, or an option outside its bounds.
    """
    options = options or ImportOptions()
    check(options)
    wanted = {
        suffix: f for f in formats("motion") if not skeleton or f.name in skeleton.formats for suffix in f.suffixes
    }
    takes = [f for f in files if f.suffix.lower() in wanted]
    if not takes:
        reads = f"the map {skeleton.name!r} reads" if skeleton else "motion files end with"
        raise PrmlError(f"{reads} {' or '.join(wanted)} files, and none was given; choose another map or other files")
    stems = Counter(file.stem for file in takes)
    out = Imported()
    for file in takes:
        name = file.stem if stems[file.stem] == 1 else f"{_folder_of(file)}_{file.stem}"
        try:
            _import_file(file, name, wanted[file.suffix.lower()], skeleton, files, options, out)
        except PrmlError as error:
            out.failed[file] = str(error)
            out.findings.append(Finding("error", file.name, str(error).removeprefix(f"{file.name}: ")))
        done(file)
    return out


def import_files(files: Sequence[Path], skeleton: JointMap | None = None, **options: Any) -> list[Clip]:
    """The clips of :func:`import_all` with ``options`` of ImportOptions.

    Raises:
        PrmlError: a file cannot be read; the first one is named.
    """
    made = import_all(files, skeleton, ImportOptions(**options))
    for reason in made.failed.values():
        raise PrmlError(reason)
    return made.clips


def motion_suffixes() -> tuple[str, ...]:
    """The endings of motion files and of the files that belong to them."""
    return tuple(s for f in formats("motion") for s in (*f.suffixes, *f.companions))


def _import_file(
    file: Path,
    name: str,
    format_: Format,
    skeleton: JointMap | None,
    files: Sequence[Path],
    options: ImportOptions,
    out: Imported,
) -> None:
    given = [f for f in files if f.suffix.lower() in format_.companions]
    motion, skeleton = read_motion(file, format_, skeleton, given)
    try:
        rate = options.file_fps or motion.fps or skeleton.fps
        if not rate:
            raise PrmlError("does not say its frame rate; pass file_fps=")
        check_fps(rate, "the frame rate")
        people, left_out = people_of(motion, skeleton, options.unit_m, options.up)
    except PrmlError as error:
        raise PrmlError(f"{file.name}: {error}") from None
    if not any(len(person.joints_m) for person in people):
        raise PrmlError(f"{file.name}: no frames are left")
    out.maps[file] = skeleton.name
    slow = () if options.file_fps or rate >= SLOW_FPS else (_SLOW.format(rate),)
    out.findings += [Finding("warning", file.name, text) for text in (*motion.notes, *slow, *left_out)]
    for person in people:
        label = f"{name}:{person.name}" if len(people) > 1 and person.name else name
        clips = _clips_of(person, label, rate, options.fps)
        if not clips:
            out.findings.append(Finding("warning", label, "at no time are all points seen for 0.3 s; left out"))
        subject = options.subject or (person.name if len(people) > 1 else "") or _subject_of(file)
        source = f"{skeleton.name} {file.suffix[1:]}"
        out.clips += [
            replace(clip, subject=subject, action=options.action or file.stem, source=source) for clip in clips
        ]


def _subject_of(file: Path) -> str:
    return file.stem.split("_")[0] if "_" in file.stem else _folder_of(file)


def _folder_of(file: Path) -> str:
    return file.absolute().parent.name


def _clips_of(person: Person, label: str, rate: float, fps: float) -> list[Clip]:
    pieces = _pieces(person.joints_m, rate)
    clips = []
    for n, piece in enumerate(pieces):
        name = label if len(pieces) == 1 else f"{label}#{n + 1}"
        notes = tuple(Finding("warning", name, text) for text in person.notes)
        found = (*notes, *_inspect(piece, rate, name, person))
        clips.append(Clip(name, "", "", "", resample(piece, rate, fps), fps, found))
    return clips


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


def _inspect(joints: np.ndarray, rate: float, name: str, person: Person) -> tuple[Finding, ...]:
    bones = tuple(inspect_bones(joints, name, person.unit_m))
    if any(f.level == "error" for f in bones):
        return bones
    sides = inspect_sides(joints, name)
    axes = _inspect_up(joints, name, person) or tuple(inspect_axes(joints, "world", False, name))
    return (*bones, *sides, *axes, *inspect_speed(joints, rate, name))


def _inspect_up(joints: np.ndarray, name: str, person: Person) -> tuple[Finding, ...]:
    """An error where the up axis was only a guess and the body does not stand along it."""
    found, height = body_axis(joints)
    if person.up_is_stated or found == "+z" or height <= 0.6:
        return ()
    sign = 1.0 if found[0] == "+" else -1.0
    in_file = sign * turn_z_up(person.up, person.right)["xyz".index(found[1])]
    axis = int(np.abs(in_file).argmax())
    up = ("-" if in_file[axis] < 0 else "") + "xyz"[axis]
    text = (
        f"heads are above feet along {found}, expected +z in the world frame, and the file does not say which axis is "
        f"up: pass up={up!r}, or up={person.up!r} if the person lies down"
    )
    return (Finding("error", name, text),)


def write_mocap_npz(
    clips: Sequence[Clip],
    out: Path,
    split: str | Mapping[str, str] = "train",
    license_text: str = "not stated",
    attribution: str = "",
    noncommercial: bool = True,
    overwrite: bool = False,
) -> None:
    """Pack clips in the schema of ``data/mocap/README.md``; the joints of BODY28 beyond the clips' 17 are missing.

    Args:
        clips: of one frame rate.
        out: the npz to write.
        split: "train", "val" or "test" for all, or subject -> split.
        license_text: recorded beside the data; weights trained on them inherit it.
        attribution: likewise, the credit that the licence asks for.
        noncommercial: likewise, whether the licence forbids commercial use.
        overwrite: replace an existing file.

    Raises:
        PrmlError: nothing to write, the file exists, or positions beyond 16 m from the start.
    """
    if not clips:
        raise PrmlError("no clip is left to write")
    check_writable(out, overwrite)
    origins, packed = zip(*map(_packed, clips), strict=True)
    starts = np.cumsum([0, *map(len, packed)])
    has_joint = np.zeros((len(clips), len(BODY28)), bool)
    has_joint[:, : len(H36M17)] = True
    splits = [split if isinstance(split, str) else split.get(c.subject, "train") for c in clips]
    pack = partial(
        np.savez_compressed,
        d2=second_differences(np.concatenate(packed), starts),
        has_joint=has_joint,
        missing=np.int16(MISSING),
        clip_start=starts,
        origin=np.array(origins, np.float32),
        clip_name=np.array([c.name for c in clips]),
        subject=np.array([c.subject for c in clips]),
        action=np.array([c.action for c in clips]),
        source=np.array([c.source for c in clips]),
        split=np.array(splits),
        fps=np.float32(clips[0].fps),
        unit_m=np.float32(UNIT_M),
        axis=np.array("Z up, right-handed"),
        order=np.array(BODY28.name),
        joint_names=np.array(BODY28.joints),
        parents=np.array(BODY28.parents),
        license=np.array(license_text),
        attribution=np.array(attribution),
        noncommercial=np.array(noncommercial),
    )
    write_file(out, pack, overwrite)


def _packed(clip: Clip) -> tuple[Float[np.ndarray, "3"], Int16[np.ndarray, "T 28 3"]]:
    """Return the origin of a clip and its joints from there in units of the format."""
    origin = np.array([*clip.joints_m[0, 0, :2], 0.0])
    steps = np.rint((clip.joints_m - origin) / UNIT_M)
    if not np.abs(steps).max() <= -MISSING - 1:
        raise PrmlError(f"{clip.name}: moves more than 16 m from its start, which the format does not hold; cut it")
    whole = np.full((len(steps), len(BODY28), 3), MISSING, np.int16)
    whole[:, : steps.shape[1]] = steps
    return origin, whole
