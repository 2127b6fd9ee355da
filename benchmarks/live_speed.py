"""Measure how fast ``prml live`` is and how far behind: a file played in real time, as a user runs it.

    python benchmarks/live_speed.py [--json results/live_speed.json] [--seconds 60] [--latency 2] [--cores 2]

The example clip, forwards and backwards, is played in real time for a minute on the first cores of this machine, for
each set of outputs in turn. A frame's delay runs from the moment at which the clip shows it (its time on the clock of
the player) until its line is written: it includes decoding, the detector, the later frames that a pose waits for
(latency times the step of the clip, stated beside it), lifting and smoothing. Drops are frames that the detector had no
time for. The first three seconds, in which things are loaded, do not count.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from prml.io.files import write_file
from prml.media.loop import loop_video
from prml.media.read import probe
from prml.provenance import commit, processor, versions

CLIP = Path(__file__).parents[1] / "examples" / "jump.mp4"
WARM_S = 3.0
OUTPUTS = {
    "JSON lines": ["--no-window"],
    "JSON lines, VMC": ["--no-window", "--vmc", "127.0.0.1:39540"],
    "JSON lines, VMC, page with pictures": ["--vmc", "127.0.0.1:39540", "--port", "8798"],
}


def watch(port: int) -> subprocess.Popen[bytes]:
    """Start a client that reads records with pictures, as the page does."""
    code = (
        "import time\nfrom websockets.sync.client import connect\n"
        f"end = time.time() + 60\nwhile time.time() < end:\n    try:\n        c = connect('ws://127.0.0.1:{port}/live?pictures')\n"
        "        break\n    except OSError:\n        time.sleep(0.2)\n[None for _ in c]\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


def measure(clip: Path, latency: int, options: list[str], rate: float) -> dict[str, Any]:
    """Run once; return the rate, the drops and the delays."""
    command = [sys.executable, "-m", "prml", "live", str(clip), "--realtime", "--json", "-", "--latency", str(latency)]
    client = watch(8798) if "--port" in options else None
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    finally:
        if client is not None:
            client.kill()
            client.wait()
    frames = [json.loads(text) for text in done.stdout.splitlines()[1:]]
    frames = [frame for frame in frames if frame["time_s"] >= WARM_S]
    delays = np.array([frame["delay_ms"] for frame in frames])
    times = np.array([frame["time_s"] for frame in frames])
    span = times[-1] - times[0]
    return {
        "frames": len(frames),
        "per_second": round((len(frames) - 1) / span, 2),
        "dropped_percent": round(100 * (1 - (len(frames) - 1) / (span * rate)), 2),
        "with_person": sum(frame["person"] for frame in frames),
        "waited_ms": round(1000 * latency / rate, 1),
        "delay_median_ms": round(float(np.median(delays)), 1),
        "delay_99_ms": round(float(np.percentile(delays, 99)), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--latency", type=int, nargs="+", default=[0, 2, 5])
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.cores])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        loop_video(CLIP, clip, given.seconds)
        rate = probe(clip).fps
        for latency in given.latency:
            for name, options in OUTPUTS.items():
                if latency != given.latency[0] and name != "JSON lines":
                    continue  # outputs are measured once
                rows.append({"latency_frames": latency, "outputs": name, **measure(clip, latency, options, rate)})
                print(rows[-1], flush=True)
    result = {
        "what": "prml live on a file played in real time; see benchmarks/live_speed.py",
        "clip": f"examples/jump.mp4 at {rate:g} frames/s for {given.seconds:g} s, {given.cores} cores",
        "commit": commit(),
        "versions": versions(),
        "processor": processor(),
        "rows": rows,
    }
    if given.json:
        write_file(given.json, json.dumps(result, indent=1) + "\n", True)


if __name__ == "__main__":
    main()
