"""One evaluation on several devices: this process reads the sequences, one process per device lifts and scores them.

Every sequence is read once. A device that has finished gets the next one, so that devices of unlike speed work to the
end; the scores are sums over sequences and do not depend on who scored which.
"""

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from prml.errors import PrmlError
from prml.evaluation.run import Change, Evaluation
from prml.evaluation.scoring import Tally
from prml.progress import timed
from prml.sequence import PoseSequence

if TYPE_CHECKING:
    from prml.evaluation.predictor import LifterPredictor
    from prml.evaluation.protocols.base import EvaluationProtocol

_AHEAD = 2  # sequences that a device has or that wait for it
_STOP_S = 5.0


class _Scorer:
    """A process that lifts and scores on one device.

    Attributes:
        device: as given, and once it has begun with the name of its hardware.
        waiting: sequences that it has not scored yet.
        frames: that it has scored.
        share: its tally and seconds, at the end.
    """

    def __init__(self, work: bytes, device: str, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks and could not use CUDA
        self.pipe, child = context.Pipe()
        self.process = context.Process(
            target=_score, args=(child, work, device, threads), name="prml-evaluate", daemon=True
        )
        self.process.start()
        child.close()
        self.device, self.waiting, self.frames = device, 0, 0
        self.share: tuple[Tally, dict[str, float]] | None = None

    def send(self, sequence: PoseSequence | None) -> None:
        """Give it a sequence, or None: there are no more."""
        self.waiting += sequence is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # its end is noticed when its answer is read
            self.pipe.send(sequence)

    def read(self) -> None:
        """Take its next message; raise PrmlError if it has failed or died."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(_STOP_S)
            code = self.process.exitcode
            how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
            raise PrmlError(f"the process that scored on {self.device} {how}; give fewer devices") from None
        if kind == "error":
            raise PrmlError(value)
        if kind == "began":
            self.device = value
        elif kind == "scored":
            self.waiting, self.frames = self.waiting - 1, value
        else:
            self.share = value

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join(_STOP_S)
        self.pipe.close()


def evaluate_on(
    devices: Sequence[str],
    predictor: "LifterPredictor",
    protocol: "EvaluationProtocol",
    sequences: Iterable[PoseSequence],
    *,
    change: Change | None = None,
    progress: Callable[[Evaluation], None] | None = None,
) -> tuple[Evaluation, str]:
    """Score a lifter on several devices; returns the scores and what the devices are.

    Args:
        devices: one process for each; a device named twice gets two.
        predictor: its lifter is copied to every device.
        protocol: the rules.
        sequences: of the protocol.
        change: as for :func:`prml.evaluation.run.evaluate`.
        progress: called after every sequence with the number of frames scored so far.

    Raises:
        PrmlError: a device is not there, a prediction cannot be scored, or a process died.
    """
    work = pickle.dumps((predictor.at("cpu"), protocol, change))
    threads = max(1, (os.cpu_count() or 1) // len(devices))
    total = Evaluation(protocol)
    scorers = [_Scorer(work, device, threads) for device in devices]
    try:
        for scorer in scorers:
            scorer.read()  # that its device is there
        _share_out(scorers, timed(iter(sequences), total.seconds, "data"), protocol, progress)
        for scorer in scorers:
            scorer.send(None)
        for scorer in scorers:
            while scorer.share is None:
                scorer.read()
            tally, seconds = scorer.share
            total.merge(Evaluation(protocol, tally, seconds))
    finally:
        for scorer in scorers:
            scorer.stop()
    return total, ", ".join(scorer.device for scorer in scorers)


def _share_out(
    scorers: Sequence[_Scorer],
    sequences: Iterable[PoseSequence],
    protocol: "EvaluationProtocol",
    progress: Callable[[Evaluation], None] | None,
) -> None:
    """Give every sequence to the device that has the fewest.

    Those of one name go to the same device, which tells them apart.
    """
    by_name: dict[str, _Scorer] = {}

    def read_one() -> None:
        ready: list[Any] = wait([s.pipe for s in scorers])
        next(s for s in scorers if s.pipe is ready[0]).read()
        if progress is not None:
            progress(Evaluation(protocol, Tally(frames=sum(s.frames for s in scorers))))

    for sequence in sequences:
        while min(s.waiting for s in scorers) >= _AHEAD:
            read_one()
        scorer = by_name.setdefault(sequence.name, min(scorers, key=lambda s: s.waiting))
        scorer.send(sequence)
    while any(s.waiting for s in scorers):
        read_one()


def _score(pipe: Connection, work: bytes, device: str, threads: int) -> None:
    """Score what comes through the pipe until None comes, or the parent process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    import torch

    from prml.device import device_name
    from prml.evaluation.run import score_sequence

    torch.set_num_threads(threads)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            predictor, protocol, change = pickle.loads(work)  # made by the parent process
            predictor, evaluation = predictor.at(device), Evaluation(protocol)
            pipe.send(("began", device_name(predictor.lifter.device)))
            while (sequence := pipe.recv()) is not None:
                score_sequence(evaluation, sequence, predictor, change=change)
                pipe.send(("scored", evaluation.tally.frames))
            pipe.send(("share", (evaluation.tally, evaluation.seconds)))
        except PrmlError as error:
            pipe.send(("error", str(error)))
