"""``prml robustness``: measure how the error grows when the 2D input gets worse."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prml.options import option

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter
    from prml.studies.robustness import Entrant


@dataclass(kw_only=True)
class Options:
    """Score weights on degraded input: noise, lost joints and frames, other frame rates, lenses and crops.

    Attributes:
        weights: bundled name, .safetensors file with its card, or a training run's folder; may be repeated.
        protocol: name of the protocol; 'prml protocols' lists them.
        changes: kind of perturbation (noise, noise-of-height, missing-joints, dropped-frames, frame-rate,
            field-of-view, portrait-crop; default: all); may be repeated.
        data: folder with the protocol's files (motion capture is found in a checkout).
        flip: average with the mirrored input (default: the protocol's rule).
        every: keep and score every n-th sequence, to save time; the record says so.
        device: device of the networks: cpu, cuda, cuda:1, mps, ...; the record states it.
        json: file for the record.
        figure: file for the paper's Figure 5 (.png, .pdf or .svg).
        overwrite: replace existing files.
    """

    weights: list[str] = option(local=True)
    protocol: str
    changes: list[str] | None = None
    data: Path | None = option(None, parameter="directory")
    flip: bool | None = None
    every: int = option(1, minimum=1)
    device: str = "cpu"
    json: Path | None = None
    figure: Path | None = None
    overwrite: bool = False


def run(options: Options) -> int:
    """Score, print, write and draw."""
    from prml.commands._console import plain, plain_console, print_tables
    from prml.device import device_name
    from prml.evaluation import protocols
    from prml.evaluation.result import describe_weights
    from prml.io.files import check_writable, write_file
    from prml.report.figures import check_figure, to_bytes
    from prml.studies import robustness_report
    from prml.studies.robustness import perturbations, sweep

    o = options
    rules, wanted = protocols.get(o.protocol), perturbations(o.changes)
    for path in filter(None, (o.json, o.figure)):
        check_writable(path, o.overwrite)  # before the work
    if o.figure is not None:
        check_figure(o.figure)
    lifters, entrants = _entrants(o.weights, rules.flip if o.flip is None else o.flip, o.protocol, o.device)
    console = plain_console()
    with console.status("") as status:
        result = sweep(
            entrants, rules, wanted, data=o.data, every=o.every, progress=lambda text: status.update(plain(text))
        )
    print_tables(console, [robustness_report.table(result)])
    for family, why in result.skipped.items():
        console.print(f"skipped {family}: {why}")
    if o.json is not None:
        described = [describe_weights(lifter) for lifter in lifters]
        text = robustness_report.record(
            result, described, o.every, rules.source.stamp(o.data), device_name(lifters[0].device)
        )
        write_file(o.json, text, o.overwrite)
        console.print(f"wrote {o.json}")
    if o.figure is not None:
        write_file(o.figure, to_bytes(robustness_report.figure(result), o.figure.suffix[1:]), o.overwrite)
        console.print(f"wrote {o.figure}")
    return 0


def _entrants(weights: list[str], flip: bool, protocol: str, device: str) -> "tuple[list[Lifter], list[Entrant]]":
    from prml import load
    from prml.evaluation import protocols
    from prml.evaluation.predictor import macs_per_frame, predictor_of
    from prml.evaluation.result import describe_weights, weights_label
    from prml.studies.robustness import Entrant

    rules = protocols.get(protocol)
    lifters: list[Lifter] = [load(name, flip=flip, device=device) for name in weights]
    entrants, taken = [], set[str]()
    for lifter in lifters:
        label = weights_label(describe_weights(lifter))
        while label in taken:
            label += "'"
        taken.add(label)
        entrants.append(Entrant(label, predictor_of(lifter, rules), macs_per_frame=macs_per_frame(lifter)))
    return lifters, entrants
