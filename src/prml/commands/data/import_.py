"""``prml data import``: convert motion files to a mocap set."""

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from prml.datasets.options import ImportOptions
from prml.options import option

if TYPE_CHECKING:
    from prml.datasets.importing import Clip, Imported


@dataclass(frozen=True)
class Options(ImportOptions):
    """Convert motion files to mocap npz (17 joints, metres, z up).

    Every clip is checked: bone lengths, left and right, axes, speed. Clips with errors and unreadable files are left
    out and listed. The exit code is 0 if every file was read, and 1 otherwise.

    Attributes:
        files: BVH, AMC (with the subject's ASF), C3D or TRC files, or folders of them.
        skeleton: joint map: a name (a wrong one lists them all) or a YAML file (default: the one that fits).
        out: npz to write; pass its folder as --data to other commands.
        split: part of the data.
        license: licence of the data, as text; recorded in the file.
        attribution: attribution that the licence requires; recorded in the file.
        noncommercial: whether the licence forbids commercial use; weights trained on the data inherit this.
        keep_doubtful: also keep clips with errors.
        overwrite: replace an existing file.
    """

    files: list[Path] = option(positional=True)
    _: KW_ONLY
    out: Path
    skeleton: str = option("", local=True)
    split: Literal["train", "val", "test"] = "train"
    license: str = "not stated"
    attribution: str = ""
    noncommercial: bool = True
    keep_doubtful: bool = False
    overwrite: bool = False


def run(options: Options) -> int:
    """Import, report and write."""
    from prml.commands._console import plain_console
    from prml.commands._parser import part_of
    from prml.commands.data._findings import print_findings
    from prml.datasets.importing import import_all, write_mocap_npz
    from prml.errors import PrmlError
    from prml.io.files import check_writable
    from prml.io.joint_map import joint_map

    o = options
    if o.out.suffix != ".npz":
        raise PrmlError(f"expected out=X.npz, got {o.out}")
    check_writable(o.out, o.overwrite)  # before the work
    made = import_all(_expanded(o.files), joint_map(o.skeleton) if o.skeleton else None, part_of(o, ImportOptions))
    if made.failed and not made.maps:
        first = next(iter(made.failed.values()))
        more = f" ({len(made.failed) - 1} more files cannot be read)" if len(made.failed) > 1 else ""
        raise PrmlError(f"{first}{more}")
    console = plain_console()
    print_findings(console, [*made.findings, *(f for clip in made.clips for f in clip.findings)])
    good = [c for c in made.clips if o.keep_doubtful or not any(f.level == "error" for f in c.findings)]
    if not good:
        raise PrmlError(
            f"none of the {len(made.clips)} clips is usable; see above, repair the files or pass keep_doubtful=True"
        )
    write_mocap_npz(good, o.out, o.split, o.license, o.attribution, o.noncommercial, o.overwrite)
    console.print(_summary(made, good, o), soft_wrap=True)
    return 1 if made.failed else 0


def _summary(made: "Imported", good: "Sequence[Clip]", options: Options) -> str:
    frames = sum(len(c.joints_m) for c in good)
    maps = ", ".join(sorted(set(made.maps.values())))
    text = f"wrote {options.out}: {len(good)} of {len(made.clips)} clips, {frames} frames at {options.fps:g} fps"
    if not made.failed:
        return f"{text}, map {maps}"
    return f"{text}, map {maps}; {len(made.failed)} of {len(made.failed) + len(made.maps)} files could not be read"


def _expanded(files: Iterable[Path]) -> list[Path]:
    """Return the files, with folders replaced by the motion files in them."""
    from prml.datasets.importing import motion_suffixes
    from prml.errors import PrmlError

    out: list[Path] = []
    for file in files:
        if not file.exists():
            raise PrmlError(f"{file}: no such file or folder")
        kinds = motion_suffixes()
        out += sorted(p for p in file.rglob("*") if p.suffix.lower() in kinds) if file.is_dir() else [file]
    return out
