"""OpenPose JSON: one file per frame with the people in it, in a folder; also written by AlphaPose, Pose2Sim and rtmlib.

Each person has ``pose_keypoints_2d``: x, y in pixels and a score for 25 points (BODY_25), 18 (COCO), or 17, 26, 33, 133
or 136 as other programs write them. A joint that was not found is 0, 0, 0. The number at the end of a file's name is
its frame; files state neither the frame rate nor the size of the image. Hands and faces are left out.
"""

import glob
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np

from prml.errors import PrmlError
from prml.filters.tracks import Sight
from prml.io.entries import load_json
from prml.io.files import DRAFT, check_folder, reason_of
from prml.io.found import Found, by_count, frame_numbers, head_of, keypoint_format, on_clip, sight
from prml.io.guard import guarded
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import OPENPOSE25, conversion

_KEY = "pose_keypoints_2d"
_HEAD = re.compile(r'^\s*\{[^\[]{0,2000}"people"\s*:\s*\[\s*(\]|\{)')


def find_openpose(path: Path) -> Found:
    """Read a folder of OpenPose JSON files, or a single file as one frame.

    Raises:
        PrmlError: a file is damaged, or the files belong to several clips.
    """
    files = _files(path) if path.is_dir() else [path]
    numbers, notes = guarded(path.name, lambda: frame_numbers(file.name for file in files))
    people = [(numbers[file.name], person) for file in files for person in _people(file)]
    sizes = {len(person.confidence) for _, person in people}
    if len(sizes) > 1:
        raise PrmlError(
            f"{path.name}: its people have {' or '.join(map(str, sorted(sizes)))} points; expected one kind"
        )
    if len(files) == 1 and len(_files(path.parent)) > 1 and not path.is_dir():
        notes = (*notes, f"a single frame; give the folder {path.parent.name or path.parent} for the whole clip")
    kind = by_count(sizes.pop())[0] if sizes else OPENPOSE25
    frames = on_clip(people, max(numbers.values()) + 1)
    return Found("OpenPose JSON", kind, frames, notes=notes)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.json") if not p.name.startswith(".") and p.is_file())


def _people(file: Path) -> Iterator[Sight]:
    record = load_json(file)

    def parsed() -> list[Sight]:
        if not isinstance(record, dict) or not isinstance(record.get("people"), list):
            raise PrmlError('expected OpenPose JSON, {"people": [...]}')
        return [person for entry in record["people"] if (person := _person(entry)) is not None]

    yield from guarded(file, parsed, "it is not OpenPose JSON")


def _person(entry: Any) -> Sight | None:
    values = entry[_KEY]
    if not values:
        return None
    identity = entry.get("person_id", [-1])
    identity = identity[0] if isinstance(identity, list) and identity else identity
    known = isinstance(identity, int | float) and not isinstance(identity, bool) and identity >= 0
    return sight(values, int(identity) if known else None)


def is_openpose(path: Path) -> bool:
    """Whether a file, or the first file of a folder without images, looks like OpenPose JSON."""
    if path.is_dir():
        first = next(iter(_files(path)), None)
        return first is not None and is_openpose(first)
    head = head_of(path)
    return bool(_HEAD.match(head)) and (_KEY in head or '"people":[]' in re.sub(r"\s", "", head))


def write_openpose(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write a folder of JSON files, one per frame, named ``<folder>_000000000000_keypoints.json`` and so on.

    BODY_25 for joint sets that convert to it, else the joint set's own points if a reader knows their number. Joints
    and people that were not found are 0, 0, 0 and left out. Frames are counted from 0; times are not stored.

    Raises:
        PrmlError: there are no keypoints, the joint set has no such form, or a file cannot be written.
    """
    people = [_as_written(person) for person in scene]
    if path.exists() and not path.is_dir():
        raise PrmlError(f"{path} is a file; OpenPose JSON is a folder: give the name of one")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise PrmlError(f"{path} exists and is not empty; pass overwrite=True to replace it, or choose another name")
    check_folder(path.parent)
    stem = path.name.removesuffix("_json")
    work = path.with_name(f".{path.name[:40]}.{os.getpid()}-{token_hex(8)}{DRAFT}")
    try:
        work.mkdir(parents=True)
        for frame in range(len(scene.times_s)):
            name = f"{stem}_{frame:012d}_keypoints.json"
            (work / name).write_text(json.dumps(_record(people, frame)), encoding="utf-8")
        _move(work, path, stem)
    except OSError as error:
        raise PrmlError(f"cannot write {path}: {reason_of(error)}; free some space or choose another place") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _record(people: list[np.ndarray], frame: int) -> dict[str, Any]:
    """Return what the file of a frame holds."""
    seen = [(number, table[frame]) for number, table in enumerate(people) if table[frame].any()]
    return {
        "version": 1.3,
        "people": [
            {"person_id": [number if len(people) > 1 else -1], _KEY: np.round(points, 3).ravel().tolist()}
            for number, points in seen
        ],
    }


def _move(work: Path, path: Path, stem: str) -> None:
    """Put a finished folder in its place; files of the same name in a folder that exists are replaced."""
    if not path.exists():
        work.rename(path)
        return
    made = {file.name for file in work.iterdir()}
    for name in made:
        (work / name).replace(path / name)
    for stale in path.glob(f"{glob.escape(stem)}_*_keypoints.json"):
        if stale.name not in made:
            stale.unlink()


def _as_written(person: PoseSequence) -> np.ndarray:
    """Return x, y, score (T, J, 3) of the joint set that is written; 0, 0, 0 for joints that were not found."""
    if person.keypoints_px is None:
        raise PrmlError("OpenPose JSON holds 2D keypoints, and this motion has none; write a 3D format")
    if len(person.skeleton) not in (17, 18, 25, 26, 133) or by_count(len(person.skeleton))[0] != person.skeleton:
        conversion(person.skeleton, OPENPOSE25)  # raises if there is none
        person = person.to_skeleton(OPENPOSE25)
    points = np.asarray(person.keypoints_px, np.float64)
    score = np.ones(points.shape[:2]) if person.confidence is None else np.asarray(person.confidence, np.float64)
    table = np.concatenate([points, score[..., None]], axis=-1)
    lost = np.isnan(table).any(-1) | (score <= 0)
    if person.has_person is not None:
        lost |= ~person.has_person[:, None]
    return np.where(lost[..., None], 0.0, table)


FORMAT = keypoint_format(
    "openpose",
    (".json",),
    "2D poses of OpenPose and programs that write alike: a folder of JSON files, one per frame",
    find_openpose,
    write=write_openpose,
    holds=lambda scene: False,
    detect=is_openpose,
    wants="2d",
    gap_rule="no person",
    folder=True,
)
