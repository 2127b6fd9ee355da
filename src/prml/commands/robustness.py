"""``prml robustness``: how the error grows when the 2D input gets worse."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter
    from prml.studies.robustness import Entrant


def command(
    *,
    weights: list[str],
    protocol: str,
    changes: list[str] | None = None,
    data: str | None = None,
    flip: bool | None = None,
    every: int = 1,
    json: str | None = None,
    figure: str | None = None,
    overwrite: bool = False,
) -> int:
    """Score weights on input that gets worse: noise, lost joints and frames, other frame rates, lenses and crops.

    Args:
        weights: may be given several times
        protocol: see 'prml protocols'
        changes: families (noise, noise-of-height, missing-joints, dropped-frames, frame-rate, field-of-view,
            portrait-crop); default all
        data: folder with the protocol's files (not needed for motion capture in a checkout)
        flip: average with the mirrored input (default: the protocol's rule)
        every: take every so many-th sequence only, to save time; the record says so
        json: where to write the record
        figure: where to draw the paper's Figure 5 (.png, .pdf or .svg)
        overwrite: replace existing files
    """
    from rich.text import Text

    from prml.commands._console import plain_console, print_tables
    from prml.errors import PrmlError
    from prml.evaluation import protocols
    from prml.evaluation.result import describe_weights
    from prml.io.files import check_writable, write_file
    from prml.report.figures import check_figure
    from prml.studies import robustness_report
    from prml.studies.robustness import perturbations, sweep

    rules, wanted = protocols.get(protocol), perturbations(changes)
    for path in filter(None, (json, figure)):
        check_writable(Path(path), overwrite)  # before the work, not after it
    if figure is not None:
        check_figure(figure)
    if every < 1:
        raise PrmlError(f"--every must be at least 1, got {every}")
    lifters, entrants = _entrants(weights, rules.flip if flip is None else flip, protocol)
    place = None if data is None else Path(data)
    console = plain_console()
    with console.status("") as status:
        result = sweep(
            entrants, rules, wanted, data=place, every=every, progress=lambda text: status.update(Text(text))
        )
    print_tables(console, [robustness_report.table(result)])
    for family, why in result.skipped.items():
        console.print(f"skipped {family}: {why}")
    if json is not None:
        described = [describe_weights(lifter) for lifter in lifters]
        text = robustness_report.record(result, described, every, rules.source.stamp(place))
        write_file(Path(json), text, overwrite)
        console.print(f"wrote {json}")
    if figure is not None:
        write_file(Path(figure), robustness_report.figure(result, Path(figure).suffix[1:]), overwrite)
        console.print(f"wrote {figure}")
    return 0


def _entrants(weights: list[str], flip: bool, protocol: str) -> "tuple[list[Lifter], list[Entrant]]":
    from prml import load
    from prml.evaluation import protocols
    from prml.evaluation.predictor import macs_per_frame, predictor_of
    from prml.evaluation.result import describe_weights, weights_label
    from prml.studies.robustness import Entrant

    rules = protocols.get(protocol)
    lifters: list[Lifter] = [load(name, flip=flip) for name in weights]
    entrants, taken = [], set[str]()
    for lifter in lifters:
        label = weights_label(describe_weights(lifter))
        while label in taken:
            label += "'"
        taken.add(label)
        entrants.append(Entrant(label, predictor_of(lifter, rules), macs_per_frame=macs_per_frame(lifter)))
    return lifters, entrants
