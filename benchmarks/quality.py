"""What ``prml lift --quality`` costs and changes: frames/s and how far the lifted poses are from those of ``best``.

    python benchmarks/quality.py --heavy pose_landmarker_heavy.task [--seconds 20] [--json results/quality.json]

The example clip, played forwards and backwards, is detected and lifted by one process per preset. Frames/s are per
second of processor time, so that other programs disturb them little. There is no ground truth: distances are to the
lifted poses of ``best`` (the heavy model in every frame), beside what one grey level does to them
(``benchmarks/jobs.py``). Without ``--heavy`` the reference is ``balanced``.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import torch

import prml
from prml.camera import Camera
from prml.detect.quality import Quality, every_of, model_of
from prml.detect.registry import get_detector
from prml.detect.run import detect
from prml.evaluation.metrics import p_mpjpe
from prml.filters.marks import mark_inferred
from prml.io.files import write_file
from prml.media.loop import loop_video
from prml.media.read import probe
from prml.provenance import commit, processor, versions

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heavy", type=Path, help="pose_landmarker_heavy.task, for the preset best")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    lifter, kind = prml.load(flip=False), get_detector()
    presets: dict[str, tuple[Quality, str | None]] = {
        "fast, lite model": ("fast", "lite"),
        "fast": ("fast", None),
        "balanced": ("balanced", None),
    }
    if given.heavy:
        presets["best"] = ("best", str(given.heavy))
    posed, rows = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        frames = loop_video(ROOT / "examples" / "jump.mp4", clip, given.seconds)
        fps = probe(clip).fps
        for name, (quality, model) in presets.items():
            started, every = process_time(), every_of(quality, fps)
            seen = detect(clip, model=model_of(quality, kind, model), every=every)
            detected = process_time()
            lifted = lifter.lift(mark_inferred(seen.with_(camera=Camera.from_fov(*seen.image_size))))
            posed[name] = torch.from_numpy(lifted.joints_m)
            rows[name] = {
                "detector": seen.detection.detector,
                "every": every,
                "detected_frames_per_cpu_second": round(frames / (detected - started), 1),
                "lifted_frames_per_cpu_second": round(frames / (process_time() - started), 1),
            }
    reference = posed["best" if given.heavy else "balanced"]
    for name, row in rows.items():
        row["mpjpe_to_reference_mm"] = round(1000 * float((posed[name] - reference).norm(dim=-1).mean()), 1)
        row["p_mpjpe_to_reference_mm"] = round(float(p_mpjpe(posed[name], reference).mean()), 1)
    record: dict[str, Any] = {
        "config": "benchmarks/quality.py",
        "commit": commit(),
        "versions": versions(),
        "processor": processor(),
        "frames": frames,
        "reference": "best" if given.heavy else "balanced",
        "presets": rows,
    }
    for name, row in rows.items():
        sys.stdout.write(f"{name}: {row}\n")
    if given.json:
        write_file(given.json, json.dumps(record, indent=1) + "\n", overwrite=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
