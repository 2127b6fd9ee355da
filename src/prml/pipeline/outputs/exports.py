"""Files of the motion for other programs, as ``LiftSettings.export`` names them."""

from pathlib import Path
from time import perf_counter

from prml.errors import PrmlError
from prml.pipeline.export import Scenes, file_name, formats_named, parts_of
from prml.pipeline.outputs.registry import Job

STEM, NONE = "motion", "none"


def export_names(formats: str) -> tuple[str, ...]:
    """Return the files that a lift exports, but for the marks of parts and people; "none" names none.

    Raises:
        PrmlError: a format is unknown, cannot be written, or is a folder.
    """
    if formats.strip().lower() in ("", NONE):
        return ()
    chosen = formats_named(formats)
    if folders := [one.name for one in chosen if one.folder]:
        raise PrmlError(f"export={folders[0]} writes a folder; lift without it, then 'prml export FOLDER' writes it")
    return tuple(file_name(one, STEM) for one in chosen)


def write_exports(job: Job, folder: Path) -> None:
    """Write the exports that the job wants; where a format cannot hold the motion, a warning says so."""
    room, formats = job.result.room, job.settings.export
    if room is None or not set(export_names(formats)) & set(job.files):
        return
    started = perf_counter()
    scenes = Scenes(room, job.result.scene, job.title)
    for chosen in formats_named(formats):
        try:
            for part in parts_of(scenes.of(chosen), chosen, STEM, job.warn):
                if chosen.write is not None:
                    chosen.write(part.scene, folder / part.name, False)
        except PrmlError as error:
            job.warn(f"{file_name(chosen, STEM)} is not written: {error}")
    job.result.seconds["export"] = perf_counter() - started
