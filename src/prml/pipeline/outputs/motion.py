"""The person in a room, in the schema ``prml.motion/1``."""

from pathlib import Path

from prml.io.motion_file import write_motion
from prml.pipeline.outputs.registry import Job, Output


def _write(job: Job, path: Path) -> None:
    if job.result.motion is not None:
        write_motion(job.result.motion, path, job.result.provenance)


NPZ = Output("motion", _write, lambda job: job.result.motion is not None)
