"""How much faster two workers lift many videos than one, and what that makes for many machines.

    python benchmarks/scale.py              # writes results/scale.json, some minutes

The same copies of the example clip are lifted by ``prml.lift_many``, in turns: by one worker on one core, by two
workers on two cores, and by one worker on two cores, which looks for the person in two processes. The ratio of the
medians of the first two is what counts: it is what a worker more gains where the disk and memory are shared.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from prml.cores import physical_cores
from prml.pipeline.batch import lift_many
from prml.provenance import commit, processor, versions

CLIP = Path(__file__).parents[1] / "examples" / "jump.mp4"
RESULT = Path(__file__).parents[1] / "results" / "scale.json"
FRAMES, FPS = 108, 30.0


def seconds_of(inputs: list[Path], jobs: int, on: set[int], settings: dict[str, Any]) -> tuple[float, float]:
    """Wall time of a batch in a new folder on some cores, and the median of the seconds of its lifts."""
    before = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="prml-scale-") as out:
        os.sched_setaffinity(0, on)  # the workers inherit it
        try:
            started = time.perf_counter()
            rows = lift_many(inputs, out, jobs=jobs, **settings)
            wall_s = time.perf_counter() - started
        finally:
            os.sched_setaffinity(0, before)
    if failed := [row.error for row in rows if row.status != "done"]:
        raise SystemExit(failed[0])
    return wall_s, statistics.median(row.seconds for row in rows)


def measure(videos: int, rounds: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Rows for one and two workers, measured in turns."""
    known = sorted(os.sched_getaffinity(0))[:2]
    if len(known) < 2:
        raise SystemExit("this needs two cores")
    cases = [(1, known[:1]), (2, known), (1, known)]
    with tempfile.TemporaryDirectory(prefix="prml-scale-") as folder:
        inputs = [Path(shutil.copy(CLIP, Path(folder) / f"{number}.mp4")) for number in range(videos)]
        seconds_of(inputs[:1], 1, set(known), settings)  # what the first run reads from disk
        times: list[list[tuple[float, float]]] = [[], [], []]
        for turn in range(rounds):
            for number in range(3) if turn % 2 == 0 else reversed(range(3)):
                jobs, on = cases[number]
                times[number].append(seconds_of(inputs, jobs, set(on), settings))
    rows = [_row(jobs, len(on), videos, measured) for (jobs, on), measured in zip(cases, times, strict=True)]
    ratio = rows[0]["seconds"] / rows[1]["seconds"]
    return {"rows": rows, "ratio": round(ratio, 3), "efficiency": round(ratio / 2, 3)}


def _row(jobs: int, on: int, videos: int, measured: list[tuple[float, float]]) -> dict[str, Any]:
    wall_s = statistics.median(wall for wall, _ in measured)
    lift_s = statistics.median(lift for _, lift in measured)
    return {
        "workers": jobs,
        "cores": on,
        "seconds": round(wall_s, 2),
        "range": [round(min(measured)[0], 2), round(max(measured)[0], 2)],
        "seconds_per_lift": round(lift_s, 2),
        "start_s": round(wall_s - lift_s * videos / jobs, 2),
        "frames_per_s": round(videos * FRAMES / wall_s, 1),
        "video_hours_per_hour": round(videos * FRAMES / FPS / wall_s, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=8, help="copies of the example clip in a batch")
    parser.add_argument("--rounds", type=int, default=3, help="batches of each size, in turns")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    settings = {"weights": "prml-xs28"}
    record = {
        "schema": "prml.scale/1",
        "input": {"clip": CLIP.name, "frames": FRAMES, "size": [672, 496], "videos": given.videos},
        "settings": settings,
        "rounds": given.rounds,
        "physical_cores": physical_cores(),
        "processor": processor(),
        "commit": commit(),
        "versions": versions(),
        "measured": measure(given.videos, given.rounds, settings),
    }
    given.out.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record["measured"], indent=1))


if __name__ == "__main__":
    main()
