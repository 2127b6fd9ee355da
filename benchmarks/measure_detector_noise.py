"""Measure the errors of a 2D detector, for the noise that training adds to exact projections.

    python benchmarks/measure_detector_noise.py --video jump.mp4 --reference pose_landmarker_heavy.task

There is no ground truth, so every figure is a *disagreement*: with a larger model of the same family, and with the same
model on the mirrored, shifted, shrunk, blurred or darkened image. Errors that both share are not seen, so the figures
are lower bounds. docs/detector_noise.md explains what is fitted and how.
"""

import argparse
import json
import platform
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from scipy.stats import spearmanr

from prml.detect.mediapipe import MediaPipeDetector
from prml.filters.repair import repair_swaps
from prml.skeleton import BLAZEPOSE33, BODY28, H36M17, MEASURED13, MEASURED24, Skeleton, conversion

Array = np.ndarray
# Parts of jump.mp4 that show one person alone: x, y, width, height in pixels; first and last frame.
SEGMENTS = {
    "man on the wall": (380, 0, 700, 520, 0, 165),
    "man jumps and lands": (850, 380, 800, 600, 186, 228),
    "woman enters": (1000, 450, 700, 540, 60, 100),
    "woman passes": (500, 450, 700, 540, 105, 150),
    "woman leaves": (0, 450, 700, 540, 150, 198),
}
TO_13, TO_28 = conversion(BLAZEPOSE33, MEASURED13), conversion(BLAZEPOSE33, BODY28)
ADULT_LIMBS_M = 3.8  # both thighs, shins, upper arms, forearms and hip-shoulder sides of a typical adult
_SIDE = ("Hip Knee", "Knee Ankle", "Shoulder Elbow", "Elbow Wrist", "Hip Shoulder")
LIMBS = [tuple(MEASURED13.index(side + joint) for joint in pair.split()) for side in "LR" for pair in _SIDE]
LAGS = 15  # of the autocovariance: half a second
OUTLIER_FLOOR_MM, OUTLIER_SIGMA = 60.0, 4.0
LIMB_SETS = (("Hip", "Knee", "Ankle"), ("Shoulder", "Elbow", "Wrist"))
ENDS = (("Heel", "Toe"), ("Hand", "Thumb"))  # what goes with each set
LOST = 0.3  # a joint with lower confidence counts as lost
CONFIDENCE_EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0001)
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)


def _gamma(image: Image.Image) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(0.45)).enhance(0.8)


# name -> change of the image (only "half" and "shift" change its size)
VARIANTS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "clean": lambda image: image,
    "mirror": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "shift": lambda image: image.crop((0, 0, image.width - 24, image.height - 10)),
    "half": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.BILINEAR),
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "dark": _gamma,
}


def undo(variant: str, points: Array, width: int) -> Array:
    """Map (..., 33, C) landmarks of a changed image to pixels of the clean one, with left and right restored."""
    points = points.copy()
    if variant == "mirror":
        points = BLAZEPOSE33.flip(points)
        points[..., 0] += width
    if variant == "half":
        points[..., :2] *= 2
    return points


