"""Joint angles over time as CSV and as curves, and the events of walking."""

from pathlib import Path

from prml.filters.gait import gait_of
from prml.io.angles import write_angles, write_gait
from prml.io.files import write_file
from prml.pipeline.outputs.registry import Job, Output


def _wanted(job: Job) -> bool:
    return job.settings.angles and job.result.motion is not None


def _write(job: Job, path: Path) -> None:
    if job.result.motion is not None:
        write_angles(job.result.motion.sequence, path)


def _draw(job: Job, path: Path) -> None:
    from prml.view.curves import draw_angles

    if job.result.motion is not None:
        write_file(path, draw_angles(job.result.motion.sequence), False)


def _write_gait(job: Job, path: Path) -> None:
    """Write the events, if somebody walks."""
    if job.result.motion is None:
        return
    gait = gait_of(job.result.motion.sequence)
    if gait.events:
        write_gait(gait, job.result.motion.sequence, path)


CSV = Output("angles", _write, _wanted)
PNG = Output("angles", _draw, _wanted)
GAIT = Output("angles", _write_gait, _wanted)
