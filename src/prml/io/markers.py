"""Joint centres from Plug-in-Gait markers, by the published rules, with lengths of an adult.

Hip centres: regression of Harrington et al. 2007. Knees, ankles, elbows: the chord rule (the centre is half the joint
width away from the lateral marker, in the plane of the previous joint and the wand marker, at a right angle).
Shoulders: 0.045 m below the acromion. Wrists: midway between their markers.

A missing wand (many laboratories leave out LUPA and RUPA, which Plug-in Gait does not use) is replaced by the joint's
axis: the normal of the plane through the previous joint, the joint and the next joint, as Vicon's Plug-in Gait defines
the elbow (Plug-in Gait Reference Guide, "Elbow joint center"). In a limb straighter than 10 degrees that normal is
noise, so the wrist markers (arms) or the pelvis (legs) define the lateral side; up to 20 degrees the two are blended.
An ankle without a wand uses the axis of the knee.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from prml.camera import normalise
from prml.errors import PrmlError

Points = Float[np.ndarray, "frames 3"]
_HEAD_AND_TRUNK = ("LFHD", "RFHD", "LBHD", "RBHD", "C7", "T10", "CLAV", "STRN", "LASI", "RASI", "LPSI", "RPSI")
_LIMBS = ("SHO", "ELB", "WRA", "WRB", "KNE", "ANK")
NEEDED = (*_HEAD_AND_TRUNK, *(side + name for side in "LR" for name in _LIMBS))
WANDS = tuple(side + name for side in "LR" for name in ("UPA", "THI", "TIB"))
CENTRES = (
    *(s + n for s in "LR" for n in ("HJC", "KJC", "AJC", "SJC", "EJC", "WJC")),
    "SPINE",
    "NECK",
    "SKULL",
    "CROWN",
)
# Half widths of knee, ankle and elbow including the marker, and the drop from acromion to shoulder (m).
_KNEE, _ANKLE, _ELBOW, _SHOULDER = 0.058, 0.043, 0.042, 0.045
_STRAIGHT, _BENT = np.sin(np.radians([10.0, 20.0]))


def _chord(before: Points, wand: Points, marker: Points, offset: float) -> Points:
    to_joint = before - marker
    distance = np.linalg.norm(to_joint, axis=-1, keepdims=True)
    along = to_joint / distance
    aside = wand - marker
    outward = normalise(aside - np.sum(aside * along, -1, keepdims=True) * along)
    sine = np.clip(offset / distance, 0, 1)
    return np.asarray(marker + offset * (sine * along - np.sqrt(1 - sine * sine) * outward))


def _hinge(before: Points, joint: Points, after: Points, lateral: Points, sign: float) -> Points:
    """Return the unit axis of a hinge towards its lateral side; ``sign`` is +1 if the normal points there, else -1."""
    normal = np.cross(normalise(before - joint), normalise(after - joint))
    sine = np.linalg.norm(normal, axis=-1, keepdims=True)
    weight = np.clip((sine - _STRAIGHT) / (_BENT - _STRAIGHT), 0, 1)
    beside = lateral / np.maximum(np.linalg.norm(lateral, axis=-1, keepdims=True), 1e-9)
    return np.asarray(normalise(weight * sign * normal / np.maximum(sine, 1e-9) + (1 - weight) * beside))


def _hinge_centre(
    before: Points, marker: Points, after: Points, lateral: Points, sign: float, offset: float
) -> tuple[Points, Points]:
    """Return centre and axis of a hinge without a wand, by three iterations since the plane contains the centre."""
    centre, axis = marker, lateral
    for _ in range(3):
        axis = _hinge(before, centre, after, lateral, sign)
        centre = _chord(before, marker + axis, marker, offset)
    return centre, axis


def _pelvis(m: Mapping[str, Points]) -> tuple[Points, Points, Points]:
    """Return the left and right hip centres and the pelvis's unit axis to the left."""
    asi, psi = (m["LASI"] + m["RASI"]) / 2, (m["LPSI"] + m["RPSI"]) / 2
    left = normalise(m["LASI"] - m["RASI"])
    forward = asi - psi
    forward = normalise(forward - np.sum(forward * left, -1, keepdims=True) * left)
    up = np.cross(forward, left)
    width = _mean_length(m["LASI"] - m["RASI"])
    depth = _mean_length(asi - psi)
    middle = asi - (0.24 * depth + 0.0099) * forward - (0.30 * width + 0.0109) * up
    side = 0.33 * width + 0.0073
    return middle + side * left, middle - side * left, left


