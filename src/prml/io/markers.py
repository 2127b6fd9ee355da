"""Joint centres from Plug-in-Gait markers, by the published rules; the lengths below are an adult's.

Hip centres: regression of Harrington et al. 2007. Knees, ankles, elbows: the chord rule (the centre lies at the
joint's half width from the lateral marker, in the plane of the joint before it and the wand marker, at a right angle).
Shoulders: 0.045 m below the acromion. Wrists: between their markers.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from prml.camera import normalise
from prml.errors import PrmlError

Points = Float[np.ndarray, "frames 3"]
NEEDED = (
    "LFHD", "RFHD", "LBHD", "RBHD", "C7", "T10", "CLAV", "STRN", "LSHO", "LUPA",
    "LELB", "LWRA", "LWRB", "RSHO", "RUPA", "RELB", "RWRA", "RWRB", "LASI", "RASI",
    "LPSI", "RPSI", "LTHI", "LKNE", "LTIB", "LANK", "RTHI", "RKNE", "RTIB", "RANK",
)  # fmt: skip
# Half widths of knee, ankle and elbow with the marker, and the drop from acromion to shoulder (m).
_KNEE, _ANKLE, _ELBOW, _SHOULDER = 0.058, 0.043, 0.042, 0.045


def _chord(before: Points, wand: Points, marker: Points, offset: float) -> Points:
    to_joint = before - marker
    distance = np.linalg.norm(to_joint, axis=-1, keepdims=True)
    along = to_joint / distance
    aside = wand - marker
    outward = normalise(aside - np.sum(aside * along, -1, keepdims=True) * along)
    sine = np.clip(offset / distance, 0, 1)
    return np.asarray(marker + offset * (sine * along - np.sqrt(1 - sine * sine) * outward))


def plug_in_gait(markers_m: Mapping[str, Points]) -> dict[str, Points]:
    """Named centres: ``LHJC LKJC LAJC LSJC LEJC LWJC`` (and R), ``SPINE``, ``NECK``, ``SKULL``, ``CROWN``.

    Args:
        markers_m: name -> (F, 3) metres, any axes that are orthonormal and right-handed.

    Raises:
        PrmlError: a marker of the set is absent.
    """
    if missing := [name for name in NEEDED if name not in markers_m]:
        raise PrmlError(
            f"the Plug-in-Gait rules need the markers {', '.join(missing[:6])}, which the file does not have"
        )
    m = markers_m
    asi, psi = (m["LASI"] + m["RASI"]) / 2, (m["LPSI"] + m["RPSI"]) / 2
    left = normalise(m["LASI"] - m["RASI"])
    forward = asi - psi
    forward = normalise(forward - np.sum(forward * left, -1, keepdims=True) * left)
    up = np.cross(forward, left)
    width = float(np.nanmean(np.linalg.norm(m["LASI"] - m["RASI"], axis=-1)))
    depth = float(np.nanmean(np.linalg.norm(asi - psi, axis=-1)))
    middle = asi - (0.24 * depth + 0.0099) * forward - (0.30 * width + 0.0109) * up
    side = 0.33 * width + 0.0073
    trunk_up = normalise((m["C7"] + m["CLAV"]) / 2 - (m["T10"] + m["STRN"]) / 2)
    out = {"LHJC": middle + side * left, "RHJC": middle - side * left}
    for s in "LR":
        out[f"{s}KJC"] = _chord(out[f"{s}HJC"], m[f"{s}THI"], m[f"{s}KNE"], _KNEE)
        out[f"{s}AJC"] = _chord(out[f"{s}KJC"], m[f"{s}TIB"], m[f"{s}ANK"], _ANKLE)
        out[f"{s}SJC"] = m[f"{s}SHO"] - _SHOULDER * trunk_up
        out[f"{s}EJC"] = _chord(out[f"{s}SJC"], m[f"{s}UPA"], m[f"{s}ELB"], _ELBOW)
        out[f"{s}WJC"] = (m[f"{s}WRA"] + m[f"{s}WRB"]) / 2
    front, back = (m["LFHD"] + m["RFHD"]) / 2, (m["LBHD"] + m["RBHD"]) / 2
    band = (front + back) / 2
    ahead = normalise(front - back)
    head_up = normalise(np.cross(ahead, normalise(m["LFHD"] + m["LBHD"] - m["RFHD"] - m["RBHD"])))
    out["SPINE"] = ((asi + psi) / 2 + (m["T10"] + m["STRN"]) / 2) / 2
    out["NECK"] = (m["C7"] + m["CLAV"]) / 2
    out["SKULL"] = band - 0.06 * head_up + 0.02 * ahead
    out["CROWN"] = band + 0.06 * head_up
    return out
