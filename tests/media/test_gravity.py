"""Gravity of an action camera's metadata: the entries that GPMF defines, written here by its definition."""

import struct
from pathlib import Path

import numpy as np
import pytest

from prml.media import gravity
from prml.media.gravity import entries, gravity_of


def entry(name, kind, rows, size):
    data = b"".join(rows)
    return struct.pack(">4scBH", name.encode(), kind, size, len(rows)) + data + bytes(-len(data) % 4)


def nested(name, *inner):
    data = b"".join(inner)
    return struct.pack(">4scBH", name.encode(), b"\0", 1, len(data)) + data + bytes(-len(data) % 4)


def shorts(name, rows):
    rows = np.round(np.asarray(rows) * 32767).astype(">i2")
    return entry(name, b"s", [row.tobytes() for row in rows], 2 * rows.shape[1])


SCALE = entry("SCAL", b"s", [struct.pack(">h", 32767)], 2)


def payload(down, turned=((1.0, 0.0, 0.0, 0.0),)):
    streams = [nested("STRM", SCALE, shorts("IORI", turned)), nested("STRM", SCALE, shorts("GRAV", down))]
    return nested("DEVC", entry("DVNM", b"c", [b"HERO", b"12  "], 4), *streams)


@pytest.fixture
def found(monkeypatch):
    def read(*payloads, rotation_deg=0):
        monkeypatch.setattr(gravity, "_payloads", lambda path: iter(payloads))
        return gravity_of("x.mp4", rotation_deg)

    return read


def tilted(degrees, n=10):
    angle = np.radians(degrees)
    return np.tile([0.0, np.cos(angle), np.sin(angle)], (n, 1))


def test_a_camera_that_looks_down_sees_up_behind_it(found):
    up = found(payload(tilted(20)), payload(tilted(20)))
    np.testing.assert_allclose(up, [0, -np.cos(np.radians(20)), -np.sin(np.radians(20))], atol=1e-4)


@pytest.mark.parametrize(("rotation", "up"), [(90, (-1, 0, 0)), (180, (0, 1, 0)), (270, (1, 0, 0))])
def test_the_picture_is_turned_upright(found, rotation, up):
    np.testing.assert_allclose(found(payload(tilted(0)), rotation_deg=rotation), up, atol=1e-4)


def test_a_moving_camera_a_stabilised_picture_and_a_file_without_it_say_nothing(found):
    assert found(payload(tilted(0)), payload(tilted(10))) is None
    half = np.radians(10) / 2
    assert found(payload(tilted(0), [(np.cos(half), np.sin(half), 0, 0)])) is None
    assert found() is None
    assert found(nested("DEVC", SCALE)) is None
    assert found(payload(0.3 * tilted(0))) is None


def test_other_videos_have_none():
    assert gravity_of(Path(__file__).parents[2] / "examples/jump.mp4") is None


@pytest.mark.parametrize("at", range(0, 130, 7))
def test_a_damaged_payload_gives_what_stands_before(at):
    whole = payload(tilted(5))
    names = [name for name, _ in entries(whole)]
    assert names == ["IORI", "GRAV"]
    assert [name for name, _ in entries(whole[:at])] == []
    damaged = whole[:at] + bytes([whole[at % len(whole)] ^ 255]) + whole[at + 1 :]
    assert all(np.isfinite(values).all() for _, values in entries(damaged))
