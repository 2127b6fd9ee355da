"""What the server answers, as models that its OpenAPI page shows."""

from time import time
from typing import Literal

from pydantic import BaseModel, Field

from prml.io.registry import get_format
from prml.pipeline.export import file_name, formats_named
from prml.pipeline.outputs.exports import STEM, export_names
from prml.serve.jobs import Job, Jobs
from prml.serve.settings import ServeSettings

_ABOUT = {
    "viewer.html": "the page with the video and the figure in 3D",
    "overlay.mp4": "the video with the pose drawn on it",
    "poses.npz": "joints in 3D and 2D, for Python",
    "poses.json": "the same as text",
    "motion.npz": "the motion in the room, for Python",
}


class Problem(BaseModel):
    """Every answer that is not a success."""

    error: str = Field(description="one line: what was expected, what came, what to do")


class File(BaseModel):
    """A file of a result."""

    name: str
    bytes: int
    about: str = Field(description="what it is for")


class Progress(BaseModel):
    """How far a lift is."""

    stage: str = Field(description="empty while the network is loaded")
    done: int = Field(description="frames")
    total: int | None = Field(description="frames; null while unknown")


class JobAnswer(BaseModel):
    """A job."""

    id: str = Field(pattern="^[0-9a-f]{16}$")
    name: str = Field(description="the name of the file that was uploaded")
    status: Literal["queued", "running", "done", "failed"]
    submitted: float = Field(description="seconds since 1970")
    position: int = Field(description="how many jobs are before it; 0 once it runs")
    progress: Progress | None = Field(description="while it runs")
    seconds: float | None = Field(description="how long it has been running, or took")
    error: str = Field(description="why it failed, else empty")
    warnings: list[str]
    width: int
    height: int
    fps: float
    duration_s: float | None
    frames: int = Field(description="lifted frames")
    residual_px: float | None = Field(description="mean distance between detected and reprojected joints, pixels")
    files: list[File]


class JobList(BaseModel):
    """All jobs, the newest first."""

    jobs: list[JobAnswer]


class About(BaseModel):
    """What the server is, and what it takes."""

    version: str
    weights: str
    detector: str
    max_mb: float
    max_length_s: float
    max_time_s: float
    max_waiting: int


def job_answer(job: Job, jobs: Jobs, settings: ServeSettings) -> JobAnswer:
    """Return what is said of a job."""
    row, running = job.row, job.status == "running"
    seconds = row.seconds if row is not None else time() - job.started if running and job.started else None
    about = _ABOUT | _about_exports(settings.export)
    order = {name: number for number, name in enumerate(about)}
    found = sorted(jobs.files(job.id).items(), key=lambda item: order.get(item[0], len(order)))
    return JobAnswer(
        id=job.id,
        name=job.name,
        status=job.status,
        submitted=job.submitted,
        position=0 if job.status != "queued" else sum(_before(other, job) for other in jobs.all()),
        progress=Progress(stage=job.stage, done=job.done, total=job.total) if running else None,
        seconds=None if seconds is None else round(max(0.0, seconds), 1),
        error=job.error,
        warnings=row.warnings if row is not None else [],
        width=job.facts.width,
        height=job.facts.height,
        fps=job.facts.fps,
        duration_s=job.facts.duration_s,
        frames=row.frames if row is not None else 0,
        residual_px=row.residual_px if row is not None else None,
        files=[File(name=name, bytes=path.stat().st_size, about=about.get(name, "")) for name, path in found],
    )


def _before(other: Job, job: Job) -> bool:
    return other.status == "running" or (other.status == "queued" and other.submitted < job.submitted)


def _about_exports(formats: str) -> dict[str, str]:
    chosen = formats_named(formats) if export_names(formats) else []
    return {file_name(one, STEM): get_format(one.name).description for one in chosen}
