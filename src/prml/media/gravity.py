"""Which way is down, as an action camera writes it beside its video: the gravity vector of GoPro's metadata track.

GPMF (github.com/gopro/gpmf-parser) is a tree of entries: four letters, a type, the size of a value, their number, and
the values, big-endian, padded to four bytes. ``GRAV`` (HERO8 and MAX on) has a unit vector per frame, x to the right,
y down, z ahead in the stored picture: seen in a file of a MAX, against its accelerometer and the horizon. ``IORI`` is
the rotation from the camera to the picture, by which stabilisation turns it.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prml.media.container import open_video

Array = np.ndarray
MAX_SPREAD_RAD = np.radians(2.0)  # of a camera that stands still
MAX_TURN_RAD = np.radians(3.0)  # of the picture against the camera
_PACKETS = 20  # about a second each
_MAX_BYTES, _MAX_DEPTH = 2**22, 6
_NESTED = 0
_KINDS = {"s": ">i2", "l": ">i4", "f": ">f4"}


def gravity_of(path: Path, rotation_deg: int = 0) -> Float[Array, "3"] | None:
    """Return the unit vector away from the ground in the frame of the upright picture (x right, y down, z ahead).

    None where the file says nothing of it, where the camera turns by more than two degrees, or where the picture is
    stabilised away from the camera.

    Args:
        path: a video that can be opened.
        rotation_deg: counter-clockwise rotation that makes stored frames upright.
    """
    down, turned = [np.zeros((0, 3))], [np.zeros((0, 4))]
    for payload in _payloads(path):
        for name, values in entries(payload):
            if name == "GRAV" and values.shape[1:] == (3,):
                down.append(values)
            elif name == "IORI" and values.shape[1:] == (4,):
                turned.append(values)
    return _steady(np.concatenate(down), np.concatenate(turned), rotation_deg)


def _steady(down: Float[Array, "n 3"], turned: Float[Array, "m 4"], rotation_deg: int) -> Float[Array, "3"] | None:
    size = np.linalg.norm(down, axis=-1)
    if not len(down) or not np.isfinite(size).all() or (abs(size - 1) > 0.1).any():
        return None
    mean = down.mean(0) / np.linalg.norm(down.mean(0))
    away = np.arccos(np.clip(down @ mean / size, -1, 1))
    if np.quantile(away, 0.95) > MAX_SPREAD_RAD:
        return None
    if len(turned) and np.median(2 * np.arccos(np.clip(np.abs(turned[:, 0]), 0, 1))) > MAX_TURN_RAD:
        return None
    x, y, z = -mean
    for _ in range(rotation_deg // 90 % 4):  # as prml.media.orientation turns pictures
        x, y = y, -x
    return np.array([x, y, z])


def entries(payload: bytes, depth: int = 0) -> Iterator[tuple[str, Float[Array, "n *c"]]]:
    """Yield names and scaled values of the numeric entries of a GPMF payload; what is damaged ends it."""
    at, scale = 0, np.ones(1)
    while at + 8 <= len(payload) and depth < _MAX_DEPTH:
        name, kind, size, count = struct.unpack(">4scBH", payload[at : at + 8])
        data = payload[at + 8 : at + 8 + size * count]
        at += 8 + (size * count + 3) // 4 * 4
        if len(data) < size * count:
            return
        if kind[0] == _NESTED:
            yield from entries(data, depth + 1)
            continue
        form = _KINDS.get(kind.decode("latin-1"))
        width = 0 if form is None else np.dtype(form).itemsize
        if not width or not size or size % width:
            continue
        values = np.frombuffer(data, form).reshape(count, size // width).astype(np.float64)
        if name == b"SCAL":
            scale = values.reshape(-1)
            scale = np.where(scale == 0, 1.0, scale)
        elif len(scale) in (1, values.shape[1]):
            yield name.decode("latin-1"), values / scale


def _payloads(path: Path) -> Iterator[bytes]:
    """Yield the first payloads of a GPMF track."""
    import av

    try:
        with open_video(path) as container:
            for stream in container.streams:
                if stream.type != "data":
                    continue
                packets = (bytes(packet) for packet in container.demux(stream) if 0 < packet.size < _MAX_BYTES)
                first = next(packets, b"")
                if first.startswith(b"DEVC"):
                    yield first
                    yield from islice(packets, _PACKETS - 1)
                    return
                container.seek(0)
    except (av.FFmpegError, OSError, ValueError):
        return
