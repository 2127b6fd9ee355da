"""Measure where a 2D detector's landmarks lie in the body, against the joint centres of motion capture.

    python benchmarks/measure_detector_convention.py --jump jump.mp4 --pose2sim FOLDER --heavy heavy.task

A detector's "hip" is what its annotators clicked, not the centre of the joint. No clip at hand has both, so the offsets
are estimated from proportions: segment lengths of a few people against those of many subjects of motion capture, as
docs/detector_noise.md explains. ``FOLDER`` is the unpacked wheel of Pose2Sim (BSD-3): two people, four calibrated
cameras.
"""

import argparse
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from measure_detector_noise import compact, plain

from prml.camera import Camera
from prml.datasets.mocap import load_sets
from prml.detect.mediapipe import MediaPipeDetector
from prml.skeleton import BLAZEPOSE33, BODY28, Skeleton

Array = np.ndarray
MODELS = ("lite", "full", "heavy")
CAMERAS = ("cam01", "cam02", "cam03", "cam04")
# Parts of the pictures in which the detector finds this person alone: x, y, width, height in pixels
CROPS = {
    "walker": ((100, 100, 800, 1300), (250, 200, 800, 1100), (300, 250, 788, 1250), (0, 300, 900, 1250)),
    "figure": ((450, 660, 638, 1260), (0, 560, 480, 1060), (100, 400, 380, 740), (560, 320, 500, 740)),
}
DEMOS = {"walker": "Demo_SinglePerson", "figure": "Demo_MultiPerson"}
JUMP = {  # parts of jump.mp4, with first and last frame: a man on a wall, upright and in star jumps; a woman in profile
    "wall": (380, 0, 700, 520, 0, 165),
    "profile": (500, 450, 700, 540, 105, 150),
}

# Segment -> offsets that lengthen it (mm per mm): "hip.up" is how far the landmark lies above the joint, along the body
SEGMENTS: dict[str, dict[str, float]] = {
    "shin": {"knee.up": 1, "ankle.up": -1},
    "thigh": {"hip.up": 1, "knee.up": -1},
    "trunk": {"shoulder.up": 1, "hip.up": -1},
    "neck": {"ear.up": 1, "shoulder.up": -1},
    "upper arm": {"shoulder.up": 1, "elbow.along": 1},
    "forearm": {"elbow.along": -1, "wrist.along": 1},
    "hips": {"hip.out": 2},
    "shoulders": {"shoulder.out": 2},
    "ears": {"ear.out": 2},
    "face": {"nose.front": 1},
    "heel": {"heel.along": 1},
    "toe": {"toe.along": 1},
    "hand": {"hand.along": 1, "wrist.along": -1},
    "thumb": {"thumb.along": 1, "wrist.along": -1},
    "chain": {"ear.up": 1, "ankle.up": -1},
}
CHAIN = ("shin", "thigh", "trunk", "neck")  # from ankle to ear: its length is the size of a person
CHAIN_MM = 1540.0  # of a person of 1.74 m
# How far offsets may be expected from zero before anything is seen, mm: points on the skin are clicked well, hips badly
PRIOR_MM = {
    "ankle.up": 15,
    "knee.up": 25,
    "hip.up": 40,
    "shoulder.up": 30,
    "ear.up": 10,
    "elbow.along": 20,
    "wrist.along": 15,
    "hip.out": 40,
    "shoulder.out": 30,
    "ear.out": 15,
    "nose.front": 30,
    "heel.along": 20,
    "toe.along": 25,
    "hand.along": 25,
    "thumb.along": 25,
}
# Spread from clip to clip (clothes, view, person), mm per axis of the body (front, out, up): chosen, not measured, for
# few people were at hand; the spread that those people show is added.
SPREAD_MM = {
    "hip": (20, 20, 28),
    "knee": (12, 10, 20),
    "ankle": (10, 8, 15),
    "shoulder": (15, 20, 22),
    "elbow": (10, 10, 15),
    "wrist": (10, 10, 12),
    "ear": (12, 10, 12),
    "nose": (15, 6, 12),
    "heel": (10, 8, 10),
    "toe": (18, 12, 10),
    "hand": (12, 12, 18),
    "thumb": (15, 15, 15),
}
MIN_VARIATION = 0.04  # of a segment among people: those that motion capture makes by rule do not vary there
NOISE = 0.01  # of a median length, relative


