"""Score a predictor under a protocol, streaming: one sequence in memory at a time."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float

from prml.errors import PrmlError
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.protocols.known_factor import KnownFactorSpace
from prml.evaluation.scoring import Scored, Scores, Tally, joined, scores, values_of, with_motion_rules
from prml.progress import timed
from prml.sequence import PoseSequence
from prml.threads import in_order

Predictor = Callable[[PoseSequence], Float[np.ndarray, "T 17 3"]]
"""Maps a sequence without ground truth to root-relative metres in the camera frame (or the protocol's space)."""

DEFAULT_WINDOW = 243


@runtime_checkable
class Windowed(Protocol):
    """A predictor that knows its network's window, as those of :func:`prml.evaluation.predictor.predictor_of` do."""

    @property
    def one_pose(self) -> bool:
        """Whether the network returns one pose per window."""
        ...

    def window_at(self, fps: float) -> int:
        """Return the number of frames of a video at ``fps`` that fill the network's window."""
        ...


@dataclass
class Evaluation:
    """Accumulated scores and the time they took.

    Attributes:
        protocol: the rules.
        tally: sums and counts.
        seconds: wall time for "data", "network" (the predictor) and "metrics".
        limit: maximum number of clips read; None for a full score.
    """

    protocol: EvaluationProtocol
    tally: Tally = field(default_factory=Tally)
    seconds: dict[str, float] = field(default_factory=lambda: {"data": 0.0, "network": 0.0, "metrics": 0.0})
    limit: int | None = None

    @property
    def scores(self) -> Scores:
        """Means under the protocol's rules; raises PrmlError if nothing was scored."""
        return scores(self.tally, self.protocol)

    def merge(self, other: "Evaluation") -> None:
        """Add the share of another process, with the larger times; raise PrmlError if its protocol differs."""
        if other.protocol.id != self.protocol.id:
            raise PrmlError(f"cannot merge scores of {self.protocol.id} with scores of {other.protocol.id}")
        self.tally.merge(other.tally)
        self.seconds = {k: max(v, other.seconds[k]) for k, v in self.seconds.items()}


def hide_truth(sequence: PoseSequence) -> PoseSequence:
    """Remove what a predictor must not see: 3D joints and the dataset's ``truth``."""
    return sequence.with_(joints_m=None, root_relative=False, std_m=None, truth=None)


def _checked(prediction: Any, sequence: PoseSequence) -> np.ndarray:
    joints = np.asarray(prediction, dtype=np.float64)
    wanted = (len(sequence), len(sequence.skeleton), 3)
    if joints.shape != wanted:
        raise PrmlError(f"{sequence.name}: a prediction must be {wanted} metres, got {joints.shape}")
    if not np.isfinite(joints).all():
        bad = int((~np.isfinite(joints)).any((1, 2)).sum())
        raise PrmlError(f"{sequence.name}: the prediction has NaN or infinity in {bad} of {len(joints)} frames")
    return joints


def compare(sequence: PoseSequence, seen: PoseSequence, prediction: np.ndarray, rules: EvaluationProtocol) -> Scored:
    """Return prediction and target under the rules, with their projections if a metric of the rules needs them.

    Args:
        sequence: with its truth.
        seen: what the predictor saw of it.
        prediction: (T, J, 3) metres, as predicted.
        rules: of space and root.

    Raises:
        PrmlError: the sequence lacks what the rules need.
    """
    joints = rules.root.apply(rules.space.prediction(prediction, seen), sequence.skeleton.root)
    target = rules.space.target(sequence)
    pair: list[torch.Tensor | None] = [None, None]
    if {"pckh", "reprojection"} & set(rules.metrics):
        images = [rules.space.image(j, sequence) for j in (joints, target)]
        pair = [None if px is None else torch.from_numpy(np.asarray(px, dtype=np.float64)) for px in images]
    return Scored(torch.from_numpy(joints), torch.from_numpy(target), pair[0], pair[1], rules.joints)


def _groups(sequence: PoseSequence, protocol: EvaluationProtocol) -> list[str]:
    action = protocol.actions.canonical(sequence.action) if protocol.actions else sequence.action
    labels = {"action": action, "source": sequence.source, "subject": sequence.subject}
    return ["all", *(f"{kind}:{name}" for kind, name in labels.items() if name)]


def _metric_names(protocol: EvaluationProtocol) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*protocol.metrics, "x", "y", "z")))


Change = Callable[[PoseSequence], PoseSequence]
"""A change applied to a sequence before it is lifted (see ``prml.studies.robustness``)."""


def prepared(sequence: PoseSequence, rules: EvaluationProtocol) -> PoseSequence:
    """Return the sequence with the 2D that the network may see, and what the rules' space needs; its truth is kept."""
    ready = rules.keypoints.apply(sequence)
    return rules.space.prepare(ready) if isinstance(rules.space, KnownFactorSpace) else ready


def predictions(
    sequence: PoseSequence, predictor: Predictor, rules: EvaluationProtocol, window: int | None
) -> Iterator[tuple[PoseSequence, PoseSequence, np.ndarray, float]]:
    """Yield for every cut: the sequence with and without ground truth, the prediction, and the seconds it took."""
    known = predictor if isinstance(predictor, Windowed) else None
    if window is None:
        window = known.window_at(sequence.fps) if known else DEFAULT_WINDOW
    start, whole = time.perf_counter(), None
    if not rules.windows.alone(known is not None and known.one_pose):
        whole = _checked(predictor(hide_truth(sequence)), sequence)
    for rows in rules.windows.cuts(len(sequence), window):
        part = sequence.take(rows)
        seen = hide_truth(part)
        prediction = _checked(predictor(seen), part) if whole is None else whole[rows]
        yield part, seen, prediction, time.perf_counter() - start
        start = time.perf_counter()


