"""Pack a sequence for the page: a JSON record, and integer arrays by name."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int8, Int16, UInt8

from prml.camera import Camera
from prml.errors import PrmlError
from prml.filters.angles import BendAngles
from prml.filters.joint_angles import JointAngles
from prml.sequence import CONTACTS, PoseSequence
from prml.view.curves import panels
from prml.view.mannequin import Mannequin, shape_note, size_of
from prml.view.room import FOOTPRINT_M, PATH_STEP_M, Footprints, in_room
from prml.view.stage import LEFT, RIGHT, Colour, Stage, lines, lowest_height_m, path_note, sides, thin
from prml.view.trust import FAINT, RULES, Trust

Array = np.ndarray
# Rounding steps of 16-bit numbers; a step is increased if a value would not fit.
JOINT_STEP_M = 0.0005  # up to 16 m
KEYPOINT_STEP_PX = 0.0625  # up to 2048 pixels
ANGLE_STEP_DEG = 0.01
# Rounding steps of one-byte numbers, clipped at 255 steps.
CONFIDENCE_STEP = 1 / 255
STD_STEP_M = 0.002  # up to half a metre
ANGLE_STD_STEP_DEG = 0.5
CURVE_STEP_DEG = 1.5  # of angles that are drawn, a signed byte each
MISSING = -32768
# Flag bits of a frame.
PERSON, MEASURED, INVENTED, IMPLAUSIBLE = 1, 2, 4, 8
_MAX_TEXT = 300  # characters of a title or label
_BIDI = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # these change text direction


def printable(text: str) -> str:
    """Make a text safe to write as UTF-8 and show in one line.

    Lone surrogates, control characters and directional marks become U+FFFD, runs of white space become one space, and
    the text is cut to 300 characters.
    """
    shown = "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cs") or c in _BIDI else c for c in " ".join(text.split())
    )
    return shown if len(shown) <= _MAX_TEXT else shown[: _MAX_TEXT - 1] + "\u2026"


PERSON_KEYS = ("unit", "camera", "facts", "number")  # what differs between the people of a page


def pack(sequence: PoseSequence, stage: Stage, number: int = 1) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the page data: a JSON record, and little-endian arrays by name.

    Args:
        sequence: the person.
        stage: where all people of the page are drawn.
        number: of the person on the page; 1 for the first.

    Raises:
        PrmlError: the sequence has no 3D joints.
    """
    joints_m = sequence.joints_m
    if joints_m is None:
        raise PrmlError("a viewer needs 3D joints, got a sequence with 2D keypoints only; lift it first")
    trust, angles = Trust.of(sequence), BendAngles.of(sequence)
    unit = {"std": STD_STEP_M, "anglesStd": ANGLE_STD_STEP_DEG}
    arrays: dict[str, Array] = {
        "times": sequence.times_s.astype("<f8"),
        "flags": _flags(trust),
        "faint": np.packbits(trust.faint),
    }
    arrays["joints"], unit["joints"] = quantise(joints_m, JOINT_STEP_M)
    arrays["angles"], unit["angles"] = quantise(angles.degrees, ANGLE_STEP_DEG)
    if angles.std_deg is not None:
        arrays["angles-std"] = _bytes(angles.std_deg, ANGLE_STD_STEP_DEG)
    if sequence.keypoints_px is not None and sequence.image_size is not None:
        arrays["keypoints"], unit["keypoints"] = quantise(sequence.keypoints_px, KEYPOINT_STEP_PX)
    if trust.placement is not None:
        arrays["origins"] = trust.placement.origins_m.astype("<f4")
    if sequence.confidence is not None:
        arrays["confidence"] = _bytes(sequence.confidence, CONFIDENCE_STEP)
    if sequence.std_m is not None:
        arrays["std"] = _bytes(sequence.std_m, STD_STEP_M)
    curves = None
    if in_room(sequence):
        curves, steps = _curves(sequence)
        if curves is not None:
            arrays["curves"] = steps
        arrays["contacts"] = np.packbits(np.asarray(sequence.contacts), axis=1)[:, 0] >> 4
    bends = [
        {"name": b.name, "side": b.side, "joints": [sequence.skeleton.index(j) for j in b.joints]} for b in angles.bends
    ]
    record = _record(sequence, stage) | {
        "unit": unit,
        "bends": bends,
        "camera": _camera(trust),
        "room": _room(sequence),
        "curves": curves,
        "stdAxes": _axes_of_deviations(sequence),
        "facts": [*_alone(sequence), *facts(sequence, trust)],
        "number": number,
        "others": [],
    }
    return record, arrays


