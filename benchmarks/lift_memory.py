"""Check that ``prml lift`` needs no more memory for a long video than for a short one.

    python benchmarks/lift_memory.py [--json results/lift_memory.json] [--short 20] [--long 600]

Loops the example clip into two videos of the same size and frame rate, lifts each in a separate process with the
default outputs, and compares the peaks of resident memory (as reported by the kernel). Limit: 1.5 times. The long video
takes at least its playing time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from prml.io.files import write_file
from prml.media.loop import loop_video
from prml.provenance import commit, processor, versions

BAR = 1.5
CLIP = Path(__file__).parents[1] / "examples" / "jump.mp4"


def measure(video: Path, frames: int, folder: Path, more: list[str]) -> dict[str, Any]:
    """Lift a video in a separate process; return peak resident memory in MB, seconds, and bytes of each file."""
    started = perf_counter()
    words = [sys.executable, "-m", "prml.cli", "lift", str(video), "--out", str(folder), *more]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"prml lift failed on {video.name}")
    return {
        "frames": frames,
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
        "seconds": round(perf_counter() - started, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "bytes": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, default=CLIP, help="clip to make the videos from")
    parser.add_argument("--short", type=float, default=20, help="seconds")
    parser.add_argument("--long", type=float, default=600, help="seconds")
    parser.add_argument("--model", default="full", help="the detector's model")
    parser.add_argument("--json", type=Path, help="file for the results; overwritten")
    given = parser.parse_args()
    made: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for length, seconds in (("short", given.short), ("long", given.long)):
            video = Path(name) / f"{length}.mp4"
            frames = loop_video(given.video, video, seconds)
            made[length] = {"video_s": seconds, **measure(video, frames, Path(name) / length, ["--model", given.model])}
            print(length, json.dumps(made[length]), flush=True)
    ratio = made["long"]["peak_mb"] / made["short"]["peak_mb"]
    record = {
        "clip": given.video.name,
        "detector_model": given.model,
        **made,
        "ratio": round(ratio, 3),
        "bar": BAR,
        "met": ratio <= BAR,
        "commit": commit(),
        "versions": versions(),
        "processor": processor(),
    }
    print(
        f"{ratio:.2f} times the memory for {given.long / given.short:.0f} times the length: bar {BAR} "
        f"{'met' if ratio <= BAR else 'not met'}"
    )
    if given.json:
        write_file(given.json, json.dumps(record, indent=1) + "\n", overwrite=True)


if __name__ == "__main__":
    main()