def _mean_length(vectors: Points) -> float:
    lengths = np.linalg.norm(vectors, axis=-1)
    return float(np.nanmean(lengths)) if np.isfinite(lengths).any() else float("nan")


def _limbs(m: Mapping[str, Points]) -> dict[str, Points]:
    left_hip, right_hip, left = _pelvis(m)
    trunk_up = normalise((m["C7"] + m["CLAV"]) / 2 - (m["T10"] + m["STRN"]) / 2)
    out = {"LHJC": left_hip, "RHJC": right_hip}
    for s, sign in (("L", 1.0), ("R", -1.0)):
        hip, knee, ankle = out[f"{s}HJC"], m[f"{s}KNE"], m[f"{s}ANK"]
        out[f"{s}KJC"], axis = _hinge_centre(hip, knee, ankle, sign * left, -sign, _KNEE)  # a knee bends backwards
        if f"{s}THI" in m:
            out[f"{s}KJC"] = _chord(hip, m[f"{s}THI"], knee, _KNEE)
        out[f"{s}AJC"] = _chord(out[f"{s}KJC"], m.get(f"{s}TIB", ankle + axis), ankle, _ANKLE)
        shoulder = m[f"{s}SHO"] - _SHOULDER * trunk_up
        wrist, elbow = (m[f"{s}WRA"] + m[f"{s}WRB"]) / 2, m[f"{s}ELB"]
        lateral = sign * np.cross(m[f"{s}WRA"] - m[f"{s}WRB"], wrist - shoulder)
        if f"{s}UPA" in m:
            centre = _chord(shoulder, m[f"{s}UPA"], elbow, _ELBOW)
        else:
            centre, _ = _hinge_centre(shoulder, elbow, wrist, lateral, sign, _ELBOW)
        out |= {f"{s}SJC": shoulder, f"{s}EJC": centre, f"{s}WJC": wrist}
    return out


def plug_in_gait(markers_m: Mapping[str, Points]) -> dict[str, Points]:
    """Return centres by name: ``LHJC LKJC LAJC LSJC LEJC LWJC`` (and R), ``SPINE``, ``NECK``, ``SKULL``, ``CROWN``.

    NaN where markers are not known or lie in one place.

    Args:
        markers_m: name -> (F, 3) metres in any orthonormal, right-handed axes; those of NEEDED, and of WANDS if
            available.

    Raises:
        PrmlError: a marker of NEEDED is missing.
    """
    if missing := [name for name in NEEDED if name not in markers_m]:
        raise PrmlError(
            f"the Plug-in-Gait rules need the markers {', '.join(missing[:6])}, which the file does not have"
        )
    with np.errstate(invalid="ignore", divide="ignore"):  # markers at one place have no direction
        return _limbs(markers_m) | _trunk(markers_m)


def _trunk(m: Mapping[str, Points]) -> dict[str, Points]:
    asi, psi = (m["LASI"] + m["RASI"]) / 2, (m["LPSI"] + m["RPSI"]) / 2
    front, back = (m["LFHD"] + m["RFHD"]) / 2, (m["LBHD"] + m["RBHD"]) / 2
    band = (front + back) / 2
    ahead = normalise(front - back)
    head_up = normalise(np.cross(ahead, normalise(m["LFHD"] + m["LBHD"] - m["RFHD"] - m["RBHD"])))
    return {
        "SPINE": ((asi + psi) / 2 + (m["T10"] + m["STRN"]) / 2) / 2,
        "NECK": (m["C7"] + m["CLAV"]) / 2,
        "SKULL": band - 0.06 * head_up + 0.02 * ahead,
        "CROWN": band + 0.06 * head_up,
    }
