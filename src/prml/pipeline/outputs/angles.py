"""Joint angles over time as CSV."""

from pathlib import Path

from prml.io.angles import write_angles
from prml.pipeline.outputs.registry import Job, Output


def _write(job: Job, path: Path) -> None:
    if job.result.motion is not None:
        write_angles(job.result.motion.sequence, path)


CSV = Output("angles", _write, lambda job: job.settings.angles and job.result.motion is not None)
