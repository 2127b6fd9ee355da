"""AlphaPose results: a list as COCO's, with ``image_id`` a file name, ``idx`` the track and ``box`` the person's box.

Points are x, y in pixels and a score (up to 6 in old versions; above 1 counts as 1): 17 of COCO, 26 or 136 of Halpe
(the first 26 are read). With ``--format open`` AlphaPose writes OpenPose JSON instead.
"""

import re
from pathlib import Path

from prml.errors import PrmlError
from prml.io.coco import people_of_list, same_kind
from prml.io.entries import load_json
from prml.io.found import Found, Warn, head_of, on_clip
from prml.io.guard import guarded
from prml.io.registry import Format
from prml.scene import Scene, VideoSource

_LIST = re.compile(r'^\s*\[\s*\{[^{]*?"image_id"\s*:\s*("|\d)')
_NAME = re.compile(r'"image_id"\s*:\s*"[^"]*\.(jpe?g|png|bmp|webp|tiff?)"', re.IGNORECASE)


def read_alphapose(
    path: Path,
    fps: float | None = None,
    image_size: tuple[int, int] | None = None,
    video: VideoSource | None = None,
    warn: Warn | None = None,
) -> Scene:
    """Read AlphaPose results; see :meth:`prml.io.found.Found.scene`.

    Raises:
        PrmlError: the file is damaged, or as for :meth:`Found.scene`.
    """
    record = load_json(path)

    def parsed() -> Found:
        if not isinstance(record, list):
            raise PrmlError("expected a list of people")
        found, notes = people_of_list(record, "idx")
        return Found("AlphaPose results", same_kind(found), on_clip(found), notes=notes)

    return guarded(path, parsed, "it is not an AlphaPose result").scene(path, fps, image_size, video, warn)


def is_alphapose(path: Path) -> bool:
    """Whether a JSON file looks like AlphaPose results."""
    head = head_of(path)
    if not _LIST.match(head) or '"keypoints"' not in head:
        return False
    first = head[: head.find("}") + 1 or None]
    return '"idx"' in first or '"box"' in first or bool(_NAME.search(first))


FORMAT = Format(
    "alphapose",
    (".json",),
    "2D poses of AlphaPose",
    read_alphapose,
    detect=is_alphapose,
    options=("fps", "image_size", "video", "warn"),
)
