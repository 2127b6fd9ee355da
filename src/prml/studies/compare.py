"""Compare networks of equal cost, trained on equal data for equal steps and scored under equal rules.

Runs are kept in folders named by a hash of their configuration: a finished run is not repeated, and an interrupted one
continues from its last checkpoint.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

from prml.evaluation import protocols
from prml.evaluation.result import Result
from prml.studies.compare_config import CompareConfig, Entrant
from prml.training.config import NOT_THE_RESULT, FitConfig, record_of


def config_hash(config: FitConfig) -> str:
    """Return a hash (ten hexadecimal digits) of everything in a configuration that affects the result."""
    values = record_of(config)
    for field_name in NOT_THE_RESULT:
        section, _, name = field_name.partition(".")
        values[section].pop(name, None)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def run_folder(out: Path, entrant: Entrant, config: FitConfig) -> Path:
    """Return the folder of a run."""
    label = "".join(c if c.isalnum() or c == "-" else "-" for c in entrant.label.lower())
    return out / f"{label}-{entrant.heads}-seed{config.seed}-{config_hash(config)}"


def finished(folder: Path, steps: int) -> bool:
    """Whether a run has completed all its steps."""
    from prml.weights.record import read_card

    card = folder / "last.yaml"
    return card.is_file() and int(read_card(card).training.get("steps", 0)) >= steps


def train(config: FitConfig, folder: Path) -> Literal["kept", "resumed", "trained"]:
    """Train, or resume an interrupted run, unless already finished; return which of these happened."""
    from prml.training.callbacks import CHECKPOINT
    from prml.training.engine import fit

    if finished(folder, config.run.max_steps):
        return "kept"
    resume = (folder / CHECKPOINT).is_file()
    with _quiet():
        fit(config, folder, resume=resume, overwrite=not resume)
    return "resumed" if resume else "trained"


@contextmanager
def _quiet() -> Iterator[None]:
    """Within the block, Lightning logs warnings only: a study has a line of its own for every run."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def score(
    folder: Path,
    protocol: str,
    *,
    overlap: int | None,
    every: int = 1,
    limit: int | None = None,
    device: str = "cpu",
    data: Path | None = None,
    features: Path | None = None,
    metrics: Sequence[str] = (),
) -> Result:
    """Score the final weights, or read the score if they were already scored on these data under these rules.

    ``features`` is the cache of image features of a network that needs them; ``metrics`` are reported beside those of
    the protocol.
    """
    from prml.evaluation.result import read_result
    from prml.evaluation.score import Conditions, score_lifter
    from prml.lifting.lifter import load

    images = None
    if features is not None:
        from prml.image_features.cache import FeatureCache

        images = FeatureCache(features)
    lifter, rules = load(folder / "last.safetensors", device=device, image_features=images), protocols.get(protocol)
    if more := [metric for metric in metrics if metric not in rules.metrics]:
        rules = rules.with_(metrics=(*rules.metrics, *more))
    conditions = Conditions(rules, overlap=overlap, every=every, limit=limit, data=data)
    first = "" if limit is None else f"-first{limit}"
    path = folder / f"{'+'.join([protocol, *more])}{first}.json"
    if path.is_file() and conditions.made(kept := read_result(path), lifter.card.sha256):
        return kept
    result = score_lifter(lifter, conditions)
    result.write(path, overwrite=True)
    return result


@dataclass(frozen=True)
class Run:
    """One entrant with one seed.

    Attributes:
        seed: seed of weights and data.
        folder: name of its folder, which ends with the hash of the configuration.
        scores: protocol -> metric -> value.
        frames: protocol -> number of scored frames.
        commit: commit of the code that trained it.
    """

    seed: int
    folder: str
    scores: dict[str, dict[str, float]]
    frames: dict[str, int]
    commit: str


def _run(
    config: CompareConfig,
    entrant: Entrant,
    seed: int,
    out: Path,
    limit: int | None,
    device: str,
    say: Callable[[str], None],
) -> Run:
    from prml.weights.record import read_card

    run = config.fit_config(entrant, seed)
    folder = run_folder(out, entrant, run)
    started = perf_counter()
    words = {"kept": "already trained", "resumed": "resumed and trained", "trained": "trained"}[train(run, folder)]
    say(f"{words} ({perf_counter() - started:.0f} s); scoring under {', '.join(config.protocols)}")
    results = {
        name: score(folder, name, overlap=config.overlap, every=config.every, limit=limit, device=device)
        for name in config.protocols
    }
    errors = ", ".join(f"{name} {result.scores['mpjpe']:.1f} mm" for name, result in results.items())
    say(f"{errors} ({perf_counter() - started:.0f} s in all)")
    commit = str(read_card(folder / "last.yaml").training.get("commit", ""))
    scores = {name: result.scores for name, result in results.items()}
    return Run(seed, folder.name, scores, {name: result.frames for name, result in results.items()}, commit)


def run_all(
    config: CompareConfig,
    out: Path,
    *,
    limit: int | None = None,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Run]]:
    """Run everything; return a mapping from entrant titles to runs, in the order of the seeds.

    Seeds are the outer loop, so that an interrupted comparison has trained all networks equally often.

    Args:
        config: a checked configuration.
        out: folder for the folders of the runs.
        limit: maximum number of clips to score, for a quick look; such a comparison is marked as incomplete.
        device: where networks are scored; ``config.run.accelerator`` is where they train.
        progress: called with one line at every stage of every run.

    Raises:
        PrmlError: data cannot be read, or a folder cannot be written.
    """
    entrants, runs = config.entrants(), dict[str, list[Run]]()
    pairs = [(seed, entrant) for seed in config.seeds for entrant in entrants]
    for number, (seed, entrant) in enumerate(pairs, 1):
        head = f"run {number} of {len(pairs)}, {entrant.title}, seed {seed}: "
        progress(f"{head}{config.run.max_steps} steps")
        done = _run(config, entrant, seed, out, limit, device, lambda text, head=head: progress(head + text))  # type: ignore[misc]
        runs.setdefault(entrant.title, []).append(done)
    return runs
