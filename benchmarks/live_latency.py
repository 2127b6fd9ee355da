"""Measure how accurate live lifting is against how long it waits: the latency-accuracy curve of ``prml live``.

    python benchmarks/live_latency.py [--json results/live_latency.json] [--figure docs/images/live_latency.png]
        [--weights prml-xs28] [--every 40] [--seconds 6]

Every n-th clip of mocap-noisy's test split (cmu and ui_prmd), seen by the benchmark's first camera with the measured
errors of a detector, is played as a camera of 25 frames/s would give it: frame by frame through
``prml.lifting.causal``. All latencies are scored on the same frames: after the first second, and with 13 more frames to
come. The last row is the whole clip lifted at once, as ``prml lift`` does without flip. "jitter" is the mean distance
of a joint from the middle of its neighbours in time, at 30 frames/s; "one-euro" rows are smoothed with the defaults of
``prml live``.
"""

import argparse
import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prml.detect.base import Detection
from prml.evaluation.metrics import mpjpe, p_mpjpe, velocity_error
from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.filters.smooth import jitter_m, one_euro
from prml.io.files import write_file
from prml.lifting.causal import CausalLifter
from prml.lifting.lifter import Lifter, load
from prml.live.settings import LiveSettings
from prml.provenance import commit, processor, versions
from prml.sequence import PoseSequence

FPS, LATENCIES, WARM_S = 25, tuple(range(14)), 1.0
SETS = ("cmu", "ui_prmd")
JOINTS = 17


class Remembering:
    """A lifter whose windows are computed once for all latencies."""

    def __init__(self, lifter: Lifter) -> None:
        self._lifter = lifter
        self._known: dict[float, tuple[PoseSequence, dict[float, np.ndarray]]] = {}
        self.card, self.output, self.network = lifter.card, lifter.output, lifter.network

    def lift_end(self, track: PoseSequence, at_s: np.ndarray) -> tuple[PoseSequence, np.ndarray]:
        """Return what the lifter does."""
        end = float(track.times_s[-1])
        if end not in self._known:
            last = track.times_s[-1 - max(LATENCIES) :]
            given, poses = self._lifter.lift_end(track, last)
            self._known[end] = given, dict(zip(last.tolist(), poses, strict=True))
        given, known = self._known[end]
        return given, np.stack([known[float(time_s)] for time_s in at_s])


def live_poses(lifter: Lifter, seen: PoseSequence) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames that have every latency's future, and their poses (latency, frame, J, 3)."""
    times, points, sure = seen.times_s, np.asarray(seen.keypoints_px), np.asarray(seen.confidence)
    assert seen.camera is not None
    windows, out = Remembering(lifter), []
    for latency in LATENCIES:
        causal = CausalLifter(windows, seen.skeleton, seen.camera, latency)  # type: ignore[arg-type]
        found = []
        for time_s, keypoints, confidence in zip(times.tolist(), points, sure, strict=True):
            causal.add(time_s, Detection(keypoints, confidence))
            found += causal.ready()
        found += causal.ready(latency=0)
        out.append(np.stack([np.asarray(frame.joints_m, np.float64) for frame in found]))
    first, last = int(np.searchsorted(times, times[0] + WARM_S)), len(times) - max(LATENCIES)
    return np.arange(first, last), np.stack(out)[:, first:last]


def scores(found: np.ndarray, true: np.ndarray, times_s: np.ndarray) -> dict[str, float]:
    """Return the figures of one clip, 17 joints."""
    a, b = (torch.from_numpy(np.ascontiguousarray(x[:, :JOINTS])) for x in (found, true))
    return {
        "mpjpe": float(mpjpe(a, b).mean()),
        "p_mpjpe": float(p_mpjpe(a, b).mean()),
        "velocity": float(velocity_error(a, b).mean()),
        "jitter": 1000 * jitter_m(found[:, :JOINTS], times_s),
    }


