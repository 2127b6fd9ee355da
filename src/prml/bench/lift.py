"""Speed of ``prml lift`` relative to its detector alone: what ``prml bench --video`` measures."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from prml.errors import PrmlError
from prml.media.loop import loop_video
from prml.weights import DEFAULT

SECONDS = 20.0
BARS = {"poses": 0.85, "everything": 0.5}  # frames/s, as a share of the detector's alone
_DESCRIPTION = {"poses": "without overlay and viewer", "everything": "with overlay and viewer"}
_RUNS = {
    "detector": "from prml.detect.run import detect; detect(video); seconds = {}",
    "poses": "from prml.pipeline.lift import lift; "
    "seconds = lift(video, out, weights=weights, overlay=False, viewer=False).seconds",
    "everything": "from prml.pipeline.lift import lift; seconds = lift(video, out, weights=weights).seconds",
}


def bench_lift(video: Path, *, weights: str = DEFAULT, seconds: float = SECONDS, rounds: int = 2) -> dict[str, Any]:
    """Measure ``prml lift`` relative to its detector alone, on a clip of the video's frames played back and forth.

    Each run is a separate process, so loading time is included. The three kinds alternate, and the fastest run of each
    counts.

    Args:
        video: video to take the frames from.
        weights: bundled name or path of a record.
        seconds: length of the clip.
        rounds: runs of each kind.

    Returns:
        clip, clip_s, frames, weights; for each of detector, poses (end to end without overlay and viewer) and
        everything: ``frames_per_second``, ``seconds``, ``cpu_seconds``, ``stages`` in seconds (``start`` is the time
        outside all stages, such as loading libraries), ``of_detector``; and ``bars``.

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
    best = {kind: min(runs, key=lambda run: run["seconds"]) for kind, runs in taken.items()}
    for run in best.values():
        run |= {
            "frames_per_second": frames / run["seconds"],
            "of_detector": best["detector"]["seconds"] / run["seconds"],
        }
    made = {"video": video.name, "looped": True, "clip_s": seconds, "frames": frames, "weights": weights}
    return made | {"rounds": rounds} | best | {"bars": bars(best)}


def _run(kind: str, video: Path, out: Path, weights: str) -> dict[str, Any]:
    """Run once in a fresh process; return wall time, CPU time and the seconds of each stage."""
    code = f"import json, sys; _, video, out, weights = sys.argv; {_RUNS[kind]}; print(json.dumps(seconds))"
    before, started = os.times(), perf_counter()
    words = [sys.executable, "-c", code, str(video), str(out), weights]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    whole, after = perf_counter() - started, os.times()
    if done.returncode:
        raise PrmlError(f"lifting {video.name} failed: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}")
    stages: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    start = whole - sum(stages.values())
    cpu = sum(after[i] - before[i] for i in (2, 3))
    return {"seconds": whole, "cpu_seconds": cpu, "stages": {"start": start, **stages} if stages else {}}


def bars(runs: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each limit, the measured value and whether it is met."""
    return [
        {
            "bar": f"lift {_DESCRIPTION[kind]}: frames/s as a share of the detector's alone, at least",
            "measured": runs[kind]["of_detector"],
            "limit": limit,
            "met": runs[kind]["of_detector"] >= limit,
        }
        for kind, limit in BARS.items()
    ]


def summary(record: dict[str, Any]) -> Sequence[str]:
    """Return the record as lines of text."""
    said = [
        f"lift {record['video']}, played back and forth for {record['clip_s']:g} s ({record['frames']} frames), "
        f"{record['weights']}: detector alone {record['detector']['frames_per_second']:.1f} frames/s"
    ]
    for kind, words in _DESCRIPTION.items():
        run = record[kind]
        stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in run["stages"].items())
        said.append(
            f"  end to end {words}: {run['frames_per_second']:.1f} frames/s, {run['of_detector']:.2f} of it "
            f"({run['cpu_seconds'] / record['detector']['cpu_seconds']:.2f} times its CPU time); s: {stages}"
        )
    said += [
        f"bar: {bar['bar']} {bar['limit']:.2f}; measured {bar['measured']:.2f}: {'met' if bar['met'] else 'not met'}"
        for bar in record["bars"]
    ]
    return said
