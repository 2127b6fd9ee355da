"""The joints of each person as npz and JSON, in the schema ``prml.poses/2`` (28 joints) or ``prml.poses/1`` (17)."""

from pathlib import Path

from prml.io.poses import write_poses
from prml.pipeline.outputs.registry import Job, Output
from prml.pipeline.source import numbered


def _write(job: Job, path: Path) -> None:
    for number, person in enumerate(job.result.scene, 1):
        write_poses(person, path.with_name(numbered(path.name, number)), job.result.provenance_of(person))


NPZ = Output("poses", _write)
JSON = Output("poses", _write)
