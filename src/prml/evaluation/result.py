"""Result records as JSON: scores with everything needed to trust them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from prml.errors import PrmlError
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.run import Evaluation
from prml.evaluation.scoring import metric, plain
from prml.io.files import write_file
from prml.io.typed import check_values
from prml.provenance import commit, versions

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter

SCHEMA = "prml.result/1"
_NEWER = {"per_sequence", "device"}  # entries that results written before do not have


@dataclass(frozen=True)
class Result:
    """The record of one evaluation.

    Attributes:
        protocol: name, version, id, rules as text, data stamp, clip limit.
        weights: name, sha256, network and its arguments, window, output space, normalisation.
        options: flip, overlap, kinds of the root and window rules, and other choices of the caller.
        scores: metric -> value under the protocol's averaging.
        per_action, per_source, per_subject: group -> metric -> value.
        per_sequence: sequence -> its labels, its frames, and metric -> mean over them; empty in results written before.
        per_joint: joint -> MPJPE in mm.
        per_axis: "all" and hard actions -> x, y, z in mm.
        units: metric -> unit.
        frames, sequences: numbers of scored frames and sequences.
        seconds: time for data, network and metrics.
        frames_per_s: scored frames per second of total time.
        device: what computed the predictions; "" in results written before it was recorded.
        commit, versions: those of the code that wrote the record.
    """

    protocol: dict[str, Any]
    weights: dict[str, Any]
    options: dict[str, Any]
    scores: dict[str, float]
    per_action: dict[str, dict[str, float]]
    per_source: dict[str, dict[str, float]]
    per_subject: dict[str, dict[str, float]]
    per_joint: dict[str, float]
    per_axis: dict[str, dict[str, float]]
    units: dict[str, str]
    frames: int
    sequences: int
    seconds: dict[str, float]
    frames_per_s: float
    per_sequence: dict[str, dict[str, Any]] = field(default_factory=dict)
    device: str = ""
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    schema: str = SCHEMA

    @property
    def every(self) -> int:
        """n, if every n-th sequence was scored."""
        every = self.options.get("every", 1)
        return every if isinstance(every, int) else 1

    @property
    def label(self) -> str:
        """Name of the weights, with anything unusual about the run."""
        special = [] if self.options.get("flip", True) else ["no flip"]
        changed = str(self.protocol.get("id", "")).split("+")[1:]
        special += [f"{rule} {self.options.get(rule, 'changed')}" for rule in changed if rule != "flip"]
        if "precision" in self.options:
            special.append(str(self.options["precision"]))
        if self.protocol.get("limit") is not None:
            special.append(f"first {self.protocol['limit']} clips only")
        if self.every != 1:
            special.append(f"one sequence of {self.every}")
        return " ".join([weights_label(self.weights), *(f"({s})" for s in special)])

    def to_json(self) -> str:
        """Return the record as text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def write(self, path: Path, overwrite: bool = False) -> None:
        """Write the record; raise PrmlError if the file exists and must not be replaced."""
        write_file(path, self.to_json(), overwrite)


def weights_label(weights: dict[str, Any]) -> str:
    """Return a name for tables: that of the record, prefixed by the network if it is only "best" or "last"."""
    name = str(weights.get("name", "?"))
    return f"{weights.get('network', '?')}/{name}" if name in ("best", "last") else name


def read_result(path: Path) -> Result:
    """Read a record; raise PrmlError if the file is invalid."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PrmlError(f"no result file {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = "it cannot be read" if isinstance(error, OSError) else "it is not JSON"
        raise PrmlError(f"{path} is not a result file: {reason}; result files are JSON of schema {SCHEMA}") from error
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise PrmlError(f"{path} is not a result file; result files are JSON of schema {SCHEMA}")
    fields = set(Result.__dataclass_fields__)
    if wrong := (fields ^ set(values)) - (_NEWER - set(values)):
        raise PrmlError(f"{path} does not fit schema {SCHEMA}: wrong entries {', '.join(sorted(wrong))}")
    check_values(values, get_type_hints(Result), str(path))
    return Result(**values)


def describe_weights(lifter: "Lifter") -> dict[str, Any]:
    """Return the description of the weights in a result."""
    card = lifter.card
    names = ("name", "sha256", "network", "arguments", "window", "fps", "output", "normalisation", "training")
    return {name: getattr(card, name) for name in names}


def describe_protocol(protocol: EvaluationProtocol, data: Path | None, limit: int | None) -> dict[str, Any]:
    """Return the description of rules and data in a result."""
    return {
        "name": protocol.name,
        "version": protocol.version,
        "id": protocol.id,
        "rules": protocol.describe(),
        "data": protocol.source.stamp(data),
        "limit": limit,
    }


def make_result(
    evaluation: Evaluation,
    weights: dict[str, Any],
    options: dict[str, Any],
    data: Path | None = None,
    device: str = "",
) -> Result:
    """Make the record of an evaluation; raise PrmlError if nothing was scored."""
    scored = evaluation.scores
    total = sum(evaluation.seconds.values())
    return Result(
        protocol=describe_protocol(evaluation.protocol, data, evaluation.limit),
        weights=weights,
        options=options,
        scores=scored.overall,
        units={name: metric(name).unit for name in scored.overall},
        seconds={k: round(v, 3) for k, v in evaluation.seconds.items()},
        frames_per_s=round(evaluation.tally.frames / total, 2) if total else 0.0,
        device=device,
        commit=commit(),
        versions=versions(),
        **{k: v for k, v in plain(scored).items() if k != "overall"},
    )


def differences(results: Sequence[Result]) -> list[str]:
    """Return reasons why results must not share a table; empty if they may."""
    found: list[str] = []
    for what, key in (("protocols", "id"), ("numbers of clips", "limit"), ("data", "data"), ("rules", "rules")):
        values = {json.dumps(r.protocol.get(key), sort_keys=True): r.protocol.get(key) for r in results}
        if len(values) > 1 and not (what == "rules" and found):
            told = ", ".join(_changed([values[text] for text in sorted(values)]))
            found.append(f"the {what} differ: {told if what != 'rules' else 'the wording of a rule changed'}")
    if len(shares := {str(r.every) for r in results}) > 1:
        found.append(f"the sequences scored differ: one of {', one of '.join(sorted(shares))}")
    return found


def _changed(values: Sequence[Any]) -> list[str]:
    """Return values as text; of mappings only the entries that differ."""
    if not all(isinstance(value, dict) for value in values):
        return ["all" if value is None else str(value) for value in values]
    keys = list(dict.fromkeys(key for value in values for key in value))
    differing = [key for key in keys if any(value.get(key) != values[0].get(key) for value in values)]
    return [f"{key} {' and '.join(str(value.get(key, 'none')) for value in values)}" for key in differing]
