"""Writing videos: complete or not at all, under a name of their own."""

import os
import resource
import stat

import numpy as np
import pytest

from fixtures.videos import corner_image
from prml.errors import PrmlError
from prml.media.loop import loop_video
from prml.media.read import read_frames
from prml.media.write import VideoWriter


def test_written_video_reads_back(tmp_path):
    path = tmp_path / "o.mp4"
    times = [0.0, 0.04, 0.2]
    with VideoWriter(path, 65, 49, 25) as writer:
        for time_s in times:
            writer.write(corner_image(65, 49), time_s)
        assert not path.exists(), "no name before it is whole"
    frames = list(read_frames(path))
    assert frames[0].image.shape == (48, 64, 3)
    assert np.allclose([f.time_s for f in frames], times, atol=0.002)
    assert np.abs(frames[1].image.astype(int) - corner_image()).mean() < 6
    assert [p.name for p in tmp_path.iterdir()] == ["o.mp4"]


def test_writer_leaves_nothing_half_written(tmp_path):
    def interrupted():
        with VideoWriter(tmp_path / "o.mp4", 64, 48, 25) as writer:
            writer.write(corner_image())
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_gives_one_line_and_leaves_nothing(tmp_path):
    """A limit on file size simulates a full disk: writing fails half-way."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 120, 160, 3), dtype=np.uint8)

    def fill():
        with VideoWriter(tmp_path / "o.mp4", 160, 120, 25) as writer:
            for image in noise:
                writer.write(image)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(PrmlError, match="cannot write") as caught:
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_writer_does_not_replace_unasked(tmp_path):
    path = tmp_path / "o.mp4"
    path.write_bytes(b"mine")
    with pytest.raises(PrmlError, match="exists"):
        VideoWriter(path, 64, 48, 25)
    assert path.read_bytes() == b"mine"


def grey(value):
    return np.full((48, 64, 3), value, np.uint8)


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_writers_on_one_path_do_not_mix(tmp_path, overwrite):
    path = tmp_path / "o.mp4"
    first, second = (VideoWriter(path, 64, 48, 25, overwrite=overwrite) for _ in range(2))
    for _ in range(5):
        first.write(grey(40))
        second.write(grey(200))
    first.close()
    if overwrite:
        second.close()
    else:
        with pytest.raises(PrmlError, match="exists"):
            second.close()
    frames = list(read_frames(path))
    assert len(frames) == 5
    assert abs(float(frames[0].image.mean()) - (200 if overwrite else 40)) < 4
    assert [p.name for p in tmp_path.iterdir()] == ["o.mp4"]


def test_a_link_at_a_name_that_could_be_guessed_is_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    source = tmp_path / "source.mp4"
    with VideoWriter(source, 64, 48, 25) as writer:
        writer.write(grey(40))
    for name in (".o.mp4.tmp", ".o.turn.mp4", ".l.mp4.tmp", ".l.turn.mp4"):
        (tmp_path / name).symlink_to(target)
    with VideoWriter(tmp_path / "o.mp4", 64, 48, 25) as writer:
        writer.write(grey(40))
    loop_video(source, tmp_path / "l.mp4", 1.0)
    assert target.read_bytes() == b"mine"


def test_a_video_has_the_modes_of_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        with VideoWriter(tmp_path / "o.mp4", 64, 48, 25) as writer:
            writer.write(grey(40))
        loop_video(tmp_path / "o.mp4", tmp_path / "l.mp4", 1.0)
    finally:
        os.umask(before)
    for name in ("o.mp4", "l.mp4"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
