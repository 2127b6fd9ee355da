"""The viewer: one HTML file with three.js, the data and the controls in it. It needs no network and no server."""

import html
import json
from base64 import b64encode
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int16, UInt8

from prml.errors import PrmlError
from prml.io.files import check_writable, write_file
from prml.sequence import PoseSequence
from prml.view.stage import ANKLE_HEIGHT_M, LEFT, RIGHT, Colour, Stage, measured_in, path_note, person_in, sides
from prml.view.thumbnails import FrameLike, Thumbnails

Array = np.ndarray
# In this order; they share one scope.
_SCRIPTS = ("data.js", "image.js", "figure.js", "scene.js", "timeline.js", "angles.js", "app.js")
_MISSING = -32768
_STD_UNIT_M = 0.002  # one byte per value: up to half a metre


def write_viewer(
    sequence: PoseSequence,
    path: str | Path,
    *,
    title: str,
    video_frames: Thumbnails | Iterable[FrameLike] | None = None,
    up: Float[Array, "3"] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the HTML viewer of a sequence.

    Args:
        sequence: with ``joints_m`` (metres; NaN where nobody was found). 2D keypoints, confidences and standard
            deviations are shown if they are there.
        path: the HTML file.
        title: heading of the page.
        video_frames: pictures behind the 2D skeleton: gathered :class:`Thumbnails`, or the frames of the video (read to
            their end), or None for a plain background. At most 3 MB of pictures are written.
        up: direction against gravity in the sequence's frame; by default the camera's -y (the world's z).
        overwrite: replace an existing file.

    Returns:
        The path.

    Raises:
        PrmlError: no 3D joints, no frames, or the file cannot be written or exists and ``overwrite`` is not set.
    """
    path = Path(path)
    check_writable(path, overwrite)
    if not len(sequence):
        raise PrmlError("a viewer needs at least one frame, got none")
    if video_frames is not None and not isinstance(video_frames, Thumbnails):
        video_frames = Thumbnails.of(video_frames)
    write_file(path, _page(sequence, title, video_frames, Stage.of(sequence, up)), overwrite)
    return path


def _page(sequence: PoseSequence, title: str, thumbnails: Thumbnails | None, stage: Stage) -> str:
    assets = files("prml.view.page") / "assets"
    meta, arrays = _pack(sequence, stage)
    meta |= {"title": title, "thumbnails": _pictures(thumbnails)}
    parts = {
        "TITLE": html.escape(title),
        "CSS": (assets / "viewer.css").read_text("utf-8"),
        "META": json.dumps(meta, ensure_ascii=False).replace("<", "\\u003c"),
        "ARRAYS": "\n".join(
            f'<script type="application/octet-stream" id="data-{name}">{b64encode(array.tobytes()).decode()}</script>'
            for name, array in arrays.items()
        ),
        "THREE": (assets / "three.bundle.js").read_text("utf-8"),
        "SCRIPT": "\n".join((assets / name).read_text("utf-8") for name in _SCRIPTS),
    }
    return _fill((assets / "template.html").read_text("utf-8"), parts)


def _fill(template: str, parts: dict[str, str]) -> str:
    """Put the parts in place of {{NAME}}; what a part contains is never looked into."""
    pieces = template.split("{{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, rest = piece.split("}}", 1)
        filled += [parts[name], rest]
    return "".join(filled)


def _pack(sequence: PoseSequence, stage: Stage) -> tuple[dict[str, Any], dict[str, Array]]:
    """Page data: a JSON record, and integer arrays (little-endian) by name."""
    joints_m = sequence.joints_m
    if joints_m is None:
        raise PrmlError("a viewer needs 3D joints, got a sequence with 2D keypoints only; lift it first")
    flags = person_in(sequence) * 1 + measured_in(sequence) * 2
    joints, joints_unit = quantise(joints_m, 0.0005)
    arrays: dict[str, Array] = {
        "times": sequence.times_s.astype("<f8"),
        "flags": flags.astype(np.uint8),
        "joints": joints,
    }
    unit = {"joints": joints_unit, "std": _STD_UNIT_M}
    if sequence.keypoints_px is not None and sequence.camera is not None:
        arrays["keypoints"], unit["keypoints"] = quantise(sequence.keypoints_px, 0.0625)
    if sequence.confidence is not None:
        arrays["confidence"] = _bytes(sequence.confidence, 1 / 255)
    if sequence.std_m is not None:
        arrays["std"] = _bytes(sequence.std_m, _STD_UNIT_M)
    return _record(sequence, stage) | {"unit": unit}, arrays


def _record(sequence: PoseSequence, stage: Stage) -> dict[str, Any]:
    skeleton, camera = sequence.skeleton, sequence.camera
    return {
        "frames": len(sequence),
        "joints": skeleton.joints,
        "bones": skeleton.bones,
        "sides": sides(skeleton),
        "image": None if camera is None else [camera.width, camera.height],
        "rotation": stage.R_view.round(9).ravel().tolist(),
        "centre": stage.centre_m.tolist(),
        "floor": stage.floor_m,
        "top": stage.top_m,
        "radius": stage.radius_m,
        "ankle": ANKLE_HEIGHT_M,
        "axes": ["right", "down", "forward"] if sequence.frame == "camera" else ["x", "y", "z"],
        "colours": {"left": _css(LEFT), "right": _css(RIGHT)},
        "note": path_note(sequence),
        "subtitle": " · ".join(filter(None, [sequence.subject, sequence.action])),
        "facts": facts(sequence),
    }


def facts(sequence: PoseSequence) -> list[tuple[str, str]]:
    """What a reader wants to know of a sequence, as (name, value) lines."""
    T, person, measured = len(sequence), person_in(sequence), measured_in(sequence)
    seconds = float(sequence.times_s[-1] - sequence.times_s[0])
    rate = (T - 1) / seconds if T > 1 else sequence.fps
    lines = [("Frames", f"{T} in {seconds:.2f} s"), ("Frame rate", f"{rate:.4g} per second")]
    lines.append(("Person measured", f"{measured.sum()} frames ({100 * measured.mean():.0f} %)"))
    if missing := int((~person).sum()):
        lines.append(("No person", f"{missing} frames"))
    if filled := int((person & ~measured).sum()):
        lines.append(("Filled in", f"{filled} frames"))
    if sequence.confidence is not None and measured.any():
        lines.append(("Mean confidence", f"{np.nanmean(sequence.confidence[measured]):.2f}"))
    if sequence.std_m is not None and person.any():
        across, depth = np.nanmedian(sequence.std_m[person][..., :2]), np.nanmedian(sequence.std_m[person][..., 2])
        lines.append(("Median SD", f"{across * 1000:.0f} mm across, {depth * 1000:.0f} mm in depth"))
    if (camera := sequence.camera) is not None:
        lines.append(("Image", f"{camera.width} × {camera.height} pixels"))
        lines.append(("Camera", camera.source))
    return [*lines, ("Source", sequence.source)] if sequence.source else lines


def quantise(values: Float[Array, "*n"], step: float) -> tuple[Int16[Array, "*n"], float]:
    """16-bit integers and their unit: ``step``, or coarser where the largest value asks for it; NaN becomes -32768."""
    finite = np.isfinite(values)
    largest = float(np.abs(values, where=finite, out=np.zeros(values.shape)).max(initial=0.0))
    unit = max(step, largest / 32767)
    return np.where(finite, np.rint(np.where(finite, values, 0) / unit), _MISSING).astype("<i2"), unit


def _bytes(values: Float[Array, "*n"], unit: float) -> UInt8[Array, "*n"]:
    return np.asarray(np.clip(np.rint(np.nan_to_num(values) / unit), 0, 255), dtype=np.uint8)


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _pictures(thumbnails: Thumbnails | None) -> dict[str, Any] | None:
    if thumbnails is None or not thumbnails.pictures:
        return None
    jpeg = [b64encode(p).decode() for p in thumbnails.pictures.values()]
    return {"frames": list(thumbnails.pictures), "jpeg": jpeg, "every": thumbnails.every}
