"""Messages of Open Sound Control 1.0: https://opensoundcontrol.stanford.edu/spec-1_0.html."""

import struct
from collections.abc import Sequence

_AT_ONCE = struct.pack(">Q", 1)  # the time tag that means: now


def message(address: str, *values: str | int | float) -> bytes:
    """Return a message: an address pattern such as ``/VMC/Ext/T`` and texts, 32-bit whole numbers and 32-bit floats."""
    tags, body = ",", b""
    for value in values:
        if isinstance(value, str):
            tags, body = tags + "s", body + _text(value)
        elif isinstance(value, int):
            tags, body = tags + "i", body + struct.pack(">i", value)
        else:
            tags, body = tags + "f", body + struct.pack(">f", value)
    return _text(address) + _text(tags) + body


def bundle(messages: Sequence[bytes]) -> bytes:
    """Return messages as one packet that is to be obeyed at once."""
    return _text("#bundle") + _AT_ONCE + b"".join(struct.pack(">i", len(one)) + one for one in messages)


def bundles(messages: Sequence[bytes], limit: int = 1400) -> list[bytes]:
    """Return bundles of at most ``limit`` bytes, which one packet of a network holds."""
    out: list[list[bytes]] = [[]]
    size = 16
    for one in messages:
        if out[-1] and size + 4 + len(one) > limit:
            out.append([])
            size = 16
        out[-1].append(one)
        size += 4 + len(one)
    return [bundle(part) for part in out if part]


def _text(text: str) -> bytes:
    """A text, ended by zeros up to a multiple of four bytes."""
    data = text.encode("utf-8") + b"\0"
    return data + b"\0" * (-len(data) % 4)
