"""Measure what writing a motion of three minutes takes in every format: seconds, memory, and how they grow.

    python benchmarks/export.py [--json results/export.json] [--seconds 180] [--runs 3]

A clip of motion capture is repeated to the length (28 joints, 30 frames/s) with contacts and written once in every
format, each in a process of its own and in one process all together (the 2D formats from its projection). Limits: 5 s
and 300 MB above what the process holds before, for all together; four times the length takes at most five times as
long. Seconds are of the processor (one thread, the fastest of three runs), so that other work counts little.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from prml.camera import Camera, look_at
from prml.datasets.mocap import MocapSet, data_directory
from prml.io.files import write_file
from prml.io.registry import format_names, get_format, save_file
from prml.pipeline.export import file_name, writable
from prml.provenance import commit, processor, versions
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import BODY28

MAX_SECONDS, MAX_MB, MAX_GROWTH, FPS = 5.0, 300.0, 5.0, 30.0


def motion(seconds: float) -> Scene:
    """Return somebody who moves in the world, with contacts and the 2D that a camera sees."""
    cmu = MocapSet.read(data_directory() / "cmu.npz")
    walk = cmu.sequence(int(np.flatnonzero(cmu.clip_name == "07_06")[0]), BODY28)
    frames = round(seconds * FPS)
    there = np.asarray(walk.joints_m, np.float64)
    joints = np.concatenate([there, there[::-1]])[np.arange(frames) % (2 * len(there))]
    R, t = look_at(np.array([6.0, 0.0, 1.5]), joints[0, 0], 0.0)
    camera = Camera(1920, 1080, 1500.0, 1500.0, 960.0, 540.0, R_world_to_camera=R, t_m=t)
    contacts = np.zeros((frames, 4), bool)
    contacts[np.arange(frames) // 20 % 2 == 0] = True
    return Scene.of(
        PoseSequence.regular(
            frames,
            FPS,
            BODY28,
            joints_m=joints,
            keypoints_px=camera.project(camera.to_camera(joints)),
            confidence=np.full((frames, 28), 0.9),
            frame="world",
            contacts=contacts,
            image_size=(1920, 1080),
        )
    )


def write(names: list[str], seconds: float) -> dict[str, Any]:
    """Write the formats in this process; return seconds of the processor, MB above before, and bytes."""
    scene = motion(seconds)
    for name in names:
        get_format(name)  # imports
    save_small(names)
    before = _resident_mb()
    with tempfile.TemporaryDirectory() as folder:
        place, started = Path(folder), process_time()
        for name in names:
            save_file(scene, place / file_name(get_format(name), "motion"), name)
        spent = process_time() - started
        size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    return {"cpu_seconds": round(spent, 3), "mb": round(_peak_mb() - before, 1), "bytes": size}


def save_small(names: list[str]) -> None:
    """Write a tenth of a second, so that what is imported late does not count."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            save_file(motion(0.5), Path(folder) / file_name(get_format(name), "motion"), name)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(names: list[str], seconds: float) -> dict[str, Any]:
    """Call :func:`write` in a process of its own."""
    words = [sys.executable, __file__, "--inside", ",".join(names), "--seconds", str(seconds)]
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0, help="length of the motion")
    parser.add_argument("--runs", type=int, default=3, help="the fastest of so many counts for all formats together")
    parser.add_argument("--json", type=Path, help="file for the results; overwritten")
    parser.add_argument("--inside", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        print(json.dumps(write(given.inside.split(","), given.seconds)))
        return 0
    names = [name for name in writable() if name in format_names()]
    each = {name: measure([name], given.seconds) for name in names}
    for name, found in each.items():
        print(f"{name:<14}{found['cpu_seconds']:8.2f} s {found['mb']:8.1f} MB {found['bytes'] / 1e6:8.2f} MB written")
    everything, longer = (
        min((measure(names, length) for _ in range(given.runs)), key=lambda found: found["cpu_seconds"])
        for length in (given.seconds, 4 * given.seconds)
    )
    growth = longer["cpu_seconds"] / everything["cpu_seconds"]
    met = everything["cpu_seconds"] <= MAX_SECONDS and everything["mb"] <= MAX_MB and growth <= MAX_GROWTH
    print(
        f"all together: {everything['cpu_seconds']:.2f} s, {everything['mb']:.0f} MB; four times the length takes "
        f"{growth:.2f} times as long and {longer['mb']:.0f} MB: limits {'met' if met else 'not met'}"
    )
    if given.json:
        record = {
            "motion_s": given.seconds,
            "fps": FPS,
            "limits": {"cpu_seconds": MAX_SECONDS, "mb": MAX_MB, "growth": MAX_GROWTH},
            "formats": each,
            "all": everything,
            "four_times_the_length": longer,
            "met": met,
            "commit": commit(),
            "versions": versions(),
            "processor": processor(),
        }
        write_file(given.json, json.dumps(record, indent=1) + "\n", overwrite=True)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
