"""``prml data check``: find out what is wrong in a dataset, and where."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prml.options import option

if TYPE_CHECKING:
    from rich.console import Console

    from prml.sequence import PoseSequence


@dataclass
class Options:
    """Check a dataset: report its content and errors, and draw six random frames.

    The exit code is 0 if there are no errors, and 1 if something cannot be used as it is.

    Attributes:
        path: file in the schema of prml.io.sequences (npz or Parquet), mocap npz, or the folder with Human3.6M,
            MPI-INF-3DHP or 3DPW files.
        png: image to write.
        clips: number of random clips to inspect closely; all clips are read.
        seed: seed of the random choice.
        overwrite: replace an existing image.
    """

    path: Path = option(positional=True)
    _: KW_ONLY
    png: Path = Path("data-check.png")
    clips: int = option(200, minimum=1)
    seed: int = option(0, minimum=0)
    overwrite: bool = False


def run(options: Options) -> int:
    """Read, report and draw."""
    import numpy as np

    from prml.commands._console import plain_console
    from prml.commands.data._findings import MAX_SHOWN, print_findings
    from prml.datasets.inspect import inspect_sequence
    from prml.datasets.preview import draw_frames
    from prml.datasets.registry import dataset_at
    from prml.datasets.survey import survey
    from prml.io.files import check_writable
    from prml.io.sequences import load_arrays, problems

    path = options.path
    check_writable(options.png, options.overwrite)  # before the work
    console = plain_console()
    dataset = dataset_at(path)
    console.print(f"{path}: {dataset.description}")
    if dataset.name == "custom" and (wrong := problems(load_arrays(path))):
        for line in wrong[:MAX_SHOWN]:
            console.print(f"  error: {line}", soft_wrap=True)
        console.print(f"{len(wrong)} errors; nothing was drawn. The schema: python -c 'help(\"prml.io.sequences\")'")
        return 1
    found = survey(dataset.sequences(path), options.clips, options.seed)
    for line in found.summary():
        console.print(f"  {line}", soft_wrap=True)
    sample = found.sample
    findings = [f for sequence in sample for f in inspect_sequence(sequence)]
    print_findings(console, findings)
    _print_bones(console, sample)
    rng = np.random.default_rng(options.seed)
    picks = [sample[i] for i in rng.choice(len(sample), min(6, len(sample)), replace=False)]
    picks += [picks[i % len(picks)] for i in range(6 - len(picks))]
    frames = [(sequence, int(rng.integers(len(sequence)))) for sequence in picks]
    draw_frames(frames, options.png, options.overwrite)
    console.print(f"six random frames: {options.png}", soft_wrap=True)
    return 1 if any(f.level == "error" for f in findings) else 0


def _print_bones(console: "Console", sample: "Sequence[PoseSequence]") -> None:
    import numpy as np
    from rich.table import Table

    from prml.datasets.inspect import bone_lengths
    from prml.skeleton import H36M17

    joints = [j for s in sample if (j := s.to_skeleton(H36M17).joints_m) is not None]
    if not joints:
        return
    table = Table("bone", "left (m)", "right (m)", title="median bone lengths", title_justify="left")
    medians = {b: float(np.nanmedian(v)) for b, v in bone_lengths(np.concatenate(joints)).items()}
    for bone in dict.fromkeys(b.split(" ", 1)[1] for b in medians):
        table.add_row(bone, f"{medians[f'left {bone}']:.3f}", f"{medians[f'right {bone}']:.3f}")
    console.print(table)
