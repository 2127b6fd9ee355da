"""Write C3D, the binary format of motion capture laboratories, as the C3D user guide describes it (c3d.org).

Intel byte order, 32-bit floats, millimetres, z up (POINT:X_SCREEN +X, POINT:Y_SCREEN +Z). A point that is not known is
0, 0, 0 with residual -1. The frame number of the header has 16 bits, so a file holds at most 65534 frames.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.io.files import write_file
from prml.io.world import evenly, person_names, world_joints
from prml.scene import Scene
from prml.sequence import CONTACTS, PoseSequence

Array = np.ndarray
MAX_FRAMES, MAX_EVENTS = 65_534, 255
_BLOCK, _INTEL = 512, 84
_SIDES = {"L": "Left", "R": "Right"}
_FRAMES_AT_ONCE = 4096


@dataclass(frozen=True)
class _Event:
    time_s: float
    side: str
    label: str
    subject: str


@dataclass
class _Parameters:
    """The parameter section: groups, each with named values."""

    body: bytearray = field(default_factory=bytearray)
    groups: int = 0

    def group(self, name: str) -> int:
        """Start a group; return its number."""
        self.groups += 1
        self.body += struct.pack("<bb", len(name), -self.groups) + name.encode() + struct.pack("<hB", 3, 0)
        return self.groups

    def add(self, group: int, name: str, kind: int, dims: Sequence[int], data: bytes) -> None:
        """Append a parameter; ``kind``: -1 text, 2 16-bit, 4 float; ``dims`` in Fortran order."""
        content = struct.pack("<bB", kind, len(dims)) + bytes(dims) + data + b"\0"
        self.body += (
            struct.pack("<bb", len(name), group) + name.encode() + struct.pack("<h", 2 + len(content)) + content
        )

    def words(self, group: int, name: str, *values: int) -> None:
        """Append 16-bit numbers, unsigned ones as their two's complement."""
        data = struct.pack(f"<{len(values)}H", *(value & 0xFFFF for value in values))
        self.add(group, name, 2, () if len(values) == 1 else (len(values),), data)

    def floats(self, group: int, name: str, values: Float[Array, "*n"] | float) -> None:
        """Append 32-bit floats."""
        dims = tuple(reversed(np.shape(values)))
        self.add(group, name, 4, dims, np.asarray(values, "<f4").tobytes())

    def texts(self, group: int, name: str, values: Sequence[str] | str) -> None:
        """Append a text, or texts of equal width, with spaces after the shorter ones."""
        if isinstance(values, str):
            return self.add(group, name, -1, (len(values),), values.encode("ascii", "replace"))
        width = max([1, *map(len, values)])
        padded = "".join(value.ljust(width) for value in values).encode("ascii", "replace")
        return self.add(group, name, -1, (width, len(values)), padded)

    def packed(self) -> bytes:
        """Return the section, padded to whole blocks."""
        body = bytes(self.body) + b"\0\0"
        blocks = -(-(len(body) + 4) // _BLOCK)
        if blocks > 127:
            raise PrmlError("a C3D file cannot hold so many points and events; save the people one by one")
        return (struct.pack("<4B", 1, 0x50, blocks, _INTEL) + body).ljust(blocks * _BLOCK, b"\0")


def write_c3d(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write the people as points, named by their joints, with a prefix such as ``Person0:`` if there are several.

    Where a motion has contacts, EVENT holds Foot Strike and Foot Off of each side, the first 255 of them. An uneven
    clock is resampled to the rate.

    Raises:
        PrmlError: there are no absolute joints in the world, more than 65534 frames, or the file exists.
    """
    what = "a C3D file"
    people = [evenly(person) for person in scene]
    joints = [world_joints(person, what) for person in people]
    frames = len(joints[0])
    if frames > MAX_FRAMES:
        raise PrmlError(
            f"{what} holds at most {MAX_FRAMES} frames (its frame numbers have 16 bits), the motion has {frames}; save "
            "parts: sequence.take(slice(start, stop)), or 'prml export', which writes several files"
        )
    prefixes = [f"{name}:" for name in person_names(scene)] if len(people) > 1 else [""]
    labels = [p + j for p, person in zip(prefixes, people, strict=True) for j in person.skeleton.joints]
    events = [e for p, person in zip(prefixes, people, strict=True) for e in _events(person, p.rstrip(":"))]
    events = sorted(events, key=lambda event: event.time_s)[:MAX_EVENTS]
    points = np.concatenate(joints, axis=1)
    write_file(path, partial(_write, points, labels, events, people[0].fps), overwrite)


def _events(person: PoseSequence, subject: str) -> list[_Event]:
    """Return when each foot meets and leaves the ground."""
    if person.contacts is None:
        return []
    found = []
    for letter, side in _SIDES.items():
        columns = [i for i, name in enumerate(CONTACTS) if name.startswith(letter)]
        down = np.asarray(np.asarray(person.contacts, bool)[:, columns].any(1))
        for frame in np.flatnonzero(down[1:] != down[:-1]) + 1:
            label = "Foot Strike" if down[frame] else "Foot Off"
            found.append(_Event(float(frame / person.fps), side, label, subject))
    return found


def _write(
    points: Float[Array, "T P 3"], labels: Sequence[str], events: Sequence[_Event], fps: float, file: BinaryIO
) -> None:
    frames, count = points.shape[:2]
    start = 2 + len(_parameters(labels, events, fps, frames, 0)) // _BLOCK
    section = _parameters(labels, events, fps, frames, start)
    head = struct.pack("<BBHHHHHfHHf", 2, 0x50, count, 0, 1, frames, 0, -1.0, start, 0, fps)
    head = head.ljust(2 * 147, b"\0") + struct.pack("<3H", 0, 0, 12345)
    file.write(head.ljust(_BLOCK, b"\0") + section)
    for first in range(0, frames, _FRAMES_AT_ONCE):
        part = points[first : first + _FRAMES_AT_ONCE]
        lost = np.isnan(part).any(-1)
        table = np.zeros((*part.shape[:2], 4), "<f4")
        table[..., :3] = np.where(lost[..., None], 0.0, part * 1000)
        table[..., 3] = np.where(lost, -1.0, 0.0)
        file.write(table.tobytes())
    file.write(b"\0" * (-(frames * count * 16) % _BLOCK))


def _parameters(labels: Sequence[str], events: Sequence[_Event], fps: float, frames: int, start: int) -> bytes:
    out = _Parameters()
    point = out.group("POINT")
    out.words(point, "USED", len(labels))
    out.floats(point, "SCALE", -1.0)
    out.floats(point, "RATE", fps)
    out.words(point, "DATA_START", start)
    out.words(point, "FRAMES", frames)
    _many(out, point, "LABELS", labels)
    _many(out, point, "DESCRIPTIONS", [""] * len(labels))
    out.texts(point, "UNITS", "mm")
    out.texts(point, "X_SCREEN", "+X")
    out.texts(point, "Y_SCREEN", "+Z")
    trial = out.group("TRIAL")
    out.words(trial, "ACTUAL_START_FIELD", 1, 0)
    out.words(trial, "ACTUAL_END_FIELD", frames & 0xFFFF, frames >> 16)
    out.floats(trial, "CAMERA_RATE", fps)
    analog = out.group("ANALOG")
    out.words(analog, "USED", 0)
    out.floats(analog, "GEN_SCALE", 1.0)
    out.floats(analog, "RATE", 0.0)  # python-c3d compares it with the header's samples per frame
    out.words(out.group("FORCE_PLATFORM"), "USED", 0)
    out.texts(out.group("MANUFACTURER"), "SOFTWARE", "PrML")
    if events:
        _add_events(out, events)
    return out.packed()


def _many(out: _Parameters, group: int, name: str, values: Sequence[str]) -> None:
    """Append texts; after 255, a parameter named with 2 and so on follows, as the length has 8 bits."""
    for part, first in enumerate(range(0, len(values), 255), 1):
        out.texts(group, name if part == 1 else f"{name}{part}", values[first : first + 255])


def _add_events(out: _Parameters, events: Sequence[_Event]) -> None:
    group = out.group("EVENT")
    minutes = np.array([event.time_s // 60 for event in events])
    seconds = np.array([event.time_s for event in events]) - 60 * minutes
    out.words(group, "USED", len(events))
    out.texts(group, "CONTEXTS", [event.side for event in events])
    out.texts(group, "LABELS", [event.label for event in events])
    out.texts(group, "DESCRIPTIONS", [""] * len(events))
    out.texts(group, "SUBJECTS", [event.subject for event in events])
    out.floats(group, "TIMES", np.stack([minutes, seconds], axis=-1))
    icons = struct.pack(f"<{len(events)}H", *([1] * len(events)))
    out.add(group, "ICON_IDS", 2, (len(events),), icons)
    out.add(group, "GENERIC_FLAGS", 2, (len(events),), b"\0\0" * len(events))
