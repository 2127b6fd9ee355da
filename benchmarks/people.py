"""Several people in one video: scenes composed of the example clip are lifted, and compared with lifting each alone.

Every scene shows two to four copies of the man of ``examples/jump.mp4``, cut out with MediaPipe's segmentation,
mirrored, delayed, tinted or made smaller, side by side, crossing, or one before the other. A copy alone on the same
background is the reference.

Usage: ``python benchmarks/people.py [--out results/people.json] [--keep FOLDER] [--scene NAME]``; with ``--scene`` the
other scenes of the file stay as they are.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

import prml
from prml.detect.mediapipe import model_path
from prml.detect.ownership import limbs
from prml.evaluation.metrics import p_mpjpe
from prml.lifting.lifter import Lifter
from prml.media.read import probe, read_frames
from prml.media.write import VideoWriter
from prml.pipeline.lift import lift
from prml.provenance import commit, processor, versions
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

Array = np.ndarray
ROOT = Path(__file__).parents[1]
CLIP = ROOT / "examples" / "jump.mp4"
FACING = 84  # frames in which the man faces the camera; from behind, a mirrored and a true man look alike
STOLEN, OWN = 0.08, 0.16  # person sizes: a limb this near to another's and this far from one's own is not one's own
SETTINGS = {"weights": "prml-s", "overlay": False, "viewer": False, "motion": False}


@dataclass(frozen=True)
class Copy:
    """One copy of the man.

    Attributes:
        x: from where to where his middle moves over the clip, in clip widths.
        mirrored: left and right exchanged.
        delay: frames by which he is late; the clip runs forward and backward.
        size: relative to the clip.
        tint: factors of red, green and blue.
    """

    x: tuple[float, float]
    mirrored: bool = False
    delay: int = 0
    size: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class SceneOf:
    """A composed scene; later copies stand before earlier ones.

    Attributes:
        width: of the picture, in clip widths.
        copies: the people.
        crossings: how often two of them change places.
        by_default: whether the single person of a lift with defaults is scored as well.
    """

    width: float
    copies: tuple[Copy, ...]
    crossings: int = 0
    by_default: bool = False


RED, BLUE, GREEN = (1.0, 0.55, 0.5), (0.5, 0.65, 1.0), (0.6, 1.0, 0.6)
SCENES = {
    "two side by side": SceneOf(1.6, (Copy((0.4, 0.4)), Copy((1.2, 1.2), mirrored=True, delay=31, tint=RED))),
    "two close": SceneOf(
        1.2, (Copy((0.42, 0.42)), Copy((0.78, 0.78), mirrored=True, delay=20, tint=BLUE)), by_default=True
    ),
    "two crossing": SceneOf(
        1.6, (Copy((1.25, 0.35), delay=15, tint=RED), Copy((0.35, 1.25), mirrored=True)), crossings=1, by_default=True
    ),
    "twins crossing": SceneOf(1.6, (Copy((1.25, 0.35), delay=15), Copy((0.35, 1.25), mirrored=True)), crossings=1),
    "one before the other": SceneOf(
        1.2, (Copy((0.5, 0.5), size=0.75, tint=GREEN), Copy((0.7, 0.7), mirrored=True, delay=40)), by_default=True
    ),
    "three, one crossing": SceneOf(
        2.2,
        (Copy((0.8, 0.8), delay=25, size=0.85, tint=BLUE), Copy((1.7, 1.7), tint=GREEN), Copy((0.3, 1.3), tint=RED)),
        crossings=1,
    ),
    "four side by side": SceneOf(
        2.6,
        (
            Copy((0.4, 0.4)),
            Copy((1.0, 1.0), mirrored=True, delay=12, tint=RED),
            Copy((1.6, 1.6), delay=33, tint=BLUE),
            Copy((2.2, 2.2), mirrored=True, delay=50, tint=GREEN),
        ),
    ),
}


def cut_out() -> list[tuple[UInt8[Array, "h w 3"], Float[Array, "h w"]]]:
    """Return every frame of the clip with how much of each pixel is the man."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model_path("full"))),
        running_mode=vision.RunningMode.VIDEO,
        output_segmentation_masks=True,
    )
    layers = []
    with vision.PoseLandmarker.create_from_options(options) as landmarker:
        for frame in read_frames(CLIP):
            picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(frame.image))
            result = landmarker.detect_for_video(picture, round(frame.time_s * 1000))
            mask = np.squeeze(result.segmentation_masks[0].numpy_view())
            layers.append((frame.image.copy(), np.clip((mask - 0.3) / 0.4, 0, 1).astype(np.float32)))
    return layers


def backdrop(layers: list[tuple[Array, Array]], width: int) -> UInt8[Array, "h w 3"]:
    """Return the clip's wall and floor without the man: the median of its outer columns, row by row."""
    columns = np.concatenate([image[:, :40] for image, _ in layers[::10]], axis=1)
    rows = np.median(columns, axis=1)
    noise = np.random.default_rng(0).normal(0, 2, (len(rows), width, 1))
    return np.clip(rows[:, None] + noise, 0, 255).astype(np.uint8)


