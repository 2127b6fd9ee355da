"""One page of two results: read, put in step, written."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prml.errors import PrmlError
from prml.filters.pair import Pair, paired
from prml.io.files import check_writable, existing
from prml.pipeline.result import Warn
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import Source, read_file
from prml.pipeline.view import poses_in, with_recorded_video
from prml.scene import Scene


@dataclass(frozen=True)
class Comparison:
    """Two results in step, and their page.

    Attributes:
        pair: the results and their distances.
        path: the page.
        names: what A and B are.
    """

    pair: Pair
    path: Path
    names: tuple[str, str]

    @property
    def mean_mm(self) -> float:
        """Mean distance over joints and frames, millimetres."""
        return 1000 * float(np.nanmean(self.pair.distance_m))


def view_two(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    video: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    warn: Warn | None = None,
) -> Comparison:
    """Write one page that shows two results of a clip in step: side by side or overlaid, with their distances.

    Args:
        a: folder of a result, or its ``poses.npz`` or ``poses.json``. Of several people the first is taken.
        b: the other one.
        out: the HTML file.
        video: video or image folder behind A; None for the one that A names, if it is there.
        overwrite: replace an existing page.
        warn: called with one line per note: other joints, another clock, no video.

    Raises:
        PrmlError: one of them is not a result, they do not fit each other, or the page cannot be written.
    """
    out, tell = Path(out), warn or (lambda _: None)
    check_writable(out, overwrite)
    files = [_poses(Path(one)) for one in (a, b)]
    settings = LiftSettings(video=None if video is None else os.fspath(video), motion=False)
    if video is None:
        settings, missing = with_recorded_video(files[0], settings)
        if missing:
            tell(missing)
    first, second = _read(files[0], settings), _read(files[1], LiftSettings(motion=False))
    for name, scene in (("A", first), ("B", second)):
        if len(scene) > 1:
            tell(f"{name} has {len(scene)} people: the most prominent is shown; give the poses file of another")
    pair = paired(first.prominent, second.prominent)
    for note in pair.notes:
        tell(note)
    names = _names(files, (first, second))
    from prml.view.page.compare import write_comparison
    from prml.view.thumbnails import Thumbnails

    pictures = None if first.video is None else Thumbnails.of_video(first.video.path)
    title = str(first.prominent.provenance.get("input") or files[0].name)
    write_comparison(pair, out, title=title, names=names, thumbnails=pictures, overwrite=overwrite)
    return Comparison(pair, out, names)


def _poses(given: Path) -> Path:
    place = existing(given, "result folder or result file")
    return poses_in(place) if place.is_dir() else place


def _read(file: Path, settings: LiftSettings) -> Scene:
    source = Source.of(file, settings)
    if source.kind != "poses":
        raise PrmlError(f"{file} is no result; give a folder written by prml lift, or its poses.npz")
    return read_file(source, settings)


def _names(files: list[Path], scenes: tuple[Scene, Scene]) -> tuple[str, str]:
    """Folders and weights of the two: what a reader tells them apart by."""
    one, other = (
        " · ".join(filter(None, [file.resolve().parent.name, str(scene.prominent.provenance.get("weights") or "")]))
        for file, scene in zip(files, scenes, strict=True)
    )
    return one, other