def landmarks(video: Path, model: str, crop: tuple[int, ...], frames: tuple[int, int]) -> Array:
    """(T, 33, 4) x, y in pixels of the whole picture, visibility, presence; NaN where nobody is found."""
    x, y, width, height = crop
    rows = []
    with MediaPipeDetector(model) as detector, av.open(str(video)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= frames[1]:
                break
            if index >= frames[0]:
                image = frame.to_ndarray(format="rgb24")[y : y + height, x : x + width]
                people = detector.landmarks(image, float(frame.pts * frame.time_base))
                found = people[0].copy() if len(people) else np.full((33, 4), np.nan)
                found[:, :2] += (x, y)
                rows.append(found)
    return np.stack(rows)


def videos(options: argparse.Namespace) -> Iterator[tuple[str, Path, tuple[int, ...], tuple[int, int]]]:
    """Name, file, crop and frames of every track."""
    for name, (*crop, first, last) in JUMP.items():
        yield name, options.jump, tuple(crop), (first, last)
    for person, demo in DEMOS.items():
        for camera, crop in zip(CAMERAS, CROPS[person], strict=True):
            path = options.pose2sim / "Pose2Sim" / demo / "videos" / f"{camera}.mp4"
            yield f"{person}/{camera}", path, crop, (0, 100)


def observe(options: argparse.Namespace) -> dict[str, Array]:
    """Landmarks of every model on every track, as "model|track"; from the cache if there is one."""
    if options.cache is not None and options.cache.is_file():
        return dict(np.load(options.cache))
    files = {"lite": "lite", "full": "full", "heavy": str(options.heavy)}
    found = {
        f"{model}|{name}": landmarks(path, files[model], crop, frames)
        for model in MODELS
        for name, path, crop, frames in videos(options)
    }
    if options.cache is not None:
        np.savez_compressed(options.cache, **found)
    return found


def qualisys_cameras(path: Path) -> dict[str, Camera]:
    """The cameras of a Qualisys calibration (pixels in 1/64, millimetres, z away from the picture)."""
    cameras = {}
    for entry in ET.parse(path).getroot().iter("camera"):
        place, lens = (dict(entry.find(tag).attrib) for tag in ("transform", "intrinsic"))  # type: ignore[union-attr]
        turn = np.diag([1.0, -1, -1]) @ np.array([[float(place[f"r{a}{b}"]) for b in "123"] for a in "123"])
        fx, fy, cx, cy = (float(lens[n]) / 64 for n in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV"))
        cameras[entry.attrib["serial"]] = Camera(
            1088,
            1920,
            fx,
            fy,
            cx,
            cy,
            radial=(float(lens["radialDistortion1"]), float(lens["radialDistortion2"]), 0.0),
            tangential=(float(lens["tangentalDistortion1"]), float(lens["tangentalDistortion2"])),
            R_world_to_camera=turn,
            t_m=-turn @ np.array([float(place[axis]) / 1000 for axis in "xyz"]),
        )
    return cameras


def triangulate(cameras: list[Camera], tracks: list[Array]) -> Array:
    """(T, 33, 3) metres from one (T, 33, 4) track per camera, by least squares weighted with the confidence."""
    rows = []
    for camera, track in zip(cameras, tracks, strict=True):
        plane = np.nan_to_num(camera.unproject(track[..., :2]))
        weight = np.nan_to_num(track[..., 2] * track[..., 3])[..., None]
        P = np.concatenate([camera.R_world_to_camera, camera.t_m[:, None]], 1)
        rows += [weight * (plane[..., axis, None] * P[2] - P[axis]) for axis in range(2)]
    X = np.linalg.svd(np.stack(rows, -2))[2][..., -1, :]
    return np.asarray(X[..., :3] / X[..., 3:])


def segments(points: Array, skeleton: Skeleton) -> dict[str, float]:
    """Median length of every segment over (T, J, d) points of BlazePose or BODY28, mean of left and right."""

    def at(name: str) -> Array:
        if skeleton == BLAZEPOSE33 and name.endswith("Hand"):
            return (at(name[0] + "Index") + at(name[0] + "Pinky")) / 2
        own = {"LToe": "LFootIndex", "RToe": "RFootIndex", "NoseTip": "Nose"} if skeleton == BLAZEPOSE33 else {}
        return np.asarray(points[:, skeleton.index(own.get(name, name))])

    def middle(name: str) -> Array:
        return (at("L" + name) + at("R" + name)) / 2

    def length(a: Array, b: Array) -> float:
        return float(np.nanmedian(np.linalg.norm(a - b, axis=-1)))

    def limb(a: str, b: str) -> float:
        return (length(at("L" + a), at("L" + b)) + length(at("R" + a), at("R" + b))) / 2

    return {
        "shin": limb("Knee", "Ankle"),
        "thigh": limb("Hip", "Knee"),
        "trunk": length(middle("Hip"), middle("Shoulder")),
        "neck": length(middle("Ear"), middle("Shoulder")),
        "upper arm": limb("Shoulder", "Elbow"),
        "forearm": limb("Elbow", "Wrist"),
        "hips": length(at("LHip"), at("RHip")),
        "shoulders": length(at("LShoulder"), at("RShoulder")),
        "ears": length(at("LEar"), at("REar")),
        "face": length(at("NoseTip"), middle("Ear")),
        "heel": limb("Ankle", "Heel"),
        "toe": limb("Ankle", "Toe"),
        "hand": limb("Wrist", "Hand"),
        "thumb": limb("Wrist", "Thumb"),
        "chain": limb("Knee", "Ankle")
        + limb("Hip", "Knee")
        + length(middle("Hip"), middle("Shoulder"))
        + length(middle("Ear"), middle("Shoulder")),
    }


def without_face(lengths: dict[str, float]) -> dict[str, float]:
    """Of triangulated tracks: two of the four cameras see the people from behind, and one face is blurred."""
    return {name: length for name, length in lengths.items() if name not in ("ears", "face", "chain")}


def profile_face(track: Array) -> dict[str, float]:
    """Ears to nose of a person seen from the side, and the chain from ankle to ear, in pixels."""
    found = segments(track[..., :2], BLAZEPOSE33)
    return {"face": found["face"], "chain": found["chain"]}


def widths(track: Array) -> dict[str, float]:
    """Widest that hips, shoulders and ears are seen in pixels (95th percentile): from the front."""

    def width(name: str) -> float:
        left, right = (track[:, BLAZEPOSE33.index(side + name), :2] for side in "LR")
        return float(np.nanquantile(np.linalg.norm(left - right, axis=-1), 0.95))

    return {"hips": width("Hip"), "shoulders": width("Shoulder"), "ears": width("Ear")}


def upright_heights(track: Array) -> dict[str, float]:
    """Median vertical lengths of the chain, in pixels, over the frames in which a (T, 33, 4) track stands upright.

    Trunk within 12 degrees of the vertical, thighs and shins within 15, ankles level within 5 % of the height, and
    hips, knees, ankles and shoulders seen with a confidence above 0.5.
    """

    def at(name: str) -> Array:
        return np.asarray(track[:, BLAZEPOSE33.index(name), :2])

    def lean(a: Array, b: Array) -> Array:
        return np.asarray(np.degrees(np.arctan2(np.abs(b - a)[:, 0], (b - a)[:, 1])))

    levels = [(at("L" + n) + at("R" + n)) / 2 for n in ("Ankle", "Knee", "Hip", "Shoulder", "Ear")]
    upright = lean(levels[3], levels[2]) < 12
    for side in "LR":
        upright &= (lean(at(side + "Hip"), at(side + "Knee")) < 15) & (lean(at(side + "Knee"), at(side + "Ankle")) < 15)
    height = levels[0][:, 1] - levels[4][:, 1]
    upright &= np.abs(at("LAnkle") - at("RAnkle"))[:, 1] < 0.05 * height
    needed = [BLAZEPOSE33.index(side + n) for side in "LR" for n in ("Hip", "Knee", "Ankle", "Shoulder")]
    upright &= (track[..., 2] * track[..., 3])[:, needed].min(1) > 0.5
    if upright.sum() < 10:
        raise SystemExit("fewer than ten upright frames; give the clip that the documentation names")
    steps = [np.median((low - high)[upright, 1]) for low, high in pairwise(levels)]
    return dict(zip(CHAIN, map(float, steps), strict=True))


def size_of(lengths: dict[str, float]) -> float:
    """Length of the chain from ankle to ear."""
    return lengths["chain"] if "chain" in lengths else sum(lengths[name] for name in CHAIN)


def population() -> tuple[Array, Array]:
    """Mean and covariance of the segments (chain of length one) over the training subjects of cmu and ui_prmd."""
    rows = []
    for mocap in load_sets(("cmu", "ui_prmd")):
        clips: dict[str, list[Array]] = {}
        for index in mocap.indices("train"):
            if mocap.source[index] in ("cmu_asfamc", "cmu_bvh") or mocap.name == "ui_prmd":
                subject = str(mocap.subject[index])
                clips.setdefault(subject, []).append(mocap.clip_m(int(index), BODY28)[::25])
        for parts in clips.values():
            found = segments(np.concatenate(parts), BODY28)
            rows.append(np.array(list(found.values())) / size_of(found))
    lengths = np.stack(rows)
    mean, varied = np.nanmean(lengths, 0), np.ma.masked_invalid(lengths)
    covariance = np.ma.cov(varied, rowvar=False).filled(0)
    floor = (MIN_VARIATION * mean) ** 2
    return mean, covariance + np.diag(np.maximum(floor - np.diag(covariance), 0))


def offsets(people: list[dict[str, float]], mean: Array, covariance: Array) -> tuple[dict[str, float], Array]:
    """Offsets in mm of a person of 1.74 m, the most probable ones, and what each person's alone would be.

    A person's lengths are ``size (mean + variation) + B (offset + own)``: variation has the covariance of the
    population, the common offset has the spread ``PRIOR_MM``, a person's own deviation half of it; the size is free.
    """
    names = list(PRIOR_MM)
    B = np.array([[SEGMENTS[s].get(o, 0.0) for o in names] for s in SEGMENTS]) / CHAIN_MM
    prior = np.diag(np.array([PRIOR_MM[o] for o in names], float) ** 2)

    def solve(group: list[dict[str, float]]) -> Array:
        size = len(group)
        information = np.zeros((len(names) + size,) * 2)
        vector = np.zeros(len(names) + size)
        information[: len(names), : len(names)] = np.linalg.inv(prior)
        for number, person in enumerate(group):
            rows = [i for i, s in enumerate(SEGMENTS) if s in person]
            seen = np.array([person[s] for s in SEGMENTS if s in person]) / size_of(person)
            spread = (
                covariance[np.ix_(rows, rows)] + B[rows] @ (prior / 4) @ B[rows].T + np.diag((NOISE * mean[rows]) ** 2)
            )
            design = np.zeros((len(rows), len(names) + size))
            design[:, : len(names)], design[:, len(names) + number] = B[rows], mean[rows]
            weighted = design.T @ np.linalg.inv(spread)
            information += weighted @ design
            vector += weighted @ seen
        return np.asarray(np.linalg.solve(information, vector)[: len(names)])

    return dict(zip(names, solve(people).tolist(), strict=True)), np.stack([solve([p]) for p in people])


def model_of(common: dict[str, float], alone: Array) -> dict[str, Any]:
    """Mean and spread per joint as ``prml.batches.convention`` reads them: front, out, up.

    For elbow, wrist, heel, toe, hand and thumb the third axis is the direction of the bone that ends there.
    """
    names, axes = list(PRIOR_MM), {"front": 0, "out": 1, "up": 2, "along": 2}
    mean = {joint: [0.0, 0.0, 0.0] for joint in SPREAD_MM}
    spread = {joint: [float(v) for v in values] for joint, values in SPREAD_MM.items()}
    for name, value in common.items():
        joint, _, axis = name.partition(".")
        mean[joint][axes[axis]] = value
        told = alone[np.abs(alone[:, names.index(name)]) > 1e-6, names.index(name)]  # zero: nothing was seen of it
        between = float(told.std(ddof=1)) if len(told) > 1 else 0.0
        spread[joint][axes[axis]] = float(np.hypot(spread[joint][axes[axis]], between))
    return {"mean_mm": mean, "spread_mm": spread}


def main() -> None:
    """Detect, triangulate, estimate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jump", type=Path, required=True, help="jump.mp4 of Sports2D")
    parser.add_argument("--pose2sim", type=Path, required=True, help="the unpacked wheel of Pose2Sim")
    parser.add_argument("--heavy", type=Path, required=True, help="pose_landmarker_heavy.task")
    parser.add_argument("--cache", type=Path, help="npz file of landmarks, written if it is not there")
    parser.add_argument("--out", type=Path, default=Path("src/prml/batches/detector_convention.json"))
    given = parser.parse_args()
    seen, (mean, covariance) = observe(given), population()
    models, evidence = {}, {}
    for model in MODELS:
        wall, profile = seen[f"{model}|wall"], seen[f"{model}|profile"]
        people = {"man on the wall": upright_heights(wall) | widths(wall), "woman": profile_face(profile)}
        for person, demo in DEMOS.items():
            cameras = qualisys_cameras(given.pose2sim / "Pose2Sim" / demo / "calibration" / "Calib.qca.txt")
            tracks = [seen[f"{model}|{person}/{c}"] for c in CAMERAS]
            points = triangulate([cameras[c] for c in CAMERAS], tracks)
            people[person] = without_face(segments(points, BLAZEPOSE33))
        common, alone = offsets(list(people.values()), mean, covariance)
        models[model] = model_of(common, alone)
        evidence[model] = {
            "offset_mm": common,
            "of_each_alone_mm": {
                p: dict(zip(PRIOR_MM, a.tolist(), strict=True)) for p, a in zip(people, alone, strict=True)
            },
            "lengths_of_chain": {p: {s: v / size_of(found) for s, v in found.items()} for p, found in people.items()},
        }
    record = {
        "schema": "prml.detector_convention/1",
        "unit": "mm in a person whose chain ankle-knee-hip-shoulder-ear is 1540 mm (1.74 m tall); front, out, up",
        "models": models,
        "evidence": evidence,
        "population": {
            "lengths_of_chain": dict(zip(SEGMENTS, mean.tolist(), strict=True)),
            "std": dict(zip(SEGMENTS, np.sqrt(np.diag(covariance)).tolist(), strict=True)),
        },
        "prior_mm": PRIOR_MM,
        "chosen_spread_mm": {k: list(v) for k, v in SPREAD_MM.items()},
        "provenance": {
            "jump_sha256": sha256(given.jump.read_bytes()).hexdigest(),
            "pose2sim": "0.10.49, BSD-3: a man who walks on a beam, and a drawn figure of a woman beside him",
            "heavy_sha256": sha256(given.heavy.read_bytes()).hexdigest(),
            "versions": {p: version(p) for p in ("mediapipe", "numpy", "av")},
            "date": datetime.now(UTC).date().isoformat(),
            "explained_in": "docs/detector_noise.md",
        },
    }
    given.out.write_text(compact(plain(record)) + "\n")
    sys.stdout.write(compact(plain(models)) + "\n")


if __name__ == "__main__":
    main()
