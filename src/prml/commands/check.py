"""``prml check FOLDER``: whether a motion is good enough."""

from dataclasses import dataclass
from pathlib import Path

from prml.options import option


@dataclass(frozen=True)
class Options:
    """Print the gates of a motion and exit with code 1 if one is beyond its limit.

    Attributes:
        folder: folder written by 'prml lift', or a motion file in it.
        jitter: limit of jitter_mm.
        foot_slide: limit of foot_slide_mm.
        below_floor: limit of below_floor_mm.
        bone_spread: limit of bone_spread_mm.
        residual: limit of residual_px (default: none).
        unseen: limit of unseen_share.
    """

    folder: Path = option(positional=True)
    jitter: float = option(25.0, minimum=0, metavar="MM")
    foot_slide: float = option(10.0, minimum=0, metavar="MM")
    below_floor: float = option(10.0, minimum=0, metavar="MM")
    bone_spread: float = option(1.0, minimum=0, metavar="MM")
    residual: float | None = option(None, minimum=0, metavar="PX")
    unseen: float = option(0.5, minimum=0, maximum=1, metavar="SHARE")


def run(options: Options) -> int:
    """Print stages and gates; return 1 if a gate is beyond its limit."""
    from rich.table import Table

    from prml.commands._console import plain_console, print_tables
    from prml.filters.gates import GATES
    from prml.pipeline.motion import motion_of_folder

    motion = motion_of_folder(options.folder)
    limits = {
        "jitter_mm": options.jitter,
        "foot_slide_mm": options.foot_slide,
        "below_floor_mm": options.below_floor,
        "bone_spread_mm": options.bone_spread,
        "residual_px": options.residual,
        "unseen_share": options.unseen,
    }
    stages = Table("stage", "", "assumption", "figures", box=None, pad_edge=False)
    for stage in motion.stages:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in stage.figures.items())
        stages.add_row(stage.name, "on" if stage.on else "off", stage.assumption, figures)
    gates = Table("gate", "value", "limit", "", "meaning", box=None, pad_edge=False)
    beyond = 0
    for name, value in motion.gates.items():
        limit = limits.get(name)
        verdict = "not measured" if value != value else "" if limit is None else "ok" if value <= limit else "beyond"
        beyond += verdict == "beyond"
        gates.add_row(name, f"{round(value, 3):g}", "" if limit is None else f"{limit:g}", verdict, GATES.get(name, ""))
    console = plain_console()
    print_tables(console, [stages])
    console.print()
    print_tables(console, [gates])
    return 1 if beyond else 0
