"""Measure every stage from lifted joints to a motion on motion capture with true cameras.

    python benchmarks/motion.py [--json results/motion.json] [--weights prml-xs28 prml-s] [--sets cmu hdm05] [--every 1]

Clips of the test split are seen by the benchmark's first camera with the measured errors of a detector (protocols
mocap-noisy and hdm05-noisy), lifted, and placed in a room with the lens known and everything else estimated. Stages are
switched off one by one. "Drift" is the error of the pelvis' displacement from the first frame to the last, in the
camera's frame, so that errors of gravity do not enter; "walked" is the length of the true path. Gravity counts where at
least a fifth of the frames show somebody upright who stands or walks. A landing is a true one whose upward acceleration
exceeds 8 m/s^2; its peak is compared for perfect joints and 2D, both below 15 Hz.
"""

import argparse
import json
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from prml.camera import Camera, look_at
from prml.datasets.mocap import load_sets
from prml.evaluation.metrics import p_mpjpe
from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.filters import bones, smooth
from prml.filters.contacts import above_lowest, foot_points
from prml.filters.gates import slides_m
from prml.filters.gravity import centre_of_mass
from prml.io.files import write_file
from prml.lifting.lifter import Lifter, LiftOptions
from prml.pipeline.motion import to_motion
from prml.pipeline.motion_settings import MotionSettings
from prml.provenance import commit, processor, versions
from prml.sequence import PoseSequence
from prml.skeleton import BODY28
from prml.weights.record import load_record

MM = 1e3
VARIANTS = {
    "all stages": MotionSettings(),
    "without skeleton fit": MotionSettings(refine=False),
    "without smoothing": MotionSettings(smooth="off"),
    "without held feet": MotionSettings(hold_feet=False),
    "camera taken as level": MotionSettings(gravity="level"),
}
CLIP = Path(__file__).parents[1] / "examples" / "jump.mp4"


def clips(sets: list[str], lifter: Lifter, frames: int, every: int) -> Iterator[tuple[PoseSequence, PoseSequence]]:
    """Yield the truth and what lifting makes of it, with the lens but not the pose of the camera."""
    sequences = benchmark_sequences(tuple(sets), True, cameras=1, skeleton=lifter.skeleton)
    for true in islice(sequences, 0, None, every):
        true = true.take(slice(0, frames))
        seen = true.with_(joints_m=None, has_person=np.ones(len(true), bool))
        lifted = lifter.lift(seen, bridge=False)
        camera = true.camera
        assert camera is not None
        lens = Camera(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)
        yield true, lifted.with_(camera=lens)


def true_contacts(true: PoseSequence) -> np.ndarray:
    """(T, 4) points of the feet that are slower than 0.5 m/s and at most 5 cm over the lowest within half a second.

    Not over one floor: that of single captures rises by several centimetres along the way.
    """
    assert true.camera is not None
    columns, _ = foot_points(true.skeleton)
    feet = true.camera.to_world(np.asarray(true.joints_m, np.float64))[:, list(columns)]
    feet = smooth.butterworth(feet, true.times_s, 12)
    speed = np.linalg.norm(np.gradient(feet, true.times_s, axis=0), axis=-1)
    return np.asarray((speed < 0.5) & (above_lowest(feet[..., 2], true.times_s) < 0.05))


