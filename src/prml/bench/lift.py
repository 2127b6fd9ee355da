"""Speed of ``prml lift`` relative to MediaPipe's own loop: what ``prml bench --video`` measures."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from prml.bench.memory import PeakMemory
from prml.cores import physical_cores
from prml.errors import PrmlError
from prml.media.loop import loop_video
from prml.weights import DEFAULT

SECONDS, ROUNDS = 20.0, 7
MIB = 1 << 20
_LIFT = "from prml.pipeline.lift import lift; seconds = lift(video, out, weights=weights, {}).seconds"
_RUNS = {
    "mediapipe": "from prml.bench.single_stream import single_stream; single_stream(video); seconds = {}",
    "one job": _LIFT.format("overlay=False, viewer=False, jobs=1"),
    "poses": _LIFT.format("overlay=False, viewer=False"),
    "everything": _LIFT.format(""),
    "fast": _LIFT.format("overlay=False, viewer=False, quality='fast'"),
}
_DESCRIPTION = {
    "mediapipe": "MediaPipe's own loop",
    "one job": "end to end without overlay and viewer, one job",
    "poses": "end to end without overlay and viewer",
    "everything": "end to end with overlay and viewer",
    "fast": "end to end without overlay and viewer, quality fast",
}
BARS = {"poses": 1.6, "everything": 1.2, "fast": 3.0}  # frames/s, as a multiple of MediaPipe's own loop
MEMORY_BAR = 1.3  # peak memory per job, as a multiple of that of one job


def bench_lift(
    video: Path, *, weights: str = DEFAULT, seconds: float = SECONDS, rounds: int = ROUNDS
) -> dict[str, Any]:
    """Measure ``prml lift`` relative to MediaPipe's own loop, on a clip of the video's frames played back and forth.

    Each run is a separate process, so loading time is included. The kinds take turns, and the median of each counts.

    Args:
        video: video to take the frames from.
        weights: bundled name or path of a record.
        seconds: length of the clip.
        rounds: runs of each kind.

    Returns:
        clip, clip_s, frames, weights, jobs, rounds; for each kind of run: ``frames_per_second``, ``seconds``,
        ``cpu_seconds``, ``peak_mib``, ``stages`` in seconds (``start`` is the time outside all stages, such as loading
        libraries) of the median run, ``all_seconds``, ``of_mediapipe``; and ``bars``.

    Raises:
        PrmlError: the video or the weights cannot be used.
    """
    if rounds < 1:
        raise PrmlError(f"at least one round is needed, got {rounds}")
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        frames = loop_video(video, clip, seconds)
        taken: dict[str, list[dict[str, Any]]] = {kind: [] for kind in _RUNS}
        for number in range(rounds):
            for kind in _RUNS:
                taken[kind].append(_run(kind, clip, Path(folder) / f"{kind}{number}", weights))
    typical = {kind: _typical(runs) for kind, runs in taken.items()}
    for run in typical.values():
        run |= {
            "frames_per_second": frames / run["seconds"],
            "of_mediapipe": typical["mediapipe"]["seconds"] / run["seconds"],
        }
    made = {"video": video.name, "looped": True, "clip_s": seconds, "frames": frames, "weights": weights}
    made |= {"jobs": physical_cores(), "rounds": rounds}
    return made | {"runs": typical} | {"bars": bars(typical, physical_cores())}


def _typical(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run of median time, with the times of all."""
    times = [run["seconds"] for run in runs]
    middle = min(runs, key=lambda run: abs(run["seconds"] - median(times)))
    return {**middle, "peak_mib": max(run["peak_mib"] for run in runs), "all_seconds": [round(s, 3) for s in times]}


def _run(kind: str, video: Path, out: Path, weights: str) -> dict[str, Any]:
    """Run once in a fresh process; return wall time, CPU time, peak memory and the seconds of each stage."""
    code = f"import json, sys; _, video, out, weights = sys.argv; {_RUNS[kind]}; print(json.dumps(seconds))"
    before, started = os.times(), perf_counter()
    words = [sys.executable, "-c", code, str(video), str(out), weights]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        memory = PeakMemory(process.pid)
        said, errors = process.communicate()
    whole, after = perf_counter() - started, os.times()
    peak = memory.stop()
    if process.returncode:
        raise PrmlError(f"lifting {video.name} failed: {(errors.strip() or 'no reason given').splitlines()[-1]}")
    stages: dict[str, float] = json.loads(said.splitlines()[-1])
    start = whole - sum(stages.values())
    cpu = sum(after[i] - before[i] for i in (2, 3))
    told = {"seconds": whole, "cpu_seconds": cpu, "peak_mib": round(peak / MIB)}
    return told | {"stages": {"start": start, **stages} if stages else {}}


def bars(runs: dict[str, dict[str, Any]], jobs: int) -> list[dict[str, Any]]:
    """Return each limit, the measured value and whether it is met."""
    rows: list[dict[str, Any]] = [
        {
            "bar": f"lift {_DESCRIPTION[kind]}: frames/s relative to MediaPipe's own loop, at least",
            "measured": runs[kind]["of_mediapipe"],
            "limit": limit,
            "met": runs[kind]["of_mediapipe"] >= limit,
        }
        for kind, limit in BARS.items()
    ]
    alone = runs["one job"]["peak_mib"]
    if alone:  # the system tells
        share = runs["poses"]["peak_mib"] / alone / jobs
        words = f"lift {_DESCRIPTION['poses']}: peak memory per job relative to one job, at most"
        rows.append({"bar": words, "measured": share, "limit": MEMORY_BAR, "met": share <= MEMORY_BAR})
    return rows


def summary(record: dict[str, Any]) -> Sequence[str]:
    """Return the record as lines of text."""
    said = [
        f"lift {record['video']}, played back and forth for {record['clip_s']:g} s ({record['frames']} frames), "
        f"{record['weights']}, {record['jobs']} jobs; median of {record['rounds']}"
    ]
    for kind, words in _DESCRIPTION.items():
        run = record["runs"][kind]
        stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in run["stages"].items())
        stages = f"; s: {stages}" if stages else ""
        said.append(
            f"  {words}: {run['frames_per_second']:.1f} frames/s, {run['of_mediapipe']:.2f} times the loop's; "
            f"{run['cpu_seconds']:.1f} s of processor time, {run['peak_mib']} MiB{stages}"
        )
    said += [
        f"bar: {bar['bar']} {bar['limit']:.2f}; measured {bar['measured']:.2f}: {'met' if bar['met'] else 'not met'}"
        for bar in record["bars"]
    ]
    return said
