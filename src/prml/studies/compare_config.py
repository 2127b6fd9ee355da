"""The configuration of a comparison of networks. This module does not import torch until a comparison is checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from prml import options
from prml.errors import PrmlError
from prml.options import option
from prml.training.config import (
    DATA_KINDS,
    DataConfig,
    FitConfig,
    Init,
    MocapData,
    NetworkConfig,
    ObjectiveConfig,
    OptimiserConfig,
    RunConfig,
)

if TYPE_CHECKING:
    from prml.networks.cost import Cost

Heads = Literal["single", "dual"]


@dataclass
class EntrantConfig:
    """A network of the comparison.

    Attributes:
        name: registry name.
        arguments: constructor arguments that differ from the named size; window and channels come from the data.
        label: name in tables; the registry name if empty.
        heads: "single" (the authors' one regression head), "dual" (separate heads for x, y and for depth); PrML always
            has two.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    heads: list[Heads] = field(default_factory=lambda: ["single", "dual"])


@dataclass
class CompareConfig:
    """The configuration of a comparison, e.g. ``configs/mocap/compare.yaml``.

    Attributes:
        networks: the participants.
        data: training data of all networks.
        single: objective of networks with one regression head.
        dual: objective of networks with two; mutual information applies to PrML only.
        optimiser: optimiser of all networks.
        start: initialisation of all networks; see ``NetworkConfig.start``.
        run: run settings of all networks; ``max_steps`` is the length of each training.
        seeds: one run per seed.
        protocols: protocols for scoring all networks.
        overlap: number of windows that contain each frame when scoring.
        every: score every n-th clip of a protocol, the same for all networks; the tables say so.
        tolerance: allowed relative excess of the most expensive network over the cheapest, in multiply-adds per frame.
        speed_rounds: number of measurements of each speed, in turns; the best counts.
    """

    networks: list[EntrantConfig] = field(default_factory=list)
    data: DataConfig = option(factory=MocapData, variants=DATA_KINDS)
    single: ObjectiveConfig = field(default_factory=lambda: ObjectiveConfig(pose="mpjpe", mutual_information="none"))
    dual: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    start: Init = "own"
    run: RunConfig = field(default_factory=RunConfig)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    protocols: list[str] = field(default_factory=lambda: ["mocap-noisy", "mocap-gt"])
    overlap: int = option(1, minimum=1)
    every: int = option(1, minimum=1)
    tolerance: float = option(0.1, minimum=0)
    speed_rounds: int = option(5, minimum=1)

    def check(self) -> None:
        """Raise PrmlError if the comparison cannot be run or would not be fair."""
        from prml.evaluation import protocols

        if not self.networks:
            raise PrmlError("a comparison needs networks: a list of entries with a name")
        options.check(self)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise PrmlError(f"seeds must be different numbers, at least one, got {self.seeds}")
        if self.run.max_steps < 1:
            steps = self.run.max_steps
            raise PrmlError(f"run.max_steps must be at least 1, got {steps}: all networks train for the same steps")
        if self.run.minutes:
            raise PrmlError(f"run.minutes must be 0, got {self.run.minutes:g}: networks are compared at equal steps")
        for protocol in self.protocols:
            protocols.get(protocol)
        entrants = self.entrants()
        titles = [e.title for e in entrants]
        if twice := sorted({t for t in titles if titles.count(t) > 1}):
            raise PrmlError(f"networks need distinct labels, {twice[0]!r} occurs twice")
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
                    f"multiply-adds per frame ({words}) must be within {self.tolerance:.0%} of each other: "
                    f"{order[0]} has {low / 1e6:.2f} M, {order[-1]} {high / 1e6:.2f} M; change a width or a depth"
                )

    def entrants(self) -> "list[Entrant]":
        """Return every network with every kind of heads; raise PrmlError for unknown names or arguments."""
        return [self._entrant(given, heads) for given in self.networks for heads in given.heads]

    def _entrant(self, given: EntrantConfig, heads: Heads) -> "Entrant":
        from prml.networks import registry

        record = registry.entry(given.name)
        if record.needs_images(given.arguments):
            raise PrmlError(f"{record.name} needs image features, but motion capture has none; leave it out")
        if taken := {"frames", "in_channels", "regression_heads"} & set(given.arguments):
            raise PrmlError(f"{given.name}: {taken.pop()} cannot be set per network here; see data.windows and heads")
        own_two = registry.network_class(record.name).two_heads
        if own_two and heads == "single":
            raise PrmlError(f"{given.name} always has two regression heads; give it 'heads: [dual]'")
        windows = self.data.windows
        arguments = {**given.arguments, "frames": windows.frames, "in_channels": windows.in_channels}
        if not own_two:
            arguments["regression_heads"] = heads
        return Entrant(given.label or record.name, record.name, heads, arguments)

    def fit_config(self, entrant: "Entrant", seed: int) -> FitConfig:
        """Return the training configuration of an entrant and a seed."""
        objective = self.dual if entrant.heads == "dual" else self.single
        network = NetworkConfig(entrant.name, dict(entrant.arguments), self.start)
        return FitConfig(network, self.data, objective, self.optimiser, self.run, seed)


@dataclass(frozen=True)
class Entrant:
    """A network with one kind of regression heads, ready to build."""

    label: str
    name: str
    heads: Heads
    arguments: dict[str, Any]

    @property
    def title(self) -> str:
        """Label and heads."""
        return f"{self.label} ({self.heads})"

    @property
    def cost(self) -> "Cost":
        """Parameters and multiply-adds; raises PrmlError for arguments that the network does not take."""
        from prml.networks.cost import cost_of

        _check_arguments(self.name, self.arguments)
        return cost_of(self.name, **self.arguments)


def _check_arguments(name: str, arguments: dict[str, Any]) -> None:
    from inspect import signature

    from prml.networks import registry

    known = [*signature(registry.network_class(name)).parameters, "regression_heads"]
    if unknown := [a for a in arguments if a not in known]:
        near = get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
        raise PrmlError(f"{name} has no argument {unknown[0]!r}; {hint}")


def linear_per_frame(cost: "Cost") -> float:
    """Return multiply-adds of linear layers and convolutions per input frame."""
    return cost.linear_macs / cost.frames


def full_per_frame(cost: "Cost") -> float:
    """Return multiply-adds of all matrix products per input frame."""
    return cost.full_macs / cost.frames
