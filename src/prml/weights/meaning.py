"""The fields of a card that determine the meaning of weights, which are also stamped into the weights file.

If such a field is edited only in the card (8 attention heads instead of 4, another frame rate), all shapes still fit
but poses are wrong by decimetres. Therefore :func:`prml.weights.record.save_record` writes these fields to the metadata
of the weights file, which the card's hash covers, and loading compares them. Older records without a stamp remain
valid; bundled ones are known by their hash. The stamp is the only metadata and has a fixed order, so equal weights with
equal meaning have the same hash, whatever their name.
"""

import json
from collections.abc import Mapping
from typing import Any

from prml.errors import PrmlError
from prml.io.guard import one_line

KEY = "prml.meaning"
FIELDS = (
    "network",
    "arguments",
    "skeleton",
    "normalisation",
    "output",
    "window",
    "fps",
    "flip",
    "uncertainty",
    "context",
)


def _prml(network: str, frames: int, width: int, fps: float) -> dict[str, Any]:
    return {
        "network": network,
        "arguments": {"frames": frames, "width": width, "heads": 4, "branch_blocks": 2, "in_channels": 3},
        "skeleton": "h36m17",
        "normalisation": "virtual_camera",
        "output": "camera_m",
        "window": frames,
        "fps": fps,
        "flip": True,
        "uncertainty": {"width_2d": 2 * width, "width_depth": 2 * width, "joints": 17},
        "context": {},
    }


# Bundled weights that were saved without a stamp, by the hash of the file.
BUNDLED: Mapping[str, dict[str, Any]] = {
    "08fd815aedfc7062b85067661f8fdcbdbedb42e55dd5b70226dfefaa3072583c": _prml("prml-s", 81, 64, 50.0),
    "a6ee5910043d19f9dd26b2d732a11439f3a22e44e7aa2155a5f3c89d7a4afc17": _prml("prml-xs", 27, 64, 50 / 3),
}


def stamp(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a weights file: the fields of its card that determine the meaning of the weights."""
    return {KEY: json.dumps({name: card[name] for name in FIELDS}, sort_keys=True)}


def stated_meaning(data: bytes) -> dict[str, Any] | None:
    """Return the stamped fields in the metadata of a safetensors file; None for files without a stamp."""
    length = int.from_bytes(data[:8], "little")
    stated = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(KEY)
    if stated is None:
        return None
    values: dict[str, Any] = json.loads(stated)
    if not isinstance(values, dict):
        raise PrmlError("the stamp in its metadata is not names and values")
    return values


def check_meaning(card: Mapping[str, Any], stated: Mapping[str, Any], origin: str) -> None:
    """Raise PrmlError naming the first field in which a card differs from the stamp of its weights."""
    own = json.loads(stamp(card)[KEY])
    for name in FIELDS:
        if name in stated and own[name] != stated[name]:
            was, now = (one_line(json.dumps(values[name]), 80) for values in (stated, own))
            raise PrmlError(
                f"{origin} was edited: it says {name} {now}, its weights were saved with {was}; restore the card"
            )
