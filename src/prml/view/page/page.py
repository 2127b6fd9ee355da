"""The viewer: one HTML file with three.js, data and controls, which works without network or server."""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.files import check_writable, write_file
from prml.sequence import PoseSequence
from prml.view.page.pack import pack_all, printable
from prml.view.places import NOTE, offsets, stage_of
from prml.view.thumbnails import FrameLike, Thumbnails

Array = np.ndarray
# In this order, as they share one scope.
DRAWING = ("data.js", "compare.js", "camera.js", "mannequin.js", "room.js", "figure.js", "scene.js")
SCRIPTS = (*DRAWING, "timeline.js", "angles.js", "curves.js", "save.js", "app.js")
# A block of data that the browser does not run.
_DATA_SCRIPT = b'<script type="application/octet-stream" id="data-%s">%s</script>'


def write_viewer(
    sequence: PoseSequence,
    path: str | Path,
    *,
    title: str,
    video_frames: Thumbnails | Iterable[FrameLike] | None = None,
    up: Float[Array, "3"] | None = None,
    overwrite: bool = False,
    others: Sequence[PoseSequence] = (),
) -> Path:
    """Write the HTML viewer of a sequence.

    Args:
        sequence: with ``joints_m`` (metres; NaN where no one was found). 2D keypoints, confidences, standard deviations
            and the reprojection onto the image are shown if the sequence has the data.
        path: the HTML file.
        title: heading of the page; control characters are replaced.
        video_frames: images behind the skeletons: collected :class:`Thumbnails`, or the frames of the video (all are
            read), or None for a plain background.
        up: direction opposite to gravity in the sequence's frame; by default the camera's -y (the world's z).
        overwrite: replace an existing file.
        others: further people of the same video, on the same clock; all are drawn, and the reader chooses whose numbers
            are shown.

    Returns:
        The path.

    Raises:
        PrmlError: there are no 3D joints or no frames, or the file cannot be written or exists without ``overwrite``.
    """
    path = Path(path)
    check_writable(path, overwrite)
    if not len(sequence):
        raise PrmlError("a viewer needs at least one frame, got none")
    if video_frames is not None and not isinstance(video_frames, Thumbnails):
        video_frames = Thumbnails.of(video_frames)
    write_file(path, page(*_packed([sequence, *others], up), title, video_frames), overwrite)
    return path


def page(
    meta: dict[str, Any],
    arrays: dict[str, Array],
    title: str,
    thumbnails: Thumbnails | None = None,
    template: str = "template.html",
    scripts: tuple[str, ...] = SCRIPTS,
) -> bytes:
    """Return the HTML page of a packed record and its arrays (:mod:`prml.view.page.pack`)."""
    title = printable(title)
    data = [_DATA_SCRIPT % (name.encode(), b64encode(array.tobytes())) for name, array in arrays.items()]
    pictures = None
    if thumbnails is not None and thumbnails.pictures:
        pictures = {"frames": list(thumbnails.pictures), "every": thumbnails.every}
        data.append(_DATA_SCRIPT % (b"pictures", b"\n".join(map(b64encode, thumbnails.pictures.values()))))
    meta |= {"title": title, "pictures": pictures}
    parts = {
        "TITLE": escape(title).encode(),
        "META": json.dumps(meta, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c").encode(),
        "ARRAYS": b"\n".join(data),
        **_assets(scripts),
    }
    return b"".join(piece if isinstance(piece, bytes) else parts[piece] for piece in _template(template))


def _packed(people: Sequence[PoseSequence], up: Float[Array, "3"] | None) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the record of the page and the arrays of all people; those of the second are named ``p2-...``."""
    stage = stage_of(people, up)
    meta, arrays = pack_all(people, stage)
    if len(people) > 1:
        meta["note"] = NOTE
        for number, place in enumerate(offsets(people, up), 1):
            arrays["places" if number == 1 else f"p{number}-places"] = place.astype("<f4")
    return meta, arrays


@cache
def _assets(scripts: tuple[str, ...]) -> dict[str, bytes]:
    """Return style, scripts, and the hashes of the scripts, so that the browser runs no others."""
    style, three = _asset("viewer.css"), _asset("three.bundle.js")
    script = b'"use strict";\n' + b"\n".join(map(_asset, scripts))
    hashes = b" ".join(b"'sha256-%s'" % b64encode(sha256(code).digest()) for code in (three, script))
    return {"CSS": style, "THREE": three, "SCRIPT": script, "SCRIPT_HASHES": hashes}


@cache
def _template(name: str) -> tuple[bytes | str, ...]:
    """Split a page at its {{NAME}} fields: text as bytes, names as str. Inserted content is never parsed."""
    first, *rest = _asset(name).split(b"{{")
    pieces: list[bytes | str] = [first]
    for piece in rest:
        field, text = piece.split(b"}}", 1)
        pieces += [field.decode(), text]
    return tuple(pieces)


def _asset(name: str) -> bytes:
    """Read an asset with Unix line ends, as browsers normalise them before comparing the hash."""
    return (files("prml.view.page") / "assets" / name).read_bytes().replace(b"\r\n", b"\n")