def score(true: PoseSequence, lifted: PoseSequence, settings: MotionSettings, sized: bool = False) -> dict[str, float]:
    """Figures of one clip; ``sized`` gives the person's true size."""
    target = np.asarray(true.joints_m, np.float64)
    if sized:
        own, right = (
            bones.bone_lengths(np.asarray(s.joints_m, np.float64), s.skeleton)[1:17].sum() for s in (lifted, true)
        )
        lifted = lifted.with_(joints_m=lifted.joints_m * (right / own), std_m=lifted.std_m * (right / own))
    motion = to_motion(lifted, settings)
    camera = motion.sequence.camera
    assert camera is not None
    assert true.camera is not None
    found = camera.to_camera(np.asarray(motion.sequence.joints_m))
    error = found[:, 0] - target[:, 0]
    up, true_up = (np.asarray(c.R_world_to_camera)[:, 2] for c in (camera, true.camera))
    walked = float(np.linalg.norm(np.diff(target[::5, 0], axis=0), axis=-1).sum())
    drift = float(np.linalg.norm(error[-1] - error[0]))
    contacts = true_contacts(true)
    agreed = float((contacts & motion.contacts).sum())
    columns, _ = foot_points(true.skeleton)
    return {
        "frames": len(true),
        "walked_m": walked,
        "drift_mm": MM * drift,
        "drift_met": float(drift <= 0.02 * walked + 0.03),
        "path_std_mm": MM * float(np.linalg.norm((error - error.mean(0)).std(0))),
        "gravity_deg": float(np.degrees(np.arccos(np.clip(up @ true_up, -1, 1)))),
        "gravity_stated_deg": motion.stage("gravity").figures["std_deg"],
        "upright_share": motion.stage("gravity").figures["upright_frames"] / len(true),
        "p_mpjpe_before_mm": _p_mpjpe(np.asarray(lifted.joints_m), target),
        "p_mpjpe_mm": _p_mpjpe(found, target),
        "slide_mm": motion.gates["foot_slide_mm"],
        "slide_in_true_contacts_mm": _mean(slides_m(np.asarray(motion.sequence.joints_m)[:, list(columns)], contacts)),
        "contact_precision": agreed / max(1, int(motion.contacts.sum())),
        "contact_recall": agreed / max(1, int(contacts.sum())),
        "jitter_mm": motion.gates["jitter_mm"],
        "jitter_of_truth_mm": MM * smooth.jitter_m(target, true.times_s),
        "below_floor_mm": motion.gates["below_floor_mm"],
        "bone_spread_mm": motion.gates["bone_spread_mm"],
    }


def _mean(values: list[float]) -> float:
    return MM * float(np.mean(values)) if values else float("nan")


def _p_mpjpe(found: np.ndarray, target: np.ndarray) -> float:
    first, second = (torch.from_numpy(np.asarray(x[:, :17], np.float64)) for x in (found, target))
    return float(p_mpjpe(first, second).mean())


def summary(rows: list[dict[str, float]]) -> dict[str, float | None]:
    """Means over clips, P-MPJPE over frames, medians where single clips go far off; None where nothing is measured."""
    column = {name: np.array([row[name] for row in rows], float) for name in rows[0]}
    weight = column["frames"] / column["frames"].sum()
    upright = column["upright_share"] > 0.2
    before, after = (float((weight * column[name]).sum()) for name in ("p_mpjpe_before_mm", "p_mpjpe_mm"))
    with np.errstate(all="ignore"):
        found = {
            "clips": len(rows),
            "frames": column["frames"].sum(),
            "p_mpjpe_before_mm": before,
            "p_mpjpe_mm": after,
            "p_mpjpe_gain_percent": 100 * (1 - after / before),
            "drift_median_mm": np.median(column["drift_mm"]),
            "drift_met_share": column["drift_met"].mean(),
            "path_std_median_mm": np.median(column["path_std_mm"]),
            "gravity_median_deg": np.median(column["gravity_deg"][upright]) if upright.any() else np.nan,
            "gravity_within_3_deg_share": (column["gravity_deg"][upright] < 3).mean() if upright.any() else np.nan,
            "gravity_all_clips_median_deg": np.median(column["gravity_deg"]),
            "slide_mm": np.nanmean(column["slide_mm"]),
            "slide_in_true_contacts_median_mm": np.nanmedian(column["slide_in_true_contacts_mm"]),
            "contact_precision": column["contact_precision"].mean(),
            "contact_recall": column["contact_recall"].mean(),
            "jitter_mm": column["jitter_mm"].mean(),
            "jitter_of_truth_mm": column["jitter_of_truth_mm"].mean(),
            "below_floor_mm": column["below_floor_mm"].mean(),
            "bone_spread_mm": column["bone_spread_mm"].max(),
        }
    return {name: round(float(value), 3) if np.isfinite(value) else None for name, value in found.items()}


