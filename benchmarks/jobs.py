"""How much the result of ``prml lift`` depends on the number of processes, beside what one grey level does to it.

    python benchmarks/jobs.py [--seconds 20] [--jobs 2 4] [--json results/jobs.json]

The example clip, played forwards and backwards, is detected by one process, by one process with every pixel one grey
level brighter, and in as many stretches as there are jobs; all are lifted with the default weights and compared with
the first, from the end of the first stretch on.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import prml
from prml.camera import Camera
from prml.detect.base import Detection
from prml.detect.mediapipe import MediaPipeDetector
from prml.detect.run import detect
from prml.evaluation.metrics import p_mpjpe
from prml.filters.marks import mark_inferred
from prml.io.files import write_file
from prml.media.loop import loop_video
from prml.provenance import commit, processor, versions
from prml.sequence import PoseSequence

ROOT = Path(__file__).parents[1]


class Brighter(MediaPipeDetector):
    """Sees every picture one grey level brighter."""

    def __call__(self, image: np.ndarray, time_s: float) -> list[Detection]:
        """People in an image."""
        return super().__call__(np.minimum(image, 254) + np.uint8(1), time_s)


def compared(one: PoseSequence, other: PoseSequence, start: int) -> dict[str, Any]:
    """Distances in 2D (pixels) and of the lifted poses (mm) from a frame on."""
    lifter = prml.load()
    lifted = [lifter.lift(mark_inferred(s.with_(camera=Camera.from_fov(*s.image_size)))) for s in (one, other)]
    apart = np.linalg.norm(one.keypoints_px - other.keypoints_px, axis=-1)[start:]
    joints = [torch.from_numpy(s.joints_m[start:]) for s in lifted]
    return {
        "px_mean": round(float(apart.mean()), 2),
        "px_median": round(float(np.median(apart)), 2),
        "mpjpe_mm": round(1000 * float((joints[0] - joints[1]).norm(dim=-1).mean()), 2),
        "p_mpjpe_mm": round(float(p_mpjpe(joints[0], joints[1]).mean()), 2),
    }


def main() -> int:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--jobs", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        frames = loop_video(ROOT / "examples" / "jump.mp4", clip, given.seconds)
        alone = detect(clip)
        with Brighter() as brighter:
            runs = {"one grey level": detect(clip, brighter)}
        runs |= {f"{jobs} jobs": detect(clip, jobs=jobs) for jobs in given.jobs}
        start = frames // min(given.jobs)
        rows = {name: compared(alone, other, start) for name, other in runs.items()}
    size = float(np.median(np.ptp(alone.keypoints_px, axis=1).max(axis=-1)))
    record = {
        "config": "benchmarks/jobs.py",
        "commit": commit(),
        "versions": versions(),
        "processor": processor(),
        "frames": frames,
        "compared_from_frame": start,
        "person_px": round(size),
        "difference_from_one_process": rows,
    }
    for name, row in rows.items():
        sys.stdout.write(f"{name}: {row}\n")
    if given.json:
        write_file(given.json, json.dumps(record, indent=1) + "\n", overwrite=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
