"""The joints as npz and JSON, in the schema ``prml.poses/2`` (28 joints) or ``prml.poses/1`` (17)."""

from pathlib import Path

from prml.io.poses import write_poses
from prml.pipeline.outputs.registry import Job, Output


def _write(job: Job, path: Path) -> None:
    write_poses(job.result.sequence, path, job.result.provenance)


NPZ = Output("poses", _write)
JSON = Output("poses", _write)
