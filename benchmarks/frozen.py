"""Record fixed lifts, scores and training batches as numbers and hashes, which refactoring must not change.

    python benchmarks/frozen.py --json results/frozen.json

The numbers are compared with a tolerance on every machine (tests/reference/test_frozen.py); the hashes agree only on
one machine with one set of packages, for comparing two commits.
"""

import argparse
import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import prml

Array = np.ndarray
FRAMES = (0, 17, 60, 119)


def walker(fps: float, frames: int = 120) -> Any:
    """Return the 2D of a figure that swings its limbs, in 640 x 480 pixels, in closed form without random numbers."""
    t = np.arange(frames) / fps
    base = np.array([
        [0, 0], [-12, 0], [-13, 45], [-14, 90], [12, 0], [13, 45], [14, 90], [0, -25], [0, -50], [0, -60], [0, -72],
        [18, -48], [24, -20], [26, 6], [-18, -48], [-24, -20], [-26, 6],
    ])  # fmt: skip
    phase = 2 * np.pi * (0.9 * t[:, None] + np.arange(17) / 17)
    swing = np.stack([9 * np.sin(phase), 4 * np.cos(2 * phase)], -1)
    points = 1.6 * (base + swing * (np.abs(base[:, 1:]) / 90)) + [320 + 10 * np.sin(t[3]), 240]
    camera = prml.Camera.from_fov(640, 480, 55.0)
    from prml.skeleton import H36M17

    return prml.PoseSequence.regular(
        frames, fps, H36M17, keypoints_px=points, confidence=np.full((frames, 17), 0.9), camera=camera
    )


def lifts() -> dict[str, Array]:
    """Return joints and standard deviations of both bundled networks at two rates, with and without flip."""
    found = {}
    for weights in ("prml-s", "prml-xs"):
        lifter = prml.load(weights)
        for fps, flip in ((30.0, True), (50.0, False)):
            lifted = lifter.with_options(flip=flip).lift(walker(fps))
            found[f"{weights} {fps:g}/s flip {flip}"] = np.concatenate([lifted.joints_m, lifted.std_m], -1)
    return found


def scores() -> dict[str, float]:
    """Return all metrics of prml-xs under ``mocap-noisy`` on the first four clips."""
    from prml.cli import main

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.json"
        main(["evaluate", "--weights", "prml-xs", "--protocol", "mocap-noisy", "--limit", "4", "--json", str(path)])
        return dict(json.loads(path.read_text())["scores"])


def batches() -> dict[str, Array]:
    """Return the first two training batches and the validation windows of a run on augmented motion capture."""
    from prml.training.config import FitConfig
    from prml.training.datamodule import WindowsDataModule

    config = FitConfig()
    config.network.name = "prml-xs"
    config.data.sets = ["cmu", "ui_prmd"]
    windows = config.data.windows
    motion = replace(windows.motion, arms=0.35, legs=0.15, bones=0.04, tilt=0.1)
    config.data.windows = replace(windows, frames=27, step=3, batch=8, motion=motion)
    data = WindowsDataModule(config)
    found = {}
    for number in (0, 1):
        batch = data.train[(0, number)]
        found |= {f"train {number} {name}": value.numpy() for name, value in batch.items()}
    whole = data.source.validation_batch(16)
    return found | {f"validation {name}": value.numpy() for name, value in whole.items()}


def digest(values: Array) -> str:
    """Return the start of the SHA-256 of the bytes."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def record() -> dict[str, Any]:
    """Return everything as JSON values."""
    found_lifts, found_batches = lifts(), batches()
    return {
        "scores": scores(),
        "lifts": {name: np.asarray(v, float)[list(FRAMES)].round(5).tolist() for name, v in found_lifts.items()},
        "batches": {
            name: {
                "shape": list(v.shape),
                "first": np.asarray(v, float).reshape(-1)[:12].round(5).tolist(),
                "rms": round(float(np.sqrt(np.mean(np.square(v, dtype=float)))), 6),
            }
            for name, v in found_batches.items()
        },
        "sha256": {name: digest(v) for name, v in {**found_lifts, **found_batches}.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True, help="file for the record")
    given = parser.parse_args()
    given.json.write_text(json.dumps(record(), indent=1) + "\n", encoding="utf-8")
    print(f"written to {given.json}")


if __name__ == "__main__":
    main()
