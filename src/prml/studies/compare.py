"""Networks of equal cost, trained on equal data for equal steps and scored under equal rules.

Runs are kept in folders named by a hash of their configuration: a finished run is not repeated, an interrupted run
continues from its last checkpoint.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.result import Result
from prml.networks import registry
from prml.networks.cost import Cost, cost_of
from prml.training.config import (
    NOT_THE_RESULT,
    DataConfig,
    FitConfig,
    NetworkConfig,
    ObjectiveConfig,
    OptimiserConfig,
    RunConfig,
)

Heads = Literal["single", "dual"]


@dataclass
class EntrantConfig:
    """A network of the comparison.

    Attributes:
        name: registry name.
        arguments: constructor arguments that differ from the named size; window and channels are those of the data.
        label: name in tables; the registry name if empty.
        heads: "single" (the authors' one regression head), "dual" (x, y and depth apart); PrML always has two.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    heads: list[Heads] = field(default_factory=lambda: ["single", "dual"])


@dataclass
class CompareConfig:
    """Everything about a comparison; what ``configs/mocap/compare.yaml`` holds.

    Attributes:
        networks: the participants.
        data: what all are trained on.
        single: what networks with one regression head minimise.
        dual: what networks with two minimise; the mutual information is PrML's only.
        optimiser: of all.
        start: of all networks; see ``NetworkConfig.start``.
        run: of all networks; ``max_steps`` is the length of each training.
        seeds: one run per seed.
        protocols: what all are scored under.
        overlap: windows that every frame lies in when scored.
        every: score every n-th clip of a protocol, the same for all networks; the tables say so.
        tolerance: relative excess of the most expensive network in multiply-adds per frame over the cheapest.
        speed_rounds: how often each speed is measured, in turns; the best counts.
    """

    networks: list[EntrantConfig] = field(default_factory=list)
    data: DataConfig = field(default_factory=DataConfig)
    single: ObjectiveConfig = field(default_factory=lambda: ObjectiveConfig(pose="mpjpe", mutual_information="none"))
    dual: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    start: Literal["own", "distinct"] = "own"
    run: RunConfig = field(default_factory=RunConfig)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    protocols: list[str] = field(default_factory=lambda: ["mocap-noisy", "mocap-gt"])
    overlap: int = 1
    every: int = 1
    tolerance: float = 0.1
    speed_rounds: int = 5

    def check(self) -> None:
        """Raise PrmlError, in one line, for a comparison that cannot be run or would not be fair."""
        if not self.networks:
            raise PrmlError("a comparison needs networks: a list of entries with a name")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise PrmlError(f"seeds must be different numbers, at least one, got {self.seeds}")
        for name, value in (
            ("run.max_steps", self.run.max_steps),
            ("overlap", self.overlap),
            ("every", self.every),
            ("speed_rounds", self.speed_rounds),
        ):
            if value < 1:
                raise PrmlError(f"{name} must be at least 1, got {value}: all networks get the same, stated amount")
        for protocol in self.protocols:
            protocols.get(protocol)
        entrants = self.entrants()
        titles = [e.title for e in entrants]
        if twice := sorted({t for t in titles if titles.count(t) > 1}):
            raise PrmlError(f"networks need different labels, {twice[0]!r} occurs twice")
        for entrant in entrants:
            self.fit_config(entrant, self.seeds[0]).check()
        self._check_costs(entrants)

    def _check_costs(self, entrants: "Sequence[Entrant]") -> None:
        costs = {e.title: e.cost for e in entrants}
        for words, per_frame in (("of linear layers", linear_per_frame), ("of all products", full_per_frame)):
            order = sorted(costs, key=lambda t: per_frame(costs[t]))
            low, high = (per_frame(costs[t]) for t in (order[0], order[-1]))
            if high > low * (1 + self.tolerance):
                raise PrmlError(
                    f"multiply-adds per frame ({words}) must lie within {self.tolerance:.0%} of each other: "
                    f"{order[0]} has {low / 1e6:.2f} M, {order[-1]} {high / 1e6:.2f} M; change a width or a depth"
                )

    def entrants(self) -> "list[Entrant]":
        """Every network with every kind of heads; raises PrmlError for unknown names and arguments."""
        return [self._entrant(given, heads) for given in self.networks for heads in given.heads]

    def _entrant(self, given: EntrantConfig, heads: Heads) -> "Entrant":
        record = registry.entry(given.name)
        if record.context:
            raise PrmlError(f"{record.name} needs image features, motion capture has none; leave it out")
        if taken := {"frames", "in_channels", "regression_heads"} & set(given.arguments):
            raise PrmlError(f"{given.name}: {taken.pop()} cannot be set per network here; see data.windows and heads")
        own_two = record.builder.endswith(":PrML")
        if own_two and heads == "single":
            raise PrmlError(f"{given.name} always has two regression heads; give it 'heads: [dual]'")
        windows = self.data.windows
        arguments = {**given.arguments, "frames": windows.frames, "in_channels": windows.in_channels}
        if not own_two:
            arguments["regression_heads"] = heads
        return Entrant(given.label or record.name, record.name, heads, arguments)

    def fit_config(self, entrant: "Entrant", seed: int) -> FitConfig:
        """The training run of an entrant and a seed."""
        objective = self.dual if entrant.heads == "dual" else self.single
        network = NetworkConfig(entrant.name, dict(entrant.arguments), self.start)
        return FitConfig(network, self.data, objective, self.optimiser, self.run, seed)


@dataclass(frozen=True)
class Entrant:
    """A network with one kind of regression heads, ready to be built."""

    label: str
    name: str
    heads: Heads
    arguments: dict[str, Any]

    @property
    def title(self) -> str:
        """Label and heads."""
        return f"{self.label} ({self.heads})"

    @property
    def cost(self) -> Cost:
        """Parameters and multiply-adds; raises PrmlError for arguments that the network cannot have."""
        _check_arguments(self.name, self.arguments)
        return cost_of(self.name, **self.arguments)


def _check_arguments(name: str, arguments: dict[str, Any]) -> None:
    from importlib import import_module
    from inspect import signature

    module, _, attribute = registry.entry(name).builder.partition(":")
    known = [*signature(getattr(import_module(module), attribute)).parameters, "regression_heads"]
    if unknown := [a for a in arguments if a not in known]:
        near = get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
        raise PrmlError(f"{name} has no argument {unknown[0]!r}; {hint}")


def linear_per_frame(cost: Cost) -> float:
    """Multiply-adds of linear layers and convolutions for each frame that goes in."""
    return cost.linear_macs / cost.frames


def full_per_frame(cost: Cost) -> float:
    """Multiply-adds of all products of matrices for each frame that goes in."""
    return cost.full_macs / cost.frames


def config_hash(config: FitConfig) -> str:
    """Ten hexadecimal digits over everything in a configuration that affects the result."""
    values = asdict(config)
    for field_name in NOT_THE_RESULT:
        section, _, name = field_name.partition(".")
        del values[section][name]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def run_folder(out: Path, entrant: Entrant, config: FitConfig) -> Path:
    """Where a run is kept."""
    label = "".join(c if c.isalnum() or c == "-" else "-" for c in entrant.label.lower())
    return out / f"{label}-{entrant.heads}-seed{config.seed}-{config_hash(config)}"


def finished(folder: Path, steps: int) -> bool:
    """Whether a run has taken all its steps."""
    from prml.weights.record import read_card

    card = folder / "last.yaml"
    return card.is_file() and int(read_card(card).training.get("steps", 0)) >= steps


def train(config: FitConfig, folder: Path) -> Literal["kept", "resumed", "trained"]:
    """Train unless already done; continue an interrupted run. Returns which of these happened."""
    from prml.training.callbacks import CHECKPOINT
    from prml.training.engine import fit

    if finished(folder, config.run.max_steps):
        return "kept"
    resume = (folder / CHECKPOINT).is_file()
    fit(config, folder, resume=resume, overwrite=not resume)
    return "resumed" if resume else "trained"


def score(folder: Path, protocol: str, *, overlap: int, every: int = 1, limit: int | None = None) -> Result:
    """Score the final weights, or read the score if they have already been scored on these data under these rules."""
    from prml.evaluation.result import read_result
    from prml.evaluation.score import Conditions, score_lifter
    from prml.lifting.lifter import load

    lifter = load(folder / "last.safetensors")
    conditions = Conditions(protocols.get(protocol), overlap=overlap, every=every, limit=limit)
    path = folder / f"{protocol}{'' if limit is None else f'-first{limit}'}.json"
    if path.is_file() and conditions.made(kept := read_result(path), lifter.card.sha256):
        return kept
    result = score_lifter(lifter, conditions)
    result.write(path, overwrite=True)
    return result


@dataclass(frozen=True)
class Run:
    """One entrant, one seed.

    Attributes:
        seed: of weights and data.
        folder: name of its folder, the configuration's hash at the end.
        scores: protocol -> metric -> value.
        frames: protocol -> scored frames.
        commit: of the code that trained it.
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
    say: Callable[[str], None],
) -> Run:
    from prml.weights.record import read_card

    run = config.fit_config(entrant, seed)
    folder = run_folder(out, entrant, run)
    started = perf_counter()
    words = {"kept": "kept from before", "resumed": "resumed and trained", "trained": "trained"}[train(run, folder)]
    say(f"{words} ({perf_counter() - started:.0f} s); scoring under {', '.join(config.protocols)}")
    results = {
        name: score(folder, name, overlap=config.overlap, every=config.every, limit=limit) for name in config.protocols
    }
    errors = ", ".join(f"{name} {result.scores['mpjpe']:.1f} mm" for name, result in results.items())
    say(f"{errors} ({perf_counter() - started:.0f} s in all)")
    commit = str(read_card(folder / "last.yaml").training.get("commit", ""))
    scores = {name: result.scores for name, result in results.items()}
    return Run(seed, folder.name, scores, {name: result.frames for name, result in results.items()}, commit)


def run_all(
    config: CompareConfig, out: Path, *, limit: int | None = None, progress: Callable[[str], None] = lambda _: None
) -> dict[str, list[Run]]:
    """Every run, one after the other: title of the entrant -> runs in the order of the seeds.

    Seeds are the outer loop, so an interrupted comparison has trained all networks equally often.

    Args:
        config: checked.
        out: folder of the runs' folders.
        limit: maximum number of clips to score, for a quick look; such a comparison is marked as incomplete.
        progress: called with a line at every stage of every run.

    Raises:
        PrmlError: data that cannot be read, or a folder that cannot be written.
    """
    entrants, runs = config.entrants(), dict[str, list[Run]]()
    pairs = [(seed, entrant) for seed in config.seeds for entrant in entrants]
    for number, (seed, entrant) in enumerate(pairs, 1):
        head = f"run {number} of {len(pairs)}, {entrant.title}, seed {seed}: "
        progress(f"{head}{config.run.max_steps} steps")
        done = _run(config, entrant, seed, out, limit, lambda text, head=head: progress(head + text))  # type: ignore[misc]
        runs.setdefault(entrant.title, []).append(done)
    return runs
