"""A long video made from a short one."""

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.media.loop import loop_video
from prml.media.read import probe, read_frames
from prml.media.write import VideoWriter


def write(path, frames=5, fps=25.0):
    """Frames that differ in brightness: frame i is 40 i."""
    with VideoWriter(path, 64, 48, fps, crf=10) as writer:
        for index in range(frames):
            writer.write(np.full((48, 64, 3), 40 * index, np.uint8))
    return path


def test_frames_go_to_and_fro(tmp_path):
    source = write(tmp_path / "short.mp4")
    assert loop_video(source, tmp_path / "long.mp4", 0.8) == 20
    frames = list(read_frames(tmp_path / "long.mp4"))
    shown = [round(float(f.image.mean()) / 40) for f in frames]
    assert shown == [0, 1, 2, 3, 4, 3, 2, 1] * 2 + [0, 1, 2, 3]
    assert np.allclose([f.time_s for f in frames], np.arange(20) / 25, atol=1e-3)
    assert not list(tmp_path.glob(".*"))


def test_length_and_size_are_as_asked(tmp_path):
    source = write(tmp_path / "short.mp4", frames=2)
    loop_video(source, tmp_path / "long.mp4", 30.0)
    info = probe(tmp_path / "long.mp4")
    assert (info.width, info.height, info.frames) == (64, 48, 750)
    assert info.duration_s == pytest.approx(30, abs=0.05)


def test_a_longer_source_is_cut(tmp_path):
    loop_video(write(tmp_path / "short.mp4"), tmp_path / "cut.mp4", 0.12)
    assert len(list(read_frames(tmp_path / "cut.mp4"))) == 3


def test_what_cannot_be_made(tmp_path):
    source = write(tmp_path / "short.mp4")
    with pytest.raises(PrmlError, match="positive"):
        loop_video(source, tmp_path / "a.mp4", 0)
    with pytest.raises(PrmlError, match="exists"):
        loop_video(source, source, 2)
    with pytest.raises(PrmlError, match="no such file"):
        loop_video(tmp_path / "none.mp4", tmp_path / "a.mp4", 2)
