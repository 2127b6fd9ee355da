"""``prml lift INPUT``: a video in, 3D joints out."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from prml.pipeline.lift import LiftResult


def command(
    input: str,
    *,
    out: str | None = None,
    weights: str = "prml-s",
    model: str = "full",
    fov: float | None = None,
    intrinsics: str | None = None,
    fps: float | None = None,
    flip: bool | None = None,
    backbone: str | None = None,
    backbone_weights: str | None = None,
    overlay: bool = True,
    viewer: bool = True,
    overwrite: bool = False,
) -> int:
    """Lift a video, an image folder or a keypoint file to 3D joints, an overlay video and a viewer page.

    Args:
        input: video file, folder of images, or keypoint file (.json or .npz, see docs/file_schema.md)
        out: folder for the results (default: the input's name + _prml, in the current folder)
        weights: bundled name (prml-s, prml-xs) or a .safetensors file with its card
        model: MediaPipe model: full, lite, or the path of a .task file
        fov: assumed field of view over the longer image side in degrees (default 55)
        intrinsics: JSON file with the camera: width, height, fx, fy, cx, cy, radial, tangential
        fps: frame rate at which the pictures were taken: of an image folder (default 30), and instead of what a video
            or keypoint file says (slow motion of 240 frames/s that is saved to play at 30)
        flip: average with the mirrored input's result: twice the lifting work, a little more accurate (default: off; on
            for networks imported from their authors, who do so)
        backbone: for networks that need image features: hrnet_w32, or your own FILE.py:FUNCTION (default: the card's)
        backbone_weights: file with its weights, those that the network was trained with
        overlay: write overlay.mp4
        viewer: write viewer.html
        overwrite: replace the results that are there; those that are not made this time are removed
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from prml.commands._console import plain_console
    from prml.commands._signals import tidy_end
    from prml.pipeline.lift import lift

    console = plain_console()
    folder = Path(out) if out else Path(f"{Path(input).stem}_prml")
    columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with tidy_end(), Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, int] = {}

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        result = lift(
            input,
            folder,
            progress=progress,
            warn=lambda text: console.print(f"note: {text}"),
            weights=weights,
            model=model,
            fov=fov,
            intrinsics=intrinsics,
            fps=fps,
            flip=flip,
            backbone=backbone,
            backbone_weights=backbone_weights,
            overlay=overlay,
            viewer=viewer,
            overwrite=overwrite,
        )
    _report(console, result)
    return 0


def _report(console: "Console", result: "LiftResult") -> None:
    """The closing table."""
    from rich.table import Table

    sequence = result.sequence
    present = sequence.has_person if sequence.has_person is not None else [True] * len(sequence)
    with_person = int(sum(present))
    filled = int(sequence.filled.sum()) if sequence.filled is not None else 0
    confidence = float(sequence.confidence[present].mean()) if sequence.confidence is not None else float("nan")
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")  # a path is never cut off
    camera = sequence.camera.source if sequence.camera else ""
    assumed = " (give --fov or --intrinsics if you know better)" if camera.startswith("assumed") else ""
    rows = [
        ("frames", f"{len(sequence)} at {sequence.fps:g} frames/s"),
        ("frames with a person", f"{with_person}" + (f", {filled} of them filled in short gaps" if filled else "")),
        ("mean confidence", f"{confidence:.2f}"),
        ("mean residual", f"{result.residual_px:.1f} px between the 2D given and the lifted pose projected"),
        ("camera", camera + assumed),
        ("joints", "metres, camera frame (x right, y down, z forward), relative to the hip; its path is not solved"),
        ("seconds", ", ".join(f"{k} {v:.1f}" for k, v in result.seconds.items())),
    ]
    for event in result.provenance.get("events", [])[:5]:
        rows.append(("event", ", ".join(f"{k} {v}" for k, v in event.items())))
    rows += [("wrote", str(path)) for path in result.files.values()]
    for row in rows:
        table.add_row(*row)
    console.print(table)
