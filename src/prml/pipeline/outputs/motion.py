"""Each person in a room, in the schema ``prml.motion/1``."""

from pathlib import Path

from prml.io.motion_file import write_motion
from prml.pipeline.outputs.registry import Job, Output
from prml.pipeline.source import numbered


def _write(job: Job, path: Path) -> None:
    people = job.result.scene.track_ids
    for index, motion in enumerate(job.result.motions):
        person = motion.sequence
        number = 1 if index == 0 or person.track_id is None else 1 + people.index(person.track_id)
        write_motion(motion, path.with_name(numbered(path.name, number)), job.result.provenance_of(person))


NPZ = Output("motion", _write, lambda job: job.result.motion is not None)
