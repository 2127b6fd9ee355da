"""COCO keypoints: results (a list of people with ``image_id``) and annotations (images, annotations, categories).

The ``keypoints`` of a person are x, y and a score (results) or 0, 1, 2 (annotations: not labelled, hidden, visible), in
pixels. The number at the end of an image's name, else the image's id, is its frame; neither states a frame rate, and
results no size. AlphaPose writes the same list: see :mod:`prml.io.alphapose`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from prml.errors import PrmlError
from prml.filters.tracks import Sight
from prml.io.files import write_file
from prml.io.found import Found, by_count, frame_numbers, head_of, keypoint_format, on_clip, parsed_json, sight
from prml.io.guard import one_line
from prml.io.joint_names import Named, by_names
from prml.scene import Scene
from prml.skeleton import COCO17

_ANNOTATIONS = re.compile(r'^\s*\{\s*"(info|licenses|images|videos|annotations|categories)"\s*:')
_RESULTS = re.compile(r'^\s*\[\s*\{[^}]*?"(image_id|keypoints)"\s*:')


def find_coco(path: Path) -> Found:
    """Read COCO results or annotations of one clip; raise PrmlError if the file is damaged or not of this kind."""
    return parsed_json(path, _parsed, "it is not a COCO keypoint file")


def _parsed(record: Any) -> Found:
    return _results(record) if isinstance(record, list) else _annotations(record)


def people_of_list(record: list[Any], identity: str) -> tuple[list[tuple[int, Sight]], tuple[str, ...]]:
    """Return frame and person of every entry of a results list, and notes; ``identity`` names the entry with the id."""
    entries = [entry for entry in record if entry.get("category_id", 1) == 1 and entry.get("keypoints")]
    numbers, notes = frame_numbers(entry["image_id"] for entry in record)
    return [(numbers[e["image_id"]], sight(e["keypoints"], _identity(e.get(identity)))) for e in entries], notes


def _identity(value: Any) -> int | str | None:
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _results(record: list[Any]) -> Found:
    found, notes = people_of_list(record, "track_id")
    kind = same_kind(found)
    return Found("COCO results", kind, on_clip(found), notes=notes)


def same_kind(found: list[tuple[int, Sight]]) -> Any:
    """Return the joint set of people who all have the same number of points; raise PrmlError if they do not."""
    counts = {len(person.confidence) for _, person in found}
    if len(counts) > 1:
        raise PrmlError(f"its people have {' or '.join(map(str, sorted(counts)))} points; expected one kind")
    return by_count(counts.pop())[0] if counts else COCO17


def _annotations(record: Mapping[str, Any]) -> Found:
    images, people = record.get("images") or [], record.get("annotations")
    if not isinstance(people, list) or not any("keypoints" in entry for entry in people):
        raise PrmlError("has no annotations with keypoints")
    if len({entry.get("video_id", entry.get("vid_id")) for entry in images}) > 1:
        raise PrmlError("holds several videos; give the annotations of one")
    names = {entry["id"]: _frame_name(entry) for entry in images}
    people = [entry for entry in people if entry.get("keypoints")]
    numbers, notes = frame_numbers(names.values() if names else (entry["image_id"] for entry in people))
    frame = {image: numbers[name] for image, name in names.items()} if names else numbers
    kind, points = _layout(record, people)
    found = [(frame[entry["image_id"]], person) for entry, person in zip(people, points, strict=True)]
    sizes = {(entry["width"], entry["height"]) for entry in images if "width" in entry and "height" in entry}
    if len(sizes) > 1:
        raise PrmlError(f"its images have {len(sizes)} sizes; expected the frames of one clip")
    size = next(iter(sizes), None)
    if size is not None and not all(type(side) is int and 0 < side <= 100_000 for side in size):
        raise PrmlError(f"expected the size of its images in pixels, got {one_line(size, 60)}")
    length = max(numbers.values(), default=-1) + 1
    return Found("COCO annotations", kind, on_clip(found, length), image_size=size, notes=notes)


def _frame_name(image: Mapping[str, Any]) -> Any:
    for key in ("frame_id", "frame_index", "file_name"):
        if key in image:
            return image[key]
    return image["id"]


def _layout(record: Mapping[str, Any], people: list[Any]) -> tuple[Any, Iterator[Sight]]:
    """Return the joint set, by the names of the category or else the number of points, and the people on it."""
    names = next((c["keypoints"] for c in record.get("categories") or [] if c.get("keypoints")), None)
    tables = [np.asarray(entry["keypoints"], np.float64).reshape(-1, 3) for entry in people]
    for table in tables:
        table[:, 2] = np.where(table[:, 2] > 0, 1.0, 0.0)
    counts = {len(table) for table in tables}
    if len(counts) != 1:
        raise PrmlError("its people have different numbers of points; expected one kind")
    ids = [_identity(entry.get("track_id")) for entry in people]
    if names is None or len(names) != counts.pop() or not all(isinstance(name, str) for name in names):
        return by_count(len(tables[0]))[0], (sight(t, i) for t, i in zip(tables, ids, strict=True))
    named = by_names(names)
    return named.skeleton, (named_sight(t, named, i) for t, i in zip(tables, ids, strict=True))


def named_sight(table: np.ndarray, named: Named, identity: int | str | None = None) -> Sight:
    """Return a person of points (N, 3) that were recognised by name; joints without one are not found."""
    rows = np.where((named.source >= 0)[:, None], table[named.source], [np.nan, np.nan, 0.0])
    return sight(rows, identity)


def is_coco(path: Path) -> bool:
    """Whether a JSON file looks like COCO results or annotations."""
    head = head_of(path)
    return bool(_ANNOTATIONS.match(head) or _RESULTS.match(head)) and '"keypoint' in head + tail_of(path)


def tail_of(path: Path, size: int = 2**16) -> str:
    """Return the last characters of a file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode("utf-8", errors="replace")