def landings() -> dict[str, float]:
    """Share of a landing's peak acceleration that is left with perfect joints and 2D, by cut-off."""
    mocap = load_sets(("cmu",))[0]
    kept: dict[str, list[float]] = {"off": [], "8": [], "10": [], "12": []}
    for name in ("49_02", "49_03", "02_04"):
        clip = mocap.sequence(int(np.flatnonzero(mocap.clip_name == name)[0]), BODY28)
        joints = np.asarray(clip.joints_m, np.float64)
        R, t = look_at(joints.mean((0, 1)) + np.array([4.5, 1.0, 0.4]), joints.mean((0, 1)))
        lens = Camera.from_fov(1000, 1000, 60)
        camera = Camera(1000, 1000, lens.fx, lens.fy, 500, 500, R_world_to_camera=R, t_m=t)
        seen = clip.with_(joints_m=joints).in_camera(camera).relative_to_root()
        seen = seen.with_(std_m=np.full(joints.shape, 0.03))
        true = _rise(joints, clip.times_s)
        low = joints[:, 17:21, 2].min(1)
        air = low > np.percentile(low, 10) + 0.05
        for cutoff, found in kept.items():
            off = cutoff == "off"
            settings = MotionSettings(smooth="off" if off else "butterworth", cutoff=8 if off else float(cutoff))
            rise = _rise(np.asarray(to_motion(seen, settings).sequence.joints_m), clip.times_s)
            for frame in np.flatnonzero(air[:-1] & ~air[1:]):
                near = slice(max(frame - 6, 0), frame + 14)
                if true[near].size and true[near].max() > 8:
                    found.append(float(rise[near].max() / true[near].max()))
    return {f"kept_{cutoff}": round(float(np.median(v)), 3) for cutoff, v in kept.items()} | {"count": len(kept["off"])}


def _rise(joints: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    height = smooth.butterworth(centre_of_mass(joints, BODY28)[:, 2], times_s, 15)
    return np.asarray(np.diff(height, 2) / np.median(np.diff(times_s)) ** 2)


def cost(lifter: Lifter) -> dict[str, float]:
    """Seconds and memory of a motion of 10,000 frames, and its share of the detector's time for as many."""
    from prml.detect.run import detect
    from prml.media.read import probe

    started = perf_counter()
    seen = detect(CLIP, "mediapipe")
    detector_s = perf_counter() - started
    frames = probe(CLIP).frames or len(seen)
    lens = Camera.from_fov(*(seen.image_size or (1280, 720)))
    lifted = lifter.lift(seen.with_(camera=lens))
    at = np.resize(np.concatenate([np.arange(len(lifted)), np.arange(len(lifted))[::-1]]), 10_000)
    arrays = {
        name: np.asarray(getattr(lifted, name))[at] for name in ("joints_m", "std_m", "keypoints_px", "confidence")
    }
    long = PoseSequence.regular(10_000, lifted.fps, lifted.skeleton, camera=lens, root_relative=True, **arrays)
    started = perf_counter()
    to_motion(long)
    motion_s = perf_counter() - started
    tracemalloc.start()
    to_motion(long)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    share = motion_s / (detector_s / frames * 10_000)
    return {
        "motion_s": round(motion_s, 2),
        "detector_s": round(detector_s / frames * 10_000, 1),
        "share_of_detector": round(share, 4),
        "more_memory_mb": round(peak / 2**20, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", nargs="+", default=["prml-xs28", "prml-s"])
    parser.add_argument("--sets", nargs="+", default=["cmu", "hdm05"])
    parser.add_argument("--frames", type=int, default=400, help="of every clip at most")
    parser.add_argument("--every", type=int, default=1, help="take every such clip of a set, as neighbours are alike")
    parser.add_argument("--no-cost", action="store_true", help="leave out landings and cost (kept if in the file)")
    parser.add_argument("--json", type=Path, help="file for the results; those of other weights and sets are kept")
    given = parser.parse_args()
    there = given.json is not None and given.json.is_file()
    record: dict[str, Any] = json.loads(given.json.read_text(encoding="utf-8")) if there else {}
    record |= {"frames_per_clip": given.frames, "clips": f"every {given.every}", "split": "test"}
    record["camera"] = "first of four"
    if not given.no_cost:
        record["landings"] = landings() | {"commit": commit()}
        print("landings", record["landings"], flush=True)
    for weights in given.weights:
        lifter = Lifter(load_record(weights), LiftOptions(flip=False))
        if not given.no_cost and weights == given.weights[0]:
            record["cost"] = cost(lifter) | {"commit": commit()}
        for name in given.sets:
            pairs = list(clips([name], lifter, given.frames, given.every))
            found = {what: summary([score(*pair, s) for pair in pairs]) for what, s in VARIANTS.items()}
            found["all stages, true size"] = summary([score(*pair, MotionSettings(), sized=True) for pair in pairs])
            record.setdefault(weights, {})[name] = {"commit": commit(), **found}
            for what, figures in found.items():
                print(weights, name, what, json.dumps(figures), flush=True)
    record |= {"commit": commit(), "versions": versions(), "processor": processor()}
    if given.json:
        write_file(given.json, json.dumps(record, indent=1) + "\n", overwrite=True)


if __name__ == "__main__":
    main()