@dataclass
class _Judged:
    """What one sequence adds to an evaluation: the frames and values of every cut, values of the whole, seconds."""

    sequence: PoseSequence
    cuts: list[tuple[int, dict[str, torch.Tensor]]] = field(default_factory=list)
    whole: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"network": 0.0, "metrics": 0.0})

    def add_to(self, evaluation: Evaluation, workers: int = 1) -> None:
        """Add to the sums; of the seconds so many workers spent at the same time."""
        protocol, tally = evaluation.protocol, evaluation.tally
        groups = [*_groups(self.sequence, protocol), tally.new_sequence(self.sequence)]
        for frames, values in self.cuts:
            tally.frames += frames
            tally.add(groups, values)
        tally.add(groups, self.whole)
        tally.sequences += 1
        for stage, spent in self.seconds.items():
            evaluation.seconds[stage] += spent / workers


def score_sequence(
    evaluation: Evaluation,
    sequence: PoseSequence,
    predictor: Predictor,
    window: int | None = None,
    change: Change | None = None,
) -> None:
    """Add one sequence to an evaluation; raise PrmlError if a prediction cannot be scored."""
    _judge(evaluation.protocol, sequence, predictor, window, change).add_to(evaluation)


def _judge(
    protocol: EvaluationProtocol,
    sequence: PoseSequence,
    predictor: Predictor,
    window: int | None,
    change: Change | None,
) -> _Judged:
    """Lift one sequence and compute its metrics."""
    judged = _Judged(sequence)
    ready = prepared(sequence, protocol)
    ready = ready if change is None else change(ready)
    names = tuple(n for n in _metric_names(protocol) if n != "velocity" or not protocol.velocity.over_video)
    cuts = list[Scored]()
    for part, seen, prediction, seconds in predictions(ready, predictor, protocol, window):
        start = time.perf_counter()
        scored = compare(part, seen, prediction, protocol)
        if (chosen := protocol.frames.scored(part)) is not None:
            scored = scored.frames(chosen)
        if protocol.velocity.over_video:
            cuts.append(scored)
        values, frames = values_of(scored, names), len(scored.target)
        judged.cuts.append((frames, with_motion_rules(values, frames, protocol.velocity, protocol.acceleration)))
        judged.seconds["network"] += seconds
        judged.seconds["metrics"] += time.perf_counter() - start
    start = time.perf_counter()
    if protocol.velocity.over_video and cuts:
        whole = joined(cuts)
        values = values_of(whole, ("velocity",))
        values = with_motion_rules(values, len(whole.target), protocol.velocity, protocol.acceleration)
        judged.whole = {"velocity": values["velocity"]}
    judged.seconds["metrics"] += time.perf_counter() - start
    return judged


def evaluate(
    predictor: Predictor,
    protocol: EvaluationProtocol,
    *,
    data: Path | None = None,
    limit: int | None = None,
    window: int | None = None,
    shard: tuple[int, int] = (0, 1),
    change: Change | None = None,
    progress: Callable[[Evaluation], None] | None = None,
    workers: int = 1,
) -> Evaluation:
    """Score a predictor.

    Args:
        predictor: maps a sequence without 3D to (T, 17, 3) root-relative metres in the protocol's space.
        protocol: the rules.
        data: folder or file with the data; None for the default location (motion capture only).
        limit: maximum number of clips, for a quick look; such a result is marked as incomplete.
        window: frames of the video per cut, for protocols that cut windows by the network's T; None for the
            predictor's window, or 243 if it has none (see :class:`Windowed`).
        shard: (rank, processes): score every ``processes``-th sequence, starting at ``rank``; see :func:`gather`.
        change: applied to every sequence before it is lifted (robustness).
        progress: called after every sequence.
        workers: threads that each lift a sequence, for a predictor that threads may share. Torch computes with one
            thread in each, which wastes less than many threads in one small product; the sums keep their order.

    Raises:
        PrmlError: data cannot be read, a prediction cannot be scored, or ``limit`` is less than 1.
    """
    if limit is not None and limit < 1:
        raise PrmlError(f"limit must be at least 1, got {limit}")
    evaluation = Evaluation(protocol, limit=limit)
    share = islice(protocol.sequences(data, limit), shard[0], None, shard[1])
    judge = partial(_judge, protocol, predictor=predictor, window=window, change=change)
    for judged in in_order(judge, timed(share, evaluation.seconds, "data"), workers):
        judged.add_to(evaluation, workers)
        if progress is not None:
            progress(evaluation)
    return evaluation


def gather(evaluation: Evaluation) -> Evaluation:
    """Sum evaluations over all processes of torch.distributed, on every process; unchanged if there is only one."""
    import torch.distributed as dist

    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return evaluation
    shares: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(shares, (evaluation.tally, evaluation.seconds))
    total = Evaluation(evaluation.protocol, limit=evaluation.limit)
    for tally, seconds in shares:
        total.merge(Evaluation(evaluation.protocol, tally, seconds))
    return total
