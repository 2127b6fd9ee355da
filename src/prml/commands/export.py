"""``prml export FOLDER --to bvh,glb``: files for other programs."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from prml.options import option


@dataclass(frozen=True)
class Options:
    """Write the motion of a result folder, or of a motion file, for other programs.

    docs/export.md says which format suits Blender, OpenSim or a robot, and how to import it. Without --to, the formats
    are listed.

    Attributes:
        source: result folder of prml lift, or a file of motion (BVH, C3D, TRC, AMC, CSV) or keypoints.
        to: formats, separated by commas, such as bvh,glb,trc.
        out: folder for the files (default: the result folder, or that of the file).
        fps: frame rate of a file, instead of the stated one.
        overwrite: replace existing files.
    """

    source: Path = option(positional=True)
    _: KW_ONLY
    to: str = option("", metavar="FORMATS")
    out: Path | None = None
    fps: float | None = option(None, minimum=0.1, maximum=1000, metavar="RATE")
    overwrite: bool = False


def run(options: Options) -> int:
    """Export and list the files, or list the formats."""
    from prml.commands._console import plain_console
    from prml.commands._messages import notes
    from prml.pipeline.export import describe, export, writable

    console = plain_console()
    if not options.to:
        for name, text in describe(writable()):
            console.print(f"{name:<14}{text}", soft_wrap=True)
        return 0
    files = export(
        options.source,
        options.to,
        options.out,
        fps=options.fps,
        overwrite=options.overwrite,
        warn=notes(console, options),
    )
    for file in files:
        console.print(f"wrote {file}", soft_wrap=True)
    return 0
