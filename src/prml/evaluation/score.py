"""Score weights under a protocol and make a result record, for ``evaluate`` and ``compare-networks`` alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from prml.device import device_name
from prml.errors import PrmlError
from prml.evaluation.predictor import overlap_of, predictor_of
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.protocols.known_factor import KnownFactorSpace
from prml.evaluation.protocols.rules import RootKind, WindowKind
from prml.evaluation.result import Result, describe_protocol, describe_weights, make_result
from prml.evaluation.run import Evaluation, evaluate
from prml.evaluation.several import evaluate_on

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter, Precision
    from prml.weights.card import Card


@dataclass(frozen=True)
class Conditions:
    """Everything that determines a score besides the weights.

    Attributes:
        protocol: the rules.
        flip: average with the mirrored input; None for the protocol's rule.
        overlap: number of windows that contain each frame; None for the protocol's choice.
        every: score every n-th sequence.
        limit: maximum number of clips; None for a full score.
        data: folder or file with the data; None for the default location.
        precision: of the network's matrix products.
    """

    protocol: EvaluationProtocol
    flip: bool | None = None
    overlap: int | None = None
    every: int = 1
    limit: int | None = None
    data: Path | None = None
    precision: "Precision" = "float32"

    @property
    def options(self) -> dict[str, Any]:
        """Options that the result records besides the protocol."""
        rules = self.protocol
        found: dict[str, Any] = {
            "flip": rules.flip if self.flip is None else self.flip,
            "flip_rule": rules.flip,
            "overlap": overlap_of(rules) if self.overlap is None else self.overlap,
            "root": rules.root.kind,
            "windows": rules.windows.kind,
        }
        found |= {name: getattr(rules, name).kind for name in ("velocity", "acceleration") if name in rules.changed}
        if isinstance(rules.space, KnownFactorSpace):
            found["space"] = "converted"
        if self.precision != "float32":
            found["precision"] = self.precision
        return found if self.every == 1 else {**found, "every": self.every}

    def made(self, result: Result, sha256: str) -> bool:
        """Whether a result was made with these weights, data and rules; raises PrmlError if the data are missing."""
        protocol = describe_protocol(self.protocol, self.data, self.limit)
        return (result.protocol, result.weights["sha256"], result.options) == (protocol, sha256, self.options)


def authors_rules(card: "Card", rules: EvaluationProtocol) -> dict[str, Any]:
    """How the authors of imported weights score under a protocol: kinds of its root and window rules.

    Args:
        card: of ``prml import``; other weights, and protocols that the authors do not use, have no rules of their own.
        rules: the protocol.

    Raises:
        PrmlError: the card names a kind of rule that does not exist.
    """
    stated = card.training.get("scoring")
    if not isinstance(stated, Mapping) or rules.name not in (stated.get("protocols") or ()):
        return {}
    found = {}
    for name, kinds in (("root", get_args(RootKind)), ("windows", get_args(WindowKind))):
        if name in stated and stated[name] not in kinds:
            raise PrmlError(
                f"the card of {card.name}: expected training.scoring.{name} {' or '.join(kinds)}, got {stated[name]!r}"
            )
        if name in stated:
            found[name] = stated[name]
    return found


def score_lifter(
    lifter: "Lifter",
    conditions: Conditions,
    progress: Callable[[Evaluation], None] | None = None,
    *,
    devices: Sequence[str] = (),
) -> Result:
    """Score a lifter.

    Args:
        lifter: its batch is kept; flip, overlap and root handling come from the conditions.
        conditions: rules, data and options.
        progress: called after every sequence.
        devices: two or more share the sequences, a process each (``prml.evaluation.several``); else the lifter's own.

    Raises:
        PrmlError: the network's output does not fit the protocol, or the data cannot be read or have nothing to score.
    """
    rules, options = conditions.protocol, conditions.options
    lifter = lifter.with_options(flip=options["flip"], precision=conditions.precision)
    predictor = predictor_of(lifter, rules, overlap=options["overlap"])
    if len(devices) > 1:
        sequences = islice(rules.sequences(conditions.data, conditions.limit), 0, None, conditions.every)
        evaluation, device = evaluate_on(devices, predictor, rules, sequences, progress=progress)
        evaluation.limit = conditions.limit
        return make_result(evaluation, describe_weights(lifter), options, conditions.data, device)
    evaluation = evaluate(
        predictor.for_workers(),
        rules,
        data=conditions.data,
        limit=conditions.limit,
        shard=(0, conditions.every),
        progress=progress,
        workers=predictor.workers,
    )
    return make_result(evaluation, describe_weights(lifter), options, conditions.data, device_name(lifter.device))
