"""The HTML viewer of a result."""

from pathlib import Path

from prml.pipeline.outputs.registry import Job, Output


def _write(job: Job, path: Path) -> None:
    from prml.view.page.page import write_viewer
    from prml.view.thumbnails import Thumbnails

    video = job.result.scene.video
    if job.thumbnails is None and video is not None:  # no overlay was written, which would have collected them
        job.thumbnails = Thumbnails.of_video(video.path, fps=job.settings.fps)
    others = job.result.scene.people[1:]
    write_viewer(job.result.shown, path, title=job.title, video_frames=job.thumbnails, others=others)


VIEWER = Output("viewer", _write, lambda job: job.settings.viewer)