def compose(
    layers: list[tuple[Array, Array]], scene: SceneOf, shown: tuple[int, ...]
) -> Iterator[UInt8[Array, "h w 3"]]:
    """Yield the pictures of a scene with some of its copies."""
    height, clip_width = layers[0][0].shape[:2]
    width = 2 * round(scene.width * clip_width / 2)
    empty = backdrop(layers, width)
    turns = [*range(FACING), *range(FACING - 2, 0, -1)]
    middle = np.median([np.average(np.arange(clip_width), weights=mask.sum(axis=0) + 1e-9) for _, mask in layers])
    for number in range(len(layers)):
        picture = empty.astype(np.float32)
        for index in shown:
            copy = scene.copies[index]
            image, mask = layers[turns[(number + copy.delay) % len(turns)]]
            image, mask, centre = image * np.float32(copy.tint), mask, middle
            if copy.mirrored:
                image, mask, centre = image[:, ::-1], mask[:, ::-1], clip_width - middle
            if copy.size != 1:
                image, mask = (_smaller(part, copy.size) for part in (image, mask))
                centre *= copy.size
            share = number / (len(layers) - 1)
            x = round((copy.x[0] + share * (copy.x[1] - copy.x[0])) * clip_width - centre)
            y = round((height - image.shape[0]) * 0.8)
            _paste(picture, image, mask, x, y)
        yield picture.clip(0, 255).astype(np.uint8)


def _smaller(part: Array, size: float) -> Array:
    rows, columns = (np.minimum((np.arange(round(n * size)) / size).astype(int), n - 1) for n in part.shape[:2])
    return part[rows][:, columns]


def _paste(picture: Array, image: Array, mask: Array, x: int, y: int) -> None:
    x0, x1 = max(x, 0), min(x + image.shape[1], picture.shape[1])
    y1 = min(y + image.shape[0], picture.shape[0])
    part, share = image[: y1 - y, x0 - x : x1 - x], mask[: y1 - y, x0 - x : x1 - x, None]
    picture[y:y1, x0:x1] = picture[y:y1, x0:x1] * (1 - share) + part * share


def write_clip(path: Path, pictures: Iterator[Array], fps: float, crf: int = 16) -> Path:
    """Write pictures as a video."""
    first = next(pictures)
    with VideoWriter(path, first.shape[1], first.shape[0], fps, crf=crf, overwrite=True) as writer:
        for number, picture in enumerate([first, *pictures]):
            writer.write(picture, number / fps)
    return path


def score(people: list[PoseSequence], alone: list[PoseSequence]) -> dict[str, Any]:
    """Compare the people of a scene with each copy alone: whose body every frame shows, switches, chimeras, P-MPJPE."""
    sizes = [np.ptp(one.keypoints_px, axis=1).max(axis=-1) for one in alone]
    rows, switches, chimeras, taken = [], 0, 0, []
    for person in people:
        shown = _measured(person)
        apart = np.stack([_apart(person, one) / size for one, size in zip(alone, sizes, strict=True)])
        owner = apart.argmin(axis=0)
        owners = owner[shown & (apart.min(axis=0) < 0.5)]
        switches += int((np.diff(owners) != 0).sum())
        main = int(np.bincount(owners, minlength=len(alone)).argmax()) if len(owners) else 0
        mixed = shown & _mixed(person, alone, owner, sizes)
        chimeras += int(mixed.sum())
        error = _p_mpjpe_mm(person, alone[main])
        taken.append(main)
        rows.append(
            {
                "person": person.track_id,
                "copy": main,
                "frames": int(shown.sum()),
                "of": len(person),
                "p_mpjpe_to_alone_mm": error,
                "chimera_frames": int(mixed.sum()),
                "chimera_at": np.flatnonzero(mixed).tolist(),
                "events": [event.record() for event in person.detection.events] if person.detection else [],
            }
        )
    return {
        "identity_switches": switches,
        "unmarked_chimera_frames": chimeras,
        "copies_found": len(set(taken)),
        "people": rows,
    }


def _p_mpjpe_mm(person: PoseSequence, other: PoseSequence) -> float | None:
    """P-MPJPE between two lifts over the frames that both measured; None if there are none."""
    common = np.flatnonzero(_measured(person) & _measured(other))
    if not len(common):
        return None
    mine, theirs = (torch.as_tensor(np.asarray(one.joints_m)[common]) for one in (person, other))
    return round(float(p_mpjpe(mine, theirs).mean()), 1)


def _measured(person: PoseSequence) -> Bool[Array, " T"]:
    present = np.asarray(person.has_person, bool)
    return present if person.filled is None else present & ~person.filled


