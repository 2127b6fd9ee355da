"""Registry of the files that a lift writes, in order.

An output is a module with an :class:`Output` and one line in ``_SHIPPED``. Formats for other programs, such as BVH, are
written after them: see :mod:`prml.pipeline.outputs.exports`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from prml.pipeline.result import LiftResult, Warn
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import MAX_PEOPLE, numbered
from prml.progress import StageProgress

if TYPE_CHECKING:
    from prml.view.thumbnails import Thumbnails

# file -> module:attribute
_SHIPPED = {
    "poses.npz": "prml.pipeline.outputs.poses:NPZ",
    "poses.json": "prml.pipeline.outputs.poses:JSON",
    "motion.npz": "prml.pipeline.outputs.motion:NPZ",
    "angles.csv": "prml.pipeline.outputs.angles:CSV",
    "angles.png": "prml.pipeline.outputs.angles:PNG",
    "gait.csv": "prml.pipeline.outputs.angles:GAIT",
    "overlay.mp4": "prml.pipeline.outputs.overlay:OVERLAY",
    "viewer.html": "prml.pipeline.outputs.viewer:VIEWER",
}
PER_PERSON = ("poses.npz", "poses.json", "motion.npz")
OUTPUTS = (*_SHIPPED, *(numbered(file, number) for number in range(2, MAX_PEOPLE + 1) for file in PER_PERSON))


@dataclass
class Job:
    """The input of outputs, and data that they share.

    Attributes:
        result: the lifted scene; outputs show the most prominent person.
        title: title of pages.
        settings: settings of the lift.
        progress: called with the stage, the number of frames done, and the total or None.
        files: names of files that may be written.
        warn: called with one line per warning.
        thumbnails: small images of the video, collected by the first output that reads it.
    """

    result: LiftResult
    title: str
    settings: LiftSettings
    progress: StageProgress
    files: Sequence[str] = OUTPUTS
    warn: Warn = lambda line: None
    thumbnails: "Thumbnails | None" = None


@dataclass(frozen=True)
class Output:
    """One file of a result.

    Attributes:
        stage: name under which its time is recorded.
        write: writes the file; raises PrmlError or OSError.
        wanted: whether to write it.
    """

    stage: str
    write: Callable[[Job, Path], None]
    wanted: Callable[[Job], bool] = lambda job: True


def outputs() -> Iterator[tuple[str, Output]]:
    """Yield file names and outputs, in order."""
    for file, place in _SHIPPED.items():
        module, _, attribute = place.partition(":")
        yield file, getattr(import_module(module), attribute)


def write_outputs(job: Job, folder: Path) -> None:
    """Write the wanted outputs and exports into a folder and record their times."""
    from prml.pipeline.outputs.exports import write_exports

    for file, output in outputs():
        if file in job.files and output.wanted(job):
            started = perf_counter()
            output.write(job, folder / file)
            spent = job.result.seconds
            spent[output.stage] = spent.get(output.stage, 0.0) + perf_counter() - started
    write_exports(job, folder)
