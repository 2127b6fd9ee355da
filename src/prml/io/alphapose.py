"""AlphaPose results: a list as COCO's, with ``image_id`` a file name, ``idx`` the track and ``box`` the person's box.

Points are x, y in pixels and a score (up to 6 in old versions; above 1 counts as 1): 17 of COCO, 26 or 136 of Halpe
(the first 26 are read). With ``--format open`` AlphaPose writes OpenPose JSON instead.
"""

import re
from pathlib import Path
from typing import Any

from prml.errors import PrmlError
from prml.io.coco import people_of_list, same_kind
from prml.io.found import Found, head_of, keypoint_format, on_clip, parsed_json

_LIST = re.compile(r'^\s*\[\s*\{[^{]*?"image_id"\s*:\s*("|\d)')
_NAME = re.compile(r'"image_id"\s*:\s*"[^"]*\.(jpe?g|png|bmp|webp|tiff?)"', re.IGNORECASE)


def find_alphapose(path: Path) -> Found:
    """Read AlphaPose results; raise PrmlError if the file is damaged."""
    return parsed_json(path, _parsed, "it is not an AlphaPose result")


def _parsed(record: Any) -> Found:
    if not isinstance(record, list):
        raise PrmlError("expected a list of people")
    found, notes = people_of_list(record, "idx")
    return Found("AlphaPose results", same_kind(found), on_clip(found), notes=notes)


def is_alphapose(path: Path) -> bool:
    """Whether a JSON file looks like AlphaPose results."""
    head = head_of(path)
    if not _LIST.match(head) or '"keypoints"' not in head:
        return False
    first = head[: head.find("}") + 1 or None]
    return '"idx"' in first or '"box"' in first or bool(_NAME.search(first))


FORMAT = keypoint_format(
    "alphapose",
    (".json",),
    "2D poses of AlphaPose",
    find_alphapose,
    detect=is_alphapose,
)