def pack_all(people: Sequence[PoseSequence], stage: Stage) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the record of a page and the arrays of all people on it; those of the second are named ``p2-...``."""
    (meta, arrays), *rest = (pack(one, stage, number) for number, one in enumerate(people, 1))
    for number, (record, more) in enumerate(rest, 2):
        meta["others"].append({key: record[key] for key in PERSON_KEYS})
        arrays |= {f"p{number}-{name}": array for name, array in more.items() if name != "times"}
    return meta, arrays


def _axes_of_deviations(sequence: PoseSequence) -> list[float] | None:
    """Return the directions of ``std_m`` in the world, as rows: the camera's axes. None if they are the sequence's."""
    if sequence.frame != "world" or sequence.camera is None:
        return None
    return np.asarray(sequence.camera.R_world_to_camera, np.float64).ravel().tolist()


def _room(sequence: PoseSequence) -> dict[str, Any] | None:
    """Return what the page shows of a motion beside its joints: the mannequin and its footprints; None for poses."""
    if not in_room(sequence):
        return None
    figure, prints = Mannequin.of(sequence), Footprints.of(sequence)
    stands = zip(prints.spans.tolist(), prints.columns.tolist(), prints.places_m.round(4).tolist(), strict=True)
    return {
        "bodies": figure.record() if figure else [],
        "prints": [[*span, "left" if CONTACTS[column][0] == "L" else "right", *at] for span, column, at in stands],
        "ring": round(FOOTPRINT_M * size_of(sequence), 4),
        "step": PATH_STEP_M,
        "contacts": CONTACTS,
    }


def _curves(sequence: PoseSequence) -> tuple[dict[str, Any] | None, Int8[Array, "T A"]]:
    """Return the angles whose curves the page draws, and their values in steps; None if the skeleton has none."""
    try:
        found = JointAngles.of(sequence, deviations=False)
    except PrmlError:  # another skeleton
        return None, np.zeros((len(sequence), 0), np.int8)
    steps = np.where(np.isfinite(found.degrees), np.rint(np.nan_to_num(found.degrees) / CURVE_STEP_DEG), -128)
    listed = [{"name": name, "columns": columns} for name, columns in panels(found.names)]
    return {"unit": CURVE_STEP_DEG, "count": len(found.names), "angles": listed}, steps.astype(np.int8)


def _flags(trust: Trust) -> UInt8[Array, " T"]:
    parts = (
        (trust.person, PERSON),
        (trust.measured, MEASURED),
        (trust.invented, INVENTED),
        (trust.implausible, IMPLAUSIBLE),
    )
    return np.asarray(np.sum([mask * bit for mask, bit in parts], axis=0), dtype=np.uint8)


def _record(sequence: PoseSequence, stage: Stage) -> dict[str, Any]:
    skeleton, file = sequence.skeleton, "motion.npz" if in_room(sequence) else "poses.npz"
    return {
        "frames": len(sequence),
        "joints": [printable(joint) for joint in skeleton.joints],
        "bones": lines(skeleton),
        "thin": thin(skeleton),
        "sides": sides(skeleton),
        "image": sequence.image_size,
        "rotation": stage.R_view.round(9).ravel().tolist(),
        "centre": stage.centre_m.tolist(),
        "floor": stage.floor_m,
        "top": stage.top_m,
        "radius": stage.radius_m,
        "reach": stage.reach_m,
        "root": skeleton.root,
        "ankle": lowest_height_m(skeleton),
        "faint": FAINT,
        "axes": ["right", "down", "forward"] if sequence.frame == "camera" else ["x", "y", "z"],
        "colours": {"left": _css(LEFT), "right": _css(RIGHT)},
        "note": " · ".join(filter(None, [path_note(sequence), shape_note(skeleton) if in_room(sequence) else ""])),
        "rules": RULES,
        "rounding": f"joints are rounded to {JOINT_STEP_M * 1000:g} mm; {file} holds the exact numbers",
        "subtitle": printable(" · ".join(filter(None, [sequence.subject, sequence.action]))),
    }


def _camera(trust: Trust) -> dict[str, Any] | None:
    """Return the camera parameters that the page needs to project joints, or None."""
    if trust.placement is None:
        return None
    camera: Camera = trust.placement.camera
    names = ("fx", "fy", "cx", "cy", "radial", "tangential")
    return {name: getattr(camera, name) for name in names} | {"rotation": trust.placement.rotation.ravel().tolist()}


def facts(sequence: PoseSequence, trust: Trust) -> list[tuple[str, str]]:
    """Return facts about a sequence as (name, value) lines."""
    frames, person, measured = len(sequence), trust.person, trust.measured
    seconds = float(sequence.times_s[-1] - sequence.times_s[0])
    rate = (frames - 1) / seconds if frames > 1 else sequence.fps
    lines = [
        ("Frames", f"{frames} in {seconds:.2f} s"),
        ("Frame rate", f"{rate:.4g} per second"),
        ("Person measured", f"{_frames(measured)} ({100 * measured.mean():.0f} %)"),
    ]
    marked = {
        "No person": ~person,
        "Filled in": person & ~measured,
        "Mostly inferred": trust.invented,
        "Implausible": trust.implausible,
    }
    lines += [(name, _frames(mask)) for name, mask in marked.items() if mask.any()]
    if trust.inferred[measured].any():
        lines.append(("Inferred joints", f"{100 * trust.inferred[measured].mean():.2g} %"))
    if sequence.confidence is not None and measured.any():
        lines.append(("Mean confidence", f"{np.nanmean(sequence.confidence[measured]):.2f}"))
    if sequence.std_m is not None and np.isfinite(sequence.std_m[person]).any((0, 1)).all():
        across, depth = np.nanmedian(sequence.std_m[person][..., :2]), np.nanmedian(sequence.std_m[person][..., 2])
        lines.append(("Median SD", f"{across * 1000:.0f} mm across, {depth * 1000:.0f} mm in depth"))
    if trust.distance_px is not None and np.isfinite(trust.distance_px).any():
        lines.append(("Re-projection", f"{np.nanmean(trust.distance_px):.1f} px off"))
    return [*lines, *_labels(sequence)]


def _alone(sequence: PoseSequence) -> list[tuple[str, str]]:
    """Return how to lift only this one of several people of a video."""
    made_by = sequence.provenance
    number, name = sequence.track_id, made_by.get("input") or sequence.source.partition(";")[0]
    if not number or (sequence.detection is None and "person" not in made_by):
        return []
    return [("Only this person", printable(f"prml lift {name} --person {number}"))]


def _labels(sequence: PoseSequence) -> list[tuple[str, str]]:
    lines = []
    if sequence.image_size is not None:
        lines.append(("Image", "{} × {} pixels".format(*sequence.image_size)))
    if sequence.camera is not None:
        lines.append(("Camera", printable(sequence.camera.source)))
    return [*lines, ("Source", printable(sequence.source))] if sequence.source else lines


def _frames(mask: Array) -> str:
    count = int(mask.sum())
    return f"{count} frame{'' if count == 1 else 's'}"


def quantise(values: Float[Array, "*n"], step: float) -> tuple[Int16[Array, "*n"], float]:
    """Return 16-bit integers and their unit: ``step``, or more if the largest value needs it. NaN becomes -32768."""
    finite = np.isfinite(values)
    largest = float(np.abs(values, where=finite, out=np.zeros(values.shape)).max(initial=0.0))
    unit = max(step, largest / 32767)
    return np.where(finite, np.rint(np.where(finite, values, 0) / unit), MISSING).astype("<i2"), unit


def _bytes(values: Float[Array, "*n"], unit: float) -> UInt8[Array, "*n"]:
    return np.asarray(np.clip(np.rint(np.nan_to_num(values) / unit), 0, 255), dtype=np.uint8)


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
