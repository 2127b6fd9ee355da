"""``prml lift INPUT ...``: lift one video, or many, to 3D joints."""

from dataclasses import KW_ONLY, asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prml.io.remote import is_remote
from prml.options import option
from prml.pipeline.settings import LiftSettings

if TYPE_CHECKING:
    from rich.console import Console

    from prml.pipeline.lift import LiftResult


@dataclass(frozen=True)
class Options(LiftSettings):
    """Lift a video, an image folder or a keypoint file to 3D joints, an overlay video and a viewer page.

    Several inputs are lifted side by side into a folder each, with a manifest: run the same command again after an
    interruption, or with more inputs, and it lifts what is missing.

    Attributes:
        input: video file, folder of images, or keypoint file: ours, or of OpenPose (a folder), COCO, MMPose, AlphaPose,
            DeepLabCut, MediaPipe, Sports2D or rtmlib (docs/file_schema.md).
        out: folder for the results (default: the input's name + _prml, or prml_results for several), or an address such
            as s3://bucket/folder (extra bucket).
    """

    input: list[str] = option(positional=True, local=True)
    _: KW_ONLY
    out: str | None = option(None, metavar="PATH")


def run(options: Options) -> int:
    """Lift with a progress bar, then print a summary."""
    if len(options.input) > 1 or is_remote(options.out):
        from prml.commands._batch import run_batch

        return run_batch(options)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from prml.commands._console import plain_console
    from prml.commands._messages import notes
    from prml.commands._signals import tidy_end
    from prml.pipeline.lift import lift

    settings = asdict(options)
    [source], out = (settings.pop(name) for name in ("input", "out"))
    console = plain_console()
    columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with tidy_end(), Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, int] = {}

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        result = lift(
            source,
            out or Path(f"{Path(source).stem}_prml"),
            progress=progress,
            warn=notes(console, options),
            **settings,
        )
    _report(console, result)
    return 0


def _report(console: "Console", result: "LiftResult") -> None:
    """Print the summary table."""
    from rich.table import Table

    from prml.commands._console import print_tables

    sequence = result.sequence
    present = sequence.has_person if sequence.has_person is not None else [True] * len(sequence)
    with_person = int(sum(present))
    filled = int(sequence.filled.sum()) if sequence.filled is not None else 0
    confidence = float(sequence.confidence[present].mean()) if sequence.confidence is not None else float("nan")
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")  # paths are never cut off
    camera = sequence.camera.source if sequence.camera else ""
    assumed = " (give --fov or --intrinsics if known)" if camera.startswith("assumed") else ""
    rows = [
        ("frames", f"{len(sequence)} at {sequence.fps:g} frames/s"),
        *_about_people(result),
        ("frames with a person", f"{with_person}" + (f", {filled} of them filled in short gaps" if filled else "")),
        ("mean confidence", f"{confidence:.2f}"),
        ("mean residual", f"{result.residual_px:.1f} px between the input 2D and the projected pose"),
        ("camera", camera + assumed),
        ("joints", "metres, camera frame (x right, y down, z forward), relative to the hip"),
        *_about_motion(result),
        ("seconds", ", ".join(f"{k} {v:.1f}" for k, v in result.seconds.items())),
    ]
    for event in result.provenance.get("events", [])[:5]:
        rows.append(("event", ", ".join(f"{k} {v}" for k, v in event.items())))
    rows += [("wrote", str(path)) for path in result.files.values()]
    for row in rows:
        table.add_row(*row)
    print_tables(console, [table])


def _about_people(result: "LiftResult") -> list[tuple[str, str]]:
    """Rows on the people who were lifted, and on how to lift the others who were seen."""
    told = result.sequence.detection
    others = 0 if told is None else told.others
    rows = []
    if len(result.scene) > 1:
        numbers = ", ".join(map(str, result.scene.track_ids))
        rows.append(
            ("people", f"{len(result.scene)}, by size times time in view: {numbers}; the rows below are on the first")
        )
    if others:
        seen = f"{others} other {'person was' if others == 1 else 'people were'} seen"
        rows.append(
            ("others", f"{seen}: --people all lifts everybody, --person 2 another, --person X,Y@T who stands there")
        )
    return rows


def _about_motion(result: "LiftResult") -> list[tuple[str, str]]:
    """Rows on the person in the room and its gates."""
    motion = result.motion
    if motion is None:
        return [("motion", "none: the path is not estimated")]
    up = motion.stage("gravity").figures["std_deg"]
    gates = ", ".join(f"{name} {round(value, 2):g}" for name, value in motion.gates.items() if value == value)
    return [
        ("motion", f"metres in a room (z up, floor at 0); up is known to about {up:.0f} degrees"),
        ("gates", f"{gates} (prml check has limits)"),
    ]
