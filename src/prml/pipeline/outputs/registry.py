"""The files that a lift writes, in the order in which they are made.

An output is one module with an :class:`Output` and one line of ``_SHIPPED``. Formats of poses that a user asks for by
name, such as BVH, are no outputs: see :func:`prml.save_file`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from prml.pipeline.result import LiftResult, Progress
from prml.pipeline.settings import LiftSettings

if TYPE_CHECKING:
    from prml.view.thumbnails import Thumbnails

# file -> module:attribute
_SHIPPED = {
    "poses.npz": "prml.pipeline.outputs.poses:NPZ",
    "poses.json": "prml.pipeline.outputs.poses:JSON",
    "overlay.mp4": "prml.pipeline.outputs.overlay:OVERLAY",
    "viewer.html": "prml.pipeline.outputs.viewer:VIEWER",
}
OUTPUTS = tuple(_SHIPPED)


@dataclass
class Job:
    """What outputs are made from, and what one leaves to the next.

    Attributes:
        result: the lifted scene; outputs show the most prominent person.
        title: of pages.
        settings: of the lift.
        progress: called with stage, frames done, frames in all or None.
        files: names that may be written.
        thumbnails: small pictures of the video, gathered by whoever reads it first.
    """

    result: LiftResult
    title: str
    settings: LiftSettings
    progress: Progress
    files: Sequence[str] = OUTPUTS
    thumbnails: "Thumbnails | None" = None


@dataclass(frozen=True)
class Output:
    """One file of a result.

    Attributes:
        stage: what its seconds are counted as.
        write: writes the file; raises PrmlError or OSError.
        wanted: whether it is to be written.
    """

    stage: str
    write: Callable[[Job, Path], None]
    wanted: Callable[[Job], bool] = lambda job: True


def outputs() -> Iterator[tuple[str, Output]]:
    """File name and output, in order."""
    for file, place in _SHIPPED.items():
        module, _, attribute = place.partition(":")
        yield file, getattr(import_module(module), attribute)


def write_outputs(job: Job, folder: Path) -> None:
    """Write what is wanted into a folder, and count the seconds."""
    for file, output in outputs():
        if file in job.files and output.wanted(job):
            started = perf_counter()
            output.write(job, folder / file)
            spent = job.result.seconds
            spent[output.stage] = spent.get(output.stage, 0.0) + perf_counter() - started
