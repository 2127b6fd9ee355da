"""``prml data import | check | cameras | features``: bring data in, look at it, prepare what training needs of it."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from prml.errors import PrmlError

if TYPE_CHECKING:
    from rich.console import Console

    from prml.datasets.inspect import Finding
    from prml.io.motion import Axis
    from prml.sequence import PoseSequence

_USAGE = """usage: prml data {import,check,cameras,features} ...

  import    BVH, ASF/AMC or C3D files -> mocap npz, with a named joint map
  check     a dataset or one's own file: what is wrong and where, and six random frames as a PNG
  cameras   Human3.6M's calibration from one's own copy -> h36m-cameras.json
  features  image features of videos with known poses -> a cache, for networks that look at images (CA-PF)

'prml data VERB --help' shows the options of a verb.
"""
_SHOWN = 12


def import_motion(
    files: list[Path] = [],  # noqa: B006
    skeleton: str = "",
    out: Path | None = None,
    fps: float = 50.0,
    file_fps: float | None = None,
    unit_m: float | None = None,
    up: str | None = None,
    subject: str | None = None,
    action: str | None = None,
    split: str = "train",
    license: str = "not stated",
    attribution: str = "",
    noncommercial: bool = True,
    keep_doubtful: bool = False,
    overwrite: bool = False,
) -> int:
    """Turn motion files into the project's mocap npz (17 joints, metres, z up).

    Bone lengths, left and right, axes and speed of every clip are checked. Clips with errors are left out and named,
    and so are files that cannot be read. Exit code 0 if every file was read, 1 if some could not be.

    Args:
        files: BVH, AMC with the subject's ASF, C3D or TRC files, or folders of them; the bare words before options.
        skeleton: joint map: a name (a wrong one lists them all) or a YAML file; by default the one that fits.
        out: npz to write; then give its folder to --data.
        fps: frames a second of the result.
        file_fps: frames a second of the files, where they do not say (AMC) or are wrong.
        unit_m: metres per unit of the files, in place of the map's, or of what the size of the people says.
        up: axis of the files that points up (x, y, z, -x, -y, -z), in place of the map's or the file's.
        subject: one name for all; by default the person's in the file, the file's up to the first "_", or its folder.
        action: one name for all; by default the file's name.
        split: train, val or test.
        license: of the data, in words; recorded in the file.
        attribution: the words that the licence asks for; recorded in the file.
        noncommercial: whether the licence forbids commercial use; weights trained on it inherit that.
        keep_doubtful: keep clips with errors too.
        overwrite: replace a file that is there.
    """
    from prml.commands._console import plain_console
    from prml.datasets.importing import ImportOptions, import_all, write_mocap_npz
    from prml.io.files import check_writable
    from prml.io.joint_map import joint_map
    from prml.sequence import check_fps

    if out is None or out.suffix != ".npz":
        raise PrmlError(f"expected --out X.npz, got {out or 'none'}")
    if not files:
        raise PrmlError("no files; say: prml data import FILES --out X.npz")
    if split not in ("train", "val", "test"):
        raise PrmlError(f"--split must be train, val or test, got {split!r}")
    check_fps(fps, "--fps")
    if file_fps is not None:
        check_fps(file_fps, "--file-fps")
    if unit_m is not None and not 0 < unit_m < math.inf:
        raise PrmlError(f"--unit-m must be a positive number of metres, got {unit_m:g}")
    options = ImportOptions(fps, file_fps, unit_m, _axis(up), subject, action)
    check_writable(out, overwrite)  # before the work, not after it
    made = import_all(_expanded(files), joint_map(skeleton) if skeleton else None, options)
    if made.failed and not made.maps:
        first = next(iter(made.failed.values()))
        more = f" ({len(made.failed) - 1} more files cannot be read)" if len(made.failed) > 1 else ""
        raise PrmlError(f"{first}{more}")
    console = plain_console()
    _print_findings(console, [*made.findings, *(f for clip in made.clips for f in clip.findings)])
    good = [c for c in made.clips if keep_doubtful or not any(f.level == "error" for f in c.findings)]
    if not good:
        raise PrmlError(
            f"none of the {len(made.clips)} clips can be used; see above, repair the files or pass keep_doubtful=True"
        )
    write_mocap_npz(good, out, split, license, attribution, noncommercial, overwrite)
    frames = sum(len(c.joints_m) for c in good)
    maps = ", ".join(sorted(set(made.maps.values())))
    text = f"wrote {out}: {len(good)} of {len(made.clips)} clips, {frames} frames at {fps:g} fps, map {maps}"
    failed = (
        f"; {len(made.failed)} of {len(made.failed) + len(made.maps)} files could not be read" if made.failed else ""
    )
    console.print(text + failed, soft_wrap=True)
    return 1 if made.failed else 0


def _axis(up: str | None) -> "Axis | None":
    from prml.io.motion import AXES

    if up is None:
        return None
    wanted = up.lower().removeprefix("+")
    found = next((axis for axis in AXES if axis == wanted), None)
    if found is None:
        raise PrmlError(f"up must be one of {', '.join(AXES)}, got {up!r}")
    return found


def _expanded(files: Iterable[Path]) -> list[Path]:
    from prml.datasets.importing import motion_suffixes

    out: list[Path] = []
    for file in files:
        if not file.exists():
            raise PrmlError(f"{file}: no such file or folder")
        kinds = motion_suffixes()
        out += sorted(p for p in file.rglob("*") if p.suffix.lower() in kinds) if file.is_dir() else [file]
    return out


def check(
    path: Path, png: Path = Path("data-check.png"), clips: int = 200, seed: int = 0, overwrite: bool = False
) -> int:
    """Look at a dataset: what is wrong and where, what it holds, and six random frames as a PNG.

    Exit code 0 if nothing is wrong, 1 if something cannot be used as it is.

    Args:
        path: a file in the schema of prml.io.sequences (npz or Parquet), a mocap npz, or the folder of Human3.6M,
            MPI-INF-3DHP or 3DPW files.
        png: where to draw.
        clips: how many clips to look at closely, chosen at random; all of them are read.
        seed: of that choice.
        overwrite: replace a picture that is there.
    """
    import numpy as np

    from prml.commands._console import plain_console
    from prml.datasets.inspect import inspect_sequence
    from prml.datasets.preview import draw_frames
    from prml.datasets.registry import KINDS, kind_of, open_any, survey
    from prml.io.files import check_writable
    from prml.io.sequences import load_arrays, problems

    if clips < 1 or seed < 0:
        raise PrmlError(f"--clips must be at least 1 and --seed not negative, got {clips} and {seed}")
    check_writable(png, overwrite)  # before the work, not after it
    console = plain_console()
    kind = kind_of(path)
    console.print(f"{path}: {KINDS[kind][0]}")
    if kind == "own" and (wrong := problems(load_arrays(path))):
        for line in wrong[:_SHOWN]:
            console.print(f"  error: {line}", soft_wrap=True)
        console.print(f"{len(wrong)} errors; nothing is drawn. The schema: python -c 'help(\"prml.io.sequences\")'")
        return 1
    found = survey(open_any(path)[1], clips, seed)
    for line in found.lines():
        console.print(f"  {line}", soft_wrap=True)
    sample = found.sample
    findings = [f for sequence in sample for f in inspect_sequence(sequence)]
    _print_findings(console, findings)
    _print_bones(console, sample)
    rng = np.random.default_rng(seed)
    picks = [sample[i] for i in rng.choice(len(sample), min(6, len(sample)), replace=False)]
    picks += [picks[i % len(picks)] for i in range(6 - len(picks))]
    draw_frames([(sequence, int(rng.integers(len(sequence)))) for sequence in picks], png, overwrite)
    console.print(f"six random frames: {png}", soft_wrap=True)
    return 1 if any(f.level == "error" for f in findings) else 0


def _print_findings(console: "Console", findings: "Sequence[Finding]") -> None:
    for level in ("error", "warning"):
        of_level = [f for f in findings if f.level == level]
        for finding in of_level[:_SHOWN]:
            console.print(f"  {level}: {finding.where}: {finding.text}", soft_wrap=True)
        if len(of_level) > _SHOWN:
            console.print(f"  ... and {len(of_level) - _SHOWN} more {level}s")
    if not findings:
        console.print("  nothing looks wrong")


def _print_bones(console: "Console", sample: "Sequence[PoseSequence]") -> None:
    import numpy as np
    from rich.table import Table

    from prml.datasets.inspect import bone_lengths
    from prml.skeleton import H36M17

    joints = [j for s in sample if (j := s.to_skeleton(H36M17).joints_m) is not None]
    if not joints:
        return
    table = Table("bone", "left (m)", "right (m)", title="median bone lengths", title_justify="left")
    medians = {b: float(np.nanmedian(v)) for b, v in bone_lengths(np.concatenate(joints)).items()}
    for bone in dict.fromkeys(b.split(" ", 1)[1] for b in medians):
        table.add_row(bone, f"{medians[f'left {bone}']:.3f}", f"{medians[f'right {bone}']:.3f}")
    console.print(table)


def cameras(source: Path, out: Path = Path("h36m-cameras.json"), overwrite: bool = False) -> int:
    """Write Human3.6M's calibration, taken from one's own copy, as h36m-cameras.json.

    The calibration is part of the licensed release and is not in this package. Put the result beside the npz files.

    Args:
        source: metadata.xml, camera-parameters.json or VideoPose3D's h36m_dataset.py (parsed, not run); or the folder
            of data_3d_h36m.npz and data_2d_h36m_gt.npz, from which it is solved.
        out: the file to write.
        overwrite: replace a file that is there.
    """
    from prml.commands._console import plain_console
    from prml.datasets.human36m import solved_cameras
    from prml.datasets.human36m_cameras import read_cameras
    from prml.io.files import check_writable, write_file

    check_writable(out, overwrite)
    table = solved_cameras(source) if source.is_dir() else read_cameras(source)
    write_file(out, table.to_json(), overwrite)
    plain_console().print(f"wrote {out}: {len(table.cameras)} subjects x 4 cameras, {table.source}", soft_wrap=True)
    return 0


def features(
    images: Path,
    poses: Path,
    out: Path | None = None,
    backbone: str = "hrnet_w32",
    weights: Path | None = None,
    keypoints: str = "cpn_ft_h36m_dbb",
    split: Literal["train", "val"] = "train",
    half: bool = True,
    mirrored: bool = True,
    every: int = 1,
    licence: str = "not stated",
    overwrite: bool = False,
) -> int:
    """Run a 2D pose backbone over videos once and keep its feature maps, for 'prml fit' with data.kind features.

    Nothing is done if the cache is there and made of the same backbone, weights, crops, videos and poses.

    Args:
        images: video or image folder of one clip, or the folder that holds a video (NAME.mp4) or image folder (NAME)
            for every clip; for Human3.6M the folder of the release's S1 to S11.
        poses: poses.npz of 'prml lift', a file in the schema of prml.io.sequences, or the folder of Human3.6M's npz
            pair; a keypoint file has no 3D to train on.
        out: folder of the cache.
        backbone: hrnet_w32 or another HRNet of timm (the extra prml-pose[backbone]), or your own: FILE.py:FUNCTION.
        weights: of the backbone: safetensors or a torch checkpoint (a whole CA-PF checkpoint too); none is downloaded.
        keypoints: 2D file of Human3.6M.
        split: train or val, for files that do not say it.
        half: keep float16 maps, half the space.
        mirrored: keep the mirrored crops' maps too, for flips; twice the space.
        every: keep every n-th frame.
        licence: of the images and labels, in words; weights trained on them carry it.
        overwrite: rebuild a cache that is stale.
    """
    from rich.progress import Progress

    from prml.commands._console import plain_console
    from prml.image_features.backbones import open_backbone
    from prml.image_features.build import CacheOptions, build_cache
    from prml.image_features.cache import FeatureCache
    from prml.image_features.clips import clips_of
    from prml.io.files import check_folder

    if out is None:
        raise PrmlError("expected --out DIR, the folder of the cache")
    if every < 1:
        raise PrmlError(f"--every must be at least 1, got {every}")
    check_folder(out)
    clips = clips_of(images, poses, split=split, keypoints=keypoints)
    opened = open_backbone(backbone, weights)
    console = plain_console()
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("features", total=None)
        made = build_cache(
            out,
            clips,
            opened,
            CacheOptions(half, mirrored, every, licence),
            overwrite=overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    size = sum(p.stat().st_size for p in out.iterdir()) / 1e9
    text = f"{'wrote' if made else 'up to date:'} {out}: {FeatureCache(out).frames} frames, {size:.2f} GB"
    console.print(f"{text}, backbone {opened.name} {opened.fingerprint[:12]}", soft_wrap=True)
    return 0


_VERBS: dict[str, Callable[..., int]] = {
    "import": import_motion,
    "check": check,
    "cameras": cameras,
    "features": features,
}


def main(argv: Sequence[str]) -> int:
    """Run ``prml data VERB ...``; raises PrmlError for what it does not take."""
    import sys

    from prml.commands._options import parse

    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(_USAGE)
        return 0
    if argv[0] not in _VERBS:
        raise PrmlError(f"unknown verb {argv[0]!r}; expected one of {', '.join(_VERBS)}")
    verb, words = argv[0], list(argv[1:])
    if verb == "import":  # bare words are files
        bare = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
        words = [spelled for word in words[:bare] for spelled in ("--files", word)] + words[bare:]
    return _VERBS[verb](**parse(_VERBS[verb], f"data {verb}", words))
