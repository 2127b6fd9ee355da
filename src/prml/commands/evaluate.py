"""``prml evaluate``: score weights under a named protocol."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from prml.options import option

if TYPE_CHECKING:
    from rich.console import Console

    from prml.evaluation.protocols import EvaluationProtocol
    from prml.evaluation.result import Result
    from prml.lifting.lifter import Lifter


@dataclass(kw_only=True)
class Options:
    """Score weights under a named protocol and print the paper's table.

    Attributes:
        weights: bundled name (prml-s, prml-xs), .safetensors file with its card, or a training run's folder.
        protocol: name of the protocol; 'prml protocols' lists them.
        against: other weights, scored likewise and compared with these sequence by sequence; may be repeated.
        data: folder with the protocol's files (motion capture is found in a checkout).
        features: cache of image features ('prml data features'), for networks that need them.
        flip: average with the mirrored input (default: the protocol's rule).
        root: override the rule for the predicted root (default: the protocol's, or that of the authors of imported
            weights): set it to 0, count its own error, or subtract it from all joints; the result says so.
        windows: override the window rule (default as for root): lift the whole video, keep the middle of a window
            around every frame (centre), cut it into the network's T frames without the tail (drop), or add the
            last T frames as one more window (last); the result says so.
        split: of the protocol 'own': only sequences of this split (default: all).
        subjects: of the protocol 'own': only these subjects; may be repeated.
        joints: score only these joints of Human3.6M (LAnkle, RWrist, ...); may be repeated; the result says so.
        convert: for weights that predict in image space under a protocol in camera metres: convert by the true depth of
            the root (known factor), perspective included; the result says so.
        code: module of your own with the network of the weights, such as my_package.nets; files do not choose code.
        velocity: average MPJVE as other authors do: weighted by frames (as-videopose3d), and with the jumps between
            windows too (as-mixste); the result says so.
        acceleration: average the acceleration error as MotionAGFormer does, two zeros a window; the result says so.
        json: file for the result.
        overwrite: replace an existing result.
        limit: score only the first N clips, for a quick look; the result says so.
        overlap: windows that cover each frame (default: 2, or 1 if the protocol cuts the windows).
        batch: windows per batch.
        precision: bf16 computes matrix products in bfloat16, faster on GPUs and some CPUs; the result says so.
        device: device of the network: cpu, cuda, cuda:1, mps, ...; several with commas between them (cuda:0,cuda:1)
            share the sequences; the result states it.
    """

    weights: str = option(local=True)
    protocol: str
    against: list[str] | None = option(None, local=True)
    data: Path | None = option(None, parameter="directory")
    features: Path | None = None
    flip: bool | None = None
    root: Literal["zero", "own", "subtract"] | None = None
    windows: Literal["whole", "centre", "drop", "last"] | None = None
    split: str | None = None
    subjects: list[str] | None = None
    joints: list[str] | None = None
    convert: bool = False
    code: str | None = None
    velocity: Literal["steps", "as-videopose3d", "as-mixste"] | None = None
    acceleration: Literal["steps", "as-motionagformer"] | None = None
    json: Path | None = None
    overwrite: bool = False
    limit: int | None = option(None, minimum=1)
    overlap: int | None = option(None, minimum=1)
    batch: int = option(8, minimum=1)
    precision: Literal["float32", "bf16"] = "float32"
    device: str = "cpu"


def run(options: Options) -> int:
    """Load, score, print and write."""
    from prml import load
    from prml.commands._code import import_code
    from prml.commands._console import plain, plain_console
    from prml.evaluation import protocols
    from prml.evaluation.protocols.choice import chosen
    from prml.evaluation.protocols.known_factor import converted
    from prml.evaluation.run import Evaluation
    from prml.evaluation.score import Conditions, authors_rules, score_lifter
    from prml.io.files import check_writable

    o = options
    named = chosen(protocols.get(o.protocol), o.split, o.subjects, o.joints)
    if o.code is not None:
        import_code(o.code)
    if o.json is not None:
        check_writable(o.json, o.overwrite)  # before the work
    context = None
    if o.features is not None:
        from prml.image_features.cache import FeatureCache

        context = FeatureCache(o.features)
    devices = [name.strip() for name in o.device.split(",")]
    device = devices[0] if len(devices) == 1 else "cpu"  # several: every process moves its copy
    lifter = load(o.weights, image_features=context, batch=o.batch, device=device)
    own = authors_rules(lifter.card, named)
    rules = named.with_kinds(o.root or own.get("root"), o.windows or own.get("windows"), o.velocity, o.acceleration)
    if o.convert:
        rules = converted(rules)
    conditions = Conditions(rules, o.flip, o.overlap, data=o.data, limit=o.limit, precision=o.precision)
    others = [load(name, image_features=context, batch=o.batch, device=device) for name in o.against or ()]
    console = plain_console()

    def scored(lifter: "Lifter") -> "Result":
        what = f"{lifter.card.name} under {rules.name}"
        with console.status(plain(what)) as status:

            def progress(state: Evaluation) -> None:
                status.update(plain(f"{what}: {state.tally.frames} frames"))

            return score_lifter(lifter, conditions, progress, devices=devices)

    result = scored(lifter)
    _print(console, result, rules)
    if own and (o.root is None or o.windows is None):
        stated = ", ".join(f"{name} {kind}" for name, kind in own.items())
        usual = f"--root {named.root.kind} --windows {named.windows.kind}"
        console.print(
            f"note: scored as the authors of {lifter.card.name} do ({stated}); {usual} is the protocol's rule"
        )
    if o.json is not None:
        result.write(o.json, o.overwrite)
        console.print(f"wrote {o.json}")
    if others:
        _compare(console, result, [scored(other) for other in others])
    return 0


def _compare(console: "Console", result: "Result", others: "list[Result]") -> None:
    """Print the scores side by side, and how these weights differ from each of the others."""
    from prml.commands._console import print_tables
    from prml.errors import PrmlError
    from prml.evaluation.paired import compare_paired
    from prml.report.tables import score_table

    print_tables(console, [score_table([*others, result], result.protocol["id"])])
    for other in others:
        try:
            told = compare_paired(other, result).description
        except PrmlError as error:
            told = f"not compared sequence by sequence: {error}"
        console.print(f"{result.label} - {other.label}: {told}", soft_wrap=True)


def _print(console: "Console", result: "Result", rules: "EvaluationProtocol") -> None:
    from prml.commands._console import print_tables
    from prml.report.tables import tables

    print_tables(console, tables(result, rules))
    for note in rules.notes:
        console.print(f"note: {note}")
    if result.options["flip"] != rules.flip:
        console.print(f"note: the protocol's rule is flip {'on' if rules.flip else 'off'}; this run differs")
    spent = ", ".join(f"{k} {v:.1f}" for k, v in result.seconds.items())
    console.print(
        f"{result.frames} frames of {result.sequences} sequences, {result.frames_per_s:g} frames/s on {result.device}; "
        f"{spent} s"
    )