def frames_of(video: Path, first: int, last: int) -> Iterator[tuple[float, Image.Image]]:
    """Yield (seconds, image) of the frames ``first <= index < last``."""
    with av.open(str(video)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if first <= index < last:
                yield float(frame.pts * frame.time_base), frame.to_image()
            elif index >= last:
                return


def skeleton_of(values: Array, axis: int = -1) -> Skeleton:
    """MEASURED13 or MEASURED24, by the number of joints."""
    return MEASURED13 if values.shape[axis] == len(MEASURED13) else MEASURED24


def measured(landmarks: Array, skeleton: Skeleton) -> Array:
    """(T, 33, d) points, or (T, 33) confidences, on the joints of MEASURED13 or MEASURED24."""
    points = landmarks.ndim == 3
    first = TO_13.apply(landmarks) if points else TO_13.apply_confidence(landmarks)
    if skeleton == MEASURED13:
        return first
    rest = TO_28.apply(landmarks) if points else TO_28.apply_confidence(landmarks)
    return np.concatenate([first, rest[:, len(H36M17) :]], 1)


def observe(
    video: Path, models: dict[str, str], variants: tuple[str, ...] = ("clean",)
) -> dict[str, dict[tuple[str, str], Array]]:
    """Per segment, per (model, variant): (T, 33, 4) x, y, visibility, presence; NaN where nobody is found.

    The reference, heavy, is only asked for ``variants``.
    """
    seen: dict[str, dict[tuple[str, str], Array]] = {}
    for name, (x, y, width, height, first, last) in SEGMENTS.items():
        images = [(t, image.crop((x, y, x + width, y + height))) for t, image in frames_of(video, first, last)]
        seen[name] = {}
        for key, path in models.items():
            for variant, change in VARIANTS.items():
                if key == "heavy" and variant not in variants:
                    continue
                with MediaPipeDetector(path) as detector:
                    people = [detector.landmarks(np.asarray(change(image)), t) for t, image in images]
                empty = np.full((33, 4), np.nan)
                rows = np.stack([p[0] if len(p) else empty for p in people])
                seen[name][key, variant] = undo(variant, rows, width)
    return seen


def cached(path: Path | None) -> dict[str, dict[tuple[str, str], Array]]:
    """What :func:`observe` returned earlier; nothing without a file."""
    seen: dict[str, dict[tuple[str, str], Array]] = {}
    if path is not None and path.exists():
        for key, rows in np.load(path).items():
            name, model, variant = key.split("|")
            seen.setdefault(name, {})[model, variant] = rows
    return seen


def repaired(rows: Array) -> Array:
    """Undo swapped sides in a (T, 33, 4) track as ``prml lift`` does; visibility is replaced by confidence."""
    has_person = ~np.isnan(rows[:, 0, 0])
    points, confidence, _ = repair_swaps(rows[..., :2], rows[..., 2] * rows[..., 3], has_person, BLAZEPOSE33)
    return np.concatenate([points, confidence[..., None], np.ones_like(confidence)[..., None]], axis=-1)


def millimetres_per_pixel(points_px: Array) -> float:
    """Return the scale at the person's depth from (T, 13, 2): a typical adult's limbs over their longest projection."""
    lengths = sum(np.linalg.norm(points_px[:, a] - points_px[:, b], axis=-1) for a, b in LIMBS)
    return 1000 * ADULT_LIMBS_M / float(np.nanpercentile(lengths, 90))


def autocovariance(residual: Array) -> tuple[Array, Array]:
    """Return sums of products and counts at lags 0..LAGS of (T, 2), with NaN for missing values."""
    sums, counts = np.zeros(LAGS + 1), np.zeros(LAGS + 1)
    for lag in range(LAGS + 1):
        products = residual[: len(residual) - lag] * residual[lag:]
        sums[lag], counts[lag] = np.nansum(products), np.isfinite(products).sum()
    return sums, counts


def fit_white_and_drift(covariance: Array, step_s: float) -> tuple[Array, Array, float]:
    """Fit white std and drift std per joint, and one drift time, to (13, LAGS + 1) autocovariances by least squares.

    C(lag) = white^2 [lag = 0] + drift^2 exp(-(lag / time)^2), the kernel of the training noise. All joints share one
    time, since a single joint has too few independent stretches to estimate its own.
    """
    lags = np.arange(1, LAGS + 1) * step_s
    weight = 1 / covariance[:, :1]
    best = (np.inf, np.zeros(len(covariance)), 0.0)
    for time_s in np.geomspace(0.06, 1.0, 60):
        basis = np.exp(-((lags / time_s) ** 2))
        power = np.clip(covariance[:, 1:] @ basis / (basis @ basis), 0.0, covariance[:, 0])
        cost = float(((weight * (covariance[:, 1:] - power[:, None] * basis)) ** 2).sum())
        if cost < best[0]:
            best = (cost, power, float(time_s))
    return np.sqrt(covariance[:, 0] - best[1]), np.sqrt(best[1]), best[2]


def bursts(mask: Array) -> int:
    """Count runs of True."""
    return int((np.diff(np.concatenate([[False], mask]).astype(int)) == 1).sum())


def swapped(mine: Array, reference: Array) -> Array:
    """Return (T, 2), True where left and right legs or arms are swapped: much nearer if undone, and well apart."""
    out = np.zeros((len(mine), 2), dtype=bool)
    for which, limb in enumerate(LIMB_SETS):
        left, right = ([MEASURED13.index(side + j) for j in limb] for side in "LR")
        kept = np.linalg.norm(mine[:, left + right] - reference[:, left + right], axis=-1).mean(-1)
        crossed = np.linalg.norm(mine[:, left + right] - reference[:, right + left], axis=-1).mean(-1)
        apart = np.linalg.norm(reference[:, left] - reference[:, right], axis=-1).mean(-1)
        out[:, which] = (crossed < 0.5 * kept) & (apart > 80)
    return out


def without_swaps(mine: Array, reference: Array) -> Array:
    """Return the (T, 13, 2) difference, NaN for a limb pair within three frames of a swap, where it is smoothed."""
    difference = mine - reference
    skeleton = skeleton_of(mine, -2)
    for which, limb in enumerate(LIMB_SETS):
        ends = ENDS[which] if skeleton == MEASURED24 else ()
        joints = [skeleton.index(side + j) for j in (*limb, *ends) for side in "LR"]
        near = np.convolve(swapped(mine, reference)[:, which], np.ones(7), mode="same") > 0
        difference[np.ix_(near, joints)] = np.nan
    return difference


def outliers(residual: Array) -> Array:
    """Return (T,), True where the disagreement is an outlier: beyond four robust deviations and 60 mm."""
    size = np.linalg.norm(residual, axis=-1)
    return np.asarray(size > max(OUTLIER_FLOOR_MM, OUTLIER_SIGMA * float(np.nanmedian(size))))


def disagreement(pairs: list[tuple[Array, Array]], step_s: float, share: float) -> dict[str, Any]:
    """Return the noise components of pairs of (T, 13, 2) tracks in mm, with variances and rates times ``share``.

    ``share`` is 1 if the other side is the reference, and 1/2 if both sides are samples of one detector.
    """
    swaps = [swapped(a, b) for a, b in pairs]
    clean = [without_swaps(a, b) for a, b in pairs]
    offsets = np.stack([np.nanmedian(d, axis=0) for d in clean])  # (segments, 13, 2)
    seconds = sum(len(d) for d in clean) * step_s
    count = offsets.shape[1]
    covariance = np.zeros((count, LAGS + 1))
    rate, size, length, scale = np.zeros(count), np.zeros(count), np.zeros(count), np.zeros((len(pairs), count))
    for joint in range(count):
        sums, counts, far, runs = np.zeros(LAGS + 1), np.zeros(LAGS + 1), [np.zeros(0)], 0
        for index, (d, offset) in enumerate(zip(clean, offsets, strict=True)):
            residual = d[:, joint] - offset[joint]
            mask = outliers(residual)
            far.append(residual[mask].ravel())
            runs += bursts(mask)
            residual[mask] = np.nan
            scale[index, joint] = np.sqrt(np.nanmean(residual**2))
            more_sums, more_counts = autocovariance(residual)
            sums, counts = sums + more_sums, counts + more_counts
        covariance[joint] = share * sums / counts
        values = np.concatenate(far)
        rate[joint], size[joint] = runs * share / seconds, np.sqrt(np.mean(values**2)) if len(values) else 0.0
        length[joint] = len(values) / 2 / runs if runs else 0.0
    white, drift, time_s = fit_white_and_drift(covariance, step_s)
    swap_runs = sum(bursts(s[:, limb]) for s in swaps for limb in range(2))
    apart = np.concatenate([a - b for a, b in pairs])
    everything = np.sqrt([share * np.nanmean(apart[:, j] ** 2) for j in range(count)])
    return {
        "jitter_mm": white,
        "drift_mm": drift,
        "drift_time_s": time_s,
        "offset_mm": np.sqrt(share * np.mean(offsets**2, axis=(0, 2))),
        "total_mm": everything,
        "outlier_rate": rate,
        "outlier_mm": size,
        "outlier_frames": length,
        "severity_sigma": float(np.std(np.log(scale / np.exp(np.log(scale).mean(0))).mean(1), ddof=1)),
        "swap": {
            "found": swap_runs,
            "limb_pair_seconds": 2 * seconds,
            "rate": swap_runs * share / (2 * seconds),
            "seconds": float(sum(s.sum() for s in swaps)) * step_s / swap_runs if swap_runs else 0.0,
            "rule_of_three_bound": None if swap_runs else 3 / (2 * seconds),
        },
    }


def white_by_differences(tracks: list[Array]) -> Array:
    """Return the white std per joint from the median of fourth differences (gain 70); a little movement leaks in."""
    steps = np.concatenate([np.diff(track, n=4, axis=0) for track in tracks])
    return np.array([1.4826 * np.nanmedian(np.abs(steps[:, j])) / np.sqrt(70) for j in range(steps.shape[1])])


def confidence_relation(confidence: list[Array], errors_mm: list[Array], step_s: float) -> dict[str, Any]:
    """Relate confidence (T, 13) to the size of the disagreement (T, 13) in mm."""
    c, e = np.concatenate(confidence), np.concatenate(errors_mm)
    seen = np.isfinite(c) & np.isfinite(e) & (e > 0)
    rows = []
    for low, high in pairwise(CONFIDENCE_EDGES):
        inside = seen & (c >= low) & (c < high)
        if inside.sum() >= 20:
            logs = np.log(e[inside])
            rows.append(
                {
                    "from": low,
                    "to": high,
                    "count": int(inside.sum()),
                    "median_error_mm": np.exp(np.median(logs)),
                    "mean_ln_error_mm": logs.mean(),
                    "std_ln_error_mm": logs.std(),
                }
            )
    logit = np.log((c + 1e-4) / (1 - c + 1e-4))
    growth = np.log1p(e / 20)
    kept = seen & (c >= LOST)
    # one slope, one level per joint: logit = level_j - slope ln(1 + e / 20 mm)
    joints = range(c.shape[1])
    centred = [(growth[kept[:, j], j], logit[kept[:, j], j]) for j in joints]
    x = np.concatenate([g - g.mean() for g, _ in centred])
    y = np.concatenate([v - v.mean() for _, v in centred])
    slope = -float(x @ y / (x @ x))
    level = np.array([v.mean() + slope * g.mean() for g, v in centred])
    runs = np.array([[bursts(row[:, j] < LOST) for j in joints] for row in confidence]).sum(0)
    lost = np.array([[(row[:, j] < LOST).sum() for j in joints] for row in confidence]).sum(0)
    seconds = sum(len(row) for row in confidence) * step_s
    return {
        "definition": "visibility * presence",
        "bins": rows,
        "logit_level": level,
        "logit_slope": slope,
        "logit_sigma": float((y + slope * x).std()),
        "spearman_with_error": _spearman(c[seen], e[seen]),
        "spearman_within_joint": _spearman_within(c, e, seen),
        "quantile_levels": list(QUANTILES),
        "quantiles_per_joint": np.nanquantile(c, QUANTILES, axis=0).T,
        "lost": {
            "below": LOST,
            "rate": runs / seconds,
            "seconds": np.where(runs, lost * step_s / np.maximum(runs, 1), 0.0),
            "median_error_mm": float(np.median(e[seen & (c < LOST)])) if (seen & (c < LOST)).any() else None,
        },
    }


def _spearman(a: Array, b: Array) -> float:
    return float(spearmanr(a, b).statistic)


def _spearman_within(c: Array, e: Array, seen: Array) -> list[float]:
    return [_spearman(c[seen[:, j], j], e[seen[:, j], j]) for j in range(c.shape[1])]


def report(
    seen: dict[str, dict[tuple[str, str], Array]], model: str, step_s: float, skeleton: Skeleton = MEASURED13
) -> dict[str, Any]:
    """All statistics of one model. Heavy, which the others are compared with, has those of its mirror image alone."""
    tracks: dict[tuple[str, str], list[Array]] = {}
    scales = [millimetres_per_pixel(TO_13.apply(views["heavy", "clean"][..., :2])) for views in seen.values()]
    for views, scale in zip(seen.values(), scales, strict=True):
        for key, rows in views.items():
            tracks.setdefault(key, []).append(measured(rows[..., :2], skeleton) * scale)
    clean, heavy = tracks[model, "clean"], tracks["heavy", "clean"]

    def against(other: list[Array], share: float) -> dict[str, Any]:
        return disagreement(list(zip(clean, other, strict=True)), step_s, share)

    evidence = {} if model == "heavy" else {"heavy": against(heavy, 1.0)}
    evidence |= {v: against(tracks[model, v], 0.5) for v in ("mirror", "shift") if (model, v) in tracks}
    evidence |= {v: against(tracks[model, v], 1.0) for v in ("half", "blur", "dark") if (model, v) in tracks}
    sure = [measured(v[model, "clean"][..., 2] * v[model, "clean"][..., 3], skeleton) for v in seen.values()]
    truth = tracks[model, "mirror"] if model == "heavy" else heavy
    errors = [np.linalg.norm(without_swaps(a, b), axis=-1) for a, b in zip(clean, truth, strict=True)]
    frames = sum(len(a) for a in clean)
    lost = sum(int(np.isnan(a[:, 0, 0]).sum()) for a in clean)
    return {
        **headline(evidence),
        "drop_rate": lost / frames,
        "drop": {"frames": frames, "lost": lost, "rule_of_three_bound": 3 / frames},
        "track_jitter_mm": white_by_differences(clean),
        "confidence": confidence_relation(sure, errors, step_s),
        "gain_of_degraded_images": {
            v: float(np.mean(evidence[v]["drift_mm"]) / np.mean(evidence["heavy"]["drift_mm"]))
            for v in ("half", "blur", "dark")
            if v in evidence
        },
        "mm_per_px": dict(zip(seen, scales, strict=True)),
        "evidence": evidence,
    }


def headline(evidence: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the larger of two lower bounds per joint: against the heavy model and against the mirrored image.

    Left and right joints are then averaged (as mean squares), since a clip may favour one side but a detector does not.
    """
    bounds = [evidence[name] for name in ("heavy", "mirror") if name in evidence]
    names = ("jitter_mm", "drift_mm", "offset_mm", "outlier_rate", "outlier_mm", "outlier_frames")
    chosen: dict[str, Any] = {name: _symmetric(np.max([b[name] for b in bounds], axis=0)) for name in names}
    for name in ("drift_time_s", "severity_sigma"):
        chosen[name] = float(np.mean([b[name] for b in bounds]))
    chosen["swap_rate"] = float(np.mean([b["swap"]["rate"] for b in bounds]))
    chosen["swap_s"] = float(np.mean([b["swap"]["seconds"] for b in bounds]))
    return chosen


def _symmetric(values: Array) -> Array:
    squares = np.asarray(values, dtype=float) ** 2
    return np.sqrt((squares + skeleton_of(squares).flip(squares, "scalars")) / 2)


def noise_model(stats: dict[str, Any], step_s: float) -> dict[str, Any]:
    """Return the parameters of ``prml.batches.noise.NoiseModel`` for these statistics."""
    sure = stats["confidence"]
    weight = stats["outlier_rate"] / stats["outlier_rate"].sum()
    lost = sure["lost"]
    return {
        "jitter_mm": np.maximum(stats["jitter_mm"], _symmetric(stats["track_jitter_mm"])),
        "drift_mm": stats["drift_mm"],
        "drift_time_s": stats["drift_time_s"],
        "offset_mm": stats["offset_mm"],
        "burst_rate": stats["outlier_rate"],
        "burst_mm": stats["outlier_mm"],
        "burst_s": float((weight * stats["outlier_frames"]).sum() * step_s),
        "swap_rate": stats["swap_rate"],
        "swap_s": stats["swap_s"],
        "drop_rate": _symmetric(lost["rate"]),
        "drop_s": float((lost["rate"] * lost["seconds"]).sum() / lost["rate"].sum()),
        "confidence_logit": (sure["logit_level"] + skeleton_of(weight).flip(sure["logit_level"], "scalars")) / 2,
        "confidence_slope": sure["logit_slope"],
        "confidence_sigma": sure["logit_sigma"],
        "severity_sigma": stats["severity_sigma"],
    }


def plain(value: Any) -> Any:
    """Round numbers to four digits and convert arrays to lists, for JSON."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.integer):
        return int(value)
    return float(f"{value:.4g}") if isinstance(value, float | np.floating) else value


def compact(record: dict[str, Any]) -> str:
    """Return JSON with one line per list of numbers."""
    text = json.dumps(record, indent=1)
    return re.sub(r"\[[^\[\]{}]*\]", lambda match: re.sub(r"\s+", " ", match.group()), text)


def main() -> None:
    """Run, fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True, help="jump.mp4 of Sports2D")
    parser.add_argument("--reference", type=Path, required=True, help="pose_landmarker_heavy.task")
    parser.add_argument("--out", type=Path, help="file to write; default: the one that the package reads")
    parser.add_argument("--cache", type=Path, help="npz file of landmarks, written if it is not there")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument(
        "--mended", dest="repaired", action="store_true", help="measure the lifter's input, after undoing swapped sides"
    )
    parser.add_argument(
        "--ends", action="store_true", help="measure feet, hands and face as well, for lite, full and heavy"
    )
    options = parser.parse_args()
    skeleton, name = (MEASURED24, "detector_noise24.json") if options.ends else (MEASURED13, "detector_noise.json")
    wanted = {"model": "full", "model_lite": "lite", **({"model_heavy": "heavy"} if options.ends else {})}
    models = {"full": "full", "lite": "lite", "heavy": str(options.reference)}
    seen = cached(options.cache) or observe(options.video, models, ("clean", "mirror") if options.ends else ("clean",))
    if options.cache is not None and not options.cache.exists():
        flat = {"|".join((name, *key)): rows for name, views in seen.items() for key, rows in views.items()}
        np.savez_compressed(options.cache, **flat)
    if ("heavy", "mirror") not in seen["man on the wall"]:
        wanted.pop("model_heavy", None)
    if options.repaired:
        seen = {name: {key: repaired(rows) for key, rows in views.items()} for name, views in seen.items()}
    step_s = 1 / options.fps
    reports = {model: report(seen, model, step_s, skeleton) for model in wanted.values()}
    record = {
        "schema": "prml.detector_noise/1",
        "skeleton": skeleton.name,
        "joints": list(skeleton.joints),
        "unit": "mm at the person's depth, per image axis; rates per second; times in seconds",
        **{entry: noise_model(reports[model], step_s) for entry, model in wanted.items()},
        **reports,
        "provenance": provenance(options),
    }
    out = options.out or Path("src/prml/batches") / name
    out.write_text(compact(plain(record)) + "\n")
    sys.stdout.write(compact(plain(record["model"])) + "\n")


def provenance(options: argparse.Namespace) -> dict[str, Any]:
    """Which video, models and versions."""
    return {
        "video": {
            "name": options.video.name,
            "origin": "Sports2D, BSD-3",
            "sha256": sha256(options.video.read_bytes()).hexdigest(),
            "fps": options.fps,
            "segments": {k: list(v) for k, v in SEGMENTS.items()},
        },
        "reference": {"name": options.reference.name, "sha256": sha256(options.reference.read_bytes()).hexdigest()},
        "versions": {p: version(p) for p in ("mediapipe", "numpy", "av", "pillow")}
        | {"python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/measure_detector_noise.py --video jump.mp4 "
        "--reference pose_landmarker_heavy.task" + " --mended" * options.repaired + " --ends" * options.ends,
        "explained_in": "docs/detector_noise.md",
    }


if __name__ == "__main__":
    main()