def write_coco(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write COCO results: one entry per frame and person, on COCO's 17 joints; ``image_id`` is the frame from 0.

    Joints that were not found are 0, 0, 0; frames without the person have no entry; times are not stored.

    Raises:
        PrmlError: there are no keypoints, the joint set does not convert, or the file cannot be written.
    """
    tables = []
    for person in scene:
        if person.keypoints_px is None:
            raise PrmlError("COCO results hold 2D keypoints, and this motion has none; write a 3D format")
        on17 = person.to_skeleton(COCO17)
        points = np.asarray(on17.keypoints_px, np.float64)
        score = np.ones(points.shape[:2]) if on17.confidence is None else np.asarray(on17.confidence, np.float64)
        lost = np.isnan(points).any(-1) | ~(score > 0)
        if on17.has_person is not None:
            lost |= ~on17.has_person[:, None]
        tables.append(np.where(lost[..., None], 0.0, np.concatenate([points, score[..., None]], axis=-1)))

    def write(file: BinaryIO) -> None:
        first = True
        for frame in range(len(scene.times_s)):
            for track, table in zip(scene.track_ids, tables, strict=True):
                if table[frame].any():
                    entry = {
                        "image_id": frame,
                        "category_id": 1,
                        "keypoints": np.round(table[frame], 3).ravel().tolist(),
                        "score": round(float(table[frame, :, 2].mean()), 4),
                        "track_id": track,
                    }
                    file.write(("[\n" if first else ",\n").encode() + json.dumps(entry).encode())
                    first = False
        file.write(b"[]\n" if first else b"\n]\n")

    write_file(path, write, overwrite)


FORMAT = keypoint_format(
    "coco",
    (".json",),
    "2D poses as COCO results or annotations",
    find_coco,
    write=write_coco,
    holds=lambda scene: False,
    detect=is_coco,
    wants="2d",
    gap_rule="no entry",
)