def clip_rows(lifter: Lifter, true: PoseSequence) -> list[dict[str, Any]]:
    """Return a row per latency, raw and smoothed, and one for the whole clip."""
    seen = true.with_(joints_m=None)
    frames, poses = live_poses(lifter, seen)
    at, settings = true.times_s[frames], LiveSettings()
    target = np.asarray(true.relative_to_root().joints_m, np.float64)[frames]
    rows = []
    for latency, found in zip(LATENCIES, poses, strict=True):
        smooth = one_euro(found, at, settings.cutoff, settings.slope)
        rows.append({"latency": latency, "filter": "none", **scores(found, target, at)})
        rows.append({"latency": latency, "filter": "one-euro", **scores(smooth, target, at)})
    whole = np.asarray(lifter.lift(seen).joints_m, np.float64)[frames]
    rows.append({"latency": None, "filter": "none", **scores(whole, target, at)})
    return [row | {"frames": len(frames)} for row in rows]


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean of one latency's rows over clips, weighted by their frames."""
    weight = np.array([row["frames"] for row in rows], float)
    names = ("mpjpe", "p_mpjpe", "velocity", "jitter")
    figures = {name: round(float(np.average([row[name] for row in rows], weights=weight)), 2) for name in names}
    latency = rows[0]["latency"]
    wait = None if latency is None else round(1000 * latency / FPS)
    return {"latency_frames": latency, "latency_ms": wait, "filter": rows[0]["filter"]} | figures


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw error and jitter against the wait."""
    from prml.report.figures import COLOURS, MARKERS, new_figure, style, to_bytes

    figure = new_figure(7.2, 2.9)
    axes = figure.subplots(1, 2)
    for plot, name, label in ((axes[0], "mpjpe", "MPJPE, mm"), (axes[1], "jitter", "jitter, mm")):
        for colour, marker, kind in zip(COLOURS, MARKERS, ("none", "one-euro"), strict=False):
            rows = [row for row in result["rows"] if row["filter"] == kind and row["latency_frames"] is not None]
            told = "as lifted" if kind == "none" else "One-Euro"
            x, y = [row["latency_ms"] for row in rows], [row[name] for row in rows]
            plot.plot(x, y, color=colour, marker=marker, markersize=3.5, linewidth=1.3, label=told)
        whole = next(row for row in result["rows"] if row["latency_frames"] is None)
        plot.axhline(whole[name], color="#777777", linewidth=1, linestyle="--", label="the whole clip at once")
        plot.set_ylim(bottom=0 if name == "jitter" else None)
        style(plot, label, "wait for later frames, ms")
    axes[0].legend(fontsize=7, frameon=False)
    write_file(path, to_bytes(figure, path.suffix[1:]), True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="result file to write")
    parser.add_argument("--figure", type=Path, help="figure to write (.svg or .png)")
    parser.add_argument("--draw", type=Path, metavar="RESULT", help="only draw the figure of a result file")
    parser.add_argument("--weights", default="prml-xs28")
    parser.add_argument("--every", type=int, default=40, help="every n-th clip of the split")
    parser.add_argument("--seconds", type=float, default=6.0, help="of every clip")
    given = parser.parse_args()
    if given.draw:
        draw(json.loads(given.draw.read_text()), given.figure)
        return
    torch.set_num_threads(1)
    lifter, rows = load(given.weights, flip=False), list[list[dict[str, Any]]]()
    for true in islice(benchmark_sequences(SETS, True, cameras=1, skeleton=lifter.skeleton), 0, None, given.every):
        step = max(1, round(true.fps / FPS))
        short = true.take(np.arange(0, min(len(true), round(given.seconds * true.fps)), step))
        if short.times_s[-1] - short.times_s[0] < WARM_S + max(LATENCIES) / FPS + 0.4:
            continue
        rows.append(clip_rows(lifter, short))
        print(f"{true.name}: {rows[-1][0]['mpjpe']:.1f} mm at once, {rows[-1][-1]['mpjpe']:.1f} whole", flush=True)
    result = {
        "what": "error of live lifting against the wait, mm; see benchmarks/live_latency.py",
        "weights": lifter.card.name,
        "weights_sha256": lifter.card.sha256,
        "data": f"every {given.every}th clip of the test split of {', '.join(SETS)}, {given.seconds:g} s of each",
        "clips": len(rows),
        "frames": sum(clip[0]["frames"] for clip in rows),
        "fps": FPS,
        "one_euro": {"cutoff_hz": LiveSettings().cutoff, "slope": LiveSettings().slope},
        "commit": commit(),
        "versions": versions(),
        "processor": processor(),
        "rows": [mean(list(column)) for column in zip(*rows, strict=True)],
    }
    for row in result["rows"]:
        print(row)
    if given.json:
        write_file(given.json, json.dumps(result, indent=1) + "\n", True)
    if given.figure:
        draw(result, given.figure)


if __name__ == "__main__":
    main()
