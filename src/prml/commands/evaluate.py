"""``prml evaluate``: score weights under a named protocol."""

from pathlib import Path
from typing import Literal


def command(
    *,
    weights: str,
    protocol: str,
    data: str | None = None,
    features: str | None = None,
    flip: bool | None = None,
    root: Literal["zero", "own", "subtract"] | None = None,
    windows: Literal["whole", "drop", "last"] | None = None,
    json: str | None = None,
    overwrite: bool = False,
    limit: int | None = None,
    overlap: int | None = None,
    batch: int = 8,
) -> int:
    """Score weights under a named protocol and print the paper's table.

    Args:
        weights: bundled name (prml-s, prml-xs), .safetensors file with its card, or a training run's folder
        protocol: see 'prml protocols'
        data: folder with the protocol's files (not needed for motion capture in a checkout)
        features: cache of the image features of the data ('prml data features'), for networks that need them
        flip: average with the mirrored input (default: the protocol's rule)
        root: another rule for the predicted root than the protocol's: set to 0, its own error counts, or subtracted
            from all joints; the result says so
        windows: another rule for the windows: the video lifted whole, cut into the network's T frames without the tail,
            or with the last T frames as one more; the result says so
        json: where to write the result record
        overwrite: replace an existing result
        limit: score only so many clips, for a quick look; the result says so
        overlap: windows that every frame lies in (default: 2, and 1 where the protocol cuts the windows)
        batch: windows at a time
    """
    from rich.text import Text

    from prml import load
    from prml.commands._console import plain_console, print_tables
    from prml.evaluation import protocols
    from prml.evaluation.run import Evaluation
    from prml.evaluation.score import Conditions, score_lifter
    from prml.io.files import check_writable
    from prml.report.tables import tables

    rules = protocols.get(protocol).with_kinds(root, windows)
    if json is not None:
        check_writable(Path(json), overwrite)  # before the work, not after it
    context = None
    if features is not None:
        from prml.image_features.cache import FeatureCache

        context = FeatureCache(Path(features))
    lifter = load(weights, context=context, batch=batch)
    conditions = Conditions(rules, flip, overlap, data=None if data is None else Path(data), limit=limit)
    console = plain_console()
    with console.status(Text(f"{lifter.card.name} under {rules.name}")) as status:

        def progress(state: Evaluation) -> None:
            status.update(Text(f"{lifter.card.name} under {rules.name}: {state.tally.frames} frames"))

        result = score_lifter(lifter, conditions, progress)
    print_tables(console, tables(result, rules))
    for note in rules.notes:
        console.print(f"note: {note}")
    if result.options["flip"] != rules.flip:
        console.print(f"note: the protocol's rule is flip {'on' if rules.flip else 'off'}; this run differs")
    spent = ", ".join(f"{k} {v:.1f}" for k, v in result.seconds.items())
    console.print(
        f"{result.frames} frames of {result.sequences} sequences, {result.frames_per_s:g} frames/s; {spent} s"
    )
    if json is not None:
        result.write(Path(json), overwrite)
        console.print(f"wrote {json}")
    return 0
