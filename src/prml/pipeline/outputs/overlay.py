"""The overlay video: the input with the 2D skeleton, next to the 3D figure."""

from itertools import islice
from pathlib import Path

from prml.pipeline.camera import image_size
from prml.pipeline.outputs.registry import Job, Output


def _write(job: Job, path: Path) -> None:
    from prml.media.read import read_frames
    from prml.view.overlay.compose import Layout
    from prml.view.overlay.video import write_overlay
    from prml.view.thumbnails import Thumbnails

    sequence, video = job.result.shown, job.result.scene.video
    if video is None:  # never: see below
        return
    job.thumbnails, total = Thumbnails(), len(sequence)
    layout = Layout.of(*image_size(sequence))
    frames = read_frames(video.path, fps=job.settings.fps, size=(layout.video_width, layout.height))
    write_overlay(
        islice(frames, total),
        sequence,
        path,
        thumbnails=job.thumbnails,
        others=job.result.scene.people[1:],
        progress=lambda n: job.progress("overlay", n, total),
    )


OVERLAY = Output("overlay", _write, lambda job: job.settings.overlay and job.result.scene.video is not None)
