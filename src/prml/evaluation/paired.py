"""Whether two results differ by more than chance: a paired bootstrap and a sign test over what both were scored on."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.evaluation.protocols.rules import Averaging
from prml.evaluation.result import Result
from prml.evaluation.scoring import metric as metric_of

Array = np.ndarray
DRAWS = 10_000
LEVEL = 95.0  # per cent of the draws that lie in the interval
_SEED = 20_251_127
_BLOCK = 4_000_000  # numbers drawn at once
_VIEW = re.compile(r"(/[^/]*|_ca_\d+)$")  # the camera in the names of benchmarks, Human3.6M and its pickle


@dataclass(frozen=True)
class Paired:
    """The second result minus the first.

    Attributes:
        metric: name of the metric.
        difference: of the means under the protocol's averaging, from the errors of the sequences.
        low, high: ends of the interval that holds :data:`LEVEL` per cent of the bootstrap's differences.
        sequences, takes: what both results were scored on; the views of several cameras are one take.
        better, worse: takes in which the second result is better or worse.
        p_sign: two-sided p value of the sign test over the takes.
    """

    metric: str
    difference: float
    low: float
    high: float
    sequences: int
    takes: int
    better: int
    worse: int
    p_sign: float

    @property
    def description(self) -> str:
        """The comparison as one line."""
        shown = metric_of(self.metric)
        return (
            f"{shown.label} {self.difference:+.2f} {shown.unit} ({LEVEL:g} % between {self.low:+.2f} and "
            f"{self.high:+.2f}, paired bootstrap over {self.takes} takes, {self.sequences} sequences); better in "
            f"{self.better} takes, worse in {self.worse} (sign test p = {self.p_sign:.2g})"
        )


def take_of(sequence: str) -> str:
    """The name of a sequence without its camera: views of one take are not independent."""
    return _VIEW.sub("", sequence) or sequence


def compare_paired(first: Result, second: Result, metric: str | None = None) -> Paired:
    """Compare two results of the same rules and data, sequence by sequence.

    Takes are drawn with replacement, all views of a take together; the same draws in every run.

    Args:
        first: with errors per sequence.
        second: likewise; compared with the first.
        metric: its name; None for the protocol's first.

    Raises:
        PrmlError: results without errors per sequence, on other sequences, or without that metric.
    """
    name = metric or next(iter(first.scores))
    rows = [_rows(result, name) for result in (first, second)]
    if rows[0].keys() != rows[1].keys():
        only = sorted(rows[0].keys() ^ rows[1].keys())
        raise PrmlError(f"the results have other sequences: {len(only)} are in one of them only, such as {only[0]!r}")
    if len(takes := sorted({take_of(key) for key in rows[0]})) < 2:
        raise PrmlError("a paired comparison needs at least two takes; score more sequences (limit=...)")
    by_action = first.protocol.get("rules", {}).get("averaging") == Averaging("actions").description
    place = {take: i for i, take in enumerate(takes)}
    group = _places(rows[0], by_action)
    weights, sums = (np.zeros((len(takes), max(group.values()) + 1)) for _ in range(2))
    for key, (frames, value, _) in rows[0].items():
        at = place[take_of(key)], group[key]
        weights[at] += frames
        sums[at] += frames * (rows[1][key][1] - value)
    low, high = np.percentile(_bootstrap(sums, weights), [50 - LEVEL / 2, 50 + LEVEL / 2])
    mean = sums.sum(1) * (-1 if metric_of(name).higher_is_better else 1)
    better, worse = int((mean < 0).sum()), int((mean > 0).sum())
    return Paired(
        name,
        float(_mean(sums.sum(0), weights.sum(0))),
        float(low),
        float(high),
        len(rows[0]),
        len(takes),
        better,
        worse,
        _sign_test(better, worse),
    )


def _rows(result: Result, metric: str) -> dict[str, tuple[float, float, str]]:
    """Sequence -> frames, error, action."""
    if not result.per_sequence:
        raise PrmlError(
            f"{result.label} has no errors per sequence (it was written before they were recorded); score it again"
        )
    found = {}
    for name, row in result.per_sequence.items():
        numbers = (row.get("frames"), row.get(metric))
        if row.get(metric) is None:
            continue  # too short to have steps
        if not all(isinstance(v, int | float) and np.isfinite(v) for v in numbers):
            raise PrmlError(f"{result.label}: per_sequence.{name} holds {numbers}; expected frames and a number")
        found[name] = (float(row["frames"]), float(row[metric]), str(row.get("action", "")))
    if not found:
        raise PrmlError(f"{result.label} has no {metric} per sequence; it has {', '.join(result.scores)}")
    return found


def _places(rows: dict[str, tuple[float, float, str]], by_action: bool) -> dict[str, int]:
    """Sequence -> number of the mean that it enters: its action's, or the only one."""
    actions = sorted({row[2] for row in rows.values()}) if by_action else []
    return {key: actions.index(row[2]) if by_action else 0 for key, row in rows.items()}


def _mean(sums: Float[Array, "*n groups"], weights: Float[Array, "*n groups"]) -> Float[Array, "*n"]:
    """The plain mean over the groups of their weighted means; groups without a draw are left out."""
    means = np.divide(sums, weights, out=np.full(np.shape(sums), np.nan), where=weights > 0)
    return np.asarray(np.nanmean(means, axis=-1))


def _bootstrap(sums: Float[Array, "takes groups"], weights: Float[Array, "takes groups"]) -> Float[Array, " draws"]:
    rng, takes, found = np.random.default_rng(_SEED), len(sums), []
    at_once = max(1, _BLOCK // takes)
    for start in range(0, DRAWS, at_once):
        count = min(at_once, DRAWS - start)
        drawn = rng.integers(0, takes, (count, takes)) + takes * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * takes).reshape(count, takes).astype(np.float64)
        found.append(_mean(times @ sums, times @ weights))
    return np.concatenate(found)


def _sign_test(better: int, worse: int) -> float:
    """Probability that two fair sides differ at least so much, by the exact binomial distribution."""
    count, term, below = better + worse, 1, 0
    for i in range(min(better, worse) + 1):
        below += term
        term = term * (count - i) // (i + 1)  # exact: binomial coefficients are whole numbers
    return min(1.0, float(2 * below / 2**count))