def _apart(person: PoseSequence, other: PoseSequence) -> Float[Array, " T"]:
    distance = np.median(np.linalg.norm(person.keypoints_px - other.keypoints_px, axis=-1), axis=-1)
    return np.where(np.isfinite(distance), distance, np.inf)


def _mixed(person: PoseSequence, alone: list[PoseSequence], owner: Array, sizes: list[Array]) -> Bool[Array, " T"]:
    """(T,) frames with a limb that is far from the owner's and on that of another copy."""
    mixed = np.zeros(len(person), bool)
    pairs = limbs(H36M17)
    for t in range(len(person)):
        own = alone[owner[t]].keypoints_px[t]
        for other, one in enumerate(alone):
            if other == owner[t]:
                continue
            for k, limb in enumerate(pairs):
                kind = pairs[k // 2 * 2 : k // 2 * 2 + 2]
                mine = [np.linalg.norm(person.keypoints_px[t, limb] - own[p], axis=-1).mean() for p in kind]
                theirs = [
                    np.linalg.norm(person.keypoints_px[t, limb] - one.keypoints_px[t, p], axis=-1).mean() for p in kind
                ]
                mixed[t] |= min(mine) > OWN * sizes[owner[t]][t] and min(theirs) < STOLEN * sizes[other][t]
    return mixed


def run(
    name: str, folder: Path, layers: list[tuple[Array, Array]], lifter: Lifter, draw: bool, again: bool
) -> dict[str, Any]:
    """Compose, lift and score one scene."""
    scene, fps = SCENES[name], probe(CLIP).fps
    plain = name.replace(" ", "_").replace(",", "")
    alone = []
    for index in range(len(scene.copies)):
        clip = write_clip(folder / f"{plain}_alone_{index + 1}.mp4", compose(layers, scene, (index,)), fps)
        alone.append(lift(clip, lifter=lifter, **SETTINGS).sequence)  # the reference
    clip = write_clip(folder / f"{plain}.mp4", compose(layers, scene, tuple(range(len(scene.copies)))), fps)
    started = perf_counter()
    shown = {"overlay": draw, "viewer": draw, "overwrite": True}
    result = lift(clip, folder / plain if draw else None, people="all", lifter=lifter, **(SETTINGS | shown))
    seconds = perf_counter() - started
    told = score(list(result.scene), alone)
    if again:  # what a change of a grey level does
        other = write_clip(folder / f"{plain}_again.mp4", compose(layers, scene, (0,)), fps, crf=26)
        told["p_mpjpe_of_copy_0_alone_encoded_again_mm"] = _p_mpjpe_mm(
            lift(other, lifter=lifter, **SETTINGS).sequence, alone[0]
        )
    if scene.by_default:
        by_default = score([lift(clip, lifter=lifter, **SETTINGS).sequence], alone)
        told["one_person_by_default"] = by_default["people"][0] | {"switches": by_default["identity_switches"]}
    return {
        "copies": len(scene.copies),
        "commit": commit(),
        "people_found": len(result.scene),
        "crossings": scene.crossings,
        "seconds": round(seconds, 1),
        **told,
    }


def write_record(record: dict[str, Any], path: Path) -> None:
    """Write the record with its sums; after every scene, so that an interrupted run has some."""
    scenes = record["scenes"].values()
    by_default = [s["one_person_by_default"] for s in scenes if "one_person_by_default" in s]
    sums = {
        "identity_switches": sum(s["identity_switches"] for s in scenes),
        "crossings": sum(s["crossings"] for s in scenes),
        "unmarked_chimera_frames": sum(s["unmarked_chimera_frames"] for s in scenes),
        "unmarked_chimera_frames_by_default": sum(s["chimera_frames"] for s in by_default),
    }
    path.write_text(json.dumps(record | sums, indent=1) + "\n", encoding="utf-8")


def main(words: list[str] | None = None) -> int:
    """Run the scenes and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "people.json")
    parser.add_argument("--keep", type=Path, help="folder for the composed clips and their results")
    parser.add_argument("--scene", action="append", choices=SCENES)
    given = parser.parse_args(words)
    layers, lifter = cut_out(), prml.load(SETTINGS["weights"])
    record: dict[str, Any] = {
        "config": "benchmarks/people.py",
        "commit": commit(),
        "versions": versions(),
        "processor": processor(),
        "clip": CLIP.name,
        "scenes": {},
    }
    if given.scene and given.out.is_file():  # the others stay as they were measured
        record["scenes"] = json.loads(given.out.read_text())["scenes"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in given.scene or SCENES:
            record["scenes"][name] = told = run(
                name, folder, layers, lifter, given.keep is not None, name == next(iter(SCENES))
            )
            sys.stdout.write(f"{name}: {json.dumps({k: v for k, v in told.items() if k != 'people'})}\n")
            sys.stdout.flush()
            write_record(record, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
