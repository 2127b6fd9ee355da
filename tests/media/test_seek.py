"""Frames by number: a part of a video is the same, frame by frame, whether it is sought or counted from the start."""

from dataclasses import replace

import numpy as np
import pytest

from fixtures.videos import encode, number_of, numbered, remux, turned, zeroed
from prml.media.read import probe, read_frames
from prml.media.seek import UnexpectedFrameError, frame_index

UNEVEN = [0, 40, 73, 100, 160, 200, 210, 300, 340, 360, 410, 500, 520, 600, 640, 660, 700, 790, 800, 850]
KINDS = {
    "reordered.mp4": ("libx264", {"bf": 3, "g": 12}),
    "open.mp4": ("libx264", {"bf": 3, "g": 12, "x264_params": "open-gop=1"}),
    "fields.mov": ("mpeg4", {"bf": 2, "g": 10}),
    "web.webm": ("libvpx", {"g": 10}),
    "nine.mkv": ("libvpx-vp9", {"g": 10}),
    "pictures.avi": ("mjpeg", {}),
}


def _parts(path, index, *parts):
    whole = list(read_frames(path))
    for start, stop in parts:
        for options in ({"index": index}, {}):
            part = list(read_frames(path, start=start, stop=stop, **options))
            assert [f.index for f in part] == [f.index for f in whole[start:stop]]
            assert [f.time_s for f in part] == [f.time_s for f in whole[start:stop]]
            assert all(np.array_equal(a.image, b.image) for a, b in zip(part, whole[start:stop], strict=True))


@pytest.mark.parametrize("name", KINDS)
def test_a_part_is_the_same_sought_or_counted(tmp_path, name):
    codec, options = KINDS[name]
    path = encode(tmp_path / name, codec, **options)
    index = frame_index(probe(path))
    assert len(index) == 60
    assert 0 < index.key_before(30) <= 30 or codec == "libvpx"  # which may ask for fewer key frames
    _parts(path, index, (0, 5), (11, 14), (30, 30), (47, None), (59, 99))


def test_uneven_times_stay_exact(tmp_path):
    path = encode(tmp_path / "uneven.mkv", "libx264", numbered(20), ticks=UNEVEN, g=5, bf=2)
    index = frame_index(probe(path))
    assert [index.time_s(n) for n in range(20)] == [f.time_s for f in read_frames(path)]
    _parts(path, index, (3, 9), (12, None))
    said = []
    (*_, last) = read_frames(path, fps=100, index=index, start=12, on_warning=said.append)
    assert last.time_s == 0.19
    assert said == [f"the times of {path} are uneven; fps=100 replaced them by even ones"]
    list(read_frames(path, fps=100, index=index, stop=12, on_warning=said.append))
    assert len(said) == 1


def test_a_turned_video_is_upright_in_every_part(tmp_path):
    path = turned(encode(tmp_path / "turned.mp4", g=12), (0, 1, -1, 0))
    info = probe(path)
    assert info.rotation_deg in (90, 270)
    _parts(path, frame_index(info), (30, 33))


@pytest.mark.parametrize("name", ["raw.h264", "stream.ts", "cut.mp4"])
def test_what_can_only_be_counted_has_no_index(tmp_path, name):
    path = encode(tmp_path / "whole.mp4", "libx264", g=12)
    if name == "cut.mp4":
        moved = remux(path, tmp_path / "front.mp4", movflags="faststart").read_bytes()
        (tmp_path / name).write_bytes(moved[: len(moved) * 3 // 4])
    else:
        encode(tmp_path / name, "libx264", g=12)
    assert frame_index(probe(tmp_path / name)) is None


def test_frames_that_are_not_where_the_index_says_are_not_taken_for_others(tmp_path):
    path = encode(tmp_path / "whole.mp4", "libx264", g=12, bf=2)
    index = frame_index(probe(path))
    wrong = replace(index, ticks=index.ticks + (np.arange(60) > 40))
    with pytest.raises(UnexpectedFrameError, match="frame 41"):
        list(read_frames(path, start=38, index=wrong))
    damaged = zeroed(path, tmp_path / "damaged.mp4", [30])
    seen = []
    with pytest.raises(UnexpectedFrameError):
        seen += [number_of(frame.image) for frame in read_frames(damaged, start=20, index=frame_index(probe(damaged)))]
    assert seen == list(range(20, 20 + len(seen)))
